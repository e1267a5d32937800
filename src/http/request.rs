//! Requests and responses as plain data.

use super::body::Body;
use super::url::Url;
use crate::secret::{Secret, Secrets};
use crate::system::tls::ClientIdentity;
use crate::util::sanitize::EXCERPT_CHARS;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An HTTP request: a GET, or a POST if it has a body. Neither its `Display` nor its `Debug` shows a
/// secret.
#[derive(Clone)]
pub struct Request {
    /// The server: scheme, host and port.
    pub server: Url,
    /// Path and query as they are sent. They may hold a key.
    pub path: Secret,
    /// Path and query for messages, with every secret masked.
    pub redacted_path: String,
    /// The subject of the request for messages, such as its symbols, or a number of points.
    pub about: String,
    /// Names and values of the headers. Any value may hold a key.
    pub headers: Vec<(String, Secret)>,
    /// The body of a POST. It may hold a key.
    pub body: Option<Vec<u8>>,
    /// The longest body of a response that is read, in bytes after decompression.
    pub max_body: u64,
    /// Whom the client says it is in TLS.
    pub identity: Option<Arc<ClientIdentity>>,
    /// Where the response says how many requests are left.
    pub remaining: Option<RemainingHeader>,
    /// The secrets to mask in texts of the response, as servers may quote a key in an error.
    pub secrets: Secrets,
}

impl Request {
    /// The first 200 characters of a text of the response, fit for a message: no secret is in it.
    pub(crate) fn excerpt(&self, text: &str) -> String {
        self.secrets.sanitize(text, EXCERPT_CHARS)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("server", &self.server)
            .field("path", &self.redacted_path)
            .field("headers", &names)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        write!(f, "{method} {}{}", self.server, self.redacted_path)
    }
}

/// Where a server says how many requests are left of its limit.
#[derive(Clone, Debug, PartialEq)]
pub struct RemainingHeader {
    /// The name of the header.
    pub header: String,
    /// The limit, if it is known.
    pub limit: Option<u64>,
    /// Whether the header has how much of the limit is used, instead of what is left.
    pub has_used: bool,
}

impl RemainingHeader {
    /// What is left, from the value of the header.
    pub(super) fn read(&self, value: &str) -> Option<u64> {
        let number: u64 = value.trim().parse().ok()?;
        if self.has_used { Some(self.limit?.saturating_sub(number)) } else { Some(number) }
    }
}

/// The response to a request.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// How long the server asks to wait before the next request (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// How many requests are left, if the request asks for it and the server says it.
    pub remaining: Option<u64>,
    /// The other server to which it redirects, if it does: scheme, host and port.
    pub redirect: Option<String>,
    /// The body, decompressed. Of the body of an error, only the beginning.
    pub body: Body,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value_of_a_header_and_no_body() {
        let request = Request {
            server: Url::parse("https://h").unwrap(),
            path: Secret::new("/q?key=k3y"),
            redacted_path: "/q?key=***".to_owned(),
            about: String::new(),
            headers: vec![("X-Key".to_owned(), Secret::new("k3y"))],
            body: Some(b"k3y".to_vec()),
            max_body: 1,
            identity: None,
            remaining: None,
            secrets: Secrets::from_iter([Secret::new("k3y")]),
        };
        let shown = r#"Request { server: https://h, path: "/q?key=***", headers: ["X-Key"], body_bytes: Some(3), .. }"#;
        assert_eq!(format!("{request:?}"), shown);
    }

    #[test]
    fn a_header_may_have_what_is_left_or_what_is_used() {
        let read = |limit, has_used, value| RemainingHeader { header: "x".to_owned(), limit, has_used }.read(value);
        let left = |limit, value| read(limit, false, value);
        assert_eq!([left(None, " 59 "), left(None, "many"), left(None, "-1")], [Some(59), None, None]);
        assert_eq!(left(Some(60), "59"), Some(59));
        assert_eq!([read(Some(60), true, "59"), read(Some(60), true, "61")], [Some(1), Some(0)]);
    }
}
