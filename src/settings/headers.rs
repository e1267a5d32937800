//! The headers of a destination.

use super::credentials::permission_warning;
use super::destination_reader::DestinationReader;
use super::mistaken_secret;
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::delivery::graphite::ExtraHeaders;
use crate::provider::{header_without_options, is_harmless_header, may_hold_key, same_header};
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;

/// Headers that a push has of its own.
const RESERVED: [&str; 5] = ["accept-encoding", "content-encoding", "content-type", "host", "proxy-authorization"];

/// The headers of a destination.
#[derive(Default)]
pub(super) struct Headers {
    /// What is sent.
    pub(super) extra: ExtraHeaders,
    /// Where they are set.
    pub(super) origin: Option<Origin>,
    /// Where `Authorization` is set, which stands in the place of user and password.
    pub(super) authorization: Option<Origin>,
    /// Whether a secret is among them that the config file does not hold itself.
    pub(super) has_secret: bool,
    /// The names of headers that may hold a key and are in the config file as they are.
    pub(super) literal_keys: Vec<String>,
}

/// Reads the headers of a destination, and adds warnings about them to `warnings`.
///
/// # Errors
/// When one is no header or is set by this program, or a secret of it is missing.
pub(super) fn read(reader: &DestinationReader<'_, '_>, warnings: &mut Vec<String>) -> Result<Headers, ConfigError> {
    let mut headers = Headers::default();
    let entries = reader.section.section("headers")?.entries();
    record(reader, &entries);
    for (name, value) in entries {
        let template = header_without_options(&name, &value)?;
        check_name(&name, &value, &headers.extra)?;
        let secrets = if reader.needs_secrets {
            reader.sources.secrets_for(&reader.names.of.section(), template.secrets())?
        } else {
            BTreeMap::new()
        };
        let Some(text) = template.header_value(&secrets) else { continue };
        if let Some(problem) = mistaken_secret::of_header(&text) {
            return Err(value.invalid(problem));
        }
        headers.origin.get_or_insert(value.origin());
        if template.is_literal() && may_hold_key(&name) {
            warnings.extend(permission_warning(&value.origin(), "a key", "write {secret:NAME} for it"));
            headers.literal_keys.push(name.clone());
        }
        if name.eq_ignore_ascii_case("authorization") {
            headers.authorization = Some(value.origin());
        }
        headers.has_secret |= !secrets.is_empty();
        headers.extra.secrets.extend(masked(&name, &text, secrets));
        headers.extra.values.push((name, text));
    }
    Ok(headers)
}

fn check_name(name: &str, value: &ConfigValue<'_>, before: &ExtraHeaders) -> Result<(), ConfigError> {
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(value.invalid("is set by datametrics: leave it out"));
    }
    match before.values.iter().find(|(other, _)| name.eq_ignore_ascii_case(other)) {
        Some((other, _)) => Err(value.invalid(same_header(other))),
        None => Ok(()),
    }
}

/// What no message may show of a header. Somebody may have written a key into it as it is.
fn masked(name: &str, text: &Secret, secrets: BTreeMap<String, Secret>) -> Vec<Secret> {
    let mut hidden: Vec<Secret> = secrets.into_values().collect();
    if !is_harmless_header(name) {
        // Of `Bearer TOKEN`, a server may quote the token alone; of `Basic BASE64`, the password in it.
        for word in text.expose().split_ascii_whitespace() {
            if !matches!(word, "Basic" | "Bearer" | "Token") {
                hidden.push(Secret::new(word));
            }
            if let Some((_, password)) = decoded(word).as_deref().and_then(|text| text.split_once(':')) {
                hidden.push(Secret::new(password));
            }
        }
    }
    hidden
}

/// The text in a word of base64.
fn decoded(word: &str) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(word).ok()?).ok()
}

/// Records the headers: their names, and the values that are no secrets.
fn record(reader: &DestinationReader<'_, '_>, entries: &[(String, ConfigValue<'_>)]) {
    let entry = |(name, value): &(String, ConfigValue<'_>)| {
        let value = value.text().ok().filter(|value| is_harmless_header(name) && !value.contains('{'));
        value.map_or_else(|| format!("{name} set"), |value| format!("{name} = {value}"))
    };
    let all = entries.iter().map(entry).collect::<Vec<_>>().join(", ");
    let value = reader.section.get("headers").map(|value| ConfigValue::from_text(all, value.origin()));
    reader.sources.optional_setting(&reader.names.key("headers"), value);
}
