//! The sources of settings: flags, variables and the config file.

use super::mistaken_secret;
use super::recorder::{RecordedSetting, Recorder};
use super::service;
use crate::config::{ConfigError, ConfigValue, Origin, Section};
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::system::input;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The longest file of a secret, in bytes. A header cannot be longer.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Where a service of systemd finds its credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The certificates of the authorities to trust, once they are read.
pub(super) type Roots = OnceCell<Option<Vec<u8>>>;

/// The sources of settings. Values are read here, and recorded for `datametrics check`.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// The environment variables.
    pub(super) env: Env<'a>,
    /// The config file.
    pub(super) file: &'a Section<'a>,
    /// Records every setting that is read. `None` outside of `datametrics check`.
    pub(super) recorder: Option<&'a Recorder>,
    /// When everything must be read that is a file or a stream.
    pub(super) deadline: Deadline<'a>,
    /// Kept for all that read them, as their file may be a pipe.
    pub(super) roots: &'a Roots,
}

/// The path that a variable holds. An empty variable counts as unset.
pub(super) fn path_variable(env: Env<'_>, name: &str) -> Option<PathBuf> {
    env(name).filter(|value| !value.is_empty()).map(|path| expand_home(env, path))
}

/// A path as a shell reads it that begins with `~/` or `$HOME/`: cron and TOML do not. Without a home it stays as it is.
pub(super) fn expand_home(env: impl Fn(&str) -> Option<OsString>, path: impl Into<PathBuf>) -> PathBuf {
    let path = path.into();
    let below = path.strip_prefix("~").or_else(|_| path.strip_prefix("$HOME"));
    match (below, env("HOME").filter(|home| !home.is_empty())) {
        (Ok(below), Some(home)) => Path::new(&home).join(below),
        _ => path,
    }
}

impl<'a> Sources<'a> {
    /// Sources whose settings are not recorded, and of which none was read yet.
    pub(super) fn new(env: Env<'a>, file: &'a Section<'a>, deadline: Deadline<'a>, roots: &'a Roots) -> Self {
        Self { env, file, recorder: None, deadline, roots }
    }

