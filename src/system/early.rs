//! Connections to where hosts were in an earlier run, which open while their names are looked up.

use super::clock::SystemClock;
use super::opening::Opening;
use super::threads::{SystemThreads, lock};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

/// A connection, open or being opened; `None` where that has failed.
type Early<T> = Arc<Opening<Option<T>, Infallible>>;

/// Connections that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct EarlyConnections<T>(Mutex<Vec<(SocketAddr, Early<T>)>>);

impl<T> Default for EarlyConnections<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + 'static> EarlyConnections<T> {
    /// Opens a connection to `address` on a thread of its own, which nobody waits for if it is not wanted. `connect`
    /// must end, and gives `None` if there is no connection. If the machine gives no thread, none is opened.
    pub(crate) fn open(&self, address: SocketAddr, connect: impl FnOnce() -> Option<T> + Send + 'static) {
        let early = Early::default();
        lock(&self.0).push((address, Arc::clone(&early)));
        let work = move || early.open(&SystemClock, || Ok(connect()));
        // Without a thread, whoever needs the connection opens it.
        let _ = thread::Builder::new().name("connect".to_owned()).spawn(work);
    }

    /// Takes a connection to one of these addresses. If it is just being opened, this waits for it. Returns the
    /// address, and `None` with it if there is no connection to it.
    pub(crate) fn take(&self, addresses: &[SocketAddr]) -> Option<(SocketAddr, Option<T>)> {
        let remove = |connections: &mut Vec<(SocketAddr, Early<T>)>| {
            let index = connections.iter().position(|(address, _)| addresses.contains(address))?;
            Some(connections.swap_remove(index))
        };
        let (address, early) = remove(&mut lock(&self.0))?;
        let Ok(connection) = early.take(&SystemThreads, &SystemClock)?;
        Some((address, connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Opens one to the first address, and returns when that has begun.
    fn open(result: Option<&'static str>) -> EarlyConnections<&'static str> {
        let early = EarlyConnections::default();
        let (begun, has_begun) = mpsc::channel();
        early.open(address(1), move || {
            begun.send(()).unwrap();
            result
        });
        has_begun.recv().unwrap();
        early
    }

    #[test]
    fn a_connection_is_taken_once_by_who_wants_its_address() {
        let early = open(Some("open"));
        assert_eq!(early.take(&[address(2)]), None);
        assert_eq!(early.take(&[address(2), address(1)]), Some((address(1), Some("open"))));
        assert_eq!(early.take(&[address(1)]), None);
        assert_eq!(open(None).take(&[address(1)]), Some((address(1), None)));
    }
}
