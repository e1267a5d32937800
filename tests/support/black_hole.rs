//! An address that swallows every attempt to connect, as a firewall does.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A listener that accepts nothing and whose queue is full: the kernel drops what comes.
pub(crate) struct BlackHole {
    address: SocketAddr,
    /// Nobody accepts these.
    _queue: (TcpListener, Vec<TcpStream>),
}

impl BlackHole {
    /// One on loopback, at a port of the kernel's choice.
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1", 0)
    }

    /// One at this address and port.
    pub(crate) fn at(host: &str, port: u16) -> Self {
        /// The queue of a listener of the standard library, and many more.
        const MOST: usize = 10_000;
        let socket = TcpListener::bind((host, port)).expect("a free port on loopback");
        let address = socket.local_addr().expect("the address just bound");
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue: Vec<_> = (0..MOST).map_while(connect).collect();
        assert!(queue.len() < MOST, "the queue is never full");
        Self { address, _queue: (socket, queue) }
    }

    /// Where nobody answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
