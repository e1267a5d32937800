//! The memory that the replies of a run take in all.

use crate::deadline::Deadline;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of a body that it may have without asking: ordinary ones are shorter.
pub const FREE: usize = 256 << 10;
/// What the longer ones of all servers may have together: two as long as a definition allows by
/// default, with a bit that is asked for and not used. The program itself comes on top.
const ALL: usize = 34 << 20;
/// The allocator keeps memory that is given back for every thread, unless it is more than 32 MiB
/// (M_MMAP_THRESHOLD in mallopt(3)). What is not written to costs nothing.
const GIVEN_BACK: usize = (32 << 20) + 1;

/// The memory for long bodies. Of each server one long body is read at a time, so that it costs only
/// its own others if it never ends.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    servers: HashSet<String>,
}

/// The place of one long body among all; given back when dropped.
#[derive(Debug)]
struct Room {
    of: Rooms,
    server: String,
    bytes: usize,
}

/// A long body while it arrives.
#[derive(Debug)]
pub struct Arriving {
    /// What is there of it.
    pub bytes: Vec<u8>,
    room: Room,
}

/// The text of a reply. A byte of it that was no UTF-8 is a `?`: it costs what it stands in, not the
/// reply.
#[derive(Debug, Default)]
pub struct Body {
    text: String,
    _room: Option<Room>,
}

impl Rooms {
    /// The beginning of a long body of a server; `None` where another of the same has not been read by
    /// the deadline.
    pub fn enter(&self, server: &str, deadline: Deadline) -> Option<Arriving> {
        let (mut state, _) = self
            .0
            .left
            .wait_timeout_while(self.state(), deadline.remaining(), |state| state.servers.contains(server))
            .unwrap_or_else(PoisonError::into_inner);
        if !state.servers.insert(server.to_owned()) {
            return None;
        }
        let room = Room { of: self.clone(), server: server.to_owned(), bytes: 0 };
        Some(Arriving { bytes: Vec::with_capacity(GIVEN_BACK), room })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    /// Asks for so many bytes more; whether there are that many. Nobody waits for them: those who have
    /// the others may be waiting themselves.
    pub fn may_grow(&mut self, bytes: usize) -> bool {
        let mut state = self.room.of.state();
        let fits = state.taken + bytes <= ALL;
        if fits {
            state.taken += bytes;
            self.room.bytes += bytes;
        }
        fits
    }

    /// The whole.
    pub fn end(self) -> Body {
        Body { text: text(self.bytes), _room: Some(self.room) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { text: text(bytes), _room: None }
    }
}

impl Deref for Body {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// Bytes as text, in the same memory.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let mut bytes = error.into_bytes();
        mend(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    })
}

/// Puts a `?` in the place of every byte that is no UTF-8.
fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        let begin = at + error.valid_up_to();
        at = error.error_len().map_or(bytes.len(), |len| begin + len);
        bytes[begin..at].fill(b'?');
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.taken -= self.bytes;
        state.servers.remove(&self.server);
        self.of.0.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rooms = Rooms::default();
        let enter = |server| rooms.enter(server, Deadline::after(Duration::ZERO));
        let (mut a, mut b) = (enter("a").unwrap(), enter("b").unwrap());
        assert!(a.may_grow(ALL - 1) && b.may_grow(1) && !b.may_grow(1));
        drop(a);
        assert!(b.may_grow(ALL - 1) && !b.may_grow(1));
    }

    #[test]
    fn a_byte_that_is_no_utf8_stays_a_byte() {
        assert_eq!(&*Body::from(b"a\xff\xfeb\xc3".to_vec()), "a??b?");
        assert_eq!(&*Body::from("né".as_bytes().to_vec()), "né");
    }

    #[test]
    fn the_next_of_a_server_waits() {
        let rooms = Rooms::default();
        let enter = |seconds| rooms.enter("a", Deadline::after(Duration::from_secs(seconds)));
        let first = enter(0).unwrap();
        assert!(enter(0).is_none());
        thread::scope(|scope| {
            let second = scope.spawn(|| enter(60).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}
