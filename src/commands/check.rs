//! `datametrics check`: where each setting came from, and whether a run with these settings can reach
//! what it needs.

use super::forecast::month;
use super::table::align_columns;
use crate::config::{ConfigError, Origin};
use crate::context::Context;
use crate::delivery::graphite::{AmqpAddress, CarbonTarget, Destination, OpenConnection, Protocol, Way};
use crate::delivery::journal::{Entry, Journal, JournalError};
use crate::delivery::{DestinationName, NamedDestination, sort_by_owner};
use crate::fetch::{Collector, Feed, FeedReport};
use crate::http::retry::RetryPolicy;
use crate::logging::log_all;
use crate::market::field::Field;
use crate::market::number::Number;
use crate::outcome::Outcome;
use crate::output::print;
use crate::progress;
use crate::provider::Definition;
use crate::settings::{RecordedSetting, Settings};
use crate::state::State;
use crate::state::history::RunHistory;
use crate::system::deadline::Deadline;
use crate::system::threads::{Task, lock, parallel_map};
use crate::util::clauses::{add_clause, join_clauses};
use crate::util::group_by::group_by;
use crate::util::pluralize::pluralize;
use crate::util::sanitize::sanitize;
use log::Level;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

/// How long a check waits for a run that is sending.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// What a Carbon cannot be asked for.
const SCHEMAS_ADVICE: &str =
    "; it keeps a history of more than hours only by sections like those of `datametrics graphite schemas`";

/// Writes to `out` where each setting came from. Then checks the state directory, Graphite and the
/// providers, and writes the findings. Returns what a run would come to if no provider stood in for another.
pub fn check(settings: &Settings, context: Context<'_>, out: &mut dyn Write) -> Outcome {
    log_all(Level::Warn, &settings.warnings);
    let printed = print(out, &format!("{}\n", settings_table(settings)));
    let mut findings = check_everything(settings, context);
    if log::log_enabled!(Level::Info) {
        let mirrors = settings.destinations.iter().filter(|to| to.name.mirror().is_some()).count();
        findings.extend(
            month(&settings.fetch, &settings.metrics, mirrors).into_iter().map(|(of, text)| Finding::ok(of, text)),
        );
    }
    // The findings may go to the terminal that shows who is waited for.
    progress::clear();
    let lines: String = findings.iter().map(Finding::line).collect();
    let outcome = findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Success);
    printed.max(outcome).max(print(out, &lines))
}

/// The result of one check.
struct Finding {
    /// What was checked.
    subject: String,
    /// What works, or else what does not work and what to do about it.
    result: Result<String, String>,
    /// What a run would come to because of this finding.
    outcome: Outcome,
}

impl Finding {
    fn new(subject: impl Into<String>, result: Result<String, String>, if_failed: Outcome) -> Self {
        let outcome = if result.is_ok() { Outcome::Success } else { if_failed };
        Self { subject: subject.into(), result, outcome }
    }

    fn ok(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(subject, Ok(text.into()), Outcome::Success)
    }

    fn line(&self) -> String {
        let (label, text) = match &self.result {
            Ok(text) => ("ok    ", text),
            Err(text) => ("FAILED", text),
        };
        format!("{label}  {}\n", sanitize(&format!("{}: {text}", self.subject), usize::MAX))
    }
}

/// The settings as a table: the name of each, its value, and where it came from. Those that nobody set are only shown
/// at `-v`.
fn settings_table(settings: &Settings) -> String {
    let row = |setting: &RecordedSetting| [setting.name.clone(), setting.value.clone(), setting.source()];
    let header = ["SETTING", "VALUE", "FROM"].map(str::to_owned);
    let with_defaults = log::log_enabled!(Level::Info);
    let (shown, others): (Vec<_>, Vec<_>) =
        settings.recorded.iter().partition(|setting| with_defaults || is_set(setting));
    let mut rows: Vec<[String; 3]> = std::iter::once(header).chain(shown.into_iter().map(row)).collect();
    if !others.is_empty() {
        let count = format!("{} more", others.len());
        rows.push([count, "default or not set".to_owned(), "-v shows them".to_owned()]);
    }
    align_columns(&rows)
}

/// Whether somebody set it. A config file that is found where it is looked for counts too.
fn is_set(setting: &RecordedSetting) -> bool {
    !matches!(setting.origin, Origin::Default(_)) || (setting.name == "--config" && setting.value != "not set")
}

