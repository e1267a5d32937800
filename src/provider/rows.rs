//! The rows of a reply, as they are read.

use super::definition::FieldSpec;
use super::json_walk::{ExtractSeed, KeyFilter, Name, is_index, scalars, text};
use super::layout::Layout;
use super::pointer::Pointer;
use super::reply::{Reply, error_string};
use super::request::{Plan, Query};
use super::value::{read_value, unix_seconds};
use crate::market::number::Number;
use crate::util::sanitize::excerpt;
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// The rows of a reply, as they are read.
pub(super) struct Rows<'a, 'de> {
    query: &'a Query<'a>,
    layout: &'a Layout<'a>,
    /// Whether one symbol was asked for and no row names it: then whatever is there is its row.
    is_bare: bool,
    names: RowNames<'a>,
    slots: Vec<Option<&'de RawValue>>,
    /// The values of the row that is being read, one for each column.
    values: Vec<Option<Number>>,
    /// The column of `age`.
    age: Option<usize>,
    /// When the reply arrived, in Unix seconds.
    received: f64,
    /// Whether there was anything where the rows should be.
    pub(super) found_rows: bool,
    pub(super) reply: Reply,
}

impl<'a, 'de> Rows<'a, 'de> {
    pub(super) fn new(
        plan: &Plan<'_>,
        query: &'a Query<'a>,
        layout: &'a Layout<'a>,
        received: f64,
        reply: Reply,
    ) -> Self {
        let endpoint = query.endpoint;
        let is_single = endpoint.is_single() || (endpoint.unwrapped_single && query.symbols.len() == 1);
        let is_bare = is_single && endpoint.key.is_none();
        Self {
            query,
            layout,
            is_bare,
            names: if is_bare { RowNames::default() } else { RowNames::new(plan, query) },
            slots: vec![None; layout.slots],
            values: vec![None; plan.columns.len()],
            age: plan.columns.iter().position(|field| field.as_str() == "age"),
            received,
            found_rows: false,
            reply,
        }
    }

    /// Reads one row with `read`. `position` is the symbol it belongs to, if the key of the row is not
    /// inside it.
    fn row<T>(&mut self, position: Option<usize>, read: impl FnOnce(ExtractSeed<'_, 'de>) -> T) -> T {
        self.found_rows = true;
        self.slots.fill(None);
        if self.layout.key.is_empty() {
            let result = read(ExtractSeed { trie: &self.layout.row, slots: &mut self.slots, filter: None });
            if let Some(position) = position {
                self.keep(position);
            }
            return result;
        }
        let mut key = RowKey { slot: self.layout.key.start, names: &self.names, position: None };
        let result = read(ExtractSeed { trie: &self.layout.row, slots: &mut self.slots, filter: Some(&mut key) });
        // A row that is an array has no members, so its key was not filtered.
        let position = key.position.or_else(|| self.names.position(&text(self.first(&self.layout.key)?)?));
        if let Some(position) = position {
            self.keep(position);
        }
        result
    }

    /// The first of these slots that has something.
    fn first(&self, slots: &Range<usize>) -> Option<&'de str> {
        self.slots[slots.clone()].iter().flatten().map(|raw| raw.get()).next()
    }

    /// Keeps what the slots hold as the row of the symbol at this position of the query.
    fn keep(&mut self, position: usize) {
        let symbol = self.query.symbols[position];
        let error = self.first(&self.layout.row_error).and_then(|raw| error_string(self.query, raw));
        match error {
            // There is only one row, so its error may be about anything.
            Some(error) if self.is_bare => return self.reply.error = Some(error),
            Some(error) => return self.reply.row_errors.push((symbol, excerpt(&error))),
            None => {}
        }
        self.read_values();
        if log::log_enabled!(log::Level::Debug) {
            self.explain(position);
        }
        // An age alone is no quote, unless nothing else is wanted.
        let is_quote = |(column, value): (usize, &Option<Number>)| {
            value.is_some() && (Some(column) != self.age || self.values.len() == 1)
        };
        if self.values.iter().enumerate().any(is_quote) {
            self.reply.values.fill(position, &self.values);
        }
    }

    fn read_values(&mut self) {
        for (value, (slots, spec)) in self.values.iter_mut().zip(&self.layout.columns) {
            let read = |raw: &&RawValue| read_value((*spec)?, raw).ok();
            *value = self.slots[slots.clone()].iter().flatten().find_map(read);
        }
        if let (Some(age), Some(time)) = (self.age, &self.query.endpoint.time) {
            let times = &self.slots[self.layout.time.clone()];
            let quoted = times.iter().flatten().find_map(|raw| unix_seconds(time, raw.get()));
            let seconds = quoted.map(|quoted| ((self.received - quoted) * 1000.0).round() / 1000.0);
            self.values[age] = self.values[age].or_else(|| seconds.and_then(Number::from_f64));
        }
    }

    /// Logs for every field which pointer gave it, or why none did.
    fn explain(&self, position: usize) {
        let spelled = &self.query.spelled[position];
        for ((slots, spec), value) in self.layout.columns.iter().zip(&self.values) {
            if let Some(spec) = spec {
                log::debug!("{spelled}: {}: {}", spec.field, self.explain_field(spec, slots, *value));
            }
        }
        if let (Some(age), Some(time)) = (self.age, &self.query.endpoint.time) {
            let how = self.values[age].map_or("no value: no time".to_owned(), |age| format!("{age} from the time"));
            let pointers: Vec<&str> = time.at.iter().map(Pointer::as_str).collect();
            log::debug!("{spelled}: age: {how} at {}", pointers.join(" or "));
        }
    }

    fn explain_field(&self, spec: &FieldSpec, slots: &Range<usize>, value: Option<Number>) -> String {
        let found = || spec.at.iter().map(Pointer::as_str).zip(&self.slots[slots.clone()]);
        let used = found().find(|(_, raw)| raw.is_some_and(|raw| read_value(spec, raw).is_ok()));
        if let (Some((pointer, _)), Some(value)) = (used, value) {
            return format!("{value} from {pointer:?}");
        }
        let reason = |(pointer, raw): (&str, &Option<&RawValue>)| {
            let reason = raw.map_or("nothing", |raw| read_value(spec, raw).err().unwrap_or_default());
            format!("{reason} at {pointer:?}")
        };
        format!("no value: {}", found().map(reason).collect::<Vec<_>>().join(", "))
    }

    /// Reads what stands at `rows` where it is the row of the one symbol, or a list of its rows.
    fn read_bare(&mut self, raw: &'de str) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_str(raw);
        match BareShape::of(raw) {
            BareShape::Nothing => Ok(()),
            BareShape::Rows => json.deserialize_any(self),
            BareShape::Row => self.row(Some(0), |row| row.deserialize(&mut json)),
        }
    }
}

