//! Which config file is read.

use super::sources::{Env, path_variable};
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Document, Origin};
use std::io;
use std::path::{Path, PathBuf};

/// The config file of a run.
pub(super) struct ConfigFile {
    /// Its text; empty if there is none.
    pub(super) document: Document,
    /// Its path, with what named it. `None` if there is no file.
    pub(super) path: Option<ConfigValue<'static>>,
}

/// Reads the config file: the one that is named, else the user's, else the machine's, else none.
pub(super) fn read(options: &Options, env: Env<'_>) -> Result<ConfigFile, ConfigError> {
    let flag = options.config.as_ref().map(|path| (PathBuf::from(path), Origin::Flag("--config")));
    let variable = || {
        let path = path_variable(env, "DATAMETRICS_CONFIG")?;
        Some((path, Origin::Variable("DATAMETRICS_CONFIG".to_owned())))
    };
    if let Some((path, origin)) = flag.or_else(variable) {
        return read_file(&path, origin.clone(), origin);
    }
    let user = path_variable(env, "XDG_CONFIG_HOME").or_else(|| Some(path_variable(env, "HOME")?.join(".config")));
    for folder in user.into_iter().chain([PathBuf::from("/etc")]) {
        let path = folder.join("datametrics/config.toml");
        match read_file(&path, Origin::Default("config file".into()), Origin::Default("--config".into())) {
            Err(ConfigError::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    Ok(ConfigFile { document: Document::new("", ""), path: None })
}

/// Reads a file. `named_by` stands in an error, `origin` in the list of `datametrics check`.
fn read_file(path: &Path, named_by: Origin, origin: Origin) -> Result<ConfigFile, ConfigError> {
    let document = Document::read(path, named_by)?;
    Ok(ConfigFile { document, path: Some(ConfigValue::text_from(path.display().to_string(), origin)) })
}
