//! What a run knows of those before it and leaves to the next: the journal, and the small state that
//! may be lost.

use crate::delivery::Delivery;
use crate::journal::Journal;
use crate::provider::Definition;
use crate::report::FeedReport;
use crate::settings::{JournalLimits, Settings};
use crate::state::{LastRun, Push, State};

/// The journal and the state of a run. In a dry run, and where there is no place for it, empty.
pub struct Memory<'a> {
    settings: &'a Settings,
    started: i64,
    journal: Option<Journal>,
    state: Option<State>,
    last: LastRun,
}

impl<'a> Memory<'a> {
    /// Opens what there is. A folder that cannot be written is a warning: the run goes on.
    pub fn open(settings: &'a Settings, started: i64) -> Self {
        let place = settings.state_dir.as_deref().filter(|_| settings.journal.is_some());
        let open = |place| Journal::open(place).map_err(|error| log::warn!("{error}")).ok();
        Self { journal: place.and_then(open), ..Self::recall(settings, started) }
    }

    /// What the runs before left, without the journal.
    pub fn recall(settings: &'a Settings, started: i64) -> Self {
        let state = settings.state_dir.as_deref().map(State::new);
        let last = state.as_ref().map_or_else(LastRun::default, |state| state.last_run(&settings.run));
        Self { settings, started, journal: None, state, last }
    }

    /// The journal and its bounds.
    pub fn journal(&self) -> Option<(&Journal, JournalLimits)> {
        self.journal.as_ref().zip(self.settings.journal)
    }

    /// How many points wait in the journal; none where there is none.
    pub fn waiting(&self) -> Option<usize> {
        let waiting = self.journal.as_ref()?.waiting().ok()?;
        Some(waiting.iter().map(|entry| entry.points).sum())
    }

    /// The push of the run before, unless Graphite would refuse it as too old.
    pub fn last_push(&self) -> Option<&Push> {
        let max_age = self.settings.journal.map_or(3_600, |limits| limits.max_age.as_secs());
        let oldest = self.started.saturating_sub(i64::try_from(max_age).unwrap_or(i64::MAX));
        self.last.push.as_ref().filter(|push| push.time > oldest && push.time < self.started)
    }

    /// Whether the symbol was missing in the run before too.
    pub fn was_missing(&self, feed: &str, symbol: &str) -> bool {
        self.last.missing.get(feed).is_some_and(|missing| missing.contains(symbol))
    }

    /// How many seconds a provider that is asked for so many symbols is to be left alone still.
    ///
    /// Schedulers are late by a second or two at times, and a run that rested for that would double
    /// the interval; so the last tenth of it, five seconds at most, is not insisted on.
    pub fn rest_of(&self, definition: &Definition, symbols: usize) -> Option<u64> {
        let per_symbol = definition.min_interval_per_symbol.saturating_mul(symbols as u64);
        let interval = definition.min_interval.max(per_symbol);
        let last = self.state.as_ref().filter(|_| interval > 0)?.last_call(&definition.name)?;
        let passed = u64::try_from(self.started.checked_sub(last)?).ok()?;
        let left = interval.saturating_sub(passed);
        (left > (interval / 10).min(5)).then_some(left)
    }

    /// Leaves to the next run what it will ask for.
    pub fn remember(&self, feeds: &[FeedReport<'_>], delivery: &Delivery) {
        let Some(state) = &self.state else { return };
        let mut last = LastRun { push: self.last.push.clone(), missing: self.last.missing.clone() };
        if let Some(status) = delivery.status {
            last.push = Some(Push { time: self.started, seconds: delivery.took.as_secs_f64(), status });
        }
        for report in feeds.iter().filter(|report| report.rest.is_none()) {
            let symbols = report.missing.iter().map(|at| report.feed.symbols[*at].as_str().to_owned()).collect();
            last.missing.insert(report.feed.name.clone(), symbols);
        }
        let asked = feeds.iter().flat_map(|report| &report.providers).map(|report| report.definition);
        let paced = asked.filter(|definition| definition.min_interval > 0 || definition.min_interval_per_symbol > 0);
        let written = paced
            .map(|definition| state.set_last_call(&definition.name, self.started))
            .chain([state.set_last_run(&self.settings.run, &last)]);
        for error in written.filter_map(Result::err) {
            let place = state.place().display();
            log::info!("cannot write the state of this run in {place}: {error}");
        }
    }
}
