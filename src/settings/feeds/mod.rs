//! The feeds of the config file, with their defaults. Only the selected ones are checked in full.

mod names;
mod reader;
mod run_names;
mod shard_filter;

pub(super) use reader::{FeedOptions, FeedReader, add_default_symbols, select};

use super::graphite::{read_interval, read_names};
use super::places::place_of;
use super::sources::Sources;
use crate::config::{ConfigError, ConfigValue, Origin, Section, key_path};
use crate::market::hours::MarketHours;
use crate::market::spellings::{is_code, old_code};
use crate::metrics::names::NameTemplate;
use jiff::civil::Date;
use run_names::SameName;

/// The configuration of a feed. Its symbols, fields and providers are not checked yet.
pub(super) struct FeedConfig<'a> {
    name: String,
    providers: ValueList<'a>,
    symbols: ValueList<'a>,
    symbols_are_named: bool,
    fields: ValueList<'a>,
    /// Whether the user named the fields, so that they are not the defaults.
    fields_are_named: bool,
    /// The quote of symbols that have none; empty for feeds other than `crypto`.
    currency: String,
    names: Option<NameTemplate>,
    market_hours: MarketHours,
    closed: Vec<Date>,
    /// In seconds.
    interval: Option<u32>,
}

impl FeedConfig<'_> {
    /// Whether the feed is one of the user's own, not `crypto` or `stocks`.
    fn is_own(&self) -> bool {
        is_own(&self.name)
    }
}

/// A list and its values. The list itself is kept, as the message about an empty list needs its origin.
struct ValueList<'a> {
    values: Vec<ConfigValue<'a>>,
    list: ConfigValue<'a>,
}

impl<'a> ValueList<'a> {
    fn read(list: ConfigValue<'a>) -> Result<Self, ConfigError> {
        Ok(Self { values: list.list()?, list })
    }

    fn empty_error(&self) -> ConfigError {
        self.list.invalid("is empty")
    }
}

/// The defaults of a feed: lists that are split at commas.
struct Defaults {
    providers: &'static str,
    symbols: &'static str,
    fields: &'static str,
}

const CRYPTO: Defaults =
    Defaults { providers: "kraken,coinbase", symbols: "BTC/USD,ETH/USD,BAT/USD", fields: "last,high,low,vwap,volume" };
const STOCKS: Defaults = Defaults {
    providers: "yahoo,cnbc",
    symbols: "AMZN,NFLX,AAPL",
    fields: "last,high,low,previous_close,change_percent,volume",
};
/// A feed of the user's own has all fields of its providers, and of a provider without symbols its name.
const OWN: Defaults = Defaults { providers: "", symbols: "", fields: "" };

/// The symbols of `crypto` and `stocks` where none are named.
pub(crate) fn default_symbols() -> [Vec<&'static str>; 2] {
    [CRYPTO, STOCKS].map(|defaults| defaults.symbols.split(',').collect())
}

fn is_own(name: &str) -> bool {
    !matches!(name, "crypto" | "stocks")
}

/// Reads the configuration of all feeds: `crypto`, `stocks`, then the user's own, sorted by name.
///
/// # Errors
/// The first error in them, with its origin.
pub(super) fn read_configs(sources: Sources<'_>) -> Result<Vec<FeedConfig<'_>>, ConfigError> {
    let mut configs = vec![
        read_config("crypto", &sources.file.section("crypto")?, sources, &CRYPTO)?,
        read_config("stocks", &sources.file.section("stocks")?, sources, &STOCKS)?,
    ];
    for (name, section) in sources.file.section("feeds")?.sections()? {
        let is_taken = matches!(name.as_str(), "crypto" | "stocks" | "metrics" | "all");
        if is_taken || name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            let problem = "a feed's name has letters, digits, _ and - only, and is not crypto, stocks, metrics or all";
            return Err(ConfigError::invalid(section.origin(), problem));
        }
        configs.push(read_config(&name, &section, sources, &OWN)?);
    }
    let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
    if let Some(SameName { feed, problem }) = run_names::find_same(&names) {
        let mut sections = sources.file.section("feeds")?.sections()?.into_iter();
        let origin = sections.find(|(name, _)| name == feed).map(|(_, section)| section.origin());
        return Err(ConfigError::invalid(origin.unwrap_or_else(|| Origin::Default("feeds".into())), problem));
    }
    Ok(configs)
}

fn read_config<'a>(
    name: &str,
    section: &Section<'a>,
    sources: Sources<'a>,
    defaults: &Defaults,
) -> Result<FeedConfig<'a>, ConfigError> {
    let path = if is_own(name) { key_path("feeds", name) } else { name.to_owned() };
    let variable = |key: &str| format!("DATAMETRICS_{}_{key}", name.to_uppercase());
    let list = |key: &'static str, default: &'static str| -> Result<(ValueList<'a>, bool), ConfigError> {
        let in_file = section.get(key);
        // Only crypto and stocks have variables. Those of other feeds would be ambiguous, as the names of
        // two feeds may differ only in case.
        let value =
            if is_own(name) { in_file } else { sources.first_of(None, &variable(&key.to_uppercase()), in_file)? };
        let is_named = value.is_some();
        Ok((ValueList::read(sources.setting_or_default(&key_path(&path, key), value, default))?, is_named))
    };
    let (providers, _) = list("providers", defaults.providers)?;
    let (symbols, symbols_are_named) = list("symbols", defaults.symbols)?;
    let (fields, fields_are_named) = list("fields", defaults.fields)?;
    let mut currency = String::new();
    if name == "crypto" {
        let value = sources.first_of(None, &variable("CURRENCY"), section.get("currency"))?;
        let value = sources.setting_or_default("crypto.currency", value, "USD");
        currency = value.text()?.to_uppercase();
        if let Some(code) = old_code(&currency) {
            code.clone_into(&mut currency);
        }
        if !is_code(&currency) {
            return Err(value.invalid(format!("must be the code of one currency, such as USD, not {currency:?}")));
        }
    }
    let names = sources.optional_setting(&key_path(&path, "names"), section.get("names"));
    let names = names.map(|value| read_names(&value)).transpose()?;
    let interval = sources.optional_setting(&key_path(&path, "interval"), section.get("interval"));
    let interval = interval.map(|value| read_interval(&value)).transpose()?;
    let (mut market_hours, mut closed) = (MarketHours::Any, Vec::new());
    if name != "crypto" {
        market_hours =
            sources.setting_or_default(&key_path(&path, "market_hours"), section.get("market_hours"), "any").parse()?;
        let days = sources.optional_setting(&key_path(&path, "closed"), section.get("closed"));
        let days = days.map_or(Ok(Vec::new()), |value| value.list())?;
        closed = days.iter().map(read_day).collect::<Result<_, _>>()?;
    }
    // A `symbol` in a feed is a misspelled `symbols`.
    section.deny_misplaced_keys(|key| place_of(key).filter(|_| key != "symbol"))?;
    let name = name.to_owned();
    Ok(FeedConfig {
        name,
        providers,
        symbols,
        symbols_are_named,
        fields,
        fields_are_named,
        currency,
        names,
        market_hours,
        closed,
        interval,
    })
}

fn read_day(value: &ConfigValue<'_>) -> Result<Date, ConfigError> {
    value.text()?.parse().map_err(|_| value.invalid("must be a date such as \"2027-01-05\""))
}
