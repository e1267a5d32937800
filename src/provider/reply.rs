//! Bytes into quotes: one walk over the JSON of a reply, which keeps only what is watched.

use super::ask::{Ask, Plan};
use super::definition::FieldForm;
use super::pointer::Pointer;
use super::tree::{Fill, Gate, Name, Tree, is_index, scalars, text};
use super::value::{read_value, unix_seconds};
use crate::number::Number;
use crate::quote::Table;
use crate::shown::{beginning, excerpt};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;

/// What a reply says.
#[derive(Debug)]
pub struct Reply {
    /// The values of the symbols that were asked for, in their order, in the columns of the plan.
    pub values: Table,
    /// What the API says of single symbols: index in the feed, and text.
    pub row_errors: Vec<(usize, String)>,
    /// What the API says of the whole; only read where a symbol is missing.
    pub error: Option<String>,
}

/// Why nothing of a reply can be used. The texts come from outside and are made harmless.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No body, or white space.
    #[error("the reply is empty")]
    Empty,
    /// A page for people: a gateway's error, a login, a captcha.
    #[error("the reply is HTML, not JSON: {0}")]
    Html(String),
    /// Cut off, or another format.
    #[error("the reply is not JSON ({reason}): {start}")]
    NotJson {
        /// What the parser says.
        reason: String,
        /// The first characters.
        start: String,
    },
    /// JSON without the place where rows should be.
    #[error("the reply has no rows at {pointer:?}: {start}")]
    NoRows {
        /// The definition's `rows`.
        pointer: String,
        /// The first characters.
        start: String,
    },
    /// The API's own words.
    #[error("{0}")]
    Said(String),
}

