//! Symbols that a provider does not know, so that they are not in the requests of others.

use crate::provider::{Definition, Endpoint};
use crate::util::hash::stable_hash;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// For so many seconds an unknown symbol is not requested.
const ASK_AGAIN_AFTER: i64 = 86_400;
/// A scheduler may start a run early by so many seconds.
const TOLERANCE: i64 = 5;
/// What was not requested for so many seconds is forgotten.
const FORGOTTEN_AFTER: i64 = 30 * ASK_AGAIN_AFTER;

/// An uncertain rejection is forgotten after so many seconds without another one.
const SERIES_ENDS_AFTER: i64 = 3_600;
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

    /// Whether a rejection at `now`, in Unix seconds, is a further one.
    fn still_counts(&self, now: i64) -> bool {
        self.is_certain() || (0..=SERIES_ENDS_AFTER).contains(&now.saturating_sub(self.asked))
    }

    /// Whether the symbol is to be requested again at `now`, in Unix seconds; also if the clock was set
    /// back.
    pub(crate) fn is_due(&self, now: i64) -> bool {
        let passed = now.saturating_sub(self.asked);
        !(0..ASK_AGAIN_AFTER - TOLERANCE).contains(&passed)
    }
}

/// What a run has learned of symbols. If several feeds asked for one, it is there once.
#[derive(Clone, Debug, Default)]
pub(crate) struct SymbolFindings {
    /// The symbols that the API rejected: its text, and whether that is certain.
    rejected: BTreeMap<String, (String, bool)>,
    /// The symbols that it knows.
    known: BTreeSet<String>,
}

impl SymbolFindings {
    /// Whether nothing was learned.
    pub(crate) fn is_empty(&self) -> bool {
        self.rejected.is_empty() && self.known.is_empty()
    }

    /// Adds a symbol that the API rejected. `is_certain` if one rejection is enough.
    pub(crate) fn reject(&mut self, symbol: String, said: String, is_certain: bool) {
        self.rejected.insert(symbol, (said, is_certain));
    }

    /// Adds a symbol that the API knows.
    pub(crate) fn know(&mut self, symbol: String) {
        self.known.insert(symbol);
    }

    /// Adds what another feed of the run has learned.
    pub(crate) fn add(&mut self, other: &Self) {
        for (symbol, (said, is_certain)) in &other.rejected {
            self.rejected.entry(symbol.clone()).or_insert((said.clone(), false)).1 |= is_certain;
        }
        self.known.extend(other.known.clone());
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
        for (symbol, (said, is_certain)) in &findings.rejected {
            let before = self.symbols.get(symbol).filter(|known| known.still_counts(now));
            let before = before.map_or(0, |known| known.rejections);
            let rejections = if *is_certain { REJECTIONS } else { before.saturating_add(1) };
            self.symbols.insert(symbol.clone(), UnknownSymbol { asked: now, said: said.clone(), rejections });
        }
        for symbol in &findings.known {
            self.symbols.remove(symbol);
        }
        // What no feed asks for any more is not kept for ever.
        self.symbols.retain(|_, symbol| now.saturating_sub(symbol.asked) < FORGOTTEN_AFTER);
    }
}

/// What decides whether an API knows a symbol, and how that is read. A definition that was mended there has
/// another hash.
fn hash(definition: &Definition) -> u64 {
    let Definition { base_url, symbol, spelling, bad_symbol, endpoints, .. } = definition;
    let rows = endpoints.iter().map(|endpoint| {
        let Endpoint { path, body, all, rows, key, keys, ignore_case, error, row_error, .. } = endpoint;
        (path, body, all, rows, key, keys, ignore_case, error, row_error)
    });
    let urls: Vec<_> = base_url.urls().into_iter().map(|url| (url, &url.path)).collect();
    let text = format!("{:?}", (urls, symbol, spelling, bad_symbol, rows.collect::<Vec<_>>()));
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
        let mut findings = SymbolFindings::default();
        findings.reject(symbol.to_owned(), "no".to_owned(), is_certain);
        findings
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
    fn two_rejections_count_only_if_they_are_near_each_other() {
        let definition = definition("/{symbol}");
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &rejected("A", false), 1_000);
        symbols.update(&definition, &rejected("A", false), 1_001 + SERIES_ENDS_AFTER);
        assert!(!symbols.get("A").unwrap().is_certain());
    }

    #[test]
    fn what_several_feeds_of_a_run_saw_is_one_rejection() {
        let (definition, mut findings) = (definition("/{symbol}"), rejected("A", false));
        findings.add(&rejected("A", false));
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &findings, 1_000);
        assert!(!symbols.get("A").unwrap().is_certain());
        // What is certain for one feed is so for all.
        for seen in [rejected("A", true), rejected("A", false)] {
            findings.add(&seen);
        }
        symbols.update(&definition, &findings, 1_000);
        assert!(symbols.get("A").unwrap().is_certain());
    }

    #[test]
    fn a_symbol_that_is_known_again_is_forgotten() {
        let definition = definition("/{symbol}");
        let mut symbols = UnknownSymbols::default();
        symbols.update(&definition, &rejected("A", true), 1_000);
        let mut known = SymbolFindings::default();
        known.know("A".to_owned());
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
