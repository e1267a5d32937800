//! The names of the values in a quote.

use std::fmt;
use std::str::FromStr;

/// The name of a value in a quote: `last`, `volume`, or any name that a definition adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Field(Box<str>);

/// The error for a text that is no field name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no field name: a letter, then letters, digits and _")]
pub(crate) struct FieldError(String);

/// The fields that are prices, which are always above zero.
const PRICES: [&str; 8] = ["last", "bid", "ask", "open", "high", "low", "previous_close", "vwap"];

impl Field {
    /// The fields that have the same meaning in every definition. A definition may add others.
    pub(crate) const STANDARD: [&str; 13] = [
        "last",
        "bid",
        "ask",
        "open",
        "high",
        "low",
        "previous_close",
        "vwap",
        "volume",
        "quote_volume",
        "change",
        "change_percent",
        "age",
    ];

    /// Most bytes of a name. A field is a node of a metric name, and Graphite makes a file of it.
    const MAX_LEN: usize = 100;

    /// Reads a field name: a letter, then letters, digits and `_`.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let is_valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= Self::MAX_LEN
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        is_valid.then(|| Self(name.into()))
    }

    /// The last price.
    pub(crate) fn last() -> Self {
        Self("last".into())
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the field is a price by its name. A price that is not above zero is no value.
    pub(crate) fn is_price(&self) -> bool {
        PRICES.contains(&&*self.0)
    }
}

impl FromStr for Field {
    type Err = FieldError;

    fn from_str(name: &str) -> Result<Self, FieldError> {
        Self::new(name).ok_or_else(|| FieldError(name.to_owned()))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_name_is_a_letter_then_letters_digits_and_underscores() {
        for name in ["last", "x", "a_1", &"a".repeat(100)] {
            assert_eq!(Field::new(name).as_ref().map(Field::as_str), Some(name));
        }
        for name in ["", "1a", "_a", "a-b", "a.b", "ä", "a b", &"a".repeat(101)] {
            assert_eq!(Field::new(name), None, "{name}");
        }
    }

    #[test]
    fn every_price_is_a_standard_field() {
        assert!(PRICES.iter().all(|name| Field::STANDARD.contains(name)));
        let is_price = |name| Field::new(name).is_some_and(|field| field.is_price());
        assert!(is_price("vwap") && !is_price("volume") && !is_price("change") && !is_price("fee"));
    }
}
