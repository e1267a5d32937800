//! What must be true of a run when it is over, and of the journal when nobody runs.

use super::{
    ledger::Losses,
    network::feed_of,
    promises::Promise,
    scenario::{INTERVAL, JOBS, Limits},
    world::{Inner, Life, Lock, Machine},
};
use datametrics::Outcome;
use log::Level;
use std::collections::BTreeSet;

/// A scheduler may be early by so many seconds.
const TOLERANCE: i64 = 5;

/// No process is stopped for more microseconds than these.
const LONGEST_STALL: u64 = 1_300_000_000;

/// A point of this many seconds ahead is of the future.
const FAR: i64 = 600;

/// A run that asked the provider that has a `min_interval`.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    process: usize,
    started: i64,
    /// When it began: where it cannot write a call down, it asks all the same.
    disk_faults: u64,
    jumps: u64,
    power_cuts: u64,
}

impl Inner {
    /// A run asks a provider. The first time in a run, `min_interval` must be over.
    pub(super) fn note_call(&mut self, machine: &Machine, provider: usize) {
        let of = &mut self.processes[machine.process];
        if std::mem::replace(&mut of.asked[provider], true) || provider == 0 {
            return;
        }
        let started = of.started.expect("a run that asked for the time");
        let counts = &self.counts;
        let (disk_faults, jumps, power_cuts) = (counts.disk_faults, counts.clock_jumps, counts.power_cuts);
        let faults_before = self.processes[machine.process].faults_before;
        let now = Asked { process: machine.process, started, disk_faults: faults_before, jumps, power_cuts };
        if let Some(last) = self.last_asked.replace(now) {
            let passed = started - last.started;
            let is_too_early = (0..INTERVAL - TOLERANCE).contains(&passed);
            // What was noted may be lost by faults, and clocks that jump tell nothing.
            let is_excused = (last.disk_faults, last.jumps, last.power_cuts) != (disk_faults, jumps, power_cuts)
                || self.processes[machine.process].is_disturbed
                // A run that was stopped may have another clock still.
                || machine.world.true_time() < self.jumped_at + LONGEST_STALL;
            let before = &self.processes[last.process];
            let is_alone = before.life == Life::Ended && !before.had_company && !of_company(self, machine.process);
            if is_too_early && !is_excused && (is_alone || !machine.world.leaves(Promise::IntervalSideBySide)) {
                let (now, before) = (machine.process, last.process);
                let problem = format!("run {now} asks {passed} s after run {before}, which began a min_interval");
                self.ledger.violations.push(problem);
            }
        }
    }

