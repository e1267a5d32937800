//! The values of many symbols.

use super::number::Number;

/// The values of many symbols: one row per symbol, one column per field. All values are in one
/// allocation, as there may be many.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    rows: usize,
    columns: usize,
    values: Vec<Option<Number>>,
}

impl Table {
    /// A table without values.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![None; rows * columns] }
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// The row at `index`.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn row(&self, index: usize) -> &[Option<Number>] {
        &self.values[index * self.columns..][..self.columns]
    }

    /// The row at `index`, to be changed.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn row_mut(&mut self, index: usize) -> &mut [Option<Number>] {
        &mut self.values[index * self.columns..][..self.columns]
    }

    /// All rows in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Option<Number>]> {
        (0..self.rows).map(|index| self.row(index))
    }

    /// The table with only its first `columns` columns.
    #[must_use]
    pub(crate) fn first_columns(self, columns: usize) -> Self {
        if columns == self.columns {
            return self;
        }
        let values = self.iter().flat_map(|row| &row[..columns]).copied().collect();
        Self { rows: self.rows, columns, values }
    }

    /// Fills the empty places of the row at `index` with `values`. A value that is there already
    /// stays.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn fill(&mut self, index: usize, values: &[Option<Number>]) {
        for (place, value) in self.row_mut(index).iter_mut().zip(values) {
            if place.is_none() {
                *place = *value;
            }
        }
    }

    /// Whether the row at `index` has any value.
    ///
    /// # Panics
    /// When there is no such row.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.row(index).iter().any(Option::is_some)
    }

    /// The number of rows that have any value.
    pub(crate) fn filled(&self) -> usize {
        (0..self.rows).filter(|index| self.has(*index)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_a_row_keeps_the_values_that_are_there() {
        let number = |text| Some(Number::parse(text).unwrap());
        let mut table = Table::new(3, 2);
        assert_eq!((table.len(), table.filled()), (3, 0));
        table.fill(1, &[None, number("1")]);
        table.fill(1, &[number("2"), number("3")]);
        assert_eq!(table.row(1), [number("2"), number("1")]);
        assert_eq!((table.has(0), table.has(1), table.filled()), (false, true, 1));
        assert_eq!(table.iter().flatten().flatten().count(), 2);
        assert_eq!(table.first_columns(1).row(1), [number("2")]);
    }

    #[test]
    fn a_table_without_columns_still_has_rows() {
        assert_eq!(Table::new(2, 0).iter().count(), 2);
    }
}
