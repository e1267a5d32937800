//! Configuration as it was written: TOML texts, their tables, and single values. Every value knows
//! where it came from, so that a message can name the place where it is to be changed.

mod document;
mod error;
mod section;

pub use document::Document;
pub use error::{ConfigError, Origin};
pub(crate) use section::{ConfigValue, Section};
