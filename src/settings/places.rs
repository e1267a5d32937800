//! Where each key of a config belongs, for messages about keys in the wrong table.

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
        "the command line or a variable: `datametrics --help` names both",
        &["timeout", "retries", "shard", "ping_url", "accept_partial"],
    ),
];

/// Where a key belongs that a table does not have, if anything has it.
pub(super) fn place_of(key: &str) -> Option<&'static str> {
    let place = PLACES.iter().find(|(_, keys)| keys.contains(&key)).map(|(place, _)| *place);
    place.or_else(|| provider::place_of(key))
}
