//! TCP: names into addresses, and connections.

use super::deadline::Deadline;
use super::limit::Limit;
use super::resolver::{ResolveError, Resolver};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What resolves names and opens TCP connections. Those of HTTP are opened by
/// [`Transport`](crate::Transport).
pub trait Dialer: Sync {
    /// The addresses of a host, which is a name or an address; an IPv6 address with or without
    /// brackets.
    ///
    /// # Errors
    /// When the name has no address, or the answer is not there by the deadline.
    fn resolve(&self, host: &str, port: u16, deadline: Deadline<'_>) -> Result<Vec<SocketAddr>, ResolveError>;

    /// Opens a connection that sends what it is given without delay.
    ///
    /// # Errors
    /// When there is none within `timeout`.
    fn dial(&self, address: SocketAddr, timeout: Duration) -> io::Result<Box<dyn Connection>>;

    /// Learns where hosts were in an earlier run. [`HttpClient`](crate::HttpClient) connects to there while it looks a
    /// name up, and uses the connection if the host still is there.
    fn remember(&self, _: Vec<(String, IpAddr)>) {}

    /// The hosts that HTTP tried to reach and found an address for, for a later run to remember: the address of the last
    /// connection, if all was well with it.
    fn connected(&self) -> Vec<(String, Option<IpAddr>)> {
        Vec::new()
    }
}

/// An open TCP connection.
pub trait Connection: Read + Write + Send {
    /// Bounds every read that follows.
    ///
    /// # Errors
    /// What the operating system refuses.
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()>;

    /// Bounds every write that follows.
    ///
    /// # Errors
    /// What the operating system refuses.
    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()>;

    /// Tells the other side that nothing more will be sent.
    ///
    /// # Errors
    /// What the operating system refuses.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Whether the other side, from which nothing was read yet, still has it open, as far as that is known.
    fn is_open(&mut self) -> bool;

    /// An error that the connection has seen and no call has reported yet.
    ///
    /// # Errors
    /// What the operating system refuses.
    fn take_error(&mut self) -> io::Result<Option<io::Error>>;
}

/// Whether a read or a write came back only because its timeout had passed or a signal came.
pub(crate) fn is_interrupted(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The network of this machine, for one run: it looks each name up once. Clones share what they have looked
/// up.
#[derive(Clone, Debug, Default)]
pub struct SystemDialer(Arc<Resolver>);

impl SystemDialer {
    /// What looks names up.
    pub(crate) fn resolver(&self) -> Arc<Resolver> {
        Arc::clone(&self.0)
    }
}

impl Dialer for SystemDialer {
    fn resolve(&self, host: &str, port: u16, deadline: Deadline<'_>) -> Result<Vec<SocketAddr>, ResolveError> {
        self.0.resolve(host, port, deadline.remaining())
    }

    fn dial(&self, address: SocketAddr, timeout: Duration) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect_timeout(&address, timeout).map_err(Limit::name_in)?;
        // The last segment leaves at once, so that a refusal is seen before the close.
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn remember(&self, hosts: Vec<(String, IpAddr)>) {
        self.0.remember(hosts);
    }

    fn connected(&self) -> Vec<(String, Option<IpAddr>)> {
        self.0.connected()
    }
}

impl Connection for TcpStream {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_read_timeout(self, Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_write_timeout(self, Some(timeout))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn is_open(&mut self) -> bool {
        let peeked = self.set_nonblocking(true).and_then(|()| self.peek(&mut [0]));
        let is_open = peeked.map_or_else(|cause| is_interrupted(&cause), |count| count > 0);
        is_open && self.set_nonblocking(false).is_ok()
    }

    fn take_error(&mut self) -> io::Result<Option<io::Error>> {
        TcpStream::take_error(self)
    }
}
