//! Where each key of a definition belongs, for messages about keys in the wrong table.

const PLACES: [(&str, &[&str]); 5] = [
    (
        "[providers.NAME]",
        &[
            "market",
            "base_url",
            "docs",
            "terms",
            "limits",
            "covers",
            "limit",
            "remaining",
            "options",
            "min_interval",
            "min_interval_per_symbol",
            "per_second",
            "burst",
            "max_concurrency",
            "max_body",
            "headers",
            "allow_plaintext_credentials",
            "symbol",
            "rename",
            "replace",
            "share_class",
            "bad_symbol",
            "change_from",
        ],
    ),
    (
        "[[providers.NAME.quote]]",
        &[
            "path",
            "body",
            "all",
            "batch",
            "join",
            "rows",
            "key",
            "keys",
            "ignore_case",
            "pick",
            "error",
            "row_error",
            "unwrapped_single",
            "document",
            "time",
            "time_zone",
            "max_age",
            "fields",
        ],
    ),
    ("[providers.NAME.symbols]", &["page", "base", "quotes", "only"]),
    (
        "the table of a field, such as last = { at = \"/price\" }",
        &["at", "exponent", "price", "separators", "hex", "values", "unit"],
    ),
    ("[feeds.NAME]", &["providers", "symbols", "names", "interval", "market_hours", "closed"]),
];

/// The table in which a key belongs, if any has it.
pub(crate) fn place_of(key: &str) -> Option<&'static str> {
    PLACES.iter().find(|(_, keys)| keys.contains(&key)).map(|(place, _)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Section};
    use crate::provider::Definition;

    /// The error for a definition with these lines at its beginning, and others in its `[[quote]]`.
    fn error(head: &str, quote: &str) -> String {
        let text = format!("{head}\n[[quote]]\n{quote}\n");
        let document = Document::new("p.toml", text);
        let table = document.parse().unwrap();
        Definition::read("p", &Section::root(&document, &table)).unwrap_err().to_string()
    }

    #[test]
    fn a_key_is_refused_in_every_table_but_its_own() {
        const HEAD: &str = "market = 'other'\nbase_url = 'https://h'";
        const QUOTE: &str = "path = '/'\nfields = { last = '/l' }";
        // A value of the wrong kind is refused where the key is known, before an unknown key is.
        let with = |text: &str, key: &str| format!("{text}\n{key} = 1979-05-27");
        for (place, keys) in PLACES {
            for key in keys.iter().filter(|key| !["market", "base_url", "path", "fields"].contains(key)) {
                let belongs = format!("unknown key here: it belongs in {place}");
                let (in_head, in_quote) = (error(&with(HEAD, key), QUOTE), error(HEAD, &with(QUOTE, key)));
                assert_eq!(in_head.contains(&belongs), place != "[providers.NAME]", "{key}: {in_head}");
                assert_eq!(in_quote.contains(&belongs), !place.contains("quote"), "{key}: {in_quote}");
            }
        }
    }
}
