//! Feeds into reports: everything is asked side by side, within one deadline, and what one provider
//! cannot give the next is asked for.

use crate::deadline::Deadline;
use crate::grouped::grouped;
use crate::memory::Memory;
use crate::pace::Lane;
use crate::provider::{Ask, Definition, Plan, Refusal, Reply};
use crate::quote::Table;
use crate::report::{Failure, FeedReport, ProviderReport, Rest};
use crate::retry::{Patience, Tally, send};
use crate::settings::{Feed, Settings};
use crate::shown::excerpt;
use crate::world::World;
use rustc_hash::FxHashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::thread;

/// Further requests to find the bad symbols of one refused batch.
const MAX_SPLITS: u32 = 16;

/// Fetches.
pub struct Collector<'a> {
    /// What a run goes by.
    pub settings: &'a Settings,
    /// Network, clock and chance.
    pub world: World<'a>,
    /// What is known of earlier runs.
    pub memory: &'a Memory<'a>,
    /// When the run started, in Unix seconds.
    pub started: i64,
    /// When fetching must be over.
    pub deadline: Deadline,
}

impl<'a> Collector<'a> {
    /// Fetches every feed of the settings.
    pub fn run(&self) -> Vec<FeedReport<'a>> {
        self.ask(&self.settings.feeds)
    }

    /// Fetches other feeds, of providers of the settings.
    pub fn ask(&self, feeds: &'a [Feed]) -> Vec<FeedReport<'a>> {
        let lanes: Vec<Lane> = self.settings.definitions.iter().map(Lane::new).collect();
        side_by_side(feeds.len(), feeds, |feed| self.feed(feed, &lanes))
    }

    /// A defect in reading one feed does not cost the others.
    fn feed(&self, feed: &'a Feed, lanes: &[Lane]) -> FeedReport<'a> {
        catch_unwind(AssertUnwindSafe(|| self.ask_in_turn(feed, lanes)))
            .unwrap_or_else(|_| FeedReport { defect: true, ..FeedReport::new(feed, None, Vec::new(), None) })
    }

    fn ask_in_turn(&self, feed: &'a Feed, lanes: &[Lane]) -> FeedReport<'a> {
        let mut providers = Vec::new();
        if let Some(rest) = self.rest(feed) {
            return FeedReport::new(feed, None, providers, Some(rest));
        }
        let mut rows: Option<Table> = None;
        for &at in &feed.providers {
            let definition = &self.settings.definitions[at];
            let gives: Vec<bool> = feed.fields.iter().map(|field| definition.gives(field)).collect();
            let lacks =
                |symbol: usize, column: usize| rows.as_ref().is_none_or(|rows| rows.row(symbol)[column].is_none());
            let is_open = |symbol: &usize| (0..gives.len()).any(|column| gives[column] && lacks(*symbol, column));
            let mut open: Vec<usize> = Vec::with_capacity(feed.symbols.len());
            open.extend((0..feed.symbols.len()).filter(is_open));
            let may_rest = self.first_of(feed) != Some(at);
            if open.is_empty() || (may_rest && self.memory.rest_of(definition, open.len()).is_some()) {
                continue;
            }
            let wanted: Vec<bool> = (0..gives.len())
                .map(|column| gives[column] && open.iter().any(|symbol| lacks(*symbol, column)))
                .collect();
            let plan = Plan::new(definition, &feed.symbols, &feed.fields, &wanted, &self.settings.secrets);
            let answers =
                Asking { collector: self, plan: &plan, lane: &lanes[at], closed: Mutex::default() }.all(&open);
            providers.push(take(answers, definition, &plan, &open, feed.fields.len(), &mut rows));
        }
        FeedReport::new(feed, rows, providers, None)
    }

    /// The provider that a feed is asked of first: one that gives any of its fields.
    fn first_of(&self, feed: &Feed) -> Option<usize> {
        let gives = |at: &usize| feed.fields.iter().any(|field| self.settings.definitions[*at].gives(field));
        feed.providers.iter().copied().find(gives)
    }

    /// Why the feed is not due, if it is not. Where its first provider rests, the next is not asked
    /// instead: two exchanges would alternate in one series.
    fn rest(&self, feed: &Feed) -> Option<Rest> {
        if feed.symbols.is_empty() {
            return Some(Rest::NoSymbol);
        }
        let now = jiff::Timestamp::from_second(self.started).unwrap_or_default();
        if !feed.market_hours.is_open(now, &feed.closed) {
            return Some(Rest::Closed);
        }
        let first = &self.settings.definitions[self.first_of(feed)?];
        let left = self.memory.rest_of(first, feed.symbols.len())?;
        Some(Rest::Interval { provider: first.name.clone(), left })
    }
}

/// Puts the answers of a provider into the rows of its feed, and reports on the rest.
fn take<'a>(
    mut answers: Answers,
    definition: &'a Definition,
    plan: &Plan<'_>,
    asked: &[usize],
    fields: usize,
    rows: &mut Option<Table>,
) -> ProviderReport<'a> {
    let mut whole = gather(answers.quotes, plan);
    for &symbol in asked {
        plan.complete(&plan.symbols[symbol], whole.row_mut(symbol));
    }
    // What only served to compute a field is no value of it.
    let whole = whole.first_columns(fields);
    let mut missing = Vec::new();
    for &symbol in asked {
        if !whole.has(symbol) {
            missing.push((symbol, answers.words.remove(&symbol)));
        }
    }
    match rows {
        Some(rows) => asked.iter().for_each(|symbol| rows.fill(*symbol, whole.row(*symbol))),
        None => *rows = Some(whole),
    }
    let in_order = |(failure, lists): (Failure, Vec<Vec<usize>>)| {
        let mut symbols = lists.concat();
        symbols.sort_unstable();
        symbols.dedup();
        (failure, symbols)
    };
    let mut failures: Vec<_> = grouped(answers.failures).into_iter().map(in_order).collect();
    failures.sort_by_key(|(_, symbols)| symbols.first().copied());
    ProviderReport { definition, missing, failures, tally: answers.tally }
}

