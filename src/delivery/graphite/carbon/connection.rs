//! One payload over one connection to Carbon.
//!
//! Carbon never answers, whatever it thinks of what it got. So [`deliver`] looks for every sign that
//! Carbon went away before it had everything.

use crate::delivery::graphite::error::CarbonErrorKind;
use crate::system::deadline::Deadline;
use crate::system::dialer::{Connection, is_interrupted};
use crate::util::sanitize::excerpt;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// How long Carbon may at least show that it goes away before it is told that everything was sent. A proxy
/// with no Carbon behind it takes everything and closes: once writing is shut down, that looks like
/// success. Some proxies need seconds for that, so `linger` may be longer.
const EARLY_CLOSE: Duration = Duration::from_millis(10);

/// Sends `payload` and waits until Carbon closes the connection.
///
/// After the last byte the connection stays open for `linger`: whoever closes in that time is no Carbon.
///
/// # Errors
/// When something shows that Carbon did not get everything, or when the deadline has passed. Success
/// does not prove that Carbon stored it.
pub(super) fn deliver(
    connection: Box<dyn Connection>,
    payload: &[u8],
    linger: Duration,
    deadline: Deadline<'_>,
) -> Result<(), CarbonErrorKind> {
    Transmission { connection, sent: 0, len: payload.len(), linger: linger.max(EARLY_CLOSE), deadline }.run(payload)
}

/// One payload on its way over one connection.
struct Transmission<'a> {
    connection: Box<dyn Connection>,
    sent: usize,
    len: usize,
    linger: Duration,
    deadline: Deadline<'a>,
}

impl Transmission<'_> {
    fn run(mut self, payload: &[u8]) -> Result<(), CarbonErrorKind> {
        self.write(payload)?;
        if self.sees_close(self.deadline.within(self.linger))? {
            return Err(CarbonErrorKind::Closed);
        }
        self.connection.shutdown_write().map_err(|cause| self.broken(&cause))?;
        if !self.sees_close(self.deadline)? {
            return Err(CarbonErrorKind::NotClosed);
        }
        // If Carbon closed before it read our last bytes, a reset follows. Reading shows only the close.
        match self.connection.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(cause)) | Err(cause) => Err(self.broken(&cause)),
        }
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), CarbonErrorKind> {
        while let Some(rest) = payload.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let left = self.deadline.remaining();
            if left.is_zero() {
                return Err(CarbonErrorKind::SendTimedOut { sent: self.sent, len: self.len });
            }
            self.connection.set_write_timeout(left).map_err(|cause| self.broken(&cause))?;
            match self.connection.write(rest) {
                Ok(0) => return Err(self.broken(&ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(cause) if is_interrupted(&cause) => {}
                Err(cause) => return Err(self.broken(&cause)),
            }
        }
        Ok(())
    }

    /// Whether the other side closes before the deadline `until`.
    fn sees_close(&mut self, until: Deadline<'_>) -> Result<bool, CarbonErrorKind> {
        let mut received = [0; 512];
        loop {
            let left = until.remaining();
            if left.is_zero() {
                return Ok(false);
            }
            self.connection.set_read_timeout(left).map_err(|cause| self.broken(&cause))?;
            match self.connection.read(&mut received) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    return Err(CarbonErrorKind::Answered(excerpt(&String::from_utf8_lossy(&received[..count]))));
                }
                Err(cause) if is_interrupted(&cause) => {}
                Err(cause) => return Err(self.broken(&cause)),
            }
        }
    }

    fn broken(&self, cause: &io::Error) -> CarbonErrorKind {
        CarbonErrorKind::Broken { sent: self.sent, len: self.len, reason: cause.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::graphite::error::CarbonError;
    use crate::system::clock::SystemClock;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    const SOON: Duration = Duration::from_secs(10);

    fn deadline(timeout: Duration) -> Deadline<'static> {
        Deadline::after(&SystemClock, timeout)
    }

    /// Runs `serve` on the one connection that `deliver` makes.
    fn with_server<T: Send>(
        payload: &[u8],
        timeout: Duration,
        serve: impl FnOnce(TcpStream) -> T + Send,
    ) -> (Result<(), CarbonErrorKind>, T) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::scope(|scope| {
            let server = scope.spawn(move || serve(listener.accept().unwrap().0));
            let connection = Box::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
            (deliver(connection, payload, Duration::ZERO, deadline(timeout)), server.join().unwrap())
        })
    }

    fn read_all(mut stream: TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn everything_arrives_at_carbon() {
        let payload = vec![b'x'; 3_000_000];
        let (result, received) = with_server(&payload, SOON, read_all);
        result.unwrap();
        assert!(received == payload);
    }

    #[test]
    fn a_carbon_that_goes_away_is_a_failure() {
        let payload = vec![b'x'; 30_000_000];
        let close_after = |count: usize| move |mut stream: TcpStream| stream.read_exact(&mut vec![0; count]).unwrap();
        for count in [0, 5, 100_000] {
            let (result, ()) = with_server(&payload, SOON, close_after(count));
            assert!(matches!(result, Err(CarbonErrorKind::Broken { .. } | CarbonErrorKind::Closed)), "{result:?}");
        }
        let (result, ()) = with_server(b"a 1 5\n", SOON, close_after(0));
        assert!(matches!(result, Err(CarbonErrorKind::Broken { .. } | CarbonErrorKind::Closed)), "{result:?}");
    }

    #[test]
    fn a_close_of_carbon_before_the_end_is_a_failure_though_all_was_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        drop(listener.accept().unwrap());
        let delivery = Transmission {
            connection: Box::new(stream),
            sent: 0,
            len: 6,
            linger: EARLY_CLOSE,
            deadline: deadline(SOON),
        };
        let result = delivery.run(b"a 1 5\n");
        assert!(matches!(result, Err(CarbonErrorKind::Broken { .. } | CarbonErrorKind::Closed)), "{result:?}");
    }

    #[test]
    fn a_server_that_answers_is_not_carbon() {
        let talk = |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
            read_all(stream)
        };
        let (result, _) = with_server(b"a 1 5\n", SOON, talk);
        assert_eq!(result, Err(CarbonErrorKind::Answered("HTTP/1.1 400 Bad Request".to_owned())));
    }

    #[test]
    fn the_deadline_bounds_sending_to_carbon_and_waiting_for_its_close() {
        // The connection stays open until the client gave up, and nobody reads from it.
        let keep_open = |stream: TcpStream| stream;
        let timeout = Duration::from_millis(200);
        let (result, _) = with_server(b"a 1 5\n", timeout, keep_open);
        assert_eq!(result, Err(CarbonErrorKind::NotClosed));
        let (result, _) = with_server(&vec![b'x'; 30_000_000], timeout, keep_open);
        assert!(matches!(result, Err(CarbonErrorKind::SendTimedOut { .. })), "{result:?}");
    }

    /// `tests/messages/rendered.rs` writes these errors by hand.
    #[test]
    fn carbon_errors_that_no_scene_brings_about_are_recorded_as_they_are() {
        let page = include_str!("../../../../tests/messages/README.md");
        for kind in [CarbonErrorKind::Closed, CarbonErrorKind::SendTimedOut { sent: 1, len: 2 }] {
            let error = CarbonError { server: "HOST:2003".to_owned(), kind };
            assert!(page.contains(&format!("| {error} |")), "tests/messages has no {error}");
        }
    }
}
