//! What the tests share: doubles of everything `datametrics` talks to, and the program in an
//! empty world.
//!
//! Nothing here sleeps but what is slow on purpose. A test that has to wait waits for what it needs ([`Server::wait_for`],
//! [`Gate`]), so that a loaded machine makes it slower and never wrong.

#![allow(dead_code, unused_imports, reason = "every test binary compiles this module, and none uses all of it")]

pub(crate) mod carbon;
pub(crate) mod case;
pub(crate) mod command;
pub(crate) mod gate;
pub(crate) mod graphite;
pub(crate) mod leak;
pub(crate) mod listener;
pub(crate) mod normalise;
pub(crate) mod pickle;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod samples;
pub(crate) mod server;
pub(crate) mod tls;
mod void;

pub(crate) use self::{
    carbon::{Carbon, Habit},
    command::{Datametrics, Output},
    gate::Gate,
    graphite::{Dialect, Ingest, Point, Verdict},
    reply::Reply,
    request::Received,
    server::Server,
    tls::Tls,
    void::BlackHole,
};

use std::{
    any::Any,
    fmt::Display,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How long anything is waited for before the test is declared stuck: far longer than a healthy
/// test takes on a machine that is busy with something else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Locks also after another thread panicked: that panic is reported where it happened, and a
/// second one about the lock would only hide it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One text of these lines, each ended.
pub(crate) fn lines<T: Display>(lines: impl IntoIterator<Item = T>) -> String {
    lines.into_iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// Does something with every item, on several threads, and gives the results in the order of the
/// items. Runs spend their time waiting, so the number of threads has little to do with processors.
pub(crate) fn side_by_side<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    const THREADS: usize = 6;
    let queue = Mutex::new(items.iter().enumerate());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let next = || lock(&queue).next();
                while let Some((at, item)) = next() {
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

/// Whether a test can mount something that only a run sees. If not, says so, as the test is to be
/// skipped then; in CI it fails.
pub(crate) fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["-rm", "mount", "-t", "tmpfs", "none", "/tmp"]).stdout(Stdio::null()).stderr(Stdio::null());
    if command.status().is_ok_and(|status| status.success()) {
        return true;
    }
    let missing = "nothing can be mounted here: unshare (of util-linux) and user namespaces are needed";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    println!("skipped: {missing}");
    false
}
