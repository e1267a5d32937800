//! Secrets, and how they are kept out of all output.

mod mask;
mod readings;

pub(crate) use mask::mask;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
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
}
