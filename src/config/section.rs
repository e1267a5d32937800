//! TOML tables, and the values in them.

use super::document::Document;
use super::error::{ConfigError, Origin};
use crate::secret::looks_like_key;
use crate::util::suggest::did_you_mean;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// The longest text that a message writes as an array, in bytes.
const MAX_REWRITTEN: usize = 60;

/// A stack of TOML tables. If several tables have a key, the first of them wins. A section remembers which
/// keys were read, so that [`Section::deny_unknown_keys`] can refuse all others.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    layers: Vec<(&'a Document, &'a DeTable<'a>)>,
    /// Where the first layer begins in its document, in bytes.
    offset: usize,
    /// The keys that lead to the section, joined by dots; empty for the root.
    path: Rc<str>,
    known_keys: RefCell<Vec<&'static str>>,
}

/// The full name of a key of the table at `path`, which is empty for the root. Each run makes dozens of them, for messages
/// that it seldom needs, so they are joined without `format!`, which takes three times as long.
pub(crate) fn key_path(path: &str, key: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    [path, dot, key].concat()
}

impl<'a> Section<'a> {
    /// The top-level table of a document.
    pub(crate) fn root(document: &'a Document, table: &'a DeTable<'a>) -> Self {
        Self::from_layers(vec![(document, table)], 0, "".into())
    }

    fn from_layers(layers: Vec<(&'a Document, &'a DeTable<'a>)>, offset: usize, path: Rc<str>) -> Self {
        Self { layers, offset, path, known_keys: RefCell::default() }
    }

    /// A section without keys.
    pub(crate) fn empty(path: &str) -> Self {
        Self::from_layers(Vec::new(), 0, path.into())
    }

    /// This section, with the values of `fallback` for the keys that it lacks.
    #[must_use]
    pub(crate) fn with_fallback(mut self, fallback: Self) -> Self {
        self.layers.extend(fallback.layers);
        self
    }

    /// The texts of the documents that the section is from.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.layers.iter().map(|(document, _)| document.text())
    }

