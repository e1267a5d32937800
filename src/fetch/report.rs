//! What the providers of a feed were asked, and what they gave.

use super::error::FetchError;
use super::feed::Feed;
use crate::http::retry::RequestStats;
use crate::market::symbol::join_names;
use crate::market::table::Table;
use crate::provider::Definition;
use crate::util::group_by::group_by;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
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
    /// The symbols that were due and have no value, as indexes.
    pub(crate) missing: Vec<usize>,
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
}

/// What is wrong with a feed, a line for each cause.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problems {
    /// What was not so in the run before.
    pub(crate) new: Vec<String>,
    /// What was so in the run before too.
    pub(crate) known: Vec<String>,
}

impl<'a> FeedReport<'a> {
    /// A feed of which these rows were fetched. `None` if no provider was asked.
    pub(crate) fn new(feed: &'a Feed, rows: Option<Table>, providers: Vec<ProviderReport<'a>>) -> Self {
        let rows = rows.unwrap_or_else(|| Table::new(feed.symbols.len(), feed.fields.len()));
        let missing = (0..rows.len()).filter(|symbol| !rows.has(*symbol)).collect();
        Self { feed, expected: rows.len(), rows, missing, providers, skipped: None, has_defect: false }
    }

    /// A feed that is not due.
    pub(crate) fn skipped(feed: &'a Feed, reason: SkipReason) -> Self {
        let rows = Table::new(feed.symbols.len(), feed.fields.len());
        let (missing, providers) = (Vec::new(), Vec::new());
        Self { feed, rows, expected: 0, missing, providers, skipped: Some(reason), has_defect: false }
    }

    /// A feed of which nothing is known, as the program itself failed.
    pub(crate) fn with_defect(feed: &'a Feed) -> Self {
        Self { has_defect: true, ..Self::new(feed, None, Vec::new()) }
    }

    /// How many symbols have a value.
    pub(crate) fn fetched(&self) -> usize {
        self.expected - self.missing.len()
    }

    /// The symbols that were due and have no value.
    pub(crate) fn missing_symbols(&self) -> BTreeSet<String> {
        self.missing.iter().map(|symbol| self.feed.symbols[*symbol].as_str().to_owned()).collect()
    }

    /// Whether everything that was asked for is there and no provider failed.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing.is_empty()
            && self.providers.iter().all(|report| report.failures.is_empty())
            && self.missing_fields().is_empty()
            && !self.has_defect
    }

    /// For each field that the user named, the symbols that have other fields but not this one.
    fn missing_fields(&self) -> Vec<(&'a str, Vec<usize>)> {
        if !self.feed.fields_are_named {
            return Vec::new();
        }
        let is_partial = |symbol: &usize| self.rows.row(*symbol).iter().any(Option::is_none) && self.rows.has(*symbol);
        let partial: Vec<usize> = (0..self.rows.len()).filter(is_partial).collect();
        let lacks = |column: usize| {
            let lacks = |symbol: &usize| self.rows.row(*symbol)[column].is_none();
            partial.iter().copied().filter(lacks).collect::<Vec<_>>()
        };
        let fields = self.feed.fields.iter().enumerate().map(|(column, field)| (field.as_str(), lacks(column)));
        fields.filter(|(_, symbols)| !symbols.is_empty()).collect()
    }

    /// What is wrong. `was_missing` says whether a symbol was missing in the run before too.
    pub(crate) fn problems(&self, was_missing: &dyn Fn(&str) -> bool) -> Problems {
        let mut lines = Vec::new();
        for report in &self.providers {
            for (failure, symbols) in &report.failures {
                let advice = failure.advice(report.definition);
                lines.push(format!("{}: {}: {failure}{advice}", report.definition.name, self.names(symbols)));
            }
        }
        let failures = self.providers.iter().flat_map(|report| &report.failures);
        let failed: FxHashSet<usize> = failures.flat_map(|(_, symbols)| symbols).copied().collect();
        let is_known = |symbol: &usize| was_missing(self.feed.symbols[*symbol].as_str());
        let (known, new): (Vec<usize>, Vec<usize>) =
            self.missing.iter().filter(|symbol| !failed.contains(symbol)).partition(|symbol| is_known(symbol));
        lines.extend(self.no_quote(&new));
        for (field, symbols) in self.missing_fields() {
            lines.push(format!("no {field} of {}: no provider gave it", self.names(&symbols)));
        }
        let with_feed = |line: String| format!("{}: {line}", self.feed.name);
        Problems {
            new: lines.into_iter().map(with_feed).collect(),
            known: self.no_quote(&known).into_iter().map(with_feed).collect(),
        }
    }

    /// A line for each reason why these symbols have no quote.
    fn no_quote(&self, missing: &[usize]) -> Vec<String> {
        let reason = |symbol: usize| {
            let said = |report: &ProviderReport<'_>| {
                let found = report.missing.binary_search_by_key(&symbol, |(at, _)| *at).ok()?;
                let words = &report.missing[found].1;
                let name = &report.definition.name;
                let is_no_pair = self.feed.symbols[symbol].quote().is_none() && report.definition.needs_pairs();
                Some(match words {
                    Some(words) => format!("{name} says \"{words}\""),
                    None if is_no_pair => format!("{name} takes pairs only, BASE/QUOTE"),
                    None => format!("{name} has none"),
                })
            };
            let mut reason = self.providers.iter().filter_map(said).collect::<Vec<_>>().join(", ");
            if reason.is_empty() {
                reason.push_str("no provider was asked, for the defect above");
            }
            reason
        };
        let line = |(reason, symbols): (String, Vec<usize>)| format!("no quote of {}: {reason}", self.names(&symbols));
        group_by(missing.iter().map(|symbol| (reason(*symbol), *symbol))).into_iter().map(line).collect()
    }

    /// The names of these symbols, for a message.
    fn names(&self, symbols: &[usize]) -> String {
        join_names(symbols.iter().map(|symbol| &self.feed.symbols[*symbol]))
    }
}

/// What the requests to each provider came to, over all feeds, in the order of `definitions`. Providers
/// that were not asked are left out.
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
        if sum.requests > 0 {
            all.push((definition, sum));
        }
    }
    all
}
