//! One request, tried again where that may help.

use crate::deadline::Deadline;
use crate::http::{Transport, TransportError};
use crate::request::{Request, Response};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The pause before the first further try is at most this long, before each next twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A source of random numbers, good enough to spread retries: splitmix64
/// (<https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// The numbers of a seed, always the same.
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, from 0 up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64")]
    pub fn fraction(&self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// How long and how often something is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience<'a> {
    /// Tries after the first.
    pub retries: u32,
    /// When it must be over.
    pub deadline: Deadline,
    /// What spreads the pauses.
    pub random: &'a Random,
}

/// What was asked of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Requests sent, further tries included.
    pub requests: u32,
    /// Further tries.
    pub retries: u32,
    /// The slowest of them.
    pub slowest: Duration,
    /// The worst HTTP status; `Some(0)` where there was no answer.
    pub worst_status: Option<u16>,
}

impl Tally {
    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.slowest = self.slowest.max(other.slowest);
        self.worst_status = worse(self.worst_status, other.worst_status);
    }

    fn count(&mut self, status: u16, took: Duration) {
        self.requests += 1;
        self.slowest = self.slowest.max(took);
        self.worst_status = worse(self.worst_status, Some(status));
    }
}

/// No answer is worse than any, and a higher status worse than a lower.
pub(crate) fn worse(a: Option<u16>, b: Option<u16>) -> Option<u16> {
    match (a, b) {
        (Some(0), _) | (_, Some(0)) => Some(0),
        _ => a.max(b),
    }
}

/// Sends a request, and again while that may help and there is time. `enter` is passed before every
/// try and held during it.
///
/// # Errors
/// When the last try brought no reply.
pub fn send<P>(
    transport: &dyn Transport,
    request: &Request,
    patience: Patience<'_>,
    tally: &mut Tally,
    mut enter: impl FnMut() -> P,
) -> Result<Response, TransportError> {
    let mut last = None;
    for attempt in 0.. {
        let permit = enter();
        // Where waiting used the time up, the answer before says more than that.
        if let Some(last) = last.take_if(|_| patience.deadline.is_past()) {
            return last;
        }
        tally.retries += u32::from(attempt > 0);
        let begun = Instant::now();
        let result = transport.send(request, patience.deadline);
        let took = begun.elapsed();
        drop(permit);
        let status = result.as_ref().map_or(0, |response| response.status);
        tally.count(status, took);
        tell(request, &result, took);
        let helps = match &result {
            Ok(response) => matches!(response.status, 408 | 425 | 429 | 500..=599),
            Err(error) => error.is_passing(),
        };
        let asked = result.as_ref().ok().and_then(|response| response.retry_after);
        let pause = pause(attempt, patience.random.fraction(), asked, patience.deadline.remaining());
        match pause.filter(|_| helps && attempt < patience.retries) {
            Some(pause) => {
                log::info!("{}: trying again in {pause:.1?}", request.server);
                sleep(pause);
                last = Some(result);
            }
            None => return result,
        }
    }
    unreachable!("the loop ends by returning")
}

/// Says how a try went: whom it asked for what, or in detail what was asked.
fn tell(request: &Request, result: &Result<Response, TransportError>, took: Duration) {
    let Request { server, about, .. } = request;
    let is_in_detail = log::log_enabled!(log::Level::Debug);
    match result {
        Ok(Response { status, body, .. }) if is_in_detail => {
            log::debug!("{request}: HTTP {status}, {} bytes, {took:.0?}", body.len());
        }
        Ok(Response { status, .. }) => log::info!("{server}: HTTP {status} after {took:.1?}: {about}"),
        Err(error) if is_in_detail => log::debug!("{request}: {error}, {took:.0?}"),
        Err(error) => log::info!("{server}: failed after {took:.1?}: {about}: {error}"),
    }
}

/// How long to wait before the try after `attempt` (from 0): what the server asks, else a random
/// part of a bound that doubles ("full jitter", <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
/// `None` where that leaves no time.
pub(crate) fn pause(attempt: u32, random: f64, asked: Option<Duration>, left: Duration) -> Option<Duration> {
    let bound = FIRST_PAUSE.saturating_mul(1 << attempt.min(16)).min(LONGEST_PAUSE);
    Some(asked.unwrap_or_else(|| bound.mul_f64(random))).filter(|pause| *pause < left)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn pauses_double_up_to_a_bound() {
        let millis = |attempt| pause(attempt, 1.0, None, LONG).unwrap().as_millis();
        assert_eq!([0, 1, 2, 3, 4, 5, 40].map(millis), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(pause(3, 0.5, None, LONG), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_the_server_asks_is_obeyed_or_it_is_given_up() {
        let asked = Duration::from_secs(7);
        assert_eq!(pause(0, 0.0, Some(asked), LONG), Some(asked));
        assert_eq!(pause(0, 0.0, Some(asked), asked), None);
    }

    #[test]
    fn no_answer_is_the_worst_status() {
        assert_eq!(worse(Some(0), Some(500)), Some(0));
        assert_eq!(worse(Some(200), Some(404)), Some(404));
        assert_eq!(worse(None, Some(200)), Some(200));
    }

    #[test]
    fn random_fractions_differ_and_stay_below_one() {
        let random = Random::seeded(1);
        let (a, b) = (random.fraction(), random.fraction());
        assert!((0.0..1.0).contains(&a) && (0.0..1.0).contains(&b) && (a - b).abs() > f64::EPSILON);
    }
}
