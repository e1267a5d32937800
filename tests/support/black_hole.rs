//! An address where connection attempts get no answer, as behind a firewall.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A listener that accepts nothing and whose queue is full, so the kernel drops further connections.
pub(crate) struct BlackHole {
    address: SocketAddr,
    /// Nobody accepts these connections.
    _queue: (TcpListener, Vec<TcpStream>),
}

impl BlackHole {
    /// A black hole on loopback, at a port that the kernel chooses.
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1", 0)
    }

    /// A black hole at this address and port.
    pub(crate) fn at(host: &str, port: u16) -> Self {
        /// More than the queue of a listener of the standard library.
        const MOST: usize = 10_000;
        let socket = TcpListener::bind((host, port)).expect("a free port on loopback");
        let address = socket.local_addr().expect("the address just bound");
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue: Vec<_> = (0..MOST).map_while(connect).collect();
        assert!(queue.len() < MOST, "the queue is never full");
        Self { address, _queue: (socket, queue) }
    }

    /// The address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
