//! `datametrics providers`: which providers there are; and what other tables are printed with.

use crate::settings::Listed;
use std::fmt::Write;

/// A table of providers. Limits and terms are sentences, so they stand below: as columns they would
/// be wider than any terminal.
pub fn table(listed: &[Listed]) -> String {
    let head = ["NAME", "MARKET", "KEYS"].map(str::to_owned);
    let rows: Vec<[String; 3]> = std::iter::once(head).chain(listed.iter().map(row)).collect();
    let table = aligned(&rows);
    let mut lines = table.lines();
    let mut out = format!("{}\n", lines.next().unwrap_or_default());
    for (line, Listed { definition, .. }) in lines.zip(listed) {
        let _ = writeln!(out, "{line}");
        for (what, said) in [("limits", &definition.limits), ("terms", &definition.terms)] {
            if !said.is_empty() {
                let _ = writeln!(out, "    {what}: {said}");
            }
        }
    }
    out
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

fn row(listed: &Listed) -> [String; 3] {
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
    [definition.name.clone(), definition.market.as_str().to_owned(), keys]
}
