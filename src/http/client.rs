//! HTTP over real sockets. Only this file and `connect.rs` name ureq, the library that does it.

use super::body::{Body, BodyBuffer, MemoryBudget, UNCOUNTED_BYTES};
use super::connect::{Network, StaleConnection};
use super::encoding::{self, Damaged};
use super::proxy::{NetworkConfig, Proxies};
use super::redirect::RedirectTarget;
use super::request::{Request, Response};
use super::retry::parse_retry_after;
use super::transport::{Transport, TransportError};
use super::url::Url;
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::system::dialer::SystemDialer;
use crate::system::limit::Limit;
use crate::system::resolver::Resolver;
use crate::system::threads::lock;
use crate::system::tls::{self, ClientIdentity};
use crate::util::sanitize::excerpt;
use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, AsSendBody, Timeout, http};

/// The `User-Agent` header of every request. Some APIs refuse requests without one.
const USER_AGENT: &str = concat!("datametrics/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");

/// The longest time for one request, whatever the deadline of the run.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The longest time to open a connection. To resolve a name may take as long as the request: the
/// system's resolver asks the second name server only after five seconds. So may a proxy take, which
/// resolves the name itself.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The number of redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;
/// The size of the input buffer of a connection; the output buffer has half of it. Both are filled with
/// zeros for each connection. With ureq's default of 128 KiB for each, that would be a third of the
/// instructions of a small run.
const BUFFER_BYTES: usize = 32 << 10;
/// The longest path, and the longest header, that is sent. ureq needs room for it in the output buffer,
/// together with the method and the version.
const MAX_LINE_BYTES: usize = BUFFER_BYTES / 2 - 32;
/// A long body is read in steps of this many bytes.
const STEP_BYTES: usize = 1 << 20;
/// The longest part of the body of an error that is read, in bytes.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// HTTP over real sockets. Connections are kept open and shared between threads.
#[derive(Debug)]
pub struct HttpClient {
    /// For requests without an identity.
    network: Arc<Network>,
    /// For requests with one. Connections that show a certificate are used for nothing else.
    networks_with_identity: Mutex<Vec<(Arc<ClientIdentity>, Arc<Network>)>>,
    proxies: Proxies,
    /// The trusted authorities.
    roots: RootCerts,
    /// Whether these are others than the built-in ones.
    has_own_roots: bool,
    resolver: Arc<Resolver>,
    budget: MemoryBudget,
}

impl HttpClient {
    /// A client for this network, for one run. It looks names up as `dialer` does, together with it. It opens
    /// and loads nothing before the first request.
    pub fn new(network: &NetworkConfig, dialer: &SystemDialer) -> Self {
        let roots =
            network.roots.as_ref().map_or(RootCerts::WebPki, |pem| RootCerts::new_with_certs(&certificates(pem)));
        Self {
            network: network_of(roots.clone(), None, &dialer.resolver()),
            networks_with_identity: Mutex::default(),
            roots,
            resolver: dialer.resolver(),
            proxies: network.proxies.clone(),
            has_own_roots: network.roots.is_some(),
            budget: MemoryBudget::default(),
        }
    }
}

