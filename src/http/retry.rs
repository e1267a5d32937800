//! Whether and when a request is tried again.

use super::request::{Request, Response};
use super::stats::RequestStats;
use super::transport::{Transport, TransportError};
use crate::system::deadline::Deadline;
use crate::system::random::Random;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// The longest pause before the first retry. It doubles with each further retry.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause before any retry that no `Retry-After` asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How often a failed attempt is repeated, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy<'a> {
    /// Attempts after the first.
    pub(crate) retries: u32,
    /// When all attempts must be over.
    pub(crate) deadline: Deadline<'a>,
    /// Makes the pauses random, so that many clients do not retry at once.
    pub(crate) random: &'a Random,
    /// How many others are asked when this one has nothing to give, before the same deadline. An attempt leaves each of
    /// them its share of the time, and after a server that does not answer it is their turn.
    pub(crate) others_behind: u32,
    /// The requests that follow this one to the same provider, where they count as others behind it.
    pub(crate) queue: Option<Queue<'a>>,
}

/// Requests to servers of their own that wait for their turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue<'a> {
    /// How many were not sent yet.
    pub(crate) unsent: &'a AtomicUsize,
    /// How many go at once.
    pub(crate) width: usize,
}

impl Queue<'_> {
    /// How many requests follow one after the other.
    fn rounds(self) -> u32 {
        u32::try_from(self.unsent.load(Ordering::Relaxed).div_ceil(self.width)).unwrap_or(u32::MAX)
    }
}

impl<'a> RetryPolicy<'a> {
    /// The policy for a request that nobody else is asked for.
    pub(crate) fn new(retries: u32, deadline: Deadline<'a>, random: &'a Random) -> Self {
        Self { retries, deadline, random, others_behind: 0, queue: None }
    }
}

impl RetryPolicy<'_> {
    /// How long to pause before retry number `retry` (from 0): as long as the server asks for, or else a
    /// random time up to a bound that doubles with each retry ("full jitter",
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>). `None` if no time
    /// would be left after the pause, or none for others.
    pub(crate) fn pause(&self, retry: u32, retry_after: Option<Duration>) -> Option<Duration> {
        let bound = FIRST_PAUSE.saturating_mul(1 << retry.min(16)).min(LONGEST_PAUSE);
        let pause = retry_after.unwrap_or_else(|| bound.mul_f64(self.random.fraction()));
        (pause < self.attempt_deadline().remaining()).then_some(pause)
    }

    /// The pause before a retry of a request with this result; `None` if it is not retried.
    fn pause_after(&self, retry: u32, result: &Result<Response, TransportError>) -> Option<Duration> {
        let (is_retryable, retry_after) = match result {
            Ok(response) => (matches!(response.status, 408 | 425 | 429 | 500..=599), response.retry_after),
            Err(TransportError::Timeout { .. }) if self.behind() > 0 => (false, None),
            Err(error) => (error.is_retryable(), None),
        };
        if is_retryable { self.pause(retry, retry_after) } else { None }
    }

    /// When an attempt that begins now must be over, or a pause before it.
    pub(crate) fn attempt_deadline(&self) -> Deadline<'_> {
        self.deadline.within(self.deadline.remaining() / self.behind().saturating_add(1))
    }

    /// How many are asked after this one, before the same deadline.
    fn behind(&self) -> u32 {
        self.others_behind.max(self.queue.map_or(0, Queue::rounds))
    }
}

/// How long a `Retry-After` header asks to wait: a number of seconds, or a date
/// (<https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>). `None` if it is neither.
pub(super) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number that does not fit is longer than any run.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let now = jiff::Timestamp::try_from(now).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// Sends a request, and sends it again as often as `policy` allows.
///
/// # Errors
/// When the last attempt brought no response.
pub(crate) fn send(
    transport: &dyn Transport,
    request: &Request,
    policy: RetryPolicy<'_>,
    stats: &mut RequestStats,
) -> Result<Response, TransportError> {
    let Ok((result, _)) = send_with_permits(transport, request, policy, stats, || Ok::<(), Infallible>(()));
    result
}

