//! Headers that a user writes into the config: their form, and which of them may hold a key.

use super::template::{Template, TemplateKind};
use crate::config::{ConfigError, ConfigValue};

/// Headers of the connection, which none but the HTTP client may set.
const OF_CONNECTION: [&str; 8] =
    ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Checks that this is a header, and not one of the connection.
///
/// # Errors
/// When the name or the value is not fit for one.
pub(crate) fn check_header(name: &str, value: &ConfigValue<'_>) -> Result<(), ConfigError> {
    let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
    if !is_name || value.text()?.chars().any(char::is_control) {
        return Err(value.invalid("is no header: a name has letters, digits and -, a value no line break"));
    }
    if OF_CONNECTION.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(value.invalid("belongs to the connection: leave it out"));
    }
    Ok(())
}

/// The error for a header whose name is there in other letters.
pub(crate) fn same_header(other: &str) -> String {
    format!("is the same header as {other}: remove one")
}

/// Reads a header that is part of no definition, so that it may have secrets and no options.
///
/// # Errors
/// When the name or the value is not fit for a header.
pub(crate) fn header_without_options(name: &str, value: &ConfigValue<'_>) -> Result<Template, ConfigError> {
    check_header(name, value)?;
    let template = Template::parse(value.text()?, TemplateKind::Header).map_err(|problem| value.invalid(problem))?;
    match template.options().first() {
        Some(option) => Err(value.invalid(format!("placeholder {{option:{option}}} is for definitions of providers"))),
        None => Ok(template),
    }
}

/// Whether no value of this header is a secret.
pub(crate) fn is_harmless_header(name: &str) -> bool {
    let names = ["accept", "accept-language", "content-type", "origin", "referer", "user-agent", "x-scope-orgid"];
    names.iter().any(|harmless| name.eq_ignore_ascii_case(harmless))
}

/// Whether a value that is written into this header as it is may be a key.
pub(crate) fn may_hold_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "authorization" | "cookie") || name.ends_with("-key")
}
