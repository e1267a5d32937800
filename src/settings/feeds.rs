//! What to watch: the feeds of the config and the defaults, checked for those that run.

use super::graphite::{Graphite, read_names};
use super::providers::Providers;
use super::sources::Sources;
use crate::cli::{Options, Wanted};
use crate::distinct::{all_differ, hash};
use crate::given::{ConfigError, Given, Origin, Section};
use crate::market_hours::MarketHours;
use crate::point::{Names, Stems};
use crate::provider::{Definition, Market};
use crate::quote::Field;
use crate::shard::Shard;
use crate::suggest::did_you_mean;
use crate::symbol::{Symbol, SymbolError};
use jiff::civil::Date;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// What to watch.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Its name, the first node of its metrics.
    pub name: String,
    /// What is watched, each once; nothing where none is in this machine's shard.
    pub symbols: Vec<Symbol>,
    /// What of it.
    pub fields: Vec<Field>,
    /// Whether somebody named the fields, so that one that is missing is to be said.
    pub fields_are_named: bool,
    /// Who is asked: indexes of definitions, in order of preference.
    pub providers: Vec<usize>,
    /// How its metrics are named.
    pub names: Names,
    /// The names of the metrics of each of these symbols, but for the field.
    pub stems: Stems,
    /// When it is due.
    pub market_hours: MarketHours,
    /// Days on which the exchange is closed beside its holidays.
    pub closed: Vec<Date>,
}

/// A feed as it is configured, not yet checked.
pub(super) struct Draft<'a> {
    name: String,
    providers: List<'a>,
    symbols: Watched<'a>,
    fields: List<'a>,
    fields_are_named: bool,
    currency: String,
    names: Option<Names>,
    market_hours: MarketHours,
    closed: Vec<Date>,
}

/// Several values, and where they were given: that is said when there is none.
struct List<'a> {
    values: Vec<Given<'a>>,
    origin: Origin,
}

impl<'a> List<'a> {
    fn read(given: &Given<'a>) -> Result<Self, ConfigError> {
        Ok(Self { values: given.list()?, origin: given.origin() })
    }

    fn missing(&self) -> ConfigError {
        ConfigError::invalid(self.origin.clone(), "is empty")
    }
}

/// The symbols of a run that names its own: where they were given, and the texts.
pub(super) type Override<'a> = Option<(Origin, Vec<Cow<'a, str>>)>;

/// The symbols of a feed, as they were given.
enum Watched<'a> {
    Configured(List<'a>),
    /// By the run, instead of those.
    Named(Origin, Vec<Cow<'a, str>>),
}

impl Watched<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Configured(list) => list.values.len(),
            Self::Named(_, texts) => texts.len(),
        }
    }

    fn origin(&self) -> &Origin {
        match self {
            Self::Configured(List { origin, .. }) | Self::Named(origin, _) => origin,
        }
    }

    /// Takes each text; what is wrong with one is said with its place.
    fn each(&self, mut take: impl FnMut(&str) -> Result<(), SymbolError>) -> Result<(), ConfigError> {
        match self {
            Self::Configured(list) => list
                .values
                .iter()
                .try_for_each(|given| take(given.text()?).map_err(|problem| given.bad(problem.to_string()))),
            Self::Named(origin, texts) => texts.iter().try_for_each(|text| {
                take(text).map_err(|problem| ConfigError::invalid(origin.clone(), problem.to_string()))
            }),
        }
    }
}

struct Defaults {
    providers: &'static str,
    symbols: &'static str,
    fields: &'static str,
}

const CRYPTO: Defaults =
    Defaults { providers: "kraken,coinbase", symbols: "BTC/USD,ETH/USD,BAT/USD", fields: "last,high,low,vwap,volume" };
const STOCKS: Defaults = Defaults {
    providers: "yahoo",
    symbols: "AMZN,NFLX,AAPL",
    fields: "last,high,low,previous_close,change_percent,volume",
};
const OWN: Defaults = Defaults { providers: "", symbols: "", fields: "last" };

/// Reads all feeds: crypto, stocks, then the config's own by name.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub(super) fn drafts(sources: Sources<'_>) -> Result<Vec<Draft<'_>>, ConfigError> {
    let mut drafts = vec![
        draft("crypto", &sources.file.section("crypto")?, sources, &CRYPTO)?,
        draft("stocks", &sources.file.section("stocks")?, sources, &STOCKS)?,
    ];
    for (name, section) in sources.file.section("feeds")?.sections()? {
        let taken = matches!(name.as_str(), "crypto" | "stocks" | "metrics" | "all");
        if taken || name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            let problem = "a feed's name has letters, digits, _ and - only, and is not crypto, stocks, metrics or all";
            return Err(ConfigError::invalid(section.origin(), problem));
        }
        drafts.push(draft(&name, &section, sources, &OWN)?);
    }
    Ok(drafts)
}

