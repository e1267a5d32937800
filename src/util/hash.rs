//! Hashes: one that never changes, and a cheap test for uniqueness.

use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::{BuildHasher, Hash};

/// A hash that never changes: 64-bit FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>). Its values
/// are stored and shared between machines, so they must be the same in every version of the program.
/// The hashers of the standard library do not promise that.
pub(crate) fn stable_hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A fast hash of a value. It may differ between versions of the program.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    FxBuildHasher.hash_one(value)
}

/// Whether all hashes differ: a cheap test for uniqueness. Only if two hashes are equal, the values
/// need an exact comparison. `count` is an upper bound for the number of hashes.
pub(crate) fn all_differ(count: usize, mut hashes: impl Iterator<Item = u64>) -> bool {
    let mut seen = FxHashSet::with_capacity_and_hasher(count, FxBuildHasher);
    hashes.all(|hash| seen.insert(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_hash_is_fnv_1a_of_64_bits() {
        assert_eq!(stable_hash(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_hash(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(stable_hash(*b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn all_differ_finds_equal_values() {
        let differ = |texts: &[&str]| all_differ(texts.len(), texts.iter().map(hash_of));
        assert!(differ(&[]));
        assert!(differ(&["a", "b", "ab", ""]));
        assert!(!differ(&["a", "b", "ab", "a"]));
    }
}
