//! What the providers of a feed were asked, and what they gave.

use super::error::FetchError;
use super::feed::Feed;
use crate::http::stats::RequestStats;
use crate::market::hours::Closure;
use crate::market::symbol::join_names;
use crate::market::table::Table;
use crate::provider::Definition;
use crate::state::history::RunHistory;
use crate::state::unknown_symbols::SymbolFindings;
use crate::state::{CoolDown, FeedState};
use crate::util::clauses::join_clauses;
use crate::util::group_by::group_by;
use crate::util::hash::hash_of;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What came of one feed.
#[derive(Debug)]
pub(crate) struct FeedReport<'a> {
    /// The feed.
    pub(crate) feed: &'a Feed,
    /// A row for each symbol, a column for each field; after them the age of the quote, where a person is
    /// shown it. Empty once the values have become points.
    pub(crate) rows: Table,
    /// How many symbols were due.
    pub(crate) expected: usize,
    /// The symbols that were due and are missing, as indexes. A symbol is fetched if the first field of
    /// the feed has a value.
    pub(crate) missing: Vec<usize>,
    /// For each field that the user named, the symbols that lack it and have others, in the order of the feed. The
    /// first field is left out: a symbol without it is missing.
    pub(super) lacking: Vec<(&'a str, Vec<usize>)>,
    /// For each symbol the providers that gave its values, as indexes of `providers`. Empty if nobody wants to
    /// know.
    pub(crate) sources: Vec<Vec<usize>>,
    /// One for each provider that was asked, in that order.
    pub(crate) providers: Vec<ProviderReport<'a>>,
    /// Why nobody was asked.
    pub(crate) skipped: Option<SkipReason>,
    /// Whether the program itself failed.
    pub(crate) has_defect: bool,
}

/// Why a feed is not due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// The exchange is closed.
    Closed(Closure),
    /// None of its symbols is in this machine's shard.
    NoSymbol,
    /// Its interval is not over.
    Interval {
        /// For how many seconds more.
        seconds_left: u64,
    },
    /// Its provider must not be asked again yet.
    ProviderRests {
        /// The provider.
        provider: String,
        /// For how many seconds more.
        seconds_left: u64,
    },
}

impl SkipReason {
    /// The provider must rest for so many seconds.
    pub(crate) fn provider_rests(definition: &Definition, seconds_left: u64) -> Self {
        Self::ProviderRests { provider: definition.name.clone(), seconds_left }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closure) => write!(f, "closed ({closure})"),
            Self::NoSymbol => f.write_str("not due: none of its symbols is in this shard"),
            Self::Interval { seconds_left } => write!(f, "not due: its interval lasts another {seconds_left} s"),
            Self::ProviderRests { provider, seconds_left } => {
                write!(f, "not due: {provider} is not to be asked for another {seconds_left} s")
            }
        }
    }
}

/// What one provider was asked for one feed, and what is wrong with its answers.
#[derive(Debug)]
pub(crate) struct ProviderReport<'a> {
    /// The provider.
    pub(crate) definition: &'a Definition,
    /// The names of the keys that it was sent.
    pub(crate) keys: Vec<&'a str>,
    /// Why symbols that it was asked for are missing, in the order of the feed.
    pub(crate) reasons: Vec<MissingReason>,
    /// The fields that it gave of any symbol, as columns of the feed.
    pub(crate) given: Vec<usize>,
    /// Requests that failed, with the symbols they asked for.
    pub(crate) failures: Vec<(FetchError, Vec<usize>)>,
    /// What was learned of symbols that it does not know.
    pub(crate) findings: SymbolFindings,
    /// What the requests came to.
    pub(crate) stats: RequestStats,
    /// For how long the provider asked to be left alone.
    pub(crate) cool_down: Option<CoolDown>,
}

/// Why a provider has no quote of a symbol.
#[derive(Debug)]
pub(crate) struct MissingReason {
    /// The symbol, as an index.
    pub(crate) symbol: usize,
    /// The end of a sentence that begins with the provider.
    pub(crate) text: String,
    /// Whether it seems not to know the symbol, which may have another spelling.
    pub(crate) is_unknown: bool,
}

impl<'a> ProviderReport<'a> {
    /// A provider that is cooling down, and was not asked for these symbols. Its status is still that of
    /// the reply that began it.
    pub(crate) fn cooling_down(definition: &'a Definition, left: (u16, u64), symbols: Vec<usize>) -> Self {
        let (status, seconds_left) = left;
        let stats = RequestStats { worst_status: Some(status), ..RequestStats::default() };
        let failures = vec![(FetchError::CoolingDown { status, seconds_left }, symbols)];
        let (reasons, given, findings) = (Vec::new(), Vec::new(), SymbolFindings::default());
        Self { definition, keys: Vec::new(), reasons, given, failures, findings, stats, cool_down: None }
    }

