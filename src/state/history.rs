//! What a run knows of the runs before it, and what it leaves to the next.

use super::calls::Call;
use super::unknown_symbols::{SymbolFindings, UnknownSymbols};
use super::{CoolDown, FeedState, HostState, LastPush, LastRun, State};
use crate::provider::Definition;
use crate::system::threads::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
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
    /// The random number of this run, by which others tell its calls from theirs.
    id: u64,
    /// The starts of runs that had asked a provider when this run was the first to look.
    last_calls: Mutex<BTreeMap<String, Vec<i64>>>,
    /// Whether this is a check, which asks for one symbol of each provider and leaves no trace: it also asks for
    /// symbols that are known to be unknown, and claims no calls.
    is_check: bool,
}

impl<'a> RunHistory<'a> {
    /// Reads what the runs of this name left. `started` is when this run started, in Unix seconds, and `id` is
    /// a random number.
    pub(crate) fn read(state: Option<State<'a>>, run: &'a str, started: i64, id: u64) -> Self {
        let last = state.as_ref().map_or_else(LastRun::default, |state| state.last_run(run));
        Self { state, run, started, last, id, last_calls: Mutex::default(), is_check: false }
    }

    /// When the run started, in Unix seconds.
    pub(crate) fn started(&self) -> i64 {
        self.started
    }

