//! A server on loopback that is a ticker and a Graphite, over HTTP or HTTPS.

use super::traffic::Traffic;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A server. It runs until the program ends.
pub(crate) struct Server {
    address: SocketAddr,
    is_tls: bool,
}

/// What a server answers a GET that names no symbols.
#[derive(Clone, Copy, Default)]
pub(crate) struct Answers {
    /// How many rows there are.
    pub(crate) rows: usize,
    /// How long every answer takes.
    pub(crate) after: Duration,
}

/// A certificate with its key.
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    /// In PEM. A client must trust it.
    pub(crate) certificate: String,
}

impl Tls {
    /// A certificate for these names and addresses.
    pub(crate) fn new(names: Vec<String>) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
            .map(Arc::new)
            .expect("a configuration");
        Self { config, certificate: cert.pem() }
    }
}

impl Server {
    /// Starts a server on a free port of loopback that speaks plain HTTP. It answers a POST like Graphite's
    /// ingest; a GET with `?of=A,B` with a row for each of these symbols; a GET of `/products/...` like
    /// Coinbase; and every other GET with these rows. If the path begins with a number, as in
    /// `/300/ticker`, it waits that many milliseconds first.
    pub(crate) fn start(rows: usize) -> Self {
        let answers = Answers { rows, after: Duration::ZERO };
        Self::listen("127.0.0.1:0", answers, None, Arc::default())
    }

    /// The same at an address and a port, by HTTPS if there is a certificate.
    pub(crate) fn listen(at: impl ToSocketAddrs, answers: Answers, tls: Option<&Tls>, traffic: Arc<Traffic>) -> Self {
        let listener = TcpListener::bind(at).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (body, config) = (Arc::new(body(answers.rows)), tls.map(|tls| Arc::clone(&tls.config)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, body, config) = (stream.expect("a connection"), Arc::clone(&body), config.clone());
                let traffic = Arc::clone(&traffic);
                stream.set_nodelay(true).expect("the socket is open");
                traffic.count_connection();
                // A client that goes away early is no error of the server.
                thread::spawn(move || match config {
                    None => serve(stream, &body, answers.after, &traffic),
                    Some(config) => {
                        let session = ServerConnection::new(config).map_err(io::Error::other)?;
                        serve(StreamOwned::new(session, stream), &body, answers.after, &traffic)
                    }
                });
            }
        });
        Self { address, is_tls: tls.is_some() }
    }

    /// Address and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Scheme, address and port.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

/// The symbol of the row with this index.
pub(crate) fn symbol(index: usize) -> String {
    format!("C{index}/USD")
}

/// A JSON array of rows, each with eleven keys, nine of which have numbers. It is the same in every
/// run of the benchmark.
fn body(rows: usize) -> String {
    let mut text = String::from("[");
    let mut seed = 1_u64;
    let mut price = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = seed >> 33;
        format!("{}.{:08}", number % 100, number % 100_000_000)
    };
    for index in 0..rows {
        let comma = if index == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"cur":"C{index}","symbol":"{}""#, symbol(index)).expect("a string can be written");
        for field in ["last", "high", "low", "volume", "vwap", "max_bid", "min_ask", "best_bid", "best_ask"] {
            write!(text, r#","{field}":{}"#, price()).expect("a string can be written");
        }
        text.push('}');
    }
    text + "]"
}

/// A row for each of the symbols of a query, which has commas between them.
fn rows_of(query: &str) -> String {
    let row = |symbol| format!(r#"{{"symbol":"{symbol}","last":"61000.5"}}"#);
    let symbols = query.replace("%2C", ",").replace("%2F", "/");
    format!("[{}]", symbols.split(',').map(row).collect::<Vec<_>>().join(","))
}

/// What Coinbase says of a product, at each of its two paths.
const PRODUCT: &str = r#"{"price":"61000.5","bid":"61000","ask":"61001","volume":"1200","last":"61000.5","open":"60000","high":"62000","low":"59000"}"#;

/// Answers requests until the client closes the connection.
fn serve(stream: impl Read + Write, body: &str, after: Duration, traffic: &Traffic) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        traffic.count_request();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            } else if header == "expect: 100-continue" {
                reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            } else if header.is_empty() {
                break;
            }
        }
        let mut request_body = vec![0; length];
        reader.read_exact(&mut request_body)?;
        let millis = line.split('/').nth(1).and_then(|millis| millis.parse().ok());
        thread::sleep(millis.map_or(after, Duration::from_millis));
        let reply = reply(&line, &request_body, body);
        // In one piece, so that the client needs no second call to read it.
        let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{reply}", reply.len());
        reader.get_mut().write_all(reply.as_bytes())?;
        reader.get_mut().flush()?;
    }
}

/// The body of the reply to a request with this first line and this body.
fn reply<'a>(line: &str, request_body: &[u8], body: &'a str) -> Cow<'a, str> {
    let target = line.split(' ').nth(1).unwrap_or_default();
    if line.starts_with("POST") {
        let points = request_body.windows(8).filter(|window| window == br#"{"name":"#).count();
        format!(r#"{{"published":{points}}}"#).into()
    } else if let Some((_, query)) = target.split_once("?of=") {
        rows_of(query).into()
    } else if target.starts_with("/products/") {
        PRODUCT.into()
    } else {
        body.into()
    }
}
