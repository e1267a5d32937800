//! A gate that a test opens when it has seen what it wanted to see.

use super::{PATIENCE, lock};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Closed at first; once opened, it stays open. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through who waits or will wait.
    pub(crate) fn open(&self) {
        let (open, changed) = &*self.0;
        *lock(open) = true;
        changed.notify_all();
    }

    /// Waits for [`Gate::open`].
    ///
    /// # Panics
    /// When the test forgot to open it.
    pub(crate) fn wait(&self) {
        assert!(self.wait_for(PATIENCE), "nobody opened this gate");
    }

    /// Waits for [`Gate::open`], at most so long; says whether the gate is open.
    pub(crate) fn wait_for(&self, limit: Duration) -> bool {
        let (open, changed) = &*self.0;
        let (open, _) =
            changed.wait_timeout_while(lock(open), limit, |open| !*open).unwrap_or_else(PoisonError::into_inner);
        *open
    }
}
