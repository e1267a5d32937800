//! Texts of replies that messages may show: masked, sanitized and cut.

use super::json_walk::string_or_number;
use crate::http::request::Request;
use crate::util::sanitize::{excerpt, sanitize};

/// Most characters of an error text that are kept. It must be enough to find in it what a definition says
/// of unknown symbols. Messages show less.
const MAX_CHARACTERS: usize = 4_000;

/// Most bytes of a text that are looked at. This is far more than is kept, so that no secret is cut in
/// the part that is kept.
const MAX_BYTES: usize = 1 << 16;

/// The error text in a JSON value. `None` if it is not a string, is empty or is `OK`: many APIs send such a
/// value when there is no error.
pub(super) fn error_text(request: &Request, json: &str) -> Option<String> {
    let text = string_or_number(json).filter(|_| is_error_text(json))?;
    Some(safe_text(request, &text))
}

/// Whether a JSON value is a string that is neither empty nor `OK`.
pub(super) fn is_error_text(json: &str) -> bool {
    let is_error = |text: &str| !text.is_empty() && !text.eq_ignore_ascii_case("ok");
    json.starts_with('"') && string_or_number(json).is_some_and(|text| is_error(text.trim()))
}

/// The beginning of a text from a reply, long enough to search it.
pub(super) fn safe_text(request: &Request, text: &str) -> String {
    sanitize(&masked_head(request, text), MAX_CHARACTERS)
}

/// The beginning of a body, short enough for a message.
pub(super) fn body_start(request: &Request, body: &str) -> String {
    excerpt(&masked_head(request, body))
}

/// Secrets are masked before the text is cut to what is kept, so that no part of a secret is left.
fn masked_head(request: &Request, text: &str) -> String {
    let end = (0..=text.len().min(MAX_BYTES)).rev().find(|end| text.is_char_boundary(*end));
    request.mask(&text[..end.unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_is_no_error_text() {
        for json in [r#""OK""#, r#"" ok ""#, r#""\u004fK""#] {
            assert!(!is_error_text(json), "{json}");
        }
        assert!(is_error_text(r#""ok?""#));
    }
}
