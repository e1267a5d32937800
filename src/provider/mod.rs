//! Providers: an API as data, and how it is used.
//!
//! A [`Definition`] describes an API. Using it has two halves, both without input or output: a [`Plan`]
//! turns symbols into requests ([`Plan::queries`]) and the bytes of a reply into quotes ([`Plan::read`]).
//!
#![doc = include_str!("README.md")]

mod base_url;
mod body;
mod definition;
mod error_text;
mod found_rows;
mod header;
mod json;
mod layout;
mod pointer;
mod pointer_trie;
mod reply;
mod request;
mod request_values;
mod row_names;
mod row_reader;
mod rows;
mod scan;
mod sketch;
mod spelling;
mod symbol_list;
mod template;
mod testing;
pub(crate) mod to_toml;
mod value;

pub(crate) use base_url::BaseUrl;
#[cfg(any(test, fuzzing))]
pub(crate) use definition::FieldSpec;
pub(crate) use definition::{Definition, Endpoint, Market, SymbolList, base_url, place_of};
pub(crate) use error_text::ErrorText;
pub(crate) use found_rows::FoundRows;
pub(crate) use header::{header_without_options, is_harmless_header, may_hold_key, same_header};
pub(crate) use reply::{Reply, ReplyError};
pub(crate) use request::{Plan, Query, RequestKeys};
pub(crate) use sketch::sketch;
pub(crate) use symbol_list::ListedSymbol;

/// The name and the text of each file `builtin/NAME.toml`.
macro_rules! built_in_definitions {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("builtin/", $name, ".toml")))),*]
    };
}

/// The definitions that come with the program, sorted: name and TOML text.
const BUILT_IN: &[(&str, &str)] = built_in_definitions![
    "alpaca",
    "alphavantage",
    "binance",
    "bitfinex",
    "bitstamp",
    "bitvavo",
    "bybit",
    "cboe",
    "cnbc",
    "coinbase",
    "coingecko",
    "coingecko-ids",
    "finnhub",
    "frankfurter",
    "gemini",
    "kraken",
    "kucoin",
    "nasdaq",
    "okx",
    "tiingo",
    "twelvedata",
    "yahoo",
];

/// The names of the built-in definitions, sorted.
pub(crate) fn built_in_names<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The TOML text of a built-in definition.
pub(crate) fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(built_in, _)| *built_in == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Section};
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_file_of_the_builtin_folder_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/builtin");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap().replace(".toml", "");
        let mut files: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect();
        files.sort_unstable();
        assert_eq!(built_in_names().collect::<Vec<_>>(), files);
    }

    #[test]
    fn every_built_in_definition_is_valid_and_has_docs_terms_and_limits() {
        for (name, text) in BUILT_IN {
            let document = Document::new(*name, *text);
            let table = document.parse().unwrap();
            let definition = Definition::read(name, &Section::root(&document, &table)).unwrap();
            assert!(!definition.terms.is_empty() && !definition.limits.is_empty(), "{name}");
            assert!(text.contains("\ndocs = \"https://"), "{name}");
        }
    }
}
