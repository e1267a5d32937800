//! Reads the selected feeds, and checks them.

use super::config::{FeedConfig, ValueList};
use super::names;
use super::shard_filter::{FeedHasher, ShardFilter};
use super::symbol_reader::{Symbols, read_symbols};
use crate::cli::{FeedSelection, Options};
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::market::hours::MarketHours;
use crate::market::shard::Shard;
use crate::market::symbol::Symbol;
use crate::metrics::MetricsConfig;
use crate::metrics::names::NameTemplate;
use crate::provider::{Definition, Market};
use crate::settings::providers::Providers;
use crate::settings::sources::Sources;
use crate::settings::symbols::SymbolOverride;
use crate::util::suggest::did_you_mean;
use rustc_hash::{FxHashMap, FxHashSet};

/// The options of the command line, and their variables, that apply to all selected feeds.
pub(in crate::settings) struct FeedOptions<'a> {
    fields: Option<ConfigValue<'a>>,
    providers: Option<ConfigValue<'a>>,
    market_hours: Option<MarketHours>,
    /// The shard of this machine.
    pub(in crate::settings) shard: Option<Shard>,
}

impl<'a> FeedOptions<'a> {
    /// Reads the options and their variables.
    pub(in crate::settings) fn read(options: &Options, sources: Sources<'a>) -> Result<Self, ConfigError> {
        let option = |flag, value, variable| {
            sources.first_of(Some((flag, value)), variable, None).map(|value| sources.optional_setting(flag, value))
        };
        let fields = option("--fields", &options.fields, "DATAMETRICS_FIELDS")?;
        let providers = option("--provider", &options.provider, "DATAMETRICS_PROVIDER")?;
        let market_hours = option("--market-hours", &options.market_hours, "DATAMETRICS_MARKET_HOURS")?;
        let shard = option("--shard", &options.shard, "DATAMETRICS_SHARD")?;
        let shard = shard.map(|value| value.parse::<Shard>()).transpose()?;
        let market_hours = market_hours.map(|value| value.parse::<MarketHours>()).transpose()?;
        Ok(Self { fields, providers, market_hours, shard })
    }
}

/// Reads the selected feeds.
pub(in crate::settings) struct FeedReader<'r, 'a> {
    pub(in crate::settings) options: FeedOptions<'a>,
    pub(in crate::settings) providers: &'r mut Providers<'a>,
    pub(in crate::settings) metrics: &'r MetricsConfig,
}

