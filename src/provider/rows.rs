//! The rows of a reply, which are read one after the other while the JSON text is parsed.

use super::definition::{FieldSpec, Pick, RowsShape};
use super::error_text::{error_text, is_error_text, value_start};
use super::found_rows::FoundRows;
use super::json_walk::{ExtractSeed, MemberName, is_index, scalars, string_or_number};
use super::layout::Layout;
use super::pointer::Pointer;
use super::request::{Plan, Query};
use super::row_names::{RowKey, RowNames};
use super::value::{NoValue, instead_of_number, read_value, unix_seconds};
use crate::market::field::Field;
use crate::market::number::Number;
use crate::market::table::Table;
use crate::secret::Secret;
use crate::util::sanitize::excerpt;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};

/// Ages that a quote can have, in seconds: from a day ahead, as clocks and time zones differ, to ten years.
/// Others come from a time in another unit.
const POSSIBLE_AGES: RangeInclusive<f64> = -86_400.0..=315_360_000.0;

/// Of more symbols than this, messages show only words that are there instead of numbers.
const MAX_SHORT_LIST: usize = 10;

/// What messages show of values that are no numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing: the reply is only tried.
    Nothing,
    /// Words. Texts with digits mostly differ, so that each symbol would have a line of its own.
    Words,
    /// All of them.
    All,
}

/// Reads the rows of a reply into a table.
pub(super) struct RowReader<'a, 'de> {
    query: &'a Query<'a>,
    layout: &'a Layout<'a>,
    /// Whether the request is for one symbol and its row has neither a name nor a key.
    is_bare: bool,
    names: RowNames<'a>,
    /// The secrets of all providers, which no value that is shown may have.
    secrets: &'a BTreeMap<String, Secret>,
    /// What messages show of values that are no numbers.
    pub(super) detail: Detail,
    /// What was found in the row that is being read, by the slots of the layout.
    slots: Vec<Option<&'de RawValue>>,
    /// The values of the row that is being read, one per column.
    values: Vec<Option<Number>>,
    /// The column of `age`.
    age: Option<usize>,
    /// When the reply arrived, in Unix seconds.
    received: f64,
    /// Whether anything was found where the rows should be.
    pub(super) found_rows: bool,
    /// The rows that were found.
    pub(super) found: FoundRows,
    /// The time of the row that is being read, in Unix seconds.
    time: Option<f64>,
    /// The columns of the plan.
    fields: &'a [Field],
    /// A row for each symbol of the query.
    pub(super) table: Table,
    /// The positions in the query of the rows that had an error.
    rows_with_errors: FxHashSet<usize>,
    /// By position in the query whether there is a row.
    pub(super) has_row: Vec<bool>,
    /// By position in the query why a row has no value of the first column.
    valueless: FxHashMap<usize, String>,
    /// By position in the query how two rows contradict each other.
    contradictions: FxHashMap<usize, String>,
    /// By position in the query the time of the row that counts, for [`Pick::Now`].
    picked_times: FxHashMap<usize, f64>,
    /// The first error text of each row, with the index of its symbol in the feed.
    pub(super) row_errors: Vec<(usize, String)>,
    /// The error text of the only row.
    pub(super) error: Option<String>,
}

impl<'a, 'de> RowReader<'a, 'de> {
    pub(super) fn new(plan: &'a Plan<'_>, query: &'a Query<'a>, layout: &'a Layout<'a>, received: f64) -> Self {
        let endpoint = query.endpoint;
        let is_single =
            endpoint.is_single() || (endpoint.shape == RowsShape::UnwrappedSingle && query.symbols.len() == 1);
        let is_bare = is_single && endpoint.key.is_none();
        Self {
            query,
            layout,
            is_bare,
            names: if is_bare { RowNames::default() } else { RowNames::new(plan, query) },
            secrets: plan.secrets,
            detail: if plan.symbols.len() <= MAX_SHORT_LIST { Detail::All } else { Detail::Words },
            slots: vec![None; layout.slots],
            values: vec![None; plan.columns.len()],
            age: plan.columns.iter().position(|field| field.as_str() == "age"),
            received,
            found_rows: false,
            found: FoundRows::default(),
            time: None,
            fields: &plan.columns,
            table: Table::new(query.symbols.len(), plan.columns.len()),
            rows_with_errors: FxHashSet::default(),
            has_row: vec![false; query.symbols.len()],
            valueless: FxHashMap::default(),
            contradictions: FxHashMap::default(),
            picked_times: FxHashMap::default(),
            row_errors: Vec::new(),
            error: None,
        }
    }

