//! What lies below ureq: how its connections are opened and how their end is read.
//!
//! This uses ureq's interface for transports, which may change in a minor version. So Cargo.toml pins
//! that version, and no other file uses that interface.

use super::url::Url;
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use crate::system::early::EarlyConnections;
use crate::system::opening::Opening;
use crate::system::resolver::{ResolveError, Resolver};
use crate::system::threads::{SystemThreads, lock};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use ureq::http::Uri;
use ureq::unversioned::resolver::{self, ResolvedSocketAddrs};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector,
    Transport as UreqTransport,
};
use ureq::{Agent, Proxy, config::Config};

/// The longest time to open a connection to where a host was in an earlier run. TCP repeats an unanswered request for a
/// connection after a second (<https://www.rfc-editor.org/rfc/rfc6298#section-2>): by then nobody is there, or a packet
/// was lost.
const EARLY_LIMIT: Duration = Duration::from_secs(1);

/// How the requests of one identity reach servers.
#[derive(Debug)]
pub(super) struct Network {
    /// Sends requests. Its connections report a truncated body, and proxies are asked for `http` as they expect it.
    pub(super) agent: Agent,
    connections: Arc<Connections>,
}

impl Network {
    /// A network that takes addresses from `resolver`. `config` has no proxy; a request may have one.
    pub(super) fn new(config: Config, resolver: &Arc<Resolver>) -> Self {
        let forwarding = ForwardingConnector {
            resolver: Arc::clone(resolver),
            early: EarlyConnections::default(),
            tunnel: ConnectProxyConnector::default(),
            tcp: TcpConnector::default(),
            tls: RustlsConnector::default(),
            config: config.clone(),
        };
        let connections = Arc::new(Connections { forwarding, openings: Mutex::default() });
        let connector = RequestConnector(Arc::clone(&connections));
        let agent = Agent::with_parts(config, connector, CachingResolver(Arc::clone(&connections)));
        Self { agent, connections }
    }

    /// Opens a connection to `server` for its first request. `open` sends any request to it by the agent that it is
    /// given, which sends nothing of it.
    pub(super) fn open(&self, server: &Url, open: impl FnOnce(&Agent) -> Result<(), ureq::Error>) {
        let connector = OpeningConnector(Arc::clone(&self.connections));
        let config = self.connections.forwarding.config.clone();
        let opener = Agent::with_parts(config, connector, CachingResolver(Arc::clone(&self.connections)));
        self.connections.opening(server.to_string()).open(&SystemClock, || match open(&opener) {
            Err(ureq::Error::Other(error)) => match error.downcast::<OpenedAhead>() {
                Ok(opened) => Ok(opened.0),
                Err(error) => Err(ureq::Error::Other(error)),
            },
            Err(error) => Err(error),
            Ok(()) => Err(ureq::Error::ConnectionFailed),
        });
    }
}

type HttpConnection = Box<dyn UreqTransport>;
type HttpOpening = Opening<HttpConnection, ureq::Error>;

/// New connections, and those that were opened ahead.
#[derive(Debug)]
struct Connections {
    forwarding: ForwardingConnector,
    /// For each server that was connected to, and for each that will be.
    openings: Mutex<HashMap<String, Arc<HttpOpening>>>,
}

impl Connections {
    fn opening(&self, server: String) -> Arc<HttpOpening> {
        Arc::clone(lock(&self.openings).entry(server).or_default())
    }

    /// Opens a connection. A tunnel of a proxy needs one to the proxy first: that is none of a request, as ureq would
    /// have it, for which the tunnel's first bytes would be a second request.
    fn connect(self: &Arc<Self>, details: &ConnectionDetails<'_>) -> Result<Option<HttpConnection>, ureq::Error> {
        let connections = Arc::clone(self);
        let to_proxy = move |details: &ConnectionDetails<'_>| {
            connections.forwarding.connect(details, None)?.ok_or(ureq::Error::ConnectionFailed)
        };
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::new(to_proxy),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        self.forwarding.connect(&details, None)
    }

    /// The connection that was opened ahead to the server of a request. `None` if there is none any more.
    fn take_opened(&self, details: &ConnectionDetails<'_>) -> Option<Result<HttpConnection, ureq::Error>> {
        let uri = details.uri;
        let server = format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority()?);
        let mut opened = self.opening(server).take(&SystemThreads, &SystemClock)?;
        // An idle TLS connection may have input, which is taken for an end.
        let is_open = opened.as_mut().is_ok_and(|connection| connection.is_tls() || connection.is_open());
        (is_open || opened.is_err()).then_some(opened)
    }
}

