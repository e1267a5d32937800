//! Every point that a run made, and where it is now: for each destination apart.

use super::{network::DESTINATIONS, promises::Promise};
use crate::support::journal::{DestinationId, decode};
use log::Level;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Name and time.
pub(super) type Key = (String, i64);

/// A point for one destination, which stands first.
pub(super) type Owed = (usize, Key);

/// The name of the mirror.
pub(super) const MIRROR: &str = "m";

/// The URL of a destination.
pub(super) fn url_of(at: usize) -> String {
    let host = DESTINATIONS[at];
    if at == DESTINATIONS.len() - 1 { format!("tcp://{host}:2003") } else { format!("https://{host}:443/metrics") }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Entry {
    value: f64,
    run: usize,
    /// So many files of the journal hold it.
    files: u32,
    was_kept: bool,
    /// A crash of the machine does not take it any more.
    is_durable: bool,
    /// Taken by its own destination.
    is_taken: bool,
    /// It may be gone: it was named as lost, or its run was killed before it was safe.
    is_excused: bool,
    /// Its file was put aside, for somebody to look at.
    is_aside: bool,
    /// Who removed its last file.
    removed_by: Option<usize>,
    /// It was in a request that was answered.
    is_answered: bool,
    /// The server named it and refuses it for good, or it is bad in truth.
    is_refused: bool,
    /// The runs in which it was refused alone.
    refused_alone: BTreeSet<usize>,
}

/// What a run said of losses, in points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    pub(super) unkept: usize,
    pub(super) refused: usize,
    too_old: usize,
    too_much: usize,
    /// Damaged, or of a run that lies ahead of the clock: put aside.
    pub(super) damaged: usize,
}

/// What the ledger must know of a run that is over.
pub(super) struct Over {
    pub(super) run: usize,
    pub(super) started: i64,
    pub(super) losses: [Losses; DESTINATIONS.len()],
    /// It was killed, so it may not have said all.
    pub(super) is_killed: bool,
    /// Whether `max_bytes` may have made it drop something.
    pub(super) was_full: bool,
}

#[derive(Default)]
pub(super) struct Ledger {
    entries: HashMap<Owed, Entry>,
    /// The points of each run.
    made: HashMap<usize, Vec<Owed>>,
    /// Points that are in no file and were not taken, as far as known.
    suspects: BTreeSet<Owed>,
    /// Points in files whose folder is not synced.
    unsynced: Vec<Owed>,
    /// What is wrong, a sentence each.
    pub(super) violations: Vec<String>,
}

impl Losses {
    /// Reads the numbers in the messages of a run with these destinations, for each destination.
    pub(super) fn read(messages: &[(Level, String)], destinations: &[usize]) -> [Self; DESTINATIONS.len()] {
        let mut all = [Self::default(); DESTINATIONS.len()];
        for (_, message) in messages {
            let losses = Self::of_message(message);
            for at in Self::destinations_of(message, destinations) {
                all[at] = Self::sum(&[all[at], losses]);
            }
        }
        all
    }

    fn of_message(message: &str) -> Self {
        let mut losses = Self::default();
        let number = |text: &str| text.rsplit(' ').next().and_then(|word| word.parse::<usize>().ok());
        let refused = ["graphite refused ", "mirror m refused "].iter().find_map(|begin| message.strip_prefix(begin));
        if let Some((before, _)) = message.split_once(" points are lost") {
            losses.unkept = number(before).unwrap_or(0);
        } else if let Some(rest) = refused {
            losses.refused = rest.strip_suffix(" more").and_then(number).unwrap_or(1);
        } else if let Some(rest) = message.strip_prefix("journal: dropped ") {
            let count = rest.split(' ').next().and_then(number).unwrap_or(0);
            *(if rest.contains("max_age") { &mut losses.too_old } else { &mut losses.too_much }) = count;
        } else if message.contains(" ahead of this machine's clock were not sent") {
            let rest = message.trim_start_matches("journal: ");
            losses.damaged = rest.split(' ').next().and_then(number).unwrap_or(0);
        } else if let Some((before, _)) = message.split_once(" points are readable") {
            let mut words = before.rsplit(' ');
            let of: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            let readable: usize = words.nth(2).and_then(|word| word.parse().ok()).unwrap_or(0);
            losses.damaged = of.saturating_sub(readable);
        }
        losses
    }

    /// The destinations that a message may be about. One about the journal names a file, which has the hash of its
    /// destination, or the host of one that is configured no more, if any of its files could be read.
    fn destinations_of(message: &str, destinations: &[usize]) -> Vec<usize> {
        let is_named = |at: &usize| {
            message.starts_with("journal: ")
                && (message.contains(&DestinationId::of(&url_of(*at)).hash) || message.contains(DESTINATIONS[*at]))
        };
        let mirror = destinations.get(1).copied().filter(|_| message.contains(&format!("mirror {MIRROR}")));
        let mut all = 0..DESTINATIONS.len();
        if message.contains(" for an unknown URL ") {
            return all.filter(|at| !destinations.contains(at)).collect();
        }
        vec![mirror.or_else(|| all.find(is_named)).unwrap_or(destinations[0])]
    }

