//! What is missing of a feed, value by value, each with its reason.

use super::report::{FeedReport, ProviderReport};
use crate::state::history::RunHistory;
use crate::util::clauses::join_clauses;
use rustc_hash::FxHashMap;

/// A symbol, a field of a symbol, or a field of all symbols that is missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MissingValue<'a> {
    /// The symbol. `None` if no symbol has the field any more.
    pub(crate) symbol: Option<&'a str>,
    /// The field. `None` if it is the symbol that is missing.
    pub(crate) field: Option<&'a str>,
    /// Why, as far as the providers told it.
    pub(crate) reason: String,
}

impl<'a> FeedReport<'a> {
    /// Everything that is missing.
    pub(crate) fn missing_values(&self, history: &RunHistory<'_>) -> Vec<MissingValue<'a>> {
        let failures = self.failures_by_symbol();
        let name = |symbol: usize| Some(self.feed.symbols[symbol].as_str());
        let failed = |symbol: usize| Some(join_clauses(failures.get(&symbol)?.clone()));
        let symbol = |&symbol: &usize| {
            let reasons = failed(symbol).into_iter().chain(self.reasons_of(symbol)).collect::<Vec<_>>();
            let reason = if reasons.is_empty() { self.reason(symbol) } else { join_clauses(reasons) };
            MissingValue { symbol: name(symbol), field: None, reason }
        };
        let field = |field, symbol| {
            let reason = failed(symbol).unwrap_or_else(|| "no provider gave it".to_owned());
            MissingValue { symbol: name(symbol), field: Some(field), reason }
        };
        let fields = self.lacking.iter().flat_map(|(name, symbols)| symbols.iter().map(|symbol| field(*name, *symbol)));
        let gone = self.missing_default_fields(history).into_iter().map(|(field, provider)| {
            let reason = format!("earlier runs got it from {provider}: its API may have changed");
            MissingValue { symbol: None, field: Some(field), reason }
        });
        self.missing.iter().map(symbol).chain(fields).chain(gone).collect()
    }

    /// The failed requests for each symbol.
    fn failures_by_symbol(&self) -> FxHashMap<usize, Vec<String>> {
        let mut by_symbol: FxHashMap<usize, Vec<String>> = FxHashMap::default();
        for ProviderReport { definition, failures, keys, .. } in &self.providers {
            for (error, symbols) in failures {
                let text = format!("{}: {}", definition.name, error.with_advice(definition, keys));
                for symbol in symbols {
                    by_symbol.entry(*symbol).or_default().push(text.clone());
                }
            }
        }
        by_symbol
    }
}
