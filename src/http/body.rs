//! The text of a reply, and the memory that long replies share.

use crate::system::deadline::Deadline;
use crate::system::threads::lock;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bodies up to this many bytes do not count against the budget.
pub(crate) const FREE: usize = 256 << 10;

/// Bytes that all longer bodies of a run may take together: two of the longest that a definition
/// allows by default, and a rest that is reserved in steps and not used.
const BUDGET: usize = 34 << 20;

/// The allocator keeps memory that was freed, for every thread, unless a block is larger than
/// 32 MiB (`M_MMAP_THRESHOLD` in mallopt(3)). Capacity that is never written costs nothing.
const BUFFER_CAPACITY: usize = (32 << 20) + 1;

/// The text of a reply. A byte that is no UTF-8 becomes a `?`, so that it costs the value it stands
/// in and not the whole reply.
#[derive(Debug, Default)]
pub struct Body {
    text: String,
    _reservation: Option<Reservation>,
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { text: text(bytes), _reservation: None }
    }
}

impl Deref for Body {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// Caps the memory that all long bodies of a run share. One long body per server is read at a time,
/// so that an endless one blocks only its own server.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryBudget(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reserved: usize,
    /// The servers of which a long body is being read or still in use.
    servers: HashSet<String>,
}

impl MemoryBudget {
    /// Starts a long body of a server. `None` if another long body of the same server is still in
    /// use at the deadline.
    pub(crate) fn reserve(&self, server: &str, deadline: Deadline<'_>) -> Option<BodyBuffer> {
        let is_in_use = |state: &mut State| state.servers.contains(server);
        let (mut state, _) = self
            .0
            .released
            .wait_timeout_while(lock(&self.0.state), deadline.remaining(), is_in_use)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.servers.insert(server.to_owned()) {
            return None;
        }
        let reservation = Reservation { budget: self.clone(), server: server.to_owned(), bytes: 0 };
        Some(BodyBuffer { bytes: Vec::with_capacity(BUFFER_CAPACITY), reservation })
    }
}

/// A long body while it is being read.
#[derive(Debug)]
pub(crate) struct BodyBuffer {
    /// What has arrived so far.
    pub(crate) bytes: Vec<u8>,
    reservation: Reservation,
}

impl BodyBuffer {
    /// Reserves `bytes` more, if that many are left. It does not wait for them: those who hold the
    /// others may be waiting themselves.
    pub(crate) fn try_reserve(&mut self, bytes: usize) -> bool {
        let mut state = lock(&self.reservation.budget.0.state);
        let fits = state.reserved + bytes <= BUDGET;
        if fits {
            state.reserved += bytes;
            self.reservation.bytes += bytes;
        }
        fits
    }

    /// The whole body.
    pub(crate) fn into_body(self) -> Body {
        Body { text: text(self.bytes), _reservation: Some(self.reservation) }
    }
}

/// The part of the budget that one long body holds. Dropping it gives the part back.
#[derive(Debug)]
struct Reservation {
    budget: MemoryBudget,
    server: String,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = lock(&self.budget.0.state);
        state.reserved -= self.bytes;
        state.servers.remove(&self.server);
        self.budget.0.released.notify_all();
    }
}

/// Bytes as text, in the same memory.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut bytes = error.into_bytes();
        replace_invalid(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    })
}

/// Replaces every byte that is no UTF-8 by a `?`.
fn replace_invalid(bytes: &mut [u8]) {
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        let begin = at + error.valid_up_to();
        at = error.error_len().map_or(bytes.len(), |len| begin + len);
        bytes[begin..at].fill(b'?');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::{Clock, SystemClock};
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    #[test]
    fn memory_that_is_given_back_can_be_reserved_again() {
        let budget = MemoryBudget::default();
        let reserve = |server| budget.reserve(server, Deadline::after(&SystemClock, Duration::ZERO));
        let (mut a, mut b) = (reserve("a").unwrap(), reserve("b").unwrap());
        assert!(a.try_reserve(BUDGET - 1) && b.try_reserve(1) && !b.try_reserve(1));
        drop(a);
        assert!(b.try_reserve(BUDGET - 1) && !b.try_reserve(1));
    }

    #[test]
    fn a_byte_that_is_no_utf8_becomes_a_question_mark() {
        assert_eq!(&*Body::from(b"a\xff\xfeb\xc3".to_vec()), "a??b?");
        assert_eq!(&*Body::from("né".as_bytes().to_vec()), "né");
    }

    /// Tells a channel each time it is asked for the time.
    struct TellingClock(Mutex<mpsc::Sender<()>>);

    impl Clock for TellingClock {
        fn unix_time(&self) -> Duration {
            SystemClock.unix_time()
        }

        fn now(&self) -> Instant {
            let _ = lock(&self.0).send(());
            Instant::now()
        }

        fn sleep(&self, span: Duration) {
            SystemClock.sleep(span);
        }
    }

    #[test]
    fn the_next_long_body_of_a_server_waits_for_the_one_before() {
        let budget = MemoryBudget::default();
        let first = budget.reserve("a", Deadline::after(&SystemClock, Duration::ZERO)).unwrap();
        assert!(budget.reserve("a", Deadline::after(&SystemClock, Duration::ZERO)).is_none());
        let (sender, asked) = mpsc::channel();
        let clock = TellingClock(Mutex::new(sender));
        let deadline = Deadline::after(&clock, Duration::from_secs(60));
        asked.recv().unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| budget.reserve("a", deadline).is_some());
            // It asks what time is left while it holds the lock. So the first, which needs the lock
            // to give its part back, does so only when the second waits or has given up.
            asked.recv().unwrap();
            drop(first);
            assert!(second.join().unwrap(), "the second gave up instead of waiting");
        });
    }
}
