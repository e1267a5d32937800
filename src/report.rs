//! What the providers of a feed were asked and gave.

use crate::grouped::grouped;
use crate::http::TransportError;
use crate::provider::{Definition, Refusal};
use crate::quote::Table;
use crate::retry::Tally;
use crate::settings::{Feed, Settings};
use crate::shown::excerpt;
use crate::symbol::listed;
use rustc_hash::FxHashSet;
use std::fmt;

/// What came of one feed.
#[derive(Debug)]
pub struct FeedReport<'a> {
    /// The feed.
    pub feed: &'a Feed,
    /// For each symbol its values, one for each field of the feed; none at all where no provider gave
    /// any. Empty when they have become points.
    pub rows: Table,
    /// How many symbols are due.
    pub expected: usize,
    /// The symbols that are due and have no value.
    pub missing: Vec<usize>,
    /// One for each provider asked, in that order.
    pub providers: Vec<ProviderReport<'a>>,
    /// Why nobody was asked.
    pub rest: Option<Rest>,
    /// Whether the program itself failed.
    pub defect: bool,
}

/// Why a feed is not due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The exchange is closed.
    Closed,
    /// None of its symbols is in this machine's shard.
    NoSymbol,
    /// Its provider is not to be asked again before that many seconds.
    Interval {
        /// The provider.
        provider: String,
        /// Seconds.
        left: u64,
    },
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the market is closed"),
            Self::NoSymbol => f.write_str("none of its symbols is in this shard"),
            Self::Interval { provider, left } => write!(f, "{provider} is not to be asked for another {left} s"),
        }
    }
}

/// What one provider was asked for one feed, and what is wrong with its answers.
#[derive(Debug)]
pub struct ProviderReport<'a> {
    /// The provider.
    pub definition: &'a Definition,
    /// Symbols it was asked and did not quote, in the order of the feed: index, and its words, if it had
    /// any.
    pub missing: Vec<(usize, Option<String>)>,
    /// Requests that failed, with the symbols they asked for.
    pub failures: Vec<(Failure, Vec<usize>)>,
    /// What was asked.
    pub tally: Tally,
}

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No reply.
    Transport(TransportError),
    /// A reply whose status is an error.
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's words, made harmless.
        text: String,
        /// The host it wanted us to go to.
        redirect: Option<String>,
    },
    /// A reply that cannot be used.
    Refusal(Refusal),
    /// The time for fetching was over before it was asked.
    NoTime,
    /// A batch with bad symbols was split as often as is allowed.
    TooManyBad(String),
}

impl Failure {
    /// Whether the next request to the same provider would end the same way, or do harm: an API
    /// that says "too often" bans who goes on.
    pub fn is_general(&self) -> bool {
        match self {
            Self::Transport(error) => !matches!(
                error,
                TransportError::Timeout { .. }
                    | TransportError::Cut(_)
                    | TransportError::TooLong { .. }
                    | TransportError::Crowded { .. }
            ),
            Self::Status { status, .. } => matches!(status, 401 | 403 | 418 | 429 | 451),
            Self::NoTime => true,
            Self::Refusal(_) | Self::TooManyBad(_) => false,
        }
    }

    /// What to do about it, where its own words do not say.
    fn advice(&self, definition: &Definition) -> String {
        let keys = definition.secrets().into_keys().collect::<Vec<_>>().join(" and ");
        match self {
            Self::Transport(TransportError::Timeout { .. } | TransportError::Cut(_))
            | Self::Status { status: 408 | 425 | 500..=599, .. } => "; the next run asks again".to_owned(),
            Self::Status { redirect: Some(_), .. }
            | Self::Refusal(Refusal::Said(_))
            | Self::Transport(_)
            | Self::NoTime
            | Self::TooManyBad(_) => String::new(),
            Self::Status { status: 401 | 403, .. } if keys.is_empty() => {
                "; it refuses this machine: use another provider".to_owned()
            }
            Self::Status { status: 401 | 403, .. } => format!("; check {keys}, and what the plan allows"),
            Self::Status { status: 418 | 429, .. } if definition.limits.is_empty() => "; ask less often".to_owned(),
            Self::Status { status: 418 | 429, .. } => format!("; its limits: {}", definition.limits),
            Self::Status { status: 451, .. } => "; it does not serve this region: use another provider".to_owned(),
            Self::Status { .. } | Self::Refusal(_) => {
                format!("; if it stays, mend what `datametrics providers {}` prints", definition.name)
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Status { status, redirect: Some(host), .. } => {
                write!(f, "HTTP {status} to {host}, which is not followed: is base_url right?")
            }
            Self::Status { status, text, .. } if text.is_empty() => write!(f, "HTTP {status}"),
            Self::Status { status, text, .. } => write!(f, "HTTP {status}: {}", excerpt(text)),
            Self::Refusal(Refusal::Said(text)) => f.write_str(&excerpt(text)),
            Self::Refusal(refusal) => refusal.fmt(f),
            Self::NoTime => f.write_str("no time was left to ask; a longer --timeout gives it some"),
            Self::TooManyBad(text) => {
                write!(f, "too many symbols that it does not know in one batch, take them out: {}", excerpt(text))
            }
        }
    }
}

impl<'a> FeedReport<'a> {
    /// A feed of which these values were fetched, if any were, or which is not due.
    pub fn new(feed: &'a Feed, rows: Option<Table>, providers: Vec<ProviderReport<'a>>, rest: Option<Rest>) -> Self {
        let rows = rows.unwrap_or_else(|| Table::new(feed.symbols.len(), feed.fields.len()));
        let expected = if rest.is_some() { 0 } else { rows.len() };
        let missing = (0..expected).filter(|at| !rows.has(*at)).collect();
        Self { feed, rows, expected, missing, providers, rest, defect: false }
    }