    /// How the push of the run before to the first destination went, or to this mirror, unless it is older than
    /// `max_age`: Graphite would refuse a point of that time.
    pub(crate) fn last_push(&self, mirror: Option<&str>, max_age: Duration) -> Option<&LastPush> {
        let oldest = self.started.saturating_sub(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX));
        self.push_to(mirror).filter(|push| push.time > oldest && push.time < self.started)
    }

    /// With how many waiting points at once to begin at the first destination, or at this mirror. `None` if that is as
    /// many as go at once.
    pub(crate) fn at_once(&self, mirror: Option<&str>) -> Option<usize> {
        self.push_to(mirror)?.at_once
    }

    fn push_to(&self, mirror: Option<&str>) -> Option<&LastPush> {
        mirror.map_or(self.last.push.as_ref(), |name| self.last.mirrors.get(name))
    }

    /// Whether the symbol was missing in the run before too, for a reason that was told.
    pub(crate) fn was_missing(&self, feed: &str, symbol: &str) -> bool {
        self.last.feeds.get(feed).is_some_and(|feed| feed.missing.contains(symbol))
    }

    /// Whether requests for the symbol failed in this way in the run before too, while others were fetched.
    pub(crate) fn had_failed(&self, feed: &str, symbol: &str, failure: u64) -> bool {
        self.last.feeds.get(feed).is_some_and(|feed| feed.failed.get(symbol) == Some(&failure))
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

    /// Where HTTP reached hosts less than a day ago that answered well.
    pub(crate) fn hosts(&self) -> Vec<(String, IpAddr)> {
        let known = self.last.hosts.iter().filter(|host| self.is_today(host.time));
        known.map(|host| (host.name.clone(), host.address)).collect()
    }

    /// Whether it is less than a day ago.
    fn is_today(&self, time: i64) -> bool {
        (0..A_DAY).contains(&self.started.saturating_sub(time))
    }

    /// The missing fields of the run before, for a run that fetched nothing and so knows of none.
    pub(crate) fn missing_fields(&self, feed: &str) -> BTreeMap<String, BTreeSet<String>> {
        self.last.feeds.get(feed).map(|feed| feed.missing_fields.clone()).unwrap_or_default()
    }

    /// How many seconds are left at `now` (Unix seconds) until a feed is due again, of an `interval` in seconds
    /// between the starts of two runs that fetch something of it. `None` if it is due.
    pub(crate) fn seconds_until_due(&self, feed: &str, interval: u64, now: i64) -> Option<u64> {
        self.seconds_left(self.state.as_ref()?.last_fetch(feed)?, interval, now)
    }

    /// How many seconds a provider must still be left alone at `now` (Unix seconds), of an `interval` in seconds
    /// between the starts of two runs that ask it. `None` if it may be asked. What this run asks does not count.
    pub(crate) fn seconds_at_rest(&self, provider: &str, interval: u64, now: i64) -> Option<u64> {
        let state = self.state.as_ref().filter(|_| interval > 0)?;
        let known = lock(&self.last_calls).get(provider).cloned();
        let calls = known.unwrap_or_else(|| {
            // Read outside of the lock. Of two threads that read, the first one counts.
            let calls = state.last_calls(provider);
            lock(&self.last_calls).entry(provider.to_owned()).or_insert(calls).clone()
        });
        calls.into_iter().filter_map(|call| self.seconds_left(call, interval, now)).max()
    }

    /// Writes down that this run asks a provider, before it does. Of runs side by side one may at most. Returns
    /// how many seconds the provider must be left alone if another run has asked it meanwhile. `now` (Unix seconds) is
    /// asked for when it is known who has asked: this run may have been stopped for long before that.
    pub(crate) fn claim_call(&self, provider: &str, interval: u64, now: impl Fn() -> i64) -> Option<u64> {
        let state = self.state.as_ref().filter(|_| interval > 0 && !self.is_check)?;
        let own = Call { started: self.started, run: self.id };
        state.claim_call(provider, own, |last| self.seconds_left(last, interval, now())).unwrap_or_else(|error| {
            self.log_unwritten(&error);
            None
        })
    }

    /// How many seconds of an interval are left at `now` (Unix seconds), after a run that started at `last`.
    ///
    /// A scheduler is late by a second or two at times, and the run after a late one would seem too
    /// early. If it rested, the interval would double. So a run may be early by a tenth of the
    /// interval, by [`MAX_TOLERANCE`] at most.
    fn seconds_left(&self, last: i64, interval: u64, now: i64) -> Option<u64> {
        // Where the clock was set back, nothing is known. A run that started after this one is another matter.
        if last.saturating_sub(now) > MAX_TOLERANCE.cast_signed() {
            return None;
        }
        let passed = u64::try_from(self.started.saturating_sub(last)).unwrap_or(0);
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
        let Some(state) = self.state.as_ref().filter(|_| !self.is_check) else { return UnknownSymbols::default() };
        state.unknown_symbols(&definition.name).of(definition)
    }

    /// The same history for a check.
    #[must_use]
    pub(crate) fn for_check(self) -> Self {
        Self { is_check: true, ..self }
    }

    /// Leaves to all runs what providers said. What cannot be written is only logged.
    pub(crate) fn record_providers<'p>(&self, notes: impl Iterator<Item = ProviderNote<'p>>) {
        let Some(state) = &self.state else { return };
        let mut written: Vec<io::Result<()>> = Vec::new();
        let mut learned: BTreeMap<&str, (&Definition, SymbolFindings)> = BTreeMap::new();
        for note in notes {
            let name = note.definition.name.as_str();
            learned.entry(name).or_insert((note.definition, SymbolFindings::default())).1.add(note.findings);
            written.extend(note.cool_down.map(|cool_down| state.set_cool_down(name, &cool_down, self.started)));
        }
        for (name, (definition, findings)) in learned.into_iter().filter(|(_, (_, findings))| !findings.is_empty()) {
            let mut unknown = state.unknown_symbols(name).of(definition);
            unknown.update(definition, &findings, self.started);
            written.push(state.set_unknown_symbols(name, &unknown));
        }
        self.log_all_unwritten(&written);
    }

    /// Leaves to the next run what it needs of this one. What cannot be written is only logged.
    pub(crate) fn record(&self, notes: RunNotes<'_>) {
        let Some(state) = &self.state else { return };
        let mut written: Vec<io::Result<()>> = Vec::new();
        written.extend(notes.fetched.iter().map(|feed| state.set_last_fetch(feed, self.started)));
        written.push(state.set_last_run(self.run, &self.next(notes)));
        state.remove_abandoned(Duration::from_secs(self.started.unsigned_abs()));
        self.log_all_unwritten(&written);
    }

    /// What the next run will find: this run, and of the runs before it what still counts.
    fn next(&self, notes: RunNotes<'_>) -> LastRun {
        let before = &self.last;
        let mut next = LastRun { push: before.push.clone(), ..LastRun::default() };
        for (mirror, push) in notes.pushes {
            match mirror {
                None => next.push = push.or(next.push),
                Some(name) => {
                    let push = push.or_else(|| before.mirrors.get(name).cloned());
                    next.mirrors.extend(push.map(|push| (name.to_owned(), push)));
                }
            }
        }
        let told_today = before.told.iter().filter(|(_, told)| self.is_today(**told));
        next.told.extend(told_today.map(|(subject, told)| (subject.clone(), *told)));
        for subject in notes.told {
            next.told.entry(subject.to_owned()).or_insert(self.started);
        }
        let is_new = |old: &HostState| notes.hosts.iter().any(|(name, _)| *name == old.name);
        let is_kept = |old: &&HostState| self.is_today(old.time) && !is_new(old);
        next.hosts.extend(before.hosts.iter().filter(is_kept).cloned());
        let connected =
            |(name, address): (_, Option<_>)| Some(HostState { name, address: address?, time: self.started });
        next.hosts.extend(notes.hosts.into_iter().filter_map(connected));
        for (name, feed) in notes.feeds {
            let before = before.feeds.get(&name);
            let Some(mut feed) = feed else {
                next.feeds.extend(before.map(|before| (name, before.clone())));
                continue;
            };
            // What was once given is remembered, also if it is missing now.
            let before = before.filter(|before| before.symbols == feed.symbols);
            for (provider, fields) in before.into_iter().flat_map(|before| &before.given) {
                feed.given.entry(provider.clone()).or_default().extend(fields.iter().cloned());
            }
            next.feeds.insert(name, feed);
        }
        next
    }

    fn log_all_unwritten(&self, written: &[io::Result<()>]) {
        written.iter().filter_map(|result| result.as_ref().err()).for_each(|error| self.log_unwritten(error));
    }

    fn log_unwritten(&self, error: &io::Error) {
        if let Some(state) = &self.state {
            log::info!("cannot write the state of this run in {}: {error}", state.dir().display());
        }
    }
}

