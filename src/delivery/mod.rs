//! A batch on its way: into the journal, then to Graphite. Points that wait from earlier runs are sent
//! first.

pub(crate) mod graphite;
pub(crate) mod journal;

use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::stats::worst_status;
use crate::metrics::batch::Batch;
use crate::util::group_by::group_by;
use crate::util::pluralize::pluralize;
use graphite::{Destination, DestinationId, MAX_REFUSALS, Push, PushError, push};
use journal::{Dropped, Entry, Journal, JournalError, JournalLimits};
use std::time::Duration;

/// How many refused points of one push are named.
const MAX_NAMED: usize = 10;

/// How long points wait for a destination to which nothing is sent any more, in seconds. Whoever changed the
/// URL by mistake has some days to notice: what waits is told once a day.
const OTHER_MAX_AGE: i64 = 7 * 86_400;

/// Brings points to Graphite.
pub(crate) struct Sender<'a> {
    /// Where points go.
    pub(crate) destination: &'a Destination,
    /// Destinations whose points go there now.
    pub(crate) formerly: &'a [DestinationId],
    /// The journal and its bounds. `None` if there is no journal.
    pub(crate) journal: Option<(&'a Journal<'a>, JournalLimits)>,
    /// The outside world.
    pub(crate) context: Context<'a>,
    /// How often a failed request is repeated, and until when.
    pub(crate) policy: RetryPolicy<'a>,
}

/// What came of a delivery.
#[derive(Debug, Default)]
pub(crate) struct DeliveryReport {
    /// How many points Graphite took, those of earlier runs included.
    pub(crate) taken: usize,
    /// How many of them had waited in the journal.
    pub(crate) waited: usize,
    /// Points that are lost for good, a sentence each.
    pub(crate) losses: Vec<String>,
    /// Other things that a person should know, a sentence each.
    pub(crate) warnings: Vec<String>,
    /// Things that stay as they are, and that a person should know once a day: what it is about, and a
    /// sentence.
    pub(crate) notices: Vec<(String, String)>,
    /// Why points were not taken.
    pub(crate) error: Option<DeliveryError>,
    /// How long the pushes took.
    pub(crate) took: Duration,
    /// The worst HTTP status. `None` if nothing was sent.
    pub(crate) status: Option<u16>,
}

/// Why points were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    /// The points are in the journal.
    #[error("graphite: {0}; the points are in the journal, the next run sends them")]
    InJournal(PushError),
    /// There is no journal.
    #[error("graphite: {cause}; {points} points are lost, as there is no journal")]
    Lost {
        /// Why they were not taken.
        cause: PushError,
        /// How many points.
        points: usize,
    },
    /// Another run was sending until the deadline.
    #[error("{0}; the points are in the journal, the next run sends them")]
    Locked(JournalError),
}

impl DeliveryError {
    /// Whether Graphite refused the credentials.
    pub(crate) fn refused_credentials(&self) -> bool {
        matches!(self, Self::InJournal(cause) | Self::Lost { cause, .. } if cause.refused_credentials())
    }
}

