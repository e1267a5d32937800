//! What a run has of the world. It is passed in, so that everything that decides can be tested.

use crate::http::Transport;
use crate::retry::Random;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a run has of the world.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The network.
    pub transport: &'a dyn Transport,
    /// The time since 1970 began.
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    /// Chance, to spread retries.
    pub random: &'a Random,
}

/// The time since 1970 began, by the machine's clock.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