    /// Takes back the values of symbols whose rows contradict each other. Returns why symbols have no value
    /// of the first column, with their indexes in the feed.
    pub(super) fn take_valueless(&mut self) -> Vec<(usize, String)> {
        for (position, reason) in std::mem::take(&mut self.contradictions) {
            self.table.row_mut(position).fill(None);
            self.valueless.insert(position, reason);
        }
        let mut valueless: Vec<(usize, String)> = std::mem::take(&mut self.valueless)
            .into_iter()
            .filter(|(position, _)| self.table.row(*position)[0].is_none())
            .map(|(position, reason)| (self.query.symbols[position], reason))
            .collect();
        valueless.sort_unstable();
        valueless
    }

    /// Reads one row by calling `read`. If the row has no key inside, `position` is the position of its
    /// symbol in the query.
    fn read_row<T>(&mut self, position: Option<usize>, read: impl FnOnce(ExtractSeed<'_, 'de>) -> T) -> T {
        self.found_rows = true;
        self.slots.fill(None);
        if self.layout.key.is_empty() {
            let result = read(ExtractSeed { trie: &self.layout.row, slots: &mut self.slots, filter: None });
            if let Some(position) = position {
                self.store(position);
            }
            return result;
        }
        let mut key = RowKey::new(&self.names, self.layout.key.start);
        let result = read(ExtractSeed { trie: &self.layout.row, slots: &mut self.slots, filter: Some(&mut key) });
        // The key of a row that is an array was not filtered, as an array has no members.
        let position = key.position;
        let name = self.first(&self.layout.key).and_then(string_or_number);
        if let Some(name) = &name {
            self.found.add_name(&self.query.request, name);
        }
        if let Some(position) = position.or_else(|| self.names.position(&name?)) {
            self.store(position);
        }
        result
    }