    /// Those of all destinations.
    pub(super) fn sum(all: &[Self]) -> Self {
        all.iter().fold(Self::default(), |sum, one| Self {
            unkept: sum.unkept + one.unkept,
            refused: sum.refused + one.refused,
            too_old: sum.too_old + one.too_old,
            too_much: sum.too_much + one.too_much,
            damaged: sum.damaged + one.damaged,
        })
    }
}

impl Ledger {
    /// A run made a point for a destination, or repeats one.
    pub(super) fn make(&mut self, key: Owed, value: f64, run: usize) {
        if let Some(entry) = self.entries.get(&key) {
            if entry.value.to_bits() != value.to_bits() {
                let (first, before) = (entry.run, entry.value);
                self.violations.push(format!("{key:?} is {value} of run {run}, and {before} of run {first}"));
            }
            return;
        }
        let entry = Entry {
            value,
            run,
            files: 0,
            was_kept: false,
            is_durable: false,
            is_taken: false,
            is_excused: false,
            is_aside: false,
            removed_by: None,
            is_answered: false,
            is_refused: false,
            refused_alone: BTreeSet::new(),
        };
        self.suspects.insert(key.clone());
        self.made.entry(run).or_default().push(key.clone());
        self.entries.insert(key, entry);
    }

    /// A file of the journal is there, which the process `run` put there.
    pub(super) fn file_appeared(&mut self, bytes: &[u8], run: Option<usize>) {
        for (key, value) in read(bytes) {
            if let Some(run) = run {
                self.make(key.clone(), value, run);
                self.unsynced.push(key.clone());
            }
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.files += 1;
                entry.was_kept = true;
            }
        }
    }

    /// A file of the journal is gone. A run that was told that it is still there cannot name what was in it.
    pub(super) fn file_vanished(&mut self, bytes: &[u8], run: Option<usize>, is_unknown: bool) {
        for (key, _) in read(bytes) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.files -= 1;
            if entry.files == 0 {
                entry.removed_by = run;
                entry.is_excused |= is_unknown;
                self.suspects.insert(key);
            }
        }
    }

    /// A file is among those that were put aside.
    pub(super) fn file_put_aside(&mut self, bytes: &[u8]) {
        for (key, _) in read(bytes) {
            self.update(&key, |entry| entry.is_aside = true);
        }
    }

    /// The folder of the journal is synced.
    pub(super) fn folder_synced(&mut self) {
        for key in std::mem::take(&mut self.unsynced) {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.is_durable = true;
            }
        }
    }

    /// The machine crashed: nobody owes what was not safe yet, if its run had not ended before.
    pub(super) fn power_cut(&mut self, has_ended: impl Fn(usize) -> bool) {
        for key in std::mem::take(&mut self.unsynced) {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.is_excused |= entry.files == 0 && !entry.is_durable && !has_ended(entry.run);
            }
        }
    }

    /// A destination gets a point from a run, which has these destinations.
    pub(super) fn arrive(&mut self, key: &Key, value: f64, run: usize, destinations: &[usize], at: usize) {
        let owed = (at, key.clone());
        // How the push before went is told by every run that finds it in the state, each to its destinations.
        let is_repeated =
            key.0.contains(".response.") && [".graphite.", ".mirror."].iter().any(|of| key.0.contains(of));
        if !self.entries.contains_key(&owed) && !is_repeated {
            let mut makers =
                (0..DESTINATIONS.len()).filter_map(|other| Some(self.entries.get(&(other, key.clone()))?.run));
            if let Some(maker) = makers.find(|maker| *maker != run) {
                self.violations.push(format!("run {run} sends {key:?} to {at}; run {maker} made it for another"));
            }
        }
        if !destinations.contains(&at) {
            self.violations.push(format!("run {run} sends {key:?} to {at}, and should send to {destinations:?}"));
        }
        self.make(owed, value, run);
    }

    pub(super) fn take(&mut self, at: usize, key: &Key) {
        self.update(&(at, key.clone()), |entry| entry.is_taken = true);
    }

    pub(super) fn answer(&mut self, at: usize, key: &Key) {
        self.update(&(at, key.clone()), |entry| entry.is_answered = true);
    }

    /// The server says which point it refuses, or the point is bad in truth.
    pub(super) fn refuse(&mut self, at: usize, key: &Key) {
        self.update(&(at, key.clone()), |entry| entry.is_refused = true);
    }

    pub(super) fn refuse_alone(&mut self, at: usize, key: &Key, run: usize) {
        self.update(&(at, key.clone()), |entry| {
            entry.refused_alone.insert(run);
        });
    }

    fn update(&mut self, key: &Owed, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(key) {
            change(entry);
        }
    }

    /// The points of a run, as far as they were seen.
    pub(super) fn made_by(&self, run: usize) -> impl Iterator<Item = Owed> {
        self.made.get(&run).into_iter().flatten().cloned()
    }

    pub(super) fn is_taken(&self, key: &Owed) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.is_taken)
    }

    /// Whether the point is in a file of the journal.
    pub(super) fn waits(&self, key: &Owed) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.files > 0)
    }

    /// Whether the point may be gone because the server refuses it.
    pub(super) fn may_be_refused(&self, key: &Owed) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.is_refused || entry.refused_alone.len() >= 2)
    }

    /// How many points of the first `runs` runs are in files, without those that wait for a second run to see them
    /// refused.
    pub(super) fn waiting(&self, runs: usize) -> usize {
        let waits = |entry: &&Entry| entry.run < runs && entry.files > 0 && entry.refused_alone.is_empty();
        self.entries.values().filter(waits).count()
    }

    /// How many points were made, and how many were taken.
    pub(super) fn totals(&self) -> (usize, usize) {
        (self.entries.len(), self.entries.values().filter(|entry| entry.is_taken).count())
    }

    /// Nobody is running. Every point that is neither taken nor in the journal must have been named by one of
    /// the runs since the last time.
    pub(super) fn settle(&mut self, over: &[Over], max_age: i64, leaves: impl Fn(Promise) -> bool) {
        let mut gone: BTreeMap<(usize, usize, &str), Vec<Owed>> = BTreeMap::new();
        // Old points that no server has seen, by the run that removed them.
        let mut unanswered: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for key in std::mem::take(&mut self.suspects) {
            let entry = self.entries.get_mut(&key).expect("a point that is known");
            if entry.is_taken || entry.files > 0 || entry.is_excused {
                continue;
            }
            // It is reported once.
            entry.is_excused = true;
            let by = entry.removed_by.unwrap_or(entry.run);
            let Some(Over { started, is_killed, was_full, .. }) = over.iter().find(|over| over.run == by) else {
                self.violations.push(format!("{key:?} is gone, and no run has removed it"));
                continue;
            };
            // A point that is in no file has no second run.
            let runs = if entry.was_kept { 2 } else { 1 };
            let is_refused = entry.is_refused || entry.refused_alone.len() >= runs;
            let (at, (_, time)) = &key;
            let (at, is_old) = (*at, *time < started - max_age);
            let cause = match () {
                () if is_refused => "refused",
                // Its file was never safe, or the machine took it.
                () if !entry.was_kept || entry.removed_by.is_none() => "unkept",
                () if is_old => "too old",
                () => "young",
            };
            // A killed run does not say why it removed them.
            if cause == "too old" && !entry.is_answered && !is_killed && !leaves(Promise::AgeNeedsAnswer) {
                *unanswered.entry((by, at)).or_default() += 1;
            }
            let may_be_silent = *is_killed && (cause != "young" || *was_full || entry.is_aside);
            if !may_be_silent {
                gone.entry((by, at, cause)).or_default().push(key);
            }
        }
        for (over, at) in over.iter().flat_map(|over| (0..DESTINATIONS.len()).map(move |at| (over, at))) {
            let gone = |cause| gone.get(&(over.run, at, cause)).map_or(&[][..], Vec::as_slice);
            let Losses { unkept, refused, too_old, too_much, damaged } = over.losses[at];
            // The size of the journal may cost them, and damage, but not their age.
            let unanswered = unanswered.get(&(over.run, at)).copied().unwrap_or(0);
            if unanswered > too_much + damaged {
                let run = over.run;
                self.violations
                    .push(format!("run {run} drops {unanswered} points for their age, and no server has answered"));
            }
            // What is lost for one cause may be named for the next: old points also make a journal too large,
            // and a bad point may be lost with good ones.
            let (mut named, mut spare) = (0, 0);
            for (cause, more) in
                [("unkept", unkept), ("young", too_much + damaged), ("too old", too_old), ("refused", refused)]
            {
                let lost = gone(cause);
                named += more;
                if lost.len() > named {
                    let (run, count, losses) = (over.run, lost.len(), over.losses[at]);
                    let first = &lost[0];
                    let Entry { run: maker, was_kept, refused_alone, .. } = &self.entries[first];
                    self.violations.push(format!(
                        "run {run} lost {count} points ({cause}), and named {named}: {first:?}, made by run {maker} \
                         (kept: {was_kept}, refused alone in {refused_alone:?}); {losses:?}"
                    ));
                }
                named = named.saturating_sub(lost.len());
                if cause == "unkept" {
                    // What waited is not what was never kept; what the server refuses may be either.
                    spare = std::mem::take(&mut named);
                } else if cause == "too old" {
                    named += spare;
                }
            }
        }
    }
}

/// The points of a file.
fn read(bytes: &[u8]) -> Vec<(Owed, f64)> {
    let (id, points) = decode(&String::from_utf8_lossy(bytes)).unwrap_or_default();
    let is = |at: &usize| id.as_ref().is_some_and(|id| id.hash == DestinationId::of(&url_of(*at)).hash);
    let Some(at) = (0..DESTINATIONS.len()).find(is) else { return Vec::new() };
    let owed = |name, time| (at, (name, time));
    points.into_iter().map(|point| (owed(point.name, point.time), point.value.parse().unwrap_or(f64::NAN))).collect()
}
