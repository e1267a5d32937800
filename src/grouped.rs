//! Things put together by what they have in common.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// The things of each key, the keys in the order in which they first come. There may be as many keys as
/// things.
pub(crate) fn grouped<K: Clone + Eq + Hash, T>(things: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    let mut known = FxHashMap::default();
    for (key, thing) in things {
        let at = *known.entry(key).or_insert_with_key(|key| {
            groups.push((key.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(thing);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_the_order_of_their_first_things() {
        let groups = grouped([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(groups, [("b", vec![1, 3]), ("a", vec![2])]);
    }
}
