//! What the providers of a feed were asked, and what they gave.

use super::error::FetchError;
use super::feed::Feed;
use crate::http::stats::RequestStats;
use crate::market::symbol::join_names;
use crate::market::table::Table;
use crate::provider::Definition;
use crate::state::history::RunHistory;
use crate::state::{CoolDown, FeedState};
use crate::util::group_by::group_by;
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What came of one feed.
#[derive(Debug)]
pub(crate) struct FeedReport<'a> {
    /// The feed.
    pub(crate) feed: &'a Feed,
    /// A row for each symbol, a column for each field. Empty once the values have become points.
    pub(crate) rows: Table,
    /// How many symbols were due.
    pub(crate) expected: usize,
    /// The symbols that were due and are missing, as indexes. A symbol is fetched if the first field of
    /// the feed has a value.
    pub(crate) missing: Vec<usize>,
    /// The fields that any symbol has, as columns.
    given: Vec<usize>,
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
    Closed,
    /// None of its symbols is in this machine's shard.
    NoSymbol,
    /// Its provider must not be asked again yet.
    Interval {
        /// The provider.
        provider: String,
        /// For how many seconds more.
        seconds_left: u64,
    },
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the market is closed"),
            Self::NoSymbol => f.write_str("none of its symbols is in this shard"),
            Self::Interval { provider, seconds_left } => {
                write!(f, "{provider} is not to be asked for another {seconds_left} s")
            }
        }
    }
}

/// What one provider was asked for one feed, and what is wrong with its answers.
#[derive(Debug)]
pub(crate) struct ProviderReport<'a> {
    /// The provider.
    pub(crate) definition: &'a Definition,
    /// The symbols that it was asked for and did not quote, in the order of the feed: the index, and
    /// what it said of the symbol.
    pub(crate) missing: Vec<(usize, Option<String>)>,
    /// Requests that failed, with the symbols they asked for.
    pub(crate) failures: Vec<(FetchError, Vec<usize>)>,
    /// What the requests came to.
    pub(crate) stats: RequestStats,
    /// For how long the provider asked to be left alone.
    pub(crate) cool_down: Option<CoolDown>,
}

impl<'a> ProviderReport<'a> {
    /// A provider that is cooling down, and was not asked for these symbols. Its status is still that of
    /// the reply that began it.
    pub(crate) fn cooling_down(definition: &'a Definition, left: (u16, u64), symbols: Vec<usize>) -> Self {
        let (status, seconds_left) = left;
        let stats = RequestStats { worst_status: Some(status), ..RequestStats::default() };
        let failures = vec![(FetchError::CoolingDown { status, seconds_left }, symbols)];
        Self { definition, missing: Vec::new(), failures, stats, cool_down: None }
    }
}