impl<'a> FeedReader<'_, 'a> {
    /// Reads the selected feeds, with the symbols of `shard` or with all of them.
    ///
    /// # Errors
    /// When a feed has no symbols, or has an error.
    pub(in crate::settings) fn read(
        &mut self,
        selected: &[FeedConfig<'a>],
        symbols: Option<&SymbolOverride>,
        shard: Option<Shard>,
    ) -> Result<Vec<Feed>, ConfigError> {
        let mut filter = shard.map(ShardFilter::new);
        let mut feeds = self.read_feeds(selected, symbols, filter.as_mut())?;
        if filter.as_mut().is_some_and(ShardFilter::has_suspects) {
            feeds = self.read_feeds(selected, symbols, filter.as_mut())?;
        }
        // Checked with what may clash in all shards, so that two machines never push under the same name.
        names::check(&feeds)?;
        if let Some(shard) = shard {
            keep_shard(shard, &mut feeds, &self.metrics.prefix);
        }
        Ok(feeds)
    }

    fn read_feeds(
        &mut self,
        selected: &[FeedConfig<'a>],
        symbols: Option<&SymbolOverride>,
        mut filter: Option<&mut ShardFilter>,
    ) -> Result<Vec<Feed>, ConfigError> {
        selected.iter().map(|config| self.read_feed(config, symbols, filter.as_deref_mut())).collect()
    }

    fn read_feed(
        &mut self,
        config: &FeedConfig<'a>,
        symbol_override: Option<&SymbolOverride>,
        filter: Option<&mut ShardFilter>,
    ) -> Result<Feed, ConfigError> {
        let providers = self.providers_of(config)?;
        let definitions: Vec<&Definition> = providers.iter().map(|index| &self.providers.definitions[*index]).collect();
        let symbols = self.symbols_of(config, symbol_override, filter, &definitions)?;
        let (fields, fields_are_named) = self.fields_of(config, &definitions)?;
        check_spellings(&symbols, &definitions)
            .map_err(|problem| ConfigError::setting(origin_of_symbols(config, symbol_override), problem))?;
        let names = self.names_of(config);
        let is_stocks = definitions.iter().all(|definition| definition.market == Market::Stocks);
        Ok(Feed {
            affixes: names.affixes(&self.metrics.prefix, &config.name, &symbols),
            state_name: self.options.shard.map_or_else(
                || config.name.clone(),
                |shard| format!("{}.{}", config.name, shard.to_string().replace('/', "-")),
            ),
            name: config.name.clone(),
            symbols,
            units: units(&fields, &definitions),
            fields,
            fields_are_named,
            any_field_counts: config.is_own() && !fields_are_named,
            names: names.clone(),
            providers,
            market_hours: self.options.market_hours.filter(|_| is_stocks).unwrap_or(config.market_hours),
            closed: config.closed.clone(),
            interval: config.interval.unwrap_or(self.metrics.interval),
            due_every: config.interval.filter(|_| symbol_override.is_none()),
        })
    }

    fn names_of<'f>(&'f self, config: &'f FeedConfig<'_>) -> &'f NameTemplate {
        config.names.as_ref().unwrap_or(&self.metrics.names)
    }

    /// The symbols of a feed that `filter` keeps, or all, each once.
    fn symbols_of(
        &self,
        config: &FeedConfig<'_>,
        symbol_override: Option<&SymbolOverride>,
        filter: Option<&mut ShardFilter>,
        definitions: &[&Definition],
    ) -> Result<Vec<Symbol>, ConfigError> {
        let Symbols { kept, count } = match filter {
            None => {
                let max_len = symbol_override.map_or(config.symbols.values.len(), SymbolOverride::max_len);
                read_symbols(config, symbol_override, max_len, |_| true)?
            }
            Some(filter) => {
                let names = self.names_of(config);
                let mut hasher = FeedHasher::new(&config.name, names, &self.metrics.prefix, definitions);
                read_symbols(config, symbol_override, 0, |symbol| filter.keeps(&mut hasher, symbol))?
            }
        };
        if count == 0 {
            let is_named = config.symbols.is_named || symbol_override.is_some();
            let missing = || format!("is missing: name what {} is to be asked for", definitions[0].name);
            let problem = if is_named { "is empty".to_owned() } else { missing() };
            return Err(ConfigError::invalid(origin_of_symbols(config, symbol_override), problem));
        }
        Ok(kept)
    }

    /// The fields of a feed, and whether the user named them.
    fn fields_of(
        &self,
        config: &FeedConfig<'_>,
        definitions: &[&Definition],
    ) -> Result<(Vec<Field>, bool), ConfigError> {
        let of_option = self.options.fields.clone().map(|fields| ValueList::read(fields, true)).transpose()?;
        let list = of_option.as_ref().unwrap_or(&config.fields);
        if config.is_own() && !list.is_named {
            return Ok((all_fields(definitions), false));
        }
        Ok((read_fields(list, definitions)?, list.is_named))
    }

    /// The providers of a feed, each once: those of `--provider` in the market of the feed, or else those of
    /// its configuration.
    fn providers_of(&mut self, config: &FeedConfig<'_>) -> Result<Vec<usize>, ConfigError> {
        let mut providers = match self.options.providers.clone() {
            Some(names) => self.providers_of_market(config, &names)?,
            None => {
                config.providers.values.iter().map(|value| self.providers.index_of(value)).collect::<Result<_, _>>()?
            }
        };
        let mut seen = FxHashSet::default();
        providers.retain(|index| seen.insert(*index));
        if providers.is_empty() { Err(config.providers.empty_error()) } else { Ok(providers) }
    }

    fn providers_of_market(
        &mut self,
        config: &FeedConfig<'_>,
        names: &ConfigValue<'_>,
    ) -> Result<Vec<usize>, ConfigError> {
        let markets = match config.name.as_str() {
            "crypto" => vec![Market::Crypto],
            "stocks" => vec![Market::Stocks],
            _ => config.providers.values.iter().map(|value| self.providers.market(value)).collect::<Result<_, _>>()?,
        };
        let mut providers = Vec::new();
        for value in names.list()? {
            if markets.contains(&self.providers.market(&value)?) {
                providers.push(self.providers.index_of(&value)?);
            }
        }
        if providers.is_empty() {
            let problem = format!(
                "none of these providers is of the market of feed {:?}: `datametrics providers` shows which are",
                config.name
            );
            return Err(names.invalid(problem));
        }
        Ok(providers)
    }
}

/// Gives feeds of the user's own that name no symbols the default one, where all their providers have one.
/// Errors are left to be found when such a feed is read, as it may not be selected.
pub(in crate::settings) fn add_default_symbols<'a>(configs: &mut [FeedConfig<'a>], providers: &Providers<'a>) {
    for config in configs.iter_mut().filter(|config| config.is_own() && !config.symbols.is_named) {
        let definitions: Result<Vec<Definition>, _> =
            config.providers.values.iter().map(|value| providers.definition(value)).collect();
        let symbols = definitions.ok().and_then(|definitions| default_symbols(&definitions));
        let value = |symbol| ConfigValue::from_text(symbol, config.symbols.list.origin());
        config.symbols.values = symbols.into_iter().flatten().map(value).collect();
    }
}

/// The symbols of a feed that names none. `None` if a provider must be asked for something.
fn default_symbols(definitions: &[Definition]) -> Option<Vec<String>> {
    let by_provider: Vec<Vec<&str>> = definitions.iter().map(Definition::default_symbols).collect();
    if by_provider.iter().any(Vec::is_empty) {
        return None;
    }
    Some(by_provider.first()?.iter().map(ToString::to_string).collect())
}

