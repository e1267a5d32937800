//! Text tables.

use crate::util::sanitize::sanitize;
use std::fmt::Write;

/// One line for each row, safe to show. Columns are as wide as their widest cell, in characters.
pub(crate) fn align_columns<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| sanitize(cell, usize::MAX))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in &rows {
        let begin = out.len();
        for (cell, width) in row.iter().zip(widths) {
            // Writing into a string does not fail.
            let _ = write!(out, "{cell:width$}  ");
        }
        out.truncate(begin + out[begin..].trim_end().len());
        out.push('\n');
    }
    out
}
