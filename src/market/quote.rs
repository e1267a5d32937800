//! What a provider says of a symbol: fields and numbers.

use crate::market::number::Number;
use std::fmt;

/// The name of a value of a quote: `last`, `volume`, or any name a definition adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Field(Box<str>);

/// The fields every definition may use; definitions may add others.
pub(crate) const FIELDS: [&str; 13] = [
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
    pub(crate) fn new(name: &str) -> Option<Self> {
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= 100
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        valid.then(|| Self(name.into()))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the field is a price by its name: one that is not above zero is no value.
    pub(crate) fn is_price(&self) -> bool {
        PRICES.contains(&&*self.0)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The values of many symbols: a row for each, and in it a column for each field. They lie in one
/// piece of memory, as there may be many.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    rows: usize,
    columns: usize,
    values: Vec<Option<Number>>,
}

impl Table {
    /// A table without a value.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![None; rows * columns] }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// A row.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn row(&self, at: usize) -> &[Option<Number>] {
        &self.values[at * self.columns..][..self.columns]
    }

    /// A row, to be changed.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn row_mut(&mut self, at: usize) -> &mut [Option<Number>] {
        &mut self.values[at * self.columns..][..self.columns]
    }

    /// All rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Option<Number>]> {
        (0..self.rows).map(|at| self.row(at))
    }

    /// The table without what stands beyond these columns.
    #[must_use]
    pub(crate) fn first_columns(self, columns: usize) -> Self {
        if columns == self.columns {
            return self;
        }
        let values = self.iter().flat_map(|row| &row[..columns]).copied().collect();
        Self { rows: self.rows, columns, values }
    }

    /// Takes from `more` what a row has not yet.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn fill(&mut self, at: usize, more: &[Option<Number>]) {
        for (value, other) in self.row_mut(at).iter_mut().zip(more) {
            if value.is_none() {
                *value = *other;
            }
        }
    }

    /// Whether a row has any value.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.row(at).iter().any(Option::is_some)
    }

    /// How many rows have a value.
    pub(crate) fn filled(&self) -> usize {
        (0..self.rows).filter(|at| self.has(*at)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_there_stays() {
        let number = |text| Some(Number::parse(text).unwrap());
        let mut table = Table::new(3, 2);
        assert_eq!((table.len(), table.filled()), (3, 0));
        table.fill(1, &[None, number("1")]);
        table.fill(1, &[number("2"), number("3")]);
        assert_eq!(table.row(1), [number("2"), number("1")]);
        assert_eq!((table.has(0), table.has(1), table.filled()), (false, true, 1));
        assert_eq!(table.iter().flatten().flatten().count(), 2);
        assert_eq!(table.first_columns(1).row(1), [number("2")]);
        assert_eq!(Table::new(2, 0).iter().count(), 2);
    }
}
