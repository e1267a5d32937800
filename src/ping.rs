//! Pings: they tell a monitor when a run begins and how it ends. The protocol is that of healthchecks.io
//! (<https://healthchecks.io/docs/http_api/>), which other monitors understand too. A ping that fails does
//! not change the outcome of the run: the monitor alerts anyway when a ping is missing.
//!
//! A URL with placeholders is for monitors that want one request, at the end, such as Uptime Kuma's push
//! (<https://github.com/louislam/uptime-kuma/wiki>).

use crate::http::request::Request;
use crate::http::retry::{RetryPolicy, send};
use crate::http::stats::RequestStats;
use crate::http::transport::Transport;
use crate::http::url::Url;
use crate::outcome::Outcome;
use crate::secret::{Secret, Secrets, URL_VALUE};
use crate::settings::PING_PLACEHOLDERS;
use crate::system::clock::{Clock, SystemClock};
use crate::system::deadline::Deadline;
use crate::system::random::Random;
use crate::system::threads::warn_of_no_thread;
use percent_encoding::utf8_percent_encode;
use std::thread;
use std::time::Duration;

/// The time limit of the first ping. It is sent while the work goes on.
const START_LIMIT: Duration = Duration::from_secs(3);
/// The time limit of both pings after the end of the work.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Retries of a failed ping.
const RETRIES: u32 = 1;
/// The longest reply that is read, in bytes. A monitor replies `OK`.
const MAX_REPLY_BYTES: u64 = 4096;

/// The longest `{message}`, in characters. A URL must not become too long for a server.
const MAX_MESSAGE: usize = 300;

/// Sends pings to a monitor.
#[derive(Clone, Copy)]
pub(crate) struct Ping<'a> {
    /// The URL that its pings begin with.
    pub(crate) url: &'a Url,
    /// Sends the requests.
    pub(crate) transport: &'a dyn Transport,
    /// Makes the run ID, by which the monitor knows which end belongs to which start.
    pub(crate) random: &'a Random,
}

impl Ping<'_> {
    /// Runs `work`. Pings the monitor when it begins, and again when it ends, with its exit code and what
    /// `read_log` returns then.
    pub(crate) fn run(self, read_log: impl Fn() -> String, work: impl FnOnce() -> Outcome) -> Outcome {
        if PING_PLACEHOLDERS.iter().any(|placeholder| self.url.path.contains(placeholder)) {
            return self.run_to_its_end(read_log, work);
        }
        let run_id = uuid(self.random);
        thread::scope(|scope| {
            let ping_start = || {
                let request = self.request("start", &run_id, None);
                self.send_ping(&request, Deadline::after(&SystemClock, START_LIMIT), log::Level::Info);
            };
            // If no thread can be started, there is no first ping.
            let start = thread::Builder::new().spawn_scoped(scope, ping_start).inspect_err(warn_of_no_thread);
            let outcome = work();
            let deadline = Deadline::after(&SystemClock, END_LIMIT);
            // The first ping must not arrive after the last one, which would look like a run without an end.
            let _ = start.map(thread::ScopedJoinHandle::join);
            let request = self.request(&outcome.code().to_string(), &run_id, Some(read_log().into_bytes()));
            self.send_ping(&request, deadline, log::Level::Warn);
            outcome
        })
    }

    /// Runs `work`. Pings the monitor once, when it ends.
    fn run_to_its_end(self, read_log: impl Fn() -> String, work: impl FnOnce() -> Outcome) -> Outcome {
        let begun = SystemClock.now();
        let outcome = work();
        let took = SystemClock.now() - begun;
        let deadline = Deadline::after(&SystemClock, END_LIMIT);
        let path = filled_path(&self.url.path, outcome, &read_log(), took);
        let request = self.request_for(path, "end", None);
        self.send_ping(&request, deadline, log::Level::Warn);
        outcome
    }

    /// Sends a ping. An error that may pass is only logged as info. An error in the URL stays, so it is
    /// logged at `level`.
    fn send_ping(self, request: &Request, deadline: Deadline<'_>, level: log::Level) {
        let policy = RetryPolicy::new(RETRIES, deadline, self.random);
        let host = &self.url.host;
        match send(self.transport, request, policy, &mut RequestStats::default()) {
            Err(error) => log::info!("the monitor was not told: {error}"),
            Ok(response) => match response.status {
                // For an unknown check, healthchecks.io replies 200 and `OK (not found)`.
                200..=299 if response.body.contains("not found") => {
                    log::log!(level, "the monitor at {host} has no such check: is --ping-url right?");
                }
                200..=299 => {}
                status @ (408 | 429 | 500..) => log::info!("the monitor at {host} was not told: HTTP {status}"),
                status => log::log!(level, "the monitor at {host} answered HTTP {status}: is --ping-url right?"),
            },
        }
    }

    /// The request for an event, which is `start` or an exit code.
    fn request(self, event: &str, run_id: &str, body: Option<Vec<u8>>) -> Request {
        let (path, query) = self.url.path.split_once('?').unwrap_or((&self.url.path, ""));
        let separator = if query.is_empty() { "" } else { "&" };
        let path = path.trim_end_matches('/');
        self.request_for(format!("{path}/{event}?{query}{separator}rid={run_id}"), event, body)
    }

    fn request_for(self, path: String, event: &str, body: Option<Vec<u8>>) -> Request {
        let mut headers = Vec::new();
        let mut secrets = self.url.path_secrets();
        secrets.extend(self.transport.secrets(self.url));
        if body.is_some() {
            headers.push(("Content-Type".to_owned(), Secret::new("text/plain; charset=utf-8")));
        }
        if let Some(credentials) = &self.url.credentials {
            headers.push(("Authorization".to_owned(), credentials.basic()));
            secrets.extend(credentials.secrets());
        }
        Request {
            server: self.url.server(),
            path: Secret::new(path),
            redacted_path: format!("/***/{event}"),
            about: format!("the monitor ({event})"),
            headers,
            body,
            max_body: MAX_REPLY_BYTES,
            identity: None,
            remaining: None,
            secrets: Secrets::from_iter(secrets),
        }
    }
}

/// The path of a URL with values in the place of its placeholders.
fn filled_path(path: &str, outcome: Outcome, log: &str, took: Duration) -> String {
    let is_up = outcome == Outcome::Success;
    // What was said last says best how it ended.
    let message = log.lines().last().unwrap_or(if is_up { "OK" } else { "failed" });
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    // In the order of the placeholders.
    let values = [
        if is_up { "up" } else { "down" }.to_owned(),
        outcome.code().to_string(),
        utf8_percent_encode(&message, URL_VALUE).to_string(),
        took.as_millis().to_string(),
    ];
    PING_PLACEHOLDERS
        .iter()
        .zip(values)
        .fold(path.to_owned(), |path, (placeholder, value)| path.replace(placeholder, &value))
}

/// A random UUID (RFC 9562, version 4).
fn uuid(random: &Random) -> String {
    let (a, b) = (random.next(), random.next());
    let (a, b) = (a & !0xf000 | 0x4000, b & !(0b11 << 62) | 0b10 << 62);
    format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48, b & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_random_and_of_version_4() {
        let random = Random::seeded(1);
        let uuids: Vec<String> = (0..1000).map(|_| uuid(&random)).collect();
        for uuid in &uuids {
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12]);
            assert!(uuid.bytes().all(|b| b == b'-' || matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{uuid}");
            assert!(uuid[14..].starts_with('4') && "89ab".contains(&uuid[19..20]), "{uuid}");
        }
        assert!(uuids.iter().enumerate().all(|(index, uuid)| !uuids[..index].contains(uuid)));
    }
}
