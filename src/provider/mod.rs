//! An API as data: the definition of a provider, and the two pure halves of using it, symbols to
//! requests ([`Plan::asks`]) and bytes to quotes ([`Plan::read`]).

mod ask;
mod definition;
mod pointer;
mod reply;
mod template;
mod tree;

pub use ask::{Ask, Plan};
pub use definition::{BadSymbol, Definition, Market, base_url};
pub use reply::{Refusal, Reply};

/// The definitions that come with the program: name and TOML text.
const BUILT_IN: [(&str, &str); 5] = [
    ("alpaca", include_str!("builtin/alpaca.toml")),
    ("coinbase", include_str!("builtin/coinbase.toml")),
    ("finnhub", include_str!("builtin/finnhub.toml")),
    ("kraken", include_str!("builtin/kraken.toml")),
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