impl Transport for HttpClient {
    /// Sends a request. Redirects are followed if they stay on the server and the request is a GET.
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
        let deadline = deadline.within(REQUEST_LIMIT);
        let server = &request.server;
        let mut path = request.path.expose().to_owned();
        for _ in 0..=MAX_REDIRECTS {
            if deadline.is_past() {
                return Err(TransportError::Timeout {
                    host: server.host.clone(),
                    reason: "the time of the run is over",
                });
            }
            if !fits(request, &path) {
                return Err(TransportError::TooLongRequest { host: server.host.clone(), limit: MAX_LINE_BYTES });
            }
            let mut result = self.send_once(request, &path, deadline);
            // All requests are safe to repeat. Each of them takes the closed connection out of the pool.
            while result.as_ref().is_err_and(StaleConnection::is) && !deadline.is_past() {
                result = self.send_once(request, &path, deadline);
            }
            // A host that is ill at one of its addresses may be well at another one.
            if !result.as_ref().is_ok_and(|hop| hop.response.status < 500) {
                let proxy = self.proxies.proxy_for(server).and_then(|proxy| ureq::Proxy::new(proxy.expose()).ok());
                self.resolver.note_connection(proxy.as_ref().map_or(&server.host, ureq::Proxy::host), None);
            }
            let Hop { response, location } = result.map_err(|error| self.map_error(server, error))?;
            let Some(location) = location.filter(|_| (300..400).contains(&response.status)) else {
                return Ok(response);
            };
            match RedirectTarget::resolve(server, &path, &location) {
                RedirectTarget::SameServer(_) if request.body.is_some() => return Ok(response),
                RedirectTarget::SameServer(target) => path = target,
                RedirectTarget::OtherServer(_) => {
                    // Masked before it is taken apart, which may cut a secret.
                    let masked = RedirectTarget::resolve(server, "", &request.secrets.sanitize(&location, usize::MAX));
                    return Ok(Response { redirect: Some(excerpt(&masked.into_other_server())), ..response });
                }
            }
        }
        let reason = format!("more than {MAX_REDIRECTS} redirects");
        Err(TransportError::Protocol { host: server.host.clone(), reason })
    }

    fn open(&self, request: &Request, deadline: Deadline<'_>) {
        // What cannot be opened now, the request itself will report.
        let Ok(network) = self.network_for(request) else { return };
        let deadline = deadline.within(REQUEST_LIMIT);
        network.open(&request.server, |agent| {
            let any = http::Request::builder().method(http::Method::GET).uri(format!("{}/", request.server)).body(())?;
            self.run(agent, request, any, deadline).map(drop)
        });
    }

    fn secrets(&self, server: &Url) -> Vec<Secret> {
        let credentials = self.proxy_for(server).and_then(|proxy| proxy.credentials);
        credentials.map_or_else(Vec::new, |credentials| credentials.secrets().into())
    }
}

/// A network for one run that trusts these authorities. `client` is whom it says it is.
fn network_of(roots: RootCerts, client: Option<ClientCert>, resolver: &Arc<Resolver>) -> Arc<Network> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(USER_AGENT)
        .accept_encoding(encoding::ACCEPTED)
        .tls_config(TlsConfig::builder().root_certs(roots).client_cert(client).build())
        .input_buffer_size(BUFFER_BYTES)
        // Headers that fill the whole input buffer would be reported as a cut connection.
        .max_response_header_size(BUFFER_BYTES / 2)
        .output_buffer_size(BUFFER_BYTES / 2)
        .max_idle_connections_per_host(64)
        .build();
    Arc::new(Network::new(config, resolver))
}

/// The certificates in a text of PEM.
fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let items = ureq::tls::parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    items.collect()
}

/// Whether ureq can send the path and each header.
fn fits(request: &Request, path: &str) -> bool {
    let mut headers = request.headers.iter().map(|(name, value)| name.len() + value.expose().len());
    path.len() <= MAX_LINE_BYTES && headers.all(|length| length <= MAX_LINE_BYTES)
}

/// A response that may be a redirect.
struct Hop {
    response: Response,
    /// The `Location` header.
    location: Option<String>,
}

impl HttpClient {
    /// Sends a request to a path, and reads the reply. Redirects are not followed.
    fn send_once(&self, request: &Request, path: &str, deadline: Deadline<'_>) -> Result<Hop, ureq::Error> {
        let mut builder = http::Request::builder().uri(format!("{}{path}", request.server));
        for (name, value) in &request.headers {
            builder = builder.header(name, value.expose());
        }
        let network = self.network_for(request)?;
        let response = match request.body.as_deref() {
            Some(body) => {
                self.run(&network.agent, request, builder.method(http::Method::POST).body(body)?, deadline)?
            }
            None => self.run(&network.agent, request, builder.method(http::Method::GET).body(())?, deadline)?,
        };
        self.read_response(request, response, deadline)
    }

