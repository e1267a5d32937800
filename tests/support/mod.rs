//! What the tests share: doubles of everything `datametrics` talks to, and the program in an
//! empty world.
//!
//! Nothing here sleeps. A test that has to wait waits for what it needs ([`Server::wait_for`],
//! [`Gate`]), so that a loaded machine makes it slower and never wrong.

#![allow(dead_code, unused_imports, reason = "every test binary compiles this module, and none uses all of it")]

pub(crate) mod carbon;
pub(crate) mod case;
pub(crate) mod command;
pub(crate) mod gate;
pub(crate) mod graphite;
mod listener;
pub(crate) mod normalise;
pub(crate) mod pickle;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod samples;
pub(crate) mod sentinel;
pub(crate) mod server;
pub(crate) mod tls;

pub(crate) use self::{
    carbon::{Carbon, Habit},
    command::{Datametrics, Output},
    gate::Gate,
    graphite::{Dialect, Ingest, Point, Verdict},
    reply::Reply,
    request::Received,
    server::Server,
};

use std::{
    any::Any,
    fmt::Display,
    sync::{Mutex, MutexGuard, PoisonError},
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
