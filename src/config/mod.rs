//! TOML texts, their tables, and single values. Every value knows its origin, so that a message can name
//! the file and line where it must be changed.

mod document;
mod error;
mod section;

pub use document::Document;
pub(crate) use error::redact_path;
pub use error::{ConfigError, Origin};
pub(crate) use section::{ConfigValue, Section, key_path};
