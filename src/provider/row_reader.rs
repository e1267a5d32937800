//! Reads one row of a reply after the other into a table, and keeps why a symbol has no value.

use super::definition::{FieldSpec, Pick, RowsShape};
use super::error_text::{ErrorText, error_text, is_error_text};
use super::found_rows::FoundRows;
use super::json::{JsonError, JsonReader, string_or_number};
use super::layout::Layout;
use super::pointer::Pointer;
use super::request::{Plan, Query};
use super::row_names::{RowKey, RowNames};
use super::value::{NoValue, instead_of_number, read_value, unix_seconds};
use crate::market::field::Field;
use crate::market::number::Number;
use crate::market::table::Table;
use crate::secret::{Secret, Secrets};
use crate::util::sanitize::excerpt;
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// Ages that a quote can have, in seconds: from a day ahead, as clocks and time zones differ, to ten years.
/// Others come from a time in another unit.
const POSSIBLE_AGES: RangeInclusive<f64> = -86_400.0..=315_360_000.0;

/// Of more symbols than this, messages show only words that are there instead of numbers.
const MAX_SHORT_LIST: usize = 10;

/// Most characters of a value that messages show beside others.
const MAX_SHOWN_CHARACTERS: usize = 60;

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
    pub(super) query: &'a Query<'a>,
    pub(super) layout: &'a Layout<'a>,
    /// Whether the request is for one symbol and its row has neither a name nor a key.
    pub(super) is_bare: bool,
    /// Whether what stands in the place of the rows may be the only row itself.
    pub(super) is_unwrapped: bool,
    pub(super) names: RowNames<'a>,
    /// The secrets of all providers: one may quote what another one was sent.
    all_secrets: &'a BTreeMap<String, Secret>,
    /// The secrets that no value that is shown may have. Most replies have none to show.
    secrets: OnceCell<Secrets>,
    /// What messages show of values that are no numbers.
    pub(super) detail: Detail,
    /// What was found in the row that is being read, by the slots of the layout.
    slots: Vec<Option<&'de str>>,
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
    pub(super) error: Option<ErrorText>,
}

impl<'a, 'de> RowReader<'a, 'de> {
    pub(super) fn new(plan: &'a Plan<'_>, query: &'a Query<'a>, layout: &'a Layout<'a>, received: f64) -> Self {
        let endpoint = query.endpoint;
        let is_unwrapped = endpoint.shape == RowsShape::UnwrappedSingle && query.symbols.len() == 1;
        let is_bare = (is_unwrapped || endpoint.is_single()) && endpoint.key.is_none();
        Self {
            query,
            layout,
            is_bare,
            is_unwrapped,
            names: if is_bare { RowNames::default() } else { RowNames::new(plan, query) },
            all_secrets: plan.secrets,
            secrets: OnceCell::new(),
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

    /// Reads one row. If it has no key inside, `position` is the position of its symbol in the query.
    ///
    /// # Errors
    /// When the row is no JSON.
    pub(super) fn read_row(&mut self, json: &mut JsonReader<'de>, position: Option<usize>) -> Result<(), JsonError> {
        self.found_rows = true;
        self.slots.fill(None);
        if self.layout.key.is_empty() {
            self.layout.row.extract(json, &mut self.slots, None)?;
            if let Some(position) = position {
                self.store(position);
            }
            return Ok(());
        }
        let mut key = RowKey::new(&self.names, self.layout.key.start);
        self.layout.row.extract(json, &mut self.slots, Some(&mut key))?;
        let RowKey { position, is_looked_up, .. } = key;
        let name = || self.first(&self.layout.key).and_then(string_or_number);
        // Only a first key that is a member of the row itself was looked up while the row was read.
        let position = if is_looked_up { position } else { name().and_then(|name| self.names.position(&name)) };
        if self.found.wants_names()
            && let Some(name) = name()
        {
            self.found.add_name(&self.query.request, &name);
        }
        if let Some(position) = position {
            self.store(position);
        }
        Ok(())
    }

    /// Whether a key of a symbol stands in this value, so that it is a row.
    ///
    /// # Errors
    /// When the value is no JSON.
    pub(super) fn has_key(&mut self, json: &mut JsonReader<'de>) -> Result<bool, JsonError> {
        self.slots.fill(None);
        self.layout.row.extract(json, &mut self.slots, None)?;
        Ok(self.first(&self.layout.key).is_some())
    }

    /// Reads one row that is a member of an object.
    ///
    /// # Errors
    /// When the row is no JSON.
    pub(super) fn read_named_row(&mut self, json: &mut JsonReader<'de>, name: &str) -> Result<(), JsonError> {
        self.found.count();
        if !self.layout.key.is_empty() {
            return self.read_row(json, None);
        }
        self.found.add_name(&self.query.request, name);
        match self.names.position(name) {
            Some(position) => self.read_row(json, Some(position)),
            None => json.skip(),
        }
    }

    /// What was found for the first of these slots that is not empty.
    fn first(&self, slots: &Range<usize>) -> Option<&'de str> {
        self.slots[slots.clone()].iter().flatten().copied().next()
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
                let error = error_text(&self.query.request, json).map(|text| excerpt(text.shown()));
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
        let is_shown = || counts || !self.table.has(position);
        if self.detail != Detail::Nothing && log::log_enabled!(log::Level::Debug) && is_shown() {
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
            let read = |json: &&str| read_value((*spec)?, json).ok();
            *value = self.slots[slots.clone()].iter().flatten().find_map(read);
        }
        if let Some(time) = &self.query.endpoint.time {
            let mut found = self.slots[self.layout.time.clone()].iter().flatten();
            self.time = found.find_map(|json| unix_seconds(time, &self.query.endpoint.time_zone, json));
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

    fn secrets(&self) -> &Secrets {
        let all = || self.all_secrets.values().chain(self.query.request.secrets.iter());
        self.secrets.get_or_init(|| all().cloned().collect())
    }

    /// Why each of the pointers of a field gives no value. `shows` decides which values are shown.
    fn reasons(&self, spec: &FieldSpec, slots: &Range<usize>, shows: impl Fn(&str) -> bool) -> String {
        let reason = |(pointer, json): (&Pointer, Option<&str>)| {
            let (reason, shown) = match json.map(|json| (json, read_value(spec, json))) {
                None => ("nothing", None),
                Some((_, Err(NoValue::Null) | Ok(_))) => ("null", None),
                Some((_, Err(NoValue::NotPositive))) => ("a price that is not above zero", None),
                Some((json, Err(NoValue::NoNumber))) => ("no number", instead_of_number(spec, json)),
            };
            let is_text = json.is_some_and(|json| json.starts_with('"'));
            let start = |text: &str| self.secrets().sanitize(text, MAX_SHOWN_CHARACTERS);
            let quoted = |text: &str| if is_text { format!("\"{}\"", start(text)) } else { start(text) };
            let shown = shown.map(|(text, hint)| (quoted(&text), hint));
            let shown = shown.filter(|(text, _)| shows(text)).map(|(text, hint)| format!(" ({text}{hint})"));
            let shown = shown.unwrap_or_default();
            format!("{reason} at {:?}{shown}", pointer.as_str())
        };
        let found = spec.pointers.iter().zip(self.slots[slots.clone()].iter().copied());
        found.map(reason).collect::<Vec<_>>().join(", ")
    }
}
