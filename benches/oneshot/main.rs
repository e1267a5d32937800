//! Measures what one run costs.
//!
//! `cargo bench` prints tables: on loopback beside the floor (a minimal program that does the same job with bare
//! sockets) and beside curl and jq; what a run waits for; and round trips on a wire of 50 ms, which alone are printed by
//! `cargo bench -- --rtt`. With a number, such as `--rtt 1000000`, it measures a run with so many symbols instead.
//!
//! `cargo bench -- --check` counts what depends on no clock: instructions, requests, connections, lookups of
//! names and system calls of some runs. It fails if there is more of them than `counts.txt` says, which
//! `cargo bench -- --record` writes. Both need valgrind and strace.

mod backlog;
mod case;
mod counts;
mod floor;
mod folder;
mod hosts;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/journal_format.rs"]
mod journal_format;
mod measure;
mod names;
mod own_network;
mod rtt;
mod scene;
mod server;
mod table;
mod traffic;
mod waits;
mod wire;

use std::env;
use std::path::Path;
use std::process::ExitCode;

const DATAMETRICS: &str = env!("CARGO_BIN_EXE_datametrics");

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--floor", ticker, graphite, symbols] => floor::run(ticker, graphite, symbols),
        [wire::FAR, folder] => wire::serve(Path::new(folder)),
        [rtt::INSIDE, ref symbols @ ..] => rtt::print_inside(symbols.first().copied()),
        [counts::INSIDE] => counts::print_scenes(),
        ["--rtt", ref symbols @ ..] => rtt::print_tables(symbols.first().copied()),
        ["--check"] => return counts::check(),
        ["--record"] => counts::record(),
        _ => {
            table::print();
            waits::print_table();
            rtt::print_tables(None);
        }
    }
    ExitCode::SUCCESS
}
