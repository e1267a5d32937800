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

/// The bytes of a reply.
#[derive(Debug, Default)]
pub struct Body {
    bytes: Vec<u8>,
    room: Option<Room>,
}

impl Rooms {
    /// An empty body of a server that may become long; `None` where another of the same has not been
    /// read by the deadline.
    pub fn enter(&self, server: &str, deadline: Deadline) -> Option<Body> {
        let (mut state, _) = self
            .0
            .left
            .wait_timeout_while(self.state(), deadline.remaining(), |state| state.servers.contains(server))
            .unwrap_or_else(PoisonError::into_inner);
        if !state.servers.insert(server.to_owned()) {
            return None;
        }
        let room = Room { of: self.clone(), server: server.to_owned(), bytes: 0 };
        Some(Body { bytes: Vec::with_capacity(GIVEN_BACK), room: Some(room) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body {
    /// Asks for so many bytes more; whether there are that many. Nobody waits for them: those who have
    /// the others may be waiting themselves.
    pub fn may_grow(&mut self, bytes: usize) -> bool {
        let Some(room) = &mut self.room else { return true };
        let mut state = room.of.state();
        let fits = state.taken + bytes <= ALL;
        if fits {
            state.taken += bytes;
            room.bytes += bytes;
        }
        fits
    }

    /// The bytes, to be filled.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Whether it takes some of the memory for long ones.
    pub fn is_long(&self) -> bool {
        self.room.is_some()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, room: None }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
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
