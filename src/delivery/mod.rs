//! A batch on its way: into the journal, then to every destination. Points that wait from earlier runs are sent
//! first.

mod destinations;
pub(crate) mod graphite;
pub(crate) mod journal;
mod portion;
mod replay;

use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::stats::worst_status;
use crate::metrics::batch::Batch;
use crate::system::threads::{lock, parallel_map};
use crate::util::clauses::add_clause;
use graphite::{MAX_REFUSALS, OpenConnection, Push, PushError, Search, Way};
use journal::{Entry, Journal, JournalError};
use replay::JournalReplay;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

pub(crate) use destinations::{DestinationName, NamedDestination, sort_by_owner};

/// How many refused points of one push are named.
const MAX_NAMED: usize = 10;

/// Brings points to one destination.
pub(crate) struct Sender<'a> {
    /// Where points go.
    pub(crate) to: &'a NamedDestination,
    /// The connection that is opened ahead.
    pub(crate) opening: &'a OpenConnection,
    /// What is in the journal. `None` if there is no journal.
    pub(crate) journal: Option<OpenJournal<'a>>,
    /// The outside world.
    pub(crate) context: Context<'a>,
    /// How often a failed request is repeated, and until when.
    pub(crate) policy: RetryPolicy<'a>,
}

/// The part of the journal that one destination has.
pub(crate) struct OpenJournal<'a> {
    journal: &'a Journal<'a>,
    /// The files for this destination.
    files: Result<Vec<Entry>, Option<JournalError>>,
    /// The files for destinations that are not configured any more. The first destination has them all.
    others: Vec<Entry>,
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

/// What came of a delivery.
#[derive(Debug, Default)]
pub(crate) struct DeliveryReport {
    /// The destination.
    pub(crate) to: DestinationName,
    /// How many points Graphite took, those of earlier runs included.
    pub(crate) taken: usize,
    /// How many of them had waited in the journal.
    pub(crate) waited: usize,
    /// How many points wait in the journal for a later run.
    pub(crate) waiting: usize,
    /// Points that are lost for good, a sentence each.
    pub(crate) losses: Vec<String>,
    /// How many points the losses are about. Nobody knows how many a damaged file had.
    points_lost: usize,
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

impl DeliveryReport {
    /// How many points are lost for good.
    pub(crate) fn lost(&self) -> usize {
        let unkept = match self.error {
            Some(DeliveryError::Lost { points, .. }) => points,
            _ => 0,
        };
        self.points_lost + unkept
    }
}

/// Why points were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    /// The points are in the journal.
    #[error("{}", add_clause(.0, "the points are in the journal, the next run sends them"))]
    InJournal(PushError),
    /// There is no journal, or the batch could not be written to it.
    #[error("{}", add_clause(cause, &format!("{points} points are lost, as they are in no journal")))]
    Lost {
        /// Why they were not taken.
        cause: PushError,
        /// How many points.
        points: usize,
    },
    /// Another run was sending until the deadline.
    #[error("{}", add_clause(.0, "the points are in the journal, the next run sends them"))]
    Locked(JournalError),
}

impl DeliveryError {
    /// The error with the name of the destination.
    pub(crate) fn message(&self, to: &DestinationName) -> String {
        match self {
            // It names the file of the lock, which has the name of the destination.
            Self::Locked(_) => self.to_string(),
            Self::InJournal(_) | Self::Lost { .. } => format!("{to}: {self}"),
        }
    }

    /// Whether it is about single points, so that other points may be taken.
    fn is_about_points(&self) -> bool {
        matches!(self, Self::InJournal(cause) if cause.is_about_points())
    }

    /// Whether Graphite refused the credentials.
    pub(crate) fn refused_credentials(&self) -> bool {
        matches!(self, Self::InJournal(cause) | Self::Lost { cause, .. } if cause.refused_credentials())
    }
}

/// Brings a batch to all destinations, side by side as far as there are threads. Every file of the journal is in place
/// before the first push begins, as the process may be killed in any push.
pub(crate) fn deliver(senders: Vec<Sender<'_>>, batch: &Batch, started: i64) -> Vec<DeliveryReport> {
    let Some(threads) = senders.first().map(|sender| sender.context.threads) else { return Vec::new() };
    // Where there is one thread only, the first destination is the first.
    let deliveries: Vec<_> = senders.into_iter().map(|sender| Mutex::new(Some(sender.keep(batch, started)))).collect();
    let send = |delivery: &Mutex<Option<Delivery<'_>>>| {
        let delivery = lock(delivery).take();
        delivery.map(|delivery| delivery.send(batch))
    };
    parallel_map(threads, deliveries.len(), &deliveries, send).into_iter().flatten().collect()
}

/// A batch whose file is in the journal, or could not be written.
struct Delivery<'a> {
    sender: Sender<'a>,
    started: i64,
    own: Option<Entry>,
    report: DeliveryReport,
}

