//! Values as somebody gave them: a flag, an environment variable, a line of a TOML text. Every
//! value knows its place, so that whatever is wrong with it can be said with the place and mended
//! there.

mod error;

pub use error::{ConfigError, Origin};

use crate::suggest::did_you_mean;
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A TOML text and the name its places are shown under.
#[derive(Debug)]
pub struct Document {
    name: String,
    text: String,
    /// Where its lines end, once somebody wants to know: there may be many lines, and many who ask.
    line_ends: OnceCell<Vec<usize>>,
}

impl Document {
    /// A text that is in memory.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), line_ends: OnceCell::new() }
    }

    /// Reads the config file at `path`, which `origin` names.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub fn read(path: &Path, origin: Origin) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(ConfigError::unreadable(origin, path))?;
        Ok(Self::new(path.display().to_string(), text))
    }

    /// Parses the text. The message of an error never quotes the line, which may hold a password.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ConfigError::invalid(self.origin(offset, String::new()), format!("not TOML: {}", error.message()))
        })
    }

    fn origin(&self, offset: usize, key: String) -> Origin {
        let ends = self.line_ends.get_or_init(|| self.text.match_indices('\n').map(|(at, _)| at).collect());
        Origin::Line { file: self.name.clone(), line: ends.partition_point(|end| *end < offset) + 1, key }
    }
}

