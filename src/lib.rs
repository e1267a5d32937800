//! Gathers metrics from the internet and pushes them to Graphite, once.
//!
//! ```text
//! settings ─► feeds ─► providers (side by side) ─► quotes ─► points + health points ─► Graphite ─► exit status
//! ```
//!
//! [`Settings`] says what to do, [`run`] does it, and [`Outcome`] is what it came to. A provider is
//! data: [`provider::Definition`] describes an API, and no code knows the name of one.

pub mod check;
pub mod cli;
pub mod collect;
pub mod deadline;
pub mod delivery;
mod distinct;
pub mod given;
pub mod grafana;
pub mod graphite;
mod grouped;
pub mod health;
pub mod http;
pub mod journal;
pub mod listing;
pub mod market_hours;
pub mod memory;
pub mod network;
pub mod number;
pub mod outcome;
mod pace;
pub mod ping;
mod placeholder;
pub mod point;
pub mod provider;
pub mod quote;
pub mod report;
pub mod request;
pub mod retry;
pub mod room;
pub mod secret;
pub mod settings;
pub mod shard;
pub mod shown;
mod stable;
pub mod state;
mod suggest;
pub mod symbol;
mod toml_text;
pub mod url;
pub mod world;

pub use outcome::Outcome;
pub use settings::Settings;

use collect::Collector;
use deadline::Deadline;
use delivery::{Courier, Delivery};
use health::Health;
use log::Level;
use memory::Memory;
use point::Batch;
use report::{FeedReport, tallies};
use retry::Patience;
use shown::counted;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use world::World;

/// The time kept back for the push: a third of the run's, this at most.
const PUSH_TIME: Duration = Duration::from_secs(10);

/// Room for the points about a run: so many are hardly exceeded.
const HEALTH_POINTS: usize = 64;

/// Fetches everything, builds one batch, pushes it once, and says what it came to. What a person
/// must know goes to the log; a dry run's data to `out`.
pub fn run(settings: &Settings, world: World<'_>, out: &mut dyn Write) -> Outcome {
    let begun = Instant::now();
    let started = i64::try_from((world.clock)().as_secs()).unwrap_or(i64::MAX);
    let deadline = Deadline::after(settings.timeout);
    say(Level::Warn, &settings.warnings);

    let memory = Memory::open(settings, started);
    let fetching = deadline.before(PUSH_TIME.min(settings.timeout / 3));
    let mut feeds = Collector { settings, world, memory: &memory, started, deadline: fetching }.run();
    let outcome = tell(&feeds, &memory);
    let batch = batch(settings, &mut feeds, &memory, started, begun);
    let Some(destination) = settings.graphite.destination.as_ref().filter(|_| !settings.dry_run) else {
        return outcome.max(print(out, &graphite::print(settings.graphite.destination.as_ref(), &batch)));
    };
    let patience = Patience { retries: settings.retries, deadline, random: world.random };
    let courier = Courier { destination, journal: memory.journal(), world, patience };
    let delivery = courier.deliver(&batch, started, world.random.next());
    memory.remember(&feeds, &delivery);
    summarize(settings, &feeds, &delivery, begun.elapsed());
    outcome.max(tell_delivery(&delivery))
}

/// Says where each setting came from, tries everything that they name, and says what a run would
/// come to. The answers go to `out`, as they are what was asked for.
pub fn check(settings: &Settings, world: World<'_>, out: &mut dyn Write) -> Outcome {
    say(Level::Warn, &settings.warnings);
    let shown = print(out, &format!("{}\n", check::settings(settings)));
    let (findings, outcome) = check::everything(settings, world);
    shown.max(outcome).max(print(out, &findings))
}