/// Sends a request, and sends it again as often as `policy` allows. What `acquire` returns is held
/// during each attempt, and that of the last one is returned too. If `acquire` returns an error, no
/// further attempt is made.
///
/// # Errors
/// The error of `acquire` before the first attempt. The inner result is an error if the last attempt
/// brought no response.
pub(crate) fn send_with_permits<P, E>(
    transport: &dyn Transport,
    request: &Request,
    policy: RetryPolicy<'_>,
    stats: &mut RequestStats,
    mut acquire: impl FnMut() -> Result<P, E>,
) -> Result<(Result<Response, TransportError>, Option<P>), E> {
    let mut permit = Some(acquire()?);
    let mut result = send_once(transport, request, policy.attempt_deadline(), stats);
    for retry in 0..policy.retries {
        let Some(pause) = policy.pause_after(retry, &result) else { break };
        log::info!("{}: trying again in {pause:.1?}", request.server);
        drop(permit.take());
        policy.deadline.clock().sleep(pause);
        permit = acquire().ok();
        // If the wait for the permit used up the time, the previous result says more than a timeout.
        if permit.is_none() || policy.deadline.is_past() {
            break;
        }
        stats.retries += 1;
        result = send_once(transport, request, policy.attempt_deadline(), stats);
    }
    Ok((result, permit))
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
    stats.count(result.as_ref().ok(), took);
    log_attempt(request, &result, took);
    result
}

/// Logs an attempt: at `-v` its server and subject, at `-vv` the request itself.
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

    fn policy<'a>(clock: &'a Stopped, random: &'a Random, left: Duration, others_behind: u32) -> RetryPolicy<'a> {
        RetryPolicy { others_behind, ..RetryPolicy::new(9, Deadline::after(clock, left), random) }
    }

    fn pause(retry: u32, retry_after: Option<Duration>, left: Duration) -> Option<Duration> {
        policy(&Stopped(Instant::now()), &Random::seeded(1), left, 0).pause(retry, retry_after)
    }

    #[test]
    fn others_behind_get_their_share_of_the_time() {
        let (clock, random, left) = (Stopped(Instant::now()), Random::seeded(1), Duration::from_secs(12));
        let after_seven = Some(Duration::from_secs(7));
        for (others_behind, share, is_retried, waits_seven) in
            [(0, 12, true, true), (1, 6, false, false), (2, 4, false, false)]
        {
            let policy = policy(&clock, &random, left, others_behind);
            assert_eq!(policy.attempt_deadline().remaining(), Duration::from_secs(share));
            let timeout = TransportError::Timeout { host: "h".to_owned(), reason: "no reply" };
            assert_eq!(policy.pause_after(0, &Err(timeout)).is_some(), is_retried, "{others_behind}");
            let cut = Err(TransportError::Cut("h".to_owned()));
            assert!(policy.pause_after(0, &cut).is_some(), "what fails at once is tried again");
            assert_eq!(policy.pause(0, after_seven).is_some(), waits_seven, "{others_behind}");
        }
    }

    #[test]
    fn retry_pauses_stay_below_a_bound_that_doubles() {
        let fraction = Random::seeded(1).fraction();
        for (retry, bound) in [(0, 500), (1, 1000), (2, 2000), (3, 4000), (4, 8000), (5, 8000), (40, 8000)] {
            let expected = Duration::from_millis(bound).mul_f64(fraction);
            assert_eq!(pause(retry, None, Duration::from_secs(60)), Some(expected), "{retry}");
        }
    }

    #[test]
    fn retry_pause_follows_retry_after_if_that_leaves_time() {
        let retry_after = Duration::from_secs(7);
        assert_eq!(pause(0, Some(retry_after), Duration::from_secs(60)), Some(retry_after));
        assert_eq!(pause(0, Some(retry_after), retry_after), None);
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, expected) in [
            ("7", Some(Duration::from_secs(7))),
            (" 7 ", Some(Duration::from_secs(7))),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(Duration::from_secs(10))),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(Duration::ZERO)),
            ("99999999999999999999", Some(Duration::from_secs(u64::MAX))),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(parse_retry_after(text, now), expected, "{text}");
        }
    }
}