/// Connects for a request.
#[derive(Debug)]
struct RequestConnector(Arc<Connections>);

impl Connector<()> for RequestConnector {
    type Out = StrictConnection<HttpConnection>;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(opened) = self.0.take_opened(details) {
            let opened = opened?;
            // In TLS nobody knows whether the server has closed it meanwhile, as it may close one that it has kept open.
            let requests = usize::from(opened.is_tls());
            return Ok(Some(StrictConnection { requests, ..StrictConnection::new(opened) }));
        }
        Ok(self.0.connect(details)?.map(StrictConnection::new))
    }
}

/// Connects, and hands the connection out in an error, so that no request is sent.
#[derive(Debug)]
struct OpeningConnector(Arc<Connections>);

impl Connector<()> for OpeningConnector {
    type Out = HttpConnection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        match self.0.connect(details)? {
            Some(connection) => Err(ureq::Error::Other(Box::new(OpenedAhead(connection)))),
            None => Ok(None),
        }
    }
}

/// A connection that was opened ahead.
#[derive(Debug, thiserror::Error)]
#[error("opened")]
struct OpenedAhead(HttpConnection);

/// Opens connections. ureq sends `http` through a proxy by CONNECT, which many proxies allow for `https`
/// only. So such a request goes to the proxy itself, which is told the whole URL (RFC 9112, section 3.2.2).
#[derive(Debug)]
struct ForwardingConnector {
    resolver: Arc<Resolver>,
    early: EarlyConnections<HttpConnection>,
    /// Asks a proxy for a connection, if the request has one.
    tunnel: ConnectProxyConnector,
    tcp: TcpConnector,
    tls: RustlsConnector,
    /// The configuration of a connection to the proxy itself.
    config: Config,
}

impl ForwardingConnector {
    /// Connects to the server, by a tunnel where there is a proxy.
    fn connect_direct(&self, details: &ConnectionDetails<'_>) -> Result<Option<HttpConnection>, ureq::Error> {
        let (address, opened) = match self.tunnel.connect(details, None::<HttpConnection>)? {
            Some(tunnel) => (None, Box::new(tunnel) as HttpConnection),
            None => self.connect_tcp(details).map(|(address, connection)| (Some(address), connection))?,
        };
        let secured = self.tls.connect(details, Some(opened))?;
        if let (Some(address), Some(host)) = (address, details.uri.host()) {
            self.resolver.note_connection(host, Some(address.ip()));
        }
        Ok(secured.map(|connection| Box::new(connection) as HttpConnection))
    }