impl Delivery<'_> {
    /// Sends everything that waits in the journal for this destination.
    fn send(self, batch: &Batch) -> DeliveryReport {
        let Self { mut sender, started, own, mut report } = self;
        let journal = sender.journal.take();
        if own.is_none() {
            // A batch that has no file cannot wait for the next run, so it goes before those that can.
            sender.send_unkept(batch, &mut report);
        }
        let Some(OpenJournal { journal, files, others }) = journal else { return report };
        let name = own.as_ref().map(|own| own.name.clone());
        let files = with_own(files, own, &mut report);
        let id = sender.to.destination.id();
        let replay = JournalReplay { sender: &sender, journal, started, id, own: name.as_deref(), batch };
        let deadline = sender.policy.deadline;
        let deadline = if name.is_some() { deadline } else { deadline.within(Duration::ZERO) };
        match journal.lock(&sender.to.name.lock_file(), deadline) {
            Ok(_lock) => replay.send_all(files, &others, &mut report),
            Err(error @ JournalError::Locked { .. }) => {
                if name.is_some() {
                    report.error = Some(DeliveryError::Locked(error));
                }
                replay.keep_bounds(&files, &others, &mut report);
            }
            Err(error) => {
                // Where the batch could not be written either, that is said already.
                if name.is_some() {
                    let notice = format!("{error}; points are sent without it, some of them twice");
                    report.notices.push((sender.to.name.lock_file(), notice));
                }
                replay.send_all(files, &others, &mut report);
            }
        }
        report
    }
}

impl<'a> Sender<'a> {
    /// Keeps the batch of the run that started at `started` (Unix seconds) in the journal.
    fn keep(self, batch: &Batch, started: i64) -> Delivery<'a> {
        let mut report = DeliveryReport { to: self.to.name.clone(), ..DeliveryReport::default() };
        let id = self.to.destination.id();
        let keep = |open: &OpenJournal<'_>| open.journal.keep(batch, &id, started, self.context.random.next());
        let own = self
            .journal
            .as_ref()
            .and_then(|open| keep(open).map_err(|error| report.warnings.push(error.to_string())).ok());
        Delivery { sender: self, started, own, report }
    }

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
    fn send_unkept(&self, batch: &Batch, report: &mut DeliveryReport) {
        let probes = [(batch, last_point(batch.len()))];
        let search = Search { max_refusals: MAX_REFUSALS, probes: &probes, has_begun: false };
        let push = self.push(batch, search, report);
        if let Some(PushError::RefusedOnce { said, .. }) = &push.error {
            // No other run will see these points.
            let refused: Vec<_> = push.refused_alone.iter().map(|index| (*index, said.clone())).collect();
            report.losses.extend(describe_refused(&self.to.name, batch, &refused));
            report.points_lost += refused.len();
        } else if let Some(cause) = push.error {
            let points = push.open.iter().map(ExactSizeIterator::len).sum();
            report.error = Some(DeliveryError::Lost { cause, points });
        }
    }

    fn push(&self, batch: &Batch, search: Search<'_>, report: &mut DeliveryReport) -> Push {
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
fn last_point(end: usize) -> Range<usize> {
    end.saturating_sub(1)..end
}

/// The files of the journal with that of this run, oldest first.
fn with_own(
    files: Result<Vec<Entry>, Option<JournalError>>,
    own: Option<Entry>,
    report: &mut DeliveryReport,
) -> Vec<Entry> {
    let mut files = files.unwrap_or_else(|error| {
        report.warnings.extend(error.map(|error| error.to_string()));
        Vec::new()
    });
    files.extend(own);
    files.sort_unstable();
    files
}

/// A line for each refused point, but no more than [`MAX_NAMED`].
fn describe_refused(to: &DestinationName, batch: &Batch, refused: &[(usize, String)]) -> Vec<String> {
    let line = |(index, reason): &(usize, String)| format!("{to} refused {}: {reason}", batch.point(*index).name);
    let more = refused.len().saturating_sub(MAX_NAMED);
    let rest = (more > 0).then(|| format!("{to} refused {more} more"));
    refused.iter().take(MAX_NAMED).map(line).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::graphite::{Destination, ExtraHeaders, IngestTarget, SettingNames};
    use crate::delivery::journal::JournalLimits;
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
        let policy = RetryPolicy { retries: 0, deadline, random: &random, others_behind: 0 };
        let to = NamedDestination { name: DestinationName::First, destination, formerly: Vec::new(), limits };
        let journal = OpenJournal::open_all(&journal, &[&to]).pop();
        let sender = Sender { to: &to, opening: &OpenConnection::default(), journal, context, policy };
        let mut batch = Batch::new(60, Vec::new());
        batch.push(|name| name.push_str("a.b"), Number::parse("1").unwrap(), 1_785_182_401);

        let report = deliver(vec![sender], &batch, 1_785_182_401).pop().unwrap();

        assert_eq!((report.taken, report.error.is_none()), (1, true), "{report:?}");
        let left = graphite.0.lock().unwrap().clone();
        assert!(matches!(left[..], [left] if left > Duration::from_secs(9)), "{left:?}");
        assert_eq!(report.warnings.len(), 1, "the file: {:?}", report.warnings);
    }
}
