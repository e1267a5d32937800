//! URLs of providers, Graphite and proxies.

use crate::secret::{MASK, Secret, looks_like_key};
use crate::util::brackets::without_brackets;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// An absolute URL in its parts. Its `Display` shows only scheme, host and port, as a path or query may
/// hold a key, and its `Debug` no more.
#[derive(Clone, PartialEq)]
pub struct Url {
    /// `https`, `http`, `tcp`, ...
    pub scheme: String,
    /// A name or an IP address. An IPv6 address keeps its brackets.
    pub host: String,
    /// The port, if the URL names one.
    pub port: Option<u16>,
    /// Path and query: empty, or beginning with `/`.
    pub path: String,
    /// The decoded user and password before the `@`.
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
    /// The value of an `Authorization` header for HTTP Basic authentication (RFC 7617).
    pub(crate) fn basic(&self) -> Secret {
        Secret::new(format!("Basic {}", self.encoded()))
    }

    /// The texts to mask in messages: the password, and the encoded pair in the header.
    pub(crate) fn secrets(&self) -> [Secret; 2] {
        [self.password.clone(), Secret::new(self.encoded().trim_end_matches('='))]
    }

    fn encoded(&self) -> String {
        BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password.expose()))
    }
}

/// Why a text is not a URL. It does not quote the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// The text is not an absolute URL with a host.
    #[error("must be a URL such as https://host/path")]
    NotAbsolute,
    /// The port is out of bounds.
    #[error("has a port that is no number from 1 to 65535")]
    Port,
}

impl Url {
    /// Scheme, host and port alone.
    pub(crate) fn server(&self) -> Self {
        let Self { scheme, host, port, .. } = self.clone();
        Self { scheme, host, port, path: String::new(), credentials: None }
    }

    /// Parses an absolute URL.
    ///
    /// # Errors
    /// When the text is not such a URL.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let uri: http::Uri = text.parse().map_err(|_| UrlError::NotAbsolute)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UrlError::NotAbsolute);
        };
        // The part after the @ is parsed alone: a bracket before the @ would close one after it.
        let host = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, host)| host);
        if authority.host().is_empty() || host.parse::<http::uri::Authority>().is_err() {
            return Err(UrlError::NotAbsolute);
        }
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') && !port.contains('@') => {
                Some(port.parse::<NonZeroU16>().map_err(|_| UrlError::Port)?.get())
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

    /// The path for messages: its first node, and a mask for each that follows, which may be a key; without the query.
    /// Of a node of up to three characters, such as `v2`, nothing is to be hidden.
    pub(crate) fn redacted_path(&self) -> String {
        let mut redacted = String::new();
        for (index, node) in self.nodes().enumerate() {
            let is_shown = node.len() <= 3 || index == 0 && !looks_like_key(node);
            redacted.push('/');
            redacted.push_str(if is_shown { node } else { MASK });
        }
        redacted
    }

    /// The parts of path and query that are masked in the words of a server, which may quote its address: those that
    /// may be keys. To mask other words would only make its words unclear.
    pub(crate) fn path_secrets(&self) -> Vec<Secret> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let is_word = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase()) && part.len() < 12;
        let parts = self.nodes().chain(values).filter(|part| !is_word(part));
        parts.map(|part| Secret::new(percent_decode_str(part).decode_utf8_lossy())).collect()
    }

    /// The path alone, without slashes at its end.
    pub(crate) fn path_without_query(&self) -> &str {
        self.path.split('?').next().unwrap_or_default().trim_end_matches('/')
    }

    /// The nodes of the path.
    fn nodes(&self) -> impl Iterator<Item = &str> {
        let path = self.path_without_query().trim_start_matches('/');
        path.split('/').filter(|_| !path.is_empty())
    }

    /// The port of an `http` or `https` URL.
    pub(super) fn http_port(&self) -> u16 {
        self.port.unwrap_or(if self.scheme == "https" { 443 } else { 80 })
    }

    /// Whether the host is `localhost` or a loopback address, also one of IPv4 in the form of IPv6.
    pub(crate) fn is_loopback(&self) -> bool {
        let bare = without_brackets(&self.host);
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// Whether others on the network can read what is sent to the URL: it uses no TLS, and is not on this
    /// machine.
    pub(crate) fn is_cleartext(&self) -> bool {
        self.scheme != "https" && !self.is_loopback()
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = if self.path.is_empty() { "" } else { "/***" };
        write!(f, "{self}{hidden}")
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
    fn a_url_is_split_into_its_parts() {
        let url = Url::parse("HTTPS://u%40x:p%3Aw@Host.example:8443/graphite/metrics?a=b").unwrap();
        assert_eq!(url.to_string(), "https://host.example:8443");
        assert_eq!(url.path, "/graphite/metrics?a=b");
        let credentials = url.credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("u@x", "p:w"));
        assert_eq!(credentials.basic().expose(), "Basic dUB4OnA6dw==");
    }

    #[test]
    fn a_url_needs_neither_port_nor_path() {
        let url = Url::parse("tcp://carbon").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("carbon", None, ""));
        let url = Url::parse("tcp://[::1]:2003").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("[::1]", Some(2003)));
        assert_eq!(Url::parse("tcp://[::1]").unwrap().port, None);
    }

    #[test]
    fn an_invalid_url_is_refused_with_a_message_that_does_not_quote_it() {
        let not_absolute = "must be a URL such as https://host/path";
        let port = "has a port that is no number from 1 to 65535";
        for (text, message) in [
            ("", not_absolute),
            ("host", not_absolute),
            ("/path", not_absolute),
            ("https://", not_absolute),
            ("https://@/", not_absolute),
            ("https://:443/", not_absolute),
            ("http://user:pass word@h/", not_absolute),
            ("https://a[b@]c/", not_absolute),
            ("https://user:password@h:99999/", port),
            ("https://h:65536/", port),
        ] {
            assert_eq!(Url::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn a_path_is_shown_without_what_may_be_a_key() {
        for (path, redacted, secrets) in [
            ("", "", [].as_slice()),
            ("/", "", &[]),
            ("/graphite/metrics", "/graphite/***", &[]),
            ("/graphite/T0ken/metrics?key=s%2F3&x=y", "/graphite/***/***", &["T0ken", "s/3"]),
            ("/graphite/metrics?T0ken&x", "/graphite/***", &["T0ken"]),
            ("/c0ffee1234c0ffee1234/metrics", "/***/***", &["c0ffee1234c0ffee1234"]),
            ("/api/v3", "/api/v3", &["v3"]),
            ("/api/longerthanaword", "/api/***", &["longerthanaword"]),
        ] {
            let url = Url::parse(&format!("https://h{path}")).unwrap();
            assert_eq!(url.redacted_path(), redacted, "{path}");
            let found = url.path_secrets();
            assert_eq!(found.iter().map(Secret::expose).collect::<Vec<_>>(), secrets, "{path}");
        }
    }

    #[test]
    fn a_url_is_cleartext_without_tls_unless_its_host_is_loopback() {
        for (text, is_cleartext) in [
            ("https://example.com", false),
            ("http://127.1.2.3:80/", false),
            ("http://[::1]/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://localhost", false),
            ("tcp://localhost:2003", false),
            ("http://example.com", true),
            ("http://localhost.example.com", true),
            ("tcp://10.0.0.1", true),
        ] {
            assert_eq!(Url::parse(text).unwrap().is_cleartext(), is_cleartext, "{text}");
        }
    }
}
