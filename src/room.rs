//! The memory that the replies of a run take in all.

use crate::deadline::Deadline;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of a body that it may have without asking: ordinary ones are shorter.
pub const FREE: usize = 256 << 10;
/// Longer bodies that are there at once. With `max_body` as it is by default one takes 16 MiB, and a
/// text in it that is escaped as much again.
const LONG: usize = 1;

/// The memory for long bodies, shared by all that are read at once. Who finds none left waits until
/// another has been read. It is used again and never given back to the allocator, which would keep
/// some for every thread.
#[derive(Clone, Debug)]
pub struct Rooms(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Mutex<Vec<Vec<u8>>>,
    given_back: Condvar,
}

/// The bytes of a reply. Those of a long one go back to where they came from when dropped.
#[derive(Debug, Default)]
pub struct Body {
    bytes: Vec<u8>,
    from: Option<Rooms>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self(Arc::new(Shared { free: Mutex::new(vec![Vec::new(); LONG]), given_back: Condvar::new() }))
    }
}

impl Rooms {
    /// An empty body that may become long; `None` where there is no memory for one by the deadline.
    pub fn take(&self, deadline: Deadline) -> Option<Body> {
        let (mut free, _) = self
            .0
            .given_back
            .wait_timeout_while(self.free(), deadline.remaining(), |free| free.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        free.pop().map(|bytes| Body { bytes, from: Some(self.clone()) })
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body {
    /// Whether it takes some of the memory for long ones.
    pub fn is_long(&self) -> bool {
        self.from.is_some()
    }

    /// The bytes, to be filled.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, from: None }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(rooms) = self.from.take() {
            self.bytes.clear();
            rooms.free().push(std::mem::take(&mut self.bytes));
            rooms.0.given_back.notify_one();
        }
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
        let take = || rooms.take(Deadline::after(Duration::ZERO));
        let mut first = take().unwrap();
        assert!(take().is_none());
        first.bytes().extend([1; 1000]);
        drop(first);
        let mut again = take().unwrap();
        assert!(again.is_empty() && again.bytes().capacity() >= 1000);
    }

    #[test]
    fn who_finds_none_waits() {
        let rooms = Rooms::default();
        let take = |seconds| rooms.take(Deadline::after(Duration::from_secs(seconds)));
        let first = take(0);
        thread::scope(|scope| {
            let second = scope.spawn(|| take(60).is_some());
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}
