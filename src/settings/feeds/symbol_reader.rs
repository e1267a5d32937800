//! Reads symbols as feeds have them.

use super::config::FeedConfig;
use crate::config::ConfigError;
use crate::market::spellings::{canonicalize_pair, canonicalize_share, probable_base, probable_pair};
use crate::market::symbol::{Symbol, SymbolError};
use crate::provider::Market;
use crate::settings::symbols::SymbolOverride;
use crate::util::hash::{all_differ, hash_of};
use rustc_hash::FxHashSet;

/// The symbols of a feed.
pub(super) struct Symbols {
    pub(super) kept: Vec<Symbol>,
    /// How many there are, with those that are not kept.
    pub(super) count: usize,
}

/// Reads the symbols of a feed, and keeps some of them, each once. `capacity` is how many that may be.
pub(super) fn read_symbols(
    config: &FeedConfig<'_>,
    symbol_override: Option<&SymbolOverride>,
    capacity: usize,
    keeps: impl FnMut(&Symbol) -> bool,
) -> Result<Symbols, ConfigError> {
    let symbols = Symbols { kept: Vec::with_capacity(capacity), count: 0 };
    let (market, currency) = (config.market(), config.currency.as_str());
    let mut reader = SymbolReader { market, currency, text: String::new(), keeps, symbols };
    match symbol_override {
        Some(texts) => {
            let invalid = |error: SymbolError| ConfigError::invalid(texts.origin.clone(), error.to_string());
            for text in texts.iter() {
                reader.read_all(text).map_err(invalid)?;
            }
        }
        None => {
            for value in &config.symbols.values {
                let invalid = |error: SymbolError| value.invalid(error.to_string());
                reader.read_all(value.text()?).map_err(invalid)?;
            }
        }
    }
    let mut symbols = reader.symbols;
    if !all_differ(symbols.kept.len(), symbols.kept.iter().map(hash_of)) {
        let mut seen = FxHashSet::default();
        symbols.kept.retain(|symbol| seen.insert(symbol.clone()));
    }
    Ok(symbols)
}

/// Reads symbols as the feed of a market does. `currency` is that of the feed `crypto`.
///
/// # Errors
/// When one of them is no symbol.
pub(crate) fn read_symbols_of(market: Market, currency: &str, texts: &[String]) -> Result<Vec<Symbol>, SymbolError> {
    let symbols = Symbols { kept: Vec::new(), count: 0 };
    let mut reader = SymbolReader { market, currency, text: String::new(), keeps: |_: &Symbol| true, symbols };
    texts.iter().try_for_each(|text| reader.read_all(text))?;
    Ok(reader.symbols.kept)
}

/// Reads symbols of a feed.
struct SymbolReader<'a, F> {
    /// Of a feed of the user's own: [`Market::Other`].
    market: Market,
    /// What a base without a quote is meant in.
    currency: &'a str,
    /// Reused, so that a long list needs only one allocation for each symbol.
    text: String,
    /// Whether a symbol is kept.
    keeps: F,
    symbols: Symbols,
}

impl<F: FnMut(&Symbol) -> bool> SymbolReader<'_, F> {
    /// Reads a symbol, or several with commas between them. In feeds of the user's own, a comma is a part of
    /// the symbol.
    fn read_all(&mut self, text: &str) -> Result<(), SymbolError> {
        if self.market == Market::Other || !text.bytes().any(|byte| byte == b',') {
            return self.add(text);
        }
        let before = self.symbols.count;
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            self.add(part)?;
        }
        if self.symbols.count == before { Err(SymbolError::Empty) } else { Ok(()) }
    }

    fn add(&mut self, typed: &str) -> Result<(), SymbolError> {
        let symbol = self.read(typed)?;
        self.symbols.count += 1;
        if (self.keeps)(&symbol) {
            self.symbols.kept.push(symbol);
        }
        Ok(())
    }

    /// Reads a symbol. Those of `crypto` and `stocks` get their canonical spelling, and those of `crypto` the
    /// default currency. Symbols of other feeds are kept as they are.
    fn read(&mut self, typed: &str) -> Result<Symbol, SymbolError> {
        if self.market == Market::Other {
            return Symbol::with_spaces(typed);
        }
        self.text.clear();
        self.text.push_str(typed.trim());
        // A message quotes what was typed.
        self.canonicalize(typed).map_err(|error| match error {
            SymbolError::Punctuation(_) | SymbolError::Misspelled { .. } => error,
            error => Symbol::new(typed).err().unwrap_or(error),
        })
    }

    fn canonicalize(&mut self, typed: &str) -> Result<Symbol, SymbolError> {
        let text = &mut self.text;
        if text.bytes().any(|byte| matches!(byte, b'"' | b'\'' | b';')) {
            return Err(SymbolError::Punctuation(text.clone()));
        }
        if self.market == Market::Stocks {
            canonicalize_share(text);
            return Symbol::new(text);
        }
        let currency = self.currency;
        let is_pair = canonicalize_pair(text);
        let probable = if is_pair { probable_base(text) } else { probable_pair(text) };
        if let Some(mut probable) = probable.filter(|_| !text.is_empty()) {
            if !probable.contains('/') {
                probable.extend(["/", currency]);
            }
            return Err(SymbolError::Misspelled { typed: typed.trim().to_owned(), probable });
        }
        if !is_pair && !text.is_empty() {
            text.extend(["/", currency]);
        }
        Symbol::new(text)
    }
}