    /// What was found for the first of these slots that is not empty.
    fn first(&self, slots: &Range<usize>) -> Option<&'de str> {
        self.slots[slots.clone()].iter().flatten().map(|raw| raw.get()).next()
    }

    /// Stores what was found as the row of the symbol at this position of the query.
    fn store(&mut self, position: usize) {
        self.has_row[position] = true;
        if let Some(json) = self.first(&self.layout.row_error).filter(|json| is_error_text(json)) {
            // There is only one row, so its error may be about the whole request.
            if self.is_bare {
                self.error = self.error.take().or_else(|| error_text(&self.query.request, json));
            // A reply may repeat a row without end.
            } else if self.rows_with_errors.insert(position) {
                let error = error_text(&self.query.request, json).map(|text| excerpt(&text));
                self.row_errors.extend(error.map(|error| (self.query.symbols[position], error)));
            }
            return;
        }
        self.read_values();
        // An age alone is no quote, unless `age` is the only field that is wanted.
        let is_quote = |(column, value): (usize, &Option<Number>)| {
            value.is_some() && (Some(column) != self.age || self.values.len() == 1)
        };
        let is_quote = self.values.iter().enumerate().any(is_quote);
        let counts = !self.is_too_old(position) && is_quote && self.pick(position);
        // Of several rows, the log has only those that count.
        let is_shown = counts || !self.table.has(position);
        if is_shown && self.detail != Detail::Nothing && log::log_enabled!(log::Level::Debug) {
            self.log_values(position);
        }
        if self.values[0].is_none() {
            self.explain_first(position);
        }
    }

    /// How old the quote is, in seconds, if the row has a time that a quote can have.
    fn quote_age(&self) -> Option<f64> {
        let seconds = ((self.received - self.time?) * 1000.0).round() / 1000.0;
        Some(seconds).filter(|seconds| POSSIBLE_AGES.contains(seconds))
    }

    /// Whether the quote is too old to be one. If it is, keeps that as the reason.
    fn is_too_old(&mut self, position: usize) -> bool {
        // Also one of 1970, which is no age to be shown.
        let age = self.time.map(|time| self.received - time);
        let too_old = self.query.endpoint.max_age.zip(age).filter(|(max, age)| age > max);
        if let Some((max, _)) = too_old {
            let reason = || format!("has a quote of it that is older than max_age, {max} s");
            self.valueless.entry(position).or_insert_with(reason);
        }
        too_old.is_some()
    }

    /// Keeps why a row has no value of the first column.
    fn explain_first(&mut self, position: usize) {
        let (slots, Some(spec)) = self.layout.columns[0].clone() else { return };
        if !self.valueless.contains_key(&position) {
            let has_digits = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
            let reasons = self.reasons(spec, &slots, |text| self.detail == Detail::All || !has_digits(text));
            self.valueless.insert(position, format!("has {reasons}"));
        }
    }

    /// Puts the values of a row into the table, if it is the one of its symbol that counts. Returns whether it
    /// is.
    fn pick(&mut self, position: usize) -> bool {
        let pick = self.query.endpoint.pick;
        if pick == Pick::Now && !self.is_latest(position) {
            let reason = || "has no row whose time has come".to_owned();
            self.valueless.entry(position).or_insert_with(reason);
            return false;
        }
        let row = self.table.row_mut(position);
        match pick {
            // Mostly there is only one row.
            _ if row.iter().all(Option::is_none) => row.copy_from_slice(&self.values),
            Pick::Last | Pick::Now => row.copy_from_slice(&self.values),
            Pick::First => return false,
            Pick::Only => self.compare(position),
        }
        true
    }

    /// Whether the time of a row has come, and no earlier row of its symbol is later.
    fn is_latest(&mut self, position: usize) -> bool {
        let Some(time) = self.time.filter(|time| *time <= self.received) else { return false };
        let picked = self.picked_times.entry(position).or_insert(time);
        let is_latest = time >= *picked;
        *picked = picked.max(time);
        is_latest
    }

    /// Adds the values of another row of a symbol, or keeps how it contradicts the one before.
    fn compare(&mut self, position: usize) {
        let row = self.table.row_mut(position);
        for ((place, value), field) in row.iter_mut().zip(&self.values).zip(self.fields) {
            match (*place, *value) {
                (None, _) => *place = *value,
                (Some(known), Some(value)) if !known.has_same_value(value) => {
                    let reason = || format!("has rows of it that differ: {field} is {known} and {value}");
                    self.contradictions.entry(position).or_insert_with(reason);
                }
                (Some(_), _) => {}
            }
        }
    }

    fn read_values(&mut self) {
        for (value, (slots, spec)) in self.values.iter_mut().zip(&self.layout.columns) {
            let read = |json: &&RawValue| read_value((*spec)?, json).ok();
            *value = self.slots[slots.clone()].iter().flatten().find_map(read);
        }
        if let Some(time) = &self.query.endpoint.time {
            let mut found = self.slots[self.layout.time.clone()].iter().flatten();
            self.time = found.find_map(|json| unix_seconds(time, &self.query.endpoint.time_zone, json.get()));
        }
        if let Some(age) = self.age {
            self.values[age] = self.values[age].or_else(|| self.quote_age().and_then(Number::from_f64));
        }
    }

    /// Logs for each field which pointer gave its value, or why none did.
    fn log_values(&self, position: usize) {
        let spelled = &self.query.spelled[position];
        // A name with spaces could look like another line.
        let spelled = if spelled.contains(' ') { format!("{spelled:?}").into() } else { spelled.clone() };
        for ((slots, spec), value) in self.layout.columns.iter().zip(&self.values) {
            if let Some(spec) = spec {
                log::debug!("{spelled}: {}: {}", spec.field, self.explain(spec, slots, *value));
            }
        }
        if let (Some(age), Some(time)) = (self.age, &self.query.endpoint.time) {
            let age = self.values[age].map_or("no value: no time, or one that is years away".to_owned(), |age| {
                format!("{age} from the time")
            });
            let pointers: Vec<&str> = time.pointers.iter().map(Pointer::as_str).collect();
            log::debug!("{spelled}: age: {age} at {}", pointers.join(" or "));
        }
    }

    /// Where the value of a field is from, or why there is none.
    fn explain(&self, spec: &FieldSpec, slots: &Range<usize>, value: Option<Number>) -> String {
        let mut found = spec.pointers.iter().map(Pointer::as_str).zip(self.slots[slots.clone()].iter().copied());
        let used = found.find(|(_, json)| json.is_some_and(|json| read_value(spec, json).is_ok()));
        if let (Some((pointer, _)), Some(value)) = (used, value) {
            return format!("{value} from {pointer:?}");
        }
        format!("no value: {}", self.reasons(spec, slots, |_| true))
    }

    /// Why each of the pointers of a field gives no value. `shows` decides which values are shown.
    fn reasons(&self, spec: &FieldSpec, slots: &Range<usize>, shows: impl Fn(&str) -> bool) -> String {
        let reason = |(pointer, json): (&Pointer, Option<&RawValue>)| {
            let (reason, shown) = match json.map(|json| (json.get(), read_value(spec, json))) {
                None => ("nothing", None),
                Some((_, Err(NoValue::Null) | Ok(_))) => ("null", None),
                Some((_, Err(NoValue::NotPositive))) => ("a price that is not above zero", None),
                Some((json, Err(NoValue::NoNumber))) => ("no number", instead_of_number(spec, json)),
            };
            let is_text = json.is_some_and(|json| json.get().starts_with('"'));
            let start = |text: &str| value_start(&self.query.request, self.secrets.values(), text);
            let quoted = |text: &str| if is_text { format!("\"{}\"", start(text)) } else { start(text) };
            let shown = shown.map(|(text, hint)| (quoted(&text), hint));
            let shown = shown.filter(|(text, _)| shows(text)).map(|(text, hint)| format!(" ({text}{hint})"));
            let shown = shown.unwrap_or_default();
            format!("{reason} at {:?}{shown}", pointer.as_str())
        };
        let found = spec.pointers.iter().zip(self.slots[slots.clone()].iter().copied());
        found.map(reason).collect::<Vec<_>>().join(", ")
    }

    /// Reads the value where the rows should be if rows have neither names nor keys.
    fn read_bare(&mut self, json: &'de str) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let shape = if self.query.endpoint.is_document() { BareShape::Row } else { BareShape::of(json) };
        match shape {
            BareShape::Nothing => Ok(()),
            BareShape::Rows => deserializer.deserialize_any(self),
            BareShape::Row => self.read_row(Some(0), |row| row.deserialize(&mut deserializer)),
        }
    }
}

