//! Extracts the values of many pointers from JSON text in one pass.
//!
//! The steps of all pointers make a trie. The JSON value and the trie are walked together, and values
//! that are not in the trie are skipped without building anything. A value is extracted as its JSON text,
//! so no number is rounded, and a number that is beyond the range of an `f64` is no error. Values outside
//! the trie only cost the time to read past them, however deep or long they are.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The methods of a visitor that ignores values without members or elements.
macro_rules! scalars {
    () => {
        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_bool<E>(self, _: bool) -> Result<(), E> {
            Ok(())
        }

        fn visit_i64<E>(self, _: i64) -> Result<(), E> {
            Ok(())
        }

        fn visit_u64<E>(self, _: u64) -> Result<(), E> {
            Ok(())
        }

        fn visit_f64<E>(self, _: f64) -> Result<(), E> {
            Ok(())
        }

        fn visit_str<E>(self, _: &str) -> Result<(), E> {
            Ok(())
        }
    };
}
pub(super) use scalars;

/// A trie of pointers. Each pointer has a slot, the index at which its value is put.
#[derive(Debug, Default)]
pub(super) struct PointerTrie {
    /// The slots of the pointers that end here.
    slots: Vec<usize>,
    /// The next steps of the pointers that go on.
    children: Vec<(String, Self)>,
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

/// Extracts the values of a trie's pointers from one JSON value. If an object has several members with
/// the same name, the last one counts.
pub(super) struct ExtractSeed<'a, 'de> {
    /// The pointers.
    pub(super) trie: &'a PointerTrie,
    /// For each slot the value that was found.
    pub(super) slots: &'a mut [Option<&'de RawValue>],
    /// Looks at the key of the value, if it has one.
    pub(super) filter: Option<&'a mut dyn KeyFilter>,
}

/// Decides by the key of an object whether its other members are extracted.
pub(super) trait KeyFilter {
    /// The slot of the key.
    fn slot(&self) -> usize;

    /// Whether the members after this key are extracted.
    fn admits(&mut self, key: &RawValue) -> bool;
}

impl<'de> DeserializeSeed<'de> for ExtractSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.trie.slots.is_empty() {
            return json.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(json)?;
        for &slot in &self.trie.slots {
            self.slots[slot] = Some(raw);
        }
        if self.trie.children.is_empty() || !raw.get().starts_with(['{', '[']) {
            return Ok(());
        }
        serde_json::Deserializer::from_str(raw.get()).deserialize_any(self).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for ExtractSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key_seed(MemberSeed(self.trie))? {
            let Some(trie) = member else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(ExtractSeed { trie, slots: &mut *self.slots, filter: None })?;
            if let Some(filter) = &mut self.filter
                && trie.slots.contains(&filter.slot())
                && self.slots[filter.slot()].is_some_and(|key| !filter.admits(key))
            {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                break;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            let more = match self.trie.element(index) {
                Some(trie) => seq.next_element_seed(ExtractSeed { trie, slots: &mut *self.slots, filter: None })?,
                None => seq.next_element::<IgnoredAny>()?.map(drop),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    scalars!();
}

/// Reads the name of a member, and finds the trie of the pointers that go into this member.
struct MemberSeed<'a>(&'a PointerTrie);

impl<'de, 'a> DeserializeSeed<'de> for MemberSeed<'a> {
    type Value = Option<&'a PointerTrie>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for MemberSeed<'a> {
    type Value = Option<&'a PointerTrie>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.member(name))
    }
}

/// The name of a member, borrowed from the reply if it has no escapes.
pub(super) struct MemberName<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for MemberName<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = MemberName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(MemberName(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(MemberName(Cow::Owned(name.to_owned())))
            }
        }
        json.deserialize_str(NameVisitor)
    }
}

/// Most bytes that are read of a string with escapes, which must be copied. No name, number or error
/// text that is shown is longer.
const MAX_ESCAPED: usize = 64 << 10;

/// The text of a JSON string, or of a number as it is written. `None` for any other JSON value.
pub(super) fn string_or_number(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Some(Cow::Borrowed(json)),
        [b'"', inner @ .., b'"'] if inner.contains(&b'\\') => unescaped(json).map(Cow::Owned),
        [b'"', .., b'"'] => json.get(1..json.len() - 1).map(Cow::Borrowed),
        _ => None,
    }
}

fn unescaped(json: &str) -> Option<String> {
    if json.len() <= MAX_ESCAPED {
        return serde_json::from_str(json).ok();
    }
    // A cut inside an escape is an error. The longest escape is a pair of surrogates, twelve bytes, so
    // one of these cuts is not inside an escape.
    let cut = |less| serde_json::from_str(&format!("{}\"", json.get(..MAX_ESCAPED - less)?)).ok();
    (0..=12).find_map(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(pointers: &[&[&str]], body: &str) -> serde_json::Result<Vec<Option<String>>> {
        let mut trie = PointerTrie::default();
        for (slot, steps) in pointers.iter().enumerate() {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            trie.insert(&steps, slot);
        }
        let mut slots = vec![None; pointers.len()];
        let mut json = serde_json::Deserializer::from_str(body);
        ExtractSeed { trie: &trie, slots: &mut slots, filter: None }.deserialize(&mut json)?;
        json.end()?;
        Ok(slots.iter().map(|slot| slot.map(|raw| raw.get().to_owned())).collect())
    }

    #[test]
    fn values_are_extracted_as_they_are_written() {
        let body = r#"{"a":{"b":["x",0E-7]},"c":1e999,"d":"é"}"#;
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

        fn admits(&mut self, key: &RawValue) -> bool {
            key.get() == "\"A\""
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
            let mut json = serde_json::Deserializer::from_str(body);
            let seed = ExtractSeed { trie: &trie, slots: &mut slots, filter: Some(&mut OnlyA) };
            seed.deserialize(&mut json).and_then(|()| json.end()).unwrap();
            slots.map(|slot| slot.is_some())
        };
        assert_eq!(extract(r#"{"first":1,"key":"A","last":2}"#), [true, true, true]);
        assert_eq!(extract(r#"{"first":1,"key":"B","last":2}"#), [true, true, false]);
        assert_eq!(extract(r#"{"first":1,"last":2}"#), [false, true, true]);
    }

    #[test]
    fn depth_outside_the_trie_needs_no_stack() {
        let body = format!(r#"{{"deep":{}{},"a":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(extract(&[&["a"]], &body).unwrap(), [Some("1".into())]);
    }

    #[test]
    fn truncated_or_trailing_json_is_an_error() {
        assert!(extract(&[&["a"]], r#"{"a":1,"b":[1,2"#).is_err());
        assert!(extract(&[&["a"]], r#"{"a":1} x"#).is_err());
    }

    #[test]
    fn strings_and_numbers_have_a_text() {
        assert_eq!(string_or_number(r#""BTC\/USD""#).as_deref(), Some("BTC/USD"));
        assert_eq!(string_or_number("12.5").as_deref(), Some("12.5"));
        assert_eq!(string_or_number("null"), None);
        assert_eq!(string_or_number("{}"), None);
    }

    #[test]
    fn a_long_string_is_not_cut_inside_an_escape() {
        for before in 0..12 {
            let long = format!("\"{}{}\"", "x".repeat(before), r"\ud83d\ude00".repeat(10_000));
            let cut = string_or_number(&long).unwrap();
            assert!(cut.len() > 20_000 && cut.len() < MAX_ESCAPED && cut.ends_with('😀'), "{before}");
        }
    }
}
