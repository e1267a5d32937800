//! Names are asked of a name server: of the next one where one is dead, and each name once a run.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Received, Reply, Server,
    black_hole::BlackHole,
    journal::Journal,
    name_server::{self, NameServer},
    now,
    own_network::is_in_own_network,
    proxy::Proxy,
    wait_until,
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Each symbol is a request of its own.
const CONFIG: &str = "
[graphite]
allow_plaintext_credentials = true
[providers.own]
market = 'crypto'
base_url = 'http://127.0.0.1:9'
symbol = '{base}'
quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
";

fn price(_: &Received) -> Reply {
    Reply::json(r#"{"last":64210.10}"#)
}

fn provider() -> Server {
    Server::with(price)
}

/// A run for which nothing but these name servers knows names.
fn run(provider: &Server, resolv_conf: &str) -> Datametrics {
    Datametrics::new()
        .config(CONFIG)
        .etc("resolv.conf", resolv_conf)
        .etc("nsswitch.conf", "hosts: dns\n")
        .args(["crypto", "BTC", "ETH", "BCH", "LTC", "--provider", "own", "--fields", "last", "--retries", "0"])
        .env("DATAMETRICS_OWN_BASE_URL", format!("http://provider.test:{}", provider.address().port()))
}

fn url_of(ingest: &Ingest) -> String {
    format!("http://graphite.test:{}/graphite/metrics", ingest.server().address().port())
}

/// The system's resolver asks the second name server after five seconds. That is less than a request may take.
/// The last ping has less time than that; but the first one has asked for the same name.
#[test]
fn a_dead_name_server_makes_a_run_slower_and_no_more() {
    if !is_in_own_network("name_servers::a_dead_name_server_makes_a_run_slower_and_no_more") {
        return;
    }
    let (_dead, alive) = (name_server::bind("127.0.0.2"), NameServer::start("127.0.0.1"));
    let (provider, ingest, monitor) =
        (provider(), Ingest::start(Dialect::WriteProxy), Server::with(|_| Reply::text(200, "OK")));
    let output = run(&provider, "nameserver 127.0.0.2\nnameserver 127.0.0.1\n")
        .graphite(&ingest)
        .env("GRAPHITE_URL", url_of(&ingest))
        .args(["--ping-url", &format!("http://monitor.test:{}/id", monitor.address().port())])
        .run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!(ingest.value("crypto.LTC-USD.last").as_deref(), Some("64210.10"));
    assert_eq!(alive.questions(), ["graphite.test", "monitor.test", "provider.test"]);
    let pings = monitor.requests();
    assert!(pings.iter().any(|ping| ping.target.starts_with("/id/0?")), "{pings:?}");
}

/// A proxy has a name too.
#[test]
fn a_dead_name_server_makes_a_proxy_slower_and_no_more() {
    if !is_in_own_network("name_servers::a_dead_name_server_makes_a_proxy_slower_and_no_more") {
        return;
    }
    let (_dead, alive) = (name_server::bind("127.0.0.2"), NameServer::start("127.0.0.1"));
    let (provider, proxy) = (provider(), Proxy::start());
    let port = proxy.authority().rsplit_once(':').expect("a port").1.to_owned();
    let output = run(&provider, "nameserver 127.0.0.2\nnameserver 127.0.0.1\n")
        .env("HTTP_PROXY", format!("http://proxy.test:{port}"))
        .args(["--dry-run"])
        .run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!((proxy.requests().len(), alive.questions()), (4, vec!["proxy.test".to_owned()]));
}

/// With the default of five seconds it would end without a quote.
#[test]
fn the_options_of_the_resolver_are_followed() {
    if !is_in_own_network("name_servers::the_options_of_the_resolver_are_followed") {
        return;
    }
    let (_dead, _alive) = (name_server::bind("127.0.0.2"), NameServer::start("127.0.0.1"));
    let provider = provider();
    let servers = "nameserver 127.0.0.2\nnameserver 127.0.0.1\n";
    for (options, code) in [("options timeout:1\n", 0), ("", 69)] {
        let output = run(&provider, &format!("{options}{servers}")).args(["--dry-run", "--timeout", "5"]).run();
        assert_eq!(output.code, Some(code), "{options}{output}");
    }
}

#[test]
fn a_name_is_asked_for_once_in_a_run() {
    if !is_in_own_network("name_servers::a_name_is_asked_for_once_in_a_run") {
        return;
    }
    let names = NameServer::start("127.0.0.1");
    let (provider, carbon, monitor) = (provider(), Carbon::start(), Server::with(|_| Reply::text(200, "OK")));
    let port = |authority: &str| authority.rsplit_once(':').expect("a port").1.to_owned();
    // All of them have the same name, and Carbon gets a connection for each file.
    let carbon_url = format!("tcp://provider.test:{}", port(&carbon.authority()));
    let run = run(&provider, "nameserver 127.0.0.1\n")
        .env("GRAPHITE_URL", &carbon_url)
        .args(["--ping-url", &format!("http://provider.test:{}/id", monitor.address().port())]);
    let journal = Journal::of(&run);
    for age in [60, 120] {
        journal.plant_for(&carbon_url, age, &[format!("old.{age}")]);
    }
    let output = run.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!((provider.requests().len(), monitor.requests().len()), (4, 2));
    assert!(carbon.lines().iter().any(|line| line.starts_with("old.120 ")), "{:?}", carbon.lines());
    assert_eq!(names.questions(), ["provider.test"]);
}

/// In the second run the name server answers when all connections are there that the requests need: so they were opened
/// to where the provider was in the first run.
#[test]
fn connections_open_while_a_name_is_looked_up() {
    if !is_in_own_network("name_servers::connections_open_while_a_name_is_looked_up") {
        return;
    }
    let (provider, wanted) = (Arc::new(provider()), Arc::new(AtomicUsize::new(0)));
    let (counted, limit) = (Arc::clone(&provider), Arc::clone(&wanted));
    let names = NameServer::waiting("127.0.0.1", move || {
        wait_until("connections", || counted.connections() >= limit.load(Ordering::SeqCst));
    });
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = run(&provider, "nameserver 127.0.0.1\n").graphite(&ingest).args(["--timeout", "5"]);
    let first = run.run();
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{first}");
    // As many requests of a provider go side by side.
    let connections = provider.connections() + 4;
    wanted.store(connections, Ordering::SeqCst);
    let second = run.run();
    assert_eq!((second.code, second.stderr.as_str()), (Some(0), ""), "{second}");
    assert_eq!((provider.connections(), provider.requests().len()), (connections, 8));
    assert_eq!(names.questions(), ["provider.test", "provider.test"], "the name is looked up all the same");
}

/// Whether this network has a connection to this address that nobody has accepted yet
/// (<https://docs.kernel.org/networking/proc_net_tcp.html>).
fn is_connecting(address: [u8; 4], port: u16) -> bool {
    const SYN_SENT: &str = "02";
    let remote = format!("{:08X}:{port:04X}", u32::from_ne_bytes(address));
    let sockets = fs::read_to_string("/proc/net/tcp").expect("the sockets");
    sockets.lines().any(|line| line.split_whitespace().skip(2).take(2).eq([remote.as_str(), SYN_SENT]))
}

/// The dead address costs time, and the other one is reached all the same.
#[test]
fn an_address_of_the_run_before_that_has_died_makes_a_run_slower_and_no_more() {
    if !is_in_own_network("name_servers::an_address_of_the_run_before_that_has_died_makes_a_run_slower_and_no_more") {
        return;
    }
    let (provider, ingest) = (Server::at("127.0.0.3", price), Ingest::start(Dialect::WriteProxy));
    let _hole = BlackHole::at("127.0.0.2", provider.address().port());
    let port = provider.address().port();
    let _names = NameServer::answering("127.0.0.1", &[[127, 0, 0, 2], [127, 0, 0, 3]], move || {
        wait_until("an early connection", || is_connecting([127, 0, 0, 2], port));
    });
    let run = run(&provider, "nameserver 127.0.0.1\n").graphite(&ingest);
    let state = run.state_file("state", ("crypto", ".json"));
    let host = |address| format!(r#""hosts":[{{"name":"provider.test","address":"{address}","time":"#);
    fs::create_dir_all(state.parent().expect("a folder")).expect("a folder");
    fs::write(&state, format!("{{{}{}}}]}}", host("127.0.0.2"), now())).expect("a file");
    let output = run.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!(provider.requests().len(), 4);
    let left = fs::read_to_string(&state).expect("a file");
    assert!(left.contains(&host("127.0.0.3")), "{left}");
}

/// Of two addresses the other one may be well.
#[test]
fn an_address_with_a_bad_answer_is_not_remembered() {
    static CONDUCT: AtomicUsize = AtomicUsize::new(0);
    if !is_in_own_network("name_servers::an_address_with_a_bad_answer_is_not_remembered") {
        return;
    }
    let provider = Server::with(|request| match CONDUCT.load(Ordering::SeqCst) {
        0 => price(request),
        1 => Reply::status(500),
        _ => Reply::close(),
    });
    let (ingest, _names) = (Ingest::start(Dialect::WriteProxy), NameServer::start("127.0.0.1"));
    let run = run(&provider, "nameserver 127.0.0.1\n").graphite(&ingest).env("GRAPHITE_URL", url_of(&ingest));
    // The provider and Graphite, or Graphite alone.
    for (conduct, code, remembered) in [(0, 0, 2), (1, 69, 1), (0, 0, 2), (2, 69, 1)] {
        CONDUCT.store(conduct, Ordering::SeqCst);
        let output = run.run();
        assert_eq!(output.code, Some(code), "{output}");
        let state = fs::read_to_string(run.state_file("state", ("crypto", ".json"))).expect("a file");
        assert_eq!(state.matches(r#""address":"127.0.0.1""#).count(), remembered, "{state}");
    }
}

/// The end of the run is not delayed by a name server that never answers.
#[test]
fn a_run_ends_in_time_without_a_name_server() {
    if !is_in_own_network("name_servers::a_run_ends_in_time_without_a_name_server") {
        return;
    }
    let _dead = name_server::bind("127.0.0.1");
    let output = run(&provider(), "nameserver 127.0.0.1\n").args(["--dry-run", "-q", "--timeout", "3"]).run();
    let message = "no whole answer from provider.test in time (resolving its name)";
    assert_eq!(output.code, Some(69), "{output}");
    assert!(output.stderr.contains(message), "{output}");
}
