//! What is wrong with a value, and where it was given.

use crate::outcome::Outcome;
use crate::shown::beginning;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with the settings, found before anything was asked of anybody.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value that cannot be used.
    #[error("{}", harmless(&format!("{origin}: {problem}")))]
    Invalid {
        /// Where it was given.
        origin: Origin,
        /// What is wrong and what would be right; never a secret.
        problem: String,
    },
    /// A file that was named, or standard input, cannot be read.
    #[error("{}", harmless(&format!("{origin}: cannot read {what}: {cause}")))]
    Unreadable {
        /// What names it.
        origin: Origin,
        /// Its path, or what was to be read.
        what: String,
        /// What the operating system said.
        cause: io::Error,
    },
}

impl ConfigError {
    /// A problem with what is at `origin`.
    pub fn invalid(origin: Origin, problem: impl Into<String>) -> Self {
        Self::Invalid { origin, problem: problem.into() }
    }

    /// That the file at `path`, which `origin` names, cannot be read.
    pub fn unreadable(origin: Origin, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = path.display().to_string();
        move |cause| Self::Unreadable { origin, what, cause }
    }

    /// What a run comes to that ends with it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unreadable { .. } => Outcome::Io,
            Self::Invalid { origin: Origin::Flag(_), .. } => Outcome::Usage,
            Self::Invalid { .. } => Outcome::Misconfigured,
        }
    }
}

/// One line and nothing that moves a terminal: a message shows keys, paths and symbols.
fn harmless(message: &str) -> String {
    beginning(message, usize::MAX)
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag or argument of the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// A line of a TOML text.
    Line {
        /// The file, or the name of a built-in definition.
        file: String,
        /// Counted from 1.
        line: usize,
        /// The key, with the table it is in.
        key: String,
    },
    /// A file that holds one secret.
    File(PathBuf),
    /// Nobody gave it.
    Default(Cow<'static, str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::Default(name) => f.write_str(name),
            Self::Line { file, line, key } if key.is_empty() => write!(f, "{file}:{line}"),
            Self::Line { file, line, key } => write!(f, "{file}:{line}: {key}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}
