//! How fast one provider may be asked inside a run, whatever feeds ask it.

use crate::deadline::Deadline;
use crate::provider::Definition;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The way to one provider: so many requests at once, so many a second.
#[derive(Debug)]
pub(crate) struct Lane {
    width: usize,
    every: Duration,
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug)]
struct State {
    inside: usize,
    next: Instant,
}

/// The right to send a request; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a Lane);

impl Lane {
    /// The lane that a definition asks for.
    pub(crate) fn new(definition: &Definition) -> Self {
        Self {
            width: definition.max_concurrency,
            every: definition.per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
            state: Mutex::new(State { inside: 0, next: Instant::now() }),
            left: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the next request can still be sent before the deadline.
    pub(crate) fn has_time(&self, deadline: Deadline) -> bool {
        let wait = self.lock().next.saturating_duration_since(Instant::now());
        wait < deadline.remaining()
    }

    /// Waits for the next free place, the deadline at the longest.
    pub(crate) fn enter(&self, deadline: Deadline) -> Permit<'_> {
        let state = self.lock();
        let full = |state: &mut State| state.inside >= self.width;
        let (mut state, _) =
            self.left.wait_timeout_while(state, deadline.remaining(), full).unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let slot = state.next.max(now);
        state.next = slot + self.every;
        state.inside += 1;
        drop(state);
        sleep(slot.duration_since(now).min(deadline.remaining()));
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.left.notify_one();
    }
}
