//! Reading a `[[quote]]` of a definition from TOML.

use super::keys::{flag, integer, missing, one_or_more, optional, path_template, pointer, required, spelling_template};
use super::options::Options;
use super::places::place_of;
use super::read_body::body;
use super::{Endpoint, FieldSpec, Pick, RowsShape, TimeSpec, TimeUnit};
use crate::config::{ConfigError, ConfigValue, Section};
use crate::market::field::{Field, FieldError};
use crate::market::number::Number;
use crate::provider::pointer::Pointer;
use crate::provider::spelling::SymbolPart;
use crate::provider::template::{Template, TemplateKind};
use crate::util::suggest::must_be_one_of;
use jiff::tz::TimeZone;

/// Reads all `[[quote]]` of a definition.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(super) fn endpoints(
    section: &Section<'_>,
    options: &Options<'_>,
    has_own_servers: bool,
) -> Result<Vec<Endpoint>, ConfigError> {
    let list = required(section, "quote").map_err(|_| missing(section, "[[quote]]"))?;
    let endpoints = list
        .list()?
        .iter()
        .map(|value| endpoint(&value.section()?, options, has_own_servers))
        .collect::<Result<Vec<_>, _>>()?;
    if endpoints.is_empty() { Err(missing(section, "[[quote]]")) } else { Ok(endpoints) }
}

fn endpoint(section: &Section<'_>, options: &Options<'_>, has_own_servers: bool) -> Result<Endpoint, ConfigError> {
    let path = required(section, "path")?;
    let join = section.get("join").map_or(Ok(",".to_owned()), |value| value.text().map(str::to_owned))?;
    let endpoint = Endpoint {
        path: path_template(&path, options, TemplateKind::Path)?,
        body: optional(section, "body", |value| body(value, options))?,
        all: optional(section, "all", |value| all_path(value, options))?,
        batch: integer(section, "batch", 0, 1_000_000, 100)?,
        has_own_servers,
        join,
        rows: optional(section, "rows", pointer)?.unwrap_or_default(),
        key: optional(section, "key", pointer)?,
        keys: one_or_more(section, "keys", spelling_template)?,
        ignore_case: flag(section, "ignore_case")?,
        pick: optional(section, "pick", |value| one_of(value, &Pick::ALL))?.unwrap_or_default(),
        error: one_or_more(section, "error", pointer)?,
        row_error: optional(section, "row_error", pointer)?,
        shape: shape(section)?,
        time: time(section)?,
        time_zone: optional(section, "time_zone", time_zone)?.unwrap_or(TimeZone::UTC),
        max_age: optional(section, "max_age", |value| value.positive(1e9))?,
        fields: fields(section)?,
    };
    if endpoint.fields.is_empty() {
        let problem = "has no fields: name one, such as fields = { last = \"/price\" }";
        return Err(ConfigError::invalid(section.origin(), problem));
    }
    if let Some(problem) = ambiguous_pointer(&endpoint) {
        return Err(path.invalid(problem));
    }
    if endpoint.is_document() && (endpoint.key.is_some() || endpoint.has_symbols()) {
        let problem = "document = true is for a reply that is one row: leave it out, or `key` and {symbols}";
        return Err(ConfigError::invalid(section.origin(), problem));
    }
    if endpoint.all.is_some() && (endpoint.body.is_some() || has_own_servers) {
        let problem = "has `all`, which is one path on one server, without a body: leave it out";
        return Err(ConfigError::invalid(section.origin(), problem));
    }
    if endpoint.time.is_none() && endpoint.needs_time() {
        let key = if endpoint.pick == Pick::Now { "pick = \"now\"" } else { "max_age" };
        return Err(ConfigError::invalid(section.origin(), format!("{key} needs the time of a row: add `time`")));
    }
    section.deny_misplaced_keys(place_of)?;
    Ok(endpoint)
}

fn shape(section: &Section<'_>) -> Result<RowsShape, ConfigError> {
    Ok(match (flag(section, "document")?, flag(section, "unwrapped_single")?) {
        (true, _) => RowsShape::Document,
        (false, true) => RowsShape::UnwrappedSingle,
        (false, false) => RowsShape::Rows,
    })
}

