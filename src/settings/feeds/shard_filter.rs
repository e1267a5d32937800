//! Which symbols of a list are kept in memory. With `--shard` they are few, and a list may have a million. Of the
//! others only hashes are kept, which are enough to see that no two symbols of all machines clash.

use crate::market::shard::Shard;
use crate::market::symbol::Symbol;
use crate::metrics::names::{FeedNames, NameTemplate};
use crate::provider::{Definition, RequestKeys};
use crate::util::hash::hash_of;
use rustc_hash::FxHashSet;

/// Chooses the symbols that are kept: those of a shard, and those that may clash with another symbol.
pub(super) struct ShardFilter {
    shard: Shard,
    /// Of the names and the spellings of all symbols.
    hashes: Vec<u64>,
    /// The hashes that several symbols have.
    repeated: FxHashSet<u64>,
}

impl ShardFilter {
    /// A filter that knows of no clash yet.
    pub(super) fn new(shard: Shard) -> Self {
        Self { shard, hashes: Vec::new(), repeated: FxHashSet::default() }
    }

    /// Whether this symbol of a feed is kept.
    pub(super) fn keeps(&mut self, feed: &mut FeedHasher<'_>, symbol: &Symbol) -> bool {
        let begin = self.hashes.len();
        feed.push_hashes(&mut self.hashes, symbol);
        self.shard.holds(symbol)
            || feed.lacks_quote(symbol)
            || self.hashes[begin..].iter().any(|hash| self.repeated.contains(hash))
    }

    /// Whether symbols among those that were seen may clash. Then all lists must be read again: from now on these
    /// symbols are kept, to be compared in full.
    pub(super) fn has_suspects(&mut self) -> bool {
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.sort_unstable();
        self.repeated = hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        !self.repeated.is_empty()
    }
}

/// Makes the hashes of a feed's symbols. Where two symbols clash, they have a hash in common.
pub(super) struct FeedHasher<'a> {
    feed: &'a str,
    names: FeedNames,
    needs_quote: bool,
    keys: Vec<RequestKeys<'a>>,
    /// Reused, so that a name needs no allocation.
    name: String,
}

impl<'a> FeedHasher<'a> {
    /// For a feed with metrics of these names, and these providers.
    pub(super) fn new(feed: &'a str, names: &NameTemplate, prefix: &str, definitions: &[&'a Definition]) -> Self {
        Self {
            feed,
            names: names.of_feed(prefix, feed),
            needs_quote: names.has_quote(),
            keys: definitions.iter().filter_map(|definition| definition.request_keys()).collect(),
            name: String::new(),
        }
    }

    fn push_hashes(&mut self, hashes: &mut Vec<u64>, symbol: &Symbol) {
        self.name.clear();
        let field = self.names.push(&mut self.name, symbol);
        hashes.push(hash_of(&self.name.split_at(field)));
        // Symbols of two feeds are never in one request.
        let keys = self.keys.iter().enumerate();
        hashes.extend(keys.filter_map(|(index, keys)| Some(hash_of(&(self.feed, index, keys.of(symbol)?)))));
    }

    /// Whether a part of the symbol's names would be empty.
    fn lacks_quote(&self, symbol: &Symbol) -> bool {
        self.needs_quote && symbol.quote().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these symbols are kept, and whether any may clash.
    fn kept(filter: &mut ShardFilter, symbols: &[Symbol]) -> (Vec<String>, bool) {
        let names = NameTemplate::parse(NameTemplate::DEFAULT).unwrap();
        let mut hasher = FeedHasher::new("stocks", &names, "", &[]);
        let kept = symbols.iter().filter(|symbol| filter.keeps(&mut hasher, symbol)).map(Symbol::to_string).collect();
        (kept, filter.has_suspects())
    }

    #[test]
    fn of_other_shards_only_symbols_that_may_clash_are_kept() {
        let shard: Shard = "0/1000".parse().unwrap();
        let symbols: Vec<Symbol> = (0..2_000).map(|n| Symbol::new(&format!("S{n}")).unwrap()).collect();
        let held: Vec<String> = symbols.iter().filter(|symbol| shard.holds(symbol)).map(Symbol::to_string).collect();
        assert!((1..10).contains(&held.len()), "{held:?}");
        assert_eq!(kept(&mut ShardFilter::new(shard), &symbols), (held.clone(), false));

        let clashing = ["^A", "_A"].map(|text| Symbol::new(text).unwrap());
        assert!(!clashing.iter().any(|symbol| shard.holds(symbol)));
        let symbols = [&symbols[..], &clashing].concat();
        let mut filter = ShardFilter::new(shard);
        assert_eq!(kept(&mut filter, &symbols), (held.clone(), true), "the first of two is gone when the second comes");
        let with_clashing = [held, clashing.map(|symbol| symbol.to_string()).to_vec()].concat();
        assert_eq!(kept(&mut filter, &symbols), (with_clashing, true));
    }
}
