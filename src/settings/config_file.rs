//! Finds and reads the config file.

use super::sources::{Env, path_variable};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Document, Origin};
use crate::system::deadline::Deadline;
use std::io;
use std::path::{Path, PathBuf};

/// The config file of a run, or an empty document if there is no file.
pub(super) struct ConfigFile {
    /// Its content.
    pub(super) document: Document,
    /// Its path, with the source of the path. `None` if there is no file.
    pub(super) path: Option<ConfigValue<'static>>,
}

/// Reads the config file: the one that the flag or the variable names; else the one of the user; else the
/// one of the machine. It is no error if neither of the last two exists.
pub(super) fn read(options: &Options, env: Env<'_>, deadline: Deadline<'_>) -> Result<ConfigFile, ConfigError> {
    let flag = options.config.as_ref().map(|path| (PathBuf::from(path), Origin::Flag("--config")));
    let variable = || {
        let path = path_variable(env, "DATAMETRICS_CONFIG")?;
        Some((path, Origin::Variable("DATAMETRICS_CONFIG".to_owned())))
    };
    if let Some((path, origin)) = flag.or_else(variable) {
        return read_file(&path, origin.clone(), origin, deadline);
    }
    // The specification says that relative paths are to be ignored:
    // <https://specifications.freedesktop.org/basedir-spec/latest/>
    let xdg = path_variable(env, "XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let user = xdg.or_else(|| Some(path_variable(env, "HOME")?.join(".config")));
    // A user without a home may have /dev/null as HOME, which is no folder.
    let is_absent = |cause: &io::Error| matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    for folder in user.into_iter().chain([PathBuf::from("/etc")]) {
        let path = folder.join("datametrics/config.toml");
        let (error_origin, origin) = (Origin::Default("config file".into()), Origin::Default("--config".into()));
        match read_file(&path, error_origin, origin, deadline) {
            Err(ConfigError::Unreadable { cause, .. }) if is_absent(&cause) => {}
            result => return result,
        }
    }
    Ok(ConfigFile { document: Document::new("", ""), path: None })
}

/// Reads a config file. An error names `error_origin`, the list of `datametrics check` names `origin`.
fn read_file(
    path: &Path,
    error_origin: Origin,
    origin: Origin,
    deadline: Deadline<'_>,
) -> Result<ConfigFile, ConfigError> {
    let document = Document::read(path, error_origin, deadline)?;
    Ok(ConfigFile { document, path: Some(ConfigValue::from_text(path.display().to_string(), origin)) })
}
