//! Finds and reads the config file.

use super::service;
use super::sources::{Env, expand_home, path_variable};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Document, Origin};
use crate::system::deadline::Deadline;
use crate::system::input;
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
    if let Some((path, origin)) = named(options, env) {
        return read_file(&path, origin.clone(), origin, deadline);
    }
    // A user without a home may have /dev/null as HOME, which is no folder.
    let is_absent = |cause: &io::Error| matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let user = of_user(env).map(|(path, _)| path);
    for path in user.into_iter().chain([PathBuf::from(service::CONFIG)]) {
        let (error_origin, origin) = (Origin::Default("config file".into()), Origin::Default("--config".into()));
        match read_file(&path, error_origin, origin, deadline) {
            Err(ConfigError::Unreadable { cause, .. }) if is_absent(&cause) => {}
            result => return result,
        }
    }
    Ok(ConfigFile { document: Document::new("", ""), path: None })
}

/// Where a first config file is to be written so that it is found, with the flag or the variable that says so.
///
/// # Errors
/// When nothing says so, and when the machine has a config file, whose place the new one would take.
pub(crate) fn place_of_first(options: &Options, env: Env<'_>) -> Result<(PathBuf, Origin), ConfigError> {
    if let Some(named) = named(options, env) {
        return Ok(named);
    }
    let Some(place) = of_user(env) else {
        let problem = "is not set, so there is no folder for a config file: name a file with --config";
        return Err(ConfigError::about("HOME", problem));
    };
    if Path::new(service::CONFIG).exists() {
        let problem =
            "is there already, and a new file would take its place: edit it, or name another file with --config";
        return Err(ConfigError::about(service::CONFIG, problem));
    }
    Ok(place)
}

/// A config of this program in a place where none is looked for.
pub(super) fn find_stray(env: Env<'_>, deadline: Deadline<'_>) -> Option<PathBuf> {
    const IN_HOME: [&str; 5] = [
        ".config/datametrics/config.toml",
        ".config/datametrics/datametrics.toml",
        ".config/datametrics.toml",
        ".datametrics/config.toml",
        ".datametrics.toml",
    ];
    // Other programs have a config.toml too.
    let is_ours = |path: &PathBuf| {
        let text = input::read_file(path, 1 << 20, deadline).and_then(input::text);
        text.is_ok_and(|text| text.contains("[graphite]"))
    };
    let here = ["./datametrics.toml", "./config.toml"].map(PathBuf::from).into_iter();
    let home = path_variable(env, "HOME").into_iter().flat_map(|home| IN_HOME.map(|path| home.join(path)));
    here.chain(home).filter(|path| path.is_file()).find(is_ours)
}

/// The config file that the flag or the variable names.
fn named(options: &Options, env: Env<'_>) -> Option<(PathBuf, Origin)> {
    let flag = options.config.as_ref().map(|path| (expand_home(env, path), Origin::Flag("--config")));
    flag.or_else(|| {
        let path = path_variable(env, "DATAMETRICS_CONFIG")?;
        Some((path, Origin::Variable("DATAMETRICS_CONFIG".to_owned())))
    })
}

/// The config file of the user, and the variable that says where it is.
pub(super) fn of_user(env: Env<'_>) -> Option<(PathBuf, Origin)> {
    // The specification says that relative paths are to be ignored:
    // <https://specifications.freedesktop.org/basedir-spec/latest/>
    let xdg = path_variable(env, "XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let xdg = xdg.map(|path| (path, "XDG_CONFIG_HOME"));
    let (folder, variable) = xdg.or_else(|| Some((path_variable(env, "HOME")?.join(".config"), "HOME")))?;
    Some((folder.join("datametrics/config.toml"), Origin::Variable(variable.to_owned())))
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