/// What stands at `rows` where one symbol was asked for and rows have no key.
enum BareShape {
    Nothing,
    /// An array of objects or arrays, each of them a row.
    Rows,
    /// An object, a number, or an array of such: the row itself.
    Row,
}

impl BareShape {
    /// `raw` is one JSON value.
    fn of(raw: &str) -> Self {
        let Some(elements) = raw.strip_prefix('[') else {
            return if raw == "null" { Self::Nothing } else { Self::Row };
        };
        match elements.trim_ascii_start().bytes().next() {
            Some(b'{' | b'[') => Self::Rows,
            Some(b']') => Self::Nothing,
            _ => Self::Row,
        }
    }
}

/// Looks up the key of a row. Rows of symbols that were not asked for are read no further.
struct RowKey<'r, 'a> {
    slot: usize,
    names: &'r RowNames<'a>,
    /// The symbol that the key names.
    position: Option<usize>,
}

impl KeyFilter for RowKey<'_, '_> {
    fn slot(&self) -> usize {
        self.slot
    }

    fn admits(&mut self, key: &RawValue) -> bool {
        self.position = text(key.get()).and_then(|name| self.names.position(&name));
        self.position.is_some()
    }
}

/// The names under which rows may come: for each, the position of its symbol in the query.
#[derive(Default)]
struct RowNames<'a> {
    positions: FxHashMap<Cow<'a, str>, usize>,
    ignore_case: bool,
}

impl<'a> RowNames<'a> {
    fn new(plan: &Plan<'_>, query: &'a Query<'_>) -> Self {
        let endpoint = query.endpoint;
        let fold = |name: Cow<'a, str>| if endpoint.ignore_case { name.to_lowercase().into() } else { name };
        // `None` stands for a name that could be either of two symbols: it belongs to none.
        let mut others: FxHashMap<_, Option<usize>> = FxHashMap::default();
        for template in &endpoint.keys {
            for (position, index) in query.symbols.iter().enumerate() {
                if let Some(name) = template.spell(&plan.definition.spelling, &plan.symbols[*index]) {
                    others
                        .entry(fold(Cow::Owned(name.into_owned())))
                        .and_modify(|known| *known = known.filter(|known| *known == position))
                        .or_insert(Some(position));
                }
            }
        }
        let mut positions: FxHashMap<_, _> = others.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
        // The spelling in the request wins over all others.
        positions.reserve(query.spelled.len());
        positions.extend(query.spelled.iter().enumerate().map(|(at, name)| (fold(Cow::Borrowed(name)), at)));
        Self { positions, ignore_case: endpoint.ignore_case }
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.ignore_case {
            self.positions.get(name.to_lowercase().as_str()).copied()
        } else {
            self.positions.get(name).copied()
        }
    }
}

/// Goes down a reply to its rows, and past everything else.
pub(super) struct Descend<'r, 'a, 'de> {
    /// The steps that are left.
    pub(super) steps: &'a [String],
    pub(super) rows: &'r mut Rows<'a, 'de>,
}

impl<'de> DeserializeSeed<'de> for Descend<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            json.deserialize_any(self)
        } else if self.rows.is_bare {
            let raw = <&RawValue>::deserialize(json)?.get();
            self.rows.read_bare(raw).map_err(D::Error::custom)
        } else {
            json.deserialize_any(self.rows)
        }
    }
}

impl<'de> Visitor<'de> for Descend<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if name == self.steps[0].as_str() {
                map.next_value_seed(Descend { steps: &self.steps[1..], rows: &mut *self.rows })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            let more = if is_index(&self.steps[0], index) {
                seq.next_element_seed(Descend { steps: &self.steps[1..], rows: &mut *self.rows })?
            } else {
                seq.next_element::<IgnoredAny>()?.map(drop)
            };
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    scalars!();
}

/// Reads an array of rows, or an object of rows by symbol.
impl<'de> Visitor<'de> for &mut Rows<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.found_rows = true;
        while let Some(Name(name)) = map.next_key()? {
            let position = self.names.position(&name);
            if position.is_some() || !self.layout.key.is_empty() {
                self.row(position, |row| map.next_value_seed(row))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.found_rows = true;
        let position = self.is_bare.then_some(0);
        while self.row(position, |row| seq.next_element_seed(row))?.is_some() {}
        Ok(())
    }

    scalars!();
}
