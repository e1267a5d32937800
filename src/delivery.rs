//! A batch on its way: into the journal, then to Graphite, what waits from earlier runs first.

use crate::graphite::{Destination, Push, PushError, push};
use crate::journal::{Entry, Journal, JournalError};
use crate::point::Batch;
use crate::retry::Patience;
use crate::settings::JournalLimits;
use crate::world::World;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
    #[error(transparent)]
    Locked(JournalError),
}

impl DeliveryError {
    /// Whether Graphite refused the credentials.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Kept(PushError::Credentials { .. }) | Self::Lost { cause: PushError::Credentials { .. }, .. }
        )
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
        let own = match journal.keep(batch, started, unique) {
            Ok(entry) => Some(entry.name),
            Err(error) => {
                delivery.warnings.push(error.to_string());
                None
            }
        };
        match journal.lock(self.patience.deadline) {
            Ok(_lock) => {
                Sending { courier: self, journal, own: own.as_deref(), batch }.all(limits, started, &mut delivery);
            }
            Err(error) if own.is_some() => delivery.error = Some(DeliveryError::Locked(error)),
            Err(error) => delivery.warnings.push(error.to_string()),
        }
        if own.is_none() {
            self.send_unkept(batch, &mut delivery);
        }
        delivery
    }

    fn send_unkept(&self, batch: &Batch, delivery: &mut Delivery) {
        let push = self.push(batch, false, delivery);
        if let Some(cause) = push.error {
            let points = push.open.iter().map(ExactSizeIterator::len).sum();
            delivery.error = Some(DeliveryError::Lost { cause, points });
        }
    }

    fn push(&self, batch: &Batch, is_well: bool, delivery: &mut Delivery) -> Push {
        let begun = Instant::now();
        let push = push(self.destination, batch, self.world.transport, self.patience, is_well);
        delivery.took += begun.elapsed();
        delivery.taken += push.taken;
        delivery.status = delivery.status.max(push.tally.worst_status);
        for (name, reason) in &push.refused {
            let name = if name.is_empty() { "a point" } else { name };
            delivery.losses.push(format!("graphite refused {name}: {reason}"));
        }
        push
    }
}

/// What holds the lock: sends what waits.
struct Sending<'a> {
    courier: &'a Courier<'a>,
    journal: &'a Journal,
    /// The file of this run.
    own: Option<&'a str>,
    batch: &'a Batch,
}

impl Sending<'_> {
    fn all(&self, limits: JournalLimits, now: i64, delivery: &mut Delivery) {
        let dropped = self.journal.prune(now, limits.max_bytes, limits.max_age);
        if dropped.files > 0 {
            let (files, points) = (dropped.files, dropped.points);
            delivery.losses.push(format!(
                "journal: dropped {points} points of {files} runs that were too old or too many (journal.max_age, journal.max_bytes)"
            ));
        }
        let mut waiting: VecDeque<Entry> = match self.journal.waiting() {
            Ok(waiting) => waiting.into(),
            Err(error) => return delivery.warnings.push(error.to_string()),
        };
        let mut is_well = false;
        while let Some(entry) = waiting.pop_front() {
            let Some(error) = self.one(&entry, is_well, delivery) else { continue };
            let is_stuck = matches!(error, PushError::Stuck { .. });
            // Is Graphite ill, or is it these points? The newest tell.
            match waiting.pop_back().filter(|_| is_stuck && !is_well) {
                Some(newest) if self.one(&newest, false, delivery).is_none() => {
                    is_well = true;
                    waiting.push_front(entry);
                }
                _ => return delivery.error = Some(DeliveryError::Kept(error)),
            }
        }
    }

    /// Sends one file, and removes what was taken of it. Gives why something of it goes on waiting.
    fn one(&self, entry: &Entry, is_well: bool, delivery: &mut Delivery) -> Option<PushError> {
        let read;
        let (batch, is_damaged) = if self.own == Some(entry.name.as_str()) {
            (self.batch, false)
        } else {
            read = match self.journal.read(entry) {
                Ok(read) => read,
                Err(error) => {
                    delivery.warnings.push(error.to_string());
                    return None;
                }
            };
            delivery.losses.extend(read.damage.clone());
            (&read.batch, read.damage.is_some())
        };
        let losses = delivery.losses.len();
        let mut push = self.courier.push(batch, is_well, delivery);
        if is_well && push.taken == 0 && !push.refused.is_empty() && !self.is_well() {
            // It fell ill while the bad points were looked for: none of them is known to be bad.
            delivery.losses.truncate(losses);
            push.open = std::iter::once(0..batch.len()).collect();
        }
        if let Err(error) = self.settle(entry, batch, &push, is_damaged) {
            delivery.warnings.push(error.to_string());
        }
        push.error
    }

    /// Whether Graphite takes the points of this run once more, which does no harm.
    fn is_well(&self) -> bool {
        self.courier.push(self.batch, false, &mut Delivery::default()).error.is_none()
    }

    /// Leaves in the journal what Graphite did not take.
    fn settle(&self, entry: &Entry, batch: &Batch, push: &Push, is_damaged: bool) -> Result<(), JournalError> {
        let open: usize = push.open.iter().map(ExactSizeIterator::len).sum();
        if open == batch.len() && open > 0 {
            return Ok(());
        }
        if is_damaged {
            if open > 0 {
                self.journal.keep(&batch.part(&push.open), entry.started, self.courier.world.random.next())?;
            }
            return self.journal.set_aside(entry).map(drop);
        }
        self.journal.replace(entry, &batch.part(&push.open)).map(drop)
    }
}
