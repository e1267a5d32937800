//! Faults of a provider before its reply is complete.

use super::{
    Fault,
    target::{Finished, Peer, Target, Trusted, play, run},
};
use crate::support::{
    Dialect, Ingest, Latch, Reply, Server, Verdict, command::Running, request::Received, tls::Certificate,
};
use flate2::{
    Compression,
    read::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use std::{io::Read, time::Duration};

pub(crate) const HEAD: &str = "\
## Providers

The feed `crypto` requests BTC/USD and ETH/USD from the provider `own`, with one retry. It runs alone, and beside the feed
`stocks` of a healthy provider, whose points are always stored. In both cases the points about the run are pushed; they
have the number of requests, the worst status (0 is no reply) and the number of quotes.

| fault | message | exit, alone | exit, beside another feed | requests | status | quotes |
| --- | --- | --- | --- | --- | --- | --- |
";

/// A fault of a provider.
pub(crate) struct Row {
    what: &'static str,
    peer: Peer,
    /// Seconds for the whole run. Two thirds are for fetching.
    timeout: u64,
    retries: &'static str,
}

impl Row {
    /// The provider replies with `answer`.
    pub(crate) const fn answer(what: &'static str, answer: fn(&Received) -> Reply) -> Self {
        Self { what, peer: Peer::Answers(answer), timeout: 40, retries: "1" }
    }

    const fn peer(what: &'static str, peer: Peer) -> Self {
        Self { what, peer, timeout: 40, retries: "1" }
    }

    /// A fault that lasts until the timeout gets a short one, and no retry.
    const fn lasting(self) -> Self {
        Self { timeout: 3, retries: "0", ..self }
    }
}

/// The reply of a healthy provider.
pub(crate) fn quotes(_: &Received) -> Reply {
    Reply::json(QUOTES)
}

pub(crate) const QUOTES: &str = r#"{"rows":{"BTC":{"last":"64210.10"},"ETH":{"last":3120.55}}}"#;

/// Bytes of a block, and how often it is sent.
const PART: usize = 64 << 10;
const MANY: usize = 1 << 20;

fn blanks() -> Vec<u8> {
    vec![b' '; PART]
}

/// A reply that is a thousand times larger after decompression.
pub(crate) fn bomb(_: &Received) -> Reply {
    Reply::json(gzip(&vec![b' '; 64 << 20])).header("Content-Encoding", "gzip")
}

/// The quotes, compressed in this way.
fn encoded(encoding: &str, encode: fn(&[u8]) -> Vec<u8>) -> Reply {
    Reply::json(encode(QUOTES.as_bytes())).header("Content-Encoding", encoding)
}

fn all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("memory");
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    all(GzEncoder::new(bytes, Compression::fast()))
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    all(ZlibEncoder::new(bytes, Compression::fast()))
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    all(DeflateEncoder::new(bytes, Compression::fast()))
}

/// A reply that only ends when the client closes the connection.
pub(crate) fn endless(_: &Received) -> Reply {
    Reply::json(blanks()).over(MANY)
}

/// 64 MiB, with the right length in the header.
pub(crate) fn huge(_: &Received) -> Reply {
    Reply::json(blanks()).header("Content-Length", &(64 << 20).to_string()).over((64 << 20) / PART)
}

pub(crate) fn drip(_: &Received) -> Reply {
    Reply::json(QUOTES.repeat(100)).drip(Duration::from_millis(100))
}

pub(crate) fn chunked_nonsense(_: &Received) -> Reply {
    Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\nzz\r\n")
}

fn moved_here(request: &Received) -> Reply {
    if request.target.starts_with("/moved") {
        quotes(request)
    } else {
        Reply::status(301).header("Location", "/moved?to=here")
    }
}

fn too_often(after: &str) -> Reply {
    Reply::text(429, "slow down").header("Retry-After", after)
}

const BAD_GATEWAY: &str = "<!DOCTYPE html>\n<html><h1>Bad Gateway\u{1b}[2J</h1></html>";

