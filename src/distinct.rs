//! Whether many things are all different, told by their hashes. In nearly every run they are, and
//! to know that takes a number each instead of a table of them.

use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::{BuildHasher, Hash};

/// The hash of a thing.
pub(crate) fn hash(thing: &impl Hash) -> u64 {
    FxBuildHasher.hash_one(thing)
}

/// Whether no two of the hashes, `count` at most, are the same. Where two are, the things may differ
/// all the same.
pub(crate) fn all_differ(count: usize, mut hashes: impl Iterator<Item = u64>) -> bool {
    let mut seen = FxHashSet::with_capacity_and_hasher(count, FxBuildHasher);
    hashes.all(|hash| seen.insert(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_found() {
        let differ = |texts: &[&str]| all_differ(texts.len(), texts.iter().map(hash));
        assert!(differ(&[]));
        assert!(differ(&["a", "b", "ab", ""]));
        assert!(!differ(&["a", "b", "ab", "a"]));
    }
}
