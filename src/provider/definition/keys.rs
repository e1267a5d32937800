//! Reading single keys, in the forms that several tables of a definition have.

use super::options::{Options, parse_template};
use crate::config::{ConfigError, ConfigValue, Section};
use crate::provider::pointer::Pointer;
use crate::provider::template::{Template, TemplateKind};

pub(super) fn missing(section: &Section<'_>, key: &str) -> ConfigError {
    ConfigError::invalid(section.origin(), format!("{key} is missing"))
}

pub(super) fn required<'a>(section: &Section<'a>, key: &'static str) -> Result<ConfigValue<'a>, ConfigError> {
    section.get(key).ok_or_else(|| missing(section, key))
}

pub(super) fn optional<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&ConfigValue<'_>) -> Result<T, ConfigError>,
) -> Result<Option<T>, ConfigError> {
    section.get(key).map(|value| read(&value)).transpose()
}

/// One value or an array of values; no values if there is no such key.
pub(super) fn one_or_more<T>(
    section: &Section<'_>,
    key: &'static str,
    read: impl Fn(&ConfigValue<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    section.get(key).map_or(Ok(Vec::new()), |value| value.one_or_more().iter().map(read).collect())
}

pub(super) fn integer<T>(
    section: &Section<'_>,
    key: &'static str,
    min: i64,
    max: i64,
    default: T,
) -> Result<T, ConfigError>
where
    T: TryFrom<i64>,
{
    let Some(value) = section.get(key) else { return Ok(default) };
    T::try_from(value.integer(min, max)?).map_err(|_| value.invalid("is out of range"))
}

pub(super) fn flag(section: &Section<'_>, key: &'static str) -> Result<bool, ConfigError> {
    section.get(key).map_or(Ok(false), |value| value.boolean())
}

pub(super) fn pointer(value: &ConfigValue<'_>) -> Result<Pointer, ConfigError> {
    Pointer::parse(value.text()?).map_err(|problem| value.invalid(problem))
}

pub(super) fn spelling_template(value: &ConfigValue<'_>) -> Result<Template, ConfigError> {
    parse_template(value, TemplateKind::Spelling)
}

pub(super) fn path_template(
    value: &ConfigValue<'_>,
    options: &Options<'_>,
    kind: TemplateKind,
) -> Result<Template, ConfigError> {
    if !value.text()?.starts_with('/') {
        return Err(value.invalid("must begin with \"/\""));
    }
    options.template(value, kind)
}