impl Plan<'_> {
    /// Reads the body of a good reply to `ask`, which arrived at `received` (Unix seconds).
    ///
    /// # Errors
    /// When nothing of it can be used.
    pub fn read(&self, ask: &Ask<'_>, body: &str, received: f64) -> Result<Reply, Refusal> {
        match body.trim_ascii_start().as_bytes().first() {
            None => return Err(Refusal::Empty),
            Some(b'<') => return Err(Refusal::Html(start(ask, body))),
            Some(_) => {}
        }
        let values = Table::new(ask.symbols.len(), self.columns.len());
        let reply = Reply { values, row_errors: Vec::new(), error: None };
        let Some(layout) = Layout::new(self, ask) else { return Ok(reply) };
        let mut rows = Rows::new(self, ask, &layout, received, reply);
        let mut json = serde_json::Deserializer::from_str(body);
        Descend { steps: &layout.rows, rows: &mut rows }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| Refusal::NotJson { reason: without_place(&error), start: start(ask, body) })?;
        let (found, mut reply) = (rows.found, rows.reply);
        let filled = reply.values.filled();
        if filled < ask.symbols.len() {
            reply.error = self.error_text(ask, body).or(reply.error);
        }
        match reply.error {
            Some(error) if filled == 0 && reply.row_errors.is_empty() => Err(Refusal::Said(error)),
            None if !found => {
                Err(Refusal::NoRows { pointer: ask.form.rows.as_str().to_owned(), start: start(ask, body) })
            }
            _ => Ok(reply),
        }
    }

    /// What the API says in a reply whose status is an error: its own text, or how the body begins.
    pub fn read_error(&self, ask: &Ask<'_>, body: &str) -> String {
        let body_begins = || beginning(&ask.request.mask(head(body)), MAX_SAID);
        self.error_text(ask, body).unwrap_or_else(body_begins)
    }

    fn error_text(&self, ask: &Ask<'_>, body: &str) -> Option<String> {
        let symbol = &self.symbols[*ask.symbols.first()?];
        let mut tree = Tree::default();
        for (slot, pointer) in ask.form.error.iter().enumerate() {
            tree.insert(&pointer.steps(&self.definition.spelling, symbol)?, slot);
        }
        let mut slots = vec![None; ask.form.error.len()];
        let mut json = serde_json::Deserializer::from_str(body);
        Fill { tree: &tree, slots: &mut slots, gate: None }.deserialize(&mut json).ok()?;
        let texts: Vec<String> = slots.into_iter().flatten().filter_map(|raw| said(ask, raw.get())).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// Characters of an error text that are kept: enough to find in it what the definition says of a bad
/// symbol. Less is shown.
const MAX_SAID: usize = 4_000;

/// The text of an error: only a string that is not empty counts, as many APIs always send one.
fn said(ask: &Ask<'_>, raw: &str) -> Option<String> {
    let text = text(raw).filter(|text| raw.starts_with('"') && !text.trim().is_empty())?;
    Some(beginning(&ask.request.mask(head(&text)), MAX_SAID))
}

/// How a body begins. It is masked before it is cut, lest a part of a secret stay.
fn start(ask: &Ask<'_>, body: &str) -> String {
    excerpt(&ask.request.mask(head(body)))
}

/// As much of a text as may be shown, and so much more that no secret is cut there.
fn head(text: &str) -> &str {
    let end = (0..=text.len().min(1 << 16)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn without_place(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

/// Where everything is in a reply to one request: the way to the rows, and which slot of a row
/// takes what.
#[derive(Debug, Default)]
struct Layout<'a> {
    rows: Vec<String>,
    row: Tree,
    slots: usize,
    key: Range<usize>,
    row_error: Range<usize>,
    time: Range<usize>,
    /// For each column, the slots of its alternatives, and how the form writes it.
    columns: Vec<(Range<usize>, Option<&'a FieldForm>)>,
}

impl<'a> Layout<'a> {
    /// `None` where a pointer wants a quote and the symbol has none.
    fn new(plan: &Plan<'_>, ask: &Ask<'a>) -> Option<Self> {
        let form = ask.form;
        let symbol = &plan.symbols[*ask.symbols.first()?];
        let steps = |pointer: &Pointer| pointer.steps(&plan.definition.spelling, symbol);
        let mut layout = Self { rows: steps(&form.rows)?, ..Self::default() };
        let mut place = |pointers: &[Pointer]| -> Option<Range<usize>> {
            let begin = layout.slots;
            for pointer in pointers {
                layout.row.insert(&steps(pointer)?, layout.slots);
                layout.slots += 1;
            }
            Some(begin..layout.slots)
        };
        let key = place(form.key.as_slice())?;
        let row_error = place(form.row_error.as_slice())?;
        let wants_age = plan.columns.iter().any(|field| field.as_str() == "age");
        let time = place(form.time.as_ref().filter(|_| wants_age).map_or(&[], |time| &time.at))?;
        let mut columns = Vec::with_capacity(plan.columns.len());
        for column in &plan.columns {
            let field = form.fields.iter().find(|field| field.field == *column);
            columns.push((place(field.map_or(&[], |field| &field.at))?, field));
        }
        Some(Self { key, row_error, time, columns, ..layout })
    }
}

/// The rows of a reply as they are read.
struct Rows<'a, 'de> {
    ask: &'a Ask<'a>,
    layout: &'a Layout<'a>,
    /// One symbol was asked for and no row names it: whatever is there is its row.
    bare: bool,
    names: Spellings<'a>,
    slots: Vec<Option<&'de RawValue>>,
    /// The values of the row that is being read.
    values: Vec<Option<Number>>,
    age: Option<usize>,
    received: f64,
    found: bool,
    reply: Reply,
}

impl<'a, 'de> Rows<'a, 'de> {
    fn new(plan: &Plan<'_>, ask: &'a Ask<'a>, layout: &'a Layout<'a>, received: f64, reply: Reply) -> Self {
        let form = ask.form;
        let single = form.is_single() || (form.unwrapped_single && ask.symbols.len() == 1);
        let bare = single && form.key.is_none();
        Self {
            ask,
            layout,
            bare,
            names: if bare { Spellings::default() } else { Spellings::new(plan, ask) },
            slots: vec![None; layout.slots],
            values: vec![None; plan.columns.len()],
            age: plan.columns.iter().position(|field| field.as_str() == "age"),
            received,
            found: false,
            reply,
        }
    }

    /// Reads one row; `position` is that of the symbol it belongs to, if that is known before.
    fn row<T>(&mut self, position: Option<usize>, read: impl FnOnce(Fill<'_, 'de>) -> T) -> T {
        self.found = true;
        self.slots.fill(None);
        let (names, key) = (&self.names, self.layout.key.start);
        // A row of a symbol that nobody asked for is read no further than its name.
        let named = Cell::new(None);
        let opens = |raw: &RawValue| {
            named.set(text(raw.get()).and_then(|name| names.position(&name)));
            named.get().is_some()
        };
        let gate = (!self.layout.key.is_empty()).then_some(Gate { slot: key, opens: &opens });
        let result = read(Fill { tree: &self.layout.row, slots: &mut self.slots, gate });
        let position = if self.layout.key.is_empty() {
            position
        } else {
            let key = || text(self.first(&self.layout.key)?);
            named.get().or_else(|| self.names.position(&key()?))
        };
        if let Some(position) = position {
            self.keep(position);
        }
        result
    }

    fn first(&self, slots: &Range<usize>) -> Option<&'de str> {
        self.slots[slots.clone()].iter().flatten().map(|raw| raw.get()).next()
    }

    fn keep(&mut self, position: usize) {
        let symbol = self.ask.symbols[position];
        let error = self.first(&self.layout.row_error).and_then(|raw| said(self.ask, raw));
        match error {
            // There is one row, so what it says may be about anything.
            Some(error) if self.bare => return self.reply.error = Some(error),
            Some(error) => return self.reply.row_errors.push((symbol, excerpt(&error))),
            None => {}
        }
        self.read_values();
        if log::log_enabled!(log::Level::Debug) {
            self.explain(position);
        }
        let values = &self.values;
        let tells =
            |(at, value): (usize, &Option<Number>)| value.is_some() && (Some(at) != self.age || values.len() == 1);
        if values.iter().enumerate().any(tells) {
            self.reply.values.fill(position, values);
        }
    }

    fn read_values(&mut self) {
        for (value, (range, field)) in self.values.iter_mut().zip(&self.layout.columns) {
            let read = |raw: &&RawValue| read_value((*field)?, raw).ok();
            *value = self.slots[range.clone()].iter().flatten().find_map(read);
        }
        if let (Some(age), Some(time)) = (self.age, &self.ask.form.time) {
            let times = &self.slots[self.layout.time.clone()];
            let at = times.iter().flatten().find_map(|raw| unix_seconds(time, raw.get()));
            let millis = at.map(|at| ((self.received - at) * 1000.0).round() / 1000.0);
            self.values[age] = self.values[age].or_else(|| millis.and_then(Number::from_f64));
        }
    }

    /// Says of every field which pointer gave it, or why none did.
    fn explain(&self, position: usize) {
        let form = self.ask.form;
        for ((slots, field), value) in self.layout.columns.iter().zip(&self.values) {
            let Some(field) = field else { continue };
            let found = |at: usize| (field.at[at].as_str(), self.slots[slots.start + at]);
            let given = (0..field.at.len())
                .map(found)
                .find(|(_, raw)| raw.and_then(|raw| read_value(field, raw).ok()).is_some());
            let how = if let (Some((pointer, _)), Some(value)) = (given, value) {
                format!("{value} from {pointer:?}")
            } else {
                let why = |at| {
                    let (pointer, raw) = found(at);
                    let why = raw.map_or("nothing", |raw| read_value(field, raw).err().unwrap_or_default());
                    format!("{why} at {pointer:?}")
                };
                format!("no value: {}", (0..field.at.len()).map(why).collect::<Vec<_>>().join(", "))
            };
            log::debug!("{}: {}: {how}", self.ask.spelled[position], field.field);
        }
        if let (Some(age), Some(time)) = (self.age, &form.time) {
            let how = self.values[age].map_or("no value: no time".to_owned(), |age| format!("{age} from the time"));
            let pointers: Vec<&str> = time.at.iter().map(Pointer::as_str).collect();
            log::debug!("{}: age: {how} at {}", self.ask.spelled[position], pointers.join(" or "));
        }
    }

    /// The value at `rows` where one symbol was asked for: its row, or a list of its rows.
    fn take_bare(&mut self, raw: &'de str) -> serde_json::Result<()> {
        let inside = raw.strip_prefix('[').map(str::trim_start);
        if raw == "null" || raw == "[]" {
            Ok(())
        } else if inside.is_some_and(|inside| inside.starts_with(['{', '['])) {
            serde_json::Deserializer::from_str(raw).deserialize_any(self)
        } else {
            self.row(Some(0), |row| row.deserialize(&mut serde_json::Deserializer::from_str(raw)))
        }
    }
}

/// The names under which rows may come: for each, the position of its symbol among those asked for.
#[derive(Default)]
struct Spellings<'a> {
    positions: FxHashMap<Cow<'a, str>, usize>,
    ignore_case: bool,
}

impl<'a> Spellings<'a> {
    fn new(plan: &Plan<'_>, ask: &'a Ask<'_>) -> Self {
        let form = ask.form;
        let cased = |name: Cow<'a, str>| if form.ignore_case { name.to_lowercase().into() } else { name };
        let mut others: FxHashMap<_, Option<usize>> = FxHashMap::default();
        for template in &form.keys {
            for (position, index) in ask.symbols.iter().enumerate() {
                if let Some(name) = template.spell(&plan.definition.spelling, &plan.symbols[*index]) {
                    others
                        .entry(cased(Cow::Owned(name.into_owned())))
                        .and_modify(|known| *known = known.filter(|known| *known == position))
                        .or_insert(Some(position));
                }
            }
        }
        // What could be either of two symbols is neither; what was asked for is what it says.
        let mut positions: FxHashMap<_, _> = others.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
        positions.reserve(ask.spelled.len());
        positions.extend(ask.spelled.iter().enumerate().map(|(at, name)| (cased(Cow::Borrowed(name)), at)));
        Self { positions, ignore_case: form.ignore_case }
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.ignore_case {
            self.positions.get(name.to_lowercase().as_str()).copied()
        } else {
            self.positions.get(name).copied()
        }
    }
}

/// Goes down the reply to its rows and past everything else.
struct Descend<'r, 'a, 'de> {
    steps: &'a [String],
    rows: &'r mut Rows<'a, 'de>,
}

impl<'de> DeserializeSeed<'de> for Descend<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            json.deserialize_any(self)
        } else if self.rows.bare {
            let raw = <&RawValue>::deserialize(json)?.get();
            self.rows.take_bare(raw).map_err(D::Error::custom)
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

/// Reads a list of rows, or an object of rows by symbol.
impl<'de> Visitor<'de> for &mut Rows<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.found = true;
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
        self.found = true;
        let position = self.bare.then_some(0);
        while self.row(position, |row| seq.next_element_seed(row))?.is_some() {}
        Ok(())
    }

    scalars!();
}