    /// Connects to one of the addresses: by an early connection if there is one, else to the first that accepts. One that
    /// failed early is tried last.
    fn connect_tcp(&self, details: &ConnectionDetails<'_>) -> Result<(SocketAddr, HttpConnection), ureq::Error> {
        // With a proxy, ureq counts from before its name was looked up.
        let limit = match details.now {
            Instant::Exact(begun) => details.timeout.after.saturating_sub(begun.elapsed()),
            _ => *details.timeout.after,
        };
        let deadline = Deadline::after(&SystemClock, limit);
        let if_open = |mut connection: HttpConnection| connection.is_open().then_some(connection);
        let early = self.early.take(&details.addrs).map(|(address, early)| (address, early.and_then(if_open)));
        let last = match early {
            Some((address, Some(connection))) => return Ok((address, connection)),
            other => other.map(|(address, _)| address),
        };
        let others = details.addrs.iter().filter(|address| last != Some(**address));
        let mut addresses = others.chain(&last).peekable();
        let mut failure = ureq::Error::ConnectionFailed;
        while let Some(address) = addresses.next() {
            let left = deadline.remaining();
            if left.is_zero() {
                return Err(ureq::Error::Timeout(details.timeout.reason));
            }
            // No address may use up the time of those after it.
            let after = if addresses.peek().is_some() { left / 2 } else { left };
            match self.dial(*address, NextTimeout { after: after.into(), ..details.timeout }, details.resolver) {
                Ok(connection) => return Ok((*address, connection)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// A TCP connection to an address.
    fn dial(
        &self,
        address: SocketAddr,
        timeout: NextTimeout,
        resolver: &dyn resolver::Resolver,
    ) -> Result<HttpConnection, ureq::Error> {
        let mut addrs = resolver.empty();
        addrs.push(address);
        let details = ConnectionDetails {
            uri: &Uri::default(),
            addrs,
            config: &self.config,
            request_level: false,
            resolver,
            now: Instant::now(),
            timeout,
            current_time: Arc::new(Instant::now),
            run_connector: Arc::new(|_: &ConnectionDetails<'_>| Err(ureq::Error::ConnectionFailed)),
            register_shutdown: Arc::new(|_| Ok(())),
        };
        let opened = self.tcp.connect(&details, None::<HttpConnection>)?.ok_or(ureq::Error::ConnectionFailed)?;
        Ok(Box::new(opened))
    }
}

impl Connector<()> for ForwardingConnector {
    type Out = Box<dyn UreqTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(proxy) = details.config.proxy().filter(|_| !details.needs_tls()) else {
            return self.connect_direct(details);
        };
        let to_proxy = ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.resolver.resolve(proxy.uri(), &self.config, details.timeout)?,
            config: &self.config,
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        let connection = self.connect_direct(&to_proxy)?;
        Ok(connection.map(|connection| {
            let server = details.uri.authority().map_or_else(String::new, |server| format!("http://{server}"));
            Box::new(ForwardedConnection { connection, server, credentials: credentials(proxy), is_at_head: true })
                as Box<dyn UreqTransport>
        }))
    }
}

/// The header with the credentials of a proxy, or nothing.
fn credentials(proxy: &Proxy) -> String {
    let (user, password) = (proxy.username().unwrap_or_default(), proxy.password().unwrap_or_default());
    if user.is_empty() && password.is_empty() {
        return String::new();
    }
    format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A connection to a proxy that forwards requests to one server.
struct ForwardedConnection {
    connection: Box<dyn UreqTransport>,
    /// Scheme, host and port of the server.
    server: String,
    credentials: String,
    /// Whether the next output begins a request.
    is_at_head: bool,
}

/// Without the credentials.
impl fmt::Debug for ForwardedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}

impl UreqTransport for ForwardedConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if !std::mem::take(&mut self.is_at_head) {
            return self.connection.transmit_output(amount, timeout);
        }
        // ureq begins a request with `METHOD /path HTTP/1.1`, in one piece.
        let head = absolute_form(&self.connection.buffers().output()[..amount], &self.server, &self.credentials);
        let mut rest = &head[..];
        while !rest.is_empty() {
            let output = self.connection.buffers().output();
            let (part, after) = rest.split_at(rest.len().min(output.len()));
            output[..part.len()].copy_from_slice(part);
            self.connection.transmit_output(part.len(), timeout)?;
            rest = after;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // ureq reads a reply only when the request is complete.
        self.is_at_head = true;
        self.connection.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }
}

/// The beginning of a request, with the whole URL in its first line, and with the credentials after it.
fn absolute_form(head: &[u8], server: &str, credentials: &str) -> Vec<u8> {
    let path = head.iter().position(|byte| *byte == b' ').map_or(0, |space| space + 1);
    let headers = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |end| end + 1);
    [&head[..path], server.as_bytes(), &head[path..headers], credentials.as_bytes(), &head[headers..]].concat()
}

/// ureq takes a connection that breaks for the end of a body without a length. A reset, and a TLS
/// connection that ends without `close_notify`, may have cut the body. So both become another error.
///
/// The end of a connection that a server had kept open, before anything of a reply, becomes [`StaleConnection`].
#[derive(Debug)]
struct StrictConnection<C> {
    connection: C,
    /// How many requests it has been used for.
    requests: usize,
    /// Whether the last thing that happened was input.
    has_input: bool,
}

impl<C> StrictConnection<C> {
    fn new(connection: C) -> Self {
        // The first output begins a request, as the output after each reply does.
        Self { connection, requests: 0, has_input: true }
    }

    /// Whether the server may have closed it before it saw the request.
    fn may_be_stale(&self) -> bool {
        self.requests > 1 && !self.has_input
    }
}

impl<C: UreqTransport> UreqTransport for StrictConnection<C> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if std::mem::take(&mut self.has_input) {
            self.requests += 1;
        }
        self.connection.transmit_output(amount, timeout).map_err(|error| match error {
            ureq::Error::Io(cause) if self.may_be_stale() && is_broken(&cause) => StaleConnection::error(cause),
            error => error,
        })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        match self.connection.await_input(timeout) {
            Ok(false) if self.may_be_stale() => Err(StaleConnection::error(ErrorKind::UnexpectedEof.into())),
            Err(ureq::Error::Io(cause)) if is_broken(&cause) && self.may_be_stale() => {
                Err(StaleConnection::error(cause))
            }
            Err(ureq::Error::Io(cause)) if is_broken(&cause) => Err(ureq::Error::Io(io::Error::other(cause))),
            result => {
                self.has_input |= matches!(result, Ok(true));
                result
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.connection.is_open()
    }

    fn is_tls(&self) -> bool {
        self.connection.is_tls()
    }
}

fn is_broken(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
    )
}

/// The server closed a connection that it had kept open, and sent nothing of a reply. It may do so at any time, so
/// this says nothing about the request (<https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1>).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct StaleConnection(io::Error);

impl StaleConnection {
    fn error(cause: io::Error) -> ureq::Error {
        ureq::Error::Other(Box::new(Self(cause)))
    }

