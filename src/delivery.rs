//! A batch on its way: into the journal, then to Graphite, what waits from earlier runs first.

use crate::graphite::{Destination, Push, PushError, push};
use crate::journal::{Dropped, Entry, Journal, JournalError};
use crate::point::Batch;
use crate::retry::{Patience, worse};
use crate::settings::JournalLimits;
use crate::shown::counted;
use crate::world::World;
use std::time::{Duration, Instant};

/// So many of the points that a request or file lost are named.
const NAMED: usize = 10;

/// Brings points to Graphite.
pub struct Courier<'a> {
    /// Where to.
    pub destination: &'a Destination,
    /// The journal and its bounds, if there is one.
    pub journal: Option<(&'a Journal, JournalLimits)>,
    /// Network, clock and chance.
    pub world: World<'a>,
    /// How long and how often it is tried.
    pub patience: Patience<'a>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Points that Graphite took, those of earlier runs too.
    pub taken: usize,
    /// How many of them waited in the journal.
    pub waited: usize,
    /// What a person must know of points that are gone for good.
    pub losses: Vec<String>,
    /// What a person should know else.
    pub warnings: Vec<String>,
    /// Why points were not taken.
    pub error: Option<DeliveryError>,
    /// How long pushing took.
    pub took: Duration,
    /// The worst HTTP status; none where nothing was sent.
    pub status: Option<u16>,
}

/// Why points were not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// They wait in the journal.
    #[error("graphite: {0}; the points are in the journal, the next run sends them")]
    Kept(PushError),
    /// There is no journal.
    #[error("graphite: {cause}; {points} points are lost, as there is no journal")]
    Lost {
        /// Why they were not taken.
        cause: PushError,
        /// How many.
        points: usize,
    },
    /// Another run was sending all the time.
    #[error("{0}; the points are in the journal, the next run sends them")]
    Locked(JournalError),
}

impl DeliveryError {
    /// Whether Graphite refused the credentials.
    pub fn refused_credentials(&self) -> bool {
        matches!(self, Self::Kept(cause) | Self::Lost { cause, .. } if cause.refused_credentials())
    }
}

impl Courier<'_> {
    /// Keeps the batch of a run that started at `started` (Unix seconds), and sends all that waits.
    /// `unique` is a random number.
    pub fn deliver(&self, batch: &Batch, started: i64, unique: u64) -> Delivery {
        let mut delivery = Delivery::default();
        let Some((journal, limits)) = self.journal else {
            self.send_unkept(batch, &mut delivery);
            return delivery;
        };
        let (own, time) = match journal.keep(batch, started, unique) {
            Ok(entry) => (Some(entry), self.patience.deadline),
            Err(error) => {
                delivery.warnings.push(error.to_string());
                // Without a file it cannot wait for the next run.
                (None, self.patience.deadline.within(self.patience.deadline.remaining() / 2))
            }
        };
        let is_kept = own.is_some();
        let sending = Sending { courier: self, journal, own, batch };
        match journal.lock(time) {
            Ok(_lock) => sending.all(limits, started, &mut delivery),
            Err(error @ JournalError::Locked { .. }) if is_kept => delivery.error = Some(DeliveryError::Locked(error)),
            Err(error) => {
                // Where neither can be written, the first says all.
                if is_kept || matches!(error, JournalError::Locked { .. }) {
                    delivery.warnings.push(error.to_string());
                }
                sending.own(&mut delivery);
            }
        }
        if !is_kept {
            self.send_unkept(batch, &mut delivery);
        }
        delivery
    }

    fn send_unkept(&self, batch: &Batch, delivery: &mut Delivery) {
        let push = self.push(batch, batch, delivery);
        if let Some(cause) = push.error {
            let points = push.open.iter().map(ExactSizeIterator::len).sum();
            delivery.error = Some(DeliveryError::Lost { cause, points });
        }
    }

    fn push(&self, batch: &Batch, probe: &Batch, delivery: &mut Delivery) -> Push {
        let begun = Instant::now();
        let push = push(self.destination, batch, probe, self.world.transport, self.patience);
        delivery.took += begun.elapsed();
        delivery.taken += push.taken;
        delivery.status = worse(delivery.status, push.tally.worst_status);
        delivery.losses.extend(refusals(&push.refused));
        push
    }
}