fn draft<'a>(
    name: &str,
    section: &Section<'a>,
    sources: Sources<'a>,
    defaults: &Defaults,
) -> Result<Draft<'a>, ConfigError> {
    let own = !matches!(name, "crypto" | "stocks");
    let variable = |key: &str| format!("DATAMETRICS_{}_{key}", name.to_uppercase());
    let path = if own { format!("feeds.{name}") } else { name.to_owned() };
    let list = |key: &'static str, default: &str| -> Result<(List<'a>, bool), ConfigError> {
        let file = section.get(key);
        let given = if own { file } else { sources.first(None, &variable(&key.to_uppercase()), file)? };
        let named = given.is_some();
        Ok((List::read(&sources.setting(&format!("{path}.{key}"), given, default))?, named))
    };
    let (providers, _) = list("providers", defaults.providers)?;
    let (symbols, _) = list("symbols", defaults.symbols)?;
    let (fields, fields_are_named) = list("fields", defaults.fields)?;
    let mut currency = String::new();
    if name == "crypto" {
        let given = sources.first(None, &variable("CURRENCY"), section.get("currency"))?;
        currency = sources.setting("crypto.currency", given, "USD").text()?.to_uppercase();
    }
    let names = sources.optional(&format!("{path}.names"), section.get("names"));
    let names = names.map(|given| read_names(&given)).transpose()?;
    let (mut market_hours, mut closed) = (MarketHours::Any, Vec::new());
    if name != "crypto" {
        market_hours = sources.setting(&format!("{path}.market_hours"), section.get("market_hours"), "any").parse()?;
        let days = sources.optional(&format!("{path}.closed"), section.get("closed"));
        let days = days.map_or(Ok(Vec::new()), |given| given.list())?;
        closed = days.iter().map(day).collect::<Result<_, _>>()?;
    }
    section.finish()?;
    let (name, symbols) = (name.to_owned(), Watched::Configured(symbols));
    Ok(Draft { name, providers, symbols, fields, fields_are_named, currency, names, market_hours, closed })
}

fn day(given: &Given<'_>) -> Result<Date, ConfigError> {
    given.text()?.parse().map_err(|_| given.bad("must be a date such as \"2027-01-05\""))
}

/// The feeds that run, checked, with their whole lists, and this machine's shard.
///
/// # Errors
/// When a feed is not known or has nothing to watch, or something of it is wrong.
pub(super) fn running<'a>(
    drafts: Vec<Draft<'a>>,
    wanted: &Wanted,
    options: &Options,
    symbols: Override<'a>,
    sources: Sources<'a>,
    providers: &mut Providers<'_>,
    graphite: &Graphite,
) -> Result<(Vec<Feed>, Option<Shard>), ConfigError> {
    let mut chosen = choose(drafts, wanted)?;
    if let Some((origin, texts)) = symbols {
        let ([draft], Wanted::Named(_)) = (&mut chosen[..], wanted) else {
            return Err(ConfigError::invalid(
                origin,
                "symbols can be given for one feed only: name it, such as crypto",
            ));
        };
        draft.symbols = Watched::Named(origin, texts);
    }
    let option = |flag, value, variable| {
        sources.first(Some((flag, value)), variable, None).map(|given| sources.optional(flag, given))
    };
    let fields = option("--fields", &options.fields, "DATAMETRICS_FIELDS")?;
    let asked = option("--provider", &options.provider, "DATAMETRICS_PROVIDER")?;
    let hours = option("--market-hours", &options.market_hours, "DATAMETRICS_MARKET_HOURS")?;
    let shard = option("--shard", &options.shard, "DATAMETRICS_SHARD")?;
    let shard = shard.map(|given| given.parse::<Shard>()).transpose()?;
    let hours_are_named = hours.map(|given| given.parse::<MarketHours>()).transpose()?;
    let mut feeds = Vec::with_capacity(chosen.len());
    for mut draft in chosen {
        if let Some(fields) = &fields {
            (draft.fields, draft.fields_are_named) = (List::read(fields)?, true);
        }
        let mut feed = feed(draft, asked.as_ref(), providers, graphite)?;
        let is_stocks = |at: &usize| providers.definitions[*at].market == Market::Stocks;
        if let Some(hours) = hours_are_named.filter(|_| feed.providers.iter().all(is_stocks)) {
            feed.market_hours = hours;
        }
        feeds.push(feed);
    }
    // Of the whole list, so that no other machine pushes under a name of this one either.
    check_names(&feeds)?;
    Ok((feeds, shard))
}

