//! What a provider says of a symbol: fields and numbers.

use std::fmt;

/// The name of a value of a quote: `last`, `volume`, or any name a definition adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(Box<str>);

/// The fields every definition may use; definitions may add others.
pub const FIELDS: [&str; 13] = [
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

/// The fields of [`FIELDS`] that are prices, and so above zero.
const PRICES: [&str; 8] = ["last", "bid", "ask", "open", "high", "low", "previous_close", "vwap"];

impl Field {
    /// A field name is a letter followed by letters, digits and `_`.
    pub fn new(name: &str) -> Option<Self> {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= 100
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        valid.then(|| Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the field is a price by its name: one that is not above zero is no value.
    pub fn is_price(&self) -> bool {
        PRICES.contains(&&*self.0)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one provider said of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    /// Index of the symbol among those of the feed.
    pub symbol: usize,
    /// A value for each column that was asked for, in that order.
    pub values: Values,
}

/// The values of a quote, one for each column asked for.
pub type Values = Box<[Option<crate::number::Number>]>;

/// Takes from `more` what `values` has not yet.
pub fn fill(values: &mut Values, more: &Values) {
    for (value, other) in values.iter_mut().zip(more) {
        *value = value.or(*other);
    }
}
