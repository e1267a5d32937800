//! Proxies and trusted certificates, from the usual variables.

use super::sources::{Sources, path_variable};
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::http::proxy::{NetworkConfig, Proxies};
use crate::http::url::Url;
use crate::secret::Secret;

/// Reads the variables that every program of this kind reads. `SSL_CERT_FILE` is only opened
/// where one of the URLs that are reached is of `https`.
///
/// # Errors
/// When a proxy is no URL, or the file cannot be read.
pub(super) fn read<'a>(
    sources: Sources<'_>,
    mut urls: impl Iterator<Item = &'a Url>,
) -> Result<NetworkConfig, ConfigError> {
    let file = path_variable(sources.env, "SSL_CERT_FILE");
    let shown = file.as_ref().map(|path| ConfigValue::text_from(path.display().to_string(), variable("SSL_CERT_FILE")));
    sources.optional("SSL_CERT_FILE", shown);
    let roots = match file.filter(|_| urls.any(|url| url.scheme == "https")) {
        None => None,
        Some(path) => {
            let pem = std::fs::read(&path).map_err(ConfigError::unreadable(variable("SSL_CERT_FILE"), &path))?;
            if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
                return Err(ConfigError::invalid(
                    variable("SSL_CERT_FILE"),
                    "names a file without a certificate in PEM",
                ));
            }
            Some(pem)
        }
    };
    Ok(NetworkConfig { proxies: proxies(sources)?, roots })
}

fn variable(name: &str) -> Origin {
    Origin::Variable(name.to_owned())
}

fn proxies(sources: Sources<'_>) -> Result<Proxies, ConfigError> {
    let either = |lower: &str| {
        let upper = lower.to_uppercase();
        let value = match sources.variable(lower)? {
            Some(value) => Some(value),
            None => sources.variable(&upper)?,
        };
        Ok(sources.optional(&upper, value))
    };
    let proxy = |name| -> Result<Option<Secret>, ConfigError> {
        let Some(value) = either(name)? else { return Ok(None) };
        let text = value.text()?;
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => Ok(Some(Secret::new(text))),
            _ => Err(value.invalid("must be an http or https URL of a proxy")),
        }
    };
    let exceptions = match either("no_proxy")? {
        None => Vec::new(),
        Some(value) => value.list()?.iter().map(|one| one.text().map(str::to_lowercase)).collect::<Result<_, _>>()?,
    };
    Ok(Proxies { https: proxy("https_proxy")?, http: proxy("http_proxy")?, exceptions })
}
