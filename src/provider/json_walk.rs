//! One walk over JSON that extracts what many pointers point at.
//!
//! The pointers are a trie. The walk goes down the JSON value and the trie together, and skips
//! everything that is not in the trie without building anything of it. A leaf is extracted as the text
//! it is, so no number is rounded, and a number that no `f64` can hold is no error. Outside the trie,
//! depth and size cost no more than reading past them.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The methods of a visitor for values that have nothing inside.
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

/// A node of the trie: which slots take the value here, and the steps that lead on.
#[derive(Debug, Default)]
pub(super) struct PointerTrie {
    slots: Vec<usize>,
    children: Vec<(String, Self)>,
}

impl PointerTrie {
    /// Adds a pointer. `slot` takes what it points at.
    pub(super) fn insert(&mut self, steps: &[String], slot: usize) {
        let Some((step, rest)) = steps.split_first() else { return self.slots.push(slot) };
        let at = self.children.iter().position(|(name, _)| name == step).unwrap_or_else(|| {
            self.children.push((step.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[at].1.insert(rest, slot);
    }

    fn member(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(step, _)| step == name).map(|(_, child)| child)
    }

    fn element(&self, index: usize) -> Option<&Self> {
        self.children.iter().find(|(step, _)| is_index(step, index)).map(|(_, child)| child)
    }
}

/// Whether a step of a pointer is the index of this element.
pub(super) fn is_index(step: &str, index: usize) -> bool {
    step.parse() == Ok(index)
}

/// Extracts from one value what the trie points at. Of several members with one name, the last counts.
pub(super) struct ExtractSeed<'a, 'de> {
    /// What is looked for.
    pub trie: &'a PointerTrie,
    /// Where it goes, by slot.
    pub slots: &'a mut [Option<&'de RawValue>],
    /// Decides by one member whether the others are of interest.
    pub filter: Option<&'a mut dyn KeyFilter>,
}

/// Decides by one member of a row, its key, whether the rest of the row is read.
pub(super) trait KeyFilter {
    /// The slot of that member.
    fn slot(&self) -> usize;

    /// Whether a row with this key is read.
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

/// Finds the node of the trie for the name of a member.
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
pub(super) struct Name<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        json.deserialize_str(Text)
    }
}

/// Bytes of an escaped text that are read. It must be copied for that. No name, number or error that is
/// shown is longer.
const MAX_ESCAPED: usize = 64 << 10;

/// The text of a JSON string, or of a number as it stands.
pub(super) fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Some(Cow::Borrowed(raw)),
        [b'"', inner @ .., b'"'] if inner.contains(&b'\\') => unescaped(raw).map(Cow::Owned),
        [b'"', .., b'"'] => raw.get(1..raw.len() - 1).map(Cow::Borrowed),
        _ => None,
    }
}

fn unescaped(raw: &str) -> Option<String> {
    if raw.len() <= MAX_ESCAPED {
        return serde_json::from_str(raw).ok();
    }
    // The longest escape is a pair of surrogates, twelve bytes. A cut inside an escape is an error, so
    // the text is cut a little earlier.
    let cut = |less| serde_json::from_str(&format!("{}\"", raw.get(..MAX_ESCAPED - less)?)).ok();
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
    fn leaves_are_extracted_as_they_are_written() {
        let body = r#"{"a":{"b":["x",0E-7]},"c":1e999,"d":"é"}"#;
        let found = extract(&[&["a", "b", "1"], &["c"], &["d"], &["none"]], body).unwrap();
        assert_eq!(found, [Some("0E-7".into()), Some("1e999".into()), Some("\"é\"".into()), None]);
    }

    #[test]
    fn a_leaf_may_have_leaves_inside() {
        let found = extract(&[&[], &["a"], &["a", "b"]], r#"{"a":{"b":1}}"#).unwrap();
        assert_eq!(found, [Some(r#"{"a":{"b":1}}"#.into()), Some(r#"{"b":1}"#.into()), Some("1".into())]);
    }

    #[test]
    fn the_last_of_two_members_with_one_name_counts() {
        assert_eq!(extract(&[&["a"]], r#"{"a":1,"a":2}"#).unwrap(), [Some("2".into())]);
    }

    #[test]
    fn depth_outside_the_trie_costs_no_stack() {
        let body = format!(r#"{{"deep":{}{},"a":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(extract(&[&["a"]], &body).unwrap(), [Some("1".into())]);
    }

    #[test]
    fn truncated_json_is_an_error() {
        assert!(extract(&[&["a"]], r#"{"a":1,"b":[1,2"#).is_err());
        assert!(extract(&[&["a"]], r#"{"a":1} x"#).is_err());
    }

    #[test]
    fn json_strings_are_unquoted() {
        assert_eq!(text(r#""BTC\/USD""#).as_deref(), Some("BTC/USD"));
        assert_eq!(text("12.5").as_deref(), Some("12.5"));
        assert_eq!(text("null"), None);
        assert_eq!(text("{}"), None);
    }

    #[test]
    fn a_long_string_is_cut_but_not_inside_an_escape() {
        for before in 0..12 {
            let long = format!("\"{}{}\"", "x".repeat(before), r"\ud83d\ude00".repeat(10_000));
            let cut = text(&long).unwrap();
            assert!(cut.len() > 20_000 && cut.len() < MAX_ESCAPED && cut.ends_with('😀'), "{before}");
        }
    }
}