/// A line a point, but no thousand lines.
fn refusals(refused: &[(String, String)]) -> Vec<String> {
    let name = |name: &str| if name.is_empty() { "a point".to_owned() } else { name.to_owned() };
    let line = |(at, reason): &(String, String)| format!("graphite refused {}: {reason}", name(at));
    let more = refused.len().saturating_sub(NAMED);
    let rest = (more > 0).then(|| format!("graphite refused {more} more"));
    refused.iter().take(NAMED).map(line).chain(rest).collect()
}

/// What holds the lock: sends what waits.
struct Sending<'a> {
    courier: &'a Courier<'a>,
    journal: &'a Journal,
    /// The file of this run.
    own: Option<Entry>,
    batch: &'a Batch,
}

impl Sending<'_> {
    /// Oldest first, up to an error that is not about points.
    fn all(&self, limits: JournalLimits, now: i64, delivery: &mut Delivery) {
        let too_old = self.journal.prune(now, u64::MAX, limits.max_age);
        delivery.losses.extend(dropped(too_old, "older than journal.max_age"));
        let waiting = match self.journal.waiting() {
            Ok(waiting) => waiting,
            Err(error) => {
                delivery.warnings.push(error.to_string());
                return self.own(delivery);
            }
        };
        for entry in &waiting {
            if let Some(error) = self.one(entry, delivery) {
                let goes_on = matches!(error, PushError::TooManyBad { .. });
                delivery.error = Some(DeliveryError::Kept(error));
                if !goes_on {
                    break;
                }
            }
        }
        if delivery.error.is_some() {
            let too_much = self.journal.prune(now, limits.max_bytes, limits.max_age);
            delivery.losses.extend(dropped(too_much, "more than journal.max_bytes"));
        }
    }

    /// Sends the file of this run alone.
    fn own(&self, delivery: &mut Delivery) {
        if let Some(error) = self.own.as_ref().and_then(|own| self.one(own, delivery)) {
            delivery.error = Some(DeliveryError::Kept(error));
        }
    }

    /// Sends one file, and removes what was taken of it. Gives why something of it goes on waiting.
    fn one(&self, entry: &Entry, delivery: &mut Delivery) -> Option<PushError> {
        let read;
        let is_own = self.own.as_ref().is_some_and(|own| own.name == entry.name);
        let (batch, damage) = if is_own {
            (self.batch, None)
        } else {
            read = match self.journal.read(entry) {
                Ok(read) => read,
                Err(error) => {
                    delivery.warnings.push(error.to_string());
                    return None;
                }
            };
            (&read.batch, read.damage.as_ref())
        };
        // Of a damaged file there may be nothing left.
        let push = if batch.is_empty() { Push::default() } else { self.courier.push(batch, self.batch, delivery) };
        delivery.waited += if is_own { 0 } else { push.taken };
        let settled = self.settle(entry, batch, &push, damage.is_some());
        if let Some(damage) = damage {
            let aside = || format!("is put aside in {}", self.journal.damaged().display());
            let place = if settled.is_ok() { aside() } else { "stays where it is".to_owned() };
            delivery.losses.push(format!("{damage}, and the file {place}"));
        }
        delivery.warnings.extend(settled.err().map(|error| error.to_string()));
        push.error
    }

    /// Leaves in the journal what Graphite did not take.
    fn settle(&self, entry: &Entry, batch: &Batch, push: &Push, is_damaged: bool) -> Result<(), JournalError> {
        let open: usize = push.open.iter().map(ExactSizeIterator::len).sum();
        if is_damaged {
            if open > 0 {
                self.journal.keep(&batch.part(&push.open), entry.started, self.courier.world.random.next())?;
            }
            return self.journal.set_aside(entry).map(drop);
        }
        if open == batch.len() && open > 0 {
            return Ok(());
        }
        self.journal.replace(entry, &batch.part(&push.open)).map(drop)
    }
}

fn dropped(dropped: Dropped, why: &str) -> Option<String> {
    let Dropped { files, points } = dropped;
    let of = if files == 1 { "one run, which is".to_owned() } else { format!("{files} runs, which are") };
    (files > 0).then(|| format!("journal: dropped {} of {of} {why} allows", counted(points, "point")))
}