/// A pointer with a part of a symbol that a request has several of.
fn ambiguous_pointer(endpoint: &Endpoint) -> Option<String> {
    let is_shared = |part| part != SymbolPart::Whole && endpoint.has(part);
    let is_ambiguous =
        |pointer: &&Pointer| SymbolPart::ALL.into_iter().any(|part| pointer.has(part) && !is_shared(part));
    let pointer = endpoint.pointers().find(is_ambiguous).filter(|_| !endpoint.is_single())?;
    Some(format!(
        "pointer {:?} has a placeholder, but more than one symbol is asked: have the same placeholder in the path",
        pointer.as_str()
    ))
}

fn all_path(value: &ConfigValue<'_>, options: &Options<'_>) -> Result<Template, ConfigError> {
    let path = path_template(value, options, TemplateKind::Path)?;
    if !path.is_without_symbols() {
        return Err(value.invalid("must not have symbols: its reply has all of them"));
    }
    Ok(path)
}

/// The value that a definition names.
fn one_of<T: Copy, const N: usize>(value: &ConfigValue<'_>, all: &[(&'static str, T); N]) -> Result<T, ConfigError> {
    let name = value.text()?;
    let known = all.iter().find(|(known, _)| *known == name).map(|(_, known)| *known);
    known.ok_or_else(|| value.invalid(must_be_one_of(name, &all.map(|(known, _)| known))))
}

/// A time zone: its rules as POSIX writes them, or its name in the zone files of the machine.
fn time_zone(value: &ConfigValue<'_>) -> Result<TimeZone, ConfigError> {
    let text = value.text()?;
    let known = TimeZone::posix(text).or_else(|_| TimeZone::get(text));
    known.map_err(|_| {
        value.invalid(
            "is no time zone that this machine has files of: write its rules, such as \"CET-1CEST,M3.5.0,M10.5.0/3\"",
        )
    })
}

fn time(section: &Section<'_>) -> Result<Option<TimeSpec>, ConfigError> {
    if section.get("time").is_none() {
        return Ok(None);
    }
    let section = section.section("time")?;
    let unit = required(&section, "unit")?;
    let time = TimeSpec { pointers: one_or_more(&section, "at", pointer)?, unit: one_of(&unit, &TimeUnit::ALL)? };
    if time.pointers.is_empty() {
        return Err(missing(&section, "at"));
    }
    section.deny_misplaced_keys(place_of)?;
    Ok(Some(time))
}

fn fields(section: &Section<'_>) -> Result<Vec<FieldSpec>, ConfigError> {
    section.section("fields")?.entries().into_iter().map(|(name, value)| field_spec(&name, &value)).collect()
}

fn field(name: &str, value: &ConfigValue<'_>) -> Result<Field, ConfigError> {
    name.parse().map_err(|error: FieldError| value.invalid(error.to_string()))
}

fn field_spec(name: &str, value: &ConfigValue<'_>) -> Result<FieldSpec, ConfigError> {
    let field = field(name, value)?;
    if !value.is_section() {
        let pointers: Vec<Pointer> = value.one_or_more().iter().map(pointer).collect::<Result<_, _>>()?;
        if pointers.is_empty() {
            return Err(value.invalid("has no pointer: give one, such as \"/price\""));
        }
        return Ok(FieldSpec::new(field, pointers));
    }
    let section = value.section()?;
    let is_other = |(key, _): &(String, ConfigValue<'_>)| place_of(key).is_none();
    if let Some((key, _)) = section.entries().into_iter().find(is_other).filter(|_| section.get("at").is_none()) {
        let problem = format!("{name}.{key} is two keys in TOML, and a field's name has no dot: write {name}_{key}");
        return Err(value.invalid(problem));
    }
    let plain = FieldSpec::new(field, one_or_more(&section, "at", pointer)?);
    let spec = FieldSpec {
        exponent: integer(&section, "exponent", -30, 30, 0)?,
        price: section.get("price").map_or(Ok(plain.price), |value| value.boolean())?,
        separators: flag(&section, "separators")?,
        hex: flag(&section, "hex")?,
        values: values(&section)?,
        unit: section.get("unit").map_or(Ok(String::new()), |value| value.text().map(str::to_owned))?,
        ..plain
    };
    if spec.pointers.is_empty() {
        return Err(missing(&section, "at"));
    }
    section.deny_misplaced_keys(place_of)?;
    Ok(spec)
}

fn values(section: &Section<'_>) -> Result<Vec<(String, Number)>, ConfigError> {
    let number = |(word, value): (String, ConfigValue<'_>)| {
        let number = Number::from_f64(value.number()?).ok_or_else(|| value.invalid("is out of range"))?;
        Ok((word, number))
    };
    section.section("values")?.entries().into_iter().map(number).collect()
}
