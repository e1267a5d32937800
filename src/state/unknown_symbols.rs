//! Symbols that a provider does not know, so that they are not in the requests of others.

use crate::provider::Definition;
use crate::util::hash::stable_hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For so many seconds an unknown symbol is not requested.
const ASK_AGAIN_AFTER: i64 = 86_400;
/// A scheduler may start a run early by so many seconds.
const TOLERANCE: i64 = 5;
/// What was not requested for so many seconds is forgotten.
const FORGOTTEN_AFTER: i64 = 30 * ASK_AGAIN_AFTER;

/// So often must a symbol be rejected before it rests, where it may have been so for a moment only.
const REJECTIONS: u32 = 2;

/// The symbols that a provider does not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UnknownSymbols {
    /// The requests in which they were. With others they may be known.
    definition: u64,
    symbols: BTreeMap<String, UnknownSymbol>,
}

/// When a symbol was last requested, and what the API said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UnknownSymbol {
    /// In Unix seconds.
    asked: i64,
    /// The text of the API.
    pub(crate) said: String,
    /// How many runs in a row saw it rejected.
    rejections: u32,
}

impl UnknownSymbol {
    /// Whether the symbol is not to be in the requests of others.
    pub(crate) fn is_certain(&self) -> bool {
        self.rejections >= REJECTIONS
    }

    /// Whether the symbol is to be requested again at `now`, in Unix seconds; also if the clock was set
    /// back.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        let passed = now.saturating_sub(self.asked);
        !(0..ASK_AGAIN_AFTER - TOLERANCE).contains(&passed)
    }
}

/// What a run has learned of symbols.
#[derive(Debug, Default)]
pub(crate) struct SymbolFindings {
    /// The symbols that the API rejected, with its texts.
    pub(crate) rejected: Vec<(String, String)>,
    /// Whether one rejection is enough.
    pub(crate) is_certain: bool,
    /// The symbols that it knows.
    pub(crate) known: Vec<String>,
}

impl SymbolFindings {
    /// Whether nothing was learned.
    pub(crate) fn is_empty(&self) -> bool {
        self.rejected.is_empty() && self.known.is_empty()
    }
}

impl UnknownSymbols {
    /// Those that belong to this definition.
    pub(crate) fn of(self, definition: &Definition) -> Self {
        if self.symbols.is_empty() || self.definition == hash(definition) { self } else { Self::default() }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// What is known of this symbol.
    pub(crate) fn get(&self, symbol: &str) -> Option<&UnknownSymbol> {
        self.symbols.get(symbol)
    }

    /// Adds what a run that started at `now` (Unix seconds) has learned with this definition.
    pub(crate) fn update(&mut self, definition: &Definition, findings: &SymbolFindings, now: i64) {
        self.definition = hash(definition);
        for symbol in &findings.known {
            self.symbols.remove(symbol);
        }
        for (symbol, said) in &findings.rejected {
            let before = self.symbols.get(symbol).map_or(0, |known| known.rejections);
            let rejections = if findings.is_certain { REJECTIONS } else { before.saturating_add(1) };
            self.symbols.insert(symbol.clone(), UnknownSymbol { asked: now, said: said.clone(), rejections });
        }
        // What no feed asks for any more is not kept for ever.
        self.symbols.retain(|_, symbol| now.saturating_sub(symbol.asked) < FORGOTTEN_AFTER);
    }
}

/// What decides whether an API knows a symbol. A definition that was mended there has another hash.
fn hash(definition: &Definition) -> u64 {
    let paths: Vec<_> = definition.endpoints.iter().map(|endpoint| (&endpoint.path, &endpoint.all)).collect();
    let server = (&definition.base_url, &definition.base_url.path);
    let text = format!("{:?}", (server, &definition.symbol, &definition.spelling, paths));
    stable_hash(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Section};

    fn definition(path: &str) -> Definition {
        let text = format!(
            "market = 'other'\nbase_url = 'https://h'\n[[quote]]\npath = '{path}'\nfields = {{ last = '/l' }}\n"
        );
        let document = Document::new("p.toml", text);
        let table = document.parse().unwrap();
        Definition::read("p", &Section::root(&document, &table)).unwrap()
    }

    fn rejected(symbol: &str, is_certain: bool) -> SymbolFindings {
        SymbolFindings { rejected: vec![(symbol.to_owned(), "no".to_owned())], is_certain, known: Vec::new() }
    }

    #[test]
    fn an_unknown_symbol_is_due_again_after_a_day() {
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition("/{symbol}"), &rejected("A", true), 1_000);
        let is_due = |now| symbols.get("A").unwrap().is_due(now);
        let due = [is_due(1_000), is_due(1_000 + 86_394), is_due(1_000 + 86_395), is_due(999)];
        assert_eq!(due, [false, false, true, true]);
        assert_eq!(symbols.get("B"), None);
    }

    #[test]
    fn where_one_rejection_may_be_chance_two_runs_must_see_it() {
        let definition = definition("/{symbol}");
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &rejected("A", false), 1_000);
        symbols.update(&definition, &rejected("B", true), 1_000);
        assert_eq!(["A", "B"].map(|symbol| symbols.get(symbol).unwrap().is_certain()), [false, true]);
        symbols.update(&definition, &rejected("A", false), 1_060);
        assert!(symbols.get("A").unwrap().is_certain());
    }

    #[test]
    fn a_symbol_that_is_known_again_is_forgotten() {
        let definition = definition("/{symbol}");
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &rejected("A", true), 1_000);
        let known = SymbolFindings { known: vec!["A".to_owned()], ..SymbolFindings::default() };
        symbols.update(&definition, &known, 2_000);
        assert!(symbols.is_empty());
    }

    #[test]
    fn a_symbol_that_nobody_asks_for_is_forgotten_after_a_month() {
        let definition = definition("/{symbol}");
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &rejected("A", true), 1_000);
        symbols.update(&definition, &rejected("B", true), 1_000 + FORGOTTEN_AFTER - 1);
        assert!(symbols.get("A").is_some());
        symbols.update(&definition, &rejected("B", true), 1_000 + FORGOTTEN_AFTER);
        assert!(symbols.get("A").is_none() && symbols.get("B").is_some());
    }

    #[test]
    fn another_definition_may_know_the_symbol() {
        let mut symbols = UnknownSymbols::default();
        let mut other = definition("/{symbol}");
        symbols.update(&other, &rejected("A", true), 1_000);
        other.max_concurrency += 1;
        assert_eq!(symbols.clone().of(&other), symbols);
        assert!(symbols.of(&definition("/v2/{symbol}")).is_empty());
    }
}