    /// Why it has no quote of this symbol.
    fn reason_of(&self, symbol: usize) -> Option<&MissingReason> {
        let found = self.reasons.binary_search_by_key(&symbol, |reason| reason.symbol).ok()?;
        Some(&self.reasons[found])
    }
}

/// What is wrong with a feed, a line for each cause.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    /// What is missing, and was not missing in the run before; and requests that failed and were not made
    /// up for.
    pub(crate) errors: Vec<String>,
    /// Providers that failed while others gave everything, and did not fail in the run before.
    pub(crate) warnings: Vec<String>,
    /// What was so in the run before too.
    pub(crate) known: Vec<String>,
}

impl<'a> FeedReport<'a> {
    /// A feed of which these rows were fetched. `None` if no provider was asked.
    pub(crate) fn new(feed: &'a Feed, rows: Option<Table>, providers: Vec<ProviderReport<'a>>) -> Self {
        let rows = rows.unwrap_or_else(|| Table::new(feed.symbols.len(), feed.fields.len()));
        let is_fetched = |symbol| if feed.any_field_counts { rows.has(symbol) } else { rows.row(symbol)[0].is_some() };
        let missing = (0..rows.len()).filter(|symbol| !is_fetched(*symbol)).collect();
        let lacking = if feed.fields_are_named { lacking(feed, &rows) } else { Vec::new() };
        let (expected, sources) = (rows.len(), Vec::new());
        Self { feed, expected, rows, missing, lacking, sources, providers, skipped: None, has_defect: false }
    }

    /// A feed that is not due.
    pub(crate) fn skipped(feed: &'a Feed, reason: SkipReason) -> Self {
        let rows = Table::new(feed.symbols.len(), feed.fields.len());
        let (missing, lacking, sources, providers) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { feed, rows, expected: 0, missing, lacking, sources, providers, skipped: Some(reason), has_defect: false }
    }

    /// A feed of which nothing is known, as the program itself failed.
    pub(crate) fn with_defect(feed: &'a Feed) -> Self {
        Self { has_defect: true, ..Self::new(feed, None, Vec::new()) }
    }

