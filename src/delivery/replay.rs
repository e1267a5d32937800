//! What waits in the journal for one destination, on its way there; and what the bounds of the journal drop.

use super::graphite::{DestinationId, MAX_REFUSALS, Push, PushError, Search, points_at_once};
use super::journal::{Dropped, Entry, Journal, JournalError};
use super::portion::{Part, PartResult, Portion, Portions};
use super::report::{DeliveryError, DeliveryReport};
use super::sender::{Sender, last_point};
use crate::metrics::batch::Batch;
use crate::util::group_by::group_by;
use crate::util::pluralize::pluralize;
use std::ops::Range;

/// How long points wait for a destination to which nothing is sent any more, in seconds. Whoever changed the
/// URL by mistake has some days to notice: what waits is told once a day.
const OTHER_MAX_AGE: i64 = 7 * 86_400;

/// A run that is so many seconds ahead of the clock was made when the clock was wrong.
const MAX_AHEAD: i64 = 600;

/// Refusals that one bad point in each file of a portion may cost: halves, quarters and so on.
const REFUSALS_PER_FILE: usize = 8;

/// Sends what waits in the journal for one destination.
pub(super) struct JournalReplay<'a> {
    pub(super) sender: &'a Sender<'a>,
    pub(super) journal: &'a Journal<'a>,
    /// When the run started, in Unix seconds.
    pub(super) started: i64,
    /// The identity of the destination.
    pub(super) id: DestinationId,
    /// The name of this run's file. `None` if it could not be written.
    pub(super) own: Option<&'a str>,
    /// The points of this run.
    pub(super) batch: &'a Batch,
}

/// The search for the oldest file that is taken, by halves. The files come newest first.
struct AgeSearch {
    /// Whether something was refused.
    has_begun: bool,
    /// How many more portions may be halved.
    halvings: u32,
    /// How many files were refused alone since something was taken.
    refused_alone: u32,
}

/// What became of the files of a portion that is too old.
#[derive(Default)]
struct Settled {
    /// The files that are sent again.
    again: Vec<Entry>,
    /// The files that wait for the next run.
    left: Vec<Entry>,
    dropped: Dropped,
}

impl AgeSearch {
    /// So many files that are each refused alone, one after the other, are refused for their age, not for a bad point.
    const REFUSED_FILES: u32 = 2;

    fn new(files: usize) -> Self {
        Self { has_begun: false, halvings: 4 + 2 * files.max(1).ilog2(), refused_alone: 0 }
    }

    fn is_age_known(&self) -> bool {
        self.refused_alone >= Self::REFUSED_FILES
    }

    /// Whether so many files are given up if they are refused, although nobody knows that they are too old. Then one word
    /// is not enough, and their request is repeated as often as any other.
    fn is_final(&self, files: usize) -> bool {
        !self.is_age_known() && (files == 1 || self.halvings == 0)
    }

    /// Notes what came of so many files, and says whether they are sent again in halves.
    fn note(&mut self, files: usize, is_refused: bool, is_any_taken: bool) -> bool {
        self.has_begun |= is_refused;
        if is_any_taken {
            self.refused_alone = 0;
        } else if is_refused && files == 1 {
            self.refused_alone += 1;
        }
        let is_halved = is_refused && files > 1 && self.halvings > 0 && !self.is_age_known();
        self.halvings -= u32::from(is_halved);
        is_halved
    }
}

