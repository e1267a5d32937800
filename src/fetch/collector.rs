//! Feeds into reports. All feeds are fetched side by side, within one deadline. What one provider of a
//! feed cannot give, the next one is asked for.

use super::FetchConfig;
use super::feed::Feed;
use super::provider_fetch::ProviderFetch;
use super::report::{FeedReport, ProviderReport, SkipReason};
use super::requester::{ProviderGuard, Requester};
use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::market::field::Field;
use crate::market::table::Table;
use crate::provider::{Definition, Plan};
use crate::state::history::RunHistory;
use crate::system::deadline::Deadline;
use crate::system::threads::parallel_map;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

/// Fetches feeds.
pub(crate) struct Collector<'a> {
    /// What to fetch, and how.
    pub(crate) config: &'a FetchConfig,
    /// The outside world.
    pub(crate) context: Context<'a>,
    /// What is known of earlier runs.
    pub(crate) history: &'a RunHistory<'a>,
    /// When the run started, in Unix seconds.
    pub(crate) started: i64,
    /// When fetching must be over.
    pub(crate) deadline: Deadline<'a>,
    /// Whether a person is to see who gave what, and how old it was.
    pub(crate) notes_sources: bool,
}

impl<'a> Collector<'a> {
    /// Fetches these feeds, whose providers are those of the configuration.
    pub(crate) fn fetch(&self, feeds: &'a [Feed]) -> Vec<FeedReport<'a>> {
        let mut users = vec![0_usize; self.config.definitions.len()];
        for index in feeds.iter().flat_map(|feed| &feed.providers) {
            users[*index] += 1;
        }
        let guard = |(definition, users)| ProviderGuard::new(definition, self.context, users > 1);
        let guards: Vec<ProviderGuard<'a>> = self.config.definitions.iter().zip(users).map(guard).collect();
        // A panic in one feed does not stop the others.
        let fetch = |feed| {
            catch_unwind(AssertUnwindSafe(|| self.fetch_feed(feed, &guards)))
                .unwrap_or_else(|_| FeedReport::with_defect(feed))
        };
        parallel_map(self.context.threads, feeds.len(), feeds, fetch)
    }

    fn fetch_feed(&self, feed: &'a Feed, guards: &[ProviderGuard<'a>]) -> FeedReport<'a> {
        if let Some(reason) = self.skip_reason(feed) {
            return FeedReport::skipped(feed, reason);
        }
        let fields = self.fields_to_read(feed);
        let sources = self.notes_sources.then(|| vec![Vec::new(); feed.symbols.len()]);
        let mut quotes = Quotes { feed, table: None, sources };
        let mut reports = Vec::new();
        let first = self.first_provider(feed);
        for (place, &index) in feed.providers.iter().enumerate() {
            let definition = &self.config.definitions[index];
            let missing = quotes.missing_from(definition);
            if missing.symbols.is_empty() || self.seconds_at_rest(definition, missing.symbols.len()).is_some() {
                continue;
            }
            if let Some(left) = self.history.cool_down(&definition.name) {
                reports.push(ProviderReport::cooling_down(definition, left, missing.symbols));
                continue;
            }
            if let Some(seconds_left) = self.claim_call(definition, missing.symbols.len()) {
                if first == Some(index) {
                    return FeedReport::skipped(feed, SkipReason::provider_rests(definition, seconds_left));
                }
                continue;
            }
            let secrets = &self.config.secrets;
            let mut wanted = missing.columns.clone();
            wanted.resize(fields.len(), false);
            let plan = Plan::new(definition, &feed.symbols, &fields, &wanted, secrets, self.started);
            let policy = self.policy(self.count_askable(&feed.providers[place + 1..], feed, &missing));
            let requester = Requester::new(self.context, &plan, &guards[index], policy);
            let unknown = self.history.unknown_symbols(definition);
            let fetch = ProviderFetch { requester, unknown, has_answer: AtomicBool::new(false) };
            let (table, report) = fetch.run(&missing.symbols);
            quotes.merge(&missing.symbols, table, reports.len());
            reports.push(report);
        }
        let mut report = FeedReport::new(feed, quotes.table, reports);
        report.sources = quotes.sources.unwrap_or_default();
        report
    }

    /// The fields that replies are read for: those of the feed, and the age of the quote for a person. The age
    /// is in replies that come anyway, so it costs no request.
    fn fields_to_read<'f>(&self, feed: &'f Feed) -> Cow<'f, [Field]> {
        match Field::new("age") {
            Some(age) if self.notes_sources && !feed.fields.contains(&age) => {
                feed.fields.iter().cloned().chain([age]).collect()
            }
            _ => Cow::Borrowed(&feed.fields),
        }
    }

    fn policy(&self, others_behind: u32) -> RetryPolicy<'a> {
        let (retries, random) = (self.config.retries, self.context.random);
        RetryPolicy { others_behind, ..RetryPolicy::new(retries, self.deadline, random) }
    }

    /// How many of these providers may be asked for what is missing.
    fn count_askable(&self, providers: &[usize], feed: &Feed, missing: &MissingValues) -> u32 {
        let fields = feed.fields.iter().zip(&missing.columns).filter(|(_, is_missing)| **is_missing);
        let is_askable = |index: &&usize| {
            let definition = &self.config.definitions[**index];
            fields.clone().any(|(field, _)| definition.gives(field))
                && self.seconds_at_rest(definition, missing.symbols.len()).is_none()
                && self.history.cool_down(&definition.name).is_none()
        };
        u32::try_from(providers.iter().filter(is_askable).count()).unwrap_or(u32::MAX)
    }

    /// The provider that is asked first: the first one that gives any field of the feed.
    fn first_provider(&self, feed: &Feed) -> Option<usize> {
        let gives_any = |index: &usize| feed.fields.iter().any(|field| self.config.definitions[*index].gives(field));
        feed.providers.iter().copied().find(gives_any)
    }

    /// Why the feed is not due. While its first provider must rest, the next one is not asked instead:
    /// the prices of two exchanges would alternate in one series.
    fn skip_reason(&self, feed: &Feed) -> Option<SkipReason> {
        if feed.symbols.is_empty() {
            return Some(SkipReason::NoSymbol);
        }
        let now = jiff::Timestamp::from_second(self.started).unwrap_or_default();
        if let Some(closure) = feed.market_hours.closure(now, &feed.closed) {
            return Some(SkipReason::Closed(closure));
        }
        if let Some(interval) = feed.due_every
            && let Some(seconds_left) = self.history.seconds_until_due(&feed.state_name, interval.into(), self.now())
        {
            return Some(SkipReason::Interval { seconds_left });
        }
        let first = &self.config.definitions[self.first_provider(feed)?];
        let seconds_left = self.seconds_at_rest(first, feed.symbols.len())?;
        Some(SkipReason::provider_rests(first, seconds_left))
    }

    /// How many seconds the provider must still rest before it may be asked for this many symbols.
    fn seconds_at_rest(&self, definition: &Definition, symbols: usize) -> Option<u64> {
        self.history.seconds_at_rest(&definition.name, definition.interval_for(symbols), self.now())
    }

    /// Writes down that the provider is asked for this many symbols. Returns how many seconds it must rest, if
    /// another run has asked it meanwhile.
    fn claim_call(&self, definition: &Definition, symbols: usize) -> Option<u64> {
        self.history.claim_call(&definition.name, definition.interval_for(symbols), || self.now())
    }

    fn now(&self) -> i64 {
        self.context.unix_seconds()
    }
}

