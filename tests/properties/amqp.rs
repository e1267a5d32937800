//! What a broker says while it is sent points. Whatever it is, each point is afterwards taken or still to be sent, and
//! only what the broker confirmed is taken.
//!
//! Input: the bytes of the broker, after which it closes the connection. A seed writes them as text: a line for each
//! frame, with its kind, its channel, and the payload in hexadecimal digits with spaces anywhere. A line that is none is
//! sent as it is.

use super::{SECRET, assert_safe_to_print};
use crate::context::Context;
use crate::delivery::graphite::{AmqpAddress, AmqpTarget, Destination, OpenConnection, Search, SettingNames, Way};
use crate::http::request::{Request, Response};
use crate::http::retry::RetryPolicy;
use crate::http::transport::{Transport, TransportError};
use crate::http::url::{Credentials, Url};
use crate::market::number::Number;
use crate::metrics::batch::Batch;
use crate::secret::Secret;
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use crate::system::dialer::{Connection, Dialer};
use crate::system::disk::SystemDisk;
use crate::system::random::Random;
use crate::system::resolver::ResolveError;
use crate::system::threads::SystemThreads;
use std::io::{self, Cursor, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

const POINTS: usize = 3;

pub(super) fn check(data: &[u8]) {
    let said: Vec<u8> = data.split_inclusive(|byte| *byte == b'\n').flat_map(frame).collect();
    let broker = Broker(said.clone());
    let address = AmqpAddress::of(&Url::parse("amqp://broker.example").expect("valid")).expect("valid");
    let credentials = Some(Credentials { user: "me".to_owned(), password: Secret::new(SECRET) });
    let settings = SettingNames { url: String::new(), credentials_question: "are these those".to_owned() };
    let target = AmqpTarget { address, tls: None, credentials, settings };
    let destination = Destination::Amqp(Box::new(target));
    let mut batch = Batch::new(60, vec![]);
    for index in 0..POINTS {
        let value = Number::parse("1.50").expect("a number");
        batch.push(|name| name.extend(["a.b", &index.to_string()]), value, 1_785_182_401);
    }
    let random = Random::seeded(1);
    let deadline = Deadline::after(&SystemClock, Duration::from_secs(60));
    let policy = RetryPolicy::new(0, deadline, &random);
    let (transport, clock, threads) = (&NoHttp, &SystemClock, &SystemThreads);
    let context = Context { transport, clock, random: &random, threads, dialer: &broker, disk: &SystemDisk };
    let push = Way { destination: &destination, opening: &OpenConnection::default(), context, policy }
        .push(&batch, Search::default());

    let open: Vec<usize> = push.open.iter().cloned().flatten().collect();
    assert_eq!(push.taken + open.len(), POINTS, "{push:?}");
    assert!(open.is_sorted_by(|a, b| a < b) && open.iter().all(|index| *index < POINTS), "{push:?}");
    assert_eq!(push.error.is_some(), !open.is_empty(), "{push:?}");
    assert!(push.taken == 0 || has_ack(&said), "{push:?}");
    push.error.iter().for_each(|error| assert_safe_to_print(&error.to_string()));
}

/// Whether the method basic.ack is anywhere in these bytes.
fn has_ack(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == [0, 60, 0, 80])
}

/// The frame that a line of a seed describes, or else the line.
fn frame(line: &[u8]) -> Vec<u8> {
    let parse = || {
        let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
        let (kind, channel) = (words.next()?.parse::<u8>().ok()?, words.next()?.parse::<u16>().ok()?);
        let digits: Vec<u8> = words.flat_map(str::bytes).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let payload: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>()?;
        let len = u32::try_from(payload.len()).ok()?;
        Some([&[kind], channel.to_be_bytes().as_slice(), &len.to_be_bytes(), &payload, &[0xce]].concat())
    };
    parse().unwrap_or_else(|| line.to_vec())
}

/// A broker that says these bytes on every connection, whatever it is told.
struct Broker(Vec<u8>);

impl Dialer for Broker {
    fn resolve(&self, _: &str, port: u16, _: Deadline<'_>) -> Result<Vec<SocketAddr>, ResolveError> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }

    fn dial(&self, _: SocketAddr, _: Duration) -> io::Result<Box<dyn Connection>> {
        Ok(Box::new(Said(Cursor::new(self.0.clone()))))
    }
}

/// A connection over which these bytes come.
struct Said(Cursor<Vec<u8>>);

impl Read for Said {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Said {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Connection for Said {
    fn set_read_timeout(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_open(&mut self) -> bool {
        true
    }

    fn take_error(&mut self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

/// Panics at every request: with a broker no HTTP is spoken.
struct NoHttp;

impl Transport for NoHttp {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        panic!("{request}")
    }
}
