//! What is asked over HTTP and what comes back, as plain data.

use crate::http::body::Body;
use crate::http::url::Url;
use crate::secret::Secret;
use std::fmt;
use std::time::Duration;

/// One HTTP request: a GET, or a POST where it has a body. Nothing that it shows of itself holds
/// a secret.
#[derive(Clone, Debug)]
pub struct Request {
    /// Scheme, host and port.
    pub server: Url,
    /// Path and query as they are sent; they may hold a key.
    pub path: Secret,
    /// Path and query as they may be shown.
    pub redacted_path: String,
    /// What it is about, as a person reads it: symbols, points.
    pub about: String,
    /// Headers, of which any may hold a key.
    pub headers: Vec<(String, Secret)>,
    /// The body of a POST.
    pub body: Option<Vec<u8>>,
    /// Longest body taken back, in bytes after decompression.
    pub max_body: u64,
    /// What must not be shown of the reply either, as servers like to quote keys in errors.
    pub secrets: Vec<Secret>,
}

impl Request {
    /// `text`, which came from the server, without the request's secrets.
    pub fn mask(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.mask(&text))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        write!(f, "{method} {}{}", self.server, self.redacted_path)
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The host that it sent us to instead, where that is another one.
    pub redirect: Option<String>,
    /// The body, decompressed; of an error only its beginning.
    pub body: Body,
}