/// Keeps only the symbols of a shard.
fn keep_shard(shard: Shard, feeds: &mut [Feed], prefix: &str) {
    for feed in feeds {
        feed.symbols.retain(|symbol| shard.holds(symbol));
        feed.affixes = feed.names.affixes(prefix, &feed.name, &feed.symbols);
    }
}

/// The selected feeds.
///
/// # Errors
/// When a feed is unknown, or `symbols` are not for one feed.
pub(in crate::settings) fn select<'a>(
    configs: Vec<FeedConfig<'a>>,
    selection: &FeedSelection,
    symbols: Option<&SymbolOverride>,
) -> Result<Vec<FeedConfig<'a>>, ConfigError> {
    let selected = named_feeds(configs, selection)?;
    if let Some(symbols) = symbols
        && !matches!((&selected[..], selection), ([_], FeedSelection::Named(_)))
    {
        let problem = "symbols can be given for one feed only: name it, such as crypto";
        return Err(ConfigError::invalid(symbols.origin.clone(), problem));
    }
    Ok(selected)
}

fn named_feeds<'a>(
    configs: Vec<FeedConfig<'a>>,
    selection: &FeedSelection,
) -> Result<Vec<FeedConfig<'a>>, ConfigError> {
    let FeedSelection::Named(names) = selection else {
        let selected: Vec<_> = configs.into_iter().filter(|config| !config.symbols.values.is_empty()).collect();
        if selected.is_empty() {
            return Err(ConfigError::about("crypto.symbols, stocks.symbols", "no feed has symbols: give one some"));
        }
        return Ok(selected);
    };
    let known: Vec<String> = configs.iter().map(|config| config.name.clone()).collect();
    let mut configs: FxHashMap<String, FeedConfig<'a>> =
        configs.into_iter().map(|config| (config.name.clone(), config)).collect();
    let selected = names.iter().map(|name| {
        configs.remove(name).ok_or_else(|| {
            let suggestion = did_you_mean(name, known.iter().map(String::as_str));
            ConfigError::invalid(Origin::Flag("--feed"), format!("feed {name:?} is not known{suggestion}"))
        })
    });
    selected.collect()
}

fn origin_of_symbols(config: &FeedConfig<'_>, symbol_override: Option<&SymbolOverride>) -> Origin {
    symbol_override.map_or_else(|| config.symbols.list.origin(), |symbols| symbols.origin.clone())
}

/// The fields that any of the providers gives, each once.
fn all_fields(definitions: &[&Definition]) -> Vec<Field> {
    let mut seen = FxHashSet::default();
    let fields = definitions.iter().flat_map(|definition| definition.fields());
    fields.filter(|field| seen.insert(field.clone())).collect()
}

/// The units of these fields, each from the first provider that has one.
fn units(fields: &[Field], definitions: &[&Definition]) -> Vec<(Field, String)> {
    let unit = |field: &Field| definitions.iter().find_map(|definition| definition.unit(field)).map(str::to_owned);
    fields.iter().filter_map(|field| Some((field.clone(), unit(field)?))).collect()
}

/// Checks that every provider can tell the symbols apart. Each of them alone is valid.
fn check_spellings(symbols: &[Symbol], definitions: &[&Definition]) -> Result<(), String> {
    let problem = |definition: &&Definition| {
        let (a, b) = definition.find_ambiguous(symbols)?;
        Some(format!("{a} and {b} are spelled the same for {}: leave one out", definition.name))
    };
    definitions.iter().find_map(problem).map_or(Ok(()), Err)
}

/// Reads the fields of a feed, each once. A default field that no provider gives is left out.
fn read_fields(list: &ValueList<'_>, definitions: &[&Definition]) -> Result<Vec<Field>, ConfigError> {
    let mut fields: Vec<Field> = Vec::with_capacity(list.values.len());
    for value in &list.values {
        let name = value.text()?;
        let field = Field::new(name).filter(|field| definitions.iter().any(|definition| definition.gives(field)));
        match field {
            Some(field) if !fields.contains(&field) => fields.push(field),
            None if list.is_named => return Err(unknown_field(value, name, definitions)),
            Some(_) | None => {}
        }
    }
    match (fields.is_empty(), list.is_named) {
        (false, _) => Ok(fields),
        (true, true) => Err(list.empty_error()),
        (true, false) => {
            Err(list.list.invalid(format!("no default field is given by {}: name some", names(definitions))))
        }
    }
}

fn names(definitions: &[&Definition]) -> String {
    definitions.iter().map(|definition| definition.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn unknown_field(value: &ConfigValue<'_>, name: &str, definitions: &[&Definition]) -> ConfigError {
    let fields: Vec<Field> = definitions.iter().flat_map(|definition| definition.fields()).collect();
    let suggestion = did_you_mean(name, fields.iter().map(Field::as_str));
    value.invalid(format!("field {name:?} is given by none of {}{suggestion}", names(definitions)))
}
