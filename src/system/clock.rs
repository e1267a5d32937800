//! Time: the date, a clock for spans, and sleep.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The day of the newest release in the changelog, in Unix seconds. A clock before it is wrong. It is written here,
/// and not taken from the build, so that two builds are alike.
pub(crate) const RELEASED: i64 = 1_795_478_400;

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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn the_day_of_the_release_is_that_of_the_changelog() {
        let changelog = include_str!("../../CHANGELOG.md");
        let newest = changelog.lines().find(|line| line.starts_with("## ")).unwrap();
        let (_, day) = newest.trim_end_matches(')').rsplit_once(' ').unwrap();
        let midnight = format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap();
        assert_eq!(midnight.as_second(), RELEASED, "{newest}");
    }
}