/// The values that a provider is to be asked for.
struct MissingValues {
    /// Indexes of symbols of the feed.
    symbols: Vec<usize>,
    /// For each field of the feed, whether it is wanted.
    columns: Vec<bool>,
}

/// The quotes of a feed, as one provider after the other fills them.
struct Quotes<'a> {
    feed: &'a Feed,
    /// A row for each symbol, a column for each field. `None` until the first provider was asked: its
    /// table is taken as it is, so that of many symbols there are not two tables.
    table: Option<Table>,
    /// For each symbol the providers that gave its values, by their numbers; `None` if nobody wants to know.
    sources: Option<Vec<Vec<usize>>>,
}

impl Quotes<'_> {
    /// The values that are missing and that the provider gives.
    fn missing_from(&self, definition: &Definition) -> MissingValues {
        let columns: Vec<usize> =
            (0..self.feed.fields.len()).filter(|column| definition.gives(&self.feed.fields[*column])).collect();
        let lacks_any = |symbol: &usize| columns.iter().any(|column| self.lacks(*symbol, *column));
        let mut symbols = Vec::with_capacity(self.feed.symbols.len());
        symbols.extend((0..self.feed.symbols.len()).filter(lacks_any));
        let is_wanted = |column| columns.contains(&column) && symbols.iter().any(|symbol| self.lacks(*symbol, column));
        MissingValues { columns: (0..self.feed.fields.len()).map(is_wanted).collect(), symbols }
    }

    fn lacks(&self, symbol: usize, column: usize) -> bool {
        self.table.as_ref().is_none_or(|table| table.row(symbol)[column].is_none())
    }

    /// Adds the values of the provider of this number. A value that is there already stays.
    fn merge(&mut self, symbols: &[usize], mut quotes: Table, provider: usize) {
        self.note_sources(symbols, &mut quotes, provider);
        match &mut self.table {
            Some(table) => symbols.iter().for_each(|symbol| table.fill(*symbol, quotes.row(*symbol))),
            None => self.table = Some(quotes),
        }
    }

    /// Notes of which symbols the provider gives values that are not there yet.
    fn note_sources(&mut self, symbols: &[usize], quotes: &mut Table, provider: usize) {
        let Some(sources) = &mut self.sources else { return };
        for symbol in symbols {
            let row = quotes.row_mut(*symbol);
            let old = self.table.as_ref().map(|table| table.row(*symbol)).unwrap_or_default();
            let is_there = |column: usize| old.get(column).is_some_and(Option::is_some);
            if (0..old.len()).any(is_there) {
                // It is the age of another quote than that whose values are there.
                row[self.feed.fields.len()..].fill(None);
            }
            if row.iter().enumerate().any(|(column, value)| value.is_some() && !is_there(column)) {
                sources[*symbol].push(provider);
            }
        }
    }
}
