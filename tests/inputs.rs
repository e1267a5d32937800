//! What is given to a run as a file or a stream: pipes, devices and folders where files belong. None of them
//! holds up a run beyond its deadline, or fills the memory.

use crate::support::{
    Datametrics, Dialect, Ingest, Output, graphite, in_parallel,
    limit::{can_limit, make_pipe},
    prices::{provider, run},
};
use std::fs;

const LATE: &str = "it did not end in time; a longer --timeout waits for it";

/// A run of all feeds that pushes.
fn all() -> Datametrics {
    let run = Datametrics::new().env("GRAPHITE_URL", "https://graphite.test/metrics");
    run.env("GRAPHITE_USER", graphite::USER).args(["all"])
}

/// Checks the code and the only message of a run that ends before its first request.
#[track_caller]
fn assert_ends(run: &Datametrics, code: i32, message: &str) {
    let output = run.run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(code), format!("error: {message}\n").as_str()));
}

#[test]
fn a_pipe_that_nobody_writes_is_given_up_at_the_deadline() {
    let runs = [
        ("DATAMETRICS_CONFIG", all()),
        ("GRAPHITE_PASSWORD_FILE", all()),
        ("SSL_CERT_FILE", all().env("GRAPHITE_PASSWORD", graphite::PASSWORD)),
        ("DATAMETRICS_PING_URL_FILE", all()),
    ];
    in_parallel(&runs, |(variable, run)| {
        make_pipe(&run.home().join("pipe"));
        let run = run.clone().env(variable, "pipe").args(["--timeout", "1"]);
        assert_ends(&run, 75, &format!("{variable}: cannot read pipe: {LATE}"));
    });
    let run = all().env("CREDENTIALS_DIRECTORY", ".").args(["--timeout", "1"]);
    make_pipe(&run.home().join("graphite_password"));
    assert_ends(&run, 75, &format!("CREDENTIALS_DIRECTORY: cannot read ./graphite_password: {LATE}"));
}

#[test]
fn standard_input_that_does_not_end_is_given_up_at_the_deadline() {
    let run = Datametrics::new().args(["stocks", "-", "--dry-run", "--timeout", "1"]);
    make_pipe(&run.home().join("pipe"));
    // A pipe that is open for reading and for writing has no end.
    let run = run.started_by(["sh", "-c", "exec \"$0\" \"$@\" <>pipe"]);
    assert_ends(&run, 75, &format!("standard input: cannot read symbols: {LATE}"));
}

#[test]
fn what_has_no_end_is_read_up_to_a_bound() {
    if !can_limit() {
        return;
    }
    let endless = "exec \"$0\" \"$@\" </dev/zero";
    for (run, message) in [
        (
            Datametrics::new().args(["stocks", "-", "--dry-run"]).started_by(["sh", "-c", endless]),
            "standard input: cannot read symbols: it has more than 67108864 bytes",
        ),
        (
            Datametrics::new().args(["all", "--config", "/dev/zero"]),
            "--config: cannot read /dev/zero: it has more than 67108864 bytes",
        ),
        (
            all().env("GRAPHITE_PASSWORD_FILE", "/dev/zero"),
            "GRAPHITE_PASSWORD_FILE: cannot read /dev/zero: it has more than 65536 bytes",
        ),
        (
            all().env("GRAPHITE_PASSWORD", graphite::PASSWORD).env("SSL_CERT_FILE", "/dev/zero"),
            "SSL_CERT_FILE: cannot read /dev/zero: it has more than 16777216 bytes",
        ),
    ] {
        // A run without the bound would end at this limit, or not at all.
        assert_ends(&run.started_by(["prlimit", &format!("--as={}", 512 << 20)]), 74, message);
    }
}

/// Bash gives the output of a command as such a pipe: `<(command)`.
#[test]
fn pipes_that_are_written_are_read_and_a_byte_order_mark_is_skipped() {
    let (server, ingest) = (provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let run = run(&server, "").graphite(&ingest);
    let config = fs::read_to_string(run.home().join("config.toml")).expect("a file");
    let write = |name: &str, text: &str| fs::write(run.home().join(name), format!("\u{feff}{text}")).expect("a file");
    write("config", &config);
    write("password", &format!("{}\r\n", graphite::PASSWORD));
    write("symbols", "BTC\n");
    let script = "cat password | { exec 7<&0; cat config | { exec 8<&0; cat symbols | \"$0\" \"$@\"; }; }";
    Datametrics::program(env!("CARGO_BIN_EXE_datametrics"))
        .started_by(["sh", "-c", &format!("cd {} && {script}", run.home().display())])
        .provider("own", &server)
        .graphite(&ingest)
        .env("GRAPHITE_PASSWORD", "")
        .env("GRAPHITE_PASSWORD_FILE", "/dev/fd/7")
        .args(["crypto", "-", "--provider", "own", "--fields", "last", "--config", "/dev/fd/8"])
        .check();
    assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("5"));
}

/// The URL of the monitor is needed before the settings are read, and can be read only once.
#[test]
fn the_url_of_a_monitor_may_come_from_a_pipe() {
    let (server, ingest) = (provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let monitor = crate::support::Server::with(|_| crate::support::Reply::text(200, "OK"));
    let script = format!("echo {}/x | {{ exec 7<&0; exec \"$0\" \"$@\"; }}", monitor.url());
    let run = run(&server, "").graphite(&ingest).env("DATAMETRICS_PING_URL_FILE", "/dev/fd/7");
    run.started_by(["sh", "-c", &script]).check();
    assert_eq!(monitor.requests().len(), 2);
}

#[test]
fn a_pipe_in_the_state_directory_holds_up_nobody() {
    let (server, ingest) = (provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let said_of = |path: &str| {
        let run = run(&server, "").graphite(&ingest);
        let of_config = path.strip_prefix("state/").map(|name| run.state_file("state", (name, ".json")));
        make_pipe(&of_config.unwrap_or_else(|| run.state_dir().join(path)));
        let output: Output = run.clone().args(["-v"]).run();
        assert_eq!(output.code, Some(0), "{path}: {output}");
        run.clone().check();
        output.stderr
    };
    let said = said_of("state/crypto");
    assert!(said.contains(".json: it is not a regular file; it counts as empty"), "{said}");
    said_of("calls/own");
    said_of("journal/001785182401-1785182401000000-0000000000000001-2.points");

    let run = run(&server, "").graphite(&ingest);
    make_pipe(&run.state_dir().join("lock"));
    let output = run.run();
    let is_said = output.stderr.contains("lock: it is not a regular file") && output.stderr.contains("sent without it");
    assert!(output.code == Some(0) && is_said, "{output}");
    assert!(ingest.value("crypto.BTC-USD.last").is_some());
}
