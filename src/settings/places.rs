//! The tables of a config: what they may be called, and where each key belongs, for messages about keys in the wrong
//! table.

use crate::config::{ConfigError, Section};
use crate::provider;

const PLACES: [(&str, &[&str]); 10] = [
    ("[graphite], for all destinations", &["prefix", "tags"]),
    ("[graphite] or in a feed", &["interval", "names"]),
    (
        "[graphite] or [mirrors.NAME]",
        &["url", "user", "password", "password_file", "client_cert", "client_key", "linger", "formerly"],
    ),
    ("[graphite], [mirrors.NAME] or [providers.NAME]", &["headers", "allow_plaintext_credentials"]),
    ("[journal]", &["max_bytes"]),
    ("[journal] or [[providers.NAME.quote]]", &["max_age"]),
    ("[crypto], [stocks] or [feeds.NAME]", &["providers", "symbols", "fields"]),
    ("[crypto]", &["currency"]),
    ("[stocks] or [feeds.NAME]", &["market_hours", "closed"]),
    (
        "a flag or a variable: `datametrics --help` names both",
        &["timeout", "retries", "shard", "ping_url", "accept_partial"],
    ),
];

/// Where a key belongs that a table does not have, if anything has it.
pub(super) fn place_of(key: &str) -> Option<&'static str> {
    let place = PLACES.iter().find(|(_, keys)| keys.contains(&key)).map(|(place, _)| *place);
    // Who writes `symbol` means the `symbols` of a feed, or an alert.
    place.or_else(|| provider::place_of(key).filter(|_| key != "symbol"))
}

/// Whether a feed, a mirror or a provider can have this name. It becomes a part of metrics, variables and files.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Refuses a table whose name lacks its last letter. Its feed or provider would be missed before its key is.
///
/// # Errors
/// When there is one.
pub(super) fn deny_singular_tables(file: &Section<'_>) -> Result<(), ConfigError> {
    for (key, value) in file.entries() {
        if matches!(key.as_str(), "feed" | "provider" | "mirror") {
            let name = value.section().ok().and_then(|section| section.entries().into_iter().next());
            let name = name.map_or("NAME".to_owned(), |(name, _)| name);
            return Err(value.invalid(format!("unknown key: write [{key}s.{name}]")));
        }
    }
    Ok(())
}
