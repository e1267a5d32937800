//! A line at a terminal, which says for whom a run is waiting.

use crate::http::request::{Request, Response};
use crate::http::transport::{Transport, TransportError};
use crate::http::url::Url;
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::system::terminal;
use crate::system::threads::lock;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard};

/// Whether the last line of the terminal is the line of this module. Who holds the lock is the only one to write there,
/// or else a message and the line could be in each other's way.
static IS_SHOWN: Mutex<bool> = Mutex::new(false);

/// A transport that shows at the terminal how many of its requests are done, and who is still asked.
pub(crate) struct LiveTransport<'a> {
    transport: &'a dyn Transport,
    progress: Mutex<Progress>,
}

/// What the line says.
#[derive(Default)]
struct Progress {
    asked: u32,
    done: u32,
    /// The servers of the requests that are not done yet, sorted.
    waiting: Vec<String>,
}

impl<'a> LiveTransport<'a> {
    /// Wraps `transport`.
    pub(crate) fn new(transport: &'a dyn Transport) -> Self {
        Self { transport, progress: Mutex::default() }
    }

    fn show(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = lock(&self.progress);
        change(&mut progress);
        let mut is_shown = lock(&IS_SHOWN);
        *is_shown = true;
        // A cursor behind the last column would make a new line.
        let line: String = progress.to_string().chars().take(terminal::width().saturating_sub(1)).collect();
        // If standard error is closed, nobody sees the line.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }
}

impl Transport for LiveTransport<'_> {
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
        let server = &request.server;
        let server = server.port.map_or_else(|| server.host.clone(), |port| format!("{}:{port}", server.host));
        self.show(|progress| progress.ask(&server));
        let result = self.transport.send(request, deadline);
        self.show(|progress| progress.end(&server));
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
        let at = self.waiting.partition_point(|other| other.as_str() < server);
        self.waiting.insert(at, server.to_owned());
    }

    /// A request that is done need not have been answered: it may have failed, and be sent once more.
    fn end(&mut self, server: &str) {
        self.done += 1;
        if let Ok(at) = self.waiting.binary_search_by(|other| other.as_str().cmp(server)) {
            self.waiting.remove(at);
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} requests done", self.done, self.asked)?;
        let mut servers = self.waiting.clone();
        servers.dedup();
        if servers.is_empty() { Ok(()) } else { write!(f, ", waiting for {}", servers.join(", ")) }
    }
}

/// Removes the line from the terminal, if it is shown.
pub(crate) fn clear() {
    drop(cleared());
}

/// Removes the line. It does not come back before the guard is dropped.
fn cleared() -> MutexGuard<'static, bool> {
    let mut is_shown = lock(&IS_SHOWN);
    if std::mem::take(&mut *is_shown) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    is_shown
}

/// Standard error for messages. Each of them takes the place of the line.
pub(crate) struct InPlaceOfLine;

impl Write for InPlaceOfLine {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let _line = cleared();
        io::stderr().write_all(text).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
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
    fn a_server_is_named_until_its_last_request_is_done() {
        let mut progress = Progress::default();
        for server in ["b", "a", "b"] {
            progress.ask(server);
        }
        assert_eq!(progress.to_string(), "0 of 3 requests done, waiting for a, b");
        progress.end("a");
        progress.end("b");
        assert_eq!(progress.to_string(), "2 of 3 requests done, waiting for b");
        progress.end("b");
        assert_eq!(progress.to_string(), "3 of 3 requests done");
    }
}