pub(crate) const ROWS: &[Row] = &[
    Row::peer("a name that does not resolve", Peer::HasNoName),
    Row::peer("nobody listens", Peer::Refuses),
    Row::peer("a black hole", Peer::Swallows).lasting(),
    Row::peer("the first of two addresses is a black hole", Peer::IsAtTheSecondAddress),
    Row::peer("a proxy that wants credentials", Peer::IsBehindProxy(|_| Reply::text(407, "who?"))),
    Row::peer("a proxy that forbids it", Peer::IsBehindProxy(|_| Reply::text(403, "filtered"))),
    Row::peer("a proxy in trouble", Peer::IsBehindProxy(|_| Reply::status(502))),
    Row::peer("a proxy that closes", Peer::IsBehindProxy(|_| Reply::close())),
    Row::peer("TLS: all is well", Peer::Tls(Certificate::Good, Trusted::Yes)),
    Row::peer("TLS: an authority nobody knows", Peer::Tls(Certificate::Good, Trusted::No)),
    Row::peer("TLS: an authority that is not in SSL_CERT_FILE", Peer::Tls(Certificate::Good, Trusted::Another)),
    Row::peer("TLS: expired", Peer::Tls(Certificate::Expired, Trusted::Yes)),
    Row::peer("TLS: for another host", Peer::Tls(Certificate::OfAnother, Trusted::Yes)),
    Row::peer("TLS: self-signed", Peer::Tls(Certificate::SelfSigned, Trusted::No)),
    Row::peer("TLS: self-signed, and trusted", Peer::Tls(Certificate::SelfSigned, Trusted::Yes)),
    Row::peer("TLS: self-signed with CA:TRUE", Peer::Tls(Certificate::Authority, Trusted::No)),
    Row::peer("TLS: self-signed with CA:TRUE, and trusted", Peer::Tls(Certificate::Authority, Trusted::Yes)),
    Row::peer("TLS: it speaks plain HTTP", Peer::SpeaksPlain),
    Row::answer("silence", |_| Reply::hang()).lasting(),
    Row::answer("a byte every 100 ms", drip).lasting(),
    Row::answer("the line closed before the reply", |_| Reply::close()),
    Row::answer("a reset before the reply", |_| Reply::reset()),
    Row::answer("the line closed in the headers", |_| Reply::raw("HTTP/1.1 200 OK\r\nContent-Ty")),
    Row::answer("the line closed inside the body", |_| Reply::json(QUOTES).cut_after(20)),
    Row::answer("a Content-Length that is too short", |_| Reply::json(QUOTES).header("Content-Length", "20")),
    Row::answer("no HTTP at all", |_| Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    Row::answer("130 headers", |_| {
        (0..130).fold(Reply::json(QUOTES), |reply, number| reply.header(&format!("X-{number}"), ""))
    }),
    Row::answer("headers of 1 MB", |_| Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)))),
    Row::answer("an endless body", endless),
    Row::answer("64 MiB", huge),
    Row::answer("a gzip bomb of 64 MiB", bomb),
    Row::answer("a bomb in a bomb", |_| {
        Reply::json(raw_deflate(&gzip(&vec![b' '; 64 << 20]))).header("Content-Encoding", "gzip, deflate")
    }),
    Row::answer("gzip that is none", |_| encoded("gzip", <[u8]>::to_vec)),
    Row::answer("X-GZIP", |_| encoded(" X-GZIP ", gzip)),
    Row::answer("gzip in gzip", |_| encoded("identity, gzip, gzip", |text| gzip(&gzip(text)))),
    Row::answer("deflate", |_| encoded("deflate", zlib)),
    Row::answer("deflate without the header of zlib", |_| encoded("Deflate", raw_deflate)),
    Row::answer("deflate that is none", |_| encoded("deflate", <[u8]>::to_vec)),
    Row::answer("the beginning of a deflate", |_| encoded("deflate", |text| raw_deflate(text)[..20].to_vec())),
    Row::answer("deflate, the line closed inside the body", |_| encoded("deflate", zlib).cut_after(20)),
    Row::answer("br", |_| encoded("br", |_| b"[\x05\x83\x7f\xf8".to_vec())),
    Row::answer("plain text that is called br", |_| encoded("br", <[u8]>::to_vec)),
    Row::answer("gzip three times", |_| encoded("gzip, gzip, gzip", |body| gzip(&gzip(&gzip(body))))),
    Row::answer("403 in deflate", |_| {
        Reply::text(403, zlib(b"not in this plan")).header("Content-Encoding", "deflate")
    }),
    Row::answer("403 in br", |_| Reply::text(403, "\u{1b}[2J").header("Content-Encoding", "br")),
    Row::answer("an endless body of a 500", |_| Reply::text(500, "x".repeat(PART)).over(MANY)),
    Row::answer("chunked nonsense", chunked_nonsense),
    Row::answer("301 to the same host", moved_here),
    Row::answer("a redirect loop", |_| Reply::status(301).header("Location", "/quotes")),
    Row::answer("301 to another host", |_| {
        Reply::status(301).header("Location", "https://user:pass@elsewhere.example/login?from=us")
    }),
    Row::answer("301 to nowhere", |_| Reply::status(301).header("Location", "https://else where.example/\u{e9}")),
    Row::answer("204", |_| Reply::status(204)),
    Row::answer("400", |_| Reply::text(400, "what?")),
    Row::answer("401", |_| Reply::status(401).body(r#"{"error":"invalid key"}"#)),
    Row::answer("403", |_| Reply::status(403)),
    Row::answer("404", |_| Reply::text(404, "404 page not found\n")),
    Row::answer("408", |_| Reply::status(408)),
    Row::answer("418", |_| Reply::text(418, "Way too many requests; IP banned")),
    Row::answer("429, Retry-After in seconds that fit", |_| too_often("1")),
    Row::answer("429, Retry-After in seconds that do not fit", |_| too_often("3600")),
    Row::answer("429, Retry-After as a date", |_| too_often("Thu, 31 Dec 2099 23:59:59 GMT")),
    Row::answer("429, Retry-After that is absurd", |_| too_often("99999999999999999999999")),
    Row::answer("429, Retry-After that is nonsense", |_| too_often("soon")),
    Row::answer("429, Retry-After that no header may hold", |_| too_often("1\u{7f}")),
    Row::answer("451", |_| Reply::status(451)),
    Row::answer("500", |_| Reply::text(500, "ill\nindeed")),
    Row::answer("502 with HTML", |_| Reply::text(502, BAD_GATEWAY)),
    Row::answer("503", |_| Reply::status(503)),
];

/// A text for a cell of a table. Long repetitions of a character are shortened.
pub(crate) fn short(message: &str) -> String {
    let mut out = String::new();
    let (mut last, mut times) = (None, 0);
    for c in message.chars() {
        times = if last == Some(c) { times + 1 } else { 1 };
        last = Some(c);
        match times {
            1..=3 => out.push(c),
            4 => out.push('…'),
            _ => {}
        }
    }
    out.replace('|', "\\|")
}

/// A healthy provider of another feed.
fn stocks() -> Server {
    let row = r#"{"symbol":"AAPL","response":[{"meta":{"regularMarketPrice":204.5}}]}"#;
    Server::with(move |_| Reply::json(format!(r#"{{"spark":{{"result":[{row}]}}}}"#)))
}

impl Fault for Row {
    fn what(&self) -> &'static str {
        self.what
    }

    fn needs_mounts(&self) -> bool {
        matches!(self.peer, Peer::IsAtTheSecondAddress)
    }

    fn play(&self) -> String {
        let target = Target::of(&self.peer, quotes);
        let (alone, health) = self.run(&target, "crypto", &[]);
        let (beside, health_beside) = self.run(&target, "crypto-stocks", &["--stocks"]);
        let (_, health_loud) = self.run(&target, "crypto-stocks", &["--stocks", "-vv"]);
        assert_eq!((&health, &health), (&health_beside, &health_loud));
        assert_eq!(alone.message, beside.message);
        let [requests, status, quotes] = &health;
        let message: Vec<_> = alone.message.lines().collect();
        // One cause gives one line, which names the symbols and the provider.
        assert!(message.len() <= 1, "{}", alone.message);
        let is_clear =
            |line: &&str| line.starts_with("error: crypto: ") && line.contains("own") && line.contains("BTC/USD");
        assert!(message.iter().all(is_clear), "{}", alone.message);
        let codes = match (quotes.as_str(), message.is_empty()) {
            ("2", true) => [0, 0],
            ("0", false) => [69, 1],
            ("1", false) => [1, 1],
            _ => panic!("{quotes} quotes, and yet: {}", alone.output),
        };
        assert_eq!([alone.output.code, beside.output.code], codes.map(Some), "{}", alone.output);
        let message = short(message.first().map_or("", |line| line.trim_start_matches("error: ")));
        let [alone, beside] = codes;
        format!("| {} | {message} | {alone} | {beside} | {requests} | {status} | {quotes} |\n", self.what)
    }
}

impl Row {
    /// Runs it and checks the stored points. Returns what the health points say about the provider.
    fn run(&self, target: &Target, name: &str, options: &[&str]) -> (Finished, [String; 3]) {
        let (latch, stocks) = (Latch::new(), stocks());
        let ingest = {
            let latch = latch.clone();
            Ingest::deciding(Dialect::WriteProxy, move |_| {
                latch.wait();
                Verdict::Take
            })
        };
        let run =
            target.reached_by(run(target.scheme, &target.authority)).args(["--retries", self.retries]).args(options);
        let run = run.graphite(&ingest).provider("yahoo", &stocks);
        let run = run.env("DATAMETRICS_STOCKS_PROVIDERS", "yahoo").env("DATAMETRICS_STOCKS_SYMBOLS", "AAPL");
        let run = if options.contains(&"-vv") { run.env("RUST_LOG", "trace") } else { run };
        // When the run pushes, it has read all replies.
        let peak = |running: &Running| {
            ingest.server().wait_for(1);
            let peak = running.peak_memory();
            latch.release();
            peak.expect("a process that waits")
        };
        let finished = play(&run, &target.authority, self.timeout, peak);
        let values = ingest.values();
        let value = |name: &str| values.get(name).cloned().unwrap_or_default();
        let health = |what: &str| value(&format!("metrics.{name}.{what}"));
        let others = if name == "crypto" { ["", ""] } else { ["204.5", "200"] };
        assert_eq!([value("stocks.AAPL.last"), health("yahoo.response.status_code")], others);
        assert_eq!(health("feed.crypto.expected"), "2");
        let quotes = health("feed.crypto.fetched");
        let landed = ["BTC", "ETH"].map(|symbol| value(&format!("crypto.{symbol}-USD.last")));
        assert_eq!(landed.iter().filter(|value| !value.is_empty()).count().to_string(), quotes, "{landed:?}");
        (finished, [health("own.requests"), health("own.response.status_code"), quotes])
    }
}
