//! `datametrics providers`: which providers there are.

use crate::settings::Listed;
use std::fmt::Write;

/// A table of providers: a line each, columns aligned.
pub fn table(listed: &[Listed]) -> String {
    let head = ["NAME", "MARKET", "KEYS", "LIMITS", "TERMS"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(listed.iter().map(row)).collect();
    let widths = [0, 1, 2, 3].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut out = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(out, "{cell:width$}  ");
        }
        let _ = writeln!(out, "{}", row[4]);
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
