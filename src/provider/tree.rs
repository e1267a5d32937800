//! Pointers as a tree, and the one walk over JSON that takes what they point at.
//!
//! The walk goes down a value and the tree together and skips whatever has no place in the tree
//! without building anything of it. A leaf is taken as the text it is: no number is rounded, and
//! one that no `f64` holds fails nothing. Outside the tree, depth and size cost no more than
//! reading past them.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The visitor's methods for values that have no inside.
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

/// A step of the tree: which slots take the value here, and where it goes on.
#[derive(Debug, Default)]
pub(super) struct Tree {
    slots: Vec<usize>,
    children: Vec<(String, Self)>,
}

impl Tree {
    /// Lets `slot` take what is at the end of `steps`.
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

/// Whether a step of a pointer is the element at `index`.
pub(super) fn is_index(step: &str, index: usize) -> bool {
    step.parse() == Ok(index)
}

/// Takes from one value what the tree points at, by slot. Of members of one name the last counts.
pub(super) struct Fill<'a, 'de> {
    /// What is looked for.
    pub tree: &'a Tree,
    /// Where it goes.
    pub slots: &'a mut [Option<&'de RawValue>],
    /// What makes the rest of no interest.
    pub gate: Option<Gate<'a>>,
}

/// A member on which it depends whether the others are of interest.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    /// The slot it goes to.
    pub slot: usize,
    /// Whether they are, given its value.
    pub opens: &'a dyn Fn(&RawValue) -> bool,
}

impl<'de> DeserializeSeed<'de> for Fill<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.tree.slots.is_empty() {
            return json.deserialize_any(self);
        }
        let raw = <&RawValue>::deserialize(json)?;
        for &slot in &self.tree.slots {
            self.slots[slot] = Some(raw);
        }
        if self.tree.children.is_empty() || !raw.get().starts_with(['{', '[']) {
            return Ok(());
        }
        serde_json::Deserializer::from_str(raw.get()).deserialize_any(self).map_err(D::Error::custom)
    }
}

impl<'de> Visitor<'de> for Fill<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key_seed(Member(self.tree))? {
            match member {
                Some(tree) => {
                    map.next_value_seed(Fill { tree, slots: &mut *self.slots, gate: None })?;
                    let gate = self.gate.filter(|gate| tree.slots.contains(&gate.slot));
                    if gate.is_some_and(|gate| self.slots[gate.slot].is_some_and(|raw| !(gate.opens)(raw))) {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        break;
                    }
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            let more = match self.tree.element(index) {
                Some(tree) => seq.next_element_seed(Fill { tree, slots: &mut *self.slots, gate: None })?,
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

/// Finds the step for a member's name.
struct Member<'a>(&'a Tree);

impl<'de, 'a> DeserializeSeed<'de> for Member<'a> {
    type Value = Option<&'a Tree>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Member<'a> {
    type Value = Option<&'a Tree>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.member(name))
    }
}

/// A member's name, borrowed from the reply where it has no escape.
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

/// Of an escaped text no more is looked at, as it is copied for that: longer than any name, number
/// or error that is shown.
const LONGEST_COPY: usize = 64 << 10;

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
    if raw.len() <= LONGEST_COPY {
        return serde_json::from_str(raw).ok();
    }
    // The longest escape, a pair of surrogates, has twelve bytes; in one of them it cannot be cut.
    let cut = |less| serde_json::from_str(&format!("{}\"", raw.get(..LONGEST_COPY - less)?)).ok();
    (0..=12).find_map(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(pointers: &[&[&str]], body: &str) -> serde_json::Result<Vec<Option<String>>> {
        let mut tree = Tree::default();
        for (slot, steps) in pointers.iter().enumerate() {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            tree.insert(&steps, slot);
        }
        let mut slots = vec![None; pointers.len()];
        let mut json = serde_json::Deserializer::from_str(body);
        Fill { tree: &tree, slots: &mut slots, gate: None }.deserialize(&mut json)?;
        json.end()?;
        Ok(slots.iter().map(|slot| slot.map(|raw| raw.get().to_owned())).collect())
    }

    #[test]
    fn leaves_are_taken_as_they_are_written() {
        let body = r#"{"a":{"b":["x",0E-7]},"c":1e999,"d":"é"}"#;
        let found = fill(&[&["a", "b", "1"], &["c"], &["d"], &["none"]], body).unwrap();
        assert_eq!(found, [Some("0E-7".into()), Some("1e999".into()), Some("\"é\"".into()), None]);
    }

    #[test]
    fn a_leaf_may_have_leaves_inside() {
        let found = fill(&[&[], &["a"], &["a", "b"]], r#"{"a":{"b":1}}"#).unwrap();
        assert_eq!(found, [Some(r#"{"a":{"b":1}}"#.into()), Some(r#"{"b":1}"#.into()), Some("1".into())]);
    }

    #[test]
    fn the_last_of_two_members_counts() {
        assert_eq!(fill(&[&["a"]], r#"{"a":1,"a":2}"#).unwrap(), [Some("2".into())]);
    }

    #[test]
    fn depth_outside_the_tree_costs_no_stack() {
        let body = format!(r#"{{"deep":{}{},"a":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(fill(&[&["a"]], &body).unwrap(), [Some("1".into())]);
    }

    #[test]
    fn a_cut_text_is_an_error() {
        assert!(fill(&[&["a"]], r#"{"a":1,"b":[1,2"#).is_err());
        assert!(fill(&[&["a"]], r#"{"a":1} x"#).is_err());
    }

    #[test]
    fn texts_are_unquoted() {
        assert_eq!(text(r#""BTC\/USD""#).as_deref(), Some("BTC/USD"));
        assert_eq!(text("12.5").as_deref(), Some("12.5"));
        assert_eq!(text("null"), None);
        assert_eq!(text("{}"), None);
    }

    #[test]
    fn a_long_text_is_cut_but_not_in_an_escape() {
        for before in 0..12 {
            let long = format!("\"{}{}\"", "x".repeat(before), r"\ud83d\ude00".repeat(10_000));
            let cut = text(&long).unwrap();
            assert!(cut.len() > 20_000 && cut.len() < LONGEST_COPY && cut.ends_with('😀'), "{before}");
        }
    }
}
