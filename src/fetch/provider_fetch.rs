//! The requests to one provider for one feed.

use super::circuit_breaker::CircuitBreaker;
use super::error::FetchError;
use super::rate_limit::{Permit, RateLimiter};
use super::report::ProviderReport;
use crate::context::Context;
use crate::http::request::Response;
use crate::http::retry::{RetryPolicy, send_with_permits};
use crate::http::stats::RequestStats;
use crate::market::table::Table;
use crate::provider::{Plan, Query, Reply, ReplyError};
use crate::state::CoolDown;
use crate::system::threads::{lock, parallel_map};
use crate::util::group_by::group_by;
use crate::util::sanitize::excerpt;
use rustc_hash::FxHashMap;
use std::sync::Mutex;

/// Requests beyond the first that may be spent on finding the unknown symbols of one batch.
const MAX_SPLITS: u32 = 16;

/// The requests to one provider for one feed.
pub(super) struct ProviderFetch<'p, 'a> {
    context: Context<'a>,
    plan: &'p Plan<'a>,
    limiter: &'p RateLimiter<'a>,
    breaker: &'p CircuitBreaker,
    policy: RetryPolicy<'a>,
    /// How long the provider asked to be left alone.
    cool_down: Mutex<Option<CoolDown>>,
}

/// What came of the requests so far.
#[derive(Default)]
struct Answers {
    /// For each reply its symbols, and a row for each of them.
    tables: Vec<(Vec<usize>, Table)>,
    /// What the API said of single symbols.
    words: FxHashMap<usize, String>,
    failures: Vec<(FetchError, Vec<usize>)>,
    stats: RequestStats,
}

/// How one request went.
enum Answer {
    Read(Reply),
    /// Refused for a symbol that the API does not know. The text is the API's.
    BadSymbol(String),
    Failed(FetchError),
}

/// How a batch went.
enum BatchOutcome {
    /// A reply came for all of it.
    Answered,
    /// It was refused, and asked again in parts.
    HasBadSymbol,
    Failed,
}

impl<'p, 'a> ProviderFetch<'p, 'a> {
    pub(super) fn new(
        context: Context<'a>,
        plan: &'p Plan<'a>,
        limiter: &'p RateLimiter<'a>,
        breaker: &'p CircuitBreaker,
        policy: RetryPolicy<'a>,
    ) -> Self {
        Self { context, plan, limiter, breaker, policy, cool_down: Mutex::default() }
    }

    /// Asks for these symbols. Returns a row for each symbol of the feed, in the columns of the plan,
    /// and a report on what is missing.
    pub(super) fn run(self, symbols: &[usize]) -> (Table, ProviderReport<'a>) {
        let mut answers = Answers::default();
        let queries = self.plan.queries(symbols);
        let width = self.plan.definition.max_concurrency;
        for answer in parallel_map(self.context.threads, width, &queries, |query| self.fetch_whole(query)) {
            answers.add(answer);
        }
        let mut table = join_tables(answers.tables, self.plan);
        for &symbol in symbols {
            self.plan.complete(&self.plan.symbols[symbol], table.row_mut(symbol));
        }
        // A symbol that only has values which serve to compute others has none of its own.
        let table = table.first_columns(self.plan.field_count);
        let mut missing = Vec::new();
        for &symbol in symbols {
            if !table.has(symbol) {
                missing.push((symbol, answers.words.remove(&symbol)));
            }
        }
        let failures = merge_failures(answers.failures);
        let is_given = |column: &usize| table.iter().any(|row| row[*column].is_some());
        let given = (0..self.plan.field_count).filter(is_given).collect();
        let (definition, stats) = (self.plan.definition, answers.stats);
        let cool_down = lock(&self.cool_down).take();
        (table, ProviderReport { definition, missing, given, failures, stats, cool_down })
    }

    fn fetch_whole(&self, query: &Query<'a>) -> Answers {
        let mut answers = Answers::default();
        let mut splits_left = MAX_SPLITS;
        self.fetch_batch(query, &mut splits_left, &mut answers);
        answers
    }

    /// Asks for a batch, and for its parts if it is refused for an unknown symbol.
    fn fetch_batch(&self, query: &Query<'a>, splits_left: &mut u32, answers: &mut Answers) -> BatchOutcome {
        match self.fetch_once(query, &mut answers.stats) {
            Answer::Read(reply) => {
                answers.add_words(reply.row_errors);
                if let Some(error) = &reply.error {
                    answers.add_unknown(query, error);
                }
                answers.tables.push((query.symbols.clone(), reply.values));
                BatchOutcome::Answered
            }
            Answer::BadSymbol(words) => {
                self.split(query, &words, splits_left, answers);
                BatchOutcome::HasBadSymbol
            }
            Answer::Failed(error) => {
                answers.failures.push((error, query.symbols.clone()));
                BatchOutcome::Failed
            }
        }
    }

    /// Finds the unknown symbols of a batch that holds at least one.
    fn split(&self, query: &Query<'a>, words: &str, splits_left: &mut u32, answers: &mut Answers) {
        let len = query.symbols.len();
        if len == 1 {
            return answers.add_unknown(query, words);
        }
        let (left, right) = (self.plan.part(query, 0..len / 2), self.plan.part(query, len / 2..len));
        match self.fetch_part(&left, words, splits_left, answers) {
            // The left half is good, so the unknown symbol is in the right half: no need to ask for
            // that as a whole.
            BatchOutcome::Answered => self.split(&right, words, splits_left, answers),
            BatchOutcome::HasBadSymbol | BatchOutcome::Failed => {
                self.fetch_part(&right, words, splits_left, answers);
            }
        }
    }

