//! Checks that all metrics of a run have valid and unique names.

use super::defaults::is_own;
use crate::config::ConfigError;
use crate::fetch::Feed;
use crate::market::symbol::Symbol;
use crate::util::hash::{all_differ, hash_of};
use rustc_hash::FxHashMap;

/// Stands for any field. No metric name contains it.
const ANY_FIELD: &str = "*";

/// Checks that every metric name is valid, and that no two points of a run can have the same name.
pub(super) fn check(feeds: &[Feed]) -> Result<(), ConfigError> {
    if are_surely_valid(feeds) { Ok(()) } else { check_each(feeds) }
}

/// A cheap test. If it fails, the names may still be valid.
fn are_surely_valid(feeds: &[Feed]) -> bool {
    // The only part of a name that can be empty is the quote.
    let lacks_quote =
        |feed: &Feed| feed.names.has_quote() && feed.symbols.iter().any(|symbol| symbol.quote().is_none());
    if feeds.iter().any(lacks_quote) {
        return false;
    }
    let affixes = feeds.iter().flat_map(|feed| (0..feed.symbols.len()).map(|symbol| feed.affixes.get(symbol)));
    let count = feeds.iter().map(|feed| feed.symbols.len()).sum();
    all_differ(count, affixes.map(|affixes| hash_of(&affixes)))
}

/// The exact test. Its error says what is wrong.
fn check_each(feeds: &[Feed]) -> Result<(), ConfigError> {
    let mut owners: FxHashMap<String, Vec<(usize, &Symbol)>> = FxHashMap::default();
    for (index, feed) in feeds.iter().enumerate() {
        let table = if is_own(&feed.name) { "feeds." } else { "" };
        let invalid = |problem| Err(ConfigError::about(format!("{table}{}.names", feed.name), problem));
        for symbol in &feed.symbols {
            let name = feed.names.name("", &feed.name, symbol, ANY_FIELD);
            if name.split('.').any(str::is_empty) {
                return invalid(format!(
                    "makes {name} of {symbol}, in which a part is empty: leave {{quote}} out, as the symbol has none"
                ));
            }
            let owners = owners.entry(name).or_default();
            // Feeds without a common field may share a name.
            let overlaps = |other: usize| feed.fields.iter().any(|field| feeds[other].fields.contains(field));
            if let Some((_, other)) = owners.iter().find(|(other, _)| *other == index || overlaps(*other)) {
                return invalid(format!(
                    "{other} and {symbol} would be pushed under one name: leave one out, or choose other names"
                ));
            }
            owners.push((index, symbol));
        }
    }
    Ok(())
}
