//! The list of all settings and their origins, for `datametrics check`. It is recorded while the settings
//! are read, so it cannot lack one.

use crate::config::{ConfigValue, Origin, redact_path};
use crate::delivery::graphite::INGEST_PATHS;
use crate::http::url::Url;
use crate::secret::{MASK, looks_like_key};
use crate::util::sanitize::sanitize;
use std::cell::RefCell;
use std::path::Path;

/// Values are shown up to this many characters.
const MAX_VALUE_CHARS: usize = 80;

/// A setting as `datametrics check` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedSetting {
    /// Its key in the config file. A setting without a key has the name of its flag or variable.
    pub(crate) name: String,
    /// Its value for display. The value of a secret is only `set` or `not set`.
    pub(crate) value: String,
    /// The source of the value.
    pub(crate) origin: Origin,
}

impl RecordedSetting {
    /// A setting with a value.
    pub(super) fn new(name: &str, value: &ConfigValue<'_>) -> Self {
        let displayed = sanitize(&display_value(value), MAX_VALUE_CHARS);
        Self { name: name.to_owned(), value: displayed, origin: value.origin() }
    }

    /// A setting that holds the path of a file. If there is no such file, it may hold a key instead.
    pub(super) fn path(name: &str, value: &ConfigValue<'_>) -> Self {
        let setting = Self::new(name, value);
        let displayed = match value.text() {
            Ok(path) if Path::new(path).exists() => path.to_owned(),
            Ok(path) if !path.is_empty() => redact_path(path),
            _ => setting.value,
        };
        Self { value: sanitize(&displayed, MAX_VALUE_CHARS), ..setting }
    }

    /// A setting without a value.
    pub(super) fn not_set(name: &str) -> Self {
        Self { name: name.to_owned(), value: "not set".into(), origin: Origin::Default(name.to_owned().into()) }
    }

    /// A setting with a value that no output may show.
    pub(super) fn hidden(name: &str, origin: Origin) -> Self {
        Self { name: name.to_owned(), value: "set".into(), origin }
    }

    /// The source of the value for display, without the name of the setting.
    pub(crate) fn source(&self) -> String {
        match &self.origin {
            Origin::Line { file, line, .. } => format!("{file}:{line}"),
            Origin::Default(_) => "default".to_owned(),
            origin => origin.to_string(),
        }
    }
}

/// Collects the settings while they are read.
#[derive(Debug, Default)]
pub(super) struct Recorder(RefCell<Vec<RecordedSetting>>);

impl Recorder {
    /// Adds a setting, unless one of that name is recorded already.
    pub(super) fn record(&self, setting: RecordedSetting) {
        let mut settings = self.0.borrow_mut();
        if settings.iter().all(|recorded| recorded.name != setting.name) {
            settings.push(setting);
        }
    }

    /// All recorded settings, in the order in which they were read.
    pub(super) fn into_settings(self) -> Vec<RecordedSetting> {
        self.0.into_inner()
    }
}

/// A value for display. Of a URL only scheme, host and port are shown.
fn display_value(value: &ConfigValue<'_>) -> String {
    if let Some(literal) = value.literal() {
        return literal;
    }
    if let Some(elements) = value.elements() {
        let displayed: Vec<String> = elements.iter().map(display_value).collect();
        return if displayed.is_empty() { "none".to_owned() } else { displayed.join(", ") };
    }
    // `section` alone would do, but its error would search for the line of the value, for each element
    // of a long list.
    if value.is_section()
        && let Ok(section) = value.section()
    {
        let entry = |(key, value): &(String, ConfigValue<'_>)| format!("{key} = {}", display_value(value));
        return section.entries().iter().map(entry).collect::<Vec<_>>().join(", ");
    }
    match value.text() {
        Ok("") | Err(_) => "none".to_owned(),
        Ok(text) if text.contains("://") || text.contains('@') => redact_url(text),
        // A key that stands where something else belongs.
        Ok(text) if looks_like_key(text) => MASK.to_owned(),
        Ok(text) => text.to_owned(),
    }
}

/// Scheme, host and port of a text that may be a URL, and the paths of an ingest. Other parts of a URL may hold a key.
fn redact_url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.path.is_empty() || INGEST_PATHS.contains(&url.path.as_str()) => format!("{url}{}", url.path),
        Ok(url) => format!("{url}/{MASK}"),
        Err(_) => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Section};

    fn displayed(toml: &str) -> String {
        let document = Document::new("c.toml", format!("x = {toml}\n"));
        let table = document.parse().unwrap();
        RecordedSetting::new("x", &Section::root(&document, &table).get("x").unwrap()).value
    }

    #[test]
    fn a_recorded_value_is_displayed_on_one_line() {
        for (toml, expected) in [
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
            assert_eq!(displayed(toml), expected);
        }
        assert_eq!(displayed(&format!("'{}'", "a".repeat(100))), format!("{}…", "a".repeat(80)));
    }

    #[test]
    fn a_key_in_place_of_something_else_is_not_displayed() {
        assert_eq!(displayed("'glc_eyJvIjoiMTIzNDU2'"), "***");
        assert_eq!(displayed("['BTC/USD', 'glc_eyJvIjoiMTIzNDU2']"), "BTC/USD, ***");
        let path = |text: &str| {
            let value = ConfigValue::from_text(text.to_owned(), Origin::Stdin);
            RecordedSetting::path("x", &value).value
        };
        assert_eq!(path("hunter2"), "*** (hidden, as it may be a key; a path begins with / or ./)");
        assert_eq!(path("/nowhere/graphite"), "/nowhere/graphite");
        assert_eq!(path("Cargo.toml"), "Cargo.toml");
        assert_eq!(path(env!("CARGO_MANIFEST_DIR")), displayed(&format!("'{}'", env!("CARGO_MANIFEST_DIR"))));
    }

    #[test]
    fn a_recorded_url_is_displayed_without_credentials_and_what_may_be_a_key() {
        for (toml, expected) in [
            ("'https://u:pass@h.example:8443/graphite/metrics?k=pass'", "https://h.example:8443/***"),
            ("'https://u:pass@h.example/graphite/metrics'", "https://h.example/graphite/metrics"),
            ("'https://h.example/hunter2/metrics'", "https://h.example/***"),
            ("'tcp://h.example'", "tcp://h.example"),
            ("'u:pass@h.example'", "***"),
            ("'https://u:pa ss@h.example/'", "***"),
            ("['https://u:pass@h.example', 'x']", "https://h.example, x"),
        ] {
            assert_eq!(displayed(toml), expected);
        }
    }
}
