//! Finds the values of many pointers in JSON text in one pass.
//!
//! The steps of all pointers make a trie. The JSON value and the trie are walked together, and values
//! that are not in the trie are passed over.

use super::json::{JsonError, JsonReader};

/// A trie of pointers. Each pointer has a slot, the index at which its value is put.
#[derive(Debug, Default)]
pub(super) struct PointerTrie {
    /// The slots of the pointers that end here.
    slots: Vec<usize>,
    /// The next steps of the pointers that go on.
    children: Vec<(String, Self)>,
}

/// Decides by the key of an object whether its other members are extracted.
pub(super) trait KeyFilter {
    /// The slot of the key.
    fn slot(&self) -> usize;

    /// Whether the members after this key are extracted.
    fn admits(&mut self, key: &str) -> bool;
}

impl PointerTrie {
    /// Adds the pointer with these steps. Its value goes into `slot`.
    pub(super) fn insert(&mut self, steps: &[String], slot: usize) {
        let Some((step, rest)) = steps.split_first() else { return self.slots.push(slot) };
        let index = self.children.iter().position(|(name, _)| name == step).unwrap_or_else(|| {
            self.children.push((step.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[index].1.insert(rest, slot);
    }

    /// Reads one JSON value, and puts the text of each pointer's value into its slot. If an object has several
    /// members with the same name, the last one counts. `filter` looks at the key of the value, if it has one.
    ///
    /// # Errors
    /// When the value is no JSON.
    pub(super) fn extract<'de>(
        &self,
        json: &mut JsonReader<'de>,
        slots: &mut [Option<&'de str>],
        filter: Option<&mut dyn KeyFilter>,
    ) -> Result<(), JsonError> {
        if self.slots.is_empty() {
            return self.extract_inside(json, slots, filter);
        }
        let value = json.value()?;
        for &slot in &self.slots {
            slots[slot] = Some(value);
        }
        if self.children.is_empty() { Ok(()) } else { self.extract_inside(&mut JsonReader::new(value), slots, filter) }
    }

    /// The same for the pointers that go on inside the value.
    fn extract_inside<'de>(
        &self,
        json: &mut JsonReader<'de>,
        slots: &mut [Option<&'de str>],
        mut filter: Option<&mut dyn KeyFilter>,
    ) -> Result<(), JsonError> {
        match json.peek() {
            Some(b'{') => json.members(|json, name| {
                let Some(child) = self.member(name) else { return json.skip().map(|()| true) };
                child.extract(json, slots, None)?;
                let filter = filter.as_mut().filter(|filter| child.slots.contains(&filter.slot()));
                Ok(filter.is_none_or(|filter| slots[filter.slot()].is_none_or(|key| filter.admits(key))))
            }),
            Some(b'[') => json.elements(|json, index| match self.element(index) {
                Some(child) => child.extract(json, slots, None),
                None => json.skip(),
            }),
            _ => json.skip(),
        }
    }

    fn member(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(step, _)| step == name).map(|(_, child)| child)
    }

    fn element(&self, index: usize) -> Option<&Self> {
        self.children.iter().find(|(step, _)| is_index(step, index)).map(|(_, child)| child)
    }
}

/// Whether a step of a pointer names the element at this index.
pub(super) fn is_index(step: &str, index: usize) -> bool {
    step.parse() == Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(pointers: &[&[&str]], body: &str) -> Result<Vec<Option<String>>, JsonError> {
        let mut trie = PointerTrie::default();
        for (slot, steps) in pointers.iter().enumerate() {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            trie.insert(&steps, slot);
        }
        let mut slots = vec![None; pointers.len()];
        let mut json = JsonReader::new(body);
        trie.extract(&mut json, &mut slots, None)?;
        json.end()?;
        Ok(slots.iter().map(|slot| slot.map(str::to_owned)).collect())
    }

    #[test]
    fn values_are_extracted_as_they_are_written() {
        let body = r#"{"a":{"b":["x",0E-7,"y"]},"c":1e999,"d":"é"}"#;
        let found = extract(&[&["a", "b", "1"], &["c"], &["d"], &["none"]], body).unwrap();
        assert_eq!(found, [Some("0E-7".into()), Some("1e999".into()), Some("\"é\"".into()), None]);
    }

    #[test]
    fn a_pointer_may_go_on_inside_the_value_of_another() {
        let found = extract(&[&[], &["a"], &["a", "b"]], r#"{"a":{"b":1}}"#).unwrap();
        assert_eq!(found, [Some(r#"{"a":{"b":1}}"#.into()), Some(r#"{"b":1}"#.into()), Some("1".into())]);
    }

    #[test]
    fn the_last_of_several_members_with_one_name_counts() {
        assert_eq!(extract(&[&["a"]], r#"{"a":1,"a":2}"#).unwrap(), [Some("2".into())]);
    }

    /// A filter that admits the key `"A"`. The key is in slot 0.
    struct OnlyA;

    impl KeyFilter for OnlyA {
        fn slot(&self) -> usize {
            0
        }

        fn admits(&mut self, key: &str) -> bool {
            key == "\"A\""
        }
    }

    #[test]
    fn members_after_a_key_that_the_filter_rejects_are_not_extracted() {
        let mut trie = PointerTrie::default();
        for (slot, name) in ["key", "first", "last"].into_iter().enumerate() {
            trie.insert(&[name.to_owned()], slot);
        }
        let extract = |body: &str| {
            let mut slots = [None; 3];
            trie.extract(&mut JsonReader::new(body), &mut slots, Some(&mut OnlyA)).unwrap();
            slots.map(|slot| slot.is_some())
        };
        assert_eq!(extract(r#"{"first":1,"key":"A","last":2}"#), [true, true, true]);
        assert_eq!(extract(r#"{"first":1,"key":"B","last":2}"#), [true, true, false]);
        assert_eq!(extract(r#"{"first":1,"last":2}"#), [false, true, true]);
    }
}
