//! Files of the journal that are pushed together. An outage leaves a file a run, and a request for each of
//! them would take longer than the run has.

use super::graphite::Push;
use super::journal::{Entry, EntryContents, Journal, JournalError};
use crate::metrics::batch::Batch;
use crate::util::hash::hash_of;
use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::ops::Range;

/// Points that are pushed together, and the files that they are from.
pub(super) struct Portion<'a> {
    /// The points of all files.
    pub(super) batch: Cow<'a, Batch>,
    /// The files. They and their points have the same order.
    pub(super) parts: Vec<Part>,
}

/// A file of a portion.
pub(super) struct Part {
    pub(super) entry: Entry,
    /// Its points.
    pub(super) range: Range<usize>,
    /// What of it cannot be read, as a sentence.
    pub(super) damage: Option<String>,
}

/// What came of the points of one file.
#[derive(Debug, Default)]
pub(super) struct PartResult {
    pub(super) taken: usize,
    /// The points that go on waiting, with their refusals.
    pub(super) rest: Batch,
    /// Whether the file must change: something was taken or refused.
    pub(super) is_changed: bool,
    /// Those of the rest that were not taken alone now, and not in an earlier run either, as indexes.
    failed_again: Vec<usize>,
}

impl PartResult {
    /// Takes the points out of the rest that were not taken alone in two runs. Returns how many.
    pub(super) fn give_up_failed(&mut self) -> usize {
        let failed = std::mem::take(&mut self.failed_again);
        if !failed.is_empty() {
            let kept: Vec<_> = (0..self.rest.len()).filter(|index| !failed.contains(index)).collect();
            self.rest = self.rest.part(&kept.into_iter().map(|index| index..index + 1).collect::<Vec<_>>());
        }
        failed.len()
    }
}

impl Part {
    /// What the push of the whole portion did to the points of this file.
    pub(super) fn result(&self, batch: &Batch, push: &Push) -> PartResult {
        let is_in = |index: &usize| self.range.contains(index);
        let within = |range: &Range<usize>| range.start.max(self.range.start)..range.end.min(self.range.end);
        let open: Vec<Range<usize>> = push.open.iter().map(within).filter(|range| !range.is_empty()).collect();
        let mut rest = batch.part(&open);
        let (mut is_marked, mut failed_again) = (false, Vec::new());
        for (index, point) in open.into_iter().flatten().enumerate() {
            let before = batch.refusals(point);
            if push.refused_alone.iter().any(|(refused, _)| *refused == point) {
                rest.set_refusals(index, before.saturating_add(1));
                is_marked = true;
            } else if push.failed_alone.contains(&point) {
                // However often it fails, that is no proof.
                rest.set_refusals(index, before.max(1));
                is_marked |= before == 0;
                failed_again.extend((before > 0).then_some(index));
            }
        }
        let refused = push.refused.iter().filter(|(index, _)| is_in(index)).count();
        let taken = self.range.len() - rest.len() - refused;
        let is_changed = is_marked || rest.len() < self.range.len() || rest.is_empty();
        PartResult { taken, rest, is_changed, failed_again }
    }
}

/// Reads files into portions.
pub(super) struct Portions<'a> {
    journal: &'a Journal<'a>,
    /// Files that are not given yet, the next group last. Files of two groups are never in one portion.
    groups: Vec<VecDeque<Entry>>,
    /// A file that was read and belongs to the next portion.
    next: Option<(Entry, Contents<'a>)>,
    /// The file of this run by its name, whose points need not be read. It is a portion of its own: no other file
    /// holds it up.
    own: Option<(&'a str, &'a Batch)>,
    /// A portion has more points only if a single file has.
    max_points: usize,
    /// Files that could not be read, and why.
    unreadable: Vec<(Entry, JournalError)>,
}

struct Contents<'a> {
    batch: Cow<'a, Batch>,
    damage: Option<String>,
    is_own: bool,
}

impl<'a> Portions<'a> {
    pub(super) fn new(
        journal: &'a Journal<'a>,
        files: Vec<Entry>,
        own: Option<(&'a str, &'a Batch)>,
        max_points: usize,
    ) -> Self {
        Self { journal, groups: vec![files.into()], next: None, own, max_points, unreadable: Vec::new() }
    }

