//! A push to a server that may not be Carbon. Carbon never replies, so a push that got a reply must fail,
//! and a push that fails must leave all points to be sent again.
//!
//! Input: a line `plaintext` or `pickle`; a line with the number of bytes that the server reads before
//! it replies, or `all`; and the reply, after which it closes the connection.

use super::{assert_safe_to_print, split_first_line};
use crate::context::Context;
use crate::delivery::graphite::{CarbonTarget, Destination, OpenConnection, Protocol, Search, Way};
use crate::http::request::{Request, Response};
use crate::http::retry::RetryPolicy;
use crate::http::transport::{Transport, TransportError};
use crate::market::number::Number;
use crate::metrics::batch::Batch;
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use crate::system::dialer::SystemDialer;
use crate::system::random::Random;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

pub(super) fn check(data: &[u8]) {
    let (protocol, data) = split_first_line(data);
    let (read_count, reply) = split_first_line(data);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("the listener has an address").port();
    let host = "127.0.0.1".to_owned();
    let protocol = if protocol == "pickle" { Protocol::Pickle } else { Protocol::Plaintext };
    let destination = Destination::Carbon(CarbonTarget {
        protocol,
        host,
        port,
        linger: Duration::ZERO,
        tls: None,
        url_setting: String::new(),
    });
    let mut batch = Batch::new(60, vec![]);
    for name in ["a.b", "a.c"] {
        batch.push(|out| out.push_str(name), Number::parse("1.50").expect("a number"), 1_785_182_401);
    }
    let (dialer, random) = (SystemDialer::default(), Random::seeded(1));
    let deadline = Deadline::after(&SystemClock, Duration::from_secs(60));
    let policy = RetryPolicy::new(0, deadline, &random);
    let push = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            let read_count = read_count.trim().parse().unwrap_or(u64::MAX);
            let _ = Read::by_ref(&mut stream).take(read_count).read_to_end(&mut Vec::new());
            let _ = stream.write_all(reply);
        });
        let context = Context::system(&NoHttp, &dialer, &random);
        Way { destination: &destination, opening: &OpenConnection::default(), context, policy }
            .push(&batch, Search::default())
    });
    if let Some(error) = &push.error {
        assert_safe_to_print(&error.to_string());
        assert_eq!((push.taken, push.open.as_slice()), (0, std::slice::from_ref(&(0..2))));
    } else {
        assert!(push.taken == 2 && push.open.is_empty(), "{push:?}");
        assert!(reply.is_empty(), "the server replied, so it is no Carbon");
    }
}

/// Panics at every request: with Carbon no HTTP is spoken.
struct NoHttp;

impl Transport for NoHttp {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        panic!("{request}")
    }
}