/// Says what is missing, and what that makes of the run.
fn tell(feeds: &[FeedReport<'_>], memory: &Memory<'_>) -> Outcome {
    for feed in feeds {
        let name = &feed.feed.name;
        let (new, known) = feed.problems(&|symbol| memory.was_missing(name, symbol));
        say(Level::Error, &new);
        say(Level::Info, &known);
        if let Some(rest) = &feed.rest {
            log::info!("{name}: not due: {rest}");
        }
    }
    if feeds.iter().any(|feed| feed.defect) {
        Outcome::Defect
    } else if feeds.iter().any(|feed| feed.expected > 0) && feeds.iter().all(|feed| feed.fetched() == 0) {
        Outcome::NothingFetched
    } else if feeds.iter().all(FeedReport::is_whole) {
        Outcome::Success
    } else {
        Outcome::Partial
    }
}

fn say(level: Level, lines: &[String]) {
    for line in lines {
        log::log!(level, "{line}");
    }
}

/// One batch of everything there is: the quotes, then the health of the run.
fn batch(
    settings: &Settings,
    feeds: &mut [FeedReport<'_>],
    memory: &Memory<'_>,
    started: i64,
    begun: Instant,
) -> Batch {
    let mut batch = Batch::new(settings.graphite.interval, settings.graphite.tags.clone());
    batch
        .reserve(HEALTH_POINTS + feeds.iter().map(|report| report.fetched() * report.feed.fields.len()).sum::<usize>());
    for report in &mut *feeds {
        let feed = report.feed;
        // There may be many, and they are in memory twice no longer than it takes.
        let rows = std::mem::take(&mut report.rows);
        for (at, values) in rows.iter().enumerate() {
            let (before, after) = feed.stems.of(at);
            for (field, value) in feed.fields.iter().zip(values) {
                if let Some(value) = value {
                    let name = |out: &mut String| {
                        for part in [before, field.as_str(), after] {
                            out.push_str(part);
                        }
                    };
                    batch.push(name, *value, started);
                }
            }
        }
    }
    let mut health = Health::new(&mut batch, settings, started);
    health.of_fetching(feeds);
    health.of_memory(memory);
    health.of_run(begun.elapsed());
    batch
}

/// Says what Graphite did not take, and what that makes of the run.
fn tell_delivery(delivery: &Delivery) -> Outcome {
    say(Level::Warn, &delivery.warnings);
    say(Level::Error, &delivery.losses);
    let Some(error) = &delivery.error else {
        return if delivery.losses.is_empty() { Outcome::Success } else { Outcome::Partial };
    };
    log::error!("{error}");
    if error.refused_credentials() { Outcome::NotAllowed } else { Outcome::NotTaken }
}

/// One line of what was pushed, from where, in how long.
fn summarize(settings: &Settings, feeds: &[FeedReport<'_>], delivery: &Delivery, took: Duration) {
    let providers: Vec<&str> =
        tallies(settings, feeds).iter().map(|(definition, _)| definition.name.as_str()).collect();
    let from = if providers.is_empty() { "nobody, as nothing was due".to_owned() } else { providers.join(", ") };
    let fetched: usize = feeds.iter().map(FeedReport::fetched).sum();
    let due: usize = feeds.iter().map(|feed| feed.expected).sum();
    // What stays missing is not said again, so its number is.
    let of = if fetched == due { String::new() } else { format!("{fetched} of ") };
    let (points, symbols) = (counted(delivery.taken, "point"), counted(due, "symbol"));
    let (waited, seconds) = (delivery.waited, took.as_secs_f64());
    let waited = if waited == 0 { String::new() } else { format!(" ({waited} of them waited in the journal)") };
    log::info!(target: SUMMARY, "pushed {points}{waited} of {of}{symbols} from {from} in {seconds:.2} s");
}

/// The log target of the one line that a good run says at a terminal.
pub const SUMMARY: &str = "datametrics::summary";

/// Writes data for standard output. A closed pipe is no error: whoever reads has seen enough.
pub fn print(out: &mut dyn Write, text: &str) -> Outcome {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            log::error!("cannot write to standard output: {error}");
            Outcome::Io
        }
        _ => Outcome::Success,
    }
}
