//! Addresses: of providers, of Graphite, of proxies.

use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::IpAddr;

/// An absolute URL, taken apart. Its `Display` shows no more than scheme, host and port: a path
/// or query may hold a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Url {
    /// `https`, `http`, `tcp`, ...
    pub scheme: String,
    /// A name or an address; an IPv6 literal keeps its brackets.
    pub host: String,
    /// The port, if one is given.
    pub port: Option<u16>,
    /// Path and query; empty or beginning with `/`.
    pub path: String,
    /// `user:password@`, decoded.
    pub credentials: Option<Credentials>,
}

/// A user and a password.
#[derive(Clone, Debug, PartialEq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// The value of an `Authorization` header (RFC 7617).
    pub fn basic(&self) -> Secret {
        Secret::new(format!("Basic {}", self.encoded()))
    }

    /// What must not be shown: the password, and the pair as it is sent.
    pub fn secrets(&self) -> [Secret; 2] {
        [self.password.clone(), Secret::new(self.encoded().trim_end_matches('='))]
    }

    fn encoded(&self) -> String {
        BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password.expose()))
    }
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// A text that does not quote the URL, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXAMPLE: &str = "must be a URL such as https://host/path";
        let uri: http::Uri = text.parse().map_err(|_| EXAMPLE)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(EXAMPLE);
        };
        // By itself, as a bracket before the @ would make good for one after it.
        let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
        if authority.host().is_empty() || host.parse::<http::uri::Authority>().is_err() {
            return Err(EXAMPLE);
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') && !port.contains('@') => {
                Some(port.parse().map_err(|_| "has a port that is no number from 1 to 65535")?)
            }
            _ => None,
        };
        let credentials = authority.as_str().rsplit_once('@').map(|(userinfo, _)| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            Credentials { user: decode(user), password: Secret::new(decode(password)) }
        });
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: authority.host().to_ascii_lowercase(),
            port,
            path: if path == "/" { String::new() } else { path.to_owned() },
            credentials,
        })
    }

    /// Whether the host is this machine by its name or address.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether others can read on the way what is sent there: it is neither TLS nor this machine.
    pub fn is_cleartext(&self) -> bool {
        self.scheme != "https" && !self.is_loopback()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = Url::parse("HTTPS://u%40x:p%3Aw@Host.example:8443/graphite/metrics?a=b").unwrap();
        assert_eq!(url.to_string(), "https://host.example:8443");
        assert_eq!(url.path, "/graphite/metrics?a=b");
        let credentials = url.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("u@x", "p:w"));
        assert_eq!(credentials.basic().expose(), "Basic dUB4OnA6dw==");
    }

    #[test]
    fn short_forms_are_urls() {
        let url = Url::parse("tcp://carbon").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("carbon", None, ""));
        let url = Url::parse("tcp://[::1]:2003").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("[::1]", Some(2003)));
        assert_eq!(Url::parse("tcp://[::1]").unwrap().port, None);
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_quoted() {
        for text in ["", "host", "/path", "https://", "https://h:99999/", "http://user:pass word@h/", "https://a[b@]c/"]
        {
            assert!(!Url::parse(text).unwrap_err().contains("pass word"), "{text}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        let open = |text| Url::parse(text).unwrap().is_cleartext();
        assert!(
            !open("http://127.1.2.3:80/") && !open("http://[::1]/") && !open("http://localhost") && !open("https://a")
        );
        assert!(open("http://example.com") && open("http://localhost.example.com") && open("tcp://10.0.0.1"));
    }
}
