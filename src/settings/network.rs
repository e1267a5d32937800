//! Proxies and trusted certificates, from the usual variables.

use super::sources::{Sources, path_variable};
use crate::given::{ConfigError, Origin};
use crate::graphite::Destination;
use crate::network::{Network, Proxies};
use crate::provider::Definition;
use crate::secret::Secret;
use crate::url::Url;

/// Reads the variables that every program of this kind reads. `SSL_CERT_FILE` is only opened
/// where something is reached over `https`.
///
/// # Errors
/// When a proxy is no URL, or the file cannot be read.
pub(super) fn read(
    sources: Sources<'_>,
    definitions: &[Definition],
    destination: Option<&Destination>,
) -> Result<Network, ConfigError> {
    let graphite = match destination {
        Some(Destination::Ingest { url, .. }) => Some(url),
        _ => None,
    };
    let is_tls = |url: &Url| url.scheme == "https";
    let uses_tls = definitions.iter().map(|definition| &definition.base).chain(graphite).any(is_tls);
    let roots = match path_variable(sources.env, "SSL_CERT_FILE").filter(|_| uses_tls) {
        None => None,
        Some(path) => {
            let unreadable =
                |cause| ConfigError::Unreadable { what: "certificates (SSL_CERT_FILE)", path: path.clone(), cause };
            let pem = std::fs::read(&path).map_err(unreadable)?;
            if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
                let origin = Origin::Variable("SSL_CERT_FILE".to_owned());
                return Err(ConfigError::invalid(origin, "names a file without a certificate in PEM"));
            }
            Some(pem)
        }
    };
    Ok(Network { proxies: proxies(sources)?, roots })
}

fn proxies(sources: Sources<'_>) -> Result<Proxies, ConfigError> {
    let either = |lower: &str| match sources.variable(lower)? {
        Some(given) => Ok(Some(given)),
        None => sources.variable(&lower.to_uppercase()),
    };
    let proxy = |name| -> Result<Option<Secret>, ConfigError> {
        let Some(given) = either(name)? else { return Ok(None) };
        let text = given.text()?;
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => Ok(Some(Secret::new(text))),
            _ => Err(given.bad("must be an http or https URL of a proxy")),
        }
    };
    let none = match either("no_proxy")? {
        None => Vec::new(),
        Some(given) => given.list()?.iter().map(|one| one.text().map(str::to_lowercase)).collect::<Result<_, _>>()?,
    };
    Ok(Proxies { https: proxy("https_proxy")?, http: proxy("http_proxy")?, none })
}