    /// Whether `error` is this.
    pub(super) fn is(error: &ureq::Error) -> bool {
        matches!(error, ureq::Error::Other(error) if error.is::<Self>())
    }
}

/// ureq asks for the addresses of a server before each request, also on a connection that is open.
#[derive(Clone, Debug)]
struct CachingResolver(Arc<Connections>);

impl CachingResolver {
    /// Opens a connection to where the host was in an earlier run, if its name is just being looked up. It is used only
    /// if the answer has this address: so nothing is sent to where the host is no more.
    fn open_early(&self, host: &str, port: u16, timeout: NextTimeout) {
        let forwarding = &self.0.forwarding;
        let Some(address) = forwarding.resolver.remembered_address(host, *timeout.after) else { return };
        let address = SocketAddr::new(address, port);
        let timeout = NextTimeout { after: EARLY_LIMIT.min(timeout.after), ..timeout };
        let this = self.clone();
        forwarding.early.open(address, move || this.0.forwarding.dial(address, timeout, &this).ok());
    }
}

impl resolver::Resolver for CachingResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        self.open_early(host, port, timeout);
        let addresses =
            self.0.forwarding.resolver.resolve(host, port, *timeout.after).map_err(|error| match error {
                ResolveError::Failed(_) => ureq::Error::HostNotFound,
                ResolveError::Limit(limit) => ureq::Error::Io(io::Error::other(limit)),
                ResolveError::TimedOut => ureq::Error::Timeout(timeout.reason),
            })?;
        let mut resolved = self.empty();
        for address in addresses {
            // ureq holds 16 addresses. More are not tried.
            let _ = resolved.try_push(address);
        }
        if resolved.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(resolved) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{IpAddr, TcpListener};
    use std::sync::mpsc;
    use std::thread::{self, JoinHandle};
    use ureq::unversioned::transport::LazyBuffers;

    const HOST: &str = "provider.test";

    /// A network that finds addresses in this way.
    fn network(ask: fn(&str) -> io::Result<Vec<IpAddr>>) -> Network {
        let limit = Some(std::time::Duration::from_secs(60));
        let config = Agent::config_builder().proxy(None).timeout_global(limit).build();
        Network::new(config, &Arc::new(Resolver::asking(ask)))
    }

    /// Asks [`HOST`] for a document. Returns it, and where there was a connection.
    fn get(network: &Network, port: u16) -> (String, Option<IpAddr>) {
        let mut response = network.agent.get(format!("http://{HOST}:{port}/")).call().unwrap();
        let connected = network.connections.forwarding.resolver.connected();
        (response.body_mut().read_to_string().unwrap(), connected[0].1)
    }

    /// Keeps a lookup going until something has happened.
    fn wait_for(happened: &Mutex<bool>) {
        while !*lock(happened) {
            thread::yield_now();
        }
    }