    /// The value of a variable. An empty variable counts as unset.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    pub(super) fn variable(&self, name: &str) -> Result<Option<ConfigValue<'a>>, ConfigError> {
        let origin = || Origin::Variable(name.to_owned());
        match (self.env)(name).filter(|value| !value.is_empty()).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(ConfigValue::from_text(value, origin()))),
            Some(Err(_)) => Err(ConfigError::invalid(origin(), "is not UTF-8")),
        }
    }

    /// The value of the first source that has one: the flag, then the variable, then the config file.
    ///
    /// # Errors
    /// When the value of the variable is not UTF-8.
    pub(super) fn first_of(
        &self,
        flag: Option<(&'static str, &Option<String>)>,
        variable: &str,
        file: Option<ConfigValue<'a>>,
    ) -> Result<Option<ConfigValue<'a>>, ConfigError> {
        if let Some((name, Some(text))) = flag {
            return Ok(Some(ConfigValue::from_text(text.clone(), Origin::Flag(name))));
        }
        Ok(self.variable(variable)?.or(file))
    }

    /// Records a setting that has a default. Returns its value, or else the default, which is parsed like
    /// any other value.
    pub(super) fn setting_or_default(
        &self,
        name: &str,
        value: Option<ConfigValue<'a>>,
        default: impl Into<Cow<'a, str>>,
    ) -> ConfigValue<'a> {
        let default = || ConfigValue::from_text(default, Origin::Default(name.to_owned().into()));
        let value = value.unwrap_or_else(default);
        self.record(|| RecordedSetting::new(name, &value));
        value
    }

    /// Records a setting that has no default. Returns its value.
    pub(super) fn optional_setting(&self, name: &str, value: Option<ConfigValue<'a>>) -> Option<ConfigValue<'a>> {
        self.record(|| match &value {
            Some(value) => RecordedSetting::new(name, value),
            None => RecordedSetting::not_set(name),
        });
        value
    }

    /// Records a setting that holds the path of a file, if there is one. Returns its value.
    pub(super) fn path_setting(&self, name: &str, value: Option<ConfigValue<'a>>) -> Option<ConfigValue<'a>> {
        self.record(|| {
            value.as_ref().map_or_else(|| RecordedSetting::not_set(name), |path| RecordedSetting::path(name, path))
        });
        value
    }

    /// The path that a setting holds.
    ///
    /// # Errors
    /// When it is no text.
    pub(super) fn path(&self, value: &ConfigValue<'_>) -> Result<PathBuf, ConfigError> {
        Ok(expand_home(self.env, value.text()?))
    }

    /// Records a setting of which no output may show the value. `origin` is `None` if it is not set.
    pub(super) fn hidden_setting(&self, name: &str, origin: Option<Origin>) {
        self.record(|| match origin {
            Some(origin) => RecordedSetting::hidden(name, origin),
            None => RecordedSetting::not_set(name),
        });
    }

    fn record(&self, setting: impl FnOnce() -> RecordedSetting) {
        if let Some(recorder) = self.recorder {
            recorder.record(setting());
        }
    }

    /// Reads and records a secret: the value of the variable `name`; else the content of the file that
    /// `<name>_FILE` names; else the content of the credential file of systemd in
    /// `$CREDENTIALS_DIRECTORY` that is called `name` in lower case (<https://systemd.io/CREDENTIALS/>).
    ///
    /// # Errors
    /// When `<name>` and `<name>_FILE` are both set, a file cannot be read, or the content is not fit
    /// for a header.
    pub(super) fn secret(&self, name: &str) -> Result<Option<Secret>, ConfigError> {
        let secret = self.secret_and_origin(name)?;
        self.hidden_setting(name, secret.as_ref().map(|(_, origin)| origin.clone()));
        Ok(secret.map(|(secret, _)| secret))
    }

    /// The secrets that are set of those that `who` names: each by its name, and whether it is optional.
    ///
    /// # Errors
    /// Those of [`Sources::secret`], and when one is not set that is not optional.
    pub(super) fn secrets_for<'n>(
        &self,
        who: &str,
        names: impl IntoIterator<Item = (&'n str, bool)>,
    ) -> Result<BTreeMap<String, Secret>, ConfigError> {
        let mut secrets = BTreeMap::new();
        for (name, is_optional) in names {
            if let Some(secret) = self.secret(name)? {
                secrets.insert(name.to_owned(), secret);
            } else if !is_optional {
                let problem = format!("is not set, and {who} needs it (or {name}_FILE){}", self.secret_advice(name));
                return Err(ConfigError::about(name.to_owned(), problem));
            }
        }
        Ok(secrets)
    }

    /// Like [`Sources::secret`], with the origin of the secret, and without recording it.
    ///
    /// # Errors
    /// Those of [`Sources::secret`].
    pub(super) fn secret_and_origin(&self, name: &str) -> Result<Option<(Secret, Origin)>, ConfigError> {
        let file_name = format!("{name}_FILE");
        let file = path_variable(self.env, &file_name);
        let origin = || Origin::Variable(name.to_owned());
        match (self.variable(name)?, file) {
            (Some(_), Some(_)) => {
                Err(ConfigError::invalid(origin(), format!("is set, and {file_name} too: unset one")))
            }
            (Some(value), None) => Ok(Some((check_secret(value.text()?, origin())?, origin()))),
            (None, Some(path)) => {
                let origin = Origin::Variable(file_name);
                Ok(Some((self.secret_in(&path, origin.clone())?, origin)))
            }
            (None, None) => self.systemd_credential(name),
        }
    }

    /// What a message about a missing secret adds where a service of systemd has it, and this is not a service.
    pub(super) fn secret_advice(&self, name: &str) -> String {
        path_variable(self.env, CREDENTIALS_DIRECTORY)
            .map_or_else(|| service::secret_advice(name, self.file), |_| String::new())
    }

    fn systemd_credential(&self, name: &str) -> Result<Option<(Secret, Origin)>, ConfigError> {
        let Some(directory) = path_variable(self.env, CREDENTIALS_DIRECTORY) else { return Ok(None) };
        let path = directory.join(name.to_lowercase());
        if !path.exists() {
            return Ok(None);
        }
        let secret = self.secret_in(&path, Origin::Variable(CREDENTIALS_DIRECTORY.to_owned()))?;
        Ok(Some((secret, Origin::File(path))))
    }

    /// Reads a file that holds one secret. Line breaks at its end are removed, and a byte order mark. `origin`
    /// is the setting that holds the path.
    ///
    /// # Errors
    /// When the file cannot be read by the deadline, or its content is not fit for a header.
    pub(super) fn secret_in(&self, path: &Path, origin: Origin) -> Result<Secret, ConfigError> {
        let text = input::read_file(path, MAX_SECRET_BYTES, self.deadline).and_then(input::text);
        let text = text.map_err(ConfigError::unreadable(origin, path))?;
        check_secret(text.trim_end_matches(['\n', '\r']), Origin::File(path.to_owned()))
    }
}

/// Checks that a secret is fit for a header.
///
/// # Errors
/// When it is plainly wrong, or contains a line break or another control character.
pub(super) fn check_secret(text: &str, origin: Origin) -> Result<Secret, ConfigError> {
    if let Some(problem) = mistaken_secret::of_any(text, matches!(origin, Origin::File(_))) {
        return Err(ConfigError::invalid(origin, problem));
    }
    if text.chars().any(char::is_control) {
        return Err(ConfigError::invalid(origin, "holds a line break or another control character"));
    }
    Ok(Secret::new(text))
}
