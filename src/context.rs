//! Everything a run is given of the outside world.

use crate::http::transport::Transport;
use crate::system::clock::{Clock, RELEASED, SystemClock};
use crate::system::deadline::Deadline;
use crate::system::dialer::{Dialer, SystemDialer};
use crate::system::disk::{Disk, SystemDisk};
use crate::system::random::Random;
use crate::system::threads::{SystemThreads, Threads};
use jiff::Timestamp;
use std::time::Duration;

/// Everything a run is given of the outside world. It is passed in, so that a test or a simulation
/// can replace each part of it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// HTTP, to providers and to Graphite.
    pub transport: &'a dyn Transport,
    /// The date, a clock for spans, and sleep.
    pub clock: &'a dyn Clock,
    /// Chance: it spreads retries and makes names of files unique.
    pub random: &'a Random,
    /// Threads.
    pub threads: &'a dyn Threads,
    /// Name lookups and TCP connections, to Carbon and brokers.
    pub dialer: &'a dyn Dialer,
    /// Files, for the journal and the state.
    pub disk: &'a dyn Disk,
}

impl<'a> Context<'a> {
    /// The real machine, with this HTTP client, this network below it, and this source of chance.
    pub fn system(transport: &'a dyn Transport, dialer: &'a SystemDialer, random: &'a Random) -> Self {
        Self { transport, random, clock: &SystemClock, threads: &SystemThreads, dialer, disk: &SystemDisk }
    }

    /// The second it is now, in Unix time.
    pub(crate) fn unix_seconds(&self) -> i64 {
        i64::try_from(self.clock.unix_time().as_secs()).unwrap_or(i64::MAX)
    }

    /// What is wrong with the calendar clock, as far as that can be known.
    pub(crate) fn clock_error(&self) -> Option<String> {
        let day = |time| Timestamp::from_second(time).unwrap_or_default().strftime("%Y-%m-%d").to_string();
        let now = self.unix_seconds();
        (now < RELEASED).then(|| {
            format!(
                "the clock of this machine says {}, and this datametrics is of {}: set the clock (timedatectl says \
                 whether it is kept right); nothing was fetched, kept or pushed",
                day(now),
                day(RELEASED)
            )
        })
    }

    /// The deadline that is `span` from now.
    pub(crate) fn deadline(&self, span: Duration) -> Deadline<'a> {
        Deadline::after(self.clock, span)
    }
}