/// What a run leaves to the next one.
#[derive(Default)]
pub(crate) struct RunNotes<'p> {
    /// What came of each feed of the run, `None` of one that was not due. What earlier runs left of other feeds is
    /// forgotten.
    pub(crate) feeds: Vec<(String, Option<FeedState>)>,
    /// The feeds that have an interval and were fetched.
    pub(crate) fetched: Vec<&'p str>,
    /// What was told that is told once a day.
    pub(crate) told: Vec<&'p str>,
    /// Where HTTP reached hosts, or `None` of those that it did not reach.
    pub(crate) hosts: Vec<(String, Option<IpAddr>)>,
    /// How the pushes went: to the first destination, and to each mirror by its name.
    pub(crate) pushes: Vec<(Option<&'p str>, Option<LastPush>)>,
}

/// What a provider leaves to the runs after this one.
pub(crate) struct ProviderNote<'p> {
    /// The provider.
    pub(crate) definition: &'p Definition,
    /// For how long it asked to be left alone.
    pub(crate) cool_down: Option<CoolDown>,
    /// What was learned of symbols.
    pub(crate) findings: &'p SymbolFindings,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::SystemDisk;
    use crate::system::random::Random;

    #[test]
    fn a_run_may_be_early_by_a_tenth_of_the_interval_and_five_seconds_at_most() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let history = |started| RunHistory::read(Some(state.clone()), "all", started, 7);
        assert_eq!(history(1_000).claim_call("p", 600, || 1_000), None);
        state.set_last_fetch("fx", 1_000).unwrap();
        let left = |passed: i64, interval| {
            let (history, now) = (history(1_000 + passed), 1_000 + passed);
            let left = history.seconds_at_rest("p", interval, now);
            assert_eq!(history.seconds_until_due("fx", interval, now).filter(|_| interval > 0), left);
            left
        };
        // Of 30 seconds a tenth is three; of 600 it would be sixty.
        assert_eq!([left(26, 30), left(27, 30), left(30, 30)], [Some(4), None, None]);
        assert_eq!([left(594, 600), left(595, 600), left(700, 600)], [Some(6), None, None]);
        assert_eq!(left(1, 0), None, "no interval");
        assert_eq!([left(-5, 600), left(-6, 600)], [Some(600), None], "the clock was set back");
        let stopped = history(900);
        assert_eq!(stopped.seconds_at_rest("p", 600, 1_100), Some(600), "a later run has asked meanwhile");
        assert_eq!(stopped.claim_call("p", 600, || 1_100), Some(600));
    }

    #[test]
    fn what_a_run_asks_itself_does_not_stop_its_other_feeds() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        assert_eq!(RunHistory::read(Some(state.clone()), "a", 1_000, 1).claim_call("p", 60, || 1_000), None);
        let history = RunHistory::read(Some(state), "b", 1_100, 2);
        assert_eq!(history.seconds_at_rest("p", 60, 1_100), None);
        assert_eq!([(); 2].map(|()| history.claim_call("p", 60, || 1_100)), [None; 2]);
        // The call of the run before is still known, to a feed with more symbols too.
        assert_eq!([60, 600].map(|interval| history.seconds_at_rest("p", interval, 1_100)), [None, Some(500)]);
    }

    #[test]
    fn a_check_leaves_no_call() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let history = |id| RunHistory::read(Some(state.clone()), "all", 1_000, id);
        assert_eq!(history(1).for_check().claim_call("p", 60, || 1_000), None);
        assert_eq!(history(2).claim_call("p", 60, || 1_000), None);
    }

    #[test]
    fn feeds_that_a_run_does_not_have_any_more_are_forgotten() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let record = |feeds: &[(&str, Option<FeedState>)]| {
            let feeds = feeds.iter().map(|(name, feed)| ((*name).to_owned(), feed.clone()));
            let history = RunHistory::read(Some(state.clone()), "all", 1_000, 7);
            history.record(RunNotes { feeds: feeds.collect(), ..RunNotes::default() });
            state.last_run("all").feeds
        };
        let came = FeedState { missing: BTreeSet::from(["A".to_owned()]), ..FeedState::default() };
        assert_eq!(record(&[("fx", Some(came.clone())), ("gone", Some(came.clone())), ("new", None)]).len(), 2);
        let left = record(&[("fx", None), ("new", Some(FeedState::default()))]);
        let expected = [("fx".to_owned(), came), ("new".to_owned(), FeedState::default())];
        assert_eq!(left, BTreeMap::from(expected), "a feed that was not due stays as it was");
    }

    #[test]
    fn where_hosts_were_is_known_for_a_day() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let run = |started, connected: &[(&str, Option<IpAddr>)]| {
            let history = RunHistory::read(Some(state.clone()), "all", started, 7);
            let hosts = connected.iter().map(|(host, address)| ((*host).to_owned(), *address)).collect();
            history.record(RunNotes { hosts, ..RunNotes::default() });
            history.hosts()
        };
        assert_eq!(run(1_000, &[("a", Some(address(1))), ("b", Some(address(2))), ("c", Some(address(4)))]), []);
        assert_eq!(run(2_000, &[("b", Some(address(3))), ("c", None)]).len(), 3);
        assert_eq!(
            run(2_001, &[]),
            [("a".to_owned(), address(1)), ("b".to_owned(), address(3))],
            "c has no connection"
        );
        assert_eq!(run(1_000 + A_DAY, &[]), [("b".to_owned(), address(3))]);
        assert_eq!(state.last_run("all").hosts.len(), 1, "what is old is forgotten");
        assert_eq!(run(1_500, &[]), [], "the clock was set back");
    }

    #[test]
    fn without_a_state_directory_everything_is_due() {
        let history = RunHistory::read(None, "all", 1_000, 7);
        history.record(RunNotes { fetched: vec!["fx"], ..RunNotes::default() });
        assert_eq!(history.claim_call("p", 600, || 1_000), None);
        assert_eq!(history.seconds_at_rest("p", 600, 1_000), None);
        assert_eq!(history.seconds_until_due("fx", 600, 1_000), None);
    }
}
