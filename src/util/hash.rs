//! Hashes: one that never changes, and a cheap test for uniqueness.

use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::{BuildHasher, Hash};

/// A hash that never changes, FNV-1a of 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>). What is
/// derived from it outlives this version of the program, and no hasher of the standard library
/// promises that.
pub(crate) fn stable_hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A fast hash of a value, which may differ between versions of the program.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    FxBuildHasher.hash_one(value)
}

/// A cheap uniqueness test: whether all hashes differ. Only if two are equal, an exact test is needed.
/// `count` is how many there are at most.
pub(crate) fn all_differ(count: usize, mut hashes: impl Iterator<Item = u64>) -> bool {
    let mut seen = FxHashSet::with_capacity_and_hasher(count, FxBuildHasher);
    hashes.all(|hash| seen.insert(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_found_by_their_hashes() {
        let differ = |texts: &[&str]| all_differ(texts.len(), texts.iter().map(hash_of));
        assert!(differ(&[]));
        assert!(differ(&["a", "b", "ab", ""]));
        assert!(!differ(&["a", "b", "ab", "a"]));
    }
}
