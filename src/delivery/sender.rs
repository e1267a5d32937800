//! What brings points to one destination.

use super::destinations::{NamedDestination, sort_by_owner};
use super::graphite::{MAX_REFUSALS, OpenConnection, Push, Search, Way};
use super::journal::{Entry, Journal, JournalError};
use super::report::{DeliveryError, DeliveryReport, describe_refused};
use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::stats::worst_status;
use crate::metrics::batch::Batch;
use std::borrow::Cow;
use std::ops::Range;

/// Brings points to one destination.
pub(crate) struct Sender<'a> {
    /// Where points go.
    pub(crate) to: &'a NamedDestination,
    /// The connection that is opened ahead.
    pub(crate) opening: &'a OpenConnection,
    /// With how many waiting points at once the run begins, where more were too much for an earlier one.
    pub(crate) at_once: Option<usize>,
    /// What is in the journal. `None` if there is no journal.
    pub(crate) journal: Option<OpenJournal<'a>>,
    /// The outside world.
    pub(crate) context: Context<'a>,
    /// How often a failed request is repeated, and until when.
    pub(crate) policy: RetryPolicy<'a>,
}

/// The part of the journal that one destination has.
pub(crate) struct OpenJournal<'a> {
    pub(super) journal: &'a Journal<'a>,
    /// The files for this destination.
    pub(super) files: Result<Vec<Entry>, Option<JournalError>>,
    /// The files for destinations that are not configured any more. The first destination has them all.
    pub(super) others: Vec<Entry>,
}

impl<'a> OpenJournal<'a> {
    /// Lists the files of the journal, once a run, as there may be many. Gives each destination its own.
    pub(crate) fn open_all(journal: &'a Journal<'a>, destinations: &[&NamedDestination]) -> Vec<Self> {
        match journal.waiting() {
            Ok(files) => {
                let (owned, others) = sort_by_owner(files, destinations);
                let mut others = Some(others);
                let open = |files| Self { journal, files: Ok(files), others: others.take().unwrap_or_default() };
                owned.into_iter().map(open).collect()
            }
            Err(error) => {
                // It is said once.
                let mut error = Some(error);
                let open = |_| Self { journal, files: Err(error.take()), others: Vec::new() };
                destinations.iter().map(open).collect()
            }
        }
    }
}

impl Sender<'_> {
    /// How many points wait in the journal for this destination. `None` if that is not known. Where another run is
    /// sending, the files of runs that started after `recent` (Unix seconds) are on their way, and do not wait.
    pub(crate) fn points_waiting(&self, recent: i64) -> Option<usize> {
        let open = self.journal.as_ref()?;
        let files = open.files.as_ref().ok()?;
        let is_recent = |entry: &&Entry| entry.started > recent;
        let is_sending =
            files.iter().any(|entry| is_recent(&entry)) && open.journal.is_locked(&self.to.name.lock_file());
        Some(files.iter().filter(|entry| !(is_sending && is_recent(entry))).map(|entry| entry.points).sum())
    }

    /// Sends a batch that is in no file.
    pub(super) fn send_unkept(&self, batch: &Batch, report: &mut DeliveryReport) {
        let probes = [(batch, last_point(batch.len()))];
        let search = Search { max_refusals: MAX_REFUSALS, probes: &probes, has_begun: false };
        let push = self.push(batch, search, report);
        // No other run will see these points.
        report.losses.extend(describe_refused(&self.to.name, batch, &push.refused_alone));
        report.points_lost += push.refused_alone.len();
        let open: usize = push.open.iter().map(ExactSizeIterator::len).sum();
        let points = open - push.refused_alone.len();
        report.error = push.error.filter(|_| points > 0).map(|cause| DeliveryError::Lost { cause, points });
        report.at_once = self.at_once;
    }

    pub(super) fn push(&self, batch: &Batch, search: Search<'_>, report: &mut DeliveryReport) -> Push {
        let begun = self.context.clock.now();
        // Where Carbon has taken something, there is one behind the balancer.
        let destination = &self.to.destination;
        let settled = if report.taken > 0 { destination.without_linger() } else { Cow::Borrowed(destination) };
        let way = Way { destination: &settled, opening: self.opening, context: self.context, policy: self.policy };
        let push = way.push(batch, search);
        report.took += self.context.clock.now() - begun;
        report.taken += push.taken;
        report.status = worst_status(report.status, push.stats.worst_status);
        report.losses.extend(describe_refused(&self.to.name, batch, &push.refused));
        report.points_lost += push.refused.len();
        push
    }
}

/// The last of the points of a batch that end there. The batch of a run ends in points about the run itself, which are
/// good.
pub(super) fn last_point(end: usize) -> Range<usize> {
    end.saturating_sub(1)..end
}
