//! Reading the body of a request from TOML.

use super::options::Options;
use crate::config::{ConfigError, ConfigValue};
use crate::provider::body::BodyTemplate;
use serde_json::Value;

/// Reads a table or an array, which is sent as JSON.
///
/// # Errors
/// When it is anything else, or has a value that JSON does not have.
pub(super) fn body(value: &ConfigValue<'_>, options: &Options<'_>) -> Result<BodyTemplate, ConfigError> {
    if value.is_section() || value.elements().is_some() {
        return json(value, options);
    }
    Err(value.invalid("must be a table or an array: it is sent as JSON"))
}

fn json(value: &ConfigValue<'_>, options: &Options<'_>) -> Result<BodyTemplate, ConfigError> {
    if value.is_section() {
        let member = |(name, value): (String, ConfigValue<'_>)| Ok((name, json(&value, options)?));
        return value.section()?.entries().into_iter().map(member).collect::<Result<_, _>>().map(BodyTemplate::Object);
    }
    if let Some(elements) = value.elements() {
        return elements.iter().map(|value| json(value, options)).collect::<Result<_, _>>().map(BodyTemplate::Array);
    }
    let Some(literal) = value.literal() else { return options.body_text(value).map(BodyTemplate::Text) };
    // JSON knows neither `0x1f` nor `+5`.
    let number =
        value.integer(i64::MIN, i64::MAX).map_or_else(|_| literal.replace('_', ""), |number| number.to_string());
    let json: Value = serde_json::from_str(&number).map_err(|_| value.invalid("is no number of JSON"))?;
    Ok(BodyTemplate::Literal(json))
}
