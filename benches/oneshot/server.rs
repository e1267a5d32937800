//! A server on loopback that is a ticker and a Graphite, over HTTP or HTTPS.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A server. It runs until the program ends.
pub(crate) struct Server {
    address: SocketAddr,
    /// The certificate in PEM, which a client must trust; empty if the server speaks plain HTTP.
    pub(crate) certificate: String,
}

impl Server {
    /// Starts a server that speaks plain HTTP. It answers a GET with this many rows, and a POST like
    /// Graphite's ingest. If the path begins with a number, as in `/300/ticker`, it waits that many
    /// milliseconds first.
    pub(crate) fn start(rows: usize) -> Self {
        Self::listen(rows, String::new(), Ok)
    }

    /// The same over HTTPS.
    pub(crate) fn start_tls(rows: usize) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
            .map(Arc::new)
            .expect("a configuration");
        Self::listen(rows, cert.pem(), move |stream| {
            Ok(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?, stream))
        })
    }

    /// Listens on a free port. `wrap` makes the stream on which HTTP is spoken.
    fn listen<S: Read + Write>(
        rows: usize,
        certificate: String,
        wrap: impl Fn(TcpStream) -> io::Result<S> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let body = Arc::new(body(rows));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, body, wrap) = (stream.expect("a connection"), Arc::clone(&body), wrap.clone());
                stream.set_nodelay(true).expect("the socket is open");
                // A client that goes away early is no error of the server.
                thread::spawn(move || wrap(stream).and_then(|stream| serve(stream, &body)));
            }
        });
        Self { address, certificate }
    }

    /// Address and port.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Scheme, address and port.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_empty() { "http" } else { "https" };
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

/// Answers requests until the client closes the connection.
fn serve(stream: impl Read + Write, body: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_push = line.starts_with("POST");
        let wait = line.split('/').nth(1).and_then(|millis| millis.parse().ok());
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
        let points = request_body.windows(8).filter(|window| window == br#"{"name":"#).count();
        let published = format!(r#"{{"published":{points}}}"#);
        let reply = if is_push { &published } else { body };
        if let Some(millis) = wait {
            thread::sleep(Duration::from_millis(millis));
        }
        let stream = reader.get_mut();
        stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.len()).as_bytes())?;
        stream.write_all(reply.as_bytes())?;
        stream.flush()?;
    }
}