/// Checks the state directory, the destinations and the providers in use, all at the same time.
fn check_everything(settings: &Settings, context: Context<'_>) -> Vec<Finding> {
    let deadline = context.deadline(settings.timeout);
    let (state_dir, destinations, providers) = (Mutex::new(None), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let tasks: Vec<Task<'_>> = vec![
        Box::new(|| *lock(&state_dir) = Some(check_state_dir(settings, context))),
        Box::new(|| *lock(&destinations) = check_destinations(settings, context, deadline)),
        Box::new(|| *lock(&providers) = check_providers(settings, context, deadline)),
    ];
    context.threads.run_all(tasks);
    let clock = context.clock_error().map(|error| Finding::new("clock", Err(error), Outcome::NotTaken));
    let mut findings: Vec<Finding> = clock.into_iter().chain(lock(&state_dir).take()).collect();
    findings.append(&mut lock(&destinations));
    findings.append(&mut lock(&providers));
    findings
}

/// If this fails, a run still succeeds if it can have the lock, but it cannot keep points that Graphite does not take.
fn check_state_dir(settings: &Settings, context: Context<'_>) -> Finding {
    let mut outcome = Outcome::Partial;
    let result = match &settings.state_dir {
        Some(dir) => probe_state_dir(dir, settings, context, &mut outcome),
        None if !settings.keeps_journal => Ok("there is none, and no journal is wanted".to_owned()),
        None => Err("no variable says where it is, so there is no journal: set DATAMETRICS_STATE_DIR".to_owned()),
    };
    Finding::new("state directory", result.map(|text| text + &settings.state_dir_advice), outcome)
}

/// `outcome` is that of a failure, and gets worse where no run can send.
fn probe_state_dir(
    dir: &Path,
    settings: &Settings,
    context: Context<'_>,
    outcome: &mut Outcome,
) -> Result<String, String> {
    let path = dir.display();
    State::new(context.disk, context.random, dir).probe().map_err(|cause| {
        format!("cannot write in {path}: {cause}; make it writable, or name another in DATAMETRICS_STATE_DIR")
    })?;
    if !settings.keeps_journal {
        return Ok(format!("{path} can be written; no journal is wanted"));
    }
    let journal = Journal::open(context.disk, context.clock, dir).map_err(|error| error.to_string())?;
    // A run that is sending needs a moment.
    let deadline = context.deadline(LOCK_WAIT.min(settings.timeout));
    let mirrors = settings.destinations.iter().map(|to| &to.name).filter(|name| name.mirror().is_some());
    for name in std::iter::once(&DestinationName::First).chain(mirrors) {
        match journal.lock(&name.lock_file(), deadline) {
            Ok(_) => {}
            Err(error @ JournalError::Locked { .. }) => {
                *outcome = Outcome::NotTaken;
                let whom = name.mirror().map_or(String::new(), |_| format!(" to {name}"));
                return Err(format!("{error}; while it has it, no run can send{whom}"));
            }
            Err(error) => return Err(format!("{error}; without it two runs at once send the same points")),
        }
    }
    let unsent = |error: JournalError| {
        *outcome = Outcome::NotTaken;
        format!("{error}; until then points wait that no run can send")
    };
    let waiting = check_waiting(&journal).map_err(unsent)?;
    Ok(format!("{path} can be written; {}", describe_waiting(waiting, settings, &journal)))
}

/// What waits in the journal, if all of it can be read.
fn check_waiting(journal: &Journal<'_>) -> Result<Vec<Entry>, JournalError> {
    let waiting = journal.waiting()?;
    for entry in &waiting {
        match journal.read(entry) {
            // A run has sent it meanwhile.
            Err(error) if error.is_missing_file() => {}
            read => drop(read?),
        }
    }
    Ok(waiting)
}

