//! Where settings come from, in the order in which they win: flag, variable, config file.

use super::recorder::{Recorder, Setting};
use crate::config::{ConfigError, ConfigValue, Origin, Section};
use crate::secret::Secret;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Reads an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The variables and the config file.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The environment.
    pub(crate) env: Env<'a>,
    /// The config file.
    pub(crate) file: &'a Section<'a>,
    /// Where `datametrics check` has everything noted that is read.
    pub(crate) recorder: Option<&'a Recorder>,
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
    pub(crate) fn variable(&self, name: &str) -> Result<Option<ConfigValue<'a>>, ConfigError> {
        let origin = || Origin::Variable(name.to_owned());
        match (self.env)(name).filter(|value| !value.is_empty()).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(ConfigValue::text_from(value, origin()))),
            Some(Err(_)) => Err(ConfigError::invalid(origin(), "is not UTF-8")),
        }
    }

    /// A setting that has a default, which is read like any other value.
    pub(crate) fn setting(
        &self,
        name: &str,
        value: Option<ConfigValue<'a>>,
        default: impl Into<String>,
    ) -> ConfigValue<'a> {
        let default = || ConfigValue::text_from(default, Origin::Default(name.to_owned().into()));
        let value = value.unwrap_or_else(default);
        self.note(|| Setting::new(name, &value));
        value
    }

    /// A setting that may be missing.
    pub(crate) fn optional(&self, name: &str, value: Option<ConfigValue<'a>>) -> Option<ConfigValue<'a>> {
        self.note(|| value.as_ref().map_or_else(|| Setting::missing(name), |value| Setting::new(name, value)));
        value
    }

    /// A setting that no output shows.
    pub(crate) fn hidden(&self, name: &str, origin: Option<Origin>) {
        self.note(|| origin.map_or_else(|| Setting::missing(name), |origin| Setting::hidden(name, origin)));
    }

    fn note(&self, setting: impl FnOnce() -> Setting) {
        if let Some(recorder) = self.recorder {
            recorder.note(setting());
        }
    }

    /// The first of flag, variable and config file that is there.
    ///
    /// # Errors
    /// When the variable is not UTF-8.
    pub(crate) fn first(
        &self,
        flag: Option<(&'static str, &Option<String>)>,
        variable: &str,
        file: Option<ConfigValue<'a>>,
    ) -> Result<Option<ConfigValue<'a>>, ConfigError> {
        if let Some((name, Some(text))) = flag {
            return Ok(Some(ConfigValue::text_from(text.clone(), Origin::Flag(name))));
        }
        Ok(self.variable(variable)?.or(file))
    }

    /// A secret: the variable, else the file that `<variable>_FILE` names, else the credential that
    /// systemd put into `$CREDENTIALS_DIRECTORY`
    /// (<https://systemd.io/CREDENTIALS/>).
    ///
    /// # Errors
    /// When variable and `_FILE` are both set, or a file cannot be read.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        let found = self.secret_and_origin(name)?;
        self.hidden(name, found.as_ref().map(|(_, origin)| origin.clone()));
        Ok(found.map(|(secret, _)| secret))
    }

    /// The same with its place, and not noted.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn secret_and_origin(&self, name: &str) -> Result<Option<(Secret, Origin)>, ConfigError> {
        let file_name = format!("{name}_FILE");
        let file = path_variable(self.env, &file_name);
        let origin = || Origin::Variable(name.to_owned());
        match (self.variable(name)?, file) {
            (Some(_), Some(_)) => {
                Err(ConfigError::invalid(origin(), format!("is set, and {file_name} too: unset one")))
            }
            (Some(value), None) => Ok(Some((checked(value.text()?, origin())?, origin()))),
            (None, Some(path)) => {
                let origin = Origin::Variable(file_name);
                Ok(Some((read_secret(&path, origin.clone())?, origin)))
            }
            (None, None) => {
                let path =
                    path_variable(self.env, "CREDENTIALS_DIRECTORY").map(|place| place.join(name.to_lowercase()));
                let path = path.filter(|path| path.exists());
                let variable = Origin::Variable("CREDENTIALS_DIRECTORY".to_owned());
                path.map(|path| Ok((read_secret(&path, variable)?, Origin::File(path)))).transpose()
            }
        }
    }
}

/// Reads a file that holds one secret, and that `origin` names; a newline at its end is cut.
///
/// # Errors
/// When it cannot be read, or holds something that cannot be sent.
pub(super) fn read_secret(path: &Path, origin: Origin) -> Result<Secret, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(ConfigError::unreadable(origin, path))?;
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