    /// Answers one request.
    fn serve(listener: TcpListener) -> JoinHandle<()> {
        thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            assert!(stream.read(&mut [0; 1_024]).unwrap() > 0, "no request");
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
        })
    }

    #[test]
    #[cfg(target_os = "linux")] // Others have no second address of loopback.
    fn a_host_that_has_moved_gets_the_request_where_it_is_now() {
        static ACCEPTED: Mutex<bool> = Mutex::new(false);
        let network = network(|_| {
            wait_for(&ACCEPTED);
            Ok(vec![[127, 0, 0, 2].into()])
        });
        network.connections.forwarding.resolver.remember(vec![(HOST.to_owned(), [127, 0, 0, 1].into())]);
        let earlier = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = earlier.local_addr().unwrap().port();
        let now = serve(TcpListener::bind(("127.0.0.2", port)).unwrap());
        let accepted = thread::spawn(move || {
            let stream = earlier.accept().unwrap().0;
            *lock(&ACCEPTED) = true;
            stream
        });
        assert_eq!(get(&network, port), ("ok".to_owned(), Some([127, 0, 0, 2].into())));
        now.join().unwrap();
        drop(network);
        assert_eq!(accepted.join().unwrap().read(&mut [0]).unwrap(), 0, "nothing is sent to where it was");
    }

    #[test]
    fn an_early_connection_that_the_server_has_closed_is_not_used() {
        static CLOSED: Mutex<bool> = Mutex::new(false);
        let network = network(|_| {
            wait_for(&CLOSED);
            Ok(vec![[127, 0, 0, 1].into()])
        });
        network.connections.forwarding.resolver.remember(vec![(HOST.to_owned(), [127, 0, 0, 1].into())]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = thread::spawn(move || {
            drop(listener.accept().unwrap());
            *lock(&CLOSED) = true;
            serve(listener).join().unwrap();
        });
        assert_eq!(get(&network, port).0, "ok");
        served.join().unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_address_that_has_failed_early_is_tried_last() {
        let network = network(|_| Ok(vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()]));
        // It would take a connection.
        let failed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = failed.local_addr().unwrap();
        let (begun, has_begun) = mpsc::channel();
        network.connections.forwarding.early.open(address, move || {
            begun.send(()).unwrap();
            None
        });
        has_begun.recv().unwrap();
        let other = serve(TcpListener::bind(("127.0.0.2", address.port())).unwrap());
        assert_eq!(get(&network, address.port()), ("ok".to_owned(), Some([127, 0, 0, 2].into())));
        other.join().unwrap();
    }

    #[test]
    fn the_time_that_is_over_does_not_count_again() {
        let network = network(|host| panic!("{host} was looked up"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let resolver = CachingResolver(Arc::clone(&network.connections));
        let mut addrs = resolver::Resolver::empty(&resolver);
        addrs.push(listener.local_addr().unwrap());
        let (reason, after) = (ureq::Timeout::Connect, Duration::from_secs(1));
        let begun = std::time::Instant::now().checked_sub(*Duration::from_secs(2)).unwrap();
        let details = ConnectionDetails {
            uri: &Uri::default(),
            addrs,
            config: &network.connections.forwarding.config,
            request_level: false,
            resolver: &resolver,
            now: Instant::Exact(begun),
            timeout: NextTimeout { after, reason, per_read: None, per_write: None },
            current_time: Arc::new(Instant::now),
            run_connector: Arc::new(|_: &ConnectionDetails<'_>| panic!("a proxy was asked")),
            register_shutdown: Arc::new(|_| Ok(())),
        };
        let result = network.connections.forwarding.connect_tcp(&details).map(drop);
        assert!(matches!(result, Err(ureq::Error::Timeout(ureq::Timeout::Connect))), "{result:?}");
    }

    /// A connection that fails in one way.
    #[derive(Debug)]
    struct Failing(ErrorKind, LazyBuffers);

    impl UreqTransport for Failing {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.1
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            Err(ureq::Error::Io(self.0.into()))
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn a_request_to_a_proxy_names_the_server() {
        let form = |head: &str, credentials| {
            String::from_utf8(absolute_form(head.as_bytes(), "http://h:1", credentials)).unwrap()
        };
        assert_eq!(form("GET /a?b=c HTTP/1.1\r\nHost: h\r\n", ""), "GET http://h:1/a?b=c HTTP/1.1\r\nHost: h\r\n");
        assert_eq!(form("GET / HTTP/1.1\r\nA: b\r\n", "P: q\r\n"), "GET http://h:1/ HTTP/1.1\r\nP: q\r\nA: b\r\n");
    }

    #[test]
    fn a_broken_connection_is_not_taken_for_the_end_of_a_body() {
        let timeout = NextTimeout {
            after: Duration::from_secs(1),
            reason: ureq::Timeout::RecvBody,
            per_read: None,
            per_write: None,
        };
        let kind = |kind| match StrictConnection::new(Failing(kind, LazyBuffers::new(1, 1))).await_input(timeout) {
            Err(ureq::Error::Io(cause)) => cause.kind(),
            other => panic!("{other:?}"),
        };
        // These three ureq takes for an end.
        for broken in [ErrorKind::UnexpectedEof, ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset] {
            assert_eq!(kind(broken), ErrorKind::Other, "{broken}");
        }
        assert_eq!(kind(ErrorKind::TimedOut), ErrorKind::TimedOut);
    }
}
