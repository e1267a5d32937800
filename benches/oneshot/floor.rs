//! The floor: the smallest program that does the same job, with two sockets, serde_json and one buffer.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Deserialize)]
struct Row<'a> {
    symbol: &'a str,
    #[serde(borrow)]
    last: &'a RawValue,
    #[serde(borrow)]
    high: &'a RawValue,
    #[serde(borrow)]
    low: &'a RawValue,
    #[serde(borrow)]
    volume: &'a RawValue,
    #[serde(borrow)]
    vwap: &'a RawValue,
}

/// Fetches rows from `ticker` and pushes points to `graphite`, each given as `ADDRESS/PATH`. `symbols` is
/// a file with the watched symbols, one a line.
pub(crate) fn run(ticker: &str, graphite: &str, symbols: &str) {
    let symbols = std::fs::read_to_string(symbols).expect("the symbols");
    let watched: HashSet<&str> = symbols.lines().collect();
    let body = exchange(ticker, "GET", "");
    let rows: Vec<Row<'_>> = serde_json::from_slice(&body).expect("rows");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let mut json = String::from("[");
    for row in rows.iter().filter(|row| watched.contains(row.symbol)) {
        let node = row.symbol.replace('/', "-");
        let fields =
            [("last", row.last), ("high", row.high), ("low", row.low), ("volume", row.volume), ("vwap", row.vwap)];
        for (field, value) in fields {
            let comma = if json.len() == 1 { "" } else { "," };
            let value = value.get();
            write!(json, r#"{comma}{{"name":"ticker.{node}.{field}","value":{value},"time":{now},"interval":60}}"#)
                .expect("a string can be written");
        }
    }
    json.push(']');
    assert!(exchange(graphite, "POST", &json).starts_with(b"{\"published\":"));
}

/// Sends a request to `ADDRESS/PATH`. Returns the body of the reply.
fn exchange(server: &str, method: &str, body: &str) -> Vec<u8> {
    let (address, path) = server.split_once('/').expect("an address and a path");
    let mut stream = TcpStream::connect(address).expect("a connection");
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the request can be sent");
    stream.write_all(body.as_bytes()).expect("the request can be sent");
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        match header.trim().strip_prefix("Content-Length: ") {
            Some(value) => length = value.parse().expect("a number"),
            None if header.trim().is_empty() => break,
            None => {}
        }
    }
    let mut reply = vec![0; length];
    reader.read_exact(&mut reply).expect("the whole reply");
    reply
}
