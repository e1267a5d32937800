//! Faults of name servers. They listen at port 53, so these rows are played in a network of their own.

use super::{messages, recorded_line};
use crate::support::{
    Dialect, Ingest, Server, in_parallel, lines,
    name_server::{self, NameServer},
    own_network::{is_inside, run_in_own_network},
    prices::{self, HEALTH_POINTS},
};
use std::{net::UdpSocket, time::Duration};

const HEAD: &str = "\
## Name servers

One price is fetched and pushed by HTTP. Nothing but these name servers knows the names of the provider and of Graphite;
the system's resolver waits five seconds for each of them.

| fault | messages | exit | names that were asked for | points stored |
| --- | --- | --- | --- | --- |
";

/// Prints the rows where there is a network of their own.
const TEST: &str = "faults::names::rows_of_name_servers";

/// A row: what is wrong, the name of provider and Graphite, the seconds for the run, and what each name server does.
/// Each has an address of its own.
struct Row(&'static str, &'static str, u32, &'static [(&'static str, NameServerKind)]);

enum NameServerKind {
    Dead,
    Healthy,
    Late(Duration),
}

use NameServerKind::{Dead, Healthy, Late};

const ROWS: &[Row] = &[
    Row("the first one is dead", "own.test", 40, &[("127.0.1.1", Dead), ("127.0.1.2", Healthy)]),
    Row("it answers after four seconds", "own.test", 40, &[("127.0.1.3", Late(Duration::from_secs(4)))]),
    Row("it never answers", "own.test", 3, &[("127.0.1.4", Dead)]),
    Row("it never answers, and `localhost` is wanted", "localhost", 40, &[("127.0.1.5", Dead)]),
];

/// The table. Where there can be no network, the recorded one.
pub(crate) fn table(recorded: &str) -> String {
    let recorded_lines = || ROWS.iter().map(|row| recorded_line(recorded, HEAD, row.0)).collect::<String>();
    let played = run_in_own_network(TEST).map(|printed| lines(printed.lines().filter(|line| line.starts_with("| "))));
    format!("\n{HEAD}{}", played.unwrap_or_else(recorded_lines))
}

#[test]
fn rows_of_name_servers() {
    if is_inside() {
        // A line of its own, as the harness prints before it.
        print!("\n{}", in_parallel(ROWS, play).concat());
    }
}

fn play(Row(what, host, timeout, servers): &Row) -> String {
    let (provider, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let (mut dead, mut alive): (Vec<UdpSocket>, Vec<NameServer>) = (Vec::new(), Vec::new());
    for (address, kind) in *servers {
        match kind {
            Dead => dead.push(name_server::bind(address)),
            Healthy => alive.push(NameServer::start(address)),
            Late(delay) => alive.push(NameServer::late(address, *delay)),
        }
    }
    let url = |server: &Server| format!("http://{host}:{}", server.address().port());
    let run = prices::run(&provider, "[graphite]\nallow_plaintext_credentials = true\n")
        .etc("resolv.conf", &lines(servers.iter().map(|(address, _)| format!("nameserver {address}"))))
        .etc("nsswitch.conf", "hosts: dns\n")
        .graphite(&ingest)
        .env("DATAMETRICS_OWN_BASE_URL", url(&provider))
        .env("GRAPHITE_URL", format!("{}/graphite/metrics", url(ingest.server())))
        .args(["--timeout", &timeout.to_string()]);
    let output = run.normalise(&run.run());
    let asked: Vec<String> = alive.iter().flat_map(NameServer::questions).collect();
    let (said, code, stored) = (messages(&output), output.code.expect("no signal"), ingest.points().len());
    assert!([0, 1 + HEALTH_POINTS].contains(&stored), "{stored}: {output}");
    format!("| {what} | {said} | {code} | {} | {stored} |\n", asked.join(", "))
}
