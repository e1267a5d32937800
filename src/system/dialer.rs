//! TCP: names into addresses, and connections.

use super::deadline::Deadline;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What resolves names and opens TCP connections. HTTP does not use it: see
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
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The resolver's own words.
    Failed(String),
    /// The resolver did not answer before the deadline.
    Late,
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

    /// An error that the connection has seen and no call has reported yet.
    ///
    /// # Errors
    /// What the operating system refuses.
    fn take_error(&mut self) -> io::Result<Option<io::Error>>;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemDialer;

impl Dialer for SystemDialer {
    /// The system's resolver knows no deadline. So it runs on a thread of its own, which is left
    /// behind when it is late.
    fn resolve(&self, host: &str, port: u16, deadline: Deadline<'_>) -> Result<Vec<SocketAddr>, ResolveError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let (sender, receiver) = mpsc::channel();
        let host = host.to_owned();
        let lookup = move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            // Nobody receives it any more if it is late.
            let _ = sender.send(found);
        };
        let failed = |cause: io::Error| ResolveError::Failed(cause.to_string());
        thread::Builder::new().name("resolve".to_owned()).spawn(lookup).map_err(failed)?;
        receiver.recv_timeout(deadline.remaining()).map_err(|_| ResolveError::Late)?.map_err(failed)
    }

    fn dial(&self, address: SocketAddr, timeout: Duration) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
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

    fn take_error(&mut self) -> io::Result<Option<io::Error>> {
        TcpStream::take_error(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::SystemClock;

    #[test]
    fn hosts_are_resolved() {
        let resolve =
            |host, port| SystemDialer.resolve(host, port, Deadline::after(&SystemClock, Duration::from_secs(10)));
        assert_eq!(resolve("[::1]", 2003).unwrap(), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("::1", 2003).unwrap(), ["[::1]:2003".parse().unwrap()]);
        assert_eq!(resolve("10.0.0.1", 1).unwrap(), ["10.0.0.1:1".parse().unwrap()]);
        assert!(resolve("localhost", 2003).unwrap().iter().all(|address| address.ip().is_loopback()));
        assert!(matches!(resolve("a b", 1), Err(ResolveError::Failed(_))));
    }
}
