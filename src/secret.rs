//! Secrets, and how they are kept out of all output.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// The characters that are percent-encoded in a value within a URL: all but the unreserved characters of
/// RFC 3986. So a value cannot end a parameter or a path segment.
pub(crate) const URL_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Replaces a secret in all output.
pub(crate) const MASK: &str = "***";

/// A key or a password. It has no `Display`, and its `Debug` prints a mask. Only [`Secret::expose`] returns
/// the value; it is called only where a header or a URL is built.
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

    /// Masks this secret in `text`: in plain form, in a JSON string, percent-encoded, and in base64.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for form in self.forms() {
            if !form.is_empty() && masked.contains(&form) {
                masked = masked.replace(&form, MASK);
            }
        }
        masked
    }

    /// The forms in which a server may quote the secret in a response.
    fn forms(&self) -> [String; 9] {
        let json = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let [url, strict] = [URL_VALUE, NON_ALPHANUMERIC].map(|set| utf8_percent_encode(&self.0, set).to_string());
        let [url_lower, strict_lower] = [&url, &strict].map(|encoded| with_lowercase_hex(encoded));
        let [base64, base64_url] = [BASE64_STANDARD_NO_PAD.encode(&self.0), BASE64_URL_SAFE_NO_PAD.encode(&self.0)];
        [self.0.clone(), json.replace('/', "\\/"), json, url, strict, url_lower, strict_lower, base64, base64_url]
    }
}

/// Changes `%2F` to `%2f` in a percent-encoded text.
fn with_lowercase_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (hex, after) = part.split_at_checked(2).unwrap_or((part, ""));
        format!("{text}%{}{after}", hex.to_ascii_lowercase())
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
    fn debug_of_a_secret_is_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let secret = Secret::new("a+b/c");
        assert_eq!(secret.mask("key a+b/c, a+b\\/c, a%2Bb%2Fc, YStiL2M="), "key ***, ***, ***, ***=");
    }

    #[test]
    fn a_secret_is_masked_in_every_percent_encoding() {
        assert_eq!(Secret::new("a-b/c").mask("a-b%2Fc a%2Db%2Fc a-b%2fc a%2db%2fc"), "*** *** *** ***");
    }

    #[test]
    fn a_secret_is_masked_in_both_alphabets_of_base64() {
        assert_eq!(Secret::new("a>?>b?").mask("YT4/PmI/ YT4_PmI_"), "*** ***");
    }

    #[test]
    fn an_empty_secret_masks_nothing() {
        assert_eq!(Secret::new("").mask("abc"), "abc");
    }
}
