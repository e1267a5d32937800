//! Whether a request is tried again, and when.

use super::request::{Request, Response};
use super::transport::{Transport, TransportError};
use crate::system::deadline::Deadline;
use crate::system::random::Random;
use std::time::Duration;

/// The pause before the first retry is at most this long, before each next one twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How often a failed attempt is repeated, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy<'a> {
    /// Attempts after the first.
    pub(crate) retries: u32,
    /// When all attempts must be over.
    pub(crate) deadline: Deadline<'a>,
    /// Spreads the pauses.
    pub(crate) random: &'a Random,
}

impl RetryPolicy<'_> {
    /// How long to pause before retry number `retry` (from 0): as long as the server asked for, else
    /// at random up to a bound that doubles each time ("full jitter",
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>). `None` if no
    /// time would be left after it.
    pub(crate) fn pause(&self, retry: u32, retry_after: Option<Duration>) -> Option<Duration> {
        let bound = FIRST_PAUSE.saturating_mul(1 << retry.min(16)).min(LONGEST_PAUSE);
        let pause = retry_after.unwrap_or_else(|| bound.mul_f64(self.random.fraction()));
        (pause < self.deadline.remaining()).then_some(pause)
    }

    /// The pause before a retry of a request that ended like this; `None` if it is not retried.
    fn pause_after(&self, retry: u32, result: &Result<Response, TransportError>) -> Option<Duration> {
        let (is_retryable, retry_after) = match result {
            Ok(response) => (matches!(response.status, 408 | 425 | 429 | 500..=599), response.retry_after),
            Err(error) => (error.is_retryable(), None),
        };
        if is_retryable { self.pause(retry, retry_after) } else { None }
    }
}

/// What the requests to one server came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RequestStats {
    /// Requests sent, retries included.
    pub(crate) requests: u32,
    /// Retries.
    pub(crate) retries: u32,
    /// The time that the slowest request took.
    pub(crate) slowest: Duration,
    /// The worst HTTP status; `Some(0)` if a request had no HTTP answer, `None` if none was sent.
    pub(crate) worst_status: Option<u16>,
}

impl RequestStats {
    /// Adds the requests of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.slowest = self.slowest.max(other.slowest);
        self.worst_status = worst_status(self.worst_status, other.worst_status);
    }

    fn count(&mut self, status: u16, took: Duration) {
        self.requests += 1;
        self.slowest = self.slowest.max(took);
        self.worst_status = worst_status(self.worst_status, Some(status));
    }
}

/// The worse of two statuses: no answer (0) is worse than any answer, and a higher status is worse
/// than a lower one.
pub(crate) fn worst_status(a: Option<u16>, b: Option<u16>) -> Option<u16> {
    match (a, b) {
        (Some(0), _) | (_, Some(0)) => Some(0),
        _ => a.max(b),
    }
}

/// Sends a request, and again as far as `policy` allows. What `acquire` returns is held during each
/// attempt.
///
/// # Errors
/// When the last attempt brought no reply.
pub(crate) fn send<P>(
    transport: &dyn Transport,
    request: &Request,
    policy: RetryPolicy<'_>,
    stats: &mut RequestStats,
    mut acquire: impl FnMut() -> P,
) -> Result<Response, TransportError> {
    let permit = acquire();
    let mut result = send_once(transport, request, policy.deadline, stats);
    drop(permit);
    for retry in 0..policy.retries {
        let Some(pause) = policy.pause_after(retry, &result) else { break };
        log::info!("{}: trying again in {pause:.1?}", request.server);
        policy.deadline.clock().sleep(pause);
        let _permit = acquire();
        // If the wait for the permit used up the time, the result before says more than "late".
        if policy.deadline.is_past() {
            break;
        }
        stats.retries += 1;
        result = send_once(transport, request, policy.deadline, stats);
    }
    result
}

fn send_once(
    transport: &dyn Transport,
    request: &Request,
    deadline: Deadline<'_>,
    stats: &mut RequestStats,
) -> Result<Response, TransportError> {
    let begun = deadline.clock().now();
    let result = transport.send(request, deadline);
    let took = deadline.clock().now() - begun;
    stats.count(result.as_ref().map_or(0, |response| response.status), took);
    log_attempt(request, &result, took);
    result
}

/// Logs an attempt: at `-v` who was asked about what, at `-vv` the request itself.
fn log_attempt(request: &Request, result: &Result<Response, TransportError>, took: Duration) {
    let Request { server, about, .. } = request;
    let is_detailed = log::log_enabled!(log::Level::Debug);
    match result {
        Ok(Response { status, body, .. }) if is_detailed => {
            log::debug!("{request}: HTTP {status}, {} bytes, {took:.0?}", body.len());
        }
        Ok(Response { status, .. }) => log::info!("{server}: HTTP {status} after {took:.1?}: {about}"),
        Err(error) if is_detailed => log::debug!("{request}: {error}, {took:.0?}"),
        Err(error) => log::info!("{server}: failed after {took:.1?}: {about}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::{Clock, SystemClock};
    use std::time::Instant;

    /// A clock that stands still.
    struct Stopped(Instant);

    impl Clock for Stopped {
        fn unix_time(&self) -> Duration {
            SystemClock.unix_time()
        }

        fn now(&self) -> Instant {
            self.0
        }

        fn sleep(&self, _: Duration) {}
    }

    fn pause(retry: u32, retry_after: Option<Duration>, left: Duration) -> Option<Duration> {
        let (clock, random) = (Stopped(Instant::now()), Random::seeded(1));
        RetryPolicy { retries: 9, deadline: Deadline::after(&clock, left), random: &random }.pause(retry, retry_after)
    }

    #[test]
    fn pauses_stay_below_a_bound_that_doubles() {
        let fraction = Random::seeded(1).fraction();
        for (retry, bound) in [(0, 500), (1, 1000), (2, 2000), (3, 4000), (4, 8000), (5, 8000), (40, 8000)] {
            let expected = Duration::from_millis(bound).mul_f64(fraction);
            assert_eq!(pause(retry, None, Duration::from_secs(60)), Some(expected), "{retry}");
        }
    }

    #[test]
    fn retry_after_is_obeyed_if_it_leaves_time() {
        let asked = Duration::from_secs(7);
        assert_eq!(pause(0, Some(asked), Duration::from_secs(60)), Some(asked));
        assert_eq!(pause(0, Some(asked), asked), None);
    }

    #[test]
    fn no_answer_is_the_worst_status() {
        assert_eq!(worst_status(Some(0), Some(500)), Some(0));
        assert_eq!(worst_status(Some(200), Some(404)), Some(404));
        assert_eq!(worst_status(None, Some(200)), Some(200));
    }
}