    /// Gives these files once more, before all others, each group in portions of its own.
    pub(super) fn repeat(&mut self, groups: impl DoubleEndedIterator<Item = Vec<Entry>>) {
        let next = self.next.take().map(|(entry, _)| VecDeque::from([entry]));
        let rest = self.groups.pop().unwrap_or_default();
        self.groups.push(next.into_iter().flatten().chain(rest).collect());
        self.groups.extend(groups.rev().map(VecDeque::from));
    }

    /// After so many points at once were taken, twice as many may be.
    pub(super) fn widen(&mut self, most: usize) {
        self.max_points = self.max_points.saturating_mul(2).min(most);
    }

    /// The files that were not given, and why some of them could not be read.
    pub(super) fn into_rest(self) -> (Vec<Entry>, Vec<JournalError>) {
        let (mut rest, errors): (Vec<Entry>, Vec<JournalError>) = self.unreadable.into_iter().unzip();
        rest.extend(self.next.map(|(entry, _)| entry));
        rest.extend(self.groups.into_iter().flatten());
        (rest, errors)
    }

    /// The next file of the current group that can be read.
    fn next_file(&mut self) -> Option<(Entry, Contents<'a>)> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        loop {
            let entry = self.groups.last_mut()?.pop_front()?;
            if let Some(file) = self.read(entry) {
                return Some(file);
            }
        }
    }

    /// Reads a file. `None` if it cannot be read or is gone.
    fn read(&mut self, entry: Entry) -> Option<(Entry, Contents<'a>)> {
        if let Some((name, batch)) = self.own
            && name == entry.name
        {
            let contents = || Contents { batch: Cow::Borrowed(batch), damage: None, is_own: true };
            // Another run may have sent it while this one waited for the lock.
            return self.journal.contains(&entry).then(|| (entry, contents()));
        }
        match self.journal.read(&entry) {
            Ok(EntryContents { batch, damage }) => {
                Some((entry, Contents { batch: Cow::Owned(batch), damage, is_own: false }))
            }
            // Without a lock another run may have sent it.
            Err(error) if error.is_missing_file() => None,
            Err(error) => {
                self.unreadable.push((entry, error));
                None
            }
        }
    }

    /// The first file of a portion, of the next group that has any.
    fn first_file(&mut self) -> Option<(Entry, Contents<'a>)> {
        while !self.groups.is_empty() {
            if let Some(file) = self.next_file() {
                return Some(file);
            }
            self.groups.pop();
        }
        None
    }
}

impl<'a> Iterator for Portions<'a> {
    type Item = Portion<'a>;

    fn next(&mut self) -> Option<Portion<'a>> {
        let (entry, Contents { mut batch, damage, is_own }) = self.first_file()?;
        let mut parts = vec![Part { entry, range: 0..batch.len(), damage }];
        // An ingest refuses a request that has two points of one name and time.
        let mut keys: HashSet<u64> = HashSet::new();
        while let Some((entry, contents)) = (!is_own).then(|| self.next_file()).flatten() {
            if parts.len() == 1 {
                keys.extend(hashed_keys(&batch));
            }
            let is_full = batch.len() + contents.batch.len() > self.max_points;
            // Tags belong to all points of a batch. Points that were refused would make an ingest refuse others.
            let differs = batch.tags != contents.batch.tags
                || batch.has_refusals() != contents.batch.has_refusals()
                || hashed_keys(&contents.batch).any(|key| !keys.insert(key));
            if contents.is_own || is_full || differs {
                self.next = Some((entry, contents));
                break;
            }
            let range = batch.len()..batch.len() + contents.batch.len();
            batch.to_mut().append(&contents.batch);
            parts.push(Part { entry, range, damage: contents.damage });
        }
        Some(Portion { batch, parts })
    }
}

/// The hash of each point's name and time.
fn hashed_keys(batch: &Batch) -> impl Iterator<Item = u64> {
    batch.iter().map(|point| hash_of(&(point.name, point.time)))
}