    fn run(
        &self,
        agent: &Agent,
        request: &Request,
        http_request: http::Request<impl AsSendBody>,
        deadline: Deadline<'_>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let proxy = self.proxies.proxy_for(&request.server);
        let proxy = proxy.map(|proxy| ureq::Proxy::new(proxy.expose())).transpose()?;
        let limit = deadline.remaining();
        // Shorter than the global timeout, so that an unreachable server is not reported as slow.
        let resolve_limit = limit.mul_f64(0.9);
        let connect_limit = if proxy.is_some() { resolve_limit } else { CONNECT_LIMIT.min(resolve_limit) };
        let configured = agent
            .configure_request(http_request)
            .timeout_global(Some(limit))
            .timeout_resolve(Some(resolve_limit))
            .timeout_connect(Some(connect_limit))
            .proxy(proxy)
            .build();
        agent.run(configured)
    }

    /// The network that has the identity of this request.
    fn network_for(&self, request: &Request) -> Result<Arc<Network>, ureq::Error> {
        let Some(identity) = &request.identity else { return Ok(Arc::clone(&self.network)) };
        let mut networks = lock(&self.networks_with_identity);
        if let Some((_, network)) = networks.iter().find(|(of, _)| Arc::ptr_eq(of, identity)) {
            return Ok(Arc::clone(network));
        }
        // ureq wants them to fit together, which the settings have tried.
        let key = PrivateKey::from_pem(&identity.key)?;
        let client = ClientCert::new_with_certs(&certificates(&identity.certificates), key);
        let network = network_of(self.roots.clone(), Some(client), &self.resolver);
        networks.push((Arc::clone(identity), Arc::clone(&network)));
        Ok(network)
    }

    fn read_response(
        &self,
        request: &Request,
        response: http::Response<ureq::Body>,
        deadline: Deadline<'_>,
    ) -> Result<Hop, ureq::Error> {
        let (parts, body) = response.into_parts();
        if self.is_refusal_of_proxy(&request.server, parts.status, &parts.headers) {
            return Err(ureq::Error::Other(Box::new(RefusedByProxy(parts.status.as_u16()))));
        }
        let retry_after = parts.headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| parse_retry_after(text, SystemTime::now()));
        let remaining = request.remaining.as_ref().and_then(|remaining| {
            let value = parts.headers.get(&remaining.header)?;
            remaining.read(value.to_str().ok()?)
        });
        // A header that is not UTF-8 counts too, as it makes the reply a redirect.
        let location = parts.headers.get(http::header::LOCATION);
        let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = decode_body(request, &parts.headers, body);
        let body = if parts.status.is_success() {
            self.read_body(request, body?, deadline)?
        } else {
            // The status says what is wrong, also if the body breaks off or cannot be decoded.
            let mut beginning = Vec::new();
            match body {
                Ok(body) => {
                    let limit = MAX_ERROR_BYTES.min(request.max_body);
                    let _ = body.into_reader().take(limit).read_to_end(&mut beginning);
                }
                Err(error) => beginning = self.map_error(&request.server, error).to_string().into(),
            }
            beginning.into()
        };
        let response = Response { status: parts.status.as_u16(), retry_after, remaining, redirect: None, body };
        Ok(Hop { response, location })
    }

    /// Reads a whole body. A long one takes memory from the budget.
    fn read_body(&self, request: &Request, body: ureq::Body, deadline: Deadline<'_>) -> Result<Body, ureq::Error> {
        let length = body.content_length().filter(|length| *length <= request.max_body);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let mut reader = body.into_with_config().limit(request.max_body).reader();
        let mut beginning = Vec::new();
        if length.is_none_or(|length| length < UNCOUNTED_BYTES) {
            beginning.reserve_exact(length.unwrap_or_default());
            reader.by_ref().take(UNCOUNTED_BYTES as u64).read_to_end(&mut beginning)?;
            if beginning.len() < UNCOUNTED_BYTES {
                return Ok(beginning.into());
            }
        }
        let Some(mut buffer) = self.budget.reserve(&request.server.to_string(), deadline) else {
            return Err(ureq::Error::Other(Box::new(BudgetExceeded::Server)));
        };
        read_long_body(&mut beginning.as_slice().chain(reader), &mut buffer)?;
        Ok(buffer.into_body())
    }

    /// Whether a reply that came through a proxy without a tunnel is surely the proxy's own refusal. Squid names its
    /// errors in a header, and Tinyproxy itself; it refuses wrong credentials with 401. Anything else is taken for the
    /// server's.
    fn is_refusal_of_proxy(&self, server: &Url, status: http::StatusCode, headers: &http::HeaderMap) -> bool {
        if server.scheme != "http" || self.proxy_for(server).is_none() {
            return false;
        }
        let is_tinyproxy = |name: &http::HeaderValue| name.as_bytes().starts_with(b"tinyproxy");
        let is_own = headers.contains_key("x-squid-error")
            || headers.contains_key(http::header::PROXY_AUTHENTICATE)
            || headers.get(http::header::SERVER).is_some_and(is_tinyproxy) && !headers.contains_key(http::header::VIA);
        match status.as_u16() {
            407 => true,
            401 | 403 => is_own,
            _ => false,
        }
    }

    /// The proxy for requests to `server`, if there is one.
    fn proxy_for(&self, server: &Url) -> Option<Url> {
        Url::parse(self.proxies.proxy_for(server)?.expose()).ok()
    }

    /// Translates an error of a request to `server`.
    fn map_error(&self, server: &Url, error: ureq::Error) -> TransportError {
        let host = server.host.clone();
        let Some(proxy) = self.proxy_for(server) else {
            return map_error(host, error, self.has_own_roots);
        };
        match refusal_of_proxy(&error) {
            Some(status) => TransportError::Proxy {
                host,
                proxy: proxy.to_string(),
                status,
                advice: proxy_advice(status, &server.scheme, proxy.credentials.is_some()),
            },
            // The proxy looks up the name of the server.
            None if matches!(error, ureq::Error::HostNotFound) => {
                TransportError::Resolve(format!("of the proxy {proxy}"))
            }
            // The proxy may be at fault instead.
            None => map_error(format!("{host} by the proxy {proxy}"), error, self.has_own_roots),
        }
    }
}

