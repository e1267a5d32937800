//! Carbon, Graphite's own receiver: the two forms in which it takes points, and the way there.
//!
//! Carbon never answers, whatever it thinks of what it got. So the forms leave out what it would
//! choke on (a line that is too long ends the connection, and the rest with it), and
//! [`deliver`] takes every sign there is that it went away before it had everything.
//! <https://graphite.readthedocs.io/en/latest/feeding-carbon.html>

mod forms;

pub(super) use forms::{Encoded, pickle, plaintext};

use crate::deadline::Deadline;
use crate::shown::excerpt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long Carbon may show that it goes away before it is told that everything was sent. A proxy
/// with no Carbon behind it takes everything and closes: once writing is shut down, that looks
/// like success.
const EARLY_CLOSE: Duration = Duration::from_millis(10);

/// Why Carbon does not have the points, as far as can be known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Carbon at {server}: {trouble}")]
pub struct CarbonError {
    /// Host and port.
    pub server: String,
    /// What happened.
    pub trouble: Trouble,
}

/// What kept points from Carbon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no such host, or nobody to ask.
    #[error("the host cannot be looked up: {0}; see that it is right in the Graphite URL")]
    Lookup(String),
    /// The resolver did not answer before the deadline.
    #[error("the host was not looked up in time; is this machine's name server reachable?")]
    LookupLate,
    /// No address took a connection.
    #[error("no connection ({0}); is Carbon running, and are host and port of the Graphite URL right?")]
    Connect(String),
    /// The connection ended while there was still something to send or to wait for.
    #[error("the connection broke after {sent} of {len} bytes ({reason}); Carbon's log may say why")]
    Broken {
        /// Bytes that were handed to the operating system.
        sent: usize,
        /// Bytes that there were.
        len: usize,
        /// What the operating system said.
        reason: String,
    },
    /// It closed though it had not been told that everything was sent.
    #[error("it closed the connection before the end; Carbon's log may say why, or a proxy has no Carbon behind it")]
    Closed,
    /// It said something.
    #[error("it answered \"{0}\", which Carbon never does; is the port right (usually 2003, for pickle 2004)?")]
    Answered(String),
    /// The deadline passed while sending.
    #[error("it took {sent} of {len} bytes in time; it may be overloaded")]
    Late {
        /// Bytes that were handed to the operating system.
        sent: usize,
        /// Bytes that there were.
        len: usize,
    },
    /// The deadline passed while waiting for the close, which is all that Carbon acknowledges with.
    #[error("it did not close the connection in time, so it may not have read the points; it may be overloaded")]
    NotClosed,
}

/// Sends `payload` and waits until Carbon closes the connection.
///
/// `host` is a name or an address, IPv6 with or without brackets. All addresses of a name are tried.
///
/// # Errors
/// When something shows that Carbon did not get everything, or when the deadline passed. That it
/// is kept cannot be known.
pub(super) fn deliver(host: &str, port: u16, payload: &[u8], deadline: Deadline) -> Result<(), CarbonError> {
    let attempt = || {
        let addresses = resolve(host, port, deadline)?;
        let stream = connect(&addresses, deadline)?;
        Connection { stream, sent: 0, len: payload.len(), deadline }.deliver(payload)
    };
    attempt().map_err(|trouble| CarbonError { server: format!("{host}:{port}"), trouble })
}

/// The addresses of a host. The system's resolver knows no deadline, so it runs on a thread that is
/// left behind when it is late.
fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Trouble> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = host.to_owned();
    let lookup = move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let _ = sender.send(found); // nobody listens any more if this is late
    };
    let failed = |cause: io::Error| Trouble::Lookup(cause.to_string());
    thread::Builder::new().name("lookup".to_owned()).spawn(lookup).map_err(failed)?;
    receiver.recv_timeout(deadline.remaining()).map_err(|_| Trouble::LookupLate)?.map_err(failed)
}

/// Connects to the first address that lets it. None may use up the time of those after it, nor
/// that for sending.
fn connect(addresses: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, Trouble> {
    let mut tried = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let parts = u32::try_from(addresses.len() - index + 1).unwrap_or(u32::MAX);
        let patience = deadline.remaining() / parts;
        if patience.is_zero() {
            tried.push("no time was left".to_owned());
            break;
        }
        match TcpStream::connect_timeout(address, patience) {
            Ok(stream) => return Ok(stream),
            Err(cause) => tried.push(format!("{address}: {cause}")),
        }
    }
    Err(Trouble::Connect(if tried.is_empty() { "the host has no address".to_owned() } else { tried.join(", ") }))
}

struct Connection {
    stream: TcpStream,
    sent: usize,
    len: usize,
    deadline: Deadline,
}

