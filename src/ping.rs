//! Telling a monitor when a run begins and how it ends, in the protocol of healthchecks.io
//! (<https://healthchecks.io/docs/http_api/>), which others speak too. Silence is what alarms the
//! monitor, so a ping that fails changes nothing here.

use crate::http::request::Request;
use crate::http::retry::{RequestStats, RetryPolicy, send};
use crate::http::transport::Transport;
use crate::http::url::Url;
use crate::outcome::Outcome;
use crate::secret::Secret;
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use crate::system::random::Random;
use std::thread;
use std::time::Duration;

/// The longest the first ping may take; it goes beside the work.
const START_LIMIT: Duration = Duration::from_secs(3);
/// The longest a run that is over waits for both pings.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Tries after the first.
const RETRIES: u32 = 1;
/// Longest reply read, in bytes; it says `OK`.
const MAX_REPLY: u64 = 4096;

/// The way to a monitor.
#[derive(Clone, Copy)]
pub(crate) struct Ping<'a> {
    /// What its pings begin with.
    pub(crate) url: &'a Url,
    /// The network.
    pub(crate) transport: &'a dyn Transport,
    /// Chance: it makes the number by which the monitor knows which end belongs to which start.
    pub(crate) random: &'a Random,
}

impl Ping<'_> {
    /// Does the work and tells the monitor: that it begins, beside it; and what it came to, with
    /// what was `said` by then.
    pub(crate) fn around(self, said: impl Fn() -> String, work: impl FnOnce() -> Outcome) -> Outcome {
        let run = uuid(self.random);
        thread::scope(|scope| {
            let start = || {
                self.tell(
                    &self.request("start", &run, None),
                    Deadline::after(&SystemClock, START_LIMIT),
                    log::Level::Info,
                )
            };
            // Without a thread to be had there is no first ping.
            let start = thread::Builder::new().spawn_scoped(scope, start);
            let outcome = work();
            let deadline = Deadline::after(&SystemClock, END_LIMIT);
            // A start that overtook the end would look like a run that never ends.
            let _ = start.map(thread::ScopedJoinHandle::join);
            let end = self.request(&outcome.code().to_string(), &run, Some(said().into_bytes()));
            self.tell(&end, deadline, log::Level::Warn);
            outcome
        })
    }

    /// What passes is the monitor's to notice; that it does not know us is said at this level, as it
    /// stays so.
    fn tell(self, request: &Request, deadline: Deadline<'_>, level: log::Level) {
        let policy = RetryPolicy { retries: RETRIES, deadline, random: self.random };
        let host = &self.url.host;
        match send(self.transport, request, policy, &mut RequestStats::default(), || ()) {
            Err(error) => log::info!("the monitor was not told: {error}"),
            Ok(response) => match response.status {
                // It is polite to those who guess.
                200..=299 if response.body.contains("not found") => {
                    log::log!(level, "the monitor at {host} has no such check: is --ping-url right?");
                }
                200..=299 => {}
                status @ (408 | 429 | 500..) => log::info!("the monitor at {host} was not told: HTTP {status}"),
                status => log::log!(level, "the monitor at {host} answered HTTP {status}: is --ping-url right?"),
            },
        }
    }

    fn request(self, what: &str, run: &str, body: Option<Vec<u8>>) -> Request {
        let (path, query) = self.url.path.split_once('?').unwrap_or((&self.url.path, ""));
        let and = if query.is_empty() { "" } else { "&" };
        let path = path.trim_end_matches('/');
        let mut headers = Vec::new();
        if body.is_some() {
            headers.push(("Content-Type".to_owned(), Secret::new("text/plain; charset=utf-8")));
        }
        if let Some(credentials) = &self.url.credentials {
            headers.push(("Authorization".to_owned(), credentials.basic()));
        }
        Request {
            server: self.url.clone(),
            path: Secret::new(format!("{path}/{what}?{query}{and}rid={run}")),
            redacted_path: format!("/***/{what}"),
            about: format!("the monitor ({what})"),
            headers,
            body,
            max_body: MAX_REPLY,
            secrets: Vec::new(),
        }
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid(random: &Random) -> String {
    let (a, b) = (random.next(), random.next());
    let (a, b) = (a & !0xf000 | 0x4000, b & !(0b11 << 62) | 0b10 << 62);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48, b & 0xffff_ffff_ffff)
}

/// The last lines of a text, as many as a monitor keeps.
#[derive(Debug, Default)]
pub(crate) struct Tail(String);

impl Tail {
    /// Bytes at most.
    pub(crate) const MAX: usize = 10_000;

    /// The tail of nothing.
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    /// Adds a line; the first ones make room for it.
    pub(crate) fn push(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
        while let Some(more) = self.0.len().checked_sub(Self::MAX).filter(|more| *more > 0) {
            let end = self.0[..self.0.len() - 1].find('\n');
            // A line that alone is too long loses its beginning.
            let boundary = || (more..self.0.len()).find(|at| self.0.is_char_boundary(*at)).unwrap_or(more);
            let cut = end.map_or_else(boundary, |end| end + 1);
            self.0.drain(..cut);
        }
    }

    /// The lines, each with its end.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let random = Random::seeded(1);
        let all: Vec<String> = (0..1000).map(|_| uuid(&random)).collect();
        for uuid in &all {
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12]);
            assert!(uuid.bytes().all(|b| b == b'-' || matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{uuid}");
            assert!(uuid[14..].starts_with('4') && "89ab".contains(&uuid[19..20]), "{uuid}");
        }
        assert!(all.iter().enumerate().all(|(at, uuid)| !all[..at].contains(uuid)));
    }

    #[test]
    fn a_tail_is_whole_lines_and_bounded() {
        arbtest::arbtest(|u| {
            let (mut tail, mut lines) = (Tail::new(), Vec::new());
            for _ in 0..u.int_in_range(0..=40)? {
                let line = "ä€x".repeat(u.int_in_range(0..=300)?);
                tail.push(&line);
                lines.push(line + "\n");
            }
            let most = (0..=lines.len()).map(|from| lines[from..].concat()).find(|text| text.len() <= Tail::MAX);
            assert_eq!(tail.text(), most.unwrap());
            Ok(())
        });
    }

    #[test]
    fn of_a_line_without_end_the_end_is_kept() {
        let mut tail = Tail::new();
        tail.push("before");
        tail.push(&"ä".repeat(Tail::MAX));
        assert_eq!(tail.text(), "ä".repeat(Tail::MAX / 2 - 1) + "\n");
        tail.push("after");
        assert_eq!(tail.text(), "after\n");
    }
}
