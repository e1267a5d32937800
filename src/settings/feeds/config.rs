//! The feeds of the config file, with their defaults. Only the selected ones are checked in full.

use super::defaults::{CRYPTO, Defaults, OWN, STOCKS, is_own};
use super::run_names::{self, SameName};
use crate::config::{ConfigError, ConfigValue, Origin, Section, key_path};
use crate::market::hours::MarketHours;
use crate::market::spellings::{is_code, old_code};
use crate::metrics::names::NameTemplate;
use crate::provider::Market;
use crate::settings::graphite::{read_interval, read_names};
use crate::settings::places::{is_name, place_of};
use crate::settings::sources::Sources;
use jiff::civil::Date;

/// The configuration of a feed. Its symbols, fields and providers are not checked yet.
pub(in crate::settings) struct FeedConfig<'a> {
    pub(super) name: String,
    pub(super) providers: ValueList<'a>,
    pub(super) symbols: ValueList<'a>,
    pub(super) fields: ValueList<'a>,
    /// The quote of symbols that have none; empty for feeds other than `crypto`.
    pub(super) currency: String,
    pub(super) names: Option<NameTemplate>,
    pub(super) market_hours: MarketHours,
    pub(super) closed: Vec<Date>,
    /// In seconds.
    pub(super) interval: Option<u32>,
}

impl FeedConfig<'_> {
    /// The market whose spellings its symbols have.
    pub(super) fn market(&self) -> Market {
        match self.name.as_str() {
            "crypto" => Market::Crypto,
            "stocks" => Market::Stocks,
            _ => Market::Other,
        }
    }

    /// Whether the feed is one of the user's own, not `crypto` or `stocks`.
    pub(super) fn is_own(&self) -> bool {
        is_own(&self.name)
    }
}

/// A list and its values. The list itself is kept, as the message about an empty list needs its origin.
pub(super) struct ValueList<'a> {
    pub(super) values: Vec<ConfigValue<'a>>,
    pub(super) list: ConfigValue<'a>,
    /// Whether the user wrote it, so that it is not the default.
    pub(super) is_named: bool,
}

impl<'a> ValueList<'a> {
    pub(super) fn read(list: ConfigValue<'a>, is_named: bool) -> Result<Self, ConfigError> {
        Ok(Self { values: list.list()?, list, is_named })
    }

    pub(super) fn empty_error(&self) -> ConfigError {
        self.list.invalid("is empty")
    }
}