/// What all requests brought, a row for each symbol of the feed.
fn gather(mut quotes: Vec<(Vec<usize>, Table)>, plan: &Plan<'_>) -> Table {
    let len = plan.symbols.len();
    // Where there are many symbols, mostly one request brings them all.
    let is_all = |(symbols, _): &(Vec<usize>, Table)| symbols.iter().copied().eq(0..len);
    if quotes.len() == 1
        && let Some((_, all)) = quotes.pop_if(|quote| is_all(quote))
    {
        return all;
    }
    let mut whole = Table::new(len, plan.columns.len());
    for (symbols, values) in quotes {
        for (symbol, row) in symbols.iter().zip(values.iter()) {
            whole.fill(*symbol, row);
        }
    }
    whole
}

/// What came of the requests to one provider for one feed.
#[derive(Default)]
struct Answers {
    /// The values of the symbols of each request.
    quotes: Vec<(Vec<usize>, Table)>,
    /// What the API said of single symbols.
    words: FxHashMap<usize, String>,
    failures: Vec<(Failure, Vec<usize>)>,
    tally: Tally,
}

impl Answers {
    fn add(&mut self, mut other: Self) {
        self.quotes.append(&mut other.quotes);
        self.say(other.words);
        self.failures.append(&mut other.failures);
        self.tally.add(&other.tally);
    }

    /// Of several words about a symbol the first count.
    fn say(&mut self, words: impl IntoIterator<Item = (usize, String)>) {
        for (symbol, words) in words {
            self.words.entry(symbol).or_insert(words);
        }
    }

    fn fail(&mut self, failure: Failure, ask: &Ask<'_>) {
        self.failures.push((failure, ask.symbols.clone()));
    }

    fn unknown(&mut self, ask: &Ask<'_>, words: &str) {
        self.say(ask.symbols.iter().map(|symbol| (*symbol, excerpt(words))));
    }
}

/// The requests to one provider for one feed.
struct Asking<'a> {
    collector: &'a Collector<'a>,
    plan: &'a Plan<'a>,
    lane: &'a Lane,
    /// Why no further request is made.
    closed: Mutex<Option<Failure>>,
}

/// How a request went.
enum Answer {
    Read(Reply),
    /// Refused for a symbol that the API does not know.
    BadSymbol(String),
    Failed(Failure),
}

impl<'a> Asking<'a> {
    fn all(&self, symbols: &[usize]) -> Answers {
        let asks = self.plan.asks(symbols);
        let mut all = Answers::default();
        for answers in side_by_side(self.plan.definition.max_concurrency, &asks, |ask| {
            let mut answers = Answers::default();
            self.settle(ask, &mut MAX_SPLITS.clone(), &mut answers);
            answers
        }) {
            all.add(answers);
        }
        all
    }

