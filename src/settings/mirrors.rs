//! The settings of `[mirrors.NAME]`: destinations that get every point too.

use super::destination::DestinationConfig;
use super::destination_reader::{DestinationReader, Names};
use super::places::{is_name, place_of};
use super::sources::Sources;
use crate::config::{ConfigError, Section, key_path};
use crate::delivery::DestinationName;
use std::collections::BTreeMap;

/// Longest name of a mirror, in bytes. It is a part of the name of a file.
const MAX_NAME: usize = 100;

/// Reads all mirrors, and adds warnings about them to `warnings`.
///
/// # Errors
/// The first error in their settings, with its origin.
pub(super) fn read(
    sources: Sources<'_>,
    needs_secrets: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<DestinationConfig>, ConfigError> {
    let mut names_by_variable: BTreeMap<String, String> = BTreeMap::new();
    let mut mirrors = Vec::new();
    for (name, section) in sources.file.section("mirrors")?.sections()? {
        check_name(&name, &section)?;
        let of = DestinationName::Mirror(name.clone());
        let password = of.password_variable();
        if let Some(other) = names_by_variable.insert(password.clone(), name) {
            let problem = format!("has the variable {password} in common with mirrors.{other}: choose another name");
            return Err(ConfigError::setting(section.origin(), problem));
        }
        mirrors.push(read_mirror(of, &section, sources, needs_secrets, warnings)?);
    }
    Ok(mirrors)
}

fn check_name(name: &str, section: &Section<'_>) -> Result<(), ConfigError> {
    if !is_name(name) || name.len() > MAX_NAME {
        let problem = format!("a mirror's name has letters, digits, _ and - only, {MAX_NAME} at most");
        return Err(ConfigError::setting(section.origin(), problem));
    }
    Ok(())
}

fn read_mirror<'a>(
    of: DestinationName,
    section: &Section<'a>,
    sources: Sources<'a>,
    needs_secrets: bool,
    warnings: &mut Vec<String>,
) -> Result<DestinationConfig, ConfigError> {
    let key = |key: &str| key_path(&of.section(), key);
    let names = Names { url: key("url"), user: key("user"), password: of.password_variable(), of };
    let reader = DestinationReader { section, names, sources, needs_secrets };
    let config = reader.read(section.get("url"), section.get("user"), warnings)?;
    section.deny_misplaced_keys(place_of)?;
    if config.destination.is_none() {
        return Err(ConfigError::setting(section.origin(), "has no url, so that no points can go there"));
    }
    Ok(config)
}