/// What the value is where the rows should be, if the request is for one symbol and rows have neither
/// names nor keys.
#[derive(Debug, PartialEq, Eq)]
enum BareShape {
    /// `null` or an empty array.
    Nothing,
    /// An array of objects or arrays: each of them is a row of the symbol.
    Rows,
    /// Anything else, such as an object, a number or an array of numbers: the value is the row itself.
    Row,
}

impl BareShape {
    /// The shape of one JSON value, which begins with its first character. It depends only on this
    /// character and, in an array, on the first character of the first element.
    fn of(json: &str) -> Self {
        let Some(elements) = json.strip_prefix('[') else {
            return if json == "null" { Self::Nothing } else { Self::Row };
        };
        match elements.trim_ascii_start().bytes().next() {
            Some(b'{' | b'[') => Self::Rows,
            Some(b']') => Self::Nothing,
            _ => Self::Row,
        }
    }
}

/// Follows the pointer to the rows, and skips everything else.
pub(super) struct RowsSeed<'r, 'a, 'de> {
    /// The steps of the pointer that are still to be taken.
    pub(super) steps: &'a [String],
    pub(super) reader: &'r mut RowReader<'a, 'de>,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if !self.steps.is_empty() {
            json.deserialize_any(self)
        } else if self.reader.is_bare {
            let value = <&RawValue>::deserialize(json)?;
            self.reader.read_bare(value.get()).map_err(D::Error::custom)
        } else {
            json.deserialize_any(self.reader)
        }
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(MemberName(name)) = map.next_key()? {
            if name == self.steps[0].as_str() {
                map.next_value_seed(RowsSeed { steps: &self.steps[1..], reader: &mut *self.reader })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            let element = if is_index(&self.steps[0], index) {
                seq.next_element_seed(RowsSeed { steps: &self.steps[1..], reader: &mut *self.reader })?
            } else {
                seq.next_element::<IgnoredAny>()?.map(drop)
            };
            if element.is_none() {
                break;
            }
        }
        Ok(())
    }

    scalars!();
}

