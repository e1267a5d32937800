//! A ticker and a Graphite on loopback.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Serves until the program ends.
pub(crate) struct Server(SocketAddr);

impl Server {
    /// A ticker of so many rows.
    pub(crate) fn start(rows: usize) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        let body = Arc::new(body(rows));
        thread::spawn(move || {
            for stream in socket.incoming() {
                let (stream, body) = (stream.expect("a connection"), Arc::clone(&body));
                // A client that goes away early is its own business.
                thread::spawn(move || drop(serve(&stream, &body)));
            }
        });
        Self(address)
    }

    pub(crate) fn address(&self) -> String {
        self.0.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

/// The symbol of a row.
pub(crate) fn symbol(at: usize) -> String {
    format!("C{at}/USD")
}

/// An array of rows of eleven keys, nine of them numbers, always the same.
fn body(rows: usize) -> String {
    let mut text = String::from("[");
    let mut seed = 1_u64;
    let mut price = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = seed >> 33;
        format!("{}.{:08}", number % 100, number % 100_000_000)
    };
    for at in 0..rows {
        let comma = if at == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"cur":"C{at}","symbol":"{}""#, symbol(at)).expect("memory takes all");
        for field in ["last", "high", "low", "volume", "vwap", "max_bid", "min_ask", "best_bid", "best_ask"] {
            write!(text, r#","{field}":{}"#, price()).expect("memory takes all");
        }
        text.push('}');
    }
    text + "]"
}

fn serve(stream: &TcpStream, body: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_push = line.starts_with("POST");
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            } else if header == "expect: 100-continue" {
                (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            } else if header.is_empty() {
                break;
            }
        }
        let mut pushed = vec![0; length];
        reader.read_exact(&mut pushed)?;
        let points = pushed.windows(8).filter(|part| part == br#"{"name":"#).count();
        let published = format!(r#"{{"published":{points}}}"#);
        let reply = if is_push { &published } else { body };
        (&mut &*stream).write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", reply.len()).as_bytes())?;
        (&mut &*stream).write_all(reply.as_bytes())?;
    }
}
