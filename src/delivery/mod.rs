//! A batch on its way: into the journal, then to every destination. Points that wait from earlier runs are sent
//! first.

mod destinations;
pub(crate) mod graphite;
pub(crate) mod journal;
mod portion;
mod replay;
mod report;
mod sender;

use crate::metrics::batch::Batch;
use crate::system::threads::{lock, parallel_map};
use journal::{Entry, JournalError};
use replay::JournalReplay;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(crate) use destinations::{DestinationName, NamedDestination, sort_by_owner};
pub(crate) use report::{DeliveryError, DeliveryReport};
pub(crate) use sender::{OpenJournal, Sender};

/// Brings a batch to all destinations, side by side as far as there are threads. Every file of the journal is in place
/// before the first push begins, as the process may be killed in any push. `on_end` is called with each report as soon as
/// that destination and those before it have ended: what is lost must be told although a later one hangs.
pub(crate) fn deliver(
    senders: Vec<Sender<'_>>,
    batch: &Batch,
    started: i64,
    on_end: impl Fn(&DeliveryReport) + Sync,
) -> Vec<DeliveryReport> {
    let Some(threads) = senders.first().map(|sender| sender.context.threads) else { return Vec::new() };
    // Where there is one thread only, the first destination is the first.
    let deliveries: Vec<_> = senders
        .into_iter()
        .map(|sender| Mutex::new(Some(Delivery::begin(sender, batch, started))))
        .enumerate()
        .collect();
    let reports: Mutex<Vec<Option<DeliveryReport>>> = Mutex::new(deliveries.iter().map(|_| None).collect());
    let send = |(index, delivery): &(usize, Mutex<Option<Delivery<'_>>>)| {
        let delivery = lock(delivery).take();
        let report = delivery.map(|delivery| delivery.send(batch));
        let mut reports = lock(&reports);
        let told = reports.iter().take_while(|report| report.is_some()).count();
        reports[*index] = report;
        reports.iter().map_while(Option::as_ref).skip(told).for_each(&on_end);
        // Not nothing: a vector of nothing makes the program 200 kB larger, as the compiler then no longer knows that
        // what a vector frees has a size.
        told
    };
    parallel_map(threads, deliveries.len(), &deliveries, send);
    reports.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

/// A batch whose file is in the journal, or could not be written.
struct Delivery<'a> {
    sender: Sender<'a>,
    started: i64,
    own: Option<Entry>,
    report: DeliveryReport,
}

impl<'a> Delivery<'a> {
    /// Keeps the batch of the run that started at `started` (Unix seconds) in the journal.
    fn begin(sender: Sender<'a>, batch: &Batch, started: i64) -> Self {
        let mut report = DeliveryReport { to: sender.to.name.clone(), ..DeliveryReport::default() };
        let id = sender.to.destination.id();
        let keep = |open: &OpenJournal<'_>| open.journal.keep(batch, &id, started, sender.context.random.next());
        let own = sender
            .journal
            .as_ref()
            .and_then(|open| keep(open).map_err(|error| report.warnings.push(error.to_string())).ok());
        Self { sender, started, own, report }
    }

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

/// The files of the journal with that of this run, oldest first.
fn with_own(
    files: Result<Vec<Entry>, Option<JournalError>>,
    own: Option<Entry>,
    report: &mut DeliveryReport,
) -> Vec<Entry> {
    let mut files = files.unwrap_or_else(|error| {
        if let Some(error) = error {
            report.note_unreadable(error);
        }
        Vec::new()
    });
    files.extend(own);
    files.sort_unstable();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::delivery::graphite::{Destination, ExtraHeaders, IngestTarget, OpenConnection, SettingNames};
    use crate::delivery::journal::{Journal, JournalLimits};
    use crate::http::request::{Request, Response};
    use crate::http::retry::RetryPolicy;
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
        let policy = RetryPolicy::new(0, deadline, &random);
        let to = NamedDestination { name: DestinationName::First, destination, formerly: Vec::new(), limits };
        let journal = OpenJournal::open_all(&journal, &[&to]).pop();
        let sender = Sender { to: &to, opening: &OpenConnection::default(), at_once: None, journal, context, policy };
        let mut batch = Batch::new(60, Vec::new());
        batch.push(|name| name.push_str("a.b"), Number::parse("1").unwrap(), 1_785_182_401);

        let report = deliver(vec![sender], &batch, 1_785_182_401, |_| {}).pop().unwrap();

        assert_eq!((report.taken, report.error.is_none()), (1, true), "{report:?}");
        let left = graphite.0.lock().unwrap().clone();
        assert!(matches!(left[..], [left] if left > Duration::from_secs(9)), "{left:?}");
        assert_eq!(report.warnings.len(), 1, "the file: {:?}", report.warnings);
    }
}
