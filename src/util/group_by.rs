//! Grouping of values by a key.

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// Groups values by their keys. The groups are in the order in which their keys first occur, and the
/// values of a group are in their original order.
pub(crate) fn group_by<K: Clone + Eq + Hash, T>(items: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    // There may be as many keys as values, so a search through `groups` would be too slow.
    let mut index_of = FxHashMap::default();
    for (key, value) in items {
        let index = *index_of.entry(key).or_insert_with_key(|key| {
            groups.push((key.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[index].1.push(value);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_in_the_order_of_their_first_values() {
        let groups = group_by([("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(groups, [("b", vec![1, 3]), ("a", vec![2])]);
    }
}
