//! Symbols that a provider does not know, so that they are not in the requests of others.

use crate::provider::Definition;
use crate::util::hash::stable_hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For so many seconds an unknown symbol is not requested.
const ASK_AGAIN_AFTER: i64 = 86_400;
/// A scheduler may start a run early by so many seconds.
const TOLERANCE: i64 = 5;

/// The symbols that a provider does not know, by the API's spelling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UnknownSymbols {
    /// The definition with which they were requested. With another one they may be known.
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
}

impl UnknownSymbol {
    /// Whether the symbol is to be requested again at `now`, in Unix seconds; also if the clock was set
    /// back.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        let passed = now.saturating_sub(self.asked);
        !(0..ASK_AGAIN_AFTER - TOLERANCE).contains(&passed)
    }
}

/// What a run has learned of symbols, by the API's spelling.
#[derive(Debug, Default)]
pub(crate) struct SymbolFindings {
    /// The symbols that the API does not know, with its texts.
    pub(crate) unknown: Vec<(String, String)>,
    /// The symbols that it knows now.
    pub(crate) known: Vec<String>,
}

impl SymbolFindings {
    /// Whether nothing was learned.
    pub(crate) fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.known.is_empty()
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

    /// The symbol with this spelling.
    pub(crate) fn get(&self, spelled: &str) -> Option<&UnknownSymbol> {
        self.symbols.get(spelled)
    }

    /// Adds what a run that started at `now` (Unix seconds) has learned with this definition.
    pub(crate) fn update(&mut self, definition: &Definition, findings: &SymbolFindings, now: i64) {
        self.definition = hash(definition);
        for spelled in &findings.known {
            self.symbols.remove(spelled);
        }
        for (spelled, said) in &findings.unknown {
            self.symbols.insert(spelled.clone(), UnknownSymbol { asked: now, said: said.clone() });
        }
        // What no feed asks for any more is not kept for ever.
        self.symbols.retain(|_, symbol| now.saturating_sub(symbol.asked) < 30 * ASK_AGAIN_AFTER);
    }
}

/// A definition that was mended has another hash.
fn hash(definition: &Definition) -> u64 {
    stable_hash(format!("{definition:?}").into_bytes())
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

    fn unknown(spelled: &str) -> SymbolFindings {
        SymbolFindings { unknown: vec![(spelled.to_owned(), "no".to_owned())], known: Vec::new() }
    }

    #[test]
    fn an_unknown_symbol_is_due_again_after_a_day() {
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition("/{symbol}"), &unknown("A"), 1_000);
        let is_due = |now| symbols.get("A").unwrap().is_due(now);
        assert_eq!(
            [is_due(1_000), is_due(1_000 + 86_394), is_due(1_000 + 86_395), is_due(999)],
            [false, false, true, true]
        );
        assert_eq!(symbols.get("B"), None);
    }

    #[test]
    fn a_symbol_that_is_known_again_is_forgotten() {
        let definition = definition("/{symbol}");
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &unknown("A"), 1_000);
        symbols.update(
            &definition,
            &SymbolFindings { known: vec!["A".to_owned()], ..SymbolFindings::default() },
            2_000,
        );
        assert!(symbols.is_empty());
    }

    #[test]
    fn another_definition_may_know_the_symbol() {
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition("/{symbol}"), &unknown("A"), 1_000);
        assert_eq!(symbols.clone().of(&definition("/{symbol}")), symbols);
        assert!(symbols.of(&definition("/v2/{symbol}")).is_empty());
    }
}
