//! Limits of the machine, and what stands in the place of a file.

use super::{Fault, messages};
use crate::support::{
    Datametrics, Dialect, Ingest,
    limit::{make_pipe, with_file_size, with_threads},
    port,
    prices::{self, HEALTH_POINTS},
};

pub(crate) const HEAD: &str = "\
## The machine

One price is fetched and pushed by HTTP, and the machine refuses something, or a pipe or a device stands where a file
belongs.

| fault | messages | exit | points stored |
| --- | --- | --- | --- |
";

/// A fault of the machine.
pub(crate) struct Row {
    what: &'static str,
    /// Brings it about.
    start: fn(Datametrics) -> Datametrics,
}

impl Row {
    const fn new(what: &'static str, start: fn(Datametrics) -> Datametrics) -> Self {
        Self { what, start }
    }
}

/// A run with a pipe at this place in its home. Nobody writes into it.
fn with_pipe(run: Datametrics, path: &str) -> Datametrics {
    make_pipe(&run.home().join(path));
    run
}

/// The same with a variable that names the pipe.
fn with_pipe_of(run: Datametrics, variable: &str) -> Datametrics {
    with_pipe(run, "pipe").env(variable, "pipe")
}

/// A run that reads symbols from this file.
fn with_symbols_from(run: Datametrics, redirection: &str) -> Datametrics {
    let script = format!("exec \"$0\" \"$@\" {redirection}");
    // Instead of those that the run has already.
    run.env("DATAMETRICS_SYMBOLS", "-").started_by(["sh", "-c", &script])
}

pub(crate) const ROWS: &[Row] = &[
    Row::new("no more threads (`ulimit -u 1`)", |run| {
        // The first ping wants one.
        with_threads(run.args(["--ping-url", "http://127.0.0.1:9/x"]), 1)
    }),
    Row::new("nothing may be written (`ulimit -f 0`)", |run| with_file_size(run, 0)),
    Row::new("the same, and Graphite is down", |run| {
        let url = format!("http://127.0.0.1:{}/metrics", port::unused());
        with_file_size(run.env("GRAPHITE_URL", url), 0)
    }),
    Row::new("the same, and points are printed into a file", |run| {
        with_file_size(run.args(["--dry-run"]), 0).started_by(["sh", "-c", "exec \"$0\" \"$@\" > file"])
    }),
    Row::new("the lock is a pipe", |run| with_pipe(run, ".local/state/datametrics/lock")),
    Row::new("a file of the state is a pipe", |run| {
        make_pipe(&run.state_file("state", ("crypto", ".json")));
        run
    }),
    Row::new("the password is in a pipe that nobody writes", |run| {
        with_pipe_of(run.env("GRAPHITE_PASSWORD", ""), "GRAPHITE_PASSWORD_FILE")
    }),
    Row::new("the URL of the monitor too", |run| with_pipe_of(run, "DATAMETRICS_PING_URL_FILE")),
    Row::new("the password has no end", |run| {
        run.env("GRAPHITE_PASSWORD", "").env("GRAPHITE_PASSWORD_FILE", "/dev/zero")
    }),
    Row::new("standard input does not end", |run| with_symbols_from(with_pipe(run, "pipe"), "<>pipe")),
    Row::new("standard input is endless", |run| with_symbols_from(run, "</dev/zero")),
];

impl Fault for Row {
    fn what(&self) -> &'static str {
        self.what
    }

    fn needs_mounts(&self) -> bool {
        false
    }

    fn needs_limits(&self) -> bool {
        self.what.contains("ulimit") || self.what.starts_with("the same")
    }

    fn play(&self) -> String {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = prices::run_without_symbols(&server, "").graphite(&ingest).args(["--retries", "0", "--timeout", "3"]);
        let run = (self.start)(run.env("DATAMETRICS_SYMBOLS", "BTC"));
        let output = run.normalise(&run.run());
        let stored = ingest.values().len();
        assert!([0, 1 + HEALTH_POINTS].contains(&stored), "{stored}: {output}");
        let code = output.code.expect("no signal");
        format!("| {} | {} | {code} | {stored} |\n", self.what, messages(&output))
    }
}
