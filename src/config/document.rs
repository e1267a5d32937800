//! A TOML text.

use super::error::{ConfigError, Origin};
use std::cell::OnceCell;
use std::path::Path;
use toml::Spanned;
use toml::de::DeTable;

/// A TOML text, and the name that messages give it.
#[derive(Debug)]
pub struct Document {
    name: String,
    text: String,
    /// Where its lines end. Computed when the first line number is needed, as there may be many lines.
    line_ends: OnceCell<Vec<usize>>,
}

impl Document {
    /// A text that is in memory.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), line_ends: OnceCell::new() }
    }

    /// Reads the config file at `path`. `origin` is what named the path.
    ///
    /// # Errors
    /// When it cannot be read, or is not UTF-8.
    pub(crate) fn read(path: &Path, origin: Origin) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(ConfigError::unreadable(origin, path))?;
        Ok(Self::new(path.display().to_string(), text))
    }

    /// Parses the text. The message of an error never quotes the text, which may hold a password.
    ///
    /// # Errors
    /// When it is not TOML.
    pub(crate) fn parse(&self) -> Result<DeTable<'_>, ConfigError> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ConfigError::invalid(self.origin(offset, String::new()), format!("not TOML: {}", error.message()))
        })
    }

    /// The line of the byte at `offset`.
    pub(super) fn origin(&self, offset: usize, key: String) -> Origin {
        let ends = self.line_ends.get_or_init(|| self.text.match_indices('\n').map(|(at, _)| at).collect());
        Origin::Line { file: self.name.clone(), line: ends.partition_point(|end| *end < offset) + 1, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_toml_does_not_show_the_line() {
        let document = Document::new("c.toml", "[graphite]\npassword = \"hunter2\n");
        let message = document.parse().unwrap_err().to_string();
        assert!(message.starts_with("c.toml:2: not TOML: "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}
