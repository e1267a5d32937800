//! The connection to a destination opens while quotes are fetched.

use crate::support::{
    Broker, Carbon, Datametrics, Dialect, Ingest, Reply, Server, Tls,
    graphite::{PASSWORD, USER},
    latch::Latch,
    listener::Listener,
    prices,
    tls::Certificate,
};
use std::{
    fs, io,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What a relay does with the first connection to it.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Forward,
    Close,
}

/// Stands before a server, and tells when somebody has connected.
struct Relay {
    listener: Listener,
    is_connected: Latch,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    fn before(server: SocketAddr, first: First) -> Self {
        let (is_connected, connections) = (Latch::new(), Arc::new(AtomicUsize::new(0)));
        let (latch, count) = (is_connected.clone(), Arc::clone(&connections));
        let listener = Listener::start("127.0.0.1", move |stream, number| {
            count.fetch_max(number, Ordering::SeqCst);
            if number == 1 && first == First::Close {
                let _ = stream.shutdown(Shutdown::Both);
                latch.release();
            } else {
                latch.release();
                let _ = forward(&stream, server);
            }
        });
        Self { listener, is_connected, connections }
    }
}

/// Forwards bytes in both directions to both ends.
fn forward(stream: &TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(stream, &server));
        copy(&server, stream);
    });
    Ok(())
}

/// A provider that answers only when somebody is connected to the destination.
fn provider(relay: &Relay) -> Server {
    let is_connected = relay.is_connected.clone();
    Server::with(move |_| Reply::json(r#"[{"symbol":"BTC","price":64210.10}]"#).after(&is_connected))
}

/// A run that pushes there without retries.
fn run(provider: &Server, url: &str) -> Datametrics {
    let run = prices::run(provider, "").env("GRAPHITE_URL", url);
    if url.starts_with("http") { run.env("GRAPHITE_USER", USER).env("GRAPHITE_PASSWORD", PASSWORD) } else { run }
}

/// The same by TLS that ends before the relay.
fn run_in_tls(provider: &Server, scheme: &str, relay: &Relay, path: &str) -> (Datametrics, Tls) {
    let tls = Tls::before(relay.listener.address(), Certificate::Good);
    let run = run(provider, &format!("{scheme}://{}{path}", tls.address())).env("SSL_CERT_FILE", "roots.pem");
    fs::write(run.home().join("roots.pem"), tls.roots()).expect("a file");
    (run, tls)
}

fn succeeds(run: &Datametrics) {
    let output = run.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
}

#[test]
fn ingest_connection_opens_while_quotes_are_fetched() {
    for is_tls in [false, true] {
        let ingest = Ingest::start(Dialect::Gateway);
        let relay = Relay::before(ingest.server().address(), First::Forward);
        let provider = provider(&relay);
        if is_tls {
            let (run, _tls) = run_in_tls(&provider, "https", &relay, "/graphite/metrics");
            succeeds(&run);
        } else {
            succeeds(&run(&provider, &format!("http://{}/graphite/metrics", relay.listener.address())));
        }
        assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("64210.10"));
        assert_eq!(relay.connections.load(Ordering::SeqCst), 1, "and the push goes over it");
    }
}

#[test]
fn carbon_connection_opens_while_quotes_are_fetched() {
    for scheme in ["tcp", "pickle", "tls"] {
        let carbon = Carbon::start();
        let relay = Relay::before(carbon.authority().parse().expect("an address"), First::Forward);
        let provider = provider(&relay);
        if scheme == "tls" {
            let (run, _tls) = run_in_tls(&provider, scheme, &relay, "");
            succeeds(&run);
        } else {
            succeeds(&run(&provider, &format!("{scheme}://{}", relay.listener.address())));
        }
        let sent = if scheme == "pickle" { carbon.pickled().len() } else { carbon.lines().len() };
        assert_eq!(sent, prices::HEALTH_POINTS + 1, "{scheme}");
        assert_eq!(relay.connections.load(Ordering::SeqCst), 1, "{scheme}: and the push goes over it");
    }
}

#[test]
fn broker_connection_opens_while_quotes_are_fetched() {
    for scheme in ["amqp", "amqps"] {
        let broker = Broker::start();
        let relay = Relay::before(broker.authority().parse().expect("an address"), First::Forward);
        let provider = provider(&relay);
        if scheme == "amqps" {
            let (run, _tls) = run_in_tls(&provider, scheme, &relay, "/%2F?exchange=graphite");
            succeeds(&run);
        } else {
            succeeds(&run(&provider, &format!("{scheme}://{}/%2F?exchange=graphite", relay.listener.address())));
        }
        assert_eq!(broker.points().len(), prices::HEALTH_POINTS + 1, "{scheme}");
        assert_eq!(relay.connections.load(Ordering::SeqCst), 1, "{scheme}: and the push goes over it");
    }
}

#[test]
fn server_that_closes_idle_connections_at_once_costs_no_attempt() {
    let (ingest, carbon, broker) = (Ingest::start(Dialect::Gateway), Carbon::start(), Broker::start());
    let address = |authority: String| authority.parse().expect("an address");
    for (scheme, server, path) in [
        ("http", ingest.server().address(), "/graphite/metrics"),
        ("tcp", address(carbon.authority()), ""),
        ("amqp", address(broker.authority()), "/%2F?exchange=graphite"),
    ] {
        let relay = Relay::before(server, First::Close);
        let provider = provider(&relay);
        succeeds(&run(&provider, &format!("{scheme}://{}{path}", relay.listener.address())));
        assert_eq!(relay.connections.load(Ordering::SeqCst), 2, "{scheme}");
    }
    assert_eq!(ingest.points().len(), prices::HEALTH_POINTS + 1);
    assert_eq!(carbon.lines().len(), prices::HEALTH_POINTS + 1);
    assert_eq!(broker.points().len(), prices::HEALTH_POINTS + 1);
}

/// In TLS a request may meet the close, and goes again.
#[test]
fn server_that_closes_idle_connections_in_tls_costs_no_attempt() {
    let ingest = Ingest::start(Dialect::Gateway);
    let relay = Relay::before(ingest.server().address(), First::Close);
    let provider = provider(&relay);
    let (run, _tls) = run_in_tls(&provider, "https", &relay, "/graphite/metrics");
    succeeds(&run);
    assert_eq!(ingest.points().len(), prices::HEALTH_POINTS + 1);
}

#[test]
fn dry_run_connects_to_no_destination() {
    let ingest = Ingest::start(Dialect::Gateway);
    let relay = Relay::before(ingest.server().address(), First::Forward);
    let provider = prices::provider(&[("BTC", "64210.10")]);
    succeeds(&run(&provider, &format!("http://{}/graphite/metrics", relay.listener.address())).args(["--dry-run"]));
    assert_eq!(relay.connections.load(Ordering::SeqCst), 0);
}
