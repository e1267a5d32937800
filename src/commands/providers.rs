//! `datametrics providers`: the list of providers.

use super::table::align_columns;
use crate::settings::ProviderListing;
use crate::util::sanitize::sanitize;
use std::fmt::Write;

/// A table of providers. Below the row of a provider, what it covers, its limits and its terms have a line
/// each: they are sentences, and as columns they would be wider than a terminal.
pub(crate) fn table(providers: &[ProviderListing]) -> String {
    let header = ["NAME", "MARKET", "KEYS"].map(str::to_owned);
    let rows: Vec<[String; 3]> = std::iter::once(header).chain(providers.iter().map(row)).collect();
    let table = align_columns(&rows);
    let mut lines = table.lines();
    let mut out = format!("{}\n", lines.next().unwrap_or_default());
    for (line, ProviderListing { definition, .. }) in lines.zip(providers) {
        let _ = writeln!(out, "{line}");
        let lines = [("covers", &definition.covers), ("limits", &definition.limits), ("terms", &definition.terms)];
        for (label, text) in lines {
            if !text.is_empty() {
                let _ = writeln!(out, "    {label}: {}", sanitize(text, usize::MAX));
            }
        }
    }
    out
}

fn row(provider: &ProviderListing) -> [String; 3] {
    let definition = &provider.definition;
    let keys = provider.keys.iter().map(|key| {
        let state = match (key.is_set, key.is_optional) {
            (true, _) => "set",
            (false, true) => "not set, optional",
            (false, false) => "not set",
        };
        format!("{} ({state})", key.variable)
    });
    let mut keys = keys.collect::<Vec<_>>().join(" ");
    if keys.is_empty() {
        keys.push('-');
    }
    [definition.name.clone(), definition.market.as_str().to_owned(), keys]
}
