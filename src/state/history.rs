//! What a run knows of the runs before it, and what it leaves to the next.

use super::unknown_symbols::{SymbolFindings, UnknownSymbols};
use super::{CoolDown, FeedState, LastPush, LastRun, State};
use crate::provider::Definition;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

/// A scheduler may start a run early by a tenth of an interval, by this many seconds at most.
const MAX_TOLERANCE: u64 = 5;

/// In seconds.
const A_DAY: i64 = 86_400;

/// What a run knows of the runs before it.
pub(crate) struct RunHistory<'a> {
    /// `None` in a dry run, and where no state directory is known.
    state: Option<State<'a>>,
    /// The name of the run.
    run: &'a str,
    /// When the run started, in Unix seconds.
    started: i64,
    last: LastRun,
    /// Whether symbols that are known to be unknown are requested all the same.
    asks_unknown: bool,
}

impl<'a> RunHistory<'a> {
    /// Reads what the runs of this name left. `started` is when this run started, in Unix seconds.
    pub(crate) fn read(state: Option<State<'a>>, run: &'a str, started: i64) -> Self {
        let last = state.as_ref().map_or_else(LastRun::default, |state| state.last_run(run));
        Self { state, run, started, last, asks_unknown: false }
    }

    /// How the push of the run before went, unless it is older than `max_age`: Graphite would refuse
    /// a point of that time.
    pub(crate) fn last_push(&self, max_age: Duration) -> Option<&LastPush> {
        let oldest = self.started.saturating_sub(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX));
        self.last.push.as_ref().filter(|push| push.time > oldest && push.time < self.started)
    }

    /// Whether the symbol was missing in the run before too.
    pub(crate) fn was_missing(&self, feed: &str, symbol: &str) -> bool {
        self.last.feeds.get(feed).is_some_and(|feed| feed.missing.contains(symbol))
    }

    /// Whether the symbol was fetched without this named field in the run before too.
    pub(crate) fn lacked_field(&self, feed: &str, symbol: &str, field: &str) -> bool {
        self.missing_field(feed, field).is_some_and(|symbols| symbols.contains(symbol))
    }

    /// Whether the default field was missing everywhere in the run before too.
    pub(crate) fn had_lost_field(&self, feed: &str, field: &str) -> bool {
        self.missing_field(feed, field).is_some_and(BTreeSet::is_empty)
    }

    fn missing_field(&self, feed: &str, field: &str) -> Option<&BTreeSet<String>> {
        self.last.feeds.get(feed)?.missing_fields.get(field)
    }

    /// Whether a request to the provider failed in the run before too.
    pub(crate) fn was_failing(&self, feed: &str, provider: &str) -> bool {
        self.last.feeds.get(feed).is_some_and(|feed| feed.failing.contains(provider))
    }

    /// Whether the provider gave the field of any of these symbols, of which this is the hash, to an
    /// earlier run.
    pub(crate) fn gave_field(&self, feed: &str, symbols: u64, provider: &str, field: &str) -> bool {
        let given = self.last.feeds.get(feed).filter(|feed| feed.symbols == symbols);
        given.and_then(|feed| feed.given.get(provider)).is_some_and(|fields| fields.contains(field))
    }

    /// Whether this was told less than a day ago.
    pub(crate) fn is_told(&self, subject: &str) -> bool {
        self.last.told.get(subject).is_some_and(|told| self.is_today(*told))
    }

    /// Whether it is less than a day ago.
    fn is_today(&self, time: i64) -> bool {
        (0..A_DAY).contains(&self.started.saturating_sub(time))
    }

    /// The missing fields of the run before, for a run that fetched nothing and so knows of none.
    pub(crate) fn missing_fields(&self, feed: &str) -> BTreeMap<String, BTreeSet<String>> {
        self.last.feeds.get(feed).map(|feed| feed.missing_fields.clone()).unwrap_or_default()
    }

    /// How many seconds a provider must still be left alone, of an `interval` in seconds between the
    /// starts of two runs that ask it. `None` if it may be asked.
    ///
    /// A scheduler is late by a second or two at times, and the run after a late one would seem too
    /// early. If it rested, the interval would double. So a run may be early by a tenth of the
    /// interval, by [`MAX_TOLERANCE`] at most.
    pub(crate) fn seconds_left(&self, provider: &str, interval: u64) -> Option<u64> {
        let last = self.state.as_ref().filter(|_| interval > 0)?.last_call(provider)?;
        let passed = u64::try_from(self.started.checked_sub(last)?).ok()?;
        let left = interval.saturating_sub(passed);
        (left > (interval / 10).min(MAX_TOLERANCE)).then_some(left)
    }

    /// Whether a provider asked an earlier run to be left alone until now: the HTTP status of its reply,
    /// and how many seconds are left.
    pub(crate) fn cool_down(&self, provider: &str) -> Option<(u16, u64)> {
        let cool_down = self.state.as_ref()?.cool_down(provider)?;
        Some((cool_down.status, cool_down.seconds_left(self.started)?))
    }

    /// The symbols that a provider did not know when it was last asked with this definition.
    pub(crate) fn unknown_symbols(&self, definition: &Definition) -> UnknownSymbols {
        let Some(state) = self.state.as_ref().filter(|_| !self.asks_unknown) else { return UnknownSymbols::default() };
        state.unknown_symbols(&definition.name).of(definition)
    }

    /// The same history without the symbols that providers did not know, for a check that asks for one
    /// symbol of each.
    #[must_use]
    pub(crate) fn asking_unknown(self) -> Self {
        Self { asks_unknown: true, ..self }
    }

    /// Leaves to the next run what came of each feed that was due, what providers said for it, what was
    /// told that is told once a day, and how the push went, if there was one. What cannot be written is only
    /// logged.
    pub(crate) fn record<'p>(
        &self,
        feeds: BTreeMap<String, FeedState>,
        providers: impl Iterator<Item = ProviderNote<'p>>,
        told: impl Iterator<Item = &'p str>,
        push: Option<LastPush>,
    ) {
        let Some(state) = &self.state else { return };
        let mut last = self.last.clone();
        last.push = push.or(last.push);
        last.told.retain(|_, told| self.is_today(*told));
        for subject in told {
            last.told.entry(subject.to_owned()).or_insert(self.started);
        }
        for (name, mut feed) in feeds {
            // What was once given is remembered, also if it is missing now.
            let before = last.feeds.remove(&name).filter(|before| before.symbols == feed.symbols);
            for (provider, fields) in before.into_iter().flat_map(|before| before.given) {
                feed.given.entry(provider).or_default().extend(fields);
            }
            last.feeds.insert(name, feed);
        }
        let mut learned: BTreeMap<&str, (&Definition, SymbolFindings)> = BTreeMap::new();
        let mut written = Vec::new();
        for note in providers {
            let name = note.definition.name.as_str();
            learned.entry(name).or_insert((note.definition, SymbolFindings::default())).1.add(note.findings);
            written.append(&mut self.write_note(state, &note));
        }
        for (name, (definition, findings)) in learned.into_iter().filter(|(_, (_, findings))| !findings.is_empty()) {
            let mut unknown = state.unknown_symbols(name).of(definition);
            unknown.update(definition, &findings, self.started);
            written.push(state.set_unknown_symbols(name, &unknown));
        }
        written.push(state.set_last_run(self.run, &last));
        for error in written.into_iter().filter_map(Result::err) {
            log::info!("cannot write the state of this run in {}: {error}", state.dir().display());
        }
    }

    fn write_note(&self, state: &State<'_>, note: &ProviderNote<'_>) -> Vec<io::Result<()>> {
        let name = note.definition.name.as_str();
        let mut written = Vec::new();
        if note.is_asked {
            written.push(state.set_last_call(name, self.started));
        }
        if let Some(cool_down) = &note.cool_down {
            written.push(state.set_cool_down(name, cool_down, self.started));
        }
        written
    }
}

