//! The monitor that is told of a run. It is read apart from everything else and first, so that it
//! learns of a run that ends because of its settings.

use super::network;
use super::sources::{Env, Sources, checked};
use crate::cli::Options;
use crate::config::{ConfigError, Origin, Section};
use crate::http::proxy::NetworkConfig;
use crate::http::url::Url;
use crate::secret::Secret;

/// A monitor that wants to know when a run begins and ends.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// What its pings begin with; the path is as good as a password.
    pub(crate) url: Url,
    /// How it is reached.
    pub(crate) network: NetworkConfig,
}

/// The monitor, if somebody named one.
///
/// # Errors
/// When its URL is none, or would send a password in the clear.
pub(crate) fn monitor(options: &Options, env: Env<'_>) -> Result<Option<Monitor>, ConfigError> {
    let file = Section::empty("");
    let sources = Sources { env, file: &file, recorder: None };
    let Some((text, origin)) = value(options, sources)? else { return Ok(None) };
    let bad = |problem| ConfigError::invalid(origin.clone(), problem);
    let url = Url::parse(text.expose()).map_err(bad)?;
    if !matches!(url.scheme.as_str(), "https" | "http") {
        return Err(bad("must be an http or https URL"));
    }
    if url.credentials.is_some() && url.is_cleartext() {
        return Err(bad("would send the password in the clear: use https"));
    }
    let network = network::read(sources, std::iter::once(&url))?;
    Ok(Some(Monitor { url, network }))
}

/// Notes for `datametrics check` whether there is one.
pub(super) fn record(options: &Options, sources: Sources<'_>) -> Result<(), ConfigError> {
    sources.hidden("--ping-url", value(options, sources)?.map(|(_, origin)| origin));
    Ok(())
}

fn value(options: &Options, sources: Sources<'_>) -> Result<Option<(Secret, Origin)>, ConfigError> {
    match &options.ping_url {
        Some(text) => {
            let origin = Origin::Flag("--ping-url");
            Ok(Some((checked(text, origin.clone())?, origin)))
        }
        None => sources.secret_and_origin("DATAMETRICS_PING_URL"),
    }
}