/// What is wrong with a feed, a line for each cause.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems {
    /// What is missing, and was not missing in the run before.
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
        let missing = (0..rows.len()).filter(|symbol| rows.row(*symbol)[0].is_none()).collect();
        let is_given = |column: &usize| rows.iter().any(|row| row[*column].is_some());
        let given = (0..feed.fields.len()).filter(is_given).collect();
        Self { feed, expected: rows.len(), rows, missing, given, providers, skipped: None, has_defect: false }
    }

    /// A feed that is not due.
    pub(crate) fn skipped(feed: &'a Feed, reason: SkipReason) -> Self {
        let rows = Table::new(feed.symbols.len(), feed.fields.len());
        let (missing, given, providers) = (Vec::new(), Vec::new(), Vec::new());
        Self { feed, rows, expected: 0, missing, given, providers, skipped: Some(reason), has_defect: false }
    }

    /// A feed of which nothing is known, as the program itself failed.
    pub(crate) fn with_defect(feed: &'a Feed) -> Self {
        Self { has_defect: true, ..Self::new(feed, None, Vec::new()) }
    }

    /// How many symbols were fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.expected - self.missing.len()
    }

    /// Whether everything that was asked for is there, from whichever provider.
    pub(crate) fn is_whole(&self, history: &RunHistory<'_>) -> bool {
        self.missing.is_empty()
            && self.missing_named_fields().is_empty()
            && self.missing_default_fields(history).is_empty()
            && !self.has_defect
    }

    /// What the next run needs to know of this one.
    pub(crate) fn feed_state(&self, history: &RunHistory<'_>) -> FeedState {
        let field = |column: &usize| self.feed.fields[*column].as_str().to_owned();
        let failing = self.providers.iter().filter(|report| !report.failures.is_empty());
        FeedState {
            missing: self.missing.iter().map(|symbol| self.feed.symbols[*symbol].as_str().to_owned()).collect(),
            missing_fields: self.missing_fields(history),
            failing: failing.map(|report| report.definition.name.clone()).collect(),
            providers: self.feed.provider_names.clone(),
            fields: self.given.iter().map(field).collect(),
        }
    }

    fn missing_fields(&self, history: &RunHistory<'_>) -> BTreeMap<String, BTreeSet<String>> {
        let name = |symbol: usize| self.feed.symbols[symbol].as_str().to_owned();
        let named = self.missing_named_fields().into_iter();
        let named = named.map(|(field, symbols)| (field.to_owned(), symbols.into_iter().map(name).collect()));
        let default = self.missing_default_fields(history).into_iter();
        named.chain(default.map(|field| (field.to_owned(), BTreeSet::new()))).collect()
    }

    /// For each field that the user named, the symbols that lack it and have others. The first field is
    /// left out: a symbol without it is missing.
    fn missing_named_fields(&self) -> Vec<(&'a str, Vec<usize>)> {
        if !self.feed.fields_are_named {
            return Vec::new();
        }
        let is_incomplete =
            |symbol: &usize| self.rows.row(*symbol).iter().any(Option::is_none) && self.rows.has(*symbol);
        let incomplete: Vec<usize> = (0..self.rows.len()).filter(is_incomplete).collect();
        let lacking = |column: usize| {
            let lacks = |symbol: &usize| self.rows.row(*symbol)[column].is_none();
            incomplete.iter().copied().filter(lacks).collect::<Vec<_>>()
        };
        let fields =
            self.feed.fields.iter().enumerate().skip(1).map(|(column, field)| (field.as_str(), lacking(column)));
        fields.filter(|(_, symbols)| !symbols.is_empty()).collect()
    }

    /// The default fields that an earlier run got, and that no symbol has now: the API has changed. What
    /// follows from symbols that are missing altogether is not counted again.
    fn missing_default_fields(&self, history: &RunHistory<'_>) -> Vec<&'a str> {
        if self.feed.fields_are_named || self.fetched() == 0 {
            return Vec::new();
        }
        let feed = self.feed;
        let is_lost = |column: &usize| {
            let field = feed.fields[*column].as_str();
            !self.given.contains(column) && history.gave_field(&feed.name, &feed.provider_names, field)
        };
        (0..feed.fields.len()).filter(is_lost).map(|column| feed.fields[column].as_str()).collect()
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

    /// Requests that failed. Where other providers gave everything, that is a warning, and only at first.
    fn add_failures(&self, history: &RunHistory<'_>, problems: &mut Problems) {
        let lacking = self.missing_named_fields().into_iter().flat_map(|(_, symbols)| symbols);
        let incomplete: FxHashSet<usize> = lacking.chain(self.missing.iter().copied()).collect();
        for report in &self.providers {
            let name = &report.definition.name;
            for (error, symbols) in &report.failures {
                let is_filled_in = !symbols.iter().any(|symbol| incomplete.contains(symbol));
                let is_said_once = is_filled_in || matches!(error, FetchError::CoolingDown { .. });
                let lines = if is_said_once && history.was_failing(&self.feed.name, name) {
                    &mut problems.known
                } else if is_filled_in {
                    &mut problems.warnings
                } else {
                    &mut problems.errors
                };
                lines.push(format!("{name}: {}: {error}{}", self.names(symbols), error.advice(report.definition)));
            }
        }
    }

    /// Symbols that are missing, unless the failure of a request explains it.
    fn add_missing_symbols(&self, history: &RunHistory<'_>, problems: &mut Problems) {
        let failures = self.providers.iter().flat_map(|report| &report.failures);
        let failed: FxHashSet<usize> = failures.flat_map(|(_, symbols)| symbols).copied().collect();
        let is_known = |symbol: &usize| history.was_missing(&self.feed.name, self.feed.symbols[*symbol].as_str());
        let (known, new): (Vec<usize>, Vec<usize>) =
            self.missing.iter().filter(|symbol| !failed.contains(symbol)).partition(|symbol| is_known(symbol));
        problems.errors.extend(self.describe_missing(&new));
        problems.known.extend(self.describe_missing(&known));
    }

    /// Fields that fetched symbols lack.
    fn add_missing_fields(&self, history: &RunHistory<'_>, problems: &mut Problems) {
        let feed = self.feed;
        for (field, symbols) in self.missing_named_fields() {
            let is_known = |symbol: &usize| history.lacked_field(&feed.name, feed.symbols[*symbol].as_str(), field);
            let (known, new): (Vec<usize>, Vec<usize>) = symbols.into_iter().partition(is_known);
            for (lines, symbols) in [(&mut problems.errors, new), (&mut problems.known, known)] {
                if !symbols.is_empty() {
                    lines.push(format!("no {field} of {}: no provider gave it", self.names(&symbols)));
                }
            }
        }
        for field in self.missing_default_fields(history) {
            let is_known = history.had_lost_field(&feed.name, field);
            let lines = if is_known { &mut problems.known } else { &mut problems.errors };
            let providers = feed.provider_names.join(", ");
            lines.push(format!(
                "no {field} of any symbol; earlier runs got it from {providers}: an API may have changed, \
                 `datametrics providers NAME` prints how it is read"
            ));
        }
    }

    /// A line for each reason why these symbols are missing.
    fn describe_missing(&self, missing: &[usize]) -> Vec<String> {
        let first = &self.feed.fields[0];
        // Of a symbol that has other values, it is the first field that is missing.
        let (without_first, without_quote): (Vec<usize>, Vec<usize>) =
            missing.iter().partition(|symbol| self.rows.has(**symbol));
        let mut lines: Vec<String> = group_by(without_quote.iter().map(|symbol| (self.reason(*symbol), *symbol)))
            .into_iter()
            .map(|(reason, symbols)| format!("no quote of {}: {reason}", self.names(&symbols)))
            .collect();
        if !without_first.is_empty() {
            lines.push(format!("no {first} of {}: no provider gave it", self.names(&without_first)));
        }
        lines
    }

    /// What the providers said of a symbol of which none has a value.
    fn reason(&self, symbol: usize) -> String {
        let said = |report: &ProviderReport<'_>| {
            let found = report.missing.binary_search_by_key(&symbol, |(missing, _)| *missing).ok()?;
            let words = &report.missing[found].1;
            let name = &report.definition.name;
            let is_no_pair = self.feed.symbols[symbol].quote().is_none() && report.definition.needs_pairs();
            Some(match words {
                Some(words) => format!("{name} says \"{words}\""),
                None if is_no_pair => format!("{name} takes pairs only, BASE/QUOTE"),
                None => format!("{name} has none"),
            })
        };
        let reasons = self.providers.iter().filter_map(said).collect::<Vec<_>>().join(", ");
        if reasons.is_empty() { "no provider was asked, for the defect above".to_owned() } else { reasons }
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
    let mut all = Vec::new();
    for definition in definitions {
        let mut sum = RequestStats::default();
        for report in feeds.iter().flat_map(|feed| &feed.providers) {
            if report.definition.name == definition.name {
                sum.add(&report.stats);
            }
        }
        if sum.worst_status.is_some() {
            all.push((definition, sum));
        }
    }
    all
}