    /// The value of `key`, which is known from now on.
    pub(crate) fn get(&self, key: &'static str) -> Option<ConfigValue<'a>> {
        self.known_keys.borrow_mut().push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<ConfigValue<'a>> {
        self.layers.iter().find_map(|&(document, table)| {
            let (key, value) = table.get_key_value(key)?;
            Some(ConfigValue::from_toml(document, value, Rc::clone(&self.path), key.get_ref()))
        })
    }

    /// The tables of `key` from all layers as one section, which is empty if no layer has the key. An empty
    /// table hides those of the layers below it. The key is known from now on.
    ///
    /// # Errors
    /// When a value is not a table.
    pub(crate) fn section(&self, key: &'static str) -> Result<Self, ConfigError> {
        self.known_keys.borrow_mut().push(key);
        self.subsection(key)
    }

    /// Like [`Section::section`], for a key that the user chose, such as the name of a feed.
    ///
    /// # Errors
    /// When a value is not a table.
    pub(crate) fn subsection(&self, key: &str) -> Result<Self, ConfigError> {
        let mut merged = Self::empty(&key_path(&self.path, key));
        for &(document, table) in &self.layers {
            if let Some((key, value)) = table.get_key_value(key) {
                let value = ConfigValue::from_toml(document, value, Rc::clone(&self.path), key.get_ref());
                let layer = value.section_at(Rc::clone(&merged.path))?;
                if merged.layers.is_empty() {
                    merged.offset = layer.offset;
                }
                let is_empty = layer.keys().next().is_none();
                merged.layers.extend(layer.layers);
                if is_empty {
                    break;
                }
            }
        }
        Ok(merged)
    }

    /// All keys and their values, sorted by key. Each key occurs once.
    pub(crate) fn entries(&self) -> Vec<(String, ConfigValue<'a>)> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| Some((key.to_owned(), self.find(key)?))).collect()
    }

    /// The same, where keys are one that differ in case only. In one layer there may be several.
    pub(crate) fn entries_of_any_case(&self) -> Vec<(String, ConfigValue<'a>)> {
        let layer = |key: &str| self.layers.iter().position(|(_, table)| table.get(key).is_some());
        let entries = self.entries();
        let layers: Vec<Option<usize>> = entries.iter().map(|(key, _)| layer(key)).collect();
        let is_hidden = |index: usize| {
            let is_same = |other: usize| entries[other].0.eq_ignore_ascii_case(&entries[index].0);
            (0..entries.len()).any(|other| layers[other] < layers[index] && is_same(other))
        };
        let hidden: Vec<bool> = (0..entries.len()).map(is_hidden).collect();
        entries.into_iter().zip(hidden).filter(|(_, is_hidden)| !is_hidden).map(|(entry, _)| entry).collect()
    }

    /// All keys and their tables, sorted by key.
    ///
    /// # Errors
    /// When a value is not a table.
    pub(crate) fn sections(&self) -> Result<Vec<(String, Self)>, ConfigError> {
        self.entries().into_iter().map(|(key, _)| Ok((key.clone(), self.subsection(&key)?))).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().flat_map(|(_, table)| table.keys()).map(|key| key.get_ref().as_ref())
    }

    /// Where the section begins.
    pub(crate) fn origin(&self) -> Origin {
        match self.layers.first() {
            Some((document, _)) => document.origin(self.offset, self.path.to_string()),
            None => Origin::Default(self.path.to_string().into()),
        }
    }

    /// Refuses all keys that were not read.
    ///
    /// # Errors
    /// When there is such a key. The error suggests a similar key that was read.
    pub(crate) fn deny_unknown_keys(&self) -> Result<(), ConfigError> {
        self.deny_misplaced_keys(|_| None)
    }

    /// The same, where a key may belong in another table, which `place_of` knows.
    ///
    /// # Errors
    /// When there is a key that was not read.
    pub(crate) fn deny_misplaced_keys(
        &self,
        place_of: impl Fn(&str) -> Option<&'static str>,
    ) -> Result<(), ConfigError> {
        let known = self.known_keys.borrow();
        for &(document, table) in &self.layers {
            if let Some(key) = table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) {
                let origin = document.origin(key.span().start, key_path(&self.path, key.get_ref()));
                if let Some(place) = place_of(key.get_ref()) {
                    return Err(ConfigError::invalid(origin, format!("unknown key here: it belongs in {place}")));
                }
                let suggestion = did_you_mean(key.get_ref(), known.iter().copied());
                return Err(ConfigError::invalid(origin, format!("unknown key{suggestion}")));
            }
        }
        Ok(())
    }
}

/// The value of a setting, and its origin.
#[derive(Clone, Debug)]
pub(crate) struct ConfigValue<'a> {
    source: Source<'a>,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    /// The text of a flag, a variable or a default.
    Text(Cow<'a, str>, Rc<Origin>),
    /// A value in a TOML text. Its own path is joined only for a message, so that a value needs no memory.
    Toml { document: &'a Document, table_path: Rc<str>, key: &'a str, value: &'a Spanned<DeValue<'a>> },
}

