//! A batch on its way: into the journal, then to Graphite. Points that wait from earlier runs are sent
//! first.

pub(crate) mod graphite;
pub(crate) mod journal;

use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::stats::worst_status;
use crate::metrics::batch::Batch;
use crate::util::pluralize::pluralize;
use graphite::{Destination, Push, PushError, push};
use journal::{Entry, Journal, JournalError, JournalLimits, Pruned};
use std::time::Duration;

/// How many refused points of one push are named.
const MAX_NAMED: usize = 10;

/// Brings points to Graphite.
pub(crate) struct Sender<'a> {
    /// Where points go.
    pub(crate) destination: &'a Destination,
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
    /// everything that waits there.
    pub(crate) fn deliver(&self, batch: &Batch, started: i64) -> DeliveryReport {
        let mut report = DeliveryReport::default();
        let Some((journal, limits)) = self.journal else {
            self.send_unkept(batch, &mut report);
            return report;
        };
        let kept = journal.keep(batch, started, self.context.random.next());
        let is_kept = kept.is_ok();
        let deadline = self.policy.deadline;
        // A batch that has no file cannot wait for the next run. So half of the time is left for it.
        let lock_deadline = if is_kept { deadline } else { deadline.within(deadline.remaining() / 2) };
        report.warnings.extend(kept.as_ref().err().map(ToString::to_string));
        let replay = JournalReplay { sender: self, journal, own: kept.ok(), batch };
        match journal.lock(lock_deadline) {
            Ok(_lock) => replay.send_all(limits, started, &mut report),
            Err(error @ JournalError::Locked { .. }) if is_kept => report.error = Some(DeliveryError::Locked(error)),
            Err(error) => {
                // If neither the file nor the lock can be written, the warning about the file says it.
                if is_kept || matches!(error, JournalError::Locked { .. }) {
                    report.warnings.push(error.to_string());
                }
                replay.send_own(&mut report);
            }
        }
        if !is_kept {
            self.send_unkept(batch, &mut report);
        }
        report
    }

    /// Sends a batch that is in no file.
    fn send_unkept(&self, batch: &Batch, report: &mut DeliveryReport) {
        let push = self.push(batch, batch, report);
        if let Some(cause) = push.error {
            let points = push.open.iter().map(ExactSizeIterator::len).sum();
            report.error = Some(DeliveryError::Lost { cause, points });
        }
    }

    fn push(&self, batch: &Batch, newest: &Batch, report: &mut DeliveryReport) -> Push {
        let begun = self.context.clock.now();
        let push = push(self.destination, batch, newest, self.context, self.policy);
        report.took += self.context.clock.now() - begun;
        report.taken += push.taken;
        report.status = worst_status(report.status, push.stats.worst_status);
        report.losses.extend(describe_refused(&push.refused));
        push
    }
}

/// A line for each refused point, but no more than [`MAX_NAMED`].
fn describe_refused(refused: &[(String, String)]) -> Vec<String> {
    let name = |name: &str| if name.is_empty() { "a point".to_owned() } else { name.to_owned() };
    let line = |(point, reason): &(String, String)| format!("graphite refused {}: {reason}", name(point));
    let more = refused.len().saturating_sub(MAX_NAMED);
    let rest = (more > 0).then(|| format!("graphite refused {more} more"));
    refused.iter().take(MAX_NAMED).map(line).chain(rest).collect()
}

/// Sends what waits in the journal. Except for [`Self::send_own`], the caller holds the lock.
struct JournalReplay<'a> {
    sender: &'a Sender<'a>,
    journal: &'a Journal<'a>,
    /// The file of this run. `None` if it could not be written.
    own: Option<Entry>,
    /// The points of this run.
    batch: &'a Batch,
}

