//! What is asked over HTTP and what comes back, as plain data.

use crate::room::Body;
use crate::secret::Secret;
use crate::url::Url;
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
    pub shown: String,
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
        write!(f, "{method} {}{}", self.server, self.shown)
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

/// The beginning of a text from outside, fit to be shown: 200 characters, control characters and
/// those that turn the direction of writing escaped.
pub fn excerpt(text: &str) -> String {
    beginning(text, 200)
}

/// The same with another number of characters.
pub fn beginning(text: &str, characters: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        match c {
            _ if count == characters => {
                out.push('…');
                break;
            }
            '\n' | '\r' | '\t' => out.push(' '),
            _ if moves(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a terminal would do anything but show it: control characters, line ends, those without a
/// width, and those that turn the direction of writing.
fn moves(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    turns || c.is_control() || c == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt(" a\nb\u{1b}[2J\u{9b}c\u{202e}\u{61c} "), "a b\\u{1b}[2J\\u{9b}c\\u{202e}\\u{61c}");
        assert_eq!(excerpt(&"x".repeat(300)).chars().count(), 201);
    }
}
