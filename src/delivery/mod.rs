//! A batch on its way: into the journal, then to Graphite. Points that wait from earlier runs are sent
//! first.

pub(crate) mod graphite;
pub(crate) mod journal;
mod portion;
mod replay;

use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::stats::worst_status;
use crate::metrics::batch::Batch;
use graphite::{Destination, DestinationId, MAX_REFUSALS, Push, PushError, push};
use journal::{Entry, Journal, JournalError, JournalLimits};
use replay::JournalReplay;
use std::borrow::Cow;
use std::time::Duration;

/// How many refused points of one push are named.
const MAX_NAMED: usize = 10;

/// Brings points to Graphite.
pub(crate) struct Sender<'a> {
    /// Where points go.
    pub(crate) destination: &'a Destination,
    /// Destinations whose points go there now.
    pub(crate) formerly: &'a [DestinationId],
    /// What is in the journal. `None` if there is no journal.
    pub(crate) journal: Option<OpenJournal<'a>>,
    /// The outside world.
    pub(crate) context: Context<'a>,
    /// How often a failed request is repeated, and until when.
    pub(crate) policy: RetryPolicy<'a>,
}

/// The journal, with a list of its files. It is made once a run, as there may be many.
pub(crate) struct OpenJournal<'a> {
    journal: &'a Journal<'a>,
    limits: JournalLimits,
    files: Result<Vec<Entry>, JournalError>,
}

impl<'a> OpenJournal<'a> {
    /// Lists the files of the journal.
    pub(crate) fn new(journal: &'a Journal<'a>, limits: JournalLimits) -> Self {
        Self { journal, limits, files: journal.waiting() }
    }
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
    /// There is no journal, or the batch could not be written to it.
    #[error("graphite: {cause}; {points} points are lost, as they are in no journal")]
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
    /// Whether it is about single points, so that other points may be taken.
    fn is_about_points(&self) -> bool {
        matches!(self, Self::InJournal(cause) if cause.is_about_points())
    }

    /// Whether Graphite refused the credentials.
    pub(crate) fn refused_credentials(&self) -> bool {
        matches!(self, Self::InJournal(cause) | Self::Lost { cause, .. } if cause.refused_credentials())
    }
}

impl Sender<'_> {
    /// Keeps the batch of the run that started at `started` (Unix seconds) in the journal, and sends
    /// everything that waits there for this destination.
    pub(crate) fn deliver(mut self, batch: &Batch, started: i64) -> DeliveryReport {
        let mut report = DeliveryReport::default();
        let Some(OpenJournal { journal, limits, files }) = self.journal.take() else {
            self.send_unkept(batch, &mut report);
            return report;
        };
        let id = self.destination.id();
        let own = match journal.keep(batch, &id, started, self.context.random.next()) {
            Ok(own) => Some(own),
            Err(error) => {
                report.warnings.push(error.to_string());
                // A batch that has no file cannot wait for the next run, so it goes before those that can.
                self.send_unkept(batch, &mut report);
                None
            }
        };
        let name = own.as_ref().map(|own| own.name.clone());
        let files = with_own(files, own, &mut report);
        let replay = JournalReplay { sender: &self, journal, limits, started, id, own: name.as_deref(), batch };
        let deadline = if name.is_some() { self.policy.deadline } else { self.policy.deadline.within(Duration::ZERO) };
        match journal.lock(deadline) {
            Ok(_lock) => replay.send_all(files, &mut report),
            Err(error @ JournalError::Locked { .. }) => {
                if name.is_some() {
                    report.error = Some(DeliveryError::Locked(error));
                }
                replay.send_nothing(files, &mut report);
            }
            Err(error) => {
                // Where the batch could not be written either, that is said already.
                if name.is_some() {
                    let notice = format!("{error}; points are sent without it, some of them twice");
                    report.notices.push(("lock".to_owned(), notice));
                }
                replay.send_all(files, &mut report);
            }
        }
        report
    }

    /// How many points wait in the journal for this destination. `None` if that is not known.
    pub(crate) fn points_waiting(&self) -> Option<usize> {
        let (files, id) = (self.journal.as_ref()?.files.as_ref().ok()?, self.destination.id());
        Some(files.iter().filter(|entry| belongs_to(entry, &id, self.formerly)).map(|entry| entry.points).sum())
    }

    /// Sends a batch that is in no file.
    fn send_unkept(&self, batch: &Batch, report: &mut DeliveryReport) {
        let push = self.push(batch, batch, MAX_REFUSALS, report);
        if let Some(PushError::RefusedOnce { said, .. }) = &push.error {
            // No other run will see these points.
            let refused: Vec<_> = push.refused_alone.iter().map(|index| (*index, said.clone())).collect();
            report.losses.extend(describe_refused(batch, &refused));
        } else if let Some(cause) = push.error {
            let points = push.open.iter().map(ExactSizeIterator::len).sum();
            report.error = Some(DeliveryError::Lost { cause, points });
        }
    }

    fn push(&self, batch: &Batch, newest: &Batch, max_refusals: usize, report: &mut DeliveryReport) -> Push {
        let begun = self.context.clock.now();
        // Where Carbon has taken something, there is one behind the balancer.
        let settled =
            if report.taken > 0 { self.destination.without_linger() } else { Cow::Borrowed(self.destination) };
        let push = push(&settled, batch, newest, max_refusals, self.context, self.policy);
        report.took += self.context.clock.now() - begun;
        report.taken += push.taken;
        report.status = worst_status(report.status, push.stats.worst_status);
        report.losses.extend(describe_refused(batch, &push.refused));
        push
    }
}

