//! Gathers metrics from the internet and pushes them to Graphite, once.
//!
//! ```text
//! settings ─► fetch (providers, side by side) ─► metrics ─► delivery (journal, Graphite) ─► outcome
//! ```
//!
//! [`Settings`] say what to do, [`run`] does it, and [`Outcome`] is what it came to. Everything from
//! outside comes in by a [`Context`]. A provider is data: a TOML text describes an API, and no code
//! knows the name of one.
//!
//! A program that embeds a run reads settings, makes a context and calls [`run`]:
//!
//! ```no_run
//! use datametrics::{Cli, Context, HttpClient, Random, Settings, SystemDialer};
//!
//! let cli = Cli::from_args(["datametrics", "crypto", "BTC/USD", "--dry-run"])?;
//! let settings = Settings::read(&cli, &|name| std::env::var_os(name), std::io::empty())?;
//! let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
//! let client = HttpClient::new(settings.network(), &dialer);
//! let context = Context::system(&client, &dialer, &random);
//! let outcome = datametrics::run(&settings, context, &mut std::io::stdout());
//! println!("exit code {}", outcome.code());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The command line, the settings and the exit codes are stable. The traits of [`Context`] and what
//! they pass are for tests and simulations; they change when the program needs it.

mod cli;
mod commands;
mod config;
mod context;
mod delivery;
mod fetch;
mod grafana;
mod http;
mod logging;
mod market;
mod metrics;
mod outcome;
mod output;
mod ping;
mod progress;
mod provider;
mod secret;
mod settings;
mod state;
mod system;
mod util;

#[cfg(any(test, fuzzing))]
#[path = "../tests/properties/mod.rs"]
pub mod properties;

pub use cli::Cli;
pub use commands::check::check;
pub use commands::command_line;
pub use config::{ConfigError, Document, Origin};
pub use context::Context;
pub use http::body::Body;
pub use http::client::HttpClient;
pub use http::proxy::NetworkConfig;
pub use http::request::{RemainingHeader, Request, Response};
pub use http::transport::{Transport, TransportError};
pub use http::url::{Credentials, Url};
pub use outcome::Outcome;
pub use secret::{Secret, Secrets};
pub use settings::{Env, Settings};
pub use system::clock::{Clock, SystemClock};
pub use system::deadline::Deadline;
pub use system::dialer::{Connection, Dialer, SystemDialer};
pub use system::disk::{DirEntry, Disk, LockGuard, NewFile, SystemDisk};
pub use system::limit::Limit;
pub use system::random::Random;
pub use system::resolver::ResolveError;
pub use system::threads::{Signal, SystemThreads, Task, Threads};

use cli::OutputFormat;
use delivery::graphite::{Destination, OpenConnection, Way};
use delivery::journal::Journal;
use delivery::{DeliveryError, DeliveryReport, NamedDestination, OpenJournal, Sender, deliver, graphite};
use fetch::{Collector, FeedReport, SkipReason, stats_by_provider};
use http::retry::RetryPolicy;
use log::Level;
use logging::{SUMMARY, log_all};
use metrics::MetricsConfig;
use metrics::batch::Batch;
use metrics::health::Health;
use output::{Finished, print, tables};
use provider::Definition;
use state::LastPush;
use state::history::{ProviderNote, RunHistory, RunNotes};
use std::io::Write;
use std::iter;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use system::threads::lock;
use util::pluralize::pluralize;

/// At most this much time is kept back for the push, and at most a third of the run's.
const PUSH_TIME: Duration = Duration::from_secs(10);

/// Memory is reserved for this many points about the run itself. Hardly a run has more.
const HEALTH_POINTS: usize = 64;

/// How old a push may be to be reported by the next run where there is no journal. Grafana Cloud
/// refuses older points.
const LAST_PUSH_MAX_AGE: Duration = Duration::from_secs(3_600);

