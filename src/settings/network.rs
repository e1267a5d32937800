//! Proxies and trusted certificates, from the variables that other programs read too.

use super::sources::{Sources, path_variable};
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::http::no_proxy::NoProxy;
use crate::http::proxy::{NetworkConfig, Proxies};
use crate::http::url::Url;
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::system::input;
use std::path::{Path, PathBuf};

/// The variable that names a file of certificates to trust.
const ROOTS: &str = "SSL_CERT_FILE";

/// The longest file of certificates, in bytes. That of Debian has 220 kB.
pub(super) const MAX_CERTIFICATE_BYTES: u64 = 16 << 20;

/// Reads `SSL_CERT_FILE`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. `urls` are the URLs that the run may
/// use. If neither one of them nor a proxy is `https`, the file of certificates is not read.
///
/// # Errors
/// When the URL of a proxy is wrong, or the file cannot be read or contains no certificate.
pub(super) fn read<'a>(
    sources: Sources<'_>,
    mut urls: impl Iterator<Item = &'a Url>,
) -> Result<NetworkConfig, ConfigError> {
    let path = path_variable(sources.env, ROOTS);
    let value = path.map(|path| ConfigValue::from_text(path.display().to_string(), Origin::Variable(ROOTS.to_owned())));
    sources.path_setting(ROOTS, value);
    let proxies = read_proxies(sources)?;
    let is_needed = proxies.have_tls() || urls.any(|url| url.scheme == "https");
    let roots = if is_needed { read_roots(sources)? } else { None };
    Ok(NetworkConfig { proxies, roots })
}

/// Reads the certificates of the authorities to trust, if the variable is set that names a file of them.
///
/// # Errors
/// When the file cannot be read or contains no certificate.
pub(super) fn read_roots(sources: Sources<'_>) -> Result<Option<Vec<u8>>, ConfigError> {
    if let Some(roots) = sources.roots.get() {
        return Ok(roots.clone());
    }
    let read = |path: PathBuf| read_certificates(&path, Origin::Variable(ROOTS.to_owned()), sources.deadline);
    let roots = path_variable(sources.env, ROOTS).map(read).transpose()?;
    Ok(sources.roots.get_or_init(|| roots).clone())
}

fn read_certificates(path: &Path, origin: Origin, deadline: Deadline<'_>) -> Result<Vec<u8>, ConfigError> {
    let pem = input::read_file(path, MAX_CERTIFICATE_BYTES, deadline)
        .map_err(ConfigError::unreadable(origin.clone(), path))?;
    if String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        Ok(pem)
    } else {
        Err(ConfigError::invalid(origin, "names a file without a certificate in PEM"))
    }
}

fn read_proxies(sources: Sources<'_>) -> Result<Proxies, ConfigError> {
    // Both spellings are in use; the lower case one wins.
    let variable = |lower: &str| {
        let upper = lower.to_uppercase();
        let value = match sources.variable(lower)? {
            Some(value) => Some(value),
            None => sources.variable(&upper)?,
        };
        Ok(sources.optional_setting(&upper, value))
    };
    let proxy = |name| -> Result<Option<Secret>, ConfigError> {
        let Some(value) = variable(name)? else { return Ok(None) };
        let text = value.text()?;
        // As in other programs, the scheme may be left out.
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme.as_str(), "http" | "https") => Ok(Some(Secret::new(text))),
            _ => Err(value.invalid("must be an http or https URL of a proxy")),
        }
    };
    let exceptions = variable("no_proxy")?.map(|value| value.text().map(read_exceptions)).transpose()?;
    Ok(Proxies { https: proxy("https_proxy")?, http: proxy("http_proxy")?, exceptions: exceptions.unwrap_or_default() })
}

/// The entries of `NO_PROXY`, which are separated by commas or blanks.
fn read_exceptions(text: &str) -> Vec<NoProxy> {
    let entries = text.split(|separator: char| separator == ',' || separator.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).map(NoProxy::parse).collect()
}
