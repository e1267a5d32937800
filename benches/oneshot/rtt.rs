//! What a run takes on a wire, where nearly all of its time is waiting for packets.

use super::scene::{self, By, Scene};
use super::wire::{NETWORK, ROUND_TRIP, Wire};
use super::{backlog, folder::Folder, hosts, measure, measure::Program, own_network};
use std::env;
use std::process::Stdio;
use std::time::Instant;

/// The argument of the process at the near end of the wire.
pub(crate) const INSIDE: &str = "--near-end";
/// How often a run is measured.
const RUNS: usize = 5;
/// A journal that so many runs do not empty is given up.
const MAX_RUNS: usize = 20;

/// The header of the columns with counts.
const COUNTS: &str = "  requests  connections  lookups";

/// Prints the tables, or a line for so many symbols, or why they are left out.
pub(crate) fn print_tables(symbols: Option<&str>) {
    let args: Vec<&str> = [INSIDE].into_iter().chain(symbols).collect();
    println!();
    if let Err(reason) = own_network::run(&args, NETWORK, Stdio::inherit()) {
        println!("round trips are not measured: {reason}");
    }
}

/// The same in the network of the near end.
pub(crate) fn print_inside(symbols: Option<&str>) {
    let folder = Folder::new();
    let mut wire = match Wire::start(&folder.0) {
        Ok(wire) => wire,
        Err(reason) => return println!("round trips are not measured: {reason}"),
    };
    let title = format!("on a wire of {} ms", ROUND_TRIP.as_millis());
    println!("{title:<42}{:>8}{:>13}{:>8}{COUNTS}", "seconds", "round trips", "MiB");
    if let Some(symbols) = symbols {
        print_long(&mut wire, symbols.parse().expect("a number of symbols"), &folder);
    } else {
        print_round_trips(&mut wire, &folder);
        println!("\n{:<42}{:>8}{:>13}{:>8}{COUNTS}", "what waits", "seconds", "", "runs");
        for scene in [scene::waiting_files(false), scene::waiting_files(true)] {
            print_backlog(&mut wire, &scene, &folder);
        }
    }
}

fn print_round_trips(wire: &mut Wire, folder: &Folder) {
    let scenes = [
        scene::one_provider(By::Address(NETWORK)),
        scene::two_providers(NETWORK),
        scene::first_run(),
        scene::one_provider(By::Name),
        scene::coinbase(),
        scene::batches(20, 1),
        scene::batches(10_000, 500),
    ];
    for scene in &scenes {
        print_line(wire, &scene.title, &scene.program(folder), RUNS, || scene.prepare(folder));
    }
    print_long(wire, 100_000, folder);
    let resolver = env::var_os(own_network::RESOLVER).expect("the folder of the resolver");
    hosts::write_resolver(NETWORK, resolver.as_ref(), hosts::POD);
    let scene = scene::batches(20, 1);
    print_line(wire, &format!("{}, ndots:5", scene.title), &scene.program(folder), RUNS, || {});
    hosts::write_resolver(NETWORK, resolver.as_ref(), "");
    if measure::is_installed("curl") {
        print_line(wire, "curl, the same two requests, by address", &curl(By::Address(NETWORK), folder), RUNS, || {});
        print_line(wire, "curl, the same two requests, by name", &curl(By::Name, folder), RUNS, || {});
    }
}

/// Prints a single run with many symbols. It takes seconds, of which chance is a small part.
fn print_long(wire: &mut Wire, symbols: usize, folder: &Folder) {
    let long = scene::batches(symbols, 500);
    print_line(wire, &long.title, &long.program(folder), 1, || {});
}

/// Two processes of curl, one for the quotes and one for the points, as a shell script would have them.
fn curl(by: By, folder: &Folder) -> Program {
    let (quotes, points) = (by.url("provider.test"), by.url("graphite.test"));
    let script = format!(
        "curl -sS --cacert {0} {quotes}/rows?of=S1 && \
         curl -sS --cacert {0} -H 'Content-Type: application/json' \
         -d '[{{\"name\":\"a.S1.last\",\"value\":61000.5,\"interval\":60}}]' {points}/metrics",
        folder.path("roots.pem")
    );
    Program::new("sh", &folder.0).args(["-c", &script])
}

/// Prints the median of so many runs, each after `prepare`.
fn print_line(wire: &mut Wire, title: &str, program: &Program, runs: usize, prepare: impl Fn()) {
    // This run fills caches, too, and the next ones know where the hosts were.
    let memory = program.run_for_memory();
    let mut measured = Vec::new();
    for _ in 0..runs {
        prepare();
        wire.traffic();
        let begun = Instant::now();
        program.run(&[]);
        measured.push((begun.elapsed(), wire.traffic()));
    }
    measured.sort_unstable();
    let (time, counts) = measured[runs / 2];
    let round_trips = time.as_secs_f64() / ROUND_TRIP.as_secs_f64();
    let memory = memory.map_or("-".to_owned(), |kib| (kib / 1024).to_string());
    println!("{title:<42}{:>8.2}{round_trips:>13.2}{memory:>8}{}", time.as_secs_f64(), cells(counts));
}

/// The cells of [`COUNTS`].
fn cells([requests, connections, lookups]: [u64; 3]) -> String {
    format!("{requests:>10}{connections:>13}{lookups:>9}")
}

/// Runs until nothing waits any more, and prints what all of that took.
fn print_backlog(wire: &mut Wire, scene: &Scene, folder: &Folder) {
    let program = scene.program(folder);
    scene.prepare(folder);
    wire.traffic();
    let begun = Instant::now();
    let mut runs = 0;
    while backlog::waiting(&folder.0) > 0 && runs < MAX_RUNS {
        program.run(&[]);
        runs += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{:<42}{seconds:>8.2}{:>13}{runs:>8}{}", scene.title, "", cells(wire.traffic()));
    let left = backlog::waiting(&folder.0);
    if left > 0 {
        println!("{left} files still wait");
    }
}
