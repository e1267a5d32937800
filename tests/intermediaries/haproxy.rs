//! HAProxy before Graphite and before a provider.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Server,
    intermediary::{Intermediary, Program},
    journal::Journal,
    port, prices,
    tls::Certificate,
};
use std::fs;

/// A balancer with this server behind it. `options` are lines of `defaults`, and `tls` is the end of `bind`.
fn config(port: u16, server: u16, options: &str, tls: &str) -> String {
    config_of("http", port, server, options, tls)
}

/// The same for this mode, `http` or `tcp`.
pub(crate) fn config_of(mode: &str, port: u16, server: u16, options: &str, tls: &str) -> String {
    format!(
        "defaults\n mode {mode}\n timeout connect 2s\n timeout client 20s\n timeout server 20s\n{options}\n\
         frontend front\n bind 127.0.0.1:{port} {tls}\n default_backend back\n\
         backend back\n server one 127.0.0.1:{server}\n"
    )
}

fn before(server: &Server, options: &str) -> Intermediary {
    Intermediary::start(Program::Haproxy, |port, _| config(port, server.address().port(), options, ""))
}

/// A run that fetches two symbols and pushes them to this address.
fn run(provider: &Server, ingest: &Ingest, scheme: &str, authority: &str) -> Datametrics {
    prices::run_without_symbols(provider, "")
        .args(["--symbols", "BTC,ETH", "--retries", "0"])
        .graphite(ingest)
        .env("GRAPHITE_URL", format!("{scheme}://{authority}/graphite/metrics"))
}

fn provider() -> Server {
    prices::provider(&[("BTC", "64210.10"), ("ETH", "3120.55")])
}

/// It may keep connections or close each of them after its reply.
#[test]
fn a_balancer_of_http_passes_quotes_and_points_on() {
    if !Program::Haproxy.is_available() {
        return;
    }
    for options in ["", " option httpclose", " option http-server-close\n timeout http-keep-alive 1"] {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let (to_provider, to_ingest) = (before(&provider, options), before(ingest.server(), options));
        let run = run(&provider, &ingest, "http", &to_ingest.authority())
            .env("DATAMETRICS_OWN_BASE_URL", format!("http://{}", to_provider.authority()));
        // The file of before is a request of its own.
        let url = format!("http://{}/graphite/metrics", to_ingest.authority());
        Journal::of(&run).plant_for(&url, 60, &["old.one"]);
        let output = run.run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{options}: {output}");
        assert_eq!(ingest.value("old.one").as_deref(), Some("1.5"));
        assert_eq!(ingest.value("crypto.ETH-USD.last").as_deref(), Some("3120.55"), "{options}");
        assert!(Journal::of(&run).files().is_empty());
    }
}

#[test]
fn a_balancer_that_ends_tls_is_trusted_by_its_authority() {
    if !Program::Haproxy.is_available() {
        return;
    }
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let (certificate, roots) = Certificate::Good.make_pem();
    for options in ["", " option httpclose"] {
        let balancer = Intermediary::start(Program::Haproxy, |port, folder| {
            fs::write(folder.join("front.pem"), &certificate).expect("a file");
            config(port, ingest.server().address().port(), options, "ssl crt front.pem")
        });
        let run = run(&provider, &ingest, "https", &balancer.authority());
        fs::write(run.home().join("roots.pem"), &roots).expect("a file");
        let output = run.env("SSL_CERT_FILE", "roots.pem").run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{options}: {output}");
    }
    assert_eq!(ingest.value("crypto.ETH-USD.last").as_deref(), Some("3120.55"));
}

/// It accepts the connection and answers 503 in the place of Graphite.
#[test]
fn points_wait_while_nothing_is_behind_a_balancer_of_http() {
    if !Program::Haproxy.is_available() {
        return;
    }
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let dead = port::unused();
    let balancer = Intermediary::start(Program::Haproxy, |port, _| config(port, dead, "", ""));
    let run = run(&provider, &ingest, "http", &balancer.authority());
    let output = run.run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stderr.contains("HTTP 503") && output.stderr.contains("in the journal"), "{output}");
    assert!(ingest.points().is_empty());
    let waiting = Journal::of(&run).values();
    assert!(waiting.keys().any(|(name, _)| name == "crypto.BTC-USD.last"), "{waiting:?}");

    let port = balancer.port;
    drop(balancer);
    let alive = ingest.server().address().port();
    let _balancer = Intermediary::start_at(port, Program::Haproxy, |port, _| config(port, alive, "", ""));
    let output = run.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let stored = ingest.points();
    for ((name, time), value) in waiting {
        let is_stored = stored.iter().any(|point| {
            (point.name.as_str(), i64::try_from(point.time), point.value.as_str()) == (&*name, Ok(time), &*value)
        });
        assert!(is_stored, "{name} {time}: {stored:?}");
    }
}

/// It accepts a connection at once, and closes it without an error when its attempts to reach Carbon have failed,
/// which takes three seconds by default.
#[test]
fn points_wait_while_no_carbon_is_behind_a_balancer_of_tcp() {
    if !Program::Haproxy.is_available() {
        return;
    }
    let (provider, carbon) = (provider(), Carbon::start());
    let start = |port: u16, behind: u16| {
        Intermediary::start_at(port, Program::Haproxy, |port, _| config_of("tcp", port, behind, "", ""))
    };
    let port = port::unused();
    let balancer = start(port, port::unused());
    let run = |config: &str, prefix: &str| {
        prices::run_without_symbols(&provider, config)
            .args(["--symbols", "BTC,ETH", "--retries", "0", "--prefix", prefix])
            .env("GRAPHITE_URL", format!("tcp://127.0.0.1:{port}"))
    };
    let with_linger = run("graphite.linger = 6\n", "kept");
    let output = with_linger.run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stderr.contains("or a proxy has no Carbon behind it; the points are in the journal"), "{output}");

    // Without it nothing tells; so a check says it.
    let check = Datametrics::new().args(["check"]).env("GRAPHITE_URL", format!("tcp://127.0.0.1:{port}"));
    // No provider is reached.
    let checked = check.env("HTTPS_PROXY", "http://127.0.0.1:9").run();
    assert!(checked.stdout.contains("if a balancer stands before it, set linger"), "{checked}");
    let output = run("", "lost").run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");

    drop(balancer);
    let behind = carbon.authority().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    let _balancer = start(port, behind);
    let output = with_linger.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let prices = |prefix: &str| {
        let name = format!("{prefix}.crypto.BTC-USD.last ");
        carbon.lines().iter().filter(|line| line.starts_with(&name)).count()
    };
    assert_eq!((prices("kept"), prices("lost")), (2, 0));
}