/// A table of a TOML text, or several that lie upon each other: a key is taken from the first
/// that has it. It remembers which keys were asked for, so that [`Section::finish`] can refuse
/// those that nobody knows.
#[derive(Debug)]
pub struct Section<'a> {
    layers: Vec<(&'a Document, &'a DeTable<'a>)>,
    offset: usize,
    path: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The table of a whole text.
    pub fn root(document: &'a Document, table: &'a DeTable<'a>) -> Self {
        Self::over(vec![(document, table)], 0, String::new())
    }

    fn over(layers: Vec<(&'a Document, &'a DeTable<'a>)>, offset: usize, path: String) -> Self {
        Self { layers, offset, path, asked: RefCell::default() }
    }

    /// A section that has nothing.
    pub fn empty(path: &str) -> Self {
        Self::over(Vec::new(), 0, path.to_owned())
    }

    /// This section with `base` under it, which supplies the keys that this one leaves out.
    #[must_use]
    pub fn upon(mut self, base: Self) -> Self {
        self.layers.extend(base.layers);
        self
    }

    /// The value of `key`, which is known from now on.
    pub fn get(&self, key: &'static str) -> Option<Given<'a>> {
        self.asked.borrow_mut().push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<Given<'a>> {
        self.layers.iter().find_map(|&(document, table)| {
            let value = table.get(key)?;
            Some(Given { value: Value::Toml(document, value), key: self.join(key) })
        })
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The table at `key`, put together key by key from all layers; an empty one if there is none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn section(&self, key: &'static str) -> Result<Self, ConfigError> {
        self.asked.borrow_mut().push(key);
        self.subsection(key)
    }

    /// The table at a key that nobody asked for by name.
    ///
    /// # Errors
    /// When it is something else.
    pub fn subsection(&self, key: &str) -> Result<Self, ConfigError> {
        let mut all = Self::empty(&self.join(key));
        for &(document, table) in &self.layers {
            if let Some(value) = table.get(key) {
                let given = Given { value: Value::Toml(document, value), key: self.join(key) };
                all.layers.extend(given.section()?.layers);
                all.offset = value.span().start;
            }
        }
        Ok(all)
    }

    /// Every key of the section and what it holds, each once, in the order of their names.
    pub fn entries(&self) -> Vec<(String, Given<'a>)> {
        let mut keys: Vec<&str> = self.keys().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter_map(|key| Some((key.to_owned(), self.find(key)?))).collect()
    }

    /// The sections in this section, each with its name.
    ///
    /// # Errors
    /// When an entry is something else than a table.
    pub fn sections(&self) -> Result<Vec<(String, Self)>, ConfigError> {
        self.entries().into_iter().map(|(key, _)| Ok((key.clone(), self.subsection(&key)?))).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().flat_map(|(_, table)| table.keys()).map(|key| key.get_ref().as_ref())
    }

    /// Where the section begins.
    pub fn origin(&self) -> Origin {
        match self.layers.first() {
            Some((document, _)) => document.origin(self.offset, self.path.clone()),
            None => Origin::Default(self.path.clone().into()),
        }
    }

    /// Ends the reading of the section.
    ///
    /// # Errors
    /// When a key is there that was never asked for: it names the nearest one that was.
    pub fn finish(&self) -> Result<(), ConfigError> {
        let asked = self.asked.borrow();
        for &(document, table) in &self.layers {
            if let Some(key) = table.keys().find(|key| !asked.contains(&key.get_ref().as_ref())) {
                let origin = document.origin(key.span().start, self.join(key.get_ref()));
                let near = did_you_mean(key.get_ref(), asked.iter().copied());
                return Err(ConfigError::invalid(origin, format!("unknown key{near}")));
            }
        }
        Ok(())
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    value: Value<'a>,
    key: String,
}

#[derive(Clone, Debug)]
enum Value<'a> {
    Typed(String, Origin),
    Toml(&'a Document, &'a Spanned<DeValue<'a>>),
}

impl<'a> Given<'a> {
    /// A text from a flag, a variable or a default.
    pub fn typed(text: impl Into<String>, origin: Origin) -> Self {
        Self { value: Value::Typed(text.into(), origin), key: String::new() }
    }

    /// Where it was given.
    pub fn origin(&self) -> Origin {
        match &self.value {
            Value::Typed(_, origin) => origin.clone(),
            Value::Toml(document, value) => document.origin(value.span().start, self.key.clone()),
        }
    }

    /// An error about this value.
    pub fn bad(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.origin(), problem)
    }

    fn toml(&self) -> Option<&'a DeValue<'a>> {
        match self.value {
            Value::Toml(_, value) => Some(value.get_ref()),
            Value::Typed(..) => None,
        }
    }

    fn wanted(&self, what: &str) -> ConfigError {
        let found = self.toml().map_or("", |value| match value {
            DeValue::String(_) => ", not a text",
            DeValue::Integer(_) | DeValue::Float(_) => ", not a number",
            DeValue::Boolean(_) => ", not true or false",
            DeValue::Datetime(_) => ", not a date",
            DeValue::Array(_) => ", not an array",
            DeValue::Table(_) => ", not a table",
        });
        self.bad(format!("must be {what}{found}"))
    }

    /// The same where a number is wanted: what number it is instead is no secret.
    fn wanted_number(&self, what: &str) -> ConfigError {
        match self.toml() {
            Some(DeValue::Integer(found)) => self.bad(format!("must be {what}, not {}", found.as_str())),
            Some(DeValue::Float(found)) => self.bad(format!("must be {what}, not {}", found.as_str())),
            _ => self.wanted(what),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self) -> Result<&str, ConfigError> {
        match &self.value {
            Value::Typed(text, _) => Ok(text),
            Value::Toml(_, value) => value.get_ref().as_str().ok_or_else(|| self.wanted("a text")),
        }
    }

    /// A text that `T` can be read from.
    ///
    /// # Errors
    /// When it is no text, or `T` refuses it: then its message is the problem.
    pub fn parse<T>(&self) -> Result<T, ConfigError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.text()?.parse().map_err(|problem: T::Err| self.bad(problem.to_string()))
    }

    /// Several values: an array, or a text with commas.
    ///
    /// # Errors
    /// When it is something else.
    pub fn list(&self) -> Result<Vec<Self>, ConfigError> {
        match &self.value {
            Value::Typed(text, origin) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(parts.map(|part| Self::typed(part, origin.clone())).collect())
            }
            Value::Toml(..) => self.elements().ok_or_else(|| self.wanted("an array")),
        }
    }

    /// The values of an array; `None` of anything else.
    pub fn elements(&self) -> Option<Vec<Self>> {
        let Value::Toml(document, value) = self.value else { return None };
        let of = |value| Self { value: Value::Toml(document, value), key: self.key.clone() };
        Some(value.get_ref().as_array()?.iter().map(of).collect())
    }

    /// One value or an array of them.
    pub fn one_or_more(&self) -> Vec<Self> {
        self.elements().unwrap_or_else(|| vec![self.clone()])
    }

    /// A whole number from `min` to `max`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn integer(&self, min: i64, max: i64) -> Result<i64, ConfigError> {
        let number = match (&self.value, self.toml()) {
            (Value::Typed(text, _), _) => text.trim().parse().ok(),
            (_, Some(DeValue::Integer(integer))) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        };
        let what = || match (min, max) {
            (_, i64::MAX) => format!("a whole number from {min} on"),
            _ => format!("a whole number from {min} to {max}"),
        };
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.wanted_number(&what()))
    }

    /// A number above zero, `max` at most.
    ///
    /// # Errors
    /// When it is something else.
    pub fn positive(&self, max: f64) -> Result<f64, ConfigError> {
        let number: Option<f64> = match (&self.value, self.toml()) {
            (Value::Typed(text, _), _) => text.trim().parse().ok(),
            (_, Some(DeValue::Integer(integer))) => integer.as_str().parse().ok(),
            (_, Some(DeValue::Float(float))) => float.as_str().parse().ok(),
            _ => None,
        };
        let fits = |number: &f64| *number > 0.0 && *number <= max;
        // A bound that nobody meets need not be told.
        let most = if max < 1e9 { format!(", {max} at most") } else { String::new() };
        number.filter(fits).ok_or_else(|| self.wanted_number(&format!("a number above 0{most}")))
    }

    /// A number of seconds above zero, a day at most.
    ///
    /// # Errors
    /// When it is something else.
    pub fn seconds(&self) -> Result<Duration, ConfigError> {
        self.positive(86_400.0).map(Duration::from_secs_f64)
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn boolean(&self) -> Result<bool, ConfigError> {
        let boolean = match &self.value {
            Value::Typed(text, _) => text.parse().ok(),
            Value::Toml(_, value) => value.get_ref().as_bool(),
        };
        boolean.ok_or_else(|| self.wanted("true or false"))
    }

    /// A table.
    ///
    /// # Errors
    /// When it is something else.
    pub fn section(&self) -> Result<Section<'a>, ConfigError> {
        if let Value::Toml(document, value) = self.value
            && let DeValue::Table(table) = value.get_ref()
        {
            return Ok(Section::over(vec![(document, table)], value.span().start, self.key.clone()));
        }
        Err(self.wanted("a table"))
    }

    /// An integer, float or boolean as it is written.
    pub fn literal(&self) -> Option<String> {
        match self.toml()? {
            DeValue::Integer(integer) => Some(integer.to_string()),
            DeValue::Float(float) => Some(float.to_string()),
            DeValue::Boolean(boolean) => Some(boolean.to_string()),
            _ => None,
        }
    }

    /// Whether it is a table.
    pub fn is_section(&self) -> bool {
        self.toml().is_some_and(DeValue::is_table)
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
    fn an_unknown_key_is_told_the_nearest() {
        let finish = |root: &Section<'_>| {
            let section = root.section("graphite")?;
            section.get("interval");
            section.finish()
        };
        let expected = "c.toml:2: graphite.intervall: unknown key; did you mean \"interval\"?";
        assert_eq!(problem("[graphite]\nintervall = 1\n", finish), expected);
    }

    #[test]
    fn control_characters_are_escaped() {
        let finish = |root: &Section<'_>| root.section("t")?.finish();
        let expected = r"c.toml:1: t.a\u{1b}[2J: unknown key";
        assert_eq!(problem("t = { \"a\\u001b[2J\" = 1 }\n", finish), expected);
    }

    #[test]
    fn broken_toml_does_not_show_the_line() {
        let document = Document::new("c.toml", "[graphite]\npassword = \"hunter2\n");
        let message = document.parse().unwrap_err().to_string();
        assert!(message.starts_with("c.toml:2: not TOML: "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn an_upper_layer_wins_and_tables_are_joined() {
        let upper = Document::new("upper", "a = 1\n[t]\nx = 1\n");
        let lower = Document::new("lower", "a = 2\nb = 2\n[t]\nx = 2\ny = 2\n");
        let (upper_table, lower_table) = (upper.parse().unwrap(), lower.parse().unwrap());
        let both = Section::root(&upper, &upper_table).upon(Section::root(&lower, &lower_table));
        let number = |section: &Section<'_>, key| section.get(key).unwrap().integer(0, 9).unwrap();
        assert_eq!((number(&both, "a"), number(&both, "b")), (1, 2));
        let table = both.section("t").unwrap();
        assert_eq!((number(&table, "x"), number(&table, "y")), (1, 2));
    }
}
