//! Accepting connections on loopback, a thread for each, and ending them all.

use super::lock;
use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
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
    /// Second handles to the sockets, by number, through which a thread blocked in one is woken.
    /// A socket is closed once its handle here has gone, too.
    open: Mutex<BTreeMap<usize, TcpStream>>,
}

impl Listener {
    /// Serves each connection to `host` (an IP address; the port is the kernel's choice) with
    /// `serve`, which also gets its number, from 1.
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

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts what is still connected and waits for every thread; what a client had sent by then
    /// is still read.
    pub(crate) fn stop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        self.connections.stopping.store(true, Ordering::SeqCst);
        // `accept` has no other way to learn of it than one more connection.
        drop(TcpStream::connect(self.address));
        for stream in lock(&self.connections.open).values() {
            // The client may have gone already.
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

    /// Remembers the connection, unless all are being ended: then none may be forgotten.
    fn keep(&self, number: usize, stream: &TcpStream) -> bool {
        let mut open = lock(&self.open);
        if self.stopping.load(Ordering::SeqCst) {
            return false;
        }
        let handle = stream.try_clone().expect("a second handle to a socket");
        open.insert(number, handle);
        true
    }
}