/// What waits in the journal: for the first destination, for each mirror, and for others that are not configured.
fn describe_waiting(waiting: Vec<Entry>, settings: &Settings, journal: &Journal<'_>) -> String {
    let destinations: Vec<&NamedDestination> = settings.destinations.iter().collect();
    let (owned, mut others) = sort_by_owner(waiting, &destinations);
    let count = |entries: &[Entry]| pluralize(entries.iter().map(|entry| entry.points).sum(), "point");
    let (first, mirrors): (Vec<_>, Vec<_>) =
        destinations.iter().zip(owned).partition(|(to, _)| to.name == DestinationName::First);
    let first = first.into_iter().next().map(|(_, entries)| entries);
    let first = first.unwrap_or_else(|| std::mem::take(&mut others));
    let waits = |(_, entries): &&(&&NamedDestination, Vec<Entry>)| !entries.is_empty();
    let of_mirror =
        |(to, entries): &(&&NamedDestination, Vec<Entry>)| format!(", and {} for {}", count(entries), to.name);
    let mirrors = mirrors.iter().filter(waits).map(of_mirror).collect::<Vec<_>>().concat();
    let describe = |(_, entries): (Option<String>, Vec<Entry>)| {
        let label = entries.first().map(|entry| journal.destination_label(entry)).unwrap_or_default();
        format!(", and {} for another Graphite, {label}", count(&entries))
    };
    let by_destination = group_by(others.into_iter().map(|entry| (entry.destination.clone(), entry)));
    let others: String = by_destination.into_iter().map(describe).collect();
    format!("{} in the journal{mirrors}{others}", count(&first))
}

/// Reaches each destination.
fn check_destinations(settings: &Settings, context: Context<'_>, deadline: Deadline<'_>) -> Vec<Finding> {
    let missing = settings
        .no_destination
        .as_ref()
        .map(|error| Finding::new(DestinationName::First.to_string(), Err(error.to_string()), error.outcome()));
    let reach = |to: &NamedDestination| check_destination(to, settings, context, deadline);
    let destinations = if settings.is_offline { &[][..] } else { &settings.destinations };
    let reached = parallel_map(context.threads, destinations.len(), destinations, reach);
    missing.into_iter().chain(reached).collect()
}

fn check_destination(
    NamedDestination { name, destination, .. }: &NamedDestination,
    settings: &Settings,
    context: Context<'_>,
    deadline: Deadline<'_>,
) -> Finding {
    let begun = context.clock.now();
    let subject = name.to_string();
    let policy = RetryPolicy::new(settings.fetch.retries, deadline, context.random);
    let way = Way { destination, opening: &OpenConnection::default(), context, policy };
    match way.reach() {
        Ok(()) => {
            let seconds = (context.clock.now() - begun).as_secs_f64();
            Finding::ok(subject, describe_reached(destination, name, seconds))
        }
        Err(error) => {
            let outcome = if error.refused_credentials() { Outcome::NotAllowed } else { Outcome::NotTaken };
            Finding::new(subject, Err(error.to_string()), outcome)
        }
    }
}

/// What works, and what nothing that Carbon does can tell: whether it is there, and how long it keeps what it gets.
fn describe_reached(destination: &Destination, name: &DestinationName, seconds: f64) -> String {
    match destination {
        Destination::Ingest(target) => format!("{} takes points from us, {seconds:.2} s", target.url),
        Destination::Carbon(CarbonTarget { protocol, host, port, linger, .. }) => {
            let pickle = if *protocol == Protocol::Pickle { " (for pickle)" } else { "" };
            let advice = if linger.is_zero() {
                format!(
                    "; if a balancer stands before it, set linger in [{}], or points are lost while no Carbon is behind it",
                    name.section()
                )
            } else {
                String::new()
            };
            format!("Carbon at {host}:{port} takes connections{pickle}, {seconds:.2} s{advice}{SCHEMAS_ADVICE}")
        }
        Destination::Amqp(target) => {
            let AmqpAddress { host, port, exchange, .. } = &target.address;
            format!(
                "the AMQP broker at {host}:{port} takes messages, and a queue reads from {exchange:?}, {seconds:.2} \
                 s{SCHEMAS_ADVICE}"
            )
        }
    }
}

