//! Time: the date, a clock for spans, and sleep.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clocks of a machine.
pub trait Clock: Sync {
    /// The time since 1970-01-01 00:00 UTC, by the machine's calendar clock. It may jump.
    fn unix_time(&self) -> Duration;

    /// An instant of a clock that never goes back. Only the span between two of them means anything.
    fn now(&self) -> Instant;

    /// Blocks the calling thread for this long.
    fn sleep(&self, span: Duration);
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, span: Duration) {
        thread::sleep(span);
    }
}
