//! HTTP over real sockets. No other file names the library behind it.

use super::body::{Body, FREE, MemoryBudget};
use super::proxy::{NetworkConfig, Proxies};
use super::request::{Request, Response};
use super::transport::{Transport, TransportError};
use super::url::Url;
use crate::system::deadline::Deadline;
use crate::util::sanitize::excerpt;
use std::io::{ErrorKind, Read};
use std::time::{Duration, SystemTime};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Timeout, http};

/// What the program calls itself. Some APIs refuse requests without such a header.
pub(crate) const USER_AGENT: &str =
    concat!("datametrics/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");

/// The longest one request may take, whatever the deadline of the run.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The longest a name may take to resolve, and a connection to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// What is said of a redirect whose address is none.
const UNREADABLE: &str = "an address that cannot be read";
/// Redirects followed on one server.
const MAX_REDIRECTS: usize = 5;
/// A buffer for what arrives, and one of half its size for what is sent, are filled with zeros for
/// each connection; the library's 128 KiB each would be a third of the instructions of a small run.
const BUFFER: usize = 32 << 10;
/// A long body is read so much at a time.
const STEP: usize = 1 << 20;
/// No error is explained by more than this many bytes.
const MAX_ERROR: u64 = 64 << 10;

/// HTTP over real sockets. Connections are kept and shared between threads.
#[derive(Debug)]
pub struct HttpClient {
    agent: Agent,
    proxies: Proxies,
    memory: MemoryBudget,
}