/// What a provider leaves to the next run.
pub(crate) struct ProviderNote<'p> {
    /// The provider.
    pub(crate) definition: &'p Definition,
    /// Whether it has an interval between runs and was asked.
    pub(crate) is_asked: bool,
    /// For how long it asked to be left alone.
    pub(crate) cool_down: Option<CoolDown>,
    /// What was learned of symbols.
    pub(crate) findings: &'p SymbolFindings,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::SystemDisk;

    #[test]
    fn a_run_may_be_early_by_a_tenth_of_the_interval_and_five_seconds_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&SystemDisk, folder.path());
        state.set_last_call("p", 1_000).unwrap();
        let left = |passed: i64, interval| {
            RunHistory::read(Some(state.clone()), "all", 1_000 + passed).seconds_left("p", interval)
        };
        // Of 30 seconds a tenth is three; of 600 it would be sixty.
        assert_eq!([left(26, 30), left(27, 30), left(30, 30)], [Some(4), None, None]);
        assert_eq!([left(594, 600), left(595, 600), left(700, 600)], [Some(6), None, None]);
        assert_eq!(left(0, 0), None, "no interval");
        assert_eq!(left(-5, 600), None, "the clock was set back");
    }

    #[test]
    fn without_a_state_directory_every_provider_may_be_asked() {
        let history = RunHistory::read(None, "all", 1_000);
        history.record(BTreeMap::new(), std::iter::empty(), std::iter::empty(), None);
        assert_eq!(history.seconds_left("p", 600), None);
    }
}
