//! The monitor that a run pings. It is read before all other settings, so that it is also told about a run
//! that ends because of a wrong setting.

use super::network;
use super::run_limits::{default_deadline, read_deadline};
use super::sources::{Env, Roots, Sources, check_secret};
use crate::cli::Options;
use crate::config::{ConfigError, Origin, Section};
use crate::http::proxy::NetworkConfig;
use crate::http::url::Url;
use crate::secret::Secret;

/// What a URL may hold that is asked once, at the end of a run. `{duration}` is in milliseconds, as Uptime Kuma wants
/// it.
pub(crate) const PING_PLACEHOLDERS: [&str; 4] = ["{status}", "{code}", "{message}", "{duration}"];

/// A monitor that is told when a run begins and ends.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// The URL that its pings begin with. The path identifies the check, so it is as secret as a password.
    pub(crate) url: Url,
    /// Proxies and trusted certificates.
    pub(crate) network: NetworkConfig,
}

/// Reads the monitor. `None` if there is none.
///
/// # Errors
/// When its URL is wrong, or would send a password in cleartext.
pub(crate) fn monitor(options: &Options, env: Env<'_>) -> Result<Option<Monitor>, ConfigError> {
    let (empty, roots) = (Section::empty(""), Roots::new());
    // A wrong time limit is an error of the run, of which the monitor is to be told.
    let deadline = read_deadline(options, env).unwrap_or_else(|_| default_deadline());
    let sources = Sources::new(env, &empty, deadline, &roots);
    let Some((text, origin)) = read_url(options, sources)? else { return Ok(None) };
    let url = parse(&text, &origin)?;
    let network = network::read(sources, std::iter::once(&url))?;
    Ok(Some(Monitor { url, network }))
}

fn parse(text: &Secret, origin: &Origin) -> Result<Url, ConfigError> {
    let invalid = |problem: &str| ConfigError::invalid(origin.clone(), problem);
    let url = Url::parse(text.expose()).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme.as_str(), "https" | "http") {
        return Err(invalid("must be an http or https URL"));
    }
    if url.credentials.is_some() && url.is_cleartext() {
        return Err(invalid("would send the password in the clear: use https"));
    }
    check_placeholders(&url.path).map_err(|problem| invalid(&problem))?;
    Ok(url)
}

/// Checks the placeholders of the URL. The words between its braces are not quoted, as the URL is a secret.
fn check_placeholders(path: &str) -> Result<(), String> {
    let left = PING_PLACEHOLDERS.iter().fold(path.to_owned(), |path, placeholder| path.replace(placeholder, ""));
    if left.contains(['{', '}']) {
        return Err(format!("has a brace that begins or ends none of {}", PING_PLACEHOLDERS.join(", ")));
    }
    Ok(())
}

/// Records for `datametrics check` whether there is a monitor.
pub(super) fn record(options: &Options, sources: Sources<'_>) -> Result<(), ConfigError> {
    // A run has read it already, and what is in a pipe can be read only once.
    if sources.recorder.is_some() {
        let found = read_url(options, sources)?;
        sources.hidden_setting("--ping-url", found.as_ref().map(|(_, origin)| origin.clone()));
        found.map(|(text, origin)| parse(&text, &origin)).transpose()?;
    }
    Ok(())
}

fn read_url(options: &Options, sources: Sources<'_>) -> Result<Option<(Secret, Origin)>, ConfigError> {
    match &options.ping_url {
        Some(text) => {
            let origin = Origin::Flag("--ping-url");
            Ok(Some((check_secret(text, origin.clone())?, origin)))
        }
        None => sources.secret_and_origin("DATAMETRICS_PING_URL"),
    }
}
