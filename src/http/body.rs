//! The text of a reply, and the memory that long replies share.

use crate::system::deadline::Deadline;
use crate::system::threads::lock;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bodies of fewer bytes do not count against the budget.
pub(super) const UNCOUNTED_BYTES: usize = 256 << 10;

/// What some servers write before the text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// All longer bodies of a run together may take this many bytes: two of the longest that a definition
/// allows by default, and 1 MiB for each of them, as memory is reserved one step ahead.
///
/// The buffer of a long body has this length too. The allocator keeps freed memory for every thread, except blocks of
/// more than 32 MiB (`M_MMAP_THRESHOLD` in mallopt(3)). Such a block comes from the kernel full of zeros, and the part
/// that is never written costs no memory.
const BUDGET: usize = 34 << 20;

/// The text of a reply. A byte that is not UTF-8 becomes a `?`, so that only the value that contains it
/// is lost, not the whole reply.
#[derive(Default)]
pub struct Body {
    text: String,
    reservation: Option<Reservation>,
}

/// Shows how long it is. The text may quote a key.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.text.len())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { text: into_text(bytes), reservation: None }
    }
}

impl Body {
    /// Lets the next long body of the same server be read, while this one is still in use.
    pub(crate) fn release_server(&mut self) {
        if let Some(reservation) = &mut self.reservation {
            reservation.release_server();
        }
    }

    /// Replaces each bare `NaN`, `Infinity` and `-Infinity`, which are no JSON, by an empty string. Servers
    /// in Python write them (<https://docs.python.org/3/library/json.html#infinite-and-nan-number-values>).
    /// Returns whether there was any.
    pub(crate) fn blank_bare_nan(&mut self) -> bool {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        let has_any = blank_bare_nan(&mut bytes);
        // Only ASCII was replaced, by ASCII.
        self.text = String::from_utf8(bytes).unwrap_or_default();
        has_any
    }
}

fn blank_bare_nan(json: &mut [u8]) -> bool {
    let (mut has_any, mut is_in_string, mut at) = (false, false, 0);
    while at < json.len() {
        let rest = &json[at..];
        let token = [&b"NaN"[..], b"-Infinity", b"Infinity"].into_iter().find(|token| rest.starts_with(token));
        match (rest[0], token) {
            (b'\\', _) if is_in_string => at += 2,
            (b'"', _) => {
                is_in_string = !is_in_string;
                at += 1;
            }
            (_, Some(token)) if !is_in_string => {
                let end = at + token.len();
                json[at..end].fill(b' ');
                json[at..at + 2].fill(b'"');
                has_any = true;
                at = end;
            }
            _ => at += 1,
        }
    }
    has_any
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
pub(super) struct MemoryBudget(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct State {
    reserved: usize,
    /// The servers whose long body is being read, or is still in use by its only reader.
    servers: HashSet<String>,
}

impl MemoryBudget {
    /// Starts to reserve memory for a long body of a server. `None` if another long body of the same
    /// server is still in use at the deadline.
    pub(super) fn reserve(&self, server: &str, deadline: Deadline<'_>) -> Option<BodyBuffer> {
        let is_in_use = |state: &mut State| state.servers.contains(server);
        let (mut state, _) = self
            .0
            .released
            .wait_timeout_while(lock(&self.0.state), deadline.remaining(), is_in_use)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.servers.insert(server.to_owned()) {
            return None;
        }
        let reservation = Reservation { budget: self.clone(), server: Some(server.to_owned()), bytes: 0 };
        Some(BodyBuffer { bytes: vec![0; BUDGET], len: 0, reservation })
    }
}

/// A long body while it is being read.
#[derive(Debug)]
pub(super) struct BodyBuffer {
    /// Zeros after what has arrived.
    bytes: Vec<u8>,
    /// How many bytes have arrived.
    len: usize,
    reservation: Reservation,
}

impl BodyBuffer {
    /// Reserves `bytes` more, if that many are left. It does not wait for memory: the other bodies that
    /// hold it might wait for this one.
    pub(super) fn try_reserve(&mut self, bytes: usize) -> bool {
        let mut state = lock(&self.reservation.budget.0.state);
        let fits = state.reserved + bytes <= BUDGET;
        if fits {
            state.reserved += bytes;
            self.reservation.bytes += bytes;
        }
        fits
    }

    /// The part of the reserved memory that is not filled.
    pub(super) fn unfilled(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..self.reservation.bytes]
    }

    /// The first bytes of [`Self::unfilled`] are filled.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.len += bytes;
    }

    /// The whole body.
    pub(super) fn into_body(mut self) -> Body {
        self.bytes.truncate(self.len);
        Body { text: into_text(self.bytes), reservation: Some(self.reservation) }
    }
}

