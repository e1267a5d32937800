//! The memory that the replies of a run may take in all.

use crate::deadline::Deadline;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of a reply that are free of charge: ordinary replies are shorter.
pub const FREE: usize = 256 << 10;

/// The memory for long replies, shared by all that are read at once. Who needs more than there is
/// waits until others are done with theirs.
#[derive(Clone, Debug)]
pub struct Rooms(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: u64,
    left: Mutex<u64>,
    given_back: Condvar,
}

/// The part that one reply takes; given back when dropped.
#[derive(Debug)]
pub struct Room {
    of: Rooms,
    bytes: u64,
}

impl Rooms {
    /// So many bytes in all.
    pub fn new(total: u64) -> Self {
        Self(Arc::new(Shared { total, left: Mutex::new(total), given_back: Condvar::new() }))
    }

    /// Room for so many bytes, or all there is if they are more; `None` where there is none by the
    /// deadline. A reply takes all that it may need at once: two that each wait for the rest of
    /// theirs would wait for ever.
    pub fn take(&self, bytes: u64, deadline: Deadline) -> Option<Room> {
        let bytes = bytes.min(self.0.total);
        let (mut left, _) = self
            .0
            .given_back
            .wait_timeout_while(self.left(), deadline.remaining(), |left| *left < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(bytes)?;
        drop(left);
        Some(Room { of: self.clone(), bytes })
    }

    fn left(&self) -> MutexGuard<'_, u64> {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *self.of.left() += self.bytes;
        self.of.0.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rooms = Rooms::new(10);
        let take = |bytes| rooms.take(bytes, Deadline::after(NOW));
        let (six, four) = (take(6), take(4));
        assert!(six.is_some() && four.is_some() && take(1).is_none());
        drop(six);
        assert!(take(7).is_none() && take(6).is_some());
    }

    #[test]
    fn more_than_there_is_waits_for_all_of_it() {
        let rooms = Rooms::new(10);
        let one = rooms.take(1, Deadline::after(NOW));
        assert!(rooms.take(11, Deadline::after(NOW)).is_none());
        thread::scope(|scope| {
            let all = scope.spawn(|| rooms.take(11, Deadline::after(Duration::from_secs(60))).is_some());
            drop(one);
            assert!(all.join().unwrap());
        });
    }
}