impl Sender<'_> {
    /// Keeps the batch of the run that started at `started` (Unix seconds) in the journal, and sends
    /// everything that waits there for this destination.
    pub(crate) fn deliver(&self, batch: &Batch, started: i64) -> DeliveryReport {
        let mut report = DeliveryReport::default();
        let Some((journal, limits)) = self.journal else {
            self.send_unkept(batch, &mut report);
            return report;
        };
        let id = self.destination.id();
        let kept = journal.keep(batch, &id, started, self.context.random.next());
        report.warnings.extend(kept.as_ref().err().map(ToString::to_string));
        let own = kept.ok();
        if own.is_none() {
            // A batch that has no file cannot wait for the next run, so it goes before those that can.
            self.send_unkept(batch, &mut report);
        }
        let deadline = if own.is_some() { self.policy.deadline } else { self.policy.deadline.within(Duration::ZERO) };
        let replay = JournalReplay { sender: self, journal, limits, started, id, own, batch };
        match journal.lock(deadline) {
            Ok(_lock) => replay.send_all(&mut report),
            Err(error @ JournalError::Locked { .. }) => {
                if replay.own.is_some() {
                    report.error = Some(DeliveryError::Locked(error));
                }
                replay.keep_bounds(&mut report);
            }
            Err(error) => {
                // Where the batch could not be written either, that is said already.
                if replay.own.is_some() {
                    let notice = format!("{error}; points are sent without it, some of them twice");
                    report.notices.push(("lock".to_owned(), notice));
                }
                replay.send_all(&mut report);
            }
        }
        report
    }

    /// How many points wait in the journal for this destination. `None` if that is not known.
    pub(crate) fn points_waiting(&self) -> Option<usize> {
        let (waiting, id) = (self.journal?.0.waiting().ok()?, self.destination.id());
        Some(waiting.iter().filter(|entry| belongs_to(entry, &id, self.formerly)).map(|entry| entry.points).sum())
    }

    /// Sends a batch that is in no file.
    fn send_unkept(&self, batch: &Batch, report: &mut DeliveryReport) {
        let push = self.push(batch, batch, MAX_REFUSALS, report);
        if let Some(PushError::RefusedOnce { said, .. }) = &push.error {
            // No other run will see these points.
            let name = |index: &usize| (batch.point(*index).name.to_owned(), said.clone());
            report.losses.extend(describe_refused(&push.refused_alone.iter().map(name).collect::<Vec<_>>()));
        } else if let Some(cause) = push.error {
            let points = push.open.iter().map(ExactSizeIterator::len).sum();
            report.error = Some(DeliveryError::Lost { cause, points });
        }
    }

    fn push(&self, batch: &Batch, newest: &Batch, max_refusals: usize, report: &mut DeliveryReport) -> Push {
        let begun = self.context.clock.now();
        let push = push(self.destination, batch, newest, max_refusals, self.context, self.policy);
        report.took += self.context.clock.now() - begun;
        report.taken += push.taken;
        report.status = worst_status(report.status, push.stats.worst_status);
        report.losses.extend(describe_refused(&push.refused));
        push
    }
}

/// Whether the points of a file go to the destination `id`, which takes also those of `formerly`.
pub(crate) fn belongs_to(entry: &Entry, id: &DestinationId, formerly: &[DestinationId]) -> bool {
    let is_hash_of = |hash: &String| [id].into_iter().chain(formerly).any(|id| id.hash_text() == *hash);
    entry.destination.as_ref().is_none_or(is_hash_of)
}

/// A line for each refused point, but no more than [`MAX_NAMED`].
fn describe_refused(refused: &[(String, String)]) -> Vec<String> {
    let line = |(name, reason): &(String, String)| format!("graphite refused {name}: {reason}");
    let more = refused.len().saturating_sub(MAX_NAMED);
    let rest = (more > 0).then(|| format!("graphite refused {more} more"));
    refused.iter().take(MAX_NAMED).map(line).chain(rest).collect()
}

/// Sends what waits in the journal for one destination.
struct JournalReplay<'a> {
    sender: &'a Sender<'a>,
    journal: &'a Journal<'a>,
    limits: JournalLimits,
    /// When the run started, in Unix seconds.
    started: i64,
    /// The identity of the destination.
    id: DestinationId,
    /// The file of this run. `None` if it could not be written.
    own: Option<Entry>,
    /// The points of this run.
    batch: &'a Batch,
}

