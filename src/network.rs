//! How the network is reached.

use crate::secret::Secret;
use crate::url::Url;

/// How the network is reached.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Through which proxies.
    pub proxies: Proxies,
    /// PEM texts of the certificates to trust instead of the built-in ones.
    pub roots: Option<Vec<u8>>,
}

/// Which requests go through a proxy.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// The proxy for `https`; it may hold a password.
    pub https: Option<Secret>,
    /// The proxy for `http`.
    pub http: Option<Secret>,
    /// Hosts and domains that are reached without.
    pub none: Vec<String>,
}

impl Proxies {
    /// The proxy for requests to `url`; never one for this machine itself.
    pub fn of(&self, url: &Url) -> Option<&Secret> {
        let direct = |pattern: &String| {
            let domain = pattern.trim_start_matches('*').trim_start_matches('.');
            let domain = domain.rsplit_once(':').filter(|_| !domain.contains('[')).map_or(domain, |(host, _)| host);
            pattern == "*"
                || (!domain.is_empty()
                    && url.host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        };
        if url.is_loopback() || self.none.iter().any(direct) {
            return None;
        }
        if url.scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(none: &[&str], url: &str) -> bool {
        let proxy = Some(Secret::new("http://proxy:3128"));
        let none = none.iter().map(ToString::to_string).collect();
        let proxies = Proxies { https: proxy.clone(), http: None, none };
        proxies.of(&Url::parse(url).unwrap()).is_some()
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        assert!(proxied(&[], "https://api.example.com"));
        assert!(!proxied(&[], "http://api.example.com"));
    }

    #[test]
    fn some_hosts_are_reached_without() {
        assert!(!proxied(&[], "https://127.0.0.1:8443"));
        assert!(!proxied(&[], "https://localhost"));
        for none in ["example.com", ".example.com", "*.example.com", "*", "api.example.com:443"] {
            assert!(!proxied(&[none], "https://api.example.com"), "{none}");
        }
        for none in ["ample.com", "example.org", ""] {
            assert!(proxied(&[none], "https://api.example.com"), "{none}");
        }
    }
}