/// Asks every provider for one symbol of one feed as a run would ask, even if the market is closed. A
/// provider whose `min_interval` is not over is not asked. The requests are not recorded, so they do
/// not delay the next run.
fn check_providers(settings: &Settings, context: Context<'_>, deadline: Deadline<'_>) -> Vec<Finding> {
    if settings.is_offline {
        let finding =
            |(name, error): (&String, &ConfigError)| Finding::new(name, Err(error.to_string()), error.outcome());
        return settings.not_ready.iter().map(finding).collect();
    }
    let started = context.unix_seconds();
    let history = RunHistory::read(settings.state(context), &settings.run, started, 0).for_check();
    let definitions = &settings.fetch.definitions;
    let probes: Vec<Feed> = (0..definitions.len()).filter_map(|index| probe_feed(settings, index)).collect();
    let collector =
        Collector { config: &settings.fetch, context, history: &history, started, deadline, notes_sources: false };
    let reports = collector.fetch(&probes);
    let is_any_fetched = reports.iter().any(|report| report.fetched() > 0);
    let if_failed = if is_any_fetched { Outcome::Partial } else { Outcome::NothingFetched };
    let finding = |(index, definition): (usize, &Definition)| {
        if let Some(error) = settings.not_ready.get(&definition.name) {
            return Finding::new(&definition.name, Err(error.to_string()), error.outcome());
        }
        match reports.iter().find(|report| report.feed.providers == [index]) {
            Some(report) if report.is_limited(&history) => provider_finding(definition, report, Outcome::NotTaken),
            Some(report) => provider_finding(definition, report, if_failed),
            None => Finding::ok(&definition.name, "not asked: no feed has a symbol here and a field that it gives"),
        }
    };
    definitions.iter().enumerate().map(finding).collect()
}

/// A feed with one symbol, for which only the provider with this index is asked. `None` if the provider
/// cannot be asked, or if no feed uses it.
fn probe_feed(settings: &Settings, provider: usize) -> Option<Feed> {
    let definition = &settings.fetch.definitions[provider];
    if settings.not_ready.contains_key(&definition.name) {
        return None;
    }
    let probe = |feed: &Feed| {
        let fields: Vec<Field> = feed.fields.iter().filter(|field| definition.gives(field)).cloned().collect();
        let symbol = feed.symbols.first().filter(|_| !fields.is_empty())?;
        Some(feed.probe(symbol.clone(), fields, provider))
    };
    settings.fetch.feeds.iter().filter(|feed| feed.providers.contains(&provider)).find_map(probe)
}

fn provider_finding(definition: &Definition, report: &FeedReport<'_>, if_failed: Outcome) -> Finding {
    let (feed, name) = (report.feed, &definition.name);
    let subject = format!("{name} ({})", feed.name);
    if report.has_defect {
        return Finding::new(subject, Err("a defect in datametrics, see above".to_owned()), Outcome::Defect);
    }
    if let Some(reason) = &report.skipped {
        return Finding::ok(subject, format!("{reason} (min_interval)"));
    }
    let has_failed = report.providers.iter().any(|report| !report.failures.is_empty());
    if !has_failed && report.missing.is_empty() {
        let took = report.providers.iter().map(|report| report.stats.slowest).max().unwrap_or_default();
        let quote = describe_quote(feed, report.rows.row(0));
        return Finding::ok(subject, format!("{} {quote}, {:.2} s", feed.symbols[0], took.as_secs_f64()));
    }
    // The subject of the finding already names the feed and the provider.
    let shorten = |line: &String| {
        let line = line.strip_prefix(&format!("{}: ", feed.name)).unwrap_or(line);
        line.strip_prefix(&format!("{name}: ")).unwrap_or(line).to_owned()
    };
    let problems = report.problems(&RunHistory::read(None, "", 0, 0));
    let lines = problems.errors.iter().chain(&problems.warnings);
    let problems = join_clauses(lines.map(shorten));
    let text = add_clause(problems, &format!("-vv shows what is asked, `datametrics providers {name}` how"));
    Finding::new(subject, Err(text), if_failed)
}

/// The first value of a quote, and the names of the missing fields if the user named the fields. A
/// missing field is no failure, as the next provider may have it.
fn describe_quote(feed: &Feed, row: &[Option<Number>]) -> String {
    let values = || feed.fields.iter().map(Field::as_str).zip(row);
    let first = values().find_map(|(field, value)| Some(format!("{field} {}", value.as_ref()?))).unwrap_or_default();
    let missing: Vec<&str> = values().filter(|(_, value)| value.is_none()).map(|(field, _)| field).collect();
    if feed.fields_are_named && !missing.is_empty() {
        return format!("{first} (no {})", missing.join(", "));
    }
    first
}
