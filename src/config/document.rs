//! A TOML text that knows its lines.

use super::error::{ConfigError, Origin};
use crate::system::deadline::Deadline;
use crate::system::input;
use std::cell::OnceCell;
use std::path::Path;
use toml::Spanned;
use toml::de::DeTable;

/// The longest config, in bytes. A list of a million symbols is shorter.
const MAX_BYTES: u64 = 64 << 20;

/// A TOML text, and the name that messages use for it.
#[derive(Debug)]
pub struct Document {
    name: String,
    text: String,
    /// The offsets of all line ends. Computed only when a line number is needed, as there may be many
    /// lines.
    line_ends: OnceCell<Vec<usize>>,
}

impl Document {
    /// A document of a text in memory.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), line_ends: OnceCell::new() }
    }

    /// Reads the file at `path`. `origin` is the setting that holds the path.
    ///
    /// # Errors
    /// When the file cannot be read by the deadline, or is not UTF-8.
    pub(crate) fn read(path: &Path, origin: Origin, deadline: Deadline<'_>) -> Result<Self, ConfigError> {
        let text = input::read_file(path, MAX_BYTES, deadline).and_then(input::text);
        let text = text.map_err(ConfigError::unreadable(origin, path))?;
        Ok(Self::new(path.display().to_string(), text))
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Parses the text. The message of an error never quotes the text, which may hold a password.
    ///
    /// # Errors
    /// When the text is not TOML.
    pub(crate) fn parse(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ConfigError::invalid(self.origin(offset, String::new()), format!("not TOML: {}", error.message()))
        })
    }

    /// The origin of the value of `key`, which begins at the byte `offset`.
    pub(super) fn origin(&self, offset: usize, key: String) -> Origin {
        let line_ends = self.line_ends.get_or_init(|| self.text.match_indices('\n').map(|(index, _)| index).collect());
        Origin::Line { file: self.name.clone(), line: line_ends.partition_point(|end| *end < offset) + 1, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_invalid_toml_does_not_quote_the_text() {
        let document = Document::new("c.toml", "[graphite]\npassword = \"hunter2\n");
        let message = document.parse().unwrap_err().to_string();
        assert!(message.starts_with("c.toml:2: not TOML: "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
