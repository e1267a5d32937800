//! A connection that is opened before it is needed.

use super::clock::Clock;
use super::threads::{Signal, Threads, lock};
use std::mem;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long an open connection may wait until it is used. Many servers close an idle one later than that: Node.js has
/// the shortest limit of those in wide use, 5 seconds
/// (<https://nodejs.org/api/http.html#serverkeepalivetimeout>).
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A connection that one thread opens ahead, and that another takes when it needs it. It can be taken once.
#[derive(Debug)]
pub(crate) struct Opening<T, E> {
    state: Mutex<State<T, E>>,
    changed: Signal,
}

#[derive(Debug)]
enum State<T, E> {
    /// Nobody has begun.
    Idle,
    /// It is being opened.
    Going {
        /// Whether somebody waits for it.
        is_awaited: bool,
    },
    /// It is open since then.
    Open(T, Instant),
    /// It could not be opened, and somebody has waited for that.
    Failed(E),
    /// It was taken, or is not wanted.
    Over,
}

impl<T, E> Default for Opening<T, E> {
    fn default() -> Self {
        Self { state: Mutex::new(State::Idle), changed: Signal::default() }
    }
}

impl<T, E> Opening<T, E> {
    /// Opens the connection, unless somebody has needed it already. `connect` must end, as somebody may wait for it.
    pub(crate) fn open(&self, clock: &dyn Clock, connect: impl FnOnce() -> Result<T, E>) {
        match &mut *lock(&self.state) {
            state @ State::Idle => *state = State::Going { is_awaited: false },
            _ => return,
        }
        let _waker = Waker(self);
        let result = connect();
        let mut state = lock(&self.state);
        *state = match (&*state, result) {
            (_, Ok(connection)) => State::Open(connection, clock.now()),
            (State::Going { is_awaited: true }, Err(error)) => State::Failed(error),
            _ => State::Over,
        };
    }

    /// Takes the connection, if it is open and has not waited too long. If it is just being opened, this waits for it,
    /// and its failure is that of the caller, who so loses no time against connecting himself. A failure that came
    /// before anybody needed the connection is forgotten: the server may be back.
    pub(crate) fn take(&self, threads: &dyn Threads, clock: &dyn Clock) -> Option<Result<T, E>> {
        let mut is_waiting = false;
        loop {
            let seen = self.changed.generation();
            let mut state = lock(&self.state);
            match &mut *state {
                // It is for somebody else.
                State::Going { is_awaited: true } if !is_waiting => return None,
                State::Going { is_awaited } => {
                    (*is_awaited, is_waiting) = (true, true);
                    drop(state);
                    threads.wait(&self.changed, seen, Duration::MAX);
                }
                _ => {
                    return match mem::replace(&mut *state, State::Over) {
                        State::Open(connection, since) if clock.now() - since < MAX_WAIT => Some(Ok(connection)),
                        State::Failed(error) => Some(Err(error)),
                        _ => None,
                    };
                }
            }
        }
    }
}

/// Wakes who waits, also where connecting panicked.
struct Waker<'a, T, E>(&'a Opening<T, E>);

impl<T, E> Drop for Waker<'_, T, E> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        if matches!(*state, State::Going { .. }) {
            *state = State::Over;
        }
        drop(state);
        self.0.changed.raise();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::SystemClock;
    use crate::system::threads::SystemThreads;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    type TestOpening = Opening<&'static str, &'static str>;

    fn take(opening: &TestOpening) -> Option<Result<&'static str, &'static str>> {
        opening.take(&SystemThreads, &SystemClock)
    }

    #[test]
    fn a_connection_is_taken_once() {
        let opening = TestOpening::default();
        opening.open(&SystemClock, || Ok("open"));
        assert_eq!(take(&opening), Some(Ok("open")));
        assert_eq!(take(&opening), None);
    }

    #[test]
    fn nothing_is_opened_for_somebody_who_has_connected_already() {
        let opening = TestOpening::default();
        assert_eq!(take(&opening), None);
        opening.open(&SystemClock, || panic!("nobody needs it"));
    }

    #[test]
    fn a_failure_counts_only_for_somebody_who_waits_for_it() {
        let opening = TestOpening::default();
        opening.open(&SystemClock, || Err("refused"));
        assert_eq!(take(&opening), None);

        for result in [Ok("open"), Err("refused")] {
            let opening = TestOpening::default();
            let is_awaited = || matches!(*lock(&opening.state), State::Going { is_awaited: true });
            thread::scope(|scope| {
                let taken = thread::Builder::new();
                let opening = &opening;
                opening.open(&SystemClock, || {
                    let taken = taken.spawn_scoped(scope, || assert_eq!(take(opening), Some(result))).unwrap();
                    while !is_awaited() && !taken.is_finished() {
                        thread::yield_now();
                    }
                    assert_eq!(take(opening), None, "one waits, the next connects himself");
                    result
                });
            });
        }
    }

    #[test]
    fn nobody_waits_for_ever_where_connecting_panicked() {
        let opening = TestOpening::default();
        let panicked = catch_unwind(AssertUnwindSafe(|| opening.open(&SystemClock, || panic!("on purpose"))));
        assert!(panicked.is_err());
        assert_eq!(take(&opening), None);
    }

    /// A clock that a test sets.
    struct SetClock(Instant, AtomicU64);

    impl Clock for SetClock {
        fn unix_time(&self) -> Duration {
            Duration::ZERO
        }

        fn now(&self) -> Instant {
            self.0 + Duration::from_millis(self.1.load(Ordering::Relaxed))
        }

        fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn a_connection_that_has_waited_five_seconds_is_not_used() {
        for (millis, expected) in [(4_999, Some(Ok("open"))), (5_000, None)] {
            let clock = SetClock(Instant::now(), AtomicU64::new(0));
            let opening = TestOpening::default();
            opening.open(&clock, || Ok("open"));
            clock.1.store(millis, Ordering::Relaxed);
            assert_eq!(opening.take(&SystemThreads, &clock), expected, "{millis} ms");
        }
    }
}
