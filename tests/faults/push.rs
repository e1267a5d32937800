//! Faults of Graphite.

use super::fetch::{bomb, chunked_nonsense, drip, endless, huge, quotes, short};
use super::{
    Fault,
    target::{CONFIG, Peer, Target, Trusted, play, run},
    watch,
};
use crate::intermediaries::haproxy;
use crate::support::{
    Behaviour, Broker, Carbon, Conduct, Dialect, Ingest, Received, Reply, Server, graphite,
    intermediary::{Intermediary, Program},
    journal::Journal,
    port,
    tls::Certificate,
};
use std::{fs, path::Path};

pub(crate) const HEAD: &str = "\
## Graphite

Two prices are fetched and pushed, with the points about the run itself, by HTTP, to Carbon or over AMQP. Points that Graphite does
not store stay in the journal, and as soon as Graphite works the next run sends them with its own. Replies about single
points are in `tests/ingest.rs`.

| fault | message | exit | points in the journal |
| --- | --- | --- | --- |
";

/// A fault of Graphite.
pub(crate) struct Row {
    what: &'static str,
    receiver: Receiver,
    /// Seconds for the whole run.
    timeout: u64,
}

/// The kind of Graphite.
enum Receiver {
    Ingest(Peer),
    /// Carbon at this scheme, for faults of the connection.
    Carbon(&'static str, Peer),
    Listener(&'static str, Behaviour),
    Broker(Conduct),
    /// HAProxy before a port of Carbon where nobody listens, and lines of the config.
    Balancer(&'static str),
}

impl Row {
    const fn answer(what: &'static str, answer: fn(&Received) -> Reply) -> Self {
        Self::ingest(what, Peer::Answers(answer))
    }

    const fn ingest(what: &'static str, peer: Peer) -> Self {
        Self { what, receiver: Receiver::Ingest(peer), timeout: 40 }
    }

    const fn carbon(what: &'static str, scheme: &'static str, peer: Peer) -> Self {
        Self { what, receiver: Receiver::Carbon(scheme, peer), timeout: 40 }
    }

    const fn behaviour(what: &'static str, scheme: &'static str, behaviour: Behaviour) -> Self {
        Self { what, receiver: Receiver::Listener(scheme, behaviour), timeout: 40 }
    }

    const fn broker(what: &'static str, conduct: Conduct) -> Self {
        Self { what, receiver: Receiver::Broker(conduct), timeout: 40 }
    }

    const fn balancer(what: &'static str, config: &'static str) -> Self {
        Self { what, receiver: Receiver::Balancer(config), timeout: 40 }
    }

    /// A fault that lasts until the timeout gets a short one.
    const fn lasting(self) -> Self {
        Self { timeout: 3, ..self }
    }
}

/// The reply of a healthy ingest.
fn published(push: &Received) -> Reply {
    Reply::json(format!(r#"{{"published":{}}}"#, push.text().matches("\"name\":").count()))
}

fn says(body: &'static str) -> Reply {
    Reply::json(body)
}

pub(crate) const ROWS: &[Row] = &[
    Row::ingest("a name that does not resolve", Peer::HasNoName),
    Row::ingest("nobody listens", Peer::Refuses),
    Row::ingest("a black hole", Peer::Swallows).lasting(),
    Row::ingest("the first of two addresses is a black hole", Peer::IsAtTheSecondAddress),
    Row::ingest("a proxy that wants credentials", Peer::IsBehindProxy(|_| Reply::text(407, "who?"))),
    Row::ingest("a proxy that forbids it", Peer::IsBehindProxy(|_| Reply::text(403, "filtered"))),
    Row::ingest("a proxy in trouble", Peer::IsBehindProxy(|_| Reply::status(502))),
    Row::ingest("a proxy that closes", Peer::IsBehindProxy(|_| Reply::close())),
    Row::ingest("TLS: all is well", Peer::Tls(Certificate::Good, Trusted::Yes)),
    Row::ingest("TLS: an authority nobody knows", Peer::Tls(Certificate::Good, Trusted::No)),
    Row::ingest("TLS: an authority that is not in SSL_CERT_FILE", Peer::Tls(Certificate::Good, Trusted::Another)),
    Row::ingest("TLS: expired", Peer::Tls(Certificate::Expired, Trusted::Yes)),
    Row::ingest("TLS: for another host", Peer::Tls(Certificate::OfAnother, Trusted::Yes)),
    Row::ingest("TLS: self-signed", Peer::Tls(Certificate::SelfSigned, Trusted::No)),
    Row::ingest("TLS: self-signed with CA:TRUE, and trusted", Peer::Tls(Certificate::Authority, Trusted::Yes)),
    Row::answer("silence", |_| Reply::hang()).lasting(),
    Row::answer("a byte every 100 ms", drip).lasting(),
    Row::answer("the line closed before the reply", |_| Reply::close()),
    Row::answer("a reset before the reply", |_| Reply::reset()),
    Row::answer("the line closed inside the reply", |_| says(r#"{"published":11}"#).cut_after(9)),
    Row::answer("no HTTP at all", |_| Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    Row::answer("an endless reply", endless),
    Row::answer("64 MiB", huge),
    Row::answer("a gzip bomb of 64 MiB", bomb),
    Row::answer("an endless body of a 500", |_| Reply::text(500, "x".repeat(1 << 16)).over(1 << 20)),
    Row::answer("chunked nonsense", chunked_nonsense),
    Row::answer("200, and it does not say how many", |_| says("{}")),
    Row::answer("200, and nothing at all", |_| says("")),
    Row::answer("200, and a page for people", |_| Reply::text(200, "<title>Log in\u{1b}[2J</title>")),
    Row::answer("200, and more than were sent", |_| says(r#"{"published":12}"#)),
    Row::answer("200, and a number that is none", |_| says(r#"{"published":1e99}"#)),
    Row::answer("200, and 77 kB that claim 15,000,000 bad points", |_| {
        let errors: Vec<_> = (0..3_000).map(|at| format!(r#""r{at}":{{"count":5000}}"#)).collect();
        Reply::json(format!(r#"{{"published":0,"validationerrors":{{{}}}}}"#, errors.join(",")))
    }),
    Row::answer("200, and 100,000 levels", |_| Reply::json("[".repeat(100_000))),
    Row::answer("301 to the same host", |_| Reply::status(301).header("Location", "/graphite/metrics/")),
    Row::answer("302 to another host", |_| {
        Reply::status(302).header("Location", "https://user:pass@login.example/?from=us")
    }),
    Row::answer("401", |_| Reply::text(401, "invalid authentication credentials")),
    Row::answer("401 that quotes the credentials", |push| {
        Reply::text(401, format!("{} is no more", push.header("Authorization").unwrap_or_default()))
    }),
    Row::answer("403", |_| Reply::status(403)),
    Row::answer("404", |_| Reply::text(404, "404 page not found\n")),
    Row::answer("405", |_| Reply::status(405)),
    Row::answer("408", |_| Reply::status(408)),
    Row::answer("415", |_| Reply::text(415, "unsupported")),
    Row::answer("418", |_| Reply::status(418)),
    Row::answer("429, Retry-After that does not fit", |_| {
        Reply::text(429, "too many requests").header("Retry-After", "3600")
    }),
    Row::answer("451", |_| Reply::status(451)),
    Row::answer("500", |_| Reply::text(500, "failed to push metric data\n")),
    Row::answer("502 with HTML", |_| Reply::text(502, "<html>\n<h1>Bad Gateway\u{9b}2J</h1></html>")),
    Row::answer("503", |_| Reply::status(503)),
    Row::carbon("Carbon: a name that does not resolve", "tcp", Peer::HasNoName),
    Row::carbon("Carbon: nobody listens", "tcp", Peer::Refuses),
    Row::carbon("Carbon: nobody listens, pickle", "pickle", Peer::Refuses),
    Row::carbon("Carbon: a black hole", "tcp", Peer::Swallows).lasting(),
    Row::behaviour("Carbon: it answers", "tcp", Behaviour::Answer),
    Row::behaviour("Carbon: it resets", "tcp", Behaviour::Reset),
    Row::behaviour("Carbon: it resets, pickle", "pickle", Behaviour::Reset),
    Row::behaviour("Carbon: it never reads", "tcp", Behaviour::NeverRead).lasting(),
    Row::behaviour("Carbon: it never reads, pickle", "pickle", Behaviour::NeverRead).lasting(),
    Row::behaviour("Carbon: it reads slowly", "tcp", Behaviour::ReadSlowly),
    // Nothing tells, so the points are gone. HAProxy gives up after three seconds.
    Row::balancer("Carbon: nobody behind a balancer, which loses the points", ""),
    Row::balancer("Carbon: nobody behind a balancer, with `linger`", "graphite.linger = 6\n"),
    Row::behaviour("Carbon: all is well", "tcp", Behaviour::ReadToEnd),
    Row::carbon("AMQP: a name that does not resolve", "amqp", Peer::HasNoName),
    Row::carbon("AMQP: nobody listens", "amqp", Peer::Refuses),
    Row::carbon("AMQP: a black hole", "amqp", Peer::Swallows).lasting(),
    Row::broker("AMQP: silence", Conduct::Silent).lasting(),
    Row::broker("AMQP: a byte every 100 ms", Conduct::Drip).lasting(),
    Row::broker("AMQP: a close at once", Conduct::CloseEarly),
    Row::broker("AMQP: it resets", Conduct::Reset),
    Row::broker("AMQP: it answers in HTTP", Conduct::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    Row::broker("AMQP: another version", Conduct::Say(b"AMQP\0\0\x09\0")),
    Row::broker("AMQP: a frame of 2 GB", Conduct::Say(b"\x01\0\0\x7f\xff\xff\xff")),
    Row::broker("AMQP: a wrong password", Conduct::EndAtLogin(403, "ACCESS_REFUSED - Login was refused")),
    Row::broker("AMQP: a wrong password, without a word", Conduct::CloseAtLogin),
    Row::broker("AMQP: a wrong vhost", Conduct::EndAtOpen(530, "NOT_ALLOWED - vhost x not found\x1b[2J")),
    Row::broker("AMQP: no exchange", Conduct::EndAtDeclare(404, "NOT_FOUND - no exchange")),
    Row::broker("AMQP: an exchange that is not for us", Conduct::EndAtDeclare(403, "ACCESS_REFUSED - no")),
    Row::broker("AMQP: it shuts down after three points", Conduct::EndAfter(3, 320, "CONNECTION_FORCED - shutdown")),
    Row::broker("AMQP: no queue", Conduct::ReturnAfter(0)),
    Row::broker("AMQP: no queue after three points", Conduct::ReturnAfter(3)),
    Row::broker("AMQP: a refusal after three points", Conduct::RefuseAfter(3)),
    Row::broker("AMQP: no confirm after three points", Conduct::IgnoreAfter(3)).lasting(),
    Row::broker("AMQP: blocked", Conduct::Block).lasting(),
    Row::broker("AMQP: blocked for a moment", Conduct::TakeAfterBlock),
    Row::broker("AMQP: all is well", Conduct::Take),
];

impl Fault for Row {
    fn what(&self) -> &'static str {
        self.what
    }

    fn needs_mounts(&self) -> bool {
        let (Receiver::Ingest(peer) | Receiver::Carbon(_, peer)) = &self.receiver else { return false };
        matches!(peer, Peer::IsAtTheSecondAddress)
    }

    fn needs_haproxy(&self) -> bool {
        matches!(self.receiver, Receiver::Balancer(_))
    }

    fn play(&self) -> String {
        let quiet = self.run(&[]);
        let loud = self.run(&["-vv"]);
        assert_eq!((quiet.1, quiet.2), (loud.1, loud.2));
        format!("| {} | {} | {} | {} |\n", self.what, short(&quiet.0), quiet.1, quiet.2)
    }
}

impl Row {
    /// The message, the exit code, and the number of points in the journal.
    fn run(&self, options: &[&str]) -> (String, i32, usize) {
        let provider = Server::with(quotes);
        let base = run("http", &provider.address().to_string()).args(["--retries", "0"]);
        let (broker, balancer, carbon, target);
        let (scheme, authority, run) = match &self.receiver {
            Receiver::Broker(conduct) => {
                broker = Broker::with(&[*conduct]);
                ("amqp", broker.authority(), base.clone())
            }
            Receiver::Balancer(config) => {
                let behind = |port, _: &Path| haproxy::config_of("tcp", port, port::unused(), "", "");
                balancer = Intermediary::start(Program::Haproxy, behind);
                fs::write(base.home().join("config.toml"), format!("{config}{CONFIG}")).expect("a file");
                ("tcp", balancer.authority(), base.clone())
            }
            Receiver::Listener(scheme, behaviour) => {
                carbon = Carbon::with(&[*behaviour]);
                (*scheme, carbon.authority(), base.clone())
            }
            Receiver::Carbon(scheme, peer) => {
                target = Target::of(peer, published);
                (*scheme, target.authority.clone(), base.clone())
            }
            Receiver::Ingest(peer) => {
                target = Target::of(peer, published);
                let run = base.clone().env("GRAPHITE_USER", graphite::USER);
                let run = target.reached_by(run.env("GRAPHITE_PASSWORD", graphite::PASSWORD));
                (target.scheme, target.authority.clone(), run)
            }
        };
        let path = if matches!(self.receiver, Receiver::Ingest(_)) { "/graphite/metrics" } else { "" };
        let run = run.args(options).env("GRAPHITE_URL", format!("{scheme}://{authority}{path}"));
        let run = if options.is_empty() { run } else { run.env("RUST_LOG", "trace") };
        let finished = play(&run, &authority, self.timeout, watch);
        let code = finished.output.code.expect("no signal");
        let errors: Vec<_> = finished.message.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
        assert_eq!(errors.len(), usize::from(code != 0), "{}", finished.output);
        let waiting = Journal::of(&base).values();
        assert_eq!(waiting.is_empty(), code == 0, "{waiting:?}");

        // The points in the journal are sent as soon as Graphite works again, if at another address.
        let healthy = Ingest::start(Dialect::WriteProxy);
        let config = format!("{CONFIG}\n[graphite]\nformerly = ['{scheme}://{authority}{path}']\n");
        fs::write(base.home().join("config.toml"), config).expect("a file");
        base.clone().args(["--prefix", "again"]).graphite(&healthy).check();
        let values = healthy.values();
        for ((name, _), value) in &waiting {
            assert_eq!(values.get(name), Some(value), "{name}");
        }
        assert!(Journal::of(&base).values().is_empty());
        // The number of bytes depends on timing.
        let message = errors.first().map_or("", |line| line.trim_start_matches("graphite: "));
        let message = match message.split_once(" of ").zip(message.split_once(" bytes")) {
            Some(((before, _), (_, after))) if before.ends_with(|c: char| c.is_ascii_digit()) => {
                format!("{}N of N bytes{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()))
            }
            _ => message.to_owned(),
        };
        (message, code, waiting.len())
    }
}