/// Reads the configuration of all feeds: `crypto`, `stocks`, then the user's own, sorted by name.
///
/// # Errors
/// The first error in them, with its origin.
pub(in crate::settings) fn read_configs(sources: Sources<'_>) -> Result<Vec<FeedConfig<'_>>, ConfigError> {
    let read = |name: &str, section, defaults| ConfigReader { name, section, sources }.read(defaults);
    let mut configs = vec![
        read("crypto", sources.file.section("crypto")?, &CRYPTO)?,
        read("stocks", sources.file.section("stocks")?, &STOCKS)?,
    ];
    for (name, section) in sources.file.section("feeds")?.sections()? {
        if !is_name(&name) || matches!(name.as_str(), "crypto" | "stocks" | "metrics" | "all") {
            let problem = "a feed's name has letters, digits, _ and - only, and is not crypto, stocks, metrics or all";
            return Err(ConfigError::invalid(section.origin(), problem));
        }
        configs.push(read(&name, section, &OWN)?);
    }
    let names: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
    if let Some(SameName { feed, problem }) = run_names::find_same(&names) {
        let mut sections = sources.file.section("feeds")?.sections()?.into_iter();
        let origin = sections.find(|(name, _)| name == feed).map(|(_, section)| section.origin());
        return Err(ConfigError::invalid(origin.unwrap_or_else(|| Origin::Default("feeds".into())), problem));
    }
    Ok(configs)
}

/// The currency of the feed `crypto`, in which a base without a quote is meant.
///
/// # Errors
/// When it is no code.
pub(in crate::settings) fn read_currency(sources: Sources<'_>) -> Result<String, ConfigError> {
    ConfigReader { name: "crypto", section: sources.file.section("crypto")?, sources }.read_currency()
}

/// Reads the configuration of one feed.
struct ConfigReader<'r, 'a> {
    name: &'r str,
    section: Section<'a>,
    sources: Sources<'a>,
}

impl<'a> ConfigReader<'_, 'a> {
    fn read(&self, defaults: &Defaults) -> Result<FeedConfig<'a>, ConfigError> {
        let is_crypto = self.name == "crypto";
        let providers = self.read_list("providers", defaults.providers)?;
        let symbols = self.read_list("symbols", defaults.symbols)?;
        let fields = self.read_list("fields", defaults.fields)?;
        let currency = if is_crypto { self.read_currency()? } else { String::new() };
        let names = self.setting("names").map(|value| read_names(&value)).transpose()?;
        let interval = self.setting("interval").map(|value| read_interval(&value)).transpose()?;
        let (market_hours, closed) = if is_crypto { (MarketHours::Any, Vec::new()) } else { self.read_hours()? };
        self.section.deny_misplaced_keys(place_of)?;
        let name = self.name.to_owned();
        Ok(FeedConfig { name, providers, symbols, fields, currency, names, market_hours, closed, interval })
    }

    fn read_list(&self, key: &'static str, default: &'static str) -> Result<ValueList<'a>, ConfigError> {
        let in_file = self.section.get(key);
        // Only crypto and stocks have variables. Those of other feeds would be ambiguous, as the names of
        // two feeds may differ only in case.
        let value = if is_own(self.name) { in_file } else { self.variable_or(key, in_file)? };
        let is_named = value.is_some();
        ValueList::read(self.sources.setting_or_default(&self.full_name(key), value, default), is_named)
    }

    fn read_currency(&self) -> Result<String, ConfigError> {
        let value = self.variable_or("currency", self.section.get("currency"))?;
        let value = self.sources.setting_or_default(&self.full_name("currency"), value, "USD");
        let typed = value.text()?.to_uppercase();
        let currency = old_code(&typed).map_or(typed, str::to_owned);
        if !is_code(&currency) {
            return Err(value.invalid(format!("must be the code of one currency, such as USD, not {currency:?}")));
        }
        Ok(currency)
    }

    /// Reads when the feed is due, and the days on which it is not.
    fn read_hours(&self) -> Result<(MarketHours, Vec<Date>), ConfigError> {
        let (name, value) = (self.full_name("market_hours"), self.section.get("market_hours"));
        let hours = self.sources.setting_or_default(&name, value, "any").parse()?;
        let days = self.setting("closed").map_or(Ok(Vec::new()), |value| value.list())?;
        let day = |value: &ConfigValue<'_>| {
            value.text()?.parse().map_err(|_| value.invalid("must be a date such as \"2027-01-05\""))
        };
        Ok((hours, days.iter().map(day).collect::<Result<_, _>>()?))
    }

    /// Records a key that has no default. Returns its value.
    fn setting(&self, key: &'static str) -> Option<ConfigValue<'a>> {
        self.sources.optional_setting(&self.full_name(key), self.section.get(key))
    }

    /// The value of the variable of a key, or else this one.
    fn variable_or(&self, key: &str, in_file: Option<ConfigValue<'a>>) -> Result<Option<ConfigValue<'a>>, ConfigError> {
        let variable = format!("DATAMETRICS_{}_{}", self.name.to_uppercase(), key.to_uppercase());
        self.sources.first_of(None, &variable, in_file)
    }

    fn full_name(&self, key: &str) -> String {
        if is_own(self.name) { key_path(&key_path("feeds", self.name), key) } else { key_path(self.name, key) }
    }
}