    /// Points reach a server: none is of the future.
    pub(super) fn check_times<'k>(&mut self, machine: &Machine, mut keys: impl Iterator<Item = &'k (String, i64)>) {
        let now = i64::try_from(machine.world.true_time() / 1_000_000).expect("a time");
        // By a clock that is a little ahead, a little more is not far.
        let now = now + (self.clock_error / 1_000_000).clamp(0, FAR);
        let far = keys.find(|key| key.1 > now + FAR);
        if let Some(key) = far {
            let (run, ahead) = (machine.process, key.1 - now);
            // A run whose own clock is wrong, or was when it started, does not know better.
            let started_ahead = self.processes[run].started.is_some_and(|started| started > now + FAR);
            if self.clock_error < FAR * 1_000_000 && !started_ahead {
                self.ledger.violations.push(format!("run {run} sends {key:?}, which lies {ahead} s ahead"));
            }
        }
    }

    /// A run has ended by itself.
    pub(super) fn check_run(&mut self, process: usize, outcome: Outcome, messages: &[(Level, String)]) {
        let of = &self.processes[process];
        let (job, started) = (&JOBS[of.job], of.started.unwrap_or_default());
        let has = |symbol: &&str| {
            let name = format!("{}.{symbol}.last", feed_of(symbol));
            of.quotes.iter().any(|quote| quote.name == name)
        };
        let is_rare = |symbol: &&str| symbol.starts_with(['C', 'D']);
        let missing = job.symbols.iter().filter(|symbol| !has(symbol)).count();
        let due_and_missing = job.symbols.iter().filter(|symbol| !has(symbol) && (!is_rare(symbol) || of.asked[1]));
        let (due_and_missing, losses) =
            (due_and_missing.count(), Losses::sum(&Losses::read(messages, &of.destinations)));
        let says = |words: &str| messages.iter().any(|(level, text)| *level == Level::Error && text.contains(words));
        let owed = |at: usize| of.quotes.iter().map(move |quote| (at, (quote.name.clone(), started)));
        let quotes = of.destinations.iter().flat_map(|at| owed(*at));
        let untaken: BTreeSet<_> = quotes.chain(self.ledger.made_by(process)).collect();
        let untaken: Vec<_> = untaken.into_iter().filter(|key| !self.ledger.is_taken(key)).collect();
        let unexplained = untaken.iter().filter(|key| !self.ledger.may_be_refused(key)).count();
        // Another run may have sent its file: then that one says what was refused or dropped, or still waits.
        let waits = untaken.iter().any(|key| self.ledger.waits(key));
        let has_sent_own = of.destinations.iter().all(|at| of.sent_own[*at]);
        let is_left_to_others = of.had_company && (!has_sent_own || !waits);
        // A point that is in no file is given up with the first refusal.
        let has_no_file = messages.iter().any(|(_, text)| text.contains("journal: cannot write"));
        // And a run whose clock was put right while it was fetching puts its own file aside.
        let is_named = has_no_file && unexplained <= losses.refused || unexplained <= losses.damaged;
        let waits = says(" points are in the journal");
        let is_true = match outcome {
            Outcome::Success => due_and_missing == 0 && (untaken.is_empty() || is_left_to_others),
            Outcome::Partial => {
                (missing > 0 || losses != Losses::default()) && (unexplained == 0 || is_left_to_others || is_named)
            }
            Outcome::NothingFetched => of.quotes.is_empty() && (unexplained == 0 || is_left_to_others),
            Outcome::NotTaken => {
                let reasons = [
                    "are lost, as they are in no journal",
                    "points wait that no run can send",
                    "the clock of this machine says",
                ];
                waits || reasons.into_iter().any(says)
            }
            Outcome::NotAllowed => of.saw_forbidden,
            _ => false,
        };
        let code = outcome.code();
        if !is_true {
            let asked = of.quotes.len();
            self.ledger.violations.push(format!(
                "run {process} ends with {code}: {missing} symbols missing ({due_and_missing} due), {asked} quotes, \
                 {} not taken, {messages:?}",
                untaken.len()
            ));
        }
        if waits && !of.had_company && self.waiting().is_empty() {
            self.ledger.violations.push(format!("run {process} says that points are in the journal, which is empty"));
        }
    }

    /// The points that a run could not keep, and never sent, though the destination was well.
    pub(super) fn check_unkept(&mut self, process: usize) {
        let of = &self.processes[process];
        for at in of.destinations.clone() {
            let of = &self.processes[process];
            let count = of.losses[at].unkept;
            if count > 0 && of.saw_success[at] && !of.sent_own[at] && !of.quotes.is_empty() {
                let problem = format!("run {process} lost {count} points of its own, and never sent them to {at}");
                self.ledger.violations.push(problem);
            }
        }
    }

    /// The bounds of the journal, after a run that no fault kept from holding them. There is none for the age:
    /// what Graphite has not answered stays.
    pub(super) fn check_bounds(&mut self, limits: Limits, is_locked_out: bool, leaves: bool) {
        if leaves && (is_locked_out || self.weather.lock != Lock::Works) {
            return;
        }
        for (destination, bytes) in self.waiting() {
            if bytes > limits.max_bytes {
                let max_bytes = limits.max_bytes;
                self.ledger.violations.push(format!(
                    "{bytes} bytes wait for the destination {destination}, and max_bytes is {max_bytes}"
                ));
            }
        }
    }
}

fn of_company(inner: &Inner, process: usize) -> bool {
    inner.processes[process].had_company
}