/// The part of the budget that one long body holds. Dropping it gives the part back.
#[derive(Debug)]
struct Reservation {
    budget: MemoryBudget,
    /// `None` once another long body of the server may be read.
    server: Option<String>,
    bytes: usize,
}

impl Reservation {
    fn release_server(&mut self) {
        if let Some(server) = self.server.take() {
            lock(&self.budget.0.state).servers.remove(&server);
            self.budget.0.released.notify_all();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.budget.0.state).reserved -= self.bytes;
        self.release_server();
    }
}

/// Converts bytes to text without copying them. Without a byte order mark, which some servers send.
fn into_text(mut bytes: Vec<u8>) -> String {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut bytes = error.into_bytes();
        replace_invalid(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    })
}

/// Replaces every byte that is not UTF-8 by a `?`.
fn replace_invalid(bytes: &mut [u8]) {
    let mut checked = 0;
    while let Err(error) = std::str::from_utf8(&bytes[checked..]) {
        let begin = checked + error.valid_up_to();
        checked = error.error_len().map_or(bytes.len(), |len| begin + len);
        bytes[begin..checked].fill(b'?');
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
    fn memory_of_a_dropped_body_can_be_reserved_again() {
        let budget = MemoryBudget::default();
        let reserve = |server| budget.reserve(server, Deadline::after(&SystemClock, Duration::ZERO));
        let (mut a, mut b) = (reserve("a").unwrap(), reserve("b").unwrap());
        assert!(a.try_reserve(BUDGET - 1) && b.try_reserve(1) && !b.try_reserve(1));
        drop(a);
        assert!(b.try_reserve(BUDGET - 1) && !b.try_reserve(1));
    }

    #[test]
    fn debug_of_a_body_shows_none_of_it() {
        assert_eq!(format!("{:?}", Body::from(b"hunter2".to_vec())), "7 bytes");
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(&*Body::from("\u{feff}{}".as_bytes().to_vec()), "{}");
        assert_eq!(&*Body::from("{}\u{feff}".as_bytes().to_vec()), "{}\u{feff}");
    }

    #[test]
    fn bare_nan_and_infinities_become_empty_strings() {
        let blank = |json: &str| {
            let mut body = Body::from(json.as_bytes().to_vec());
            (body.blank_bare_nan(), body.to_string())
        };
        let json = r#"{"a":NaN,"b":[-Infinity, Infinity],"NaN":"NaN \" NaN é"}"#;
        let blanked = r#"{"a":"" ,"b":[""       , ""      ],"NaN":"NaN \" NaN é"}"#;
        assert_eq!(blank(json), (true, blanked.to_owned()));
        for json in [r#"{"NaN":"Infinity\\"}"#, "", "\\", "\"\\", "Na", "nan"] {
            assert_eq!(blank(json), (false, json.to_owned()));
        }
    }

    #[test]
    fn a_byte_that_is_not_utf8_becomes_a_question_mark() {
        assert_eq!(&*Body::from(b"a\xff\xfeb\xc3".to_vec()), "a??b?");
        assert_eq!(&*Body::from("né".as_bytes().to_vec()), "né");
    }

    /// A clock that sends a message each time its time is read.
    struct NotifyingClock(Mutex<mpsc::Sender<()>>);

    impl Clock for NotifyingClock {
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
    fn a_long_body_waits_for_the_previous_one_of_its_server() {
        let budget = MemoryBudget::default();
        let first = budget.reserve("a", Deadline::after(&SystemClock, Duration::ZERO)).unwrap();
        assert!(budget.reserve("a", Deadline::after(&SystemClock, Duration::ZERO)).is_none());
        let (sender, time_reads) = mpsc::channel();
        let clock = NotifyingClock(Mutex::new(sender));
        let deadline = Deadline::after(&clock, Duration::from_secs(60));
        time_reads.recv().unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| budget.reserve("a", deadline).is_some());
            // The second body reads the time while it holds the lock. The first body needs the lock to
            // release its part, so it does that only when the second one waits or has given up.
            time_reads.recv().unwrap();
            drop(first);
            assert!(second.join().unwrap(), "the second gave up instead of waiting");
        });
    }
}