/// Leaves the symbols of this machine's shard.
pub(super) fn keep(shard: Shard, feeds: &mut [Feed], prefix: &str) {
    for feed in feeds {
        feed.symbols.retain(|symbol| shard.holds(symbol));
        feed.stems = feed.names.stems(prefix, &feed.name, &feed.symbols);
    }
}

fn choose<'a>(drafts: Vec<Draft<'a>>, wanted: &Wanted) -> Result<Vec<Draft<'a>>, ConfigError> {
    let Wanted::Named(names) = wanted else {
        let chosen: Vec<_> = drafts.into_iter().filter(|draft| draft.symbols.len() > 0).collect();
        if chosen.is_empty() {
            let origin = Origin::Default("crypto.symbols, stocks.symbols".into());
            return Err(ConfigError::invalid(origin, "no feed has symbols: give one some"));
        }
        return Ok(chosen);
    };
    let known: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let mut drafts: FxHashMap<String, Draft<'a>> =
        drafts.into_iter().map(|draft| (draft.name.clone(), draft)).collect();
    let chosen = names.iter().map(|name| {
        drafts.remove(name).ok_or_else(|| {
            let near = did_you_mean(name, known.iter().map(String::as_str));
            ConfigError::invalid(Origin::Flag("--feed"), format!("feed {name:?} is not known{near}"))
        })
    });
    chosen.collect()
}

fn feed(
    draft: Draft<'_>,
    asked: Option<&Given<'_>>,
    providers: &mut Providers<'_>,
    graphite: &Graphite,
) -> Result<Feed, ConfigError> {
    let symbols = read_symbols(&draft)?;
    if symbols.is_empty() {
        return Err(ConfigError::invalid(draft.symbols.origin().clone(), "is empty"));
    }
    let mut chosen = match asked {
        Some(asked) => of_market(&draft, asked, providers)?,
        None => draft.providers.values.iter().map(|given| providers.named(given)).collect::<Result<Vec<_>, _>>()?,
    };
    let mut seen = FxHashSet::default();
    chosen.retain(|at| seen.insert(*at));
    if chosen.is_empty() {
        return Err(draft.providers.missing());
    }
    let definitions: Vec<&Definition> = chosen.iter().map(|at| &providers.definitions[*at]).collect();
    let fields = read_fields(&draft, &definitions)?;
    for definition in definitions {
        if let Some((a, b)) = definition.confused(&symbols) {
            let problem = format!("{a} and {b} are spelled the same for {}: leave one out", definition.name);
            // It is not the argument that is wrong, but what the definition makes of it.
            let origin = match draft.symbols.origin() {
                Origin::Flag(_) => Origin::Default(format!("{}.symbols", draft.name).into()),
                origin => origin.clone(),
            };
            return Err(ConfigError::invalid(origin, problem));
        }
    }
    let names = draft.names.unwrap_or_else(|| graphite.names.clone());
    Ok(Feed {
        stems: names.stems(&graphite.prefix, &draft.name, &symbols),
        name: draft.name,
        symbols,
        fields,
        fields_are_named: draft.fields_are_named,
        providers: chosen,
        names,
        market_hours: draft.market_hours,
        closed: draft.closed,
    })
}

/// Those of the providers asked for that are of the feed's market.
fn of_market(draft: &Draft<'_>, asked: &Given<'_>, providers: &mut Providers<'_>) -> Result<Vec<usize>, ConfigError> {
    let markets = match draft.name.as_str() {
        "crypto" => vec![Market::Crypto],
        "stocks" => vec![Market::Stocks],
        _ => draft.providers.values.iter().map(|given| providers.market(given)).collect::<Result<_, _>>()?,
    };
    let mut chosen = Vec::new();
    for given in asked.list()? {
        if markets.contains(&providers.market(&given)?) {
            chosen.push(providers.named(&given)?);
        }
    }
    if chosen.is_empty() {
        let problem = format!(
            "none of these providers is of the market of feed {:?}: `datametrics providers` shows which are",
            draft.name
        );
        return Err(asked.bad(problem));
    }
    Ok(chosen)
}

