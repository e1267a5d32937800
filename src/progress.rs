//! A count of answered requests at a terminal.

use crate::http::request::{Request, Response};
use crate::http::transport::{Transport, TransportError};
use crate::http::url::Url;
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs that are shorter than this show no count.
const DELAY: Duration = Duration::from_secs(1);

/// Whether the last line of the terminal shows the count.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// A transport that shows how many of its requests have been answered.
pub(crate) struct CountingTransport<'a> {
    transport: &'a dyn Transport,
    begun: Instant,
    answered: AtomicU32,
}

impl<'a> CountingTransport<'a> {
    /// Wraps `transport`. The count begins at zero, and the time now.
    pub(crate) fn new(transport: &'a dyn Transport) -> Self {
        Self { transport, begun: Instant::now(), answered: AtomicU32::new(0) }
    }
}

impl Transport for CountingTransport<'_> {
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
        let result = self.transport.send(request, deadline);
        let answered = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        let elapsed = self.begun.elapsed();
        if elapsed > DELAY {
            IS_SHOWN.store(true, Ordering::Relaxed);
            let seconds = elapsed.as_secs_f64();
            // If standard error is closed, nobody sees the count.
            let _ = write!(std::io::stderr(), "\r{answered} requests answered in {seconds:.0} s\x1b[K");
        }
        result
    }

    fn open(&self, request: &Request, deadline: Deadline<'_>) {
        self.transport.open(request, deadline);
    }

    fn secrets(&self, server: &Url) -> Vec<Secret> {
        self.transport.secrets(server)
    }
}

/// Removes the count from the terminal, if it is shown.
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
    fn secrets_of_the_way_are_known_while_answers_are_counted() {
        let server = Url::parse("http://host").unwrap();
        assert_eq!(CountingTransport::new(&ThroughProxy).secrets(&server)[0].expose(), "sesame");
    }
}
