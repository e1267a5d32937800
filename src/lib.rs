//! Gathers metrics from the internet and pushes them to Graphite, once.
//!
//! ```text
//! settings ─► feeds ─► providers (side by side) ─► quotes ─► points + health points ─► Graphite ─► exit status
//! ```
//!
//! [`Settings`] says what to do, [`run`] does it, and [`Outcome`] is what it came to. A provider is
//! data: [`provider::Definition`] describes an API, and no code knows the name of one.

pub mod cli;
pub mod collect;
pub mod deadline;
pub mod given;
pub mod graphite;
pub mod health;
pub mod http;
pub mod market_hours;
pub mod number;
pub mod outcome;
mod pace;
mod placeholder;
pub mod point;
pub mod provider;
pub mod quote;
pub mod report;
pub mod request;
pub mod retry;
pub mod secret;
pub mod settings;
pub mod symbol;
pub mod url;
pub mod world;

pub use outcome::Outcome;
pub use settings::Settings;

use collect::Collector;
use deadline::Deadline;
use graphite::{Push, PushError};
use point::Batch;
use report::{FeedReport, tallies};
use retry::Patience;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use world::World;

/// The time kept back for the push: a third of the run's, this at most.
const PUSH_TIME: Duration = Duration::from_secs(10);

/// Fetches everything, builds one batch, pushes it once, and says what it came to. What a person
/// must know goes to the log; a dry run's data to `out`.
pub fn run(settings: &Settings, world: World<'_>, out: &mut dyn Write) -> Outcome {
    let begun = Instant::now();
    let started = i64::try_from((world.clock)().as_secs()).unwrap_or(i64::MAX);
    let deadline = Deadline::after(settings.timeout);
    settings.warnings.iter().for_each(|warning| log::warn!("{warning}"));

    let fetching = deadline.before(PUSH_TIME.min(settings.timeout / 3));
    let feeds = Collector { settings, world, started, deadline: fetching }.run();
    let outcome = tell(&feeds);
    let batch = batch(settings, &feeds, started, begun);
    if settings.dry_run {
        let text = graphite::print(settings.graphite.destination.as_ref(), &batch);
        return outcome.max(print(out, &text));
    }
    let Some(destination) = &settings.graphite.destination else { return Outcome::Misconfigured };
    let patience = Patience { retries: settings.retries, deadline, random: world.random };
    let push = graphite::push(destination, &batch, world.transport, patience);
    summarize(settings, &feeds, &push, begun.elapsed());
    outcome.max(tell_push(&push, &batch))
}

/// Says what is missing, and what that makes of the run.
fn tell(feeds: &[FeedReport<'_>]) -> Outcome {
    for feed in feeds {
        feed.problems(&|_| false).iter().for_each(|line| log::error!("{line}"));
        feed.rest.iter().for_each(|rest| log::info!("{}: not due: {rest}", feed.feed.name));
    }
    if feeds.iter().any(|feed| feed.defect) {
        Outcome::Defect
    } else if feeds.iter().any(|feed| feed.expected() > 0) && feeds.iter().all(|feed| feed.fetched() == 0) {
        Outcome::NothingFetched
    } else if feeds.iter().all(FeedReport::is_whole) {
        Outcome::Success
    } else {
        Outcome::Partial
    }
}

/// One batch of everything there is: the quotes, then the health of the run.
fn batch(settings: &Settings, feeds: &[FeedReport<'_>], started: i64, begun: Instant) -> Batch {
    let mut batch = Batch::new(settings.graphite.interval, settings.graphite.tags.clone());
    for report in feeds {
        let feed = report.feed;
        for (symbol, values) in feed.symbols.iter().zip(&report.rows) {
            for (field, value) in feed.fields.iter().zip(values.iter().flatten()) {
                let name = |out: &mut String| {
                    out.push_str(&settings.graphite.prefix);
                    feed.names.push(out, &feed.name, symbol, Some(field));
                };
                if let Some(value) = value {
                    batch.push(name, *value, started);
                }
            }
        }
    }
    health::push(&mut batch, settings, feeds, started, begun.elapsed());
    batch
}

/// Says which points Graphite did not take, and what that makes of the run.
fn tell_push(push: &Push, batch: &Batch) -> Outcome {
    let mut outcome = Outcome::Success;
    for (name, reason) in &push.refused {
        let name = if name.is_empty() { "a point" } else { name };
        log::error!("graphite refused {name}: {reason}");
        outcome = Outcome::Partial;
    }
    let Some(error) = &push.error else { return outcome };
    let lost: usize = push.open.iter().map(ExactSizeIterator::len).sum();
    log::error!("graphite: {error}; {lost} of {} points are lost", batch.len());
    match error {
        PushError::Credentials { .. } => Outcome::NotAllowed,
        _ => Outcome::NotTaken,
    }
}

/// One line of what was pushed, from where, in how long.
fn summarize(settings: &Settings, feeds: &[FeedReport<'_>], push: &Push, took: Duration) {
    let providers: Vec<&str> =
        tallies(settings, feeds).iter().map(|(definition, _)| definition.name.as_str()).collect();
    let symbols: usize = feeds.iter().map(FeedReport::fetched).sum();
    let (taken, seconds) = (push.taken, took.as_secs_f64());
    log::info!(target: SUMMARY, "pushed {taken} points of {symbols} symbols from {} in {seconds:.2} s", providers.join(", "));
}

/// The log target of the one line that a good run says at a terminal.
pub const SUMMARY: &str = "datametrics::summary";

/// A closed pipe is no error: whoever reads has seen enough.
fn print(out: &mut dyn Write, text: &str) -> Outcome {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            log::error!("cannot write to standard output: {error}");
            Outcome::Io
        }
        _ => Outcome::Success,
    }
}
