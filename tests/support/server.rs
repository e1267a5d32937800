//! An HTTP server with a script of expected requests. It makes the test fail if a request is missing or
//! unexpected.

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

/// Listens on loopback until dropped. Dropping it makes the test fail if a scripted request was not made, if
/// there was an unexpected one, or if a handler panicked.
pub(crate) struct Server {
    listener: Listener,
    shared: Arc<Shared>,
}

/// Replies to requests that are not scripted.
type Handler = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    handler: Option<Handler>,
    state: Mutex<State>,
    /// Signals a new request.
    arrived: Condvar,
    stopping: Latch,
}

#[derive(Default)]
struct State {
    script: Vec<Exchange>,
    received: Vec<Received>,
    complaints: Vec<String>,
    /// Latches of replies; when a test fails half way, nobody else releases them.
    latches: Vec<Latch>,
}

struct Exchange {
    line: String,
    headers: Vec<(String, String)>,
    /// Taken by the request.
    reply: Option<Reply>,
}

impl Server {
    /// A server that expects exactly the requests that [`Server::on`] scripts.
    pub(crate) fn start() -> Self {
        Self::listen("127.0.0.1", None)
    }

    /// The same on IPv6's loopback.
    pub(crate) fn start_v6() -> Self {
        Self::listen("::1", None)
    }

    /// A server whose `handler` replies to requests that are not scripted.
    pub(crate) fn with(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1", Some(Box::new(handler)))
    }

    /// The same on another address.
    pub(crate) fn at(host: &str, handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(host, Some(Box::new(handler)))
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

    /// Expects one request for `METHOD target`. Several for the same target get their replies in the order of
    /// the script.
    pub(crate) fn on(&self, line: &str) -> On<'_> {
        On { server: self, line: line.to_owned(), headers: Vec::new() }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The address where it listens; as text this is the authority of its URL.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// How many connections it has accepted so far, with a request or without.
    pub(crate) fn connections(&self) -> usize {
        self.listener.accepted()
    }

    /// All requests so far, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.shared.state).received.clone()
    }

    /// All requests so far as `METHOD target`, sorted, as parallel requests have no order.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.requests().iter().map(Received::line).collect();
        lines.sort();
        lines
    }

    /// Waits until so many requests have come in all; they may still be without a reply.
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

    /// Ends it and returns the complaints that would make the test fail.
    pub(crate) fn into_complaints(mut self) -> Vec<String> {
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
        let missing = state.script.drain(..).filter(|e| e.reply.is_some());
        complaints.extend(missing.map(|exchange| format!("missing request: {}", exchange.line)));
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
            // This is often the cause of the failed assertion.
            eprintln!("{text}");
        } else {
            panic!("{text}");
        }
    }
}

/// An expected request, still without its reply.
#[must_use = "an exchange counts once it has a reply"]
pub(crate) struct On<'a> {
    server: &'a Server,
    line: String,
    headers: Vec<(String, String)>,
}

impl On<'_> {
    /// Requires a header with this value.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the reply.
    pub(crate) fn reply(self, reply: Reply) {
        lock(&self.server.shared.state).script.push(Exchange {
            line: self.line,
            headers: self.headers,
            reply: Some(reply),
        });
    }
}

impl Shared {
    /// Serves one connection until either side closes it.
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
            self.hold(&reply);
            let closing = received.header("Connection") == Some("close");
            // An error means that the client closed the connection early, which it may.
            match reply.send(&mut wire, &self.stopping) {
                Ok(true) if !closing => {}
                _ => return,
            }
        }
    }

    /// Records the request and chooses its reply.
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
    fn hold(&self, reply: &Reply) {
        let Some(latch) = reply.latch() else { return };
        lock(&self.state).latches.push(latch.clone());
        // The latch is in the list before `stopping` is read, so a server that stops cannot miss
        // it.
        if !self.stopping.wait_for(Duration::ZERO) && !latch.wait_for(TIMEOUT) {
            let why = "a reply waited in vain for its latch";
            lock(&self.state).complaints.push(why.to_owned());
        }
    }
}

impl State {
    /// The reply of the first scripted exchange for this request, if the request has the required headers.
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
