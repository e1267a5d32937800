//! What feeds have where the config file and variables say nothing.

/// The defaults of a feed: lists that are split at commas.
pub(super) struct Defaults {
    pub(super) providers: &'static str,
    pub(super) symbols: &'static str,
    pub(super) fields: &'static str,
}

pub(super) const CRYPTO: Defaults =
    Defaults { providers: "kraken,coinbase", symbols: "BTC/USD,ETH/USD,BAT/USD", fields: "last,high,low,vwap,volume" };
pub(super) const STOCKS: Defaults = Defaults {
    providers: "yahoo,cnbc",
    symbols: "AMZN,NFLX,AAPL",
    fields: "last,high,low,previous_close,change_percent,volume",
};
/// A feed of the user's own has all fields of its providers, and of a provider without symbols its name.
pub(super) const OWN: Defaults = Defaults { providers: "", symbols: "", fields: "" };

/// The symbols of `crypto` and `stocks` where none are named.
pub(crate) fn default_symbols() -> [Vec<&'static str>; 2] {
    [CRYPTO, STOCKS].map(|defaults| defaults.symbols.split(',').collect())
}

/// Whether a feed is one of the user's own, not `crypto` or `stocks`.
pub(super) fn is_own(name: &str) -> bool {
    !matches!(name, "crypto" | "stocks")
}
