//! `datametrics check`: where each setting came from, and whether everything they name can be
//! reached.

use crate::collect::Collector;
use crate::deadline::Deadline;
use crate::graphite::{Destination, reach};
use crate::journal::Journal;
use crate::listing::aligned;
use crate::market_hours::MarketHours;
use crate::memory::Memory;
use crate::number::Number;
use crate::outcome::Outcome;
use crate::provider::Definition;
use crate::quote::Field;
use crate::report::FeedReport;
use crate::retry::Patience;
use crate::settings::{Feed, Settings, missing_graphite};
use crate::shown::counted;
use crate::state::State;
use crate::world::World;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use std::time::Instant;

/// Something that was tried.
struct Finding {
    what: String,
    /// What is well, or what is not and what to do.
    said: Result<String, String>,
    /// What a run would come to.
    outcome: Outcome,
}

impl Finding {
    fn new(what: impl Into<String>, said: Result<String, String>, failed: Outcome) -> Self {
        let outcome = if said.is_ok() { Outcome::Success } else { failed };
        Self { what: what.into(), said, outcome }
    }

    fn line(&self) -> String {
        let (word, said) = match &self.said {
            Ok(said) => ("ok    ", said),
            Err(said) => ("FAILED", said),
        };
        format!("{word}  {}: {said}\n", self.what)
    }
}

/// A table of the settings: what each is called, its value, and who said so.
pub fn settings(settings: &Settings) -> String {
    let row = |setting: &crate::settings::Setting| [setting.name.clone(), setting.value.clone(), setting.place()];
    let head = ["SETTING", "VALUE", "FROM"].map(str::to_owned);
    let rows: Vec<[String; 3]> = std::iter::once(head).chain(settings.origins.iter().map(row)).collect();
    aligned(&rows)
}

/// Tries the state directory, Graphite and every provider in use, side by side: a line each, and
/// what a run would come to.
pub fn everything(settings: &Settings, world: World<'_>) -> (String, Outcome) {
    let deadline = Deadline::after(settings.timeout);
    let patience = Patience { retries: settings.retries, deadline, random: world.random };
    let findings = thread::scope(|scope| {
        let graphite = scope.spawn(|| graphite(settings, world, patience));
        let providers = scope.spawn(|| providers(settings, world, deadline));
        let mut findings = vec![state_dir(settings)];
        findings.push(graphite.join().unwrap_or_else(|panic| resume_unwind(panic)));
        findings.extend(providers.join().unwrap_or_else(|panic| resume_unwind(panic)));
        findings
    });
    let outcome = findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Success);
    (findings.iter().map(Finding::line).collect(), outcome)
}

/// Without a journal a run is as good as ever, until the first outage.
fn state_dir(settings: &Settings) -> Finding {
    let said = match &settings.state_dir {
        Some(place) => try_out(place, settings.journal.is_some()),
        None if settings.journal.is_none() => Ok("there is none, and no journal is wanted".to_owned()),
        None => Err("no variable says where it is, so there is no journal: set DATAMETRICS_STATE_DIR".to_owned()),
    };
    Finding::new("state directory", said, Outcome::Partial)
}

fn try_out(place: &Path, has_journal: bool) -> Result<String, String> {
    let shown = place.display();
    State::new(place).try_out().map_err(|cause| {
        format!("cannot write in {shown}: {cause}; make it writable, or name another in DATAMETRICS_STATE_DIR")
    })?;
    if !has_journal {
        return Ok(format!("{shown} can be written; no journal is wanted"));
    }
    let waiting = Journal::open(place).and_then(|journal| journal.waiting()).map_err(|error| error.to_string())?;
    let points: usize = waiting.iter().map(|entry| entry.points).sum();
    Ok(format!("{shown} can be written; {} in the journal", counted(points, "point")))
}

fn graphite(settings: &Settings, world: World<'_>, patience: Patience<'_>) -> Finding {
    let begun = Instant::now();
    let Some(destination) = &settings.graphite.destination else {
        let error = missing_graphite();
        return Finding::new("graphite", Err(error.to_string()), error.outcome());
    };
    match reach(destination, world.transport, patience) {
        Ok(()) => {
            let took = begun.elapsed().as_secs_f64();
            let well = match destination {
                Destination::Ingest { url, .. } => format!("{url} takes points from us"),
                Destination::Plaintext { host, port } => format!("Carbon at {host}:{port} takes connections"),
                Destination::Pickle { host, port } => format!("Carbon at {host}:{port} takes connections (for pickle)"),
            };
            Finding::new("graphite", Ok(format!("{well}, {took:.2} s")), Outcome::Success)
        }
        Err(error) => {
            let outcome = if error.refused_credentials() { Outcome::NotAllowed } else { Outcome::NotTaken };
            Finding::new("graphite", Err(error.to_string()), outcome)
        }
    }
}