/// Reads an array of rows, or an object whose members are rows.
impl<'de> Visitor<'de> for &mut RowReader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.found_rows = true;
        while let Some(MemberName(name)) = map.next_key()? {
            let position = self.names.position(&name);
            self.found.count();
            if self.layout.key.is_empty() {
                self.found.add_name(&self.query.request, &name);
            }
            if position.is_some() || !self.layout.key.is_empty() {
                self.read_row(position, |row| map.next_value_seed(row))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.found_rows = true;
        let position = self.is_bare.then_some(0);
        while self.read_row(position, |row| seq.next_element_seed(row))?.is_some() {
            self.found.count();
        }
        Ok(())
    }

    scalars!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ReplyError;
    use crate::provider::testing::{RECEIVED, read_reply, rows};

    /// The rows that are read from a body, with the fields `last` and `high`.
    fn read(keys: &str, symbols: &[&str], body: &str) -> Vec<String> {
        let text = format!("[[quote]]\n{keys}\nfields = {{ last = '/l', high = '/h' }}\n");
        rows(&read_reply(&text, symbols, body).unwrap())
    }

    const BATCH: &str = "path = '/?s={symbols}'";
    const SINGLE: &str = "path = '/{symbol}'";

    #[test]
    fn the_shape_of_a_bare_reply_is_known_by_its_first_characters() {
        for json in ["null", "[]", "[ ]"] {
            assert_eq!(BareShape::of(json), BareShape::Nothing, "{json}");
        }
        for json in ["[{\"l\":1}]", "[ [1,2]]", "[{}]"] {
            assert_eq!(BareShape::of(json), BareShape::Rows, "{json}");
        }
        for json in ["{\"l\":1}", "{}", "1.5", "\"x\"", "[1,2]", "[\"x\"]", "[null]"] {
            assert_eq!(BareShape::of(json), BareShape::Row, "{json}");
        }
    }

    #[test]
    fn a_bare_reply_is_the_row_or_a_list_of_rows() {
        assert_eq!(read(SINGLE, &["A"], r#"{"l":1,"h":2}"#), ["2 1"]);
        assert_eq!(read(SINGLE, &["A"], r#"[{"l":1},{"l":1,"h":2}]"#), ["2 1"]);
        assert_eq!(read(SINGLE, &["A"], r#"[{"l":1},{"l":3,"h":2}]"#), ["- -"]);
    }

    #[test]
    fn a_document_is_the_row_of_each_symbol_whatever_it_is() {
        let document = "path = '/all'\ndocument = true\nrows = '/d'";
        assert_eq!(read(document, &["A"], r#"{"d":{"l":1,"h":2}}"#), ["2 1"]);
        let text = "[[quote]]\npath = '/all'\ndocument = true\n[quote.fields]\nlast = '/{symbol}/0'\nvolume = '/0/v'\n";
        let read = |symbol, body| rows(&read_reply(text, &[symbol], body).unwrap()).concat();
        assert_eq!(read("B", r#"{"A":[1],"B":[2]}"#), "2 -");
        assert_eq!(read("B", r#"[{"v":3}]"#), "- 3", "an array of objects is no list of rows");
        assert_eq!(read("B", "null"), "- -");
    }

    #[test]
    fn rows_are_found_by_key_or_by_the_name_of_their_member() {
        let keyed = format!("{BATCH}\nkey = '/s'");
        assert_eq!(read(&keyed, &["A", "B"], r#"[{"s":"B","l":2},{"l":1,"s":"A"}]"#), ["- 1", "- 2"]);
        assert_eq!(read(&keyed, &["A", "B"], r#"{"x":{"s":"B","l":2}}"#), ["- -", "- 2"]);
        assert_eq!(read(BATCH, &["A", "B"], r#"{"B":{"l":2},"C":{"l":3}}"#), ["- -", "- 2"]);
    }

    #[test]
    fn a_row_that_is_an_array_is_found_by_its_key() {
        let text = "[[quote]]\npath = '/?s={symbols}'\nkey = '/0'\nfields = { last = '/1' }\n";
        let reply = read_reply(text, &["A", "B"], r#"[["C",3],["B",2],["A",1]]"#).unwrap();
        assert_eq!(rows(&reply), ["1", "2"]);
    }

    #[test]
    fn a_row_of_another_symbol_takes_nothing_and_leaves_nothing() {
        let keyed = format!("{BATCH}\nkey = '/s'");
        assert_eq!(read(&keyed, &["A"], r#"[{"h":9,"s":"C","l":3},{"s":"A","l":1}]"#), ["- 1"]);
        assert_eq!(read(&keyed, &["A"], r#"[{"s":null,"l":3},{"l":3},{"s":"A","l":1}]"#), ["- 1"]);
    }

    #[test]
    fn rows_of_a_symbol_that_contradict_each_other_give_no_value() {
        let keyed = format!("[[quote]]\n{BATCH}\nkey = '/s'\nfields = {{ last = '/l', high = '/h' }}\n");
        let read = |body: &str| {
            let reply = read_reply(&keyed, &["A", "B"], body).unwrap();
            (rows(&reply).concat(), reply.valueless)
        };
        let b = r#"{"s":"B","h":1,"l":1}"#;
        assert_eq!(read(&format!(r#"[{{"s":"A","l":1.0}},{b},{{"s":"A","l":1,"h":2}}]"#)).0, "2 1.01 1");
        let (values, valueless) = read(&format!(r#"[{{"s":"A","h":2}},{b},{{"s":"A","l":3,"h":4}}]"#));
        assert_eq!(values, "- -1 1");
        assert_eq!(valueless, [(0, "has rows of it that differ: high is 2 and 4".to_owned())]);
    }

    #[test]
    fn of_several_rows_of_a_symbol_the_one_that_is_picked_counts_alone() {
        let with = |pick: &str, body: &str| {
            let endpoint = format!("{BATCH}\nkey = '/s'\npick = '{pick}'\ntime = {{ at = '/t', unit = 's' }}");
            let text = format!("[[quote]]\n{endpoint}\nfields = {{ last = '/l', high = '/h' }}\n");
            rows(&read_reply(&text, &["A"], body).unwrap()).concat()
        };
        let time = |ago: f64| RECEIVED - ago;
        let row = |last: u8, ago: f64| format!(r#"{{"s":"A","l":{last},"t":{}}}"#, time(ago));
        let with_high = format!(r#"{{"s":"A","l":5,"h":6,"t":{}}}"#, time(9.0));
        let body = format!(r#"[{{"s":"A"}},{},{with_high},{}]"#, row(1, 7.0), row(2, -60.0));
        assert_eq!(with("first", &body), "- 1 7");
        assert_eq!(with("last", &body), "- 2 -60");
        assert_eq!(with("now", &body), "- 1 7");
        assert_eq!(with("now", &format!("[{}]", row(2, -60.0))), "- - -");
    }

    #[test]
    fn a_row_without_a_value_of_the_first_field_tells_why() {
        let text = "[[quote]]\npath = '/?s={symbols}'\n[quote.fields]\nlast = ['/l', '/m']\nhigh = '/h'\n";
        let body = r#"{"A":{"h":1,"m":null},"B":{"h":1,"l":0}}"#;
        let definition_order = read_reply(text, &["A", "B"], body).unwrap().valueless;
        // Fields of a definition are sorted, so `high` is the first one here.
        assert_eq!(definition_order, []);
        let text = text.replace("high = '/h'\n", "");
        let expected = [
            (0, "has nothing at \"/l\", null at \"/m\"".to_owned()),
            (1, "has a price that is not above zero at \"/l\", nothing at \"/m\"".to_owned()),
        ];
        assert_eq!(read_reply(&text, &["A", "B"], body).unwrap().valueless, expected);
    }

    #[test]
    fn an_error_text_replaces_the_row_of_its_symbol() {
        let text = "[[quote]]\npath = '/?s={symbols}'\nrow_error = '/e'\nfields = { last = '/l' }\n";
        let body = r#"{"A":{"l":1,"e":""},"B":{"l":2,"e":"no such symbol"}}"#;
        let reply = read_reply(text, &["A", "B"], body).unwrap();
        assert_eq!(rows(&reply), ["1", "-"]);
        assert_eq!(reply.row_errors, [(1, "no such symbol".to_owned())]);
    }

    #[test]
    fn the_error_text_of_the_only_row_is_about_the_request() {
        let text = "[[quote]]\npath = '/{symbol}'\nrow_error = '/e'\nfields = { last = '/l' }\n";
        let error = read_reply(text, &["A"], r#"{"l":1,"e":"too many requests"}"#).unwrap_err();
        assert_eq!(error, ReplyError::ApiError("too many requests".to_owned()));
    }

    #[test]
    fn an_age_that_no_quote_can_have_is_none() {
        let age = |time: f64| {
            let endpoint =
                "[[quote]]\npath = '/{symbol}'\ntime = { at = '/t', unit = 's' }\nfields = { last = '/l' }\n";
            rows(&read_reply(endpoint, &["A"], &format!(r#"{{"l":1,"t":{time}}}"#)).unwrap()).concat()
        };
        assert_eq!(age(RECEIVED - 5.0), "1 5");
        assert_eq!(age(RECEIVED + 86_400.0), "1 -86400");
        assert_eq!(age(RECEIVED + 86_401.0), "1 -");
        assert_eq!(age(RECEIVED - 315_360_000.0), "1 315360000");
        // Seconds that are milliseconds, and the other way round.
        assert_eq!([age(RECEIVED / 1000.0), age(RECEIVED * 1000.0)], ["1 -", "1 -"]);
    }

    #[test]
    fn of_a_row_that_is_repeated_with_an_error_the_first_error_counts() {
        let endpoint = "[[quote]]\npath = '/{symbols}'\nkey = '/s'\nrow_error = '/e'\nfields = { last = '/l' }\n";
        let body = r#"[{"s":"A","e":"gone"},{"s":"A","e":"lost"},{"s":"B","e":"gone"}]"#;
        let reply = read_reply(endpoint, &["A", "B"], body).unwrap();
        assert_eq!(reply.row_errors, [(0, "gone".to_owned()), (1, "gone".to_owned())]);
    }

    #[test]
    fn an_age_alone_is_no_quote() {
        let text = "[[quote]]\npath = '/?s={symbols}'\ntime = { at = '/t', unit = 's' }\nfields = { last = '/l' }\n";
        let body = r#"{"A":{"l":1,"t":1785182400},"B":{"t":1785182400}}"#;
        assert_eq!(rows(&read_reply(text, &["A", "B"], body).unwrap()), ["1 1", "- -"]);
    }
}
