//! Where each setting came from, as `datametrics check` tells. The list is what the reading of the
//! settings leaves, so it has all of them.

use crate::config::{ConfigValue, Origin};
use crate::http::url::Url;
use crate::secret::MASK;
use crate::util::sanitize::sanitize;
use std::cell::RefCell;

/// So much of a value is shown, in characters.
const SHOWN: usize = 60;

/// A setting: what it is called, what it is, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Its key in the config; without one, its flag or variable.
    pub(crate) name: String,
    /// Its value; `set` or `not set` where that is not to be seen.
    pub(crate) value: String,
    /// Where it was given.
    pub(crate) origin: Origin,
}

impl Setting {
    pub(super) fn new(name: &str, value: &ConfigValue<'_>) -> Self {
        Self { name: name.to_owned(), value: sanitize(&shown(value), SHOWN), origin: value.origin() }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self { name: name.to_owned(), value: "not set".into(), origin: Origin::Default(name.to_owned().into()) }
    }

    pub(super) fn hidden(name: &str, origin: Origin) -> Self {
        Self { name: name.to_owned(), value: "set".into(), origin }
    }

    /// Where it was given, the name left out.
    pub(crate) fn place(&self) -> String {
        match &self.origin {
            Origin::Line { file, line, .. } => format!("{file}:{line}"),
            Origin::Default(_) => "default".to_owned(),
            origin => origin.to_string(),
        }
    }
}

/// What was read so far, each setting once.
#[derive(Debug, Default)]
pub(crate) struct Recorder(RefCell<Vec<Setting>>);

impl Recorder {
    pub(super) fn note(&self, setting: Setting) {
        let mut all = self.0.borrow_mut();
        if all.iter().all(|known| known.name != setting.name) {
            all.push(setting);
        }
    }

    pub(super) fn settings(self) -> Vec<Setting> {
        self.0.into_inner()
    }
}

/// The value as it may be shown.
fn shown(value: &ConfigValue<'_>) -> String {
    let of_all = |all: &[ConfigValue<'_>]| all.iter().map(shown).collect::<Vec<_>>().join(", ");
    if let Some(literal) = value.literal() {
        return literal;
    }
    if let Some(all) = value.elements() {
        return if all.is_empty() { "none".to_owned() } else { of_all(&all) };
    }
    // An error would look for its line, once for each of a long list.
    if value.is_section()
        && let Ok(section) = value.section()
    {
        let of = |(key, value): &(String, ConfigValue<'_>)| format!("{key} = {}", shown(value));
        return section.entries().iter().map(of).collect::<Vec<_>>().join(", ");
    }
    match value.text() {
        Ok("") | Err(_) => "none".to_owned(),
        Ok(text) if text.contains("://") || text.contains('@') => host(text),
        Ok(text) => text.to_owned(),
    }
}

/// The host of what may be a URL. Beside it a URL may hold a key.
fn host(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.path.is_empty() => url.to_string(),
        Ok(url) => format!("{url}/{MASK}"),
        Err(_) => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Section};

    fn value(toml: &str) -> String {
        let document = Document::new("c.toml", format!("x = {toml}\n"));
        let table = document.parse().unwrap();
        Setting::new("x", &Section::root(&document, &table).get("x").unwrap()).value
    }

    #[test]
    fn values_are_shown_in_one_line() {
        for (toml, shown) in [
            ("'home'", "home"),
            ("''", "none"),
            ("60", "60"),
            ("true", "true"),
            ("[]", "none"),
            ("['BTC/USD', 'ETH/USD']", "BTC/USD, ETH/USD"),
            ("{ env = 'home', b = 'c' }", "b = c, env = home"),
            ("[{ symbol = 'BTC/USD', below = 5 }]", "below = 5, symbol = BTC/USD"),
            ("\"a\\u001b[2J\"", "a\\u{1b}[2J"),
        ] {
            assert_eq!(value(toml), shown);
        }
        assert_eq!(value(&format!("'{}'", "a".repeat(100))), format!("{}…", "a".repeat(60)));
    }

    #[test]
    fn of_a_url_only_the_host_is_shown() {
        for (toml, shown) in [
            ("'https://u:pass@h.example:8443/graphite/metrics?k=pass'", "https://h.example:8443/***"),
            ("'tcp://h.example'", "tcp://h.example"),
            ("'u:pass@h.example'", "***"),
            ("'https://u:pa ss@h.example/'", "***"),
            ("['https://u:pass@h.example', 'x']", "https://h.example, x"),
        ] {
            assert_eq!(value(toml), shown);
        }
    }
}
