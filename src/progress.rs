//! A line at a terminal, which says for whom a run is waiting.

use crate::http::request::{Request, Response};
use crate::http::transport::{Transport, TransportError};
use crate::http::url::Url;
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::system::terminal;
use crate::system::threads::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the last line of the terminal is the line of this module.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// A transport that shows at the terminal how many of its requests have been answered, and who is still asked.
pub(crate) struct LiveTransport<'a> {
    transport: &'a dyn Transport,
    progress: Mutex<Progress>,
}

/// What the line says.
#[derive(Default)]
struct Progress {
    asked: u32,
    answered: u32,
    /// How many requests each server has not answered yet.
    waiting: BTreeMap<String, u32>,
}

impl<'a> LiveTransport<'a> {
    /// Wraps `transport`.
    pub(crate) fn new(transport: &'a dyn Transport) -> Self {
        Self { transport, progress: Mutex::default() }
    }

    fn show(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = lock(&self.progress);
        change(&mut progress);
        IS_SHOWN.store(true, Ordering::Relaxed);
        // A cursor behind the last column would make a new line.
        let line: String = progress.to_string().chars().take(terminal::width().saturating_sub(1)).collect();
        // If standard error is closed, nobody sees the line.
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }
}

impl Transport for LiveTransport<'_> {
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
        let server = &request.server;
        let server = server.port.map_or_else(|| server.host.clone(), |port| format!("{}:{port}", server.host));
        self.show(|progress| progress.ask(&server));
        let result = self.transport.send(request, deadline);
        self.show(|progress| progress.answer(&server));
        result
    }

    fn open(&self, request: &Request, deadline: Deadline<'_>) {
        self.transport.open(request, deadline);
    }

    fn secrets(&self, server: &Url) -> Vec<Secret> {
        self.transport.secrets(server)
    }
}

impl Progress {
    fn ask(&mut self, server: &str) {
        self.asked += 1;
        *self.waiting.entry(server.to_owned()).or_default() += 1;
    }

    fn answer(&mut self, server: &str) {
        self.answered += 1;
        if let Some(count) = self.waiting.get_mut(server) {
            *count -= 1;
        }
        self.waiting.retain(|_, count| *count > 0);
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} answered", self.answered, self.asked)?;
        let servers: Vec<&str> = self.waiting.keys().map(String::as_str).collect();
        if servers.is_empty() { Ok(()) } else { write!(f, ", waiting for {}", servers.join(", ")) }
    }
}

/// Removes the line from the terminal, if it is shown.
pub(crate) fn clear() {
    if IS_SHOWN.swap(false, Ordering::Relaxed) {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A way through a proxy that has a password.
    struct ThroughProxy;

    impl Transport for ThroughProxy {
        fn send(&self, _: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
            Err(TransportError::Cut("host".to_owned()))
        }

        fn secrets(&self, _: &Url) -> Vec<Secret> {
            vec![Secret::new("sesame")]
        }
    }

    #[test]
    fn secrets_of_the_way_are_known_while_the_line_is_shown() {
        let server = Url::parse("http://host").unwrap();
        assert_eq!(LiveTransport::new(&ThroughProxy).secrets(&server)[0].expose(), "sesame");
    }

    #[test]
    fn a_server_is_named_until_its_last_answer() {
        let mut progress = Progress::default();
        for server in ["b", "a", "b"] {
            progress.ask(server);
        }
        assert_eq!(progress.to_string(), "0 of 3 answered, waiting for a, b");
        progress.answer("a");
        progress.answer("b");
        assert_eq!(progress.to_string(), "2 of 3 answered, waiting for b");
        progress.answer("b");
        assert_eq!(progress.to_string(), "3 of 3 answered");
    }
}
