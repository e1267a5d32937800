//! An API as data: the definition of a provider, and the two pure halves of using it, symbols to
//! requests ([`Plan::asks`]) and bytes to quotes ([`Plan::read`]).
//!
#![doc = include_str!("README.md")]

mod ask;
mod definition;
mod pointer;
mod reply;
mod template;
mod tree;
mod value;

pub use ask::{Ask, Plan};
pub use definition::{BadSymbol, Definition, Market, base_url};
pub use reply::{Refusal, Reply};

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

/// The names of the built-in definitions, in order.
pub fn built_in_names<'a>() -> impl Iterator<Item = &'a str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The TOML text of a built-in definition.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