    /// Asks, and splits what is refused for a bad symbol. Whether it was refused so.
    fn settle(&self, ask: &Ask<'a>, splits: &mut u32, answers: &mut Answers) -> bool {
        match self.ask(ask, &mut answers.tally) {
            Answer::Read(reply) => {
                answers.say(reply.row_errors);
                if let Some(error) = &reply.error {
                    answers.unknown(ask, error);
                }
                answers.quotes.push((ask.symbols.clone(), reply.values));
                false
            }
            Answer::BadSymbol(words) => {
                self.split(ask, &words, splits, answers);
                true
            }
            Answer::Failed(failure) => {
                answers.fail(failure, ask);
                false
            }
        }
    }

    /// Finds the bad symbols of a batch that holds at least one.
    fn split(&self, ask: &Ask<'a>, words: &str, splits: &mut u32, answers: &mut Answers) {
        let len = ask.symbols.len();
        if len == 1 {
            return answers.unknown(ask, words);
        }
        let (left, right) = (self.plan.part(ask, 0..len / 2), self.plan.part(ask, len / 2..len));
        let failed = answers.failures.len();
        let mut one = |part: &Ask<'a>, answers: &mut Answers| {
            let Some(rest) = splits.checked_sub(1) else {
                answers.fail(Failure::TooManyBad(words.to_owned()), part);
                return true;
            };
            *splits = rest;
            self.settle(part, splits, answers)
        };
        let left_is_bad = one(&left, answers);
        if left_is_bad || answers.failures.len() > failed {
            one(&right, answers);
        } else {
            // The first half is good, so it is the second that was refused.
            self.split(&right, words, splits, answers);
        }
    }

    fn ask(&self, ask: &Ask<'_>, tally: &mut Tally) -> Answer {
        let answer = self.ask_unless_closed(ask, tally);
        if let Answer::Failed(failure) = &answer
            && failure.is_general()
        {
            lock(&self.closed).get_or_insert_with(|| failure.clone());
        }
        answer
    }

    fn ask_unless_closed(&self, ask: &Ask<'_>, tally: &mut Tally) -> Answer {
        let collector = self.collector;
        if let Some(failure) = lock(&self.closed).clone() {
            return Answer::Failed(failure);
        }
        if !self.lane.has_time(collector.deadline) {
            return Answer::Failed(Failure::NoTime);
        }
        let patience = Patience {
            retries: collector.settings.retries,
            deadline: collector.deadline,
            random: collector.world.random,
        };
        let enter = || self.lane.enter(collector.deadline);
        let response = match send(collector.world.transport, &ask.request, patience, tally, enter) {
            Ok(response) => response,
            Err(error) => return Answer::Failed(Failure::Transport(error)),
        };
        let bad_symbol = &self.plan.definition.bad_symbol;
        let status = response.status;
        if !(200..300).contains(&status) {
            let text = self.plan.read_error(ask, &response.body);
            if bad_symbol.matches(status, &text) {
                return Answer::BadSymbol(text);
            }
            return Answer::Failed(Failure::Status { status, text, redirect: response.redirect });
        }
        match self.plan.read(ask, &response.body, (collector.world.clock)().as_secs_f64()) {
            Ok(reply) => Answer::Read(reply),
            Err(Refusal::Said(text)) if bad_symbol.matches(status, &text) => Answer::BadSymbol(text),
            Err(refusal) => Answer::Failed(Failure::Refusal(refusal)),
        }
    }
}

/// Does something with every item, on at most `width` threads, and gives the results in the order
/// of the items. With one item or a width of one no thread is started. A panic goes on here.
fn side_by_side<'i, I: Sync, T: Send>(width: usize, items: &'i [I], work: impl Fn(&'i I) -> T + Sync) -> Vec<T> {
    if items.len() <= 1 || width <= 1 {
        return items.iter().map(work).collect();
    }
    let queue = Mutex::new(items.iter().enumerate());
    let next = || lock(&queue).next();
    let worker = || std::iter::from_fn(next).map(|(at, item)| (at, work(item))).collect::<Vec<_>>();
    let mut results = thread::scope(|scope| {
        let threads: Vec<_> = (0..width.min(items.len())).map(|_| scope.spawn(worker)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        threads.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A lock whose holder panicked is as good as any: what it guards is never left half done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
