//! An HTTP server that knows what it will be asked, and fails the test if it was not.

use super::{
    TIMEOUT,
    latch::Latch,
    listener::Listener,
    lock, panic_text,
    reply::Reply,
    request::{Received, Wire},
};
use std::{
    net::{SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Listens on loopback until dropped. Dropping it fails the test if a scripted exchange was not
/// asked, something else was, or a handler panicked.
pub(crate) struct Server {
    listener: Listener,
    shared: Arc<Shared>,
}

/// Answers whatever no script covers.
type Handler = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    handler: Option<Handler>,
    state: Mutex<State>,
    /// Another request came.
    arrived: Condvar,
    stopping: Latch,
}

#[derive(Default)]
struct State {
    script: Vec<Exchange>,
    received: Vec<Received>,
    complaints: Vec<String>,
    /// Those that replies wait for; nobody else opens them when the test fails half way.
    latches: Vec<Latch>,
}

struct Exchange {
    line: String,
    headers: Vec<(String, String)>,
    /// Taken when it is asked.
    reply: Option<Reply>,
}

impl Server {
    /// A server that is asked exactly what [`Server::on`] scripts.
    pub(crate) fn start() -> Self {
        Self::listen("127.0.0.1", None)
    }

    /// The same on IPv6's loopback.
    pub(crate) fn start_v6() -> Self {
        Self::listen("::1", None)
    }

    /// A server with logic: `handler` answers what is not scripted.
    pub(crate) fn with(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1", Some(Box::new(handler)))
    }

    fn listen(host: &str, handler: Option<Handler>) -> Self {
        let shared =
            Arc::new(Shared { handler, state: Mutex::default(), arrived: Condvar::new(), stopping: Latch::new() });
        let listener = {
            let shared = Arc::clone(&shared);
            Listener::start(host, move |stream, number| shared.serve(stream, number))
        };
        Self { listener, shared }
    }

    /// Expects one request for `METHOD target`; several for one target are answered in the order
    /// in which they were scripted.
    pub(crate) fn on(&self, line: &str) -> On<'_> {
        On { server: self, line: line.to_owned(), headers: Vec::new() }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens; as text this is what a URL has as its authority.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Everything asked so far, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.shared.state).received.clone()
    }

    /// Everything asked so far as `METHOD target`, sorted: what came side by side has no order.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.requests().iter().map(Received::line).collect();
        lines.sort();
        lines
    }

    /// Waits until so many requests have come in all; they need not have been answered.
    ///
    /// # Panics
    /// When they do not come.
    pub(crate) fn wait_for(&self, requests: usize) {
        let (state, _) = self
            .shared
            .arrived
            .wait_timeout_while(lock(&self.shared.state), TIMEOUT, |state| state.received.len() < requests)
            .unwrap_or_else(PoisonError::into_inner);
        let came = state.received.len();
        drop(state);
        assert!(came >= requests, "waited for {requests} requests, {came} came");
    }

    /// Ends it and says what dropping it would have complained about.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.stop()
    }

    fn stop(&mut self) -> Vec<String> {
        self.shared.stopping.release();
        for latch in lock(&self.shared.state).latches.drain(..) {
            latch.release();
        }
        self.listener.stop();
        let mut state = lock(&self.shared.state);
        let mut complaints = std::mem::take(&mut state.complaints);
        let unasked = state.script.drain(..).filter(|e| e.reply.is_some());
        complaints.extend(unasked.map(|exchange| format!("not asked: {}", exchange.line)));
        complaints
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let complaints = self.stop();
        if complaints.is_empty() {
            return;
        }
        let text = format!("the scripted server:\n  {}", complaints.join("\n  "));
        if thread::panicking() {
            // Often the cause of the assertion that failed.
            eprintln!("{text}");
        } else {
            panic!("{text}");
        }
    }
}

/// A request that is expected, still without its reply.
#[must_use = "an exchange counts once it has a reply"]
pub(crate) struct On<'a> {
    server: &'a Server,
    line: String,
    headers: Vec<(String, String)>,
}

impl On<'_> {
    /// This header has to be in the request, with this value.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it is answered.
    pub(crate) fn reply(self, reply: Reply) {
        lock(&self.server.shared.state).script.push(Exchange {
            line: self.line,
            headers: self.headers,
            reply: Some(reply),
        });
    }
}

impl Shared {
    /// One connection, for as long as both sides keep it.
    fn serve(&self, stream: TcpStream, number: usize) {
        // A delayed packet would look like a slow server.
        stream.set_nodelay(true).expect("a socket option");
        let mut wire = Wire::new(stream);
        loop {
            let received = match wire.request(number) {
                Ok(Some(received)) => received,
                Ok(None) => return,
                Err(why) => return lock(&self.state).complaints.push(why),
            };
            let reply = self.answer(&received);
            self.pass(&reply);
            let closing = received.header("Connection") == Some("close");
            // An error means that the client did not wait for the rest, which is its right.
            match reply.send(&mut wire, &self.stopping) {
                Ok(true) if !closing => {}
                _ => return,
            }
        }
    }

    /// Records the request and decides what it gets.
    fn answer(&self, received: &Received) -> Reply {
        let mut state = lock(&self.state);
        state.received.push(received.clone());
        self.arrived.notify_all();
        let scripted = state.scripted(received);
        drop(state);
        let reply = scripted.unwrap_or_else(|| self.handle(received));
        if let Some(complaint) = reply.complaint() {
            lock(&self.state).complaints.push(complaint.to_owned());
        }
        reply
    }

    fn handle(&self, received: &Received) -> Reply {
        let Some(handler) = &self.handler else {
            return Reply::unexpected(format!("unexpected: {}", received.line()));
        };
        catch_unwind(AssertUnwindSafe(|| handler(received))).unwrap_or_else(|panic| {
            let why = panic_text(panic.as_ref());
            Reply::unexpected(format!("the handler panicked at {}: {why}", received.line()))
        })
    }

    /// Waits for the latch of the reply, if it has one.
    fn pass(&self, reply: &Reply) {
        let Some(latch) = reply.latch() else { return };
        lock(&self.state).latches.push(latch.clone());
        // Whoever stops the server either found the latch in the list or is found out here.
        if !self.stopping.wait_for(Duration::ZERO) && !latch.wait_for(TIMEOUT) {
            let why = "a reply waited in vain for its latch";
            lock(&self.state).complaints.push(why.to_owned());
        }
    }
}

impl State {
    /// The reply of the first exchange left for this request, if it has the headers it should.
    fn scripted(&mut self, received: &Received) -> Option<Reply> {
        let line = received.line();
        let exchange = self.script.iter_mut().find(|exchange| exchange.line == line && exchange.reply.is_some())?;
        let reply = exchange.reply.take();
        for (name, value) in &exchange.headers {
            let sent = received.header(name);
            if sent != Some(value) {
                let why = format!("{line}: {name} should be {value:?} and is {sent:?}");
                return Some(Reply::unexpected(why));
            }
        }
        reply
    }
}