    /// How many symbols were fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.expected - self.missing.len()
    }

    /// The names of the providers that gave the values of a symbol, if they were noted.
    pub(crate) fn sources_of(&self, symbol: usize) -> impl Iterator<Item = &'a str> {
        let sources = self.sources.get(symbol).map(Vec::as_slice).unwrap_or_default();
        sources.iter().map(|index| self.providers[*index].definition.name.as_str())
    }

    /// Whether a limit of the machine kept a request from being sent, and so something is missing.
    pub(crate) fn is_limited(&self, history: &RunHistory<'_>) -> bool {
        let mut failures = self.providers.iter().flat_map(|report| &report.failures);
        failures.any(|(error, _)| error.is_limit()) && !self.is_whole(history)
    }

    /// Whether everything that was asked for is there, from whichever provider.
    pub(crate) fn is_whole(&self, history: &RunHistory<'_>) -> bool {
        self.missing.is_empty()
            && self.lacking.is_empty()
            && self.missing_default_fields(history).is_empty()
            && !self.has_defect
    }

    /// What the next run needs to know of this one.
    pub(crate) fn feed_state(&self, history: &RunHistory<'_>) -> FeedState {
        // The age that a person is shown is no field of the feed.
        let field = |column: &usize| Some(self.feed.fields.get(*column)?.as_str().to_owned());
        let name = |report: &ProviderReport<'_>| report.definition.name.clone();
        let failing = self.providers.iter().filter(|report| !report.failures.is_empty());
        let mut given = BTreeMap::new();
        if !self.feed.fields_are_named {
            let fields = |report: &ProviderReport<'_>| report.given.iter().filter_map(field).collect();
            given.extend(self.providers.iter().map(|report| (name(report), fields(report))));
        }
        let failed = self.failed();
        FeedState {
            missing: self.missing_symbols(history, &failed),
            failed: self.failed_symbols(history, &failed),
            missing_fields: self.missing_fields(history),
            failing: failing.map(name).collect(),
            symbols: if self.feed.fields_are_named { 0 } else { hash_of(&self.feed.symbols) },
            given,
        }
    }

    /// The missing symbols with a reason, of which the next run need not tell again. Those of which only a failed request
    /// was told are left out, unless the requests stop for a while.
    fn missing_symbols(&self, history: &RunHistory<'_>, failed: &FxHashMap<usize, u64>) -> BTreeSet<String> {
        let names = self.missing.iter().map(|symbol| (symbol, self.feed.symbols[*symbol].as_str()));
        let told =
            names.filter(|(symbol, name)| !failed.contains_key(symbol) || history.was_missing(&self.feed.name, name));
        told.map(|(_, name)| name.to_owned()).collect()
    }

    /// The missing symbols of which only a failed request was told, with a hash of who failed and how. The next run tells
    /// of them again if they have another failure or a reason. Where all requests fail, every run tells.
    fn failed_symbols(&self, history: &RunHistory<'_>, failed: &FxHashMap<usize, u64>) -> BTreeMap<String, u64> {
        let names = failed.iter().map(|(symbol, failure)| (self.feed.symbols[*symbol].as_str(), *failure));
        let is_told =
            |(name, failure): &(&str, u64)| self.fetched() > 0 || history.had_failed(&self.feed.name, name, *failure);
        let mut failed = BTreeMap::new();
        failed.extend(names.filter(is_told).map(|(name, failure)| (name.to_owned(), failure)));
        failed
    }

    /// The missing symbols of which all that is known is that requests failed, other than for a pause. Each has a hash of
    /// who failed, and how.
    fn failed(&self) -> FxHashMap<usize, u64> {
        let missing: FxHashSet<usize> = self.missing.iter().copied().collect();
        let unexplained = self.unexplained(|error| !error.is_cool_down());
        let mut failed: FxHashMap<usize, u64> = FxHashMap::default();
        for report in &self.providers {
            for (error, symbols) in report.failures.iter().filter(|(error, _)| !error.is_cool_down()) {
                let failure = hash_of(&(&report.definition.name, error.kind()));
                let is_meant = |symbol: &&usize| unexplained.contains(symbol) && missing.contains(symbol);
                for symbol in symbols.iter().filter(is_meant) {
                    let before = failed.entry(*symbol).or_default();
                    *before = hash_of(&(*before, failure));
                }
            }
        }
        failed
    }

    /// The symbols of which no provider says why they are missing: all that is known is that such a request failed.
    fn unexplained(&self, is_meant: impl Fn(&FetchError) -> bool) -> FxHashSet<usize> {
        let failures = self.providers.iter().flat_map(|report| &report.failures);
        let failed = failures.filter(|(error, _)| is_meant(error)).flat_map(|(_, symbols)| symbols).copied();
        failed.filter(|symbol| self.providers.iter().all(|report| report.reason_of(*symbol).is_none())).collect()
    }

    /// The missing fields as the next run needs them. A run to which nothing came knows of none. Where only the first
    /// field is missing everywhere, nothing is fetched, and the others that are missing are told all the same.
    fn missing_fields(&self, history: &RunHistory<'_>) -> BTreeMap<String, BTreeSet<String>> {
        if self.fetched() == 0 && self.lacking.is_empty() {
            return history.missing_fields(&self.feed.name);
        }
        let name = |symbol: &usize| self.feed.symbols[*symbol].as_str().to_owned();
        let named = self.lacking.iter().map(|(field, symbols)| (*field, symbols.iter().map(name).collect()));
        let default = self.missing_default_fields(history).into_iter().map(|(field, _)| (field, BTreeSet::new()));
        let mut missing = BTreeMap::new();
        missing.extend(named.chain(default).map(|(field, symbols)| (field.to_owned(), symbols)));
        missing
    }

    /// The default fields that no symbol has now, though a provider that has answered gave them to an
    /// earlier run: its API has changed. Each has the name of the provider. What follows from symbols that
    /// are missing altogether is not counted again.
    pub(super) fn missing_default_fields(&self, history: &RunHistory<'_>) -> Vec<(&'a str, &'a str)> {
        if self.feed.fields_are_named || self.fetched() == 0 {
            return Vec::new();
        }
        let feed = self.feed;
        let is_given = |column: &usize| self.providers.iter().any(|report| report.given.contains(column));
        let absent: Vec<usize> = (0..feed.fields.len()).filter(|column| !is_given(column)).collect();
        if absent.is_empty() {
            return Vec::new();
        }
        let symbols = hash_of(&feed.symbols);
        let answered = || self.providers.iter().filter(|report| report.failures.is_empty());
        let lost = |column: usize| {
            let field = feed.fields[column].as_str();
            let gave = |name: &&str| history.gave_field(&feed.name, symbols, name, field);
            Some((field, answered().map(|report| report.definition.name.as_str()).find(gave)?))
        };
        absent.into_iter().filter_map(lost).collect()
    }

    /// What is wrong.
    pub(crate) fn problems(&self, history: &RunHistory<'_>) -> Problems {
        let mut problems = Problems::default();
        self.add_failures(history, &mut problems);
        self.add_missing_symbols(history, &mut problems);
        self.add_missing_fields(history, &mut problems);
        for lines in [&mut problems.errors, &mut problems.warnings, &mut problems.known] {
            for line in lines {
                line.insert_str(0, &format!("{}: ", self.feed.name));
            }
        }
        problems
    }

    /// Requests that failed. Where other providers gave everything, that is a warning. Where the feed has other
    /// symbols, and where a provider cools down, it is told only at first.
    fn add_failures(&self, history: &RunHistory<'_>, problems: &mut Problems) {
        if self.providers.iter().all(|report| report.failures.is_empty()) {
            return;
        }
        let feed = self.feed;
        let missing: FxHashSet<usize> = self.missing.iter().copied().collect();
        let lacking: FxHashSet<usize> = self.lacking.iter().flat_map(|(_, symbols)| symbols).copied().collect();
        let failed = self.failed();
        for report in &self.providers {
            let name = &report.definition.name;
            for (error, symbols) in &report.failures {
                let is_filled_in = !symbols.iter().any(|symbol| missing.contains(symbol) || lacking.contains(symbol));
                let is_told_once = is_filled_in
                    || matches!(error, FetchError::CoolingDown { .. })
                    || (self.fetched() > 0 && !error.is_limit());
                let is_new = |symbol: &usize| {
                    let symbol_name = feed.symbols[*symbol].as_str();
                    let had_failed = |failure: &u64| history.had_failed(&feed.name, symbol_name, *failure);
                    let was_told =
                        history.was_missing(&feed.name, symbol_name) || failed.get(symbol).is_some_and(had_failed);
                    let lacks_anew = |(field, without): &(&str, Vec<usize>)| {
                        without.binary_search(symbol).is_ok() && !history.lacked_field(&feed.name, symbol_name, field)
                    };
                    if missing.contains(symbol) { !was_told } else { self.lacking.iter().any(lacks_anew) }
                };
                let is_known = history.was_failing(&feed.name, name) && !symbols.iter().any(is_new);
                let lines = if is_told_once && is_known {
                    &mut problems.known
                } else if is_filled_in {
                    &mut problems.warnings
                } else {
                    &mut problems.errors
                };
                let said = error.with_advice(report.definition, &report.keys);
                lines.push(format!("{name}: {}: {said}", self.names(symbols)));
            }
        }
    }

    /// Symbols that are missing, unless all that is known is the failure of a request, which is told by itself. Where one
    /// provider does not know a symbol and another one fails, the symbol may be misspelled.
    fn add_missing_symbols(&self, history: &RunHistory<'_>, problems: &mut Problems) {
        let unexplained = self.unexplained(|_| true);
        let is_known = |symbol: &usize| history.was_missing(&self.feed.name, self.feed.symbols[*symbol].as_str());
        let (known, new): (Vec<usize>, Vec<usize>) =
            self.missing.iter().filter(|symbol| !unexplained.contains(symbol)).partition(|symbol| is_known(symbol));
        problems.errors.extend(self.describe_missing(&new));
        problems.known.extend(self.describe_missing(&known));
    }

    /// Fields that fetched symbols lack.
    fn add_missing_fields(&self, history: &RunHistory<'_>, problems: &mut Problems) {
        let feed = self.feed;
        for (field, symbols) in &self.lacking {
            let is_known = |symbol: &usize| history.lacked_field(&feed.name, feed.symbols[*symbol].as_str(), field);
            let (known, new): (Vec<usize>, Vec<usize>) = symbols.iter().copied().partition(is_known);
            for (lines, symbols) in [(&mut problems.errors, new), (&mut problems.known, known)] {
                if !symbols.is_empty() {
                    lines.push(format!("no {field} of {}: no provider gave it", self.names(&symbols)));
                }
            }
        }
        for (field, provider) in self.missing_default_fields(history) {
            let is_known = history.had_lost_field(&feed.name, field);
            let lines = if is_known { &mut problems.known } else { &mut problems.errors };
            lines.push(format!(
                "no {field} of any symbol; earlier runs got it from {provider}: its API may have changed, see \
                 `datametrics providers {provider}`, or name the fields without it"
            ));
        }
    }

    /// A line for each reason why these symbols are missing.
    fn describe_missing(&self, missing: &[usize]) -> Vec<String> {
        let first = &self.feed.fields[0];
        // Of a symbol that has other values, it is the first field that is missing.
        let (without_first, without_quote): (Vec<usize>, Vec<usize>) =
            missing.iter().partition(|symbol| self.rows.has(**symbol));
        let by_reason = |symbols: Vec<usize>| group_by(symbols.into_iter().map(|symbol| (self.reason(symbol), symbol)));
        let describe = |what: &str, symbols| {
            let line = |(reason, symbols): (String, Vec<usize>)| {
                format!("no {what} of {}: {reason}{}", self.names(&symbols), self.look_up(&symbols))
            };
            by_reason(symbols).into_iter().map(line).collect::<Vec<_>>()
        };
        [describe("quote", without_quote), describe(first.as_str(), without_first)].concat()
    }

    /// Why each of the providers that were asked has no quote of a symbol, or not the first field.
    pub(super) fn reason(&self, symbol: usize) -> String {
        let reasons = join_clauses(self.reasons_of(symbol));
        if !reasons.is_empty() {
            reasons
        } else if self.has_defect {
            "no provider was asked, for the defect above".to_owned()
        } else {
            "no provider gave it".to_owned()
        }
    }

    /// What each provider that was asked for a symbol has instead of a quote of it.
    pub(super) fn reasons_of(&self, symbol: usize) -> impl Iterator<Item = String> {
        self.providers
            .iter()
            .filter_map(move |report| Some(format!("{} {}", report.definition.name, report.reason_of(symbol)?.text)))
    }

    /// How the user may find the spelling of symbols that a provider seems not to know, which lists its symbols.
    fn look_up(&self, symbols: &[usize]) -> String {
        let is_listed = |report: &&ProviderReport<'_>| report.definition.symbol_list.is_some();
        let is_unknown = |symbol: usize| {
            move |report: &ProviderReport<'_>| report.reason_of(symbol).is_some_and(|reason| reason.is_unknown)
        };
        // What a shell or this program reads in another way is nothing to be copied.
        let is_plain = |text: &str| {
            !text.starts_with('-') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_^=".contains(&byte))
        };
        let first = symbols.iter().copied().find(|symbol| {
            is_plain(self.feed.symbols[*symbol].base())
                && self.providers.iter().filter(is_listed).any(is_unknown(*symbol))
        });
        first.map_or(String::new(), |symbol| {
            format!("; `datametrics symbols {}` looks it up", self.feed.symbols[symbol].base())
        })
    }

    /// The names of these symbols, for a message.
    fn names(&self, symbols: &[usize]) -> String {
        join_names(symbols.iter().map(|symbol| &self.feed.symbols[*symbol]))
    }
}