/// Every provider is asked for one symbol of one feed, just as a run asks. A market that is closed
/// is no matter. A provider that is to be left alone is left alone, and this asking does not
/// count when the next run looks whether it may ask.
fn providers(settings: &Settings, world: World<'_>, deadline: Deadline) -> Vec<Finding> {
    let started = i64::try_from((world.clock)().as_secs()).unwrap_or(i64::MAX);
    let memory = Memory::recall(settings, started);
    let definitions = || settings.definitions.iter().enumerate();
    let probes: Vec<Feed> = definitions().filter_map(|(at, definition)| probe(settings, at, definition)).collect();
    let reports = Collector { settings, world, memory: &memory, started, deadline }.ask(&probes);
    let is_any_fetched = reports.iter().any(|report| report.fetched() > 0);
    let failed = if is_any_fetched { Outcome::Partial } else { Outcome::NothingFetched };
    let finding = |(at, definition): (usize, &Definition)| {
        if let Some(error) = settings.unready.get(&definition.name) {
            return Finding::new(&definition.name, Err(error.to_string()), error.outcome());
        }
        if let Some(report) = reports.iter().find(|report| report.feed.providers == [at]) {
            return asked(definition, report, failed);
        }
        let said = "not asked: no feed has a symbol here and a field that it gives";
        Finding::new(&definition.name, Ok(said.to_owned()), Outcome::Success)
    };
    definitions().map(finding).collect()
}

/// A feed of one symbol and one provider.
fn probe(settings: &Settings, at: usize, definition: &Definition) -> Option<Feed> {
    if settings.unready.contains_key(&definition.name) {
        return None;
    }
    let of = |feed: &Feed| {
        let mut probe = feed.clone();
        probe.symbols.truncate(1);
        probe.fields.retain(|field| definition.gives(field));
        probe.providers = vec![at];
        probe.market_hours = MarketHours::Any;
        (!probe.symbols.is_empty() && !probe.fields.is_empty()).then_some(probe)
    };
    settings.feeds.iter().filter(|feed| feed.providers.contains(&at)).find_map(of)
}

fn asked(definition: &Definition, report: &FeedReport<'_>, failed: Outcome) -> Finding {
    let (feed, name) = (report.feed, &definition.name);
    let what = format!("{name} ({})", feed.name);
    if report.defect {
        return Finding::new(what, Err("a defect in datametrics, see above".to_owned()), Outcome::Defect);
    }
    if let Some(rest) = &report.rest {
        return Finding::new(what, Ok(format!("not asked: {rest} (min_interval)")), Outcome::Success);
    }
    let is_well = report.providers.iter().all(|report| report.failures.is_empty());
    if is_well && report.rows.has(0) {
        let took = report.providers.iter().map(|report| report.tally.slowest).max().unwrap_or_default();
        let said = format!("{} {}, {:.2} s", feed.symbols[0], quoted(feed, report.rows.row(0)), took.as_secs_f64());
        return Finding::new(what, Ok(said), failed);
    }
    let (problems, _) = report.problems(&|_| false);
    let bare = |line: &String| {
        let line = line.strip_prefix(&format!("{}: ", feed.name)).unwrap_or(line);
        line.strip_prefix(&format!("{name}: ")).unwrap_or(line).to_owned()
    };
    let problems = problems.iter().map(bare).collect::<Vec<_>>().join("; ");
    let said = format!("{problems}; -vv shows what is asked, `datametrics providers {name}` how");
    Finding::new(what, Err(said), failed)
}

/// The first value of a quote, and which fields somebody named and it does not have. Another provider
/// may have them, so that is no failure of this one.
fn quoted(feed: &Feed, row: &[Option<Number>]) -> String {
    let values = || feed.fields.iter().map(Field::as_str).zip(row);
    let first = values().find_map(|(field, value)| Some(format!("{field} {}", value.as_ref()?)));
    let missing: Vec<&str> = values().filter(|(_, value)| value.is_none()).map(|(field, _)| field).collect();
    let first = first.unwrap_or_default();
    if feed.fields_are_named && !missing.is_empty() {
        return format!("{first} (no {})", missing.join(", "));
    }
    first
}