/// Fetches everything, builds one batch, pushes it once, and returns what that came to. What a person
/// must know goes to the log, and what `--format` names to `out`: of a dry run the points, which it does not push.
/// Only a dry run needs no destination.
pub fn run(settings: &Settings, context: Context<'_>, out: &mut dyn Write) -> Outcome {
    log_all(Level::Warn, &settings.warnings);
    if let Some(error) = context.clock_error() {
        log::error!("{error}");
        return Outcome::NotTaken;
    }
    let destinations = if settings.dry_run { &[][..] } else { &settings.destinations };
    let openings: Vec<OpenConnection> = destinations.iter().map(|_| OpenConnection::default()).collect();
    let deadline = context.deadline(settings.timeout);
    let policy = RetryPolicy::new(settings.fetch.retries, deadline, context.random);
    let history =
        RunHistory::read(settings.state(context), &settings.run, context.unix_seconds(), context.random.next());
    context.dialer.remember(history.hosts());
    // The connections to destinations open while quotes are fetched.
    let done = Mutex::new((Outcome::Defect, None));
    let job = || *lock(&done) = fetch_and_push(settings, context, &history, &openings, policy);
    let open = destinations.iter().zip(&openings).map(|(to, opening)| {
        let way = Way { destination: &to.destination, opening, context, policy };
        Box::new(move || way.open()) as Task<'_>
    });
    context.threads.run_all(iter::once(Box::new(job) as Task<'_>).chain(open).collect());

    let (outcome, text) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // What is printed may go to the terminal that shows for whom the run waits.
    progress::clear();
    text.map_or(outcome, |text| outcome.max(print(out, &text)))
}

/// Fetches everything, builds one batch, and pushes it. Returns what that came to, and what is to be printed.
fn fetch_and_push(
    settings: &Settings,
    context: Context<'_>,
    history: &RunHistory<'_>,
    openings: &[OpenConnection],
    policy: RetryPolicy<'_>,
) -> (Outcome, Option<String>) {
    let (begun, started, definitions) = (context.clock.now(), history.started(), &settings.fetch.definitions);
    let took = || context.clock.now() - begun;
    let journal = settings.state_dir.as_deref().filter(|_| settings.keeps_journal);
    let journal = journal.and_then(|dir| open_journal(dir, context));

    let mut feeds = fetch(settings, context, history, policy.deadline);
    let fetch_outcome = report_feeds(&feeds, history, settings.shows_problems());
    if !settings.dry_run {
        record_providers(history, &feeds);
    }
    // The batch takes the quotes.
    let tables = || tables(&feeds, history, settings.terminal.unwrap_or_default());
    let tables = (settings.format() == Some(OutputFormat::Table)).then(tables);

    let senders = if settings.dry_run {
        Vec::new()
    } else {
        senders(settings, journal.as_ref(), history, openings, context, policy)
    };
    let batch = batch(settings, &mut feeds, &senders, history, took);
    // In a dry run there are no senders.
    let deliveries = deliver(senders, &batch, started, |delivery| log_delivery(delivery, history));
    if !settings.dry_run {
        record(history, &feeds, &deliveries, context.dialer.connected());
        log_summary(definitions, &feeds, &deliveries, took());
    }

    let outcome = outcome_with(&deliveries, settings, fetch_outcome);
    let finished = Finished {
        run: &settings.run,
        is_dry: settings.dry_run,
        started,
        took: took(),
        outcome,
        definitions,
        feeds: &feeds,
        history,
        deliveries: &deliveries,
    };
    let text = settings.format().map(|format| match format {
        OutputFormat::Table => tables.unwrap_or_default(),
        OutputFormat::Wire => graphite::render(settings.first_destination(), &batch),
        OutputFormat::Json => output::report(&finished),
    });
    (outcome, text)
}

/// Fetches the quotes of all feeds, in the time that the push leaves of a run that ends at `deadline`.
fn fetch<'a>(
    settings: &'a Settings,
    context: Context<'a>,
    history: &'a RunHistory<'_>,
    deadline: Deadline<'a>,
) -> Vec<FeedReport<'a>> {
    // The points of a mirror can wait for the next run, and quotes cannot.
    let linger = settings.first_destination().map(Destination::linger).unwrap_or_default();
    let collector = Collector {
        config: &settings.fetch,
        context,
        history,
        started: history.started(),
        deadline: deadline.before(PUSH_TIME.min(settings.timeout / 3) + linger),
        notes_sources: settings.format() == Some(OutputFormat::Table),
    };
    collector.fetch(&settings.fetch.feeds)
}

/// What brings points to each destination.
fn senders<'a>(
    settings: &'a Settings,
    journal: Option<&'a Journal<'a>>,
    history: &RunHistory<'_>,
    openings: &'a [OpenConnection],
    context: Context<'a>,
    policy: RetryPolicy<'a>,
) -> Vec<Sender<'a>> {
    let destinations: Vec<&NamedDestination> = settings.destinations.iter().collect();
    let mut journals = journal.map(|journal| OpenJournal::open_all(journal, &destinations)).into_iter().flatten();
    let ways = destinations.into_iter().zip(openings);
    let sender = |(to, opening): (&'a NamedDestination, _)| {
        let at_once = history.at_once(to.name.mirror());
        Sender { to, opening, at_once, journal: journals.next(), context, policy }
    };
    ways.map(sender).collect()
}

/// The journal. If it cannot be opened, that is a warning and the run goes on without it.
fn open_journal<'a>(state_dir: &Path, context: Context<'a>) -> Option<Journal<'a>> {
    Journal::open(context.disk, context.clock, state_dir).map_err(|error| log::warn!("{error}")).ok()
}