impl HttpClient {
    /// A client for this network. Nothing is opened or loaded before the first request.
    pub fn new(network: &NetworkConfig) -> Self {
        let roots = network.roots.as_ref().map_or(RootCerts::WebPki, |pem| {
            let certificates = ureq::tls::parse_pem(pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            RootCerts::new_with_certs(&certificates.collect::<Vec<Certificate<'static>>>())
        });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(USER_AGENT)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .input_buffer_size(BUFFER)
            // What fills the buffer would look like a cut.
            .max_response_header_size(BUFFER / 2)
            .output_buffer_size(BUFFER / 2)
            .max_idle_connections_per_host(64)
            .build();
        Self { agent: config.new_agent(), proxies: network.proxies.clone(), memory: MemoryBudget::default() }
    }

    fn exchange(&self, request: &Request, path: &str, deadline: Deadline<'_>) -> Result<Reply, ureq::Error> {
        let limit = deadline.remaining();
        // Who is not reached says so before the time is over, which is another's fault.
        let reach = Some(CONNECT_LIMIT.min(limit.mul_f64(0.9)));
        let mut builder = http::Request::builder().uri(format!("{}{path}", request.server));
        builder = builder.method(if request.body.is_some() { http::Method::POST } else { http::Method::GET });
        for (name, value) in &request.headers {
            builder = builder.header(name, value.expose());
        }
        let proxy =
            self.proxies.proxy_for(&request.server).map(|proxy| ureq::Proxy::new(proxy.expose())).transpose()?;
        let body = request.body.as_deref();
        let response = if let Some(body) = body {
            let request = self.agent.configure_request(builder.body(body)?).timeout_global(Some(limit));
            self.agent.run(request.timeout_resolve(reach).timeout_connect(reach).proxy(proxy).build())?
        } else {
            let request = self.agent.configure_request(builder.body(())?).timeout_global(Some(limit));
            self.agent.run(request.timeout_resolve(reach).timeout_connect(reach).proxy(proxy).build())?
        };
        self.read(&request.server, response, request.max_body, deadline)
    }

    /// How messages call a server: its host, and the proxy that may be at fault instead.
    fn way_to(&self, server: &Url) -> String {
        let proxy = self.proxies.proxy_for(server).and_then(|proxy| Url::parse(proxy.expose()).ok());
        proxy.map_or_else(|| server.host.clone(), |proxy| format!("{} by the proxy {proxy}", server.host))
    }

    fn read(
        &self,
        server: &Url,
        response: http::Response<ureq::Body>,
        max_body: u64,
        deadline: Deadline<'_>,
    ) -> Result<Reply, ureq::Error> {
        let (parts, body) = response.into_parts();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(http::header::RETRY_AFTER).and_then(|text| wait(text, SystemTime::now()));
        // One that is no text leads nowhere, but it is there.
        let location = parts.headers.get(http::header::LOCATION);
        let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let body = if parts.status.is_success() {
            self.read_body(server, body, max_body, deadline)?
        } else {
            let mut beginning = Vec::new();
            body.into_reader().take(MAX_ERROR.min(max_body)).read_to_end(&mut beginning)?;
            beginning.into()
        };
        let response = Response { status: parts.status.as_u16(), retry_after, redirect: None, body };
        Ok(Reply { response, location })
    }

    /// The whole body.
    fn read_body(
        &self,
        server: &Url,
        body: ureq::Body,
        max_body: u64,
        deadline: Deadline<'_>,
    ) -> Result<Body, ureq::Error> {
        let announced = body.content_length().filter(|length| *length <= max_body);
        let known = announced.and_then(|length| usize::try_from(length).ok());
        let mut reader = body.into_with_config().limit(max_body).reader();
        let mut beginning = Vec::new();
        if known.is_none_or(|known| known < FREE) {
            beginning.reserve_exact(known.unwrap_or_default());
            reader.by_ref().take(FREE as u64).read_to_end(&mut beginning)?;
            if beginning.len() < FREE {
                return Ok(beginning.into());
            }
        }
        let Some(mut long) = self.memory.reserve(&server.to_string(), deadline) else {
            return Err(ureq::Error::Other(Box::new(BudgetExceeded::Server)));
        };
        long.bytes.append(&mut beginning);
        loop {
            if !long.try_reserve(STEP) {
                return Err(ureq::Error::Other(Box::new(BudgetExceeded::Run)));
            }
            let bytes = &mut long.bytes;
            let had = bytes.len();
            if let Some(step) = known.map(|known| STEP.min(known - had)).filter(|step| *step > 0) {
                // Filling it with zeros all at once costs less than what the reader would do.
                bytes.resize(had + step, 0);
                reader.read_exact(&mut bytes[had..])?;
            } else if reader.by_ref().take(STEP as u64).read_to_end(bytes)? == 0 {
                return Ok(long.into_body());
            }
        }
    }
}

/// Why a long reply has no place.
#[derive(Debug, thiserror::Error)]
enum BudgetExceeded {
    /// Another of the same server is still there.
    #[error("a long reply of its own was not read in time")]
    Server,
    /// Those of others take all.
    #[error("the replies of this run take all the memory there is for them")]
    Run,
}

impl Transport for HttpClient {
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError> {
        let deadline = deadline.within(REQUEST_LIMIT);
        let mut path = request.path.expose().to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let server = &request.server;
            if deadline.is_past() {
                return Err(TransportError::Timeout { host: server.host.clone(), what: "the time of the run is over" });
            }
            let reply = self.exchange(request, &path, deadline).map_err(|error| explain(self.way_to(server), error))?;
            let location = reply.location.as_deref().filter(|_| (300..400).contains(&reply.response.status));
            match location.map(|to| follow(&request.server, &path, to)) {
                Some(Ok(next)) if request.body.is_none() => path = next,
                Some(Err(_)) => {
                    let shown = request.mask(reply.location.as_deref().unwrap_or_default());
                    let elsewhere = follow(&request.server, "", &shown).err().unwrap_or_else(|| UNREADABLE.to_owned());
                    return Ok(Response { redirect: Some(excerpt(&elsewhere)), ..reply.response });
                }
                _ => return Ok(reply.response),
            }
        }
        let reason = format!("more than {MAX_REDIRECTS} redirects");
        Err(TransportError::Protocol { host: request.server.host.clone(), reason })
    }
}

struct Reply {
    response: Response,
    location: Option<String>,
}

/// Where on the same server a redirect leads; or else to which host.
fn follow(server: &Url, path: &str, location: &str) -> Result<String, String> {
    let before_path = location.split(['/', '?', '#']).next().unwrap_or_default();
    if before_path.ends_with(':') || location.starts_with("//") {
        let absolute =
            if location.starts_with("//") { format!("{}:{location}", server.scheme) } else { location.to_owned() };
        let Ok(url) = Url::parse(&absolute) else { return Err(UNREADABLE.to_owned()) };
        let same = (&url.scheme, &url.host, port(&url)) == (&server.scheme, &server.host, port(server));
        return if same { Ok(url.path) } else { Err(url.to_string()) };
    }
    if location.starts_with('/') {
        return Ok(location.to_owned());
    }
    let path = path.split('?').next().unwrap_or_default();
    if location.starts_with('?') {
        return Ok(format!("{path}{location}"));
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    Ok(format!("{directory}/{location}"))
}

/// The port of a URL, which each scheme has one for.
fn port(url: &Url) -> u16 {
    url.port.unwrap_or(if url.scheme == "https" { 443 } else { 80 })
}

/// How long `Retry-After` asks to wait: seconds or a date (RFC 9110, section 10.2.3).
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More than fits is for ever.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let now = jiff::Timestamp::try_from(now).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// An error of the library in our words, without the URL that some of its own hold.
fn explain(host: String, error: ureq::Error) -> TransportError {
    match error {
        ureq::Error::HostNotFound => TransportError::Resolve(host),
        ureq::Error::Timeout(timeout) => TransportError::Timeout { host, what: stage(timeout) },
        ureq::Error::BodyExceedsLimit(limit) => TransportError::TooLong { host, limit },
        ureq::Error::ConnectProxyFailed(_) => {
            TransportError::Connect { host, reason: "the proxy refused to pass it on".into() }
        }
        ureq::Error::InvalidProxyUrl => TransportError::Connect { host, reason: "the proxy's URL is wrong".into() },
        ureq::Error::ConnectionFailed => TransportError::Connect { host, reason: "it failed".into() },
        ureq::Error::Protocol(error) => TransportError::Protocol { host, reason: error.to_string() },
        ureq::Error::Decompress(kind, _) => {
            TransportError::Protocol { host, reason: format!("the {kind} body is damaged") }
        }
        ureq::Error::LargeResponseHeader(..) => {
            TransportError::Protocol { host, reason: "its headers are too long".into() }
        }
        ureq::Error::Rustls(error) => TransportError::Tls { host, reason: trust(&error.to_string()) },
        ureq::Error::Tls(reason) => TransportError::Tls { host, reason: reason.into() },
        ureq::Error::Http(_) => TransportError::Protocol { host, reason: "a header or the path cannot be sent".into() },
        ureq::Error::Other(error) if error.is::<BudgetExceeded>() => {
            TransportError::BudgetExceeded { host, reason: error.to_string() }
        }
        ureq::Error::Io(error) => explain_io(host, &error),
        _ => TransportError::Protocol { host, reason: "an error of an unknown kind".into() },
    }
}

fn explain_io(host: String, error: &std::io::Error) -> TransportError {
    let text = error.to_string();
    match error.kind() {
        // The library's own kind for certificates and handshakes.
        ErrorKind::InvalidData => TransportError::Tls { host, reason: trust(&text) },
        ErrorKind::ConnectionRefused
        | ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => TransportError::Connect { host, reason: text },
        ErrorKind::TimedOut | ErrorKind::WouldBlock => TransportError::Timeout { host, what: "the network" },
        // A failed lookup has no kind of its own.
        _ if text.contains("failed to lookup address") => TransportError::Resolve(host),
        _ => TransportError::Cut(host),
    }
}

fn stage(timeout: Timeout) -> &'static str {
    match timeout {
        Timeout::Resolve => "resolving its name",
        Timeout::Connect => "connecting",
        _ => "waiting for its answer",
    }
}

fn trust(reason: &str) -> String {
    // Of an authority that has the name of a trusted one, it is the signature that is wrong.
    let advice = if reason.contains("UnknownIssuer") || reason.contains("BadSignature") {
        "its certificate is signed by nobody trusted here; SSL_CERT_FILE names a file of certificates to trust instead"
    } else if reason.contains("CaUsedAsEndEntity") {
        "its certificate is one of an authority (CA:TRUE) and cannot be a server's: make one for the server, signed by it"
    } else if reason.contains("Expired") || reason.contains("certificate expired") {
        "its certificate has expired, or the clock here is wrong"
    } else if reason.contains("NotValidForName") || reason.contains("not valid for name") {
        "its certificate is for another name: is the URL right?"
    } else if reason.contains("InvalidContentType") {
        "it does not speak TLS there: is the URL right?"
    } else {
        return format!("TLS failed ({reason})");
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_server() {
        let server = Url::parse("https://api.example.com").unwrap();
        let follow = |to: &str| follow(&server, "/a/b?c=d", to);
        assert_eq!(follow("/x?y=z"), Ok("/x?y=z".into()));
        assert_eq!(follow("x"), Ok("/a/x".into()));
        assert_eq!(follow("?e=f"), Ok("/a/b?e=f".into()));
        assert_eq!(follow("/x?u=https://y"), Ok("/x?u=https://y".into()));
        assert_eq!(follow("https://api.example.com:443/x"), Ok("/x".into()));
        assert_eq!(follow("https:///x"), Err(UNREADABLE.into()));
        assert_eq!(follow("https://api.example.com/x"), Ok("/x".into()));
        assert_eq!(follow("http://api.example.com/x"), Err("http://api.example.com".into()));
        assert_eq!(follow("https://api.example.com:8443/x"), Err("https://api.example.com:8443".into()));
        assert_eq!(follow("//evil.example/x?key=1"), Err("https://evil.example".into()));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(wait("7", now), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999", now), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(wait("soon", now), None);
        assert_eq!(wait("", now), None);
    }
}
