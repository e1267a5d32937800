//! Secrets, and how they are kept out of all output.

mod base64;
mod fragments;
mod mask;
mod readings;

pub use mask::Secrets;
pub(crate) use mask::mask;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use std::fmt;

/// The characters that are percent-encoded in a value within a URL: all but the unreserved characters of
/// RFC 3986. So a value cannot end a parameter or a path segment.
pub(crate) const URL_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Replaces a secret in all output.
pub(crate) const MASK: &str = "***";

/// A key or a password. It has no `Display`, and its `Debug` prints a mask. Only [`Secret::expose`] returns
/// the value; it is called only where a header, a URL or a mask is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret with this value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, to be sent and not to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Whether a word may be a key: it has 12 letters and digits of ASCII in a row, and both are among them. The number of
/// a security (ISIN) is none.
pub(crate) fn looks_like_key(word: &str) -> bool {
    let mut runs = word.split(|c: char| !c.is_ascii_alphanumeric());
    runs.any(|run| {
        let has = |is: fn(&u8) -> bool| run.bytes().any(|b| is(&b));
        run.len() >= 12 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !is_isin(run)
    })
}

/// Two capitals for the country, nine capitals and digits, and a check digit (<https://www.isin.org/isin/>).
fn is_isin(run: &str) -> bool {
    let bytes = run.as_bytes();
    bytes.len() == 12
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && bytes[11].is_ascii_digit()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_is_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn a_word_that_may_be_a_key_is_told_from_other_words() {
        let keys = [
            "glc_eyJvIjoiMTIzNDU2Iiwi",
            "PKABCDEFGHIJ0123",
            "8f14e45f-ceea-467f-a1b2-0123456789ab",
            "CG-a1b2c3d4e5f6g7h8i9j0",
        ];
        for key in keys {
            assert!(looks_like_key(key), "{key}");
        }
        for word in [
            "",
            "metrics",
            "graphite_password",
            "BTC/USD",
            "1234567890123456",
            "2026-11-26",
            "US0378331005",
            "datametrics",
        ] {
            assert!(!looks_like_key(word), "{word}");
        }
    }
}