/// A whole number in decimals, or as `0x10`, `0o20` or `0b10000`. `None` if it is too large.
fn parse_integer(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A bound for a message.
fn short(bound: f64) -> String {
    if bound < 1e9 { bound.to_string() } else { format!("{bound:e}") }
}

/// The items of a list that is a text.
fn list_items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

impl<'a> ConfigValue<'a> {
    /// The text of a flag, a variable or a default. Numbers and lists are parsed from the text.
    pub(crate) fn from_text(text: impl Into<Cow<'a, str>>, origin: impl Into<Rc<Origin>>) -> Self {
        Self { source: Source::Text(text.into(), origin.into()) }
    }

    fn from_toml(document: &'a Document, value: &'a Spanned<DeValue<'a>>, table_path: Rc<str>, key: &'a str) -> Self {
        Self { source: Source::Toml { document, table_path, key, value } }
    }

    /// The keys that lead to a value in a TOML text, joined by dots; empty for other values.
    fn path(&self) -> String {
        match &self.source {
            Source::Text(..) => String::new(),
            Source::Toml { table_path, key, .. } => key_path(table_path, key),
        }
    }

    /// The origin of the value.
    pub(crate) fn origin(&self) -> Origin {
        match &self.source {
            Source::Text(_, origin) => Origin::clone(origin),
            Source::Toml { document, value, .. } => document.origin(value.span().start, self.path()),
        }
    }

    /// An error about this value.
    pub(crate) fn invalid(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.origin(), problem)
    }

    fn toml_value(&self) -> Option<&'a DeValue<'a>> {
        match self.source {
            Source::Toml { value, .. } => Some(value.get_ref()),
            Source::Text(..) => None,
        }
    }

    /// An error that says which kind of value is expected, and which kind was found.
    fn expected(&self, kind: &str) -> ConfigError {
        let found = self.toml_value().map_or("", |value| match value {
            DeValue::String(_) => ", not a text",
            DeValue::Integer(_) | DeValue::Float(_) => ", not a number",
            DeValue::Boolean(_) => ", not true or false",
            DeValue::Datetime(_) => ", not a date",
            DeValue::Array(_) => ", not an array",
            DeValue::Table(_) => ", not a table",
        });
        self.invalid(format!("must be {kind}{found}{}", self.rewritten(kind)))
    }

    /// How to write this value so that it is of the kind that is expected, where that is plain. A secret is not shown.
    fn rewritten(&self, kind: &str) -> String {
        let path = self.path();
        // The number of a URL is no URL either.
        let is_left_out =
            ["password", "url", "headers", "body"].iter().any(|key| path.split('.').any(|step| step == *key));
        match self.toml_value() {
            _ if is_left_out => String::new(),
            Some(DeValue::Integer(number)) if kind == "a text" => format!(": write \"{number}\""),
            Some(DeValue::Float(number)) if kind == "a text" => format!(": write \"{}\"", number.as_str()),
            Some(DeValue::String(text)) if kind == "an array" => {
                let parts: Vec<&str> = list_items(text).collect();
                let is_plain = |part: &&str| !part.contains("://") && !part.contains('@') && !looks_like_key(part);
                let is_short = text.len() <= MAX_REWRITTEN;
                if is_short && parts.iter().all(is_plain) { format!(": write {parts:?}") } else { String::new() }
            }
            _ => String::new(),
        }
    }

    /// Like `expected`, where a number is expected. If the value is another number, the message shows it,
    /// as a number is not a secret.
    fn expected_number(&self, kind: &str) -> ConfigError {
        match self.toml_value() {
            Some(DeValue::Integer(found)) => self.invalid(format!("must be {kind}, not {found}")),
            Some(DeValue::Float(found)) => self.invalid(format!("must be {kind}, not {}", found.as_str())),
            _ => self.expected(kind),
        }
    }

    /// The value as a text.
    ///
    /// # Errors
    /// When it is not a text.
    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        match &self.source {
            Source::Text(text, _) => Ok(text),
            Source::Toml { value, .. } => value.get_ref().as_str().ok_or_else(|| self.expected("a text")),
        }
    }

    /// The value as a `T`, which is parsed from a text.
    ///
    /// # Errors
    /// When it is not a text, or `T` cannot be parsed from it.
    pub(crate) fn parse<T>(&self) -> Result<T, ConfigError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.text()?.parse().map_err(|problem: T::Err| self.invalid(problem.to_string()))
    }

    /// The value as a list: an array in TOML; in a flag, a variable or a default, a text that is split at
    /// commas.
    ///
    /// # Errors
    /// When it is a TOML value other than an array.
    pub(crate) fn list(&self) -> Result<Vec<Self>, ConfigError> {
        match &self.source {
            Source::Text(text, origin) => {
                let value = |item: Cow<'a, str>| Self::from_text(item, Rc::clone(origin));
                // The list may outlive a text that this value owns.
                Ok(match text {
                    Cow::Borrowed(text) => list_items(text).map(|item| value(item.into())).collect(),
                    Cow::Owned(text) => list_items(text).map(|item| value(item.to_owned().into())).collect(),
                })
            }
            Source::Toml { .. } => self.elements().ok_or_else(|| self.expected("an array")),
        }
    }

    /// The elements of a TOML array; `None` if the value is not an array.
    pub(crate) fn elements(&self) -> Option<Vec<Self>> {
        let Source::Toml { document, table_path, key, value } = &self.source else { return None };
        let element = |value| Self::from_toml(document, value, Rc::clone(table_path), key);
        Some(value.get_ref().as_array()?.iter().map(element).collect())
    }

    /// The elements of a TOML array, or else the value itself as the only element.
    pub(crate) fn one_or_more(&self) -> Vec<Self> {
        self.elements().unwrap_or_else(|| vec![self.clone()])
    }

    /// The value as a whole number from `min` to `max`. If `max` is [`i64::MAX`], the message of the error
    /// names no upper bound.
    ///
    /// # Errors
    /// When it is not a whole number, or is out of bounds.
    pub(crate) fn integer(&self, min: i64, max: i64) -> Result<i64, ConfigError> {
        let number = match (&self.source, self.toml_value()) {
            (Source::Text(text, _), _) => text.trim().parse().ok(),
            (_, Some(DeValue::Integer(integer))) => parse_integer(integer),
            _ => None,
        };
        let expected = || match max {
            i64::MAX => format!("a whole number from {min} on"),
            _ => format!("a whole number from {min} to {max}"),
        };
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.expected_number(&expected()))
    }

    /// The value as a finite number.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn number(&self) -> Result<f64, ConfigError> {
        self.parse_number().filter(|number| number.is_finite()).ok_or_else(|| self.expected_number("a number"))
    }

    /// The value as a number of any sign, from `-max` to `max`.
    ///
    /// # Errors
    /// When it is not a number, or is out of bounds.
    pub(crate) fn number_within(&self, max: f64) -> Result<f64, ConfigError> {
        let is_in_bounds = |number: &f64| number.abs() <= max;
        let expected = || self.expected_number(&format!("a number from -{0} to {0}", short(max)));
        self.parse_number().filter(is_in_bounds).ok_or_else(expected)
    }

    fn parse_number(&self) -> Option<f64> {
        match (&self.source, self.toml_value()) {
            (Source::Text(text, _), _) => text.trim().parse().ok(),
            // One in decimals may be larger than an i64.
            (_, Some(DeValue::Integer(integer))) if integer.radix() == 10 => integer.as_str().parse().ok(),
            (_, Some(DeValue::Integer(integer))) => parse_integer(integer)?.to_string().parse().ok(),
            (_, Some(DeValue::Float(float))) => float.as_str().parse().ok(),
            _ => None,
        }
    }

    /// The value as a number above zero, `max` at most.
    ///
    /// # Errors
    /// When it is not a number, or is out of bounds.
    pub(crate) fn positive(&self, max: f64) -> Result<f64, ConfigError> {
        let is_in_bounds = |number: &f64| *number > 0.0 && *number <= max;
        self.parse_number()
            .filter(is_in_bounds)
            .ok_or_else(|| self.expected_number(&format!("a number above 0, {} at most", short(max))))
    }

    /// The value as a number of seconds above zero, a day at most.
    ///
    /// # Errors
    /// When it is not a number, or is out of bounds.
    pub(crate) fn seconds(&self) -> Result<Duration, ConfigError> {
        self.positive(86_400.0).map(Duration::from_secs_f64)
    }

    /// The value as `true` or `false`.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn boolean(&self) -> Result<bool, ConfigError> {
        let boolean = match &self.source {
            Source::Text(text, _) => text.parse().ok(),
            Source::Toml { value, .. } => value.get_ref().as_bool(),
        };
        boolean.ok_or_else(|| self.expected("true or false"))
    }

    /// The value as a table.
    ///
    /// # Errors
    /// When it is not a table.
    pub(crate) fn section(&self) -> Result<Section<'a>, ConfigError> {
        self.section_at(self.path().into())
    }

    /// The value as a table, of which the path is known already.
    fn section_at(&self, path: Rc<str>) -> Result<Section<'a>, ConfigError> {
        if let Source::Toml { document, value, .. } = self.source
            && let DeValue::Table(table) = value.get_ref()
        {
            return Ok(Section::from_layers(vec![(document, table)], value.span().start, path));
        }
        Err(self.expected("a table"))
    }

    /// The literal of a TOML number or boolean; `None` if the value is something else.
    pub(crate) fn literal(&self) -> Option<String> {
        match self.toml_value()? {
            DeValue::Integer(integer) => Some(integer.to_string()),
            DeValue::Float(float) => Some(float.to_string()),
            DeValue::Boolean(boolean) => Some(boolean.to_string()),
            _ => None,
        }
    }

    /// Whether the value is a table.
    pub(crate) fn is_section(&self) -> bool {
        self.toml_value().is_some_and(DeValue::is_table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: fmt::Debug>(text: &str, read: impl Fn(&Section<'_>) -> Result<T, ConfigError>) -> String {
        let document = Document::new("c.toml", text);
        let table = document.parse().unwrap();
        read(&Section::root(&document, &table)).unwrap_err().to_string()
    }

    #[test]
    fn an_error_shows_how_a_value_is_to_be_written_if_it_is_no_secret() {
        let text =
            |toml: &str, key: &'static str| message(toml, |root| root.get(key).unwrap().text().map(str::to_owned));
        assert_eq!(text("user = 123456", "user"), "c.toml:1: user: must be a text, not a number: write \"123456\"");
        assert_eq!(text("user = 1.5", "user"), "c.toml:1: user: must be a text, not a number: write \"1.5\"");
        assert_eq!(text("password = 123456", "password"), "c.toml:1: password: must be a text, not a number");
        let list = |value: &str| {
            message(&format!("symbols = '{value}'"), |root| root.get("symbols").unwrap().list().map(|list| list.len()))
        };
        let problem = "c.toml:1: symbols: must be an array, not a text";
        assert_eq!(list("AAPL"), format!("{problem}: write [\"AAPL\"]"));
        assert_eq!(list("AAPL, BRK.B"), format!("{problem}: write [\"AAPL\", \"BRK.B\"]"));
        for hidden in ["tcp://h", "me:secret@h", "glc_eyJvIjoiMTIzNDU2", &"A,".repeat(40)] {
            assert_eq!(list(hidden), problem);
        }
    }

    #[test]
    fn an_error_about_a_number_shows_it_and_its_bounds() {
        type Read = fn(&ConfigValue<'_>) -> Result<(), ConfigError>;
        let whole: Read = |value| value.integer(1, 60).map(drop);
        let unbounded: Read = |value| value.integer(1, i64::MAX).map(drop);
        let number: Read = |value| value.number().map(drop);
        let truth: Read = |value| value.boolean().map(drop);
        for (value, read, problem) in [
            ("61", whole, "must be a whole number from 1 to 60, not 61"),
            ("1.5", whole, "must be a whole number from 1 to 60, not 1.5"),
            ("0", unbounded, "must be a whole number from 1 on, not 0"),
            ("nan", number, "must be a number, not nan"),
            ("'1'", number, "must be a number, not a text"),
            ("-11", |value| value.number_within(10.0).map(drop), "must be a number from -10 to 10, not -11"),
            ("0", |value| value.positive(60.0).map(drop), "must be a number above 0, 60 at most, not 0"),
            ("0x61", |value| value.positive(60.0).map(drop), "must be a number above 0, 60 at most, not 0x61"),
            ("60.5", |value| value.positive(60.0).map(drop), "must be a number above 0, 60 at most, not 60.5"),
            ("-1", |value| value.positive(1e9).map(drop), "must be a number above 0, 1e9 at most, not -1"),
            ("1", truth, "must be true or false, not a number"),
            ("1.0", truth, "must be true or false, not a number"),
        ] {
            let found = message(&format!("x = {value}"), |root| read(&root.get("x").unwrap()));
            assert_eq!(found, format!("c.toml:1: x: {problem}"));
        }
    }

    #[test]
    fn a_number_is_read_from_toml_and_from_a_text() {
        let document = Document::new("c.toml", "x = [-10, 2.5, 0x10]");
        let table = document.parse().unwrap();
        let toml = Section::root(&document, &table).get("x").unwrap().list().unwrap();
        let text = ConfigValue::from_text("-10, 2.5,, 16", Origin::Flag("--x")).list().unwrap();
        for list in [toml, text] {
            assert_eq!(list.len(), 3);
            assert_eq!((list[0].number().unwrap(), list[0].number_within(10.0).unwrap()), (-10.0, -10.0));
            assert_eq!(
                (list[1].positive(2.5).unwrap(), list[1].seconds().unwrap()),
                (2.5, Duration::from_millis(2_500))
            );
            assert_eq!((list[2].integer(16, 16).unwrap(), list[2].positive(16.0).unwrap()), (16, 16.0));
        }
    }

    #[test]
    fn an_error_about_a_value_names_file_line_and_key() {
        let text = "a = 1\n[graphite]\ninterval = \"x\"\n";
        let read = |root: &Section<'_>| root.section("graphite")?.get("interval").unwrap().integer(1, 60);
        assert_eq!(message(text, read), "c.toml:3: graphite.interval: must be a whole number from 1 to 60, not a text");
    }

    #[test]
    fn an_error_about_an_unknown_key_suggests_a_similar_one() {
        let read = |root: &Section<'_>| {
            let section = root.section("graphite")?;
            section.get("interval");
            section.deny_unknown_keys()
        };
        let expected = "c.toml:2: graphite.intervall: unknown key; did you mean \"interval\"?";
        assert_eq!(message("[graphite]\nintervall = 1\n", read), expected);
    }

    #[test]
    fn an_error_about_a_key_escapes_its_control_characters() {
        let read = |root: &Section<'_>| root.section("t")?.deny_unknown_keys();
        let expected = r"c.toml:1: t.a\u{1b}[2J: unknown key";
        assert_eq!(message("t = { \"a\\u001b[2J\" = 1 }\n", read), expected);
    }

    #[test]
    fn a_section_prefers_its_own_values_to_those_of_its_fallback() {
        let upper = Document::new("upper", "a = 1\n[t]\nx = 1\n[u]\n");
        let lower = Document::new("lower", "a = 2\nb = 2\n[t]\nx = 2\ny = 2\n[u]\nx = 2\n");
        let (upper_table, lower_table) = (upper.parse().unwrap(), lower.parse().unwrap());
        let root = Section::root(&upper, &upper_table).with_fallback(Section::root(&lower, &lower_table));
        let keys: Vec<String> = root.entries().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            (keys.join(" "), root.texts().collect::<Vec<_>>()),
            ("a b t u".to_owned(), vec![upper.text(), lower.text()])
        );
        assert!(lower.text().starts_with("a = 2"));
        let number = |section: &Section<'_>, key| section.get(key).unwrap().integer(0, 9).unwrap();
        assert_eq!((number(&root, "a"), number(&root, "b")), (1, 2));
        let table = root.section("t").unwrap();
        assert_eq!((number(&table, "x"), number(&table, "y")), (1, 2));
        assert!(root.section("u").unwrap().entries().is_empty(), "an empty table hides the one below it");
        let keys = |upper: &'static str| {
            let (upper, lower) = (Document::new("upper", upper), Document::new("lower", "user-agent = 1\nX = 1\n"));
            let (upper_table, lower_table) = (upper.parse().unwrap(), lower.parse().unwrap());
            let root = Section::root(&upper, &upper_table).with_fallback(Section::root(&lower, &lower_table));
            root.entries_of_any_case().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(keys("User-Agent = 2\n"), ["User-Agent", "X"]);
        assert_eq!(keys("A = 1\na = 2\n"), ["A", "X", "a", "user-agent"]);
    }
}