/// The status of a proxy that does not pass a request on.
#[derive(Debug, thiserror::Error)]
#[error("HTTP {0}")]
struct RefusedByProxy(u16);

/// The status with which a proxy has refused, if `error` is that.
fn refusal_of_proxy(error: &ureq::Error) -> Option<u16> {
    match error {
        // The only place where ureq tells the status is its text: "proxy server responded 407/407".
        ureq::Error::ConnectProxyFailed(text) => {
            text.split(|letter: char| !letter.is_ascii_digit()).find_map(|word| word.parse().ok())
        }
        ureq::Error::Other(error) => error.downcast_ref::<RefusedByProxy>().map(|refused| refused.0),
        _ => None,
    }
}

/// What to do about a proxy that refuses with this status.
fn proxy_advice(status: u16, scheme: &str, has_credentials: bool) -> String {
    let variable = if scheme == "https" { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    match status {
        401 | 407 if has_credentials => format!("are the user and the password in {variable} right?"),
        401 | 407 => format!("it wants a user and a password: write {variable} as http://user:password@host:port"),
        403 => "its rules forbid this host or this port".to_owned(),
        _ => "can it reach the server?".to_owned(),
    }
}

/// Undoes the encodings of a body.
fn decode_body(request: &Request, headers: &http::HeaderMap, body: ureq::Body) -> Result<ureq::Body, ureq::Error> {
    let values = headers.get_all(http::header::CONTENT_ENCODING).iter();
    let value = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(", ");
    match encoding::parse(&value).as_deref() {
        Some([]) => Ok(body),
        Some(encodings) => Ok(ureq::Body::builder().reader(encoding::decode(encodings, body.into_reader())?)),
        None => match encoding::plain_json(body.into_reader())? {
            Some(plain) => Ok(ureq::Body::builder().reader(plain)),
            None => Err(ureq::Error::Other(Box::new(UnknownEncoding(request.excerpt(&value))))),
        },
    }
}

/// Reads a body into a buffer.
fn read_long_body(reader: &mut impl Read, buffer: &mut BodyBuffer) -> Result<(), ureq::Error> {
    loop {
        if buffer.unfilled().is_empty() && !buffer.try_reserve(STEP_BYTES) {
            return Err(ureq::Error::Other(Box::new(BudgetExceeded::Run)));
        }
        match reader.read(buffer.unfilled()) {
            Ok(0) => return Ok(()),
            Ok(bytes) => buffer.advance(bytes),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Why there is no memory for a long body.
#[derive(Debug, thiserror::Error)]
enum BudgetExceeded {
    /// Another long body of the same server is still in use.
    #[error("a long reply of its own was not read in time")]
    Server,
    /// All long bodies of the run together need more than the budget.
    #[error("the replies of this run take all the memory there is for them")]
    Run,
}

/// The encodings of a body, if one of them cannot be undone.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UnknownEncoding(String);

/// Translates an error of ureq. Some of ureq's own messages hold the URL, so they are not used.
fn map_error(host: String, error: ureq::Error, has_own_roots: bool) -> TransportError {
    match error {
        ureq::Error::HostNotFound => TransportError::Resolve(host),
        ureq::Error::Timeout(timeout) => TransportError::Timeout { host, reason: timeout_phase(timeout) },
        ureq::Error::BodyExceedsLimit(limit) => TransportError::TooLong { host, limit },
        ureq::Error::ConnectProxyFailed(_) => {
            TransportError::Connect { host, reason: "the proxy closed the connection without an answer".into() }
        }
        ureq::Error::InvalidProxyUrl => TransportError::Connect { host, reason: "the proxy's URL is wrong".into() },
        ureq::Error::ConnectionFailed => TransportError::Connect { host, reason: "it failed".into() },
        ureq::Error::Protocol(error) => TransportError::Protocol { host, reason: error.to_string() },
        ureq::Error::LargeResponseHeader(_, limit) => {
            TransportError::Protocol { host, reason: format!("its headers are longer than {limit} bytes") }
        }
        ureq::Error::Rustls(error) => {
            TransportError::Tls { host, reason: tls::advice(&error.to_string(), has_own_roots) }
        }
        ureq::Error::Tls(reason) => TransportError::Tls { host, reason: reason.into() },
        ureq::Error::Http(_) => TransportError::Protocol { host, reason: "a header or the path cannot be sent".into() },
        ureq::Error::Other(error) if error.is::<BudgetExceeded>() => {
            TransportError::BudgetExceeded { host, reason: error.to_string() }
        }
        ureq::Error::Other(error) if error.is::<UnknownEncoding>() => {
            TransportError::UnknownEncoding { host, encoding: error.to_string() }
        }
        ureq::Error::Io(error) => map_io_error(host, &error, has_own_roots),
        error if StaleConnection::is(&error) => TransportError::Cut(host),
        _ => TransportError::Protocol { host, reason: "an error of an unknown kind".into() },
    }
}

fn map_io_error(host: String, error: &io::Error, has_own_roots: bool) -> TransportError {
    if let Some(limit) = Limit::of(error) {
        return TransportError::Limit { host, limit };
    }
    let text = error.to_string();
    if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Damaged>) {
        return TransportError::Damaged { host, reason: text };
    }
    match error.kind() {
        // ureq reports errors of certificates and handshakes with this kind.
        ErrorKind::InvalidData => TransportError::Tls { host, reason: tls::advice(&text, has_own_roots) },
        ErrorKind::ConnectionRefused
        | ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => TransportError::Connect { host, reason: text },
        ErrorKind::TimedOut | ErrorKind::WouldBlock => TransportError::Timeout { host, reason: "the network" },
        _ => TransportError::Cut(host),
    }
}

fn timeout_phase(timeout: Timeout) -> &'static str {
    match timeout {
        Timeout::Resolve => "resolving its name",
        Timeout::Connect => "connecting",
        _ => "waiting for its answer",
    }
}
