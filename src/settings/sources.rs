//! Where settings come from, in the order in which they win: flag, variable, config file.

use crate::given::{ConfigError, Given, Origin, Section};
use crate::secret::Secret;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Reads an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables and the config file.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The environment.
    pub env: Env<'a>,
    /// The config file.
    pub file: &'a Section<'a>,
}

/// A variable that is set to something.
pub(super) fn path_variable(env: Env<'_>, name: &str) -> Option<PathBuf> {
    env(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

impl<'a> Sources<'a> {
    /// The value of a variable; an empty one is unset.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn variable(&self, name: &str) -> Result<Option<Given<'a>>, ConfigError> {
        let origin = || Origin::Variable(name.to_owned());
        match (self.env)(name).filter(|value| !value.is_empty()).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(Given::typed(value, origin()))),
            Some(Err(_)) => Err(ConfigError::invalid(origin(), "is not UTF-8")),
        }
    }

    /// The first of flag, variable and config file that is there.
    ///
    /// # Errors
    /// When the variable is not UTF-8.
    pub fn first(
        &self,
        flag: Option<(&'static str, &Option<String>)>,
        variable: &str,
        file: Option<Given<'a>>,
    ) -> Result<Option<Given<'a>>, ConfigError> {
        if let Some((name, Some(text))) = flag {
            return Ok(Some(Given::typed(text.clone(), Origin::Flag(name))));
        }
        Ok(self.variable(variable)?.or(file))
    }

    /// A secret: the variable, else the file that `<variable>_FILE` names, else the credential that
    /// systemd put into `$CREDENTIALS_DIRECTORY`
    /// (<https://systemd.io/CREDENTIALS/>).
    ///
    /// # Errors
    /// When variable and `_FILE` are both set, or a file cannot be read.
    pub fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        let file_name = format!("{name}_FILE");
        let file = path_variable(self.env, &file_name);
        let origin = || Origin::Variable(name.to_owned());
        match (self.variable(name)?, file) {
            (Some(_), Some(_)) => {
                Err(ConfigError::invalid(origin(), format!("is set, and {file_name} too: unset one")))
            }
            (Some(given), None) => checked(given.text()?, origin()).map(Some),
            (None, Some(path)) => read_secret(&path).map(Some),
            (None, None) => {
                let Some(directory) = path_variable(self.env, "CREDENTIALS_DIRECTORY") else { return Ok(None) };
                let path = directory.join(name.to_lowercase());
                if path.exists() { read_secret(&path).map(Some) } else { Ok(None) }
            }
        }
    }
}

/// Reads a file that holds one secret; a newline at its end is cut.
///
/// # Errors
/// When it cannot be read, or holds something that cannot be sent.
pub(super) fn read_secret(path: &Path) -> Result<Secret, ConfigError> {
    let unreadable = |cause| ConfigError::Unreadable { what: "secret", path: path.to_owned(), cause };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    checked(text.trim_end_matches(['\n', '\r']), Origin::File(path.to_owned()))
}

/// A secret that can stand in a header.
///
/// # Errors
/// When it is empty, or holds a line break or another control character.
pub(super) fn checked(text: &str, origin: Origin) -> Result<Secret, ConfigError> {
    if text.is_empty() {
        return Err(ConfigError::invalid(origin, "is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(ConfigError::invalid(origin, "holds a line break or another control character"));
    }
    Ok(Secret::new(text))
}
