//! Which requests go through which proxy.

use super::no_proxy::NoProxy;
use super::url::Url;
use crate::secret::Secret;

/// How the network is reached: proxies and trusted certificates.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// The proxies.
    pub(crate) proxies: Proxies,
    /// Root certificates to trust instead of the built-in ones, in PEM.
    pub(crate) roots: Option<Vec<u8>>,
}

/// Which requests go through a proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    /// The URL of the proxy for `https`. It may hold a password.
    pub(crate) https: Option<Secret>,
    /// The URL of the proxy for `http`.
    pub(crate) http: Option<Secret>,
    /// Hosts that are reached without a proxy.
    pub(crate) exceptions: Vec<NoProxy>,
}

impl Proxies {
    /// Whether a proxy is reached by `https`.
    pub(crate) fn have_tls(&self) -> bool {
        let mut urls = [&self.https, &self.http].into_iter().flatten().filter_map(|url| Url::parse(url.expose()).ok());
        urls.any(|url| url.scheme == "https")
    }

    /// The proxy for requests to `url`, if there is one. This machine itself is never reached through a
    /// proxy.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<&Secret> {
        if url.is_loopback() || self.exceptions.iter().any(|exception| exception.covers(url)) {
            return None;
        }
        if url.scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_proxied(exceptions: &[&str], url: &str) -> bool {
        let proxy = Some(Secret::new("http://proxy:3128"));
        let exceptions = exceptions.iter().map(|text| NoProxy::parse(text)).collect();
        let proxies = Proxies { https: proxy.clone(), http: None, exceptions };
        proxies.proxy_for(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn a_request_goes_through_the_proxy_of_its_scheme() {
        assert!(is_proxied(&[], "https://api.example.com"));
        assert!(!is_proxied(&[], "http://api.example.com"));
    }

    #[test]
    fn loopback_and_exceptions_are_reached_without_a_proxy() {
        assert!(!is_proxied(&[], "https://127.0.0.1:8443"));
        assert!(!is_proxied(&[], "https://[::1]:8443"));
        assert!(!is_proxied(&[], "https://localhost"));
        assert!(!is_proxied(&["other.example", "example.com"], "https://api.example.com"));
        assert!(is_proxied(&["other.example"], "https://api.example.com"));
    }
}
