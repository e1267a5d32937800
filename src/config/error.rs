//! Errors about settings, and the origins of settings.

use crate::outcome::Outcome;
use crate::secret::{MASK, looks_like_key};
use crate::system::limit::Limit;
use crate::util::sanitize::sanitize;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error about the settings. Settings are checked before the first request is sent.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line is wrong.
    #[error("{}", one_line(&format!("{origin}: {problem}")))]
    Usage {
        /// The flag or argument.
        origin: Origin,
        /// What is wrong, and what would be right. Never a secret.
        problem: String,
    },
    /// A setting is wrong or missing.
    #[error("{}", one_line(&format!("{origin}: {problem}")))]
    Setting {
        /// Where it came from, or the name of a missing one.
        origin: Origin,
        /// What is wrong, and what would be right. Never a secret.
        problem: String,
    },
    /// A file that a setting names, or standard input, cannot be read.
    #[error("{}", one_line(&format!("{origin}: cannot read {subject}: {cause}")))]
    Unreadable {
        /// The setting that names the file, or standard input.
        origin: Origin,
        /// The path of the file, or what standard input should have held.
        subject: String,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Several settings are wrong. It is said and judged as the first one.
    #[error("{first}")]
    Several {
        /// The error that ended the reading.
        first: Box<ConfigError>,
        /// What is wrong beside it.
        others: Vec<ConfigError>,
    },
}

impl ConfigError {
    /// A wrong value. If it came from the command line, this is an error of usage.
    pub(crate) fn invalid(origin: Origin, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        match origin {
            Origin::Flag(_) => Self::Usage { origin, problem },
            _ => Self::Setting { origin, problem },
        }
    }

    /// A wrong setting, whatever its origin.
    pub(crate) fn setting(origin: Origin, problem: impl Into<String>) -> Self {
        Self::Setting { origin, problem: problem.into() }
    }

    /// A setting that is missing, or that is wrong together with others. `name` is the name of the setting.
    pub(crate) fn about(name: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> Self {
        Self::setting(Origin::Default(name.into()), problem)
    }

    /// Makes the error for a file that cannot be read. `origin` is the setting that holds the path. Where there is no
    /// such file, the setting may hold a key instead of a path.
    pub(crate) fn unreadable(origin: Origin, path: &Path) -> impl FnOnce(io::Error) -> Self {
        // A folder that cannot be searched does not tell whether it has the file.
        let is_file = path.symlink_metadata().is_ok();
        let subject = path.display().to_string();
        // A flag that names a file is typed where it is read again, so only what looks like a key is hidden.
        let is_typed = matches!(origin, Origin::Flag(_));
        move |cause| {
            let subject = match (is_file, is_typed) {
                (true, _) => subject,
                (false, true) => hide_keys(&subject),
                (false, false) => redact_path(&subject),
            };
            Self::Unreadable { origin, subject, cause }
        }
    }

    /// The outcome of a run that ends with this error.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Usage { .. } => Outcome::Usage,
            Self::Setting { .. } => Outcome::Misconfigured,
            Self::Unreadable { cause, .. } if is_temporary(cause) => Outcome::NotTaken,
            Self::Unreadable { .. } => Outcome::Io,
            Self::Several { first, .. } => first.outcome(),
        }
    }

    /// This error with those of other settings, which may have it among them.
    pub(crate) fn with_others(self, others: impl IntoIterator<Item = Self>) -> Self {
        let said = self.to_string();
        let others: Vec<_> = others.into_iter().filter(|other| other.to_string() != said).collect();
        if others.is_empty() { self } else { Self::Several { first: Box::new(self), others } }
    }

    /// What is wrong beside it.
    pub(crate) fn others(&self) -> &[Self] {
        match self {
            Self::Several { others, .. } => others,
            _ => &[],
        }
    }
}

/// A path for display, if nobody knows that it is one: somebody may have put a key there. It is shown if it begins like
/// a path, or ends like the name of a file. Names in it that look like a key are masked in any case.
pub(crate) fn redact_path(path: &str) -> String {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    let is_name =
        extension.is_some_and(|end| (2..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_lowercase()));
    let is_path = ["/", "./", "../", "~/", "$HOME/"].iter().any(|begin| path.starts_with(begin));
    if !is_name && !is_path {
        return format!("{MASK} (hidden, as it may be a key; a path begins with / or ./)");
    }
    hide_keys(path)
}

fn hide_keys(path: &str) -> String {
    let node = |node| if looks_like_key(node) { MASK } else { node };
    path.split('/').map(node).collect::<Vec<_>>().join("/")
}

/// Whether a file or stream may be readable in another run: it did not end in time, or a limit of the machine is
/// reached.
fn is_temporary(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::TimedOut || Limit::of(cause).is_some()
}

/// A message with its unsafe characters escaped. It quotes keys, paths and symbols, which come from
/// outside.
fn one_line(message: &str) -> String {
    sanitize(message, usize::MAX)
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag or an argument of the command line.
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
    /// Standard input.
    Stdin,
    /// The value is the default, or there is no value. Holds the name of the setting.
    Default(Cow<'static, str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::Default(name) => f.write_str(name),
            Self::Stdin => f.write_str("standard input"),
            Self::Line { file, line, key } if key.is_empty() => write!(f, "{file}:{line}"),
            Self::Line { file, line, key } => write!(f, "{file}:{line}: {key}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_may_be_a_key_is_not_shown() {
        for path in [
            "/run/secrets/graphite",
            "./graphite",
            "../x/y",
            "~/keys/graphite",
            "gone.toml",
            "/nowhere/datametrics.d/graphite_password",
        ] {
            assert_eq!(redact_path(path), path);
        }
        let hidden = "*** (hidden, as it may be a key; a path begins with / or ./)";
        for key in ["hunter2", "hunter2.", "glc_eyJvIjoiMTIzNDU2Iiwi", "ab/c+d==", "e5Kl.9sQ0Xz1", "", "pass word"] {
            assert_eq!(redact_path(key), hidden);
        }
        assert_eq!(redact_path("/run/c0ffee1234c0ffee1234/x"), "/run/***/x");
        assert_eq!(redact_path("c0ffee1234c0ffee1234.pem"), "***");
    }

    #[test]
    fn the_path_of_a_file_that_is_there_is_shown() {
        let error =
            |path| ConfigError::unreadable(Origin::Stdin, Path::new(path))(io::ErrorKind::PermissionDenied.into());
        assert!(error("src").to_string().contains("cannot read src: "));
        assert!(error("graphite").to_string().contains("cannot read *** (hidden"));
    }

    #[test]
    fn what_another_run_may_be_able_to_read_is_temporary() {
        let outcome = |cause: io::Error| ConfigError::unreadable(Origin::Stdin, Path::new("x"))(cause).outcome();
        assert_eq!(outcome(io::ErrorKind::TimedOut.into()), Outcome::NotTaken);
        assert_eq!(outcome(io::Error::from_raw_os_error(libc::EMFILE)), Outcome::NotTaken);
        assert_eq!(outcome(Limit::name_in(io::Error::from_raw_os_error(libc::EMFILE))), Outcome::NotTaken);
        assert_eq!(outcome(io::ErrorKind::NotFound.into()), Outcome::Io);
        assert_eq!(outcome(io::ErrorKind::FileTooLarge.into()), Outcome::Io);
    }
}
