//! Limits requests per second and concurrency, per provider. All feeds of a run share the limit.

use crate::provider::Definition;
use crate::system::clock::Clock;
use crate::system::deadline::Deadline;
use crate::system::threads::{Signal, Threads, lock};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Limits the requests to one provider.
pub(crate) struct RateLimiter<'a> {
    max_concurrency: usize,
    /// The time between two requests.
    spacing: Duration,
    /// How much earlier than `spacing` demands a request may be sent, where there were few before it: the
    /// spacing of all requests of a burst but one.
    slack: Duration,
    clock: &'a dyn Clock,
    threads: &'a dyn Threads,
    state: Mutex<State>,
    /// Raised when a request has ended.
    released: Signal,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// When the next request would be sent if all were evenly spaced. The real one may be `slack` earlier.
    next_slot: Instant,
}

/// Whether a request may be sent.
enum Entry {
    /// After so long a wait.
    Allowed(Duration),
    /// As many as allowed are in flight.
    Full,
    /// Its turn is not before the deadline.
    TooLate,
}

/// The right to send a request. Dropping it gives the right back.
pub(crate) struct Permit<'a>(&'a RateLimiter<'a>);

impl<'a> RateLimiter<'a> {
    /// The limiter that a definition asks for.
    pub(crate) fn new(definition: &Definition, clock: &'a dyn Clock, threads: &'a dyn Threads) -> Self {
        let spacing = definition.per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self {
            max_concurrency: definition.max_concurrency,
            spacing,
            slack: spacing.saturating_mul(definition.burst.saturating_sub(1)),
            clock,
            threads,
            state: Mutex::new(State { in_flight: 0, next_slot: clock.now() }),
            released: Signal::default(),
        }
    }

    /// Waits until a request may be sent. `None` if that is not before the deadline.
    pub(crate) fn acquire(&self, deadline: Deadline<'_>) -> Option<Permit<'_>> {
        loop {
            // Looked at before the state, so that a request that ends in between is not missed.
            let seen = self.released.generation();
            let wait = match self.try_enter(deadline) {
                Entry::Allowed(wait) => wait,
                Entry::Full => {
                    self.threads.wait(&self.released, seen, deadline.remaining());
                    continue;
                }
                Entry::TooLate => return None,
            };
            let permit = Permit(self);
            if !wait.is_zero() {
                self.clock.sleep(wait);
            }
            return Some(permit).filter(|_| !deadline.is_past());
        }
    }

    /// Counts a request in, if fewer than allowed are in flight and it can be sent before the deadline.
    fn try_enter(&self, deadline: Deadline<'_>) -> Entry {
        let mut state = lock(&self.state);
        let now = self.clock.now();
        let wait = self.wait(state.next_slot, now);
        if wait >= deadline.remaining() {
            return Entry::TooLate;
        }
        if state.in_flight >= self.max_concurrency {
            return Entry::Full;
        }
        state.next_slot = state.next_slot.max(now) + self.spacing;
        state.in_flight += 1;
        Entry::Allowed(wait)
    }

    /// How long the next request must wait, if evenly spaced ones would be sent at `slot`.
    fn wait(&self, slot: Instant, now: Instant) -> Duration {
        slot.saturating_duration_since(now).saturating_sub(self.slack)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).in_flight -= 1;
        self.0.released.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Section};
    use crate::system::threads::Task;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    /// A clock that goes on only when somebody waits or sleeps, and threads that count the waits.
    struct FakeMachine {
        begun: Instant,
        millis: AtomicU64,
        waits: AtomicUsize,
    }

    impl FakeMachine {
        fn new() -> Self {
            Self { begun: Instant::now(), millis: AtomicU64::new(0), waits: AtomicUsize::new(0) }
        }

        fn pass(&self, span: Duration) {
            self.millis.fetch_add(u64::try_from(span.as_millis()).unwrap(), Ordering::Relaxed);
        }

        fn passed(&self) -> Duration {
            Duration::from_millis(self.millis.load(Ordering::Relaxed))
        }
    }

    impl Clock for FakeMachine {
        fn unix_time(&self) -> Duration {
            self.passed()
        }

        fn now(&self) -> Instant {
            self.begun + self.passed()
        }

        fn sleep(&self, span: Duration) {
            self.pass(span);
        }
    }

    impl Threads for FakeMachine {
        fn run_all(&self, _: Vec<Task<'_>>) {}

        fn wait(&self, _: &Signal, _: u64, timeout: Duration) {
            self.waits.fetch_add(1, Ordering::Relaxed);
            self.pass(timeout);
        }
    }

    fn limiter<'a>(limits: &str, machine: &'a FakeMachine) -> RateLimiter<'a> {
        let text = format!(
            "market = 'other'\nbase_url = 'https://h'\n{limits}\n[[quote]]\npath = '/'\nfields = {{ last = '/l' }}\n"
        );
        let document = Document::new("definition.toml", text);
        let table = document.parse().unwrap();
        let definition = Definition::read("p", &Section::root(&document, &table)).unwrap();
        RateLimiter::new(&definition, machine, machine)
    }

    #[test]
    fn a_request_beyond_max_concurrency_waits_for_another_to_end() {
        let machine = FakeMachine::new();
        let limiter = limiter("max_concurrency = 2", &machine);
        let deadline = || Deadline::after(&machine, Duration::from_secs(60));
        let waits = || machine.waits.load(Ordering::Relaxed);
        let first_two = [limiter.acquire(deadline()), limiter.acquire(deadline())];
        assert_eq!((waits(), first_two.iter().flatten().count()), (0, 2));
        let third = limiter.acquire(deadline());
        assert_eq!((waits(), machine.passed().as_secs()), (1, 60), "it waits, until the deadline at the longest");
        assert!(third.is_none(), "a permit at the deadline is of no use");
        drop(first_two);
        assert!(limiter.acquire(deadline()).is_some());
        assert_eq!(waits(), 1, "there is room again");
    }

    #[test]
    fn requests_are_spaced_as_per_second_says() {
        let machine = FakeMachine::new();
        let limiter = limiter("per_second = 4", &machine);
        let deadline = Deadline::after(&machine, Duration::from_secs(1));
        for millis in [0, 250, 500, 750] {
            assert!(limiter.acquire(deadline).is_some());
            assert_eq!(machine.passed().as_millis(), millis);
        }
        assert!(limiter.acquire(deadline).is_none(), "the next slot is at the deadline");
        assert_eq!(machine.passed().as_millis(), 750, "it is not waited for");
    }

    #[test]
    fn a_burst_is_sent_at_once_and_refills_as_per_second_says() {
        let machine = FakeMachine::new();
        let limiter = limiter("per_second = 4\nburst = 3", &machine);
        let deadline = Deadline::after(&machine, Duration::from_secs(60));
        let sent_at = || {
            assert!(limiter.acquire(deadline).is_some());
            machine.passed().as_millis()
        };
        assert_eq!([(); 5].map(|()| sent_at()), [0, 0, 0, 250, 500]);
        machine.pass(Duration::from_millis(500));
        assert_eq!([(); 3].map(|()| sent_at()), [1000, 1000, 1250], "two more have become free in half a second");
        machine.pass(Duration::from_secs(30));
        assert_eq!([(); 4].map(|()| sent_at()), [31250, 31250, 31250, 31500], "a long rest gives no more than a burst");
    }
}
