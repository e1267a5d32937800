//! A latch: what waits for it goes on when the test releases it.

use super::{TIMEOUT, lock};
use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Holds at first; once released, it stays released. Clones are the same latch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    /// A latch that holds.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets everything go on that waits or will wait.
    pub(crate) fn release(&self) {
        let (released, changed) = &*self.0;
        *lock(released) = true;
        changed.notify_all();
    }

    /// Waits for [`Latch::release`].
    ///
    /// # Panics
    /// When the test forgot to release it.
    pub(crate) fn wait(&self) {
        assert!(self.wait_for(TIMEOUT), "the latch was never released");
    }

    /// Waits for [`Latch::release`], at most so long. Returns whether the latch is released.
    pub(crate) fn wait_for(&self, limit: Duration) -> bool {
        let (released, changed) = &*self.0;
        let (released, _) = changed
            .wait_timeout_while(lock(released), limit, |released| !*released)
            .unwrap_or_else(PoisonError::into_inner);
        *released
    }
}
