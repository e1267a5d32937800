//! What a run came to, as JSON for scripts. `docs/REPORT.md` says what stands where; scripts rely on it.

use crate::delivery::DeliveryReport;
use crate::fetch::{FeedReport, stats_by_provider};
use crate::http::stats::RequestStats;
use crate::outcome::Outcome;
use crate::provider::Definition;
use crate::state::history::RunHistory;
use crate::util::sanitize::sanitize;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// Counts the forms of the report. A new key is no new form; one that is gone or means something else is.
const VERSION: u32 = 1;

/// What a run knows at its end.
pub(crate) struct Finished<'r, 'a> {
    /// The name of the run.
    pub(crate) run: &'r str,
    /// Whether it was to push nothing.
    pub(crate) is_dry: bool,
    /// When it started, in Unix seconds.
    pub(crate) started: i64,
    /// How long it took.
    pub(crate) took: Duration,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// The providers that may have been asked.
    pub(crate) definitions: &'r [Definition],
    /// What came of each feed.
    pub(crate) feeds: &'r [FeedReport<'a>],
    /// What is known of earlier runs.
    pub(crate) history: &'r RunHistory<'r>,
    /// What came of each destination.
    pub(crate) deliveries: &'r [DeliveryReport],
}

#[derive(Serialize)]
struct Report<'r> {
    version: u32,
    run: &'r str,
    dry_run: bool,
    start: String,
    duration: f64,
    exit_code: u8,
    feeds: Vec<Feed<'r>>,
    providers: Vec<Provider<'r>>,
    destinations: Vec<Destination>,
}

#[derive(Serialize)]
struct Feed<'r> {
    name: &'r str,
    due: usize,
    fetched: usize,
    missing: Vec<Missing<'r>>,
    rest: Option<String>,
}

#[derive(Serialize)]
struct Missing<'r> {
    symbol: Option<&'r str>,
    field: Option<&'r str>,
    reason: String,
}

#[derive(Serialize)]
struct Provider<'r> {
    name: &'r str,
    requests: u32,
    status: Option<u16>,
    time: f64,
}

#[derive(Serialize)]
struct Destination {
    name: String,
    taken: usize,
    waiting: usize,
    lost: usize,
    error: Option<String>,
}

/// The report, in one line.
pub(crate) fn report(finished: &Finished<'_, '_>) -> String {
    let report = Report {
        version: VERSION,
        run: finished.run,
        dry_run: finished.is_dry,
        start: Timestamp::from_second(finished.started).unwrap_or_default().to_string(),
        duration: seconds(finished.took),
        exit_code: finished.outcome.code(),
        feeds: finished.feeds.iter().map(|feed| feed_of(feed, finished.history)).collect(),
        providers: providers(finished),
        destinations: finished.deliveries.iter().map(destination).collect(),
    };
    // It has no map whose keys are no texts, so it can be written.
    serde_json::to_string(&report).unwrap_or_default() + "\n"
}

fn feed_of<'r>(report: &'r FeedReport<'_>, history: &RunHistory<'_>) -> Feed<'r> {
    let missing = report.missing_values(history).into_iter().map(|missing| Missing {
        symbol: missing.symbol,
        field: missing.field,
        reason: sanitize(&missing.reason, usize::MAX),
    });
    Feed {
        name: &report.feed.name,
        due: report.expected,
        fetched: report.fetched(),
        missing: missing.collect(),
        rest: report.skipped.as_ref().map(ToString::to_string),
    }
}

fn providers<'r>(finished: &Finished<'r, '_>) -> Vec<Provider<'r>> {
    let stats = stats_by_provider(finished.definitions, finished.feeds).into_iter();
    let provider = |(definition, stats): (&'r Definition, RequestStats)| Provider {
        name: &definition.name,
        requests: stats.requests,
        status: stats.worst_status,
        time: seconds(stats.slowest),
    };
    stats.map(provider).collect()
}

fn destination(delivery: &DeliveryReport) -> Destination {
    let error = delivery.error.as_ref().map(|error| sanitize(&error.message(&delivery.to), usize::MAX));
    let name = delivery.to.to_string();
    Destination { name, taken: delivery.taken, waiting: delivery.waiting, lost: delivery.lost(), error }
}

/// Seconds with their milliseconds.
fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1000.0).round() / 1000.0
}
