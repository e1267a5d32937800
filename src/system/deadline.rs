//! A point in time by which work must be over.

use super::clock::Clock;
use std::fmt;
use std::time::{Duration, Instant};

/// A hundred years. An [`Instant`] cannot be much later.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A point in time by which work must be over. It carries the clock that measures what is left.
#[derive(Clone, Copy)]
pub struct Deadline<'a> {
    at: Instant,
    clock: &'a dyn Clock,
}

impl<'a> Deadline<'a> {
    /// The deadline that is `span` from now.
    pub fn after(clock: &'a dyn Clock, span: Duration) -> Self {
        Self { at: clock.now() + span.min(LONGEST), clock }
    }

    /// The earlier of this deadline and the one that is `span` from now.
    #[must_use]
    pub fn within(self, span: Duration) -> Self {
        Self { at: self.at.min(self.clock.now() + span.min(LONGEST)), ..self }
    }

    /// The deadline that is `span` earlier than this one.
    #[must_use]
    pub(crate) fn before(self, span: Duration) -> Self {
        Self { at: self.at.checked_sub(span).unwrap_or(self.at), ..self }
    }

    /// The time that is left; zero when the deadline is past.
    pub fn remaining(self) -> Duration {
        self.at.saturating_duration_since(self.clock.now())
    }

    /// Whether no time is left.
    pub fn is_past(self) -> bool {
        self.remaining().is_zero()
    }

    /// The clock that measures the time.
    pub fn clock(self) -> &'a dyn Clock {
        self.clock
    }
}

impl fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.remaining()).finish()
    }
}