/// Logs what is missing: at `-v` only where a person reads it below the tables. Returns what that makes of the run.
fn report_feeds(feeds: &[FeedReport<'_>], history: &RunHistory<'_>, shows_problems: bool) -> Outcome {
    let at = |level| if shows_problems { Level::Info } else { level };
    for feed in feeds {
        let name = &feed.feed.name;
        let problems = feed.problems(history);
        log_all(at(Level::Error), &problems.errors);
        log_all(at(Level::Warn), &problems.warnings);
        log_all(Level::Info, &problems.known);
        if let Some(reason) = &feed.skipped {
            log::info!("{name}: {reason}");
        }
    }
    if feeds.iter().any(|feed| feed.has_defect) {
        Outcome::Defect
    } else if feeds.iter().any(|feed| feed.is_limited(history)) {
        Outcome::NotTaken
    } else if feeds.iter().any(|feed| feed.expected > 0) && feeds.iter().all(|feed| feed.fetched() == 0) {
        Outcome::NothingFetched
    } else if feeds.iter().all(|feed| feed.is_whole(history)) {
        Outcome::Success
    } else {
        Outcome::Partial
    }
}

/// One batch with all quotes, which it takes out of the reports, and points about the run, which `took` so long.
fn batch(
    settings: &Settings,
    feeds: &mut [FeedReport<'_>],
    senders: &[Sender<'_>],
    history: &RunHistory<'_>,
    took: impl Fn() -> Duration,
) -> Batch {
    let (metrics, started) = (&settings.metrics, history.started());
    let mut batch = quotes(metrics, feeds, started);
    let mut health = Health { batch: &mut batch, prefix: &metrics.prefix, run: &settings.run, started };
    add_fetch_health(&mut health, &settings.fetch.definitions, feeds);
    let longest_run = i64::try_from(settings.timeout.as_secs()).unwrap_or(i64::MAX);
    add_push_health(&mut health, senders, history, started.saturating_sub(longest_run));
    health.run(took());
    batch
}

/// One batch with all quotes. It takes the rows out of the reports: there may be many, and they are in
/// memory twice no longer than needed.
fn quotes(metrics: &MetricsConfig, feeds: &mut [FeedReport<'_>], started: i64) -> Batch {
    let mut batch = Batch::new(metrics.interval, metrics.tags.clone());
    let quoted: usize = feeds.iter().map(|report| report.fetched() * report.feed.fields.len()).sum();
    batch.reserve(HEALTH_POINTS + quoted);
    for report in feeds {
        let feed = report.feed;
        batch.set_interval(feed.interval);
        for (symbol, values) in std::mem::take(&mut report.rows).iter().enumerate() {
            let (prefix, suffix) = feed.affixes.get(symbol);
            for (field, value) in feed.fields.iter().zip(values) {
                if let Some(value) = value {
                    let push_name = |name: &mut String| {
                        for part in [prefix, field.as_str(), suffix] {
                            name.push_str(part);
                        }
                    };
                    batch.push(push_name, *value, started);
                }
            }
        }
    }
    batch.set_interval(metrics.interval);
    batch
}

/// Adds points about how the providers answered, and what the feeds came to.
fn add_fetch_health(health: &mut Health<'_>, definitions: &[Definition], feeds: &[FeedReport<'_>]) {
    for (definition, stats) in stats_by_provider(definitions, feeds) {
        health.provider(&definition.name, &stats);
    }
    for report in feeds {
        health.feed(&report.feed.name, report.expected, report.fetched());
    }
}

/// Adds points about what waits in the journal, and how the push of the run before went. A run that started before
/// `recent` (Unix seconds) has ended, if its timeout is that of this run.
fn add_push_health(health: &mut Health<'_>, senders: &[Sender<'_>], history: &RunHistory<'_>, recent: i64) {
    for sender in senders {
        let mirror = sender.to.name.mirror();
        if let Some(waiting) = sender.points_waiting(recent) {
            health.journal(mirror, waiting);
        }
        let max_age = if sender.journal.is_some() { sender.to.limits.max_age } else { LAST_PUSH_MAX_AGE };
        if let Some(push) = history.last_push(mirror, max_age) {
            let took = Duration::try_from_secs_f64(push.seconds).unwrap_or_default();
            health.last_push(mirror, push.time, took, push.status);
        }
    }
}

/// Leaves to the next run what providers said, before the push: a run may be killed while a destination hangs, and a
/// provider that asked to be left alone must not be asked again for that.
fn record_providers(history: &RunHistory<'_>, feeds: &[FeedReport<'_>]) {
    let providers = feeds.iter().flat_map(|report| &report.providers).map(|report| ProviderNote {
        definition: report.definition,
        cool_down: report.cool_down,
        findings: &report.findings,
    });
    history.record_providers(providers);
}

/// Leaves to the next run what else it will need.
fn record(
    history: &RunHistory<'_>,
    feeds: &[FeedReport<'_>],
    deliveries: &[DeliveryReport],
    hosts: Vec<(String, Option<IpAddr>)>,
) {
    let state = |report: &FeedReport<'_>| {
        let is_known = report.skipped.is_none() && !report.has_defect;
        (report.feed.name.clone(), is_known.then(|| report.feed_state(history)))
    };
    // Points that are lost to the first destination do not count, so the next run fetches them again.
    let is_lost = deliveries.first().is_some_and(|first| matches!(first.error, Some(DeliveryError::Lost { .. })));
    let is_counted = |report: &&FeedReport<'_>| report.feed.due_every.is_some() && report.fetched() > 0 && !is_lost;
    let push = |delivery: &DeliveryReport| {
        let (seconds, at_once) = (delivery.took.as_secs_f64(), delivery.at_once);
        Some(LastPush { time: history.started(), seconds, status: delivery.status?, at_once })
    };
    history.record(RunNotes {
        feeds: feeds.iter().map(state).collect(),
        fetched: feeds.iter().filter(is_counted).map(|report| report.feed.state_name.as_str()).collect(),
        told: deliveries.iter().flat_map(|delivery| &delivery.notices).map(|(subject, _)| subject.as_str()).collect(),
        hosts,
        pushes: deliveries.iter().map(|delivery| (delivery.to.mirror(), push(delivery))).collect(),
    });
}

/// Logs what came of a destination that a person must know. What stays as it is, is a warning once a day.
fn log_delivery(delivery: &DeliveryReport, history: &RunHistory<'_>) {
    for (subject, notice) in &delivery.notices {
        let level = if history.is_told(subject) { Level::Info } else { Level::Warn };
        log::log!(level, "{notice}");
    }
    log_all(Level::Warn, &delivery.warnings);
    log_all(Level::Error, &delivery.losses);
    if let Some(error) = &delivery.error {
        log::error!("{}", error.message(&delivery.to));
    }
}

/// What the destinations make of a run which has fetched with this outcome.
fn outcome_with(deliveries: &[DeliveryReport], settings: &Settings, fetched: Outcome) -> Outcome {
    let outcome = deliveries.iter().map(DeliveryReport::outcome).fold(fetched, Outcome::max);
    let is_pushed = deliveries.iter().all(|delivery| delivery.taken > 0);
    if is_pushed { settings.accept(outcome) } else { outcome }
}

/// Logs one line: what was pushed, from where, in how long.
fn log_summary(definitions: &[Definition], feeds: &[FeedReport<'_>], deliveries: &[DeliveryReport], took: Duration) {
    let stats = stats_by_provider(definitions, feeds);
    let asked = stats.iter().filter(|(_, stats)| stats.requests > 0);
    let providers: Vec<&str> = asked.map(|(definition, _)| definition.name.as_str()).collect();
    let fetched: usize = feeds.iter().map(FeedReport::fetched).sum();
    let due: usize = feeds.iter().map(|feed| feed.expected).sum();
    let from = match (providers.is_empty(), due) {
        (false, _) => providers.join(", "),
        (true, 0) => "nobody, as nothing was due".to_owned(),
        (true, _) => "nobody, as no provider may be asked".to_owned(),
    };
    // Symbols that stay missing are not named again, so their number is.
    let fetched_of = if fetched == due { String::new() } else { format!("{fetched} of ") };
    let (symbols, seconds) = (pluralize(due, "symbol"), took.as_secs_f64());
    let points = |DeliveryReport { taken, waited, .. }: &DeliveryReport| {
        let waited = if *waited == 0 { String::new() } else { format!(" ({waited} of them waited in the journal)") };
        format!("{}{waited}", pluralize(*taken, "point"))
    };
    let pushed = deliveries.first().map(points).unwrap_or_default();
    let of_mirror = |delivery: &DeliveryReport| format!("; {} took {}", delivery.to, points(delivery));
    let mirrors = deliveries.iter().skip(1).map(of_mirror).collect::<Vec<_>>().concat();
    let is_closed = |reason: &&SkipReason| matches!(reason, SkipReason::Closed(_));
    let closed =
        |feed: &FeedReport<'_>| Some(format!("; {}: {}", feed.feed.name, feed.skipped.as_ref().filter(is_closed)?));
    let closed: String = feeds.iter().filter_map(closed).collect();
    log::info!(
        target: SUMMARY,
        "pushed {pushed} of {fetched_of}{symbols} from {from} in {seconds:.2} s{mirrors}{closed}"
    );
}
