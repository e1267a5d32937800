//! What waits in the journal for one destination, on its way there; and what the bounds of the journal drop.

use super::graphite::{DestinationId, MAX_REFUSALS, Push, PushError};
use super::journal::{Dropped, Entry, Journal, JournalError, JournalLimits};
use super::{DeliveryError, DeliveryReport, Sender, belongs_to};
use crate::metrics::batch::Batch;
use crate::util::group_by::group_by;
use crate::util::pluralize::pluralize;

/// How long points wait for a destination to which nothing is sent any more, in seconds. Whoever changed the
/// URL by mistake has some days to notice: what waits is told once a day.
const OTHER_MAX_AGE: i64 = 7 * 86_400;

/// Sends what waits in the journal for one destination.
pub(super) struct JournalReplay<'a> {
    pub(super) sender: &'a Sender<'a>,
    pub(super) journal: &'a Journal<'a>,
    pub(super) limits: JournalLimits,
    /// When the run started, in Unix seconds.
    pub(super) started: i64,
    /// The identity of the destination.
    pub(super) id: DestinationId,
    /// The file of this run. `None` if it could not be written.
    pub(super) own: Option<Entry>,
    /// The points of this run.
    pub(super) batch: &'a Batch,
}

impl JournalReplay<'_> {
    /// Sends all files, oldest first, up to an error that has nothing to do with points. Files that are too
    /// old come last, as they may be refused for that: nothing of them is dropped before Graphite has
    /// answered.
    pub(super) fn send_all(&self, report: &mut DeliveryReport) {
        let waiting = match self.journal.waiting() {
            Ok(waiting) => waiting,
            Err(error) => {
                report.warnings.push(error.to_string());
                return self.send_own(report);
            }
        };
        let waiting: Vec<&Entry> = waiting.iter().filter(|entry| self.owns(entry)).collect();
        let (too_old, young): (Vec<&Entry>, Vec<&Entry>) =
            waiting.into_iter().partition(|entry| self.is_too_old(entry));
        let is_well = report.error.is_none() && young.iter().all(|entry| self.goes_on_after(entry, report));
        if is_well && (report.taken > 0 || young.is_empty()) {
            self.send_too_old(&too_old, report);
        }
        self.keep_bounds(report);
    }

    /// Sends files that are older than Graphite may take, and drops what it refuses of them.
    fn send_too_old(&self, entries: &[&Entry], report: &mut DeliveryReport) {
        let mut dropped = Dropped::default();
        for entry in entries {
            let before = dropped.points;
            if let Some(error) = self.send(entry, Some(&mut dropped), report) {
                report.error.get_or_insert(DeliveryError::InJournal(error));
                break;
            }
            dropped.files += usize::from(dropped.points > before);
        }
        report.losses.extend(describe_dropped(dropped, "", "older than journal.max_age allows"));
    }

    fn owns(&self, entry: &Entry) -> bool {
        belongs_to(entry, &self.id, self.sender.formerly)
    }

    fn is_too_old(&self, entry: &Entry) -> bool {
        let max_age = i64::try_from(self.limits.max_age.as_secs()).unwrap_or(i64::MAX);
        self.is_older(entry, max_age)
    }

    fn is_older(&self, entry: &Entry, seconds: i64) -> bool {
        entry.started < self.started.saturating_sub(seconds)
    }

    /// Sends one file. Returns whether the next one may be taken too.
    fn goes_on_after(&self, entry: &Entry, report: &mut DeliveryReport) -> bool {
        let Some(error) = self.send(entry, None, report) else { return true };
        let goes_on = error.is_about_points();
        report.error.get_or_insert(DeliveryError::InJournal(error));
        goes_on
    }

    /// Sends the file of this run alone.
    fn send_own(&self, report: &mut DeliveryReport) {
        if let Some(own) = &self.own {
            self.goes_on_after(own, report);
        }
    }

    /// Sends one file, and removes from it what was taken. Returns why something of it still waits. If what
    /// Graphite does not take may be dropped, it is added to `dropped`.
    fn send(&self, entry: &Entry, dropped: Option<&mut Dropped>, report: &mut DeliveryReport) -> Option<PushError> {
        let contents;
        let is_own = self.own.as_ref().is_some_and(|own| own.name == entry.name);
        let (batch, damage) = if is_own {
            (self.batch, None)
        } else {
            contents = match self.journal.read(entry) {
                Ok(contents) => contents,
                // Without a lock another run may have sent it.
                Err(error) if error.is_missing_file() => return None,
                Err(error) => {
                    report.warnings.push(error.to_string());
                    return None;
                }
            };
            (&contents.batch, contents.damage.as_ref())
        };
        // Of a damaged file there may be nothing left.
        let max_refusals = if dropped.is_some() { 0 } else { MAX_REFUSALS };
        let mut push =
            if batch.is_empty() { Push::default() } else { self.sender.push(batch, self.batch, max_refusals, report) };
        report.waited += if is_own { 0 } else { push.taken };
        let mut given_up = 0;
        if dropped.is_some() && push.error.as_ref().is_some_and(PushError::is_about_points) {
            given_up = push.open.drain(..).map(|range| range.len()).sum();
            push.error = None;
        }
        let settled = self.settle(entry, batch, &push, damage.is_some());
        if let Some(damage) = damage {
            let quarantined = || format!("is put aside in {}", self.journal.quarantine_dir().display());
            let file = if settled.is_ok() { quarantined() } else { "stays where it is".to_owned() };
            report.losses.push(format!("{damage}, and the file {file}"));
        }
        match (settled, dropped) {
            (Ok(()), Some(dropped)) => dropped.points += given_up,
            (Ok(()), None) => {}
            (Err(error), _) => report.warnings.push(error.to_string()),
        }
        push.error
    }

    /// Leaves in the journal what Graphite did not take, and how often it refused it.
    fn settle(&self, entry: &Entry, batch: &Batch, push: &Push, is_damaged: bool) -> Result<(), JournalError> {
        let open: usize = push.open.iter().map(ExactSizeIterator::len).sum();
        let rest = || {
            let mut counted = batch.part(&push.open);
            for (index, point) in push.open.iter().cloned().flatten().enumerate() {
                if push.refused_alone.contains(&point) {
                    counted.set_refusals(index, batch.refusals(point) + 1);
                }
            }
            counted
        };
        if is_damaged {
            if open > 0 {
                self.journal.keep(&rest(), &self.id, entry.started, self.sender.context.random.next())?;
            }
            return self.journal.quarantine(entry).map(drop);
        }
        if open == batch.len() && open > 0 && push.refused_alone.is_empty() {
            return Ok(());
        }
        let rest = if open > 0 { rest() } else { Batch::default() };
        self.journal.replace(entry, &rest, &self.id).map(drop)
    }

    /// Keeps the journal within its bounds, and tells what waits for other destinations. Such files are not
    /// sent, so their age alone counts.
    pub(super) fn keep_bounds(&self, report: &mut DeliveryReport) {
        let waiting = self.journal.waiting().unwrap_or_default();
        let (own, other): (Vec<&Entry>, Vec<&Entry>) = waiting.iter().partition(|entry| self.owns(entry));
        let dropped = self.journal.drop_excess(own.into_iter(), self.limits.max_bytes);
        report.losses.extend(describe_dropped(dropped, "", "more than journal.max_bytes allows"));
        let by_destination = group_by(other.into_iter().map(|entry| (entry.destination.clone(), entry)));
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
        report.losses.extend(describe_dropped(dropped, &of, "older than a week"));
        let dropped = self.journal.drop_excess(young.iter().copied(), self.limits.max_bytes);
        report.losses.extend(describe_dropped(dropped, &of, "more than journal.max_bytes allows"));
        let points = young.iter().map(|entry| entry.points).sum::<usize>().saturating_sub(dropped.points);
        if points > 0 {
            let notice = format!(
                "journal: it holds {} for another Graphite, {label}; to send them to this one, name the URL of that \
                 one in `formerly` of [graphite]",
                pluralize(points, "point")
            );
            report.notices.push((label, notice));
        }
    }
}

fn describe_dropped(dropped: Dropped, of: &str, why: &str) -> Option<String> {
    let Dropped { files, points } = dropped;
    let runs = if files == 1 { "one run, which is".to_owned() } else { format!("{files} runs, which are") };
    (files > 0).then(|| format!("journal: dropped {}{of} of {runs} {why}", pluralize(points, "point")))
}
