//! A server that should be Carbon and may be anything: `plaintext` or `pickle` in the first line,
//! then how many bytes it reads before it speaks (`all` for all of them), then what it says before
//! it closes the connection.

use super::{assert_harmless, first_line};
use crate::context::Context;
use crate::delivery::graphite::{Destination, push};
use crate::http::request::{Request, Response};
use crate::http::retry::RetryPolicy;
use crate::http::transport::{Transport, TransportError};
use crate::market::number::Number;
use crate::metrics::batch::Batch;
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use crate::system::random::Random;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

pub(super) fn check(data: &[u8]) {
    let (form, rest) = first_line(data);
    let (reads, speech) = first_line(rest);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    let host = "127.0.0.1".to_owned();
    let destination = match form.as_str() {
        "pickle" => Destination::Pickle { host, port },
        _ => Destination::Plaintext { host, port },
    };
    let mut batch = Batch::new(60, vec![]);
    for name in ["a.b", "a.c"] {
        batch.push(|out| out.push_str(name), Number::parse("1.50").expect("it is one"), 1_785_182_401);
    }
    let random = Random::seeded(1);
    let deadline = Deadline::after(&SystemClock, Duration::from_secs(60));
    let policy = RetryPolicy { retries: 0, deadline, random: &random };
    let push = thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let count = reads.trim().parse().unwrap_or(u64::MAX);
            let _ = Read::by_ref(&mut stream).take(count).read_to_end(&mut Vec::new());
            let _ = stream.write_all(speech);
        });
        push(&destination, &batch, &batch, Context::system(&Nothing, &random), policy)
    });
    if let Some(error) = &push.error {
        assert_harmless(&error.to_string());
        assert_eq!((push.taken, push.open.as_slice()), (0, std::slice::from_ref(&(0..2))));
    } else {
        assert!(push.taken == 2 && push.open.is_empty(), "{push:?}");
        assert!(speech.is_empty(), "it spoke, so it is no Carbon");
    }
}

/// No HTTP is spoken with Carbon.
struct Nothing;

impl Transport for Nothing {
    fn send(&self, request: &Request, _: Deadline<'_>) -> Result<Response, TransportError> {
        panic!("{request}")
    }
}
