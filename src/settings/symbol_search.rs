//! The settings of `datametrics symbols`: which providers are asked for their symbols.

use super::network;
use super::providers::{Needs, Providers, with_providers};
use super::run_limits::{self, read_deadline};
use super::sources::{Env, Sources};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::fetch::FetchConfig;
use crate::http::proxy::NetworkConfig;
use crate::provider::Definition;
use std::time::Duration;

/// Which providers are asked for their symbols, and how.
#[derive(Debug)]
pub(crate) struct SymbolSearch {
    /// The providers that are asked. There are no feeds.
    pub(crate) fetch: FetchConfig,
    /// The names of the others, and why each is not asked.
    pub(crate) left_out: Vec<(String, String)>,
    /// Whether the user named the providers.
    pub(crate) are_named: bool,
    /// Proxies and trusted certificates.
    pub(crate) network: NetworkConfig,
    /// The time limit of everything.
    pub(crate) timeout: Duration,
}

/// Reads which providers are asked for the symbols that fit `texts`: those that the user names, or all.
///
/// # Errors
/// When a provider is unknown or its definition is wrong, and when one that the user names lacks a key or may not have
/// the one that is set.
pub(crate) fn symbol_search(options: &Options, env: Env<'_>, texts: &[String]) -> Result<SymbolSearch, ConfigError> {
    let deadline = read_deadline(options, env)?;
    with_providers(options, env, deadline, Needs::Lists, |sources, providers| read(options, sources, providers, texts))
}

fn read(
    options: &Options,
    sources: Sources<'_>,
    mut providers: Providers<'_>,
    texts: &[String],
) -> Result<SymbolSearch, ConfigError> {
    let named = sources.first_of(Some(("--provider", &options.provider)), "DATAMETRICS_PROVIDER", None)?;
    let names = match &named {
        Some(named) => named.list()?,
        None => all_names(&providers),
    };
    if let Some(named) = named.as_ref().filter(|_| names.is_empty()) {
        return Err(named.invalid("is empty"));
    }
    let mut left_out = Vec::new();
    for name in &names {
        let definition = providers.definition(name)?;
        let missing_key = || if named.is_none() { missing_key(&definition, sources) } else { None };
        if let Some(reason) = no_list(&definition, texts).or_else(missing_key) {
            left_out.push((definition.name, reason));
            continue;
        }
        match providers.index_of(name) {
            Err(error) if named.is_none() => left_out.push((definition.name, error.to_string())),
            result => drop(result?),
        }
    }
    let (_, retries) = run_limits::read(options, sources)?;
    let Providers { definitions, secrets, .. } = providers;
    let urls = definitions.iter().flat_map(|definition| definition.base_url.urls());
    let network = network::read(sources, urls)?;
    let fetch = FetchConfig { feeds: Vec::new(), definitions, secrets, retries };
    Ok(SymbolSearch { fetch, left_out, are_named: named.is_some(), network, timeout: sources.deadline.remaining() })
}

fn all_names<'a>(providers: &Providers<'_>) -> Vec<ConfigValue<'a>> {
    let value = |name: &str| ConfigValue::from_text(name.to_owned(), Origin::Flag("--provider"));
    providers.sorted_names().into_iter().map(value).collect()
}

/// Why the API cannot be asked for its symbols, whatever its key is.
fn no_list(definition: &Definition, texts: &[String]) -> Option<String> {
    let page = &definition.symbol_page;
    let page = if page.is_empty() { String::new() } else { format!(": look in {page}") };
    match &definition.symbol_list {
        None => Some(format!("its API has no list of symbols{page}")),
        Some(list) if list.is_search() && texts.is_empty() => {
            Some("its API does not list symbols, it finds them: name a TEXT".to_owned())
        }
        Some(_) => None,
    }
}

/// The key that the API needs and that is not set.
fn missing_key(definition: &Definition, sources: Sources<'_>) -> Option<String> {
    let is_missing =
        |(name, is_optional): &(&str, bool)| !is_optional && sources.secret(name).is_ok_and(|secret| secret.is_none());
    definition.secrets_of_list().into_iter().find(is_missing).map(|(name, _)| format!("{name} is not set"))
}