fn read_symbols(draft: &Draft<'_>) -> Result<Vec<Symbol>, ConfigError> {
    let is_own = !matches!(draft.name.as_str(), "crypto" | "stocks");
    let mut symbols = Vec::with_capacity(draft.symbols.len());
    let mut text = String::new();
    draft.symbols.each(|given| {
        if is_own {
            symbols.push(Symbol::new(given)?);
            return Ok(());
        }
        text.clear();
        text.push_str(given.trim());
        text.make_ascii_uppercase();
        if !draft.currency.is_empty() && !text.is_empty() && !text.contains('/') {
            text.extend(["/", &draft.currency]);
        }
        symbols.push(Symbol::new(&text)?);
        Ok(())
    })?;
    if !all_differ(symbols.len(), symbols.iter().map(hash)) {
        let mut seen = FxHashSet::default();
        symbols.retain(|symbol| seen.insert(symbol.clone()));
    }
    Ok(symbols)
}

fn read_fields(draft: &Draft<'_>, definitions: &[&Definition]) -> Result<Vec<Field>, ConfigError> {
    let mut fields: Vec<Field> = Vec::with_capacity(draft.fields.values.len());
    for given in &draft.fields.values {
        let name = given.text()?;
        let field = Field::new(name).filter(|field| definitions.iter().any(|definition| definition.gives(field)));
        let Some(field) = field else {
            if !draft.fields_are_named {
                continue;
            }
            let own: Vec<Field> = definitions.iter().flat_map(|definition| definition.fields()).collect();
            let who = definitions.iter().map(|definition| definition.name.as_str()).collect::<Vec<_>>().join(", ");
            let near = did_you_mean(name, own.iter().map(Field::as_str));
            return Err(given.bad(format!("field {name:?} is given by none of {who}{near}")));
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    if fields.is_empty() {
        return Err(draft.fields.missing());
    }
    Ok(fields)
}

/// Whether all points of a run have names of their own, without an empty part in them. Where that
/// does not show, they may be good all the same.
fn have_good_names(feeds: &[Feed]) -> bool {
    // Of the parts of a name, only the quote can be empty.
    let lacks_quote = |feed: &Feed| feed.names.has_quote() && feed.symbols.iter().any(|s| s.quote().is_none());
    if feeds.iter().any(lacks_quote) {
        return false;
    }
    let stems = feeds.iter().flat_map(|feed| (0..feed.symbols.len()).map(|at| feed.stems.of(at)));
    all_differ(feeds.iter().map(|feed| feed.symbols.len()).sum(), stems.map(|stem| hash(&stem)))
}

/// Checks that no two points of a run can have one name, and that every name is one.
fn check_names(feeds: &[Feed]) -> Result<(), ConfigError> {
    /// Stands for any field; no name holds it.
    const ANY: &str = "*";
    if have_good_names(feeds) {
        return Ok(());
    }
    let mut owners: FxHashMap<String, (usize, &Symbol)> = FxHashMap::default();
    // Of names that feeds with other fields share, those beside the first.
    let mut sharers: FxHashMap<String, Vec<(usize, &Symbol)>> = FxHashMap::default();
    for (at, feed) in feeds.iter().enumerate() {
        let bad = |problem| Err(ConfigError::invalid(Origin::Default(format!("{}.names", feed.name).into()), problem));
        for symbol in &feed.symbols {
            let (mut name, mut after) = (String::with_capacity(32), String::new());
            feed.names.around(&mut name, &mut after, &feed.name, symbol);
            name.push_str(ANY);
            name.push_str(&after);
            if name.split('.').any(str::is_empty) {
                return bad(format!(
                    "makes {name} of {symbol}, in which a part is empty: leave {{quote}} out, as the symbol has none"
                ));
            }
            let Some(first) = owners.get(&name) else {
                owners.insert(name, (at, symbol));
                continue;
            };
            let others = sharers.entry(name).or_default();
            let overlaps = |other: usize| feed.fields.iter().any(|field| feeds[other].fields.contains(field));
            let clash = std::iter::once(first).chain(others.iter()).find(|(other, _)| *other == at || overlaps(*other));
            if let Some((_, other)) = clash {
                return bad(format!(
                    "{other} and {symbol} would be pushed under one name: leave one out, or choose other names"
                ));
            }
            others.push((at, symbol));
        }
    }
    Ok(())
}
