//! Texts of replies that messages may show: masked, sanitized and cut.

use super::json_walk::string_or_number;
use crate::http::request::Request;
use crate::secret::Secret;

/// Most characters of an error text that are kept. It must be enough to find in it what a definition says
/// of unknown symbols. Messages show less.
const MAX_CHARACTERS: usize = 4_000;

/// Most characters of a value that messages show.
const MAX_VALUE_CHARACTERS: usize = 60;

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
    request.sanitize(text, MAX_CHARACTERS)
}

/// The beginning of a value from a reply, short enough to stand beside others in a message.
pub(super) fn value_start<'s>(request: &'s Request, secrets: impl Iterator<Item = &'s Secret>, text: &str) -> String {
    // A provider may quote what another one was sent.
    let request = Request { secrets: secrets.chain(&request.secrets).cloned().collect(), ..request.clone() };
    request.sanitize(text, MAX_VALUE_CHARACTERS)
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