    /// Asks for a part of a refused batch, unless all splits are spent.
    fn fetch_part(&self, part: &Query<'a>, words: &str, splits_left: &mut u32, answers: &mut Answers) -> BatchOutcome {
        let Some(left) = splits_left.checked_sub(1) else {
            answers.failures.push((FetchError::TooManyBad(words.to_owned()), part.symbols.clone()));
            return BatchOutcome::Failed;
        };
        *splits_left = left;
        self.fetch_batch(part, splits_left, answers)
    }

    /// Sends one request, unless an earlier one of any feed has stopped the provider.
    fn fetch_once(&self, query: &Query<'_>, stats: &mut RequestStats) -> Answer {
        // The permit is held until the outcome is noted: the request that waits for it may have to stay.
        let (answer, _permit) = self.exchange(query, stats);
        match &answer {
            Answer::Read(_) => self.breaker.record_answer(),
            Answer::Failed(error) => self.breaker.record_failure(error, query.symbols.len()),
            Answer::BadSymbol(_) => {}
        }
        answer
    }

    fn exchange(&self, query: &Query<'_>, stats: &mut RequestStats) -> (Answer, Option<Permit<'_>>) {
        // Before the wait for a permit, which may be long.
        if let Some(error) = self.breaker.error() {
            return (Answer::Failed(error), None);
        }
        let deadline = self.policy.deadline;
        if !self.limiter.has_time(deadline) {
            return (Answer::Failed(FetchError::NoTime), None);
        }
        let acquire = || {
            let permit = self.limiter.acquire(deadline);
            // Another request may have stopped the provider during the wait.
            self.breaker.error().map_or(Ok(permit), Err)
        };
        match send_with_permits(self.context.transport, &query.request, self.policy, stats, acquire) {
            Ok((Ok(response), permit)) => (self.read(query, response), permit),
            Ok((Err(error), permit)) => (Answer::Failed(FetchError::Transport(error)), permit),
            Err(error) => (Answer::Failed(error), None),
        }
    }

    fn read(&self, query: &Query<'_>, mut response: Response) -> Answer {
        let bad_symbol = &self.plan.definition.bad_symbol;
        let status = response.status;
        if !(200..300).contains(&status) {
            let text = self.plan.read_error(query, &response.body);
            if bad_symbol.matches(status, &text) {
                return Answer::BadSymbol(text);
            }
            let retry_after = self.note_cool_down(&response);
            return Answer::Failed(FetchError::Status { status, text, redirect: response.redirect, retry_after });
        }
        let received = self.context.clock.unix_time().as_secs_f64();
        let mut read = self.plan.read(query, &response.body, received);
        if matches!(read, Err(ReplyError::NotJson { .. })) && response.body.blank_bare_nan() {
            read = self.plan.read(query, &response.body, received);
        }
        match read {
            Ok(reply) => Answer::Read(reply),
            Err(ReplyError::ApiError(text)) if bad_symbol.matches(status, &text) => Answer::BadSymbol(text),
            Err(error) => Answer::Failed(FetchError::Reply(error)),
        }
    }

    /// For how many seconds the provider asks to be left alone, if this run cannot wait so long. The runs
    /// after it will.
    fn note_cool_down(&self, response: &Response) -> Option<u64> {
        let asked = response.retry_after.filter(|asked| *asked >= self.policy.deadline.remaining())?;
        if !matches!(response.status, 418 | 429 | 503) {
            return None;
        }
        let cool_down = CoolDown::new(response.status, self.context.unix_seconds(), asked);
        let mut longest = lock(&self.cool_down);
        *longest = longest.max(Some(cool_down));
        Some(asked.as_secs())
    }
}

impl Answers {
    fn add(&mut self, mut other: Self) {
        self.tables.append(&mut other.tables);
        self.add_words(other.words);
        self.failures.append(&mut other.failures);
        self.stats.add(&other.stats);
    }

    /// If the API says several things of one symbol, the first one counts.
    fn add_words(&mut self, words: impl IntoIterator<Item = (usize, String)>) {
        for (symbol, words) in words {
            self.words.entry(symbol).or_insert(words);
        }
    }

    fn add_unknown(&mut self, query: &Query<'_>, words: &str) {
        self.add_words(query.symbols.iter().map(|symbol| (*symbol, excerpt(words))));
    }
}

/// What all replies brought: a row for each symbol of the feed.
fn join_tables(mut tables: Vec<(Vec<usize>, Table)>, plan: &Plan<'_>) -> Table {
    let len = plan.symbols.len();
    // Where there are many symbols, mostly one reply brings them all. Its table is taken as it is.
    let is_complete = |(symbols, _): &mut (Vec<usize>, Table)| symbols.iter().copied().eq(0..len);
    if tables.len() == 1
        && let Some((_, table)) = tables.pop_if(is_complete)
    {
        return table;
    }
    let mut joined = Table::new(len, plan.columns.len());
    for (symbols, table) in tables {
        for (symbol, row) in symbols.iter().zip(table.iter()) {
            joined.fill(*symbol, row);
        }
    }
    joined
}

/// Failures of one kind together, each with its symbols in the order of the feed.
fn merge_failures(failures: Vec<(FetchError, Vec<usize>)>) -> Vec<(FetchError, Vec<usize>)> {
    let merge = |(error, lists): (FetchError, Vec<Vec<usize>>)| {
        let mut symbols = lists.concat();
        symbols.sort_unstable();
        symbols.dedup();
        (error, symbols)
    };
    let mut merged: Vec<_> = group_by(failures).into_iter().map(merge).collect();
    merged.sort_by_key(|(_, symbols)| symbols.first().copied());
    merged
}
