//! Texts of replies: as they came, to be searched, and as messages may show them.

use super::json::string_or_number;
use crate::http::request::Request;
use crate::util::clauses::join_clauses;
use crate::util::sanitize::sanitize;
use std::fmt;

/// Most characters of an error text that are kept. It must be enough to find in it what a definition says
/// of unknown symbols. Messages show less.
const MAX_CHARACTERS: usize = 4_000;

/// The words of an API about an error. A key may be a word of English or a part of a symbol, so they are searched as
/// they came.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ErrorText {
    words: String,
    /// The same with the secrets masked.
    shown: String,
}

impl ErrorText {
    /// The beginning of a text from a reply, long enough to search it.
    pub(super) fn new(request: &Request, text: &str) -> Self {
        Self { words: sanitize(text, MAX_CHARACTERS), shown: request.secrets.sanitize(text, MAX_CHARACTERS) }
    }

    /// What there is to say where the API has no words.
    pub(crate) fn of_status(status: u16) -> Self {
        let text = format!("HTTP {status}");
        Self { words: text.clone(), shown: text }
    }

    /// Several texts as one. `None` if there are none.
    pub(super) fn join(texts: impl Iterator<Item = Self>) -> Option<Self> {
        texts.reduce(|all, text| Self {
            words: format!("{}; {}", all.words, text.words),
            shown: join_clauses([all.shown, text.shown]),
        })
    }

    /// As it came, with a key that may be in it: to be searched, and not to be shown.
    pub(crate) fn to_search(&self) -> &str {
        &self.words
    }

    /// As messages may show it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

/// The error text in a JSON value. `None` if it is not a string, is empty or is `OK`: many APIs send such a
/// value when there is no error.
pub(super) fn error_text(request: &Request, json: &str) -> Option<ErrorText> {
    let text = string_or_number(json).filter(|_| is_error_text(json))?;
    Some(ErrorText::new(request, &text))
}

/// Whether a JSON value is a string that is neither empty nor `OK`.
pub(super) fn is_error_text(json: &str) -> bool {
    let is_error = |text: &str| !text.is_empty() && !text.eq_ignore_ascii_case("ok");
    json.starts_with('"') && string_or_number(json).is_some_and(|text| is_error(text.trim()))
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
