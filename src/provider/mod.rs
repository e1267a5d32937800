//! An API as data: the definition of a provider, and the two pure halves of using it. Symbols become
//! requests ([`Plan::queries`]), and the bytes of a reply become quotes ([`Plan::read`]).
//!
#![doc = include_str!("README.md")]

mod definition;
mod json_walk;
mod layout;
mod pointer;
mod reply;
mod request;
mod rows;
mod template;
pub(crate) mod to_toml;
mod value;

pub(crate) use definition::{Definition, Market, base_url};
pub(crate) use reply::{Reply, ReplyError};
pub(crate) use request::{Plan, Query};

/// The definitions that come with the program: name and TOML text.
const BUILT_IN: [(&str, &str); 14] = [
    ("alpaca", include_str!("builtin/alpaca.toml")),
    ("binance", include_str!("builtin/binance.toml")),
    ("bitfinex", include_str!("builtin/bitfinex.toml")),
    ("bitstamp", include_str!("builtin/bitstamp.toml")),
    ("cnbc", include_str!("builtin/cnbc.toml")),
    ("coinbase", include_str!("builtin/coinbase.toml")),
    ("coingecko", include_str!("builtin/coingecko.toml")),
    ("finnhub", include_str!("builtin/finnhub.toml")),
    ("gemini", include_str!("builtin/gemini.toml")),
    ("kraken", include_str!("builtin/kraken.toml")),
    ("okx", include_str!("builtin/okx.toml")),
    ("tiingo", include_str!("builtin/tiingo.toml")),
    ("twelvedata", include_str!("builtin/twelvedata.toml")),
    ("yahoo", include_str!("builtin/yahoo.toml")),
];

/// The names of the built-in definitions, sorted.
pub(crate) fn built_in_names<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The TOML text of a built-in definition.
pub(crate) fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
