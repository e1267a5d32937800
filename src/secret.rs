//! A value that no output shows.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// What a value that is put into a URL is encoded by: all but RFC 3986's unreserved characters, so
/// that it cannot end a parameter or climb a path.
pub(crate) const URL_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands in the place of a secret wherever one could be printed.
pub(crate) const MASK: &str = "***";

/// A key or password. It has no `Display`, and its `Debug` is a mask; it leaves only through
/// [`Secret::expose`], which is called where a header or a URL is built and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value in.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with this secret masked wherever it stands: as it is, in a JSON string,
    /// percent-encoded or in base64.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for form in self.forms() {
            if !form.is_empty() && masked.contains(&form) {
                masked = masked.replace(&form, MASK);
            }
        }
        masked
    }

    /// What a server could make of it in an answer.
    fn forms(&self) -> [String; 9] {
        let json = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let [url, strict] = [URL_VALUE, NON_ALPHANUMERIC].map(|set| utf8_percent_encode(&self.0, set).to_string());
        let [url_lower, strict_lower] = [&url, &strict].map(|encoded| with_small_hex(encoded));
        let [base64, base64_url] = [BASE64_STANDARD_NO_PAD.encode(&self.0), BASE64_URL_SAFE_NO_PAD.encode(&self.0)];
        [self.0.clone(), json.replace('/', "\\/"), json, url, strict, url_lower, strict_lower, base64, base64_url]
    }
}

/// Percent-encoded text with `%2f` for `%2F`.
fn with_small_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        let (hex, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{out}%{}{rest}", hex.to_ascii_lowercase())
    })
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
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn every_form_is_masked() {
        let secret = Secret::new("a+b/c");
        assert_eq!(secret.mask("key a+b/c, a+b\\/c, a%2Bb%2Fc, YStiL2M="), "key ***, ***, ***, ***=");
    }

    #[test]
    fn a_key_is_masked_as_it_stands_in_a_url() {
        assert_eq!(Secret::new("a-b/c").mask("a-b%2Fc a%2Db%2Fc a-b%2fc a%2db%2fc"), "*** *** *** ***");
    }

    #[test]
    fn both_alphabets_of_base64_are_masked() {
        assert_eq!(Secret::new("a>?>b?").mask("YT4/PmI/ YT4_PmI_"), "*** ***");
    }

    #[test]
    fn an_empty_secret_masks_nothing() {
        assert_eq!(Secret::new("").mask("abc"), "abc");
    }
}
