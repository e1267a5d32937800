//! A count of what has been answered, for a person who waits at a terminal.

use datametrics::deadline::Deadline;
use datametrics::http::{Transport, TransportError};
use datametrics::request::{Request, Response};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A run that is over by then shows nothing.
const SHORT: Duration = Duration::from_secs(1);

/// Whether the count stands in the last line of the terminal.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// A transport that shows how many of its requests have been answered.
pub(crate) struct Counted<'a> {
    transport: &'a dyn Transport,
    begun: Instant,
    answered: AtomicU32,
}

impl<'a> Counted<'a> {
    /// Counts what goes through `transport` from now on.
    pub(crate) fn new(transport: &'a dyn Transport) -> Self {
        Self { transport, begun: Instant::now(), answered: AtomicU32::new(0) }
    }
}

impl Transport for Counted<'_> {
    fn send(&self, request: &Request, deadline: Deadline) -> Result<Response, TransportError> {
        let result = self.transport.send(request, deadline);
        let answered = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let seconds = self.begun.elapsed();
        if seconds > SHORT {
            SHOWN.store(true, Ordering::Relaxed);
            // Nobody to show it to is no error.
            let _ = write!(std::io::stderr(), "\r{answered} requests answered in {:.0} s\x1b[K", seconds.as_secs_f64());
        }
        result
    }
}

/// Takes the count away, if it is there: something else is to be said.
pub(crate) fn clear() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
