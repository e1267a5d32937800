//! Accepts connections on loopback with a thread for each, and ends them all.

use super::lock;
use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A listening socket whose threads have all ended when it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    connections: Arc<Connections>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Connections {
    stopping: AtomicBool,
    /// How many there were so far.
    accepted: AtomicUsize,
    /// Second handles to the sockets, by number, which wake a blocked thread. A socket is only closed when
    /// its handle here is removed as well.
    open: Mutex<BTreeMap<usize, TcpStream>>,
}

impl Listener {
    /// Serves each connection to `host`, an IP address, with `serve`, which also gets the number of the
    /// connection, from 1. The kernel chooses the port.
    pub(crate) fn start(host: &str, serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        let socket = TcpListener::bind((host, 0)).expect("a free port on loopback");
        let address = socket.local_addr().expect("the address just bound");
        let connections = Arc::new(Connections::default());
        let acceptor = {
            let connections = Arc::clone(&connections);
            thread::spawn(move || connections.accept(&socket, &Arc::new(serve)))
        };
        Self { address, connections, acceptor: Some(acceptor) }
    }

    /// The address where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.connections.accepted.load(Ordering::SeqCst)
    }

    /// Ends all connections and waits for every thread. Bytes that a client sent before are still read.
    pub(crate) fn stop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        self.connections.stopping.store(true, Ordering::SeqCst);
        // Only one more connection wakes `accept`.
        drop(TcpStream::connect(self.address));
        for stream in lock(&self.connections.open).values() {
            // The client may be gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        acceptor.join().expect("the acceptor does not panic");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Connections {
    fn accept<F>(self: &Arc<Self>, socket: &TcpListener, serve: &Arc<F>)
    where
        F: Fn(TcpStream, usize) + Send + Sync + 'static,
    {
        let mut threads = Vec::new();
        for (number, stream) in (1..).zip(socket.incoming()) {
            let stream = stream.expect("a connection");
            if !self.keep(number, &stream) {
                break;
            }
            let (connections, serve) = (Arc::clone(self), Arc::clone(serve));
            threads.push(thread::spawn(move || {
                serve(stream, number);
                lock(&connections.open).remove(&number);
            }));
        }
        for thread in threads {
            thread.join().expect("serving does not panic");
        }
    }

    /// Records the connection, unless the listener is stopping: then none may be missed.
    fn keep(&self, number: usize, stream: &TcpStream) -> bool {
        let mut open = lock(&self.open);
        if self.stopping.load(Ordering::SeqCst) {
            return false;
        }
        let handle = stream.try_clone().expect("a second handle to a socket");
        open.insert(number, handle);
        self.accepted.store(number, Ordering::SeqCst);
        true
    }
}