/// What the requests to each provider came to, over all feeds, in the order of `definitions`. Providers
/// that were not asked are left out, unless they are cooling down.
pub(crate) fn stats_by_provider<'a>(
    definitions: &'a [Definition],
    feeds: &[FeedReport<'_>],
) -> Vec<(&'a Definition, RequestStats)> {
    let mut sums: FxHashMap<&str, RequestStats> = FxHashMap::default();
    for report in feeds.iter().flat_map(|feed| &feed.providers) {
        sums.entry(&report.definition.name).or_default().add(&report.stats);
    }
    let sum = |definition: &'a Definition| Some((definition, sums.remove(definition.name.as_str())?));
    definitions.iter().filter_map(sum).filter(|(_, sum)| sum.worst_status.is_some()).collect()
}

/// For each field but the first the symbols that lack it and have others.
fn lacking<'a>(feed: &'a Feed, rows: &Table) -> Vec<(&'a str, Vec<usize>)> {
    let is_incomplete = |symbol: &usize| rows.row(*symbol).iter().any(Option::is_none) && rows.has(*symbol);
    let incomplete: Vec<usize> = (0..rows.len()).filter(is_incomplete).collect();
    let lacking = |column: usize| incomplete.iter().copied().filter(move |symbol| rows.row(*symbol)[column].is_none());
    let fields = feed.fields.iter().enumerate().skip(1);
    let fields = fields.map(|(column, field)| (field.as_str(), lacking(column).collect::<Vec<_>>()));
    fields.filter(|(_, symbols)| !symbols.is_empty()).collect()
}