impl JournalReplay<'_> {
    /// Sends all files, oldest first, up to an error that has nothing to do with points. Files that are too
    /// old come last, as they may be refused for that: nothing of them is dropped before Graphite has
    /// answered.
    fn send_all(&self, report: &mut DeliveryReport) {
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
    fn keep_bounds(&self, report: &mut DeliveryReport) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::{Request, Response};
    use crate::http::transport::{Transport, TransportError};
    use crate::http::url::Url;
    use crate::market::number::Number;
    use crate::system::clock::Clock;
    use crate::system::deadline::Deadline;
    use crate::system::dialer::SystemDialer;
    use crate::system::disk::{DirEntry, Disk, LockGuard, NewFile, SystemDisk};
    use crate::system::random::Random;
    use crate::system::threads::SystemThreads;
    use std::io::{self, Read};
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    /// A disk on which nothing can be written and somebody else has the lock for ever.
    struct FullDisk;

    impl Disk for FullDisk {
        fn create_dir(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }

        fn is_dir(&self, _: &Path) -> bool {
            true
        }

        fn list(&self, _: &Path) -> io::Result<Vec<DirEntry>> {
            Ok(Vec::new())
        }

        fn create_new(&self, _: &Path) -> io::Result<Box<dyn NewFile>> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
            SystemDisk.open(path)
        }

        fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn remove_file(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }

        fn sync_dir(&self, _: &Path) -> io::Result<()> {
            Ok(())
        }

        fn try_lock(&self, _: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
            Ok(None)
        }
    }

    /// A clock that goes on only while somebody sleeps.
    struct SleepClock {
        begun: Instant,
        millis: AtomicU64,
    }

    impl Clock for SleepClock {
        fn unix_time(&self) -> Duration {
            Duration::from_secs(1_785_182_401)
        }

        fn now(&self) -> Instant {
            self.begun + Duration::from_millis(self.millis.load(Ordering::Relaxed))
        }

        fn sleep(&self, span: Duration) {
            // Every sleep passes some time, lest a wait without end hang the test.
            let millis = u64::try_from(span.as_millis()).unwrap().max(1);
            self.millis.fetch_add(millis, Ordering::Relaxed);
        }
    }

    /// A Graphite that takes everything, and notes how much time was left.
    struct Noting(Mutex<Vec<Duration>>);

    impl Transport for Noting {
        fn send(&self, _: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
            self.0.lock().unwrap().push(deadline.remaining());
            let body = br#"{"published":1}"#.to_vec().into();
            Ok(Response { status: 200, retry_after: None, remaining: None, redirect: None, body })
        }
    }

    #[test]
    fn a_batch_that_could_not_be_kept_is_pushed_first_and_has_all_of_the_time() {
        let clock = SleepClock { begun: Instant::now(), millis: AtomicU64::new(0) };
        let (graphite, random) = (Noting(Mutex::default()), Random::seeded(1));
        let context = Context {
            transport: &graphite,
            clock: &clock,
            random: &random,
            threads: &SystemThreads,
            dialer: &SystemDialer,
            disk: &FullDisk,
        };
        let journal = Journal::open(&FullDisk, &clock, Path::new("/state")).unwrap();
        let limits = JournalLimits { max_bytes: 1 << 20, max_age: Duration::from_secs(3600) };
        let url = Url::parse("https://graphite.example/metrics").unwrap();
        let destination = Destination::Ingest { url, credentials: None };
        let deadline = context.deadline(Duration::from_secs(10));
        let policy = RetryPolicy { retries: 0, deadline, random: &random };
        let sender =
            Sender { destination: &destination, formerly: &[], journal: Some((&journal, limits)), context, policy };
        let mut batch = Batch::new(60, Vec::new());
        batch.push(|name| name.push_str("a.b"), Number::parse("1").unwrap(), 1_785_182_401);

        let report = sender.deliver(&batch, 1_785_182_401);

        assert_eq!((report.taken, report.error.is_none()), (1, true), "{report:?}");
        let left = graphite.0.lock().unwrap().clone();
        assert!(matches!(left[..], [left] if left > Duration::from_secs(9)), "{left:?}");
        assert_eq!(report.warnings.len(), 1, "the file: {:?}", report.warnings);
    }
}