/// Whether the points of a file go to the destination `id`, which takes also those of `formerly`.
pub(crate) fn belongs_to(entry: &Entry, id: &DestinationId, formerly: &[DestinationId]) -> bool {
    let is_hash_of = |hash: &String| [id].into_iter().chain(formerly).any(|id| id.hash_text() == *hash);
    entry.destination.as_ref().is_none_or(is_hash_of)
}

/// The files of the journal with that of this run, oldest first.
fn with_own(files: Result<Vec<Entry>, JournalError>, own: Option<Entry>, report: &mut DeliveryReport) -> Vec<Entry> {
    let mut files = files.unwrap_or_else(|error| {
        report.warnings.push(error.to_string());
        Vec::new()
    });
    files.extend(own);
    files.sort_unstable();
    files
}

/// A line for each refused point, but no more than [`MAX_NAMED`].
fn describe_refused(batch: &Batch, refused: &[(usize, String)]) -> Vec<String> {
    let line = |(index, reason): &(usize, String)| format!("graphite refused {}: {reason}", batch.point(*index).name);
    let more = refused.len().saturating_sub(MAX_NAMED);
    let rest = (more > 0).then(|| format!("graphite refused {more} more"));
    refused.iter().take(MAX_NAMED).map(line).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::graphite::{ExtraHeaders, IngestTarget, SettingNames};
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
            dialer: &SystemDialer::default(),
            disk: &FullDisk,
        };
        let journal = Journal::open(&FullDisk, &clock, Path::new("/state")).unwrap();
        let limits = JournalLimits { max_bytes: 1 << 20, max_age: Duration::from_secs(3600) };
        let url = Url::parse("https://graphite.example/metrics").unwrap();
        let destination = Destination::Ingest(Box::new(IngestTarget {
            identity: None,
            url,
            credentials: None,
            headers: ExtraHeaders::default(),
            settings: SettingNames::default(),
        }));
        let deadline = context.deadline(Duration::from_secs(10));
        let policy = RetryPolicy { retries: 0, deadline, random: &random };
        let sender = Sender {
            destination: &destination,
            formerly: &[],
            journal: Some(OpenJournal::new(&journal, limits)),
            context,
            policy,
        };
        let mut batch = Batch::new(60, Vec::new());
        batch.push(|name| name.push_str("a.b"), Number::parse("1").unwrap(), 1_785_182_401);

        let report = sender.deliver(&batch, 1_785_182_401);

        assert_eq!((report.taken, report.error.is_none()), (1, true), "{report:?}");
        let left = graphite.0.lock().unwrap().clone();
        assert!(matches!(left[..], [left] if left > Duration::from_secs(9)), "{left:?}");
        assert_eq!(report.warnings.len(), 1, "the file: {:?}", report.warnings);
    }
}
