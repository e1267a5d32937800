//! `datametrics providers`: which providers there are; and what other tables are printed with.

use crate::settings::Listed;
use std::fmt::Write;

/// A table of providers: a line each.
pub fn table(listed: &[Listed]) -> String {
    let head = ["NAME", "MARKET", "KEYS", "LIMITS", "TERMS"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(listed.iter().map(row)).collect();
    aligned(&rows)
}

/// A line for each row, columns aligned.
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn row(listed: &Listed) -> [String; 5] {
    let definition = &listed.definition;
    let keys = listed.keys.iter().map(|key| {
        let state = match (key.is_set, key.is_optional) {
            (true, _) => "set",
            (false, true) => "not set, optional",
            (false, false) => "not set",
        };
        format!("{} ({state})", key.name)
    });
    let mut keys = keys.collect::<Vec<_>>().join(" ");
    if keys.is_empty() {
        keys.push('-');
    }
    let market = definition.market.as_str().to_owned();
    [definition.name.clone(), market, keys, definition.limits.clone(), definition.terms.clone()]
}
