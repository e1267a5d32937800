//! What the tests share: doubles of everything that `datametrics` talks to, and the program in a clean
//! environment.
//!
//! Only what is slow on purpose sleeps. A test that has to wait waits for what it needs
//! ([`Server::wait_for`], [`Latch`]), so a loaded machine makes it slower but never makes it fail.

pub(crate) mod amqp;
pub(crate) mod black_hole;
pub(crate) mod carbon;
pub(crate) mod case;
pub(crate) mod command;
pub(crate) mod graphite;
pub(crate) mod intermediary;
pub(crate) mod journal;
pub(crate) mod journal_format;
pub(crate) mod latch;
pub(crate) mod leak;
pub(crate) mod limit;
pub(crate) mod listener;
pub(crate) mod log_capture;
pub(crate) mod mount;
pub(crate) mod name_server;
pub(crate) mod normalise;
pub(crate) mod npm;
pub(crate) mod own_network;
pub(crate) mod pickle;
pub(crate) mod port;
pub(crate) mod prices;
pub(crate) mod proxy;
pub(crate) mod real_broker;
pub(crate) mod real_graphite;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod samples;
pub(crate) mod server;
pub(crate) mod terminal;
pub(crate) mod tls;

pub(crate) use self::{
    amqp::{Broker, Conduct},
    black_hole::BlackHole,
    carbon::{Behaviour, Carbon},
    command::{Datametrics, Output},
    graphite::{Dialect, Ingest, Point, Verdict},
    latch::Latch,
    reply::Reply,
    request::Received,
    server::Server,
    tls::Tls,
};

use std::{
    any::Any,
    fmt::Display,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How long a test waits for anything before it fails: far longer than a healthy test takes on a busy
/// machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);

/// Locks also after another thread panicked: that panic was reported where it happened, and a second one
/// about the lock would only hide it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Joins lines, each with a newline at its end.
pub(crate) fn lines<T: Display>(lines: impl IntoIterator<Item = T>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

/// `PREFIX.0`, `PREFIX.1` and so on.
pub(crate) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}.{index}")).collect()
}

/// The time in Unix seconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a time that fits")
}

/// Yesterday, today and tomorrow as a TOML list of dates. Whatever day it is in New York, it is one of
/// them, so a market with these holidays is closed.
pub(crate) fn holidays() -> String {
    let day = |offset: i64| {
        let time = jiff::Timestamp::from_second(now() + offset * 86_400).expect("a time that fits");
        format!("'{}'", &time.to_string()[..10])
    };
    format!("[{}]", [-1, 0, 1].map(day).join(", "))
}

/// A run that begins in the same second as the one before says nothing about that one's push.
pub(crate) fn pause_until_the_next_second() {
    let before = now();
    wait_until("the next second", || now() > before);
}

/// Waits for a condition that nothing signals, such as a file that appears.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_met: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_met() {
        assert!(begun.elapsed() < TIMEOUT, "waited in vain: {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Says that a test is skipped and why, and returns false. Under `CI=true` nothing may be skipped, so it
/// panics there.
pub(crate) fn skip(missing: &str) -> bool {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    println!("skipped: {missing}");
    false
}

/// The text of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// How many items all calls of [`in_parallel`] work on at the same time. Runs of the program often wait, so
/// there are more than processors; too many would make each of them so slow that its timeouts end it.
const MAX_PARALLEL: usize = 8;

/// Applies a function to every item on several threads and returns the results in the order of the items.
pub(crate) fn in_parallel<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    /// Other calls must get a turn as well.
    const THREADS: usize = 6;
    let queue = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let next = || lock(&queue).next();
                while let Some((at, item)) = next() {
                    let _permit = Permit::acquire();
                    let result = work(item);
                    lock(&results).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// One of [`MAX_PARALLEL`] permits, returned when it is dropped.
struct Permit;

/// The number of permits in use, and the signal that one was returned.
static PERMITS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Permit {
    fn acquire() -> Self {
        let (used, returned) = &PERMITS;
        let all_used = |used: &mut usize| *used >= MAX_PARALLEL;
        *returned.wait_while(lock(used), all_used).unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let (used, returned) = &PERMITS;
        *lock(used) -= 1;
        returned.notify_one();
    }
}