    /// How many symbols have a value.
    pub fn fetched(&self) -> usize {
        self.expected - self.missing.len()
    }

    /// Whether all that was asked for is there and no provider failed.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
            && self.providers.iter().all(|report| report.failures.is_empty())
            && self.missing_fields().is_empty()
            && !self.defect
    }

    /// For each field that somebody named, the symbols that have others but not this one.
    fn missing_fields(&self) -> Vec<(&'a str, Vec<usize>)> {
        if !self.feed.fields_are_named {
            return Vec::new();
        }
        let is_partial = |at: &usize| self.rows.row(*at).iter().any(Option::is_none) && self.rows.has(*at);
        let partial: Vec<usize> = (0..self.rows.len()).filter(is_partial).collect();
        let lacks = |column: usize| {
            let lacks = |at: &usize| self.rows.row(*at)[column].is_none();
            partial.iter().copied().filter(lacks).collect::<Vec<_>>()
        };
        let fields = self.feed.fields.iter().enumerate().map(|(column, field)| (field.as_str(), lacks(column)));
        fields.filter(|(_, symbols)| !symbols.is_empty()).collect()
    }

    /// What a person must know, one line a cause; and apart from it what `was_missing` says was so in
    /// the run before too.
    pub fn problems(&self, was_missing: &dyn Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
        let mut lines = Vec::new();
        for report in &self.providers {
            for (failure, symbols) in &report.failures {
                let advice = failure.advice(report.definition);
                lines.push(format!("{}: {}: {failure}{advice}", report.definition.name, self.names(symbols)));
            }
        }
        let failures = self.providers.iter().flat_map(|report| &report.failures);
        let failed: FxHashSet<usize> = failures.flat_map(|(_, symbols)| symbols).copied().collect();
        let is_known = |at: &usize| was_missing(self.feed.symbols[*at].as_str());
        let (known, new): (Vec<usize>, Vec<usize>) =
            self.missing.iter().filter(|at| !failed.contains(at)).partition(|at| is_known(at));
        lines.extend(self.no_quote(&new));
        for (field, symbols) in self.missing_fields() {
            lines.push(format!("no {field} of {}: no provider gave it", self.names(&symbols)));
        }
        let with_feed = |line: String| format!("{}: {line}", self.feed.name);
        (lines.into_iter().map(with_feed).collect(), self.no_quote(&known).into_iter().map(with_feed).collect())
    }

    /// A line for each thing that the providers said of these symbols.
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
        grouped(missing.iter().map(|symbol| (reason(*symbol), *symbol))).into_iter().map(line).collect()
    }

    /// The symbols at these places of the feed.
    fn names(&self, symbols: &[usize]) -> String {
        listed(symbols.iter().map(|at| &self.feed.symbols[*at]))
    }
}

/// The tallies of the providers that were asked, each once, in the order of the settings.
pub fn tallies<'a>(settings: &'a Settings, feeds: &[FeedReport<'_>]) -> Vec<(&'a Definition, Tally)> {
    let mut all = Vec::new();
    for definition in &settings.definitions {
        let mut sum = Tally::default();
        for report in feeds.iter().flat_map(|feed| &feed.providers) {
            if report.definition.name == definition.name {
                sum.add(&report.tally);
            }
        }
        if sum.requests > 0 {
            all.push((definition, sum));
        }
    }
    all
}
