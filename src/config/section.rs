//! Tables of TOML texts, and the values in them.

use super::document::Document;
use super::error::{ConfigError, Origin};
use crate::util::suggest::did_you_mean;
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A stack of TOML tables. Of several tables with one key, the first wins. A section remembers which
/// keys were read, so that [`Section::deny_unknown_keys`] can refuse all others.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    layers: Vec<(&'a Document, &'a DeTable<'a>)>,
    offset: usize,
    path: String,
    known_keys: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The table of a whole text.
    pub(crate) fn root(document: &'a Document, table: &'a DeTable<'a>) -> Self {
        Self::over(vec![(document, table)], 0, String::new())
    }

    fn over(layers: Vec<(&'a Document, &'a DeTable<'a>)>, offset: usize, path: String) -> Self {
        Self { layers, offset, path, known_keys: RefCell::default() }
    }

    /// A section without keys.
    pub(crate) fn empty(path: &str) -> Self {
        Self::over(Vec::new(), 0, path.to_owned())
    }

    /// This section, with `fallback` for the keys that it lacks.
    #[must_use]
    pub(crate) fn with_fallback(mut self, fallback: Self) -> Self {
        self.layers.extend(fallback.layers);
        self
    }

    /// The value of `key`. The key counts as known from now on.
    pub(crate) fn get(&self, key: &'static str) -> Option<ConfigValue<'a>> {
        self.known_keys.borrow_mut().push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<ConfigValue<'a>> {
        self.layers.iter().find_map(|&(document, table)| {
            let value = table.get(key)?;
            Some(ConfigValue::toml(document, value, self.join(key)))
        })
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The table at `key`, joined key by key from all layers; empty if there is none. The key counts as
    /// known from now on.
    ///
    /// # Errors
    /// When the value is no table.
    pub(crate) fn section(&self, key: &'static str) -> Result<Self, ConfigError> {
        self.known_keys.borrow_mut().push(key);
        self.subsection(key)
    }

    /// The same for a key that a user chose, such as the name of a feed.
    ///
    /// # Errors
    /// When the value is no table.
    pub(crate) fn subsection(&self, key: &str) -> Result<Self, ConfigError> {
        let mut all = Self::empty(&self.join(key));
        for &(document, table) in &self.layers {
            if let Some(value) = table.get(key) {
                let layer = ConfigValue::toml(document, value, self.join(key)).section()?;
                all.layers.extend(layer.layers);
                all.offset = value.span().start;
            }
        }
        Ok(all)
    }

    /// Every key and its value, each key once, sorted by key.
    pub(crate) fn entries(&self) -> Vec<(String, ConfigValue<'a>)> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| Some((key.to_owned(), self.find(key)?))).collect()
    }

    /// Every key and its table, sorted by key.
    ///
    /// # Errors
    /// When a value is no table.
    pub(crate) fn sections(&self) -> Result<Vec<(String, Self)>, ConfigError> {
        self.entries().into_iter().map(|(key, _)| Ok((key.clone(), self.subsection(&key)?))).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().flat_map(|(_, table)| table.keys()).map(|key| key.get_ref().as_ref())
    }

    /// Where the section begins.
    pub(crate) fn origin(&self) -> Origin {
        match self.layers.first() {
            Some((document, _)) => document.origin(self.offset, self.path.clone()),
            None => Origin::Default(self.path.clone().into()),
        }
    }

    /// Refuses every key that was not read.
    ///
    /// # Errors
    /// When there is one. The error suggests the nearest key that was read.
    pub(crate) fn deny_unknown_keys(&self) -> Result<(), ConfigError> {
        let known = self.known_keys.borrow();
        for &(document, table) in &self.layers {
            if let Some(key) = table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) {
                let origin = document.origin(key.span().start, self.join(key.get_ref()));
                let suggestion = did_you_mean(key.get_ref(), known.iter().copied());
                return Err(ConfigError::invalid(origin, format!("unknown key{suggestion}")));
            }
        }
        Ok(())
    }
}

/// A value of a setting, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct ConfigValue<'a> {
    source: Source<'a>,
    /// The key in a TOML text, with the table it is in; empty otherwise.
    key: String,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    /// A text from a flag, a variable or a default.
    Text(String, Origin),
    /// A value in a TOML text.
    Toml(&'a Document, &'a Spanned<DeValue<'a>>),
}

impl<'a> ConfigValue<'a> {
    /// A text from a flag, a variable or a default. What would be a number or a list in TOML is read
    /// from the text.
    pub(crate) fn text_from(text: impl Into<String>, origin: Origin) -> Self {
        Self { source: Source::Text(text.into(), origin), key: String::new() }
    }

    pub(super) fn toml(document: &'a Document, value: &'a Spanned<DeValue<'a>>, key: String) -> Self {
        Self { source: Source::Toml(document, value), key }
    }

    /// Where it came from.
    pub(crate) fn origin(&self) -> Origin {
        match &self.source {
            Source::Text(_, origin) => origin.clone(),
            Source::Toml(document, value) => document.origin(value.span().start, self.key.clone()),
        }
    }

    /// An error about this value.
    pub(crate) fn invalid(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.origin(), problem)
    }

    fn toml_value(&self) -> Option<&'a DeValue<'a>> {
        match self.source {
            Source::Toml(_, value) => Some(value.get_ref()),
            Source::Text(..) => None,
        }
    }

    fn expected(&self, what: &str) -> ConfigError {
        let found = self.toml_value().map_or("", |value| match value {
            DeValue::String(_) => ", not a text",
            DeValue::Integer(_) | DeValue::Float(_) => ", not a number",
            DeValue::Boolean(_) => ", not true or false",
            DeValue::Datetime(_) => ", not a date",
            DeValue::Array(_) => ", not an array",
            DeValue::Table(_) => ", not a table",
        });
        self.invalid(format!("must be {what}{found}"))
    }

    /// The same where a number is expected. If there is another number instead, the message shows it, as
    /// it is no secret.
    fn expected_number(&self, what: &str) -> ConfigError {
        match self.toml_value() {
            Some(DeValue::Integer(found)) => self.invalid(format!("must be {what}, not {}", found.as_str())),
            Some(DeValue::Float(found)) => self.invalid(format!("must be {what}, not {}", found.as_str())),
            _ => self.expected(what),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        match &self.source {
            Source::Text(text, _) => Ok(text),
            Source::Toml(_, value) => value.get_ref().as_str().ok_or_else(|| self.expected("a text")),
        }
    }

    /// A text that `T` can be read from.
    ///
    /// # Errors
    /// When it is no text, or `T` refuses it.
    pub(crate) fn parse<T>(&self) -> Result<T, ConfigError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.text()?.parse().map_err(|problem: T::Err| self.invalid(problem.to_string()))
    }

    /// Several values: an array, or a text from outside TOML that is split at commas.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn list(&self) -> Result<Vec<Self>, ConfigError> {
        match &self.source {
            Source::Text(text, origin) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(parts.map(|part| Self::text_from(part, origin.clone())).collect())
            }
            Source::Toml(..) => self.elements().ok_or_else(|| self.expected("an array")),
        }
    }

    /// The values of an array; `None` if it is none.
    pub(crate) fn elements(&self) -> Option<Vec<Self>> {
        let Source::Toml(document, value) = self.source else { return None };
        let element = |value| Self::toml(document, value, self.key.clone());
        Some(value.get_ref().as_array()?.iter().map(element).collect())
    }

    /// One value or an array of them.
    pub(crate) fn one_or_more(&self) -> Vec<Self> {
        self.elements().unwrap_or_else(|| vec![self.clone()])
    }

    /// A whole number from `min` to `max`.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn integer(&self, min: i64, max: i64) -> Result<i64, ConfigError> {
        let number = match (&self.source, self.toml_value()) {
            (Source::Text(text, _), _) => text.trim().parse().ok(),
            (_, Some(DeValue::Integer(integer))) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let what = || match (min, max) {
            (_, i64::MAX) => format!("a whole number from {min} on"),
            _ => format!("a whole number from {min} to {max}"),
        };
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.expected_number(&what()))
    }

    /// A number above zero, `max` at most.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn positive(&self, max: f64) -> Result<f64, ConfigError> {
        let number: Option<f64> = match (&self.source, self.toml_value()) {
            (Source::Text(text, _), _) => text.trim().parse().ok(),
            (_, Some(DeValue::Integer(integer))) => integer.as_str().parse().ok(),
            (_, Some(DeValue::Float(float))) => float.as_str().parse().ok(),
            _ => None,
        };
        let fits = |number: &f64| *number > 0.0 && *number <= max;
        // A bound that nobody reaches is not worth a word.
        let most = if max < 1e9 { format!(", {max} at most") } else { String::new() };
        number.filter(fits).ok_or_else(|| self.expected_number(&format!("a number above 0{most}")))
    }

    /// A number of seconds above zero, a day at most.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn seconds(&self) -> Result<Duration, ConfigError> {
        self.positive(86_400.0).map(Duration::from_secs_f64)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn boolean(&self) -> Result<bool, ConfigError> {
        let boolean = match &self.source {
            Source::Text(text, _) => text.parse().ok(),
            Source::Toml(_, value) => value.get_ref().as_bool(),
        };
        boolean.ok_or_else(|| self.expected("true or false"))
    }

    /// A table.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn section(&self) -> Result<Section<'a>, ConfigError> {
        if let Source::Toml(document, value) = self.source
            && let DeValue::Table(table) = value.get_ref()
        {
            return Ok(Section::over(vec![(document, table)], value.span().start, self.key.clone()));
        }
        Err(self.expected("a table"))
    }

    /// A number or boolean of TOML as it is written; `None` if it is something else.
    pub(crate) fn literal(&self) -> Option<String> {
        match self.toml_value()? {
            DeValue::Integer(integer) => Some(integer.to_string()),
            DeValue::Float(float) => Some(float.to_string()),
            DeValue::Boolean(boolean) => Some(boolean.to_string()),
            _ => None,
        }
    }

    /// Whether it is a table.
    pub(crate) fn is_section(&self) -> bool {
        self.toml_value().is_some_and(DeValue::is_table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: fmt::Debug>(text: &str, read: impl Fn(&Section<'_>) -> Result<T, ConfigError>) -> String {
        let document = Document::new("c.toml", text);
        let table = document.parse().unwrap();
        read(&Section::root(&document, &table)).unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_value_is_named_with_file_and_line() {
        let text = "a = 1\n[graphite]\ninterval = \"x\"\n";
        let read = |root: &Section<'_>| root.section("graphite")?.get("interval").unwrap().integer(1, 60);
        assert_eq!(problem(text, read), "c.toml:3: graphite.interval: must be a whole number from 1 to 60, not a text");
    }

    #[test]
    fn the_nearest_key_is_suggested_for_an_unknown_one() {
        let read = |root: &Section<'_>| {
            let section = root.section("graphite")?;
            section.get("interval");
            section.deny_unknown_keys()
        };
        let expected = "c.toml:2: graphite.intervall: unknown key; did you mean \"interval\"?";
        assert_eq!(problem("[graphite]\nintervall = 1\n", read), expected);
    }

    #[test]
    fn control_characters_in_keys_are_escaped() {
        let read = |root: &Section<'_>| root.section("t")?.deny_unknown_keys();
        let expected = r"c.toml:1: t.a\u{1b}[2J: unknown key";
        assert_eq!(problem("t = { \"a\\u001b[2J\" = 1 }\n", read), expected);
    }

    #[test]
    fn an_upper_layer_wins_and_tables_are_joined() {
        let upper = Document::new("upper", "a = 1\n[t]\nx = 1\n");
        let lower = Document::new("lower", "a = 2\nb = 2\n[t]\nx = 2\ny = 2\n");
        let (upper_table, lower_table) = (upper.parse().unwrap(), lower.parse().unwrap());
        let both = Section::root(&upper, &upper_table).with_fallback(Section::root(&lower, &lower_table));
        let number = |section: &Section<'_>, key| section.get(key).unwrap().integer(0, 9).unwrap();
        assert_eq!((number(&both, "a"), number(&both, "b")), (1, 2));
        let table = both.section("t").unwrap();
        assert_eq!((number(&table, "x"), number(&table, "y")), (1, 2));
    }
}