impl Connection {
    fn deliver(mut self, payload: &[u8]) -> Result<(), Trouble> {
        // The last segment leaves at once, so that whoever refuses it can do so in time to be seen.
        self.stream.set_nodelay(true).map_err(|cause| self.broken(&cause))?;
        self.write(payload)?;
        if self.sees_close(self.deadline.within(EARLY_CLOSE))? {
            return Err(Trouble::Closed);
        }
        self.stream.shutdown(Shutdown::Write).map_err(|cause| self.broken(&cause))?;
        if !self.sees_close(self.deadline)? {
            return Err(Trouble::NotClosed);
        }
        // A close that crossed our last bytes is followed by a reset. Reading shows the close alone.
        match self.stream.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(cause)) | Err(cause) => Err(self.broken(&cause)),
        }
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        while let Some(rest) = payload.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let left = self.deadline.remaining();
            if left.is_zero() {
                return Err(Trouble::Late { sent: self.sent, len: self.len });
            }
            self.stream.set_write_timeout(Some(left)).map_err(|cause| self.broken(&cause))?;
            match self.stream.write(rest) {
                Ok(0) => return Err(self.broken(&ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => return Err(self.broken(&cause)),
            }
        }
        Ok(())
    }

    /// Whether the other side closes until then.
    fn sees_close(&mut self, until: Deadline) -> Result<bool, Trouble> {
        let mut heard = [0; 512];
        loop {
            let left = until.remaining();
            if left.is_zero() {
                return Ok(false);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|cause| self.broken(&cause))?;
            match self.stream.read(&mut heard) {
                Ok(0) => return Ok(true),
                Ok(count) => return Err(Trouble::Answered(excerpt(&String::from_utf8_lossy(&heard[..count])))),
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => return Err(self.broken(&cause)),
            }
        }
    }

    fn broken(&self, cause: &io::Error) -> Trouble {
        Trouble::Broken { sent: self.sent, len: self.len, reason: cause.to_string() }
    }
}

/// Whether a call came back only because its time was over, or a signal came.
fn is_passing(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    /// Runs `serve` on the one connection that `deliver` makes.
    fn with_server<T: Send>(
        payload: &[u8],
        patience: Duration,
        serve: impl FnOnce(TcpStream) -> T + Send,
    ) -> (Result<(), Trouble>, T) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::scope(|scope| {
            let server = scope.spawn(move || serve(listener.accept().unwrap().0));
            let result = deliver("127.0.0.1", port, payload, Deadline::after(patience));
            (result.map_err(|error| error.trouble), server.join().unwrap())
        })
    }

    fn read_all(mut stream: TcpStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn everything_arrives() {
        let payload = vec![b'x'; 3_000_000];
        let (result, received) = with_server(&payload, SOON, read_all);
        result.unwrap();
        assert!(received == payload);
    }

    #[test]
    fn a_server_that_goes_away_is_a_failure() {
        let payload = vec![b'x'; 30_000_000];
        let close_after = |count: usize| move |mut stream: TcpStream| stream.read_exact(&mut vec![0; count]).unwrap();
        for count in [0, 5, 100_000] {
            let (result, ()) = with_server(&payload, SOON, close_after(count));
            assert!(matches!(result, Err(Trouble::Broken { .. } | Trouble::Closed)), "{result:?}");
        }
        let (result, ()) = with_server(b"a 1 5\n", SOON, close_after(0));
        assert!(matches!(result, Err(Trouble::Broken { .. } | Trouble::Closed)), "{result:?}");
    }

    #[test]
    fn a_close_before_the_end_is_a_failure_though_all_was_written() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        drop(listener.accept().unwrap());
        let connection = Connection { stream, sent: 0, len: 6, deadline: Deadline::after(SOON) };
        let result = connection.deliver(b"a 1 5\n");
        assert!(matches!(result, Err(Trouble::Broken { .. } | Trouble::Closed)), "{result:?}");
    }

    #[test]
    fn a_server_that_talks_is_not_carbon() {
        let talk = |mut stream: TcpStream| {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
            read_all(stream)
        };
        let (result, _) = with_server(b"a 1 5\n", SOON, talk);
        assert_eq!(result, Err(Trouble::Answered("HTTP/1.1 400 Bad Request".to_owned())));
    }

    #[test]
    fn the_deadline_bounds_sending_and_waiting() {
        // The connection stays open until the client gave up, and nobody reads from it.
        let keep_open = |stream: TcpStream| stream;
        let patience = Duration::from_millis(200);
        let (result, _) = with_server(b"a 1 5\n", patience, keep_open);
        assert_eq!(result, Err(Trouble::NotClosed));
        let (result, _) = with_server(&vec![b'x'; 30_000_000], patience, keep_open);
        assert!(matches!(result, Err(Trouble::Late { .. })), "{result:?}");
    }

    /// A listener that takes no more connections: its queue is full.
    fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
        }
        (listener, queued)
    }

    #[test]
    fn a_dead_address_leaves_time_for_the_next() {
        let (hole, _queued) = black_hole();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = [refusing, hole.local_addr().unwrap(), free.local_addr().unwrap()];
        let stream = connect(&addresses, Deadline::after(Duration::from_millis(900))).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[2]);
        let error = connect(&addresses[..2], Deadline::after(Duration::from_millis(100))).unwrap_err().to_string();
        assert!(error.contains(&refusing.to_string()) && error.contains("timed out"), "{error}");
        assert!(connect(&[], Deadline::after(SOON)).unwrap_err().to_string().contains("no address"));
    }

    #[test]
    fn hosts_are_looked_up() {
        let deadline = Deadline::after(SOON);
        assert_eq!(resolve("[::1]", 2003, deadline).unwrap(), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("10.0.0.1", 1, deadline).unwrap(), ["10.0.0.1:1".parse().unwrap()]);
        assert!(resolve("localhost", 2003, deadline).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(matches!(resolve("a b", 1, deadline), Err(Trouble::Lookup(_))));
        let message = deliver("nosuch host", 1, b"", deadline).unwrap_err().to_string();
        assert!(message.starts_with("Carbon at nosuch host:1: the host cannot be looked up: "), "{message}");
    }
}