impl JournalReplay<'_> {
    /// Sends files, oldest first, up to an error that has nothing to do with points. Files that are too old come
    /// last, as they may be refused for that: nothing of them is dropped before Graphite has answered.
    /// `others` are files for destinations that are not configured any more.
    pub(super) fn send_all(&self, ours: Vec<Entry>, others: &[Entry], report: &mut DeliveryReport) {
        // The clock may have been put right while the run was fetching.
        let now = self.sender.context.unix_seconds();
        let is_ahead = |entry: &Entry| entry.started > now.saturating_add(MAX_AHEAD);
        let (ahead, ours): (Vec<Entry>, Vec<Entry>) = ours.into_iter().partition(is_ahead);
        let (too_old, young): (Vec<Entry>, Vec<Entry>) = ours.into_iter().partition(|entry| self.is_too_old(entry));
        self.put_aside(&ahead, now, report);
        let is_idle = young.is_empty();
        // An error of points that could not be kept.
        let is_failing = report.error.as_ref().is_some_and(|error| !error.is_about_points());
        let mut waiting = if is_failing { young } else { self.send_young(young, report) };
        let is_well = report.error.as_ref().is_none_or(DeliveryError::is_about_points);
        if is_well && !is_failing && (report.taken > 0 || is_idle) {
            waiting.extend(self.send_too_old(too_old, report));
        } else {
            waiting.extend(too_old);
        }
        waiting.sort_unstable();
        self.keep_bounds(&waiting, others, report);
    }

    fn is_too_old(&self, entry: &Entry) -> bool {
        let max_age = i64::try_from(self.sender.to.limits.max_age.as_secs()).unwrap_or(i64::MAX);
        self.is_older(entry, max_age)
    }

    fn is_older(&self, entry: &Entry, seconds: i64) -> bool {
        entry.started < self.started.saturating_sub(seconds)
    }

    /// Puts aside what was made when the clock was ahead: nobody knows the time of such points.
    fn put_aside(&self, ahead: &[Entry], now: i64, report: &mut DeliveryReport) {
        let (mut aside, mut furthest) = (Dropped::default(), 0);
        for entry in ahead {
            match self.journal.quarantine(entry) {
                Ok(false) => {}
                Ok(true) => {
                    aside.files += 1;
                    aside.points += entry.points;
                    furthest = furthest.max(entry.started.saturating_sub(now) / 60);
                }
                Err(error) => report.warnings.push(error.to_string()),
            }
        }
        if aside.files > 0 {
            self.journal.trim_quarantine();
            report.points_lost += aside.points;
            report.losses.push(format!(
                "journal: {}{} of {} that lie up to {furthest} minutes ahead of this machine's clock were not sent, and \
                 their files are put aside in {}; if their times are right, move them back",
                pluralize(aside.points, "point"),
                self.sender.to.name.of_points(),
                pluralize(aside.files, "run"),
                self.journal.quarantine_dir().display(),
            ));
        }
    }

    /// Sends files whose age does no harm. Returns those that still wait.
    fn send_young(&self, files: Vec<Entry>, report: &mut DeliveryReport) -> Vec<Entry> {
        let mut portions = self.portions(files);
        let mut waiting = Vec::new();
        while let Some(portion) = portions.next() {
            let max_refusals = MAX_REFUSALS.max(REFUSALS_PER_FILE * portion.parts.len());
            let probes = self.probes(&portion);
            let push = self.push(&portion, Search { max_refusals, probes: &probes, has_begun: false }, report);
            // A search that was given up must not hold up the files that it did not reach, nor a file of which the
            // server says nothing those beside it.
            let is_given_up = portion.parts.len() > 1 && push.error.as_ref().is_some_and(PushError::is_search_given_up);
            let mut unreached = Vec::new();
            let points = portion.batch.len();
            for part in portion.parts {
                let result = part.result(&portion.batch, &push);
                let left = if is_given_up && !result.is_changed { &mut unreached } else { &mut waiting };
                left.extend(self.settle(part, &result, report));
            }
            portions.repeat(unreached.into_iter().map(|file| vec![file]));
            match push.error {
                None => portions.widen(self.most()),
                Some(error) => {
                    if !self.note_error(error, points, report) {
                        break;
                    }
                }
            }
        }
        waiting.extend(unsent(portions, report));
        waiting
    }

    /// Sends files that are older than Graphite may take, and drops what it refuses of them. The newest come
    /// first, and a refused portion is halved, to find the oldest file that is taken: what is older than that is
    /// given up at once. Returns the files that still wait.
    fn send_too_old(&self, mut files: Vec<Entry>, report: &mut DeliveryReport) -> Vec<Entry> {
        files.reverse();
        let mut age = AgeSearch::new(files.len());
        let mut portions = self.portions(files);
        let (mut waiting, mut dropped) = (Vec::new(), Dropped::default());
        // All that is young was sent before, so the last point of this run stands in nobody's way.
        let probes = [(self.batch, last_point(self.batch.len()))];
        while let Some(portion) = portions.next() {
            let files = portion.parts.len();
            let search = Search { max_refusals: 0, probes: &probes, has_begun: age.has_begun && !age.is_final(files) };
            let mut push = self.push(&portion, search, report);
            let error = push.error.take();
            // The push has split what a gateway did not let through.
            let is_blocked = matches!(error, Some(PushError::NotTaken { .. }));
            let is_refused = !is_blocked && error.as_ref().is_some_and(PushError::is_about_points);
            let is_halved = age.note(files, is_refused, push.taken > 0);
            let points = portion.batch.len();
            let Settled { mut again, left, dropped: of_portion } =
                self.settle_too_old(portion, &push, is_refused, is_halved, report);
            dropped.files += of_portion.files;
            dropped.points += of_portion.points;
            let is_any_left = !left.is_empty();
            waiting.extend(left);
            if is_halved {
                let older = again.split_off(again.len().div_ceil(2));
                portions.repeat([again, older].into_iter());
            }
            match error {
                None => portions.widen(self.most()),
                Some(_) if is_refused || !is_any_left => {}
                Some(error) => {
                    // Of what is blocked one portion a run is searched.
                    self.note_error(error, points, report);
                    break;
                }
            }
        }
        waiting.extend(unsent(portions, report));
        report.points_lost += dropped.points;
        report.losses.extend(describe_dropped(
            dropped,
            &self.sender.to.name.of_points(),
            "older than journal.max_age allows",
        ));
        waiting
    }

    /// Settles the files of a portion that is too old. What was refused of them is given up, unless it is sent again in
    /// halves; so is what did not pass alone in two runs.
    fn settle_too_old(
        &self,
        portion: Portion<'_>,
        push: &Push,
        is_refused: bool,
        is_halved: bool,
        report: &mut DeliveryReport,
    ) -> Settled {
        let mut settled = Settled::default();
        for part in portion.parts {
            let mut result = part.result(&portion.batch, push);
            if is_halved && !result.is_changed {
                settled.again.push(part.entry);
                continue;
            }
            let given_up = if is_refused { std::mem::take(&mut result.rest).len() } else { result.give_up_failed() };
            result.is_changed |= given_up > 0;
            let name = part.entry.name.clone();
            let left = self.settle(part, &result, report);
            // A file that cannot be changed stays as it was.
            if given_up > 0 && left.as_ref().is_none_or(|left| left.name != name) {
                settled.dropped.points += given_up;
                settled.dropped.files += 1;
            }
            settled.left.extend(left);
        }
        settled
    }

    fn portions(&self, files: Vec<Entry>) -> Portions<'_> {
        let own = self.own.map(|own| (own, self.batch));
        let at_once = self.sender.at_once.map_or(self.most(), |at_once| at_once.min(self.most()));
        Portions::new(self.journal, files, own, at_once)
    }

    /// Points that are sent at once, at most.
    fn most(&self) -> usize {
        points_at_once(&self.sender.to.destination)
    }

    /// Notes why some of so many points wait. Returns whether others may be taken.
    fn note_error(&self, error: PushError, points: usize, report: &mut DeliveryReport) -> bool {
        let is_about_points = error.is_about_points();
        if is_about_points {
            report.error.get_or_insert(DeliveryError::InJournal(error));
        } else {
            // Who cannot take so many in the time of a run would get the same in every run, and never take any.
            report.at_once = if error.may_be_too_much() { Some((points / 2).max(1)) } else { self.sender.at_once };
            if let Some(DeliveryError::Unreadable(unreadable)) = report.error.replace(DeliveryError::InJournal(error)) {
                report.warnings.push(unreadable.to_string());
            }
        }
        is_about_points
    }

    /// Points that are probably good, for a portion whose files are sorted by age, oldest first. The oldest of the points
    /// that runs leave about themselves comes first: a server that takes the samples of a series only in order refuses
    /// all others of its series once it has the one of this run.
    fn probes<'p>(&'p self, portion: &'p Portion<'_>) -> Vec<(&'p Batch, Range<usize>)> {
        let waiting = portion.parts.iter().filter(|part| !part.range.is_empty() && !self.is_own(&part.entry));
        let mut points = waiting.map(|part| last_point(part.range.end));
        // What was refused once may be bad.
        let oldest = points.find(|point| portion.batch.refusals(point.start) == 0);
        let oldest = oldest.map(|point| (&*portion.batch, point));
        oldest.into_iter().chain([(self.batch, last_point(self.batch.len()))]).collect()
    }

    fn is_own(&self, entry: &Entry) -> bool {
        self.own == Some(entry.name.as_str())
    }

    /// Pushes the points of a portion. Of damaged files there may be none.
    fn push(&self, portion: &Portion<'_>, search: Search<'_>, report: &mut DeliveryReport) -> Push {
        if portion.batch.is_empty() {
            return Push::default();
        }
        self.sender.push(&portion.batch, search, report)
    }

    /// Leaves in the journal what Graphite did not take of a file, and how often it refused it. Returns the file
    /// that waits.
    fn settle(&self, part: Part, result: &PartResult, report: &mut DeliveryReport) -> Option<Entry> {
        if !self.is_own(&part.entry) {
            report.waited += result.taken;
        }
        let Part { entry, damage, .. } = part;
        let settled = match &damage {
            Some(_) => self.settle_damaged(&entry, &result.rest),
            None if !result.is_changed => return Some(entry),
            None => self.journal.replace(&entry, &result.rest, &self.id),
        };
        if let Some(damage) = damage {
            let quarantined = || format!("is put aside in {}", self.journal.quarantine_dir().display());
            let file = if settled.is_ok() { quarantined() } else { "stays where it is".to_owned() };
            report.losses.push(format!("{damage}, and the file {file}"));
        }
        settled.unwrap_or_else(|error| {
            report.warnings.push(error.to_string());
            Some(entry)
        })
    }

    /// Puts a damaged file aside. What was not taken of it goes on waiting in a file of its own.
    fn settle_damaged(&self, entry: &Entry, rest: &Batch) -> Result<Option<Entry>, JournalError> {
        let unique = self.sender.context.random.next();
        let keep = || self.journal.keep(rest, &self.id, entry.started, unique);
        let kept = (!rest.is_empty()).then(keep).transpose()?;
        let quarantined = self.journal.quarantine(entry);
        self.journal.trim_quarantine();
        match (quarantined, kept) {
            (Ok(_), kept) => Ok(kept),
            (Err(error), kept) => {
                // The damaged file still has these points: with each run there would be one more copy.
                let _ = kept.map(|kept| self.journal.remove(&kept));
                Err(error)
            }
        }
    }

    /// Keeps the journal within its bounds, and tells what waits for other destinations. Such files are not
    /// sent, so their age alone counts. All files are sorted by age, oldest first.
    pub(super) fn keep_bounds(&self, ours: &[Entry], others: &[Entry], report: &mut DeliveryReport) {
        let dropped = self.journal.drop_excess(ours.iter(), self.sender.to.limits.max_bytes);
        report.points_lost += dropped.points;
        report.waiting = ours.iter().map(|entry| entry.points).sum::<usize>().saturating_sub(dropped.points);
        report.losses.extend(describe_dropped(
            dropped,
            &self.sender.to.name.of_points(),
            "more than journal.max_bytes allows",
        ));
        let by_destination = group_by(others.iter().map(|entry| (entry.destination.clone(), entry)));
        for (_, entries) in by_destination {
            self.keep_bounds_of_other(&entries, report);
        }
    }

    /// The same for the files of one other destination.
    fn keep_bounds_of_other(&self, entries: &[&Entry], report: &mut DeliveryReport) {
        let label = entries.first().map(|entry| self.journal.destination_label(entry)).unwrap_or_default();
        let (too_old, young): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| self.is_older(entry, OTHER_MAX_AGE));
        let of = format!(" for {label}");
        let dropped = self.journal.drop_all(too_old.into_iter());
        report.points_lost += dropped.points;
        report.losses.extend(describe_dropped(dropped, &of, "older than a week"));
        let dropped = self.journal.drop_excess(young.iter().copied(), self.sender.to.limits.max_bytes);
        report.points_lost += dropped.points;
        report.losses.extend(describe_dropped(dropped, &of, "more than journal.max_bytes allows"));
        let points = young.iter().map(|entry| entry.points).sum::<usize>().saturating_sub(dropped.points);
        if points > 0 {
            let notice = format!(
                "journal: it holds {} for another Graphite, {label}; to send them somewhere, name the URL of that \
                 one in `formerly` of a destination; or if another config sends there, give each config a \
                 DATAMETRICS_STATE_DIR of its own",
                pluralize(points, "point")
            );
            let subject = entries.first().and_then(|entry| entry.destination.clone()).unwrap_or(label);
            report.notices.push((subject, notice));
        }
    }
}

/// Says which files could not be read. Returns all files that were not sent.
fn unsent(portions: Portions<'_>, report: &mut DeliveryReport) -> Vec<Entry> {
    let (rest, errors) = portions.into_rest();
    for error in errors {
        report.note_unreadable(error);
    }
    rest
}

fn describe_dropped(dropped: Dropped, of: &str, why: &str) -> Option<String> {
    let Dropped { files, points } = dropped;
    let runs = if files == 1 { "one run, which is".to_owned() } else { format!("{files} runs, which are") };
    (files > 0).then(|| format!("journal: dropped {}{of} of {runs} {why}", pluralize(points, "point")))
}