impl JournalReplay<'_> {
    /// Sends all files, oldest first, up to an error that has nothing to do with points. `now` is in
    /// Unix seconds.
    fn send_all(&self, limits: JournalLimits, now: i64, report: &mut DeliveryReport) {
        let too_old = self.journal.prune(now, u64::MAX, limits.max_age);
        report.losses.extend(describe_pruned(too_old, "older than journal.max_age"));
        let waiting = match self.journal.waiting() {
            Ok(waiting) => waiting,
            Err(error) => {
                report.warnings.push(error.to_string());
                return self.send_own(report);
            }
        };
        for entry in &waiting {
            if let Some(error) = self.send(entry, report) {
                let goes_on = matches!(error, PushError::TooManyBad { .. });
                report.error = Some(DeliveryError::InJournal(error));
                if !goes_on {
                    break;
                }
            }
        }
        if report.error.is_some() {
            let too_much = self.journal.prune(now, limits.max_bytes, limits.max_age);
            report.losses.extend(describe_pruned(too_much, "more than journal.max_bytes"));
        }
    }

    /// Sends the file of this run alone.
    fn send_own(&self, report: &mut DeliveryReport) {
        if let Some(error) = self.own.as_ref().and_then(|own| self.send(own, report)) {
            report.error = Some(DeliveryError::InJournal(error));
        }
    }

    /// Sends one file, and removes from it what was taken. Returns why something of it still waits.
    fn send(&self, entry: &Entry, report: &mut DeliveryReport) -> Option<PushError> {
        let contents;
        let is_own = self.own.as_ref().is_some_and(|own| own.name == entry.name);
        let (batch, damage) = if is_own {
            (self.batch, None)
        } else {
            contents = match self.journal.read(entry) {
                Ok(contents) => contents,
                Err(error) => {
                    report.warnings.push(error.to_string());
                    return None;
                }
            };
            (&contents.batch, contents.damage.as_ref())
        };
        // Of a damaged file there may be nothing left.
        let push = if batch.is_empty() { Push::default() } else { self.sender.push(batch, self.batch, report) };
        report.waited += if is_own { 0 } else { push.taken };
        let settled = self.settle(entry, batch, &push, damage.is_some());
        if let Some(damage) = damage {
            let quarantined = || format!("is put aside in {}", self.journal.quarantine_dir().display());
            let file = if settled.is_ok() { quarantined() } else { "stays where it is".to_owned() };
            report.losses.push(format!("{damage}, and the file {file}"));
        }
        report.warnings.extend(settled.err().map(|error| error.to_string()));
        push.error
    }

    /// Leaves in the journal what Graphite did not take.
    fn settle(&self, entry: &Entry, batch: &Batch, push: &Push, is_damaged: bool) -> Result<(), JournalError> {
        let open: usize = push.open.iter().map(ExactSizeIterator::len).sum();
        if is_damaged {
            if open > 0 {
                self.journal.keep(&batch.part(&push.open), entry.started, self.sender.context.random.next())?;
            }
            return self.journal.quarantine(entry).map(drop);
        }
        if open == batch.len() && open > 0 {
            return Ok(());
        }
        self.journal.replace(entry, &batch.part(&push.open)).map(drop)
    }
}

fn describe_pruned(pruned: Pruned, why: &str) -> Option<String> {
    let Pruned { files, points } = pruned;
    let runs = if files == 1 { "one run, which is".to_owned() } else { format!("{files} runs, which are") };
    (files > 0).then(|| format!("journal: dropped {} of {runs} {why} allows", pluralize(points, "point")))
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
    fn a_batch_that_could_not_be_kept_has_half_of_the_time_left_for_its_push() {
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
        let sender = Sender { destination: &destination, journal: Some((&journal, limits)), context, policy };
        let mut batch = Batch::new(60, Vec::new());
        batch.push(|name| name.push_str("a.b"), Number::parse("1").unwrap(), 1_785_182_401);

        let report = sender.deliver(&batch, 1_785_182_401);

        assert_eq!((report.taken, report.error.is_none()), (1, true), "{report:?}");
        let left = graphite.0.lock().unwrap().clone();
        assert!(
            matches!(left[..], [left] if left <= Duration::from_secs(5) && left > Duration::from_secs(4)),
            "{left:?}"
        );
        assert_eq!(report.warnings.len(), 2, "the file, and the lock: {:?}", report.warnings);
    }
}
