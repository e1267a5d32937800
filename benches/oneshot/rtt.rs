//! What a run takes on a wire, where nearly all of its time is waiting for packets.

use super::scene::{self, By, Scene};
use super::wire::{NETWORK, ROUND_TRIP, Wire};
use super::{backlog, folder::Folder, measure, measure::Program, own_network};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The argument of the process at the near end of the wire.
pub(crate) const INSIDE: &str = "--near-end";
/// How often a run is measured.
const RUNS: usize = 5;
/// A journal that so many runs do not empty is given up.
const MAX_RUNS: usize = 20;

/// Prints the tables, or why they are left out.
pub(crate) fn print_tables() {
    println!();
    if let Err(reason) = own_network::run(INSIDE, NETWORK, Stdio::inherit()) {
        println!("round trips are not measured: {reason}");
    }
}

/// The same in the network of the near end.
pub(crate) fn print_inside() {
    let folder = Folder::new();
    let mut wire = match Wire::start(&folder.0) {
        Ok(wire) => wire,
        Err(reason) => return println!("round trips are not measured: {reason}"),
    };
    print_round_trips(&mut wire, &folder);
    print_backlogs(&mut wire, &folder);
}

fn print_round_trips(wire: &mut Wire, folder: &Folder) {
    println!(
        "{:<42}{:>8}{:>12}{:>10}{:>13}{:>9}",
        format!("on a wire of {} ms", ROUND_TRIP.as_millis()),
        "seconds",
        "round trips",
        "requests",
        "connections",
        "lookups"
    );
    let scenes = [
        scene::one_provider(By::Address(NETWORK)),
        scene::two_providers(NETWORK),
        scene::one_provider(By::Name),
        scene::coinbase(),
        scene::batches(20, 1),
        scene::batches(10_000, 500),
    ];
    for scene in &scenes {
        print_line(wire, &scene.title, &scene.program(folder), RUNS);
    }
    // It takes many seconds, of which chance is a small part.
    let long = scene::batches(100_000, 500);
    print_line(wire, &long.title, &long.program(folder), 1);
    if measure::is_installed("curl") {
        print_line(wire, "curl, the same two requests, by address", &curl(By::Address(NETWORK), folder), RUNS);
        print_line(wire, "curl, the same two requests, by name", &curl(By::Name, folder), RUNS);
    }
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

/// Prints the median of so many runs.
fn print_line(wire: &mut Wire, title: &str, program: &Program, runs: usize) {
    let mut measured = Vec::new();
    for _ in 0..runs {
        wire.traffic();
        let begun = Instant::now();
        program.run(&[]);
        measured.push((begun.elapsed(), wire.traffic()));
    }
    measured.sort_unstable();
    let (time, [requests, connections, lookups]) = measured[runs / 2];
    println!(
        "{title:<42}{:>8.2}{:>12.1}{requests:>10}{connections:>13}{lookups:>9}",
        time.as_secs_f64(),
        round_trips(time)
    );
}

fn round_trips(time: Duration) -> f64 {
    time.as_secs_f64() / ROUND_TRIP.as_secs_f64()
}

fn print_backlogs(wire: &mut Wire, folder: &Folder) {
    println!(
        "\n{:<42}{:>8}{:>12}{:>10}{:>13}{:>9}",
        "what waits", "seconds", "runs", "requests", "connections", "lookups"
    );
    for scene in [scene::waiting_files(false), scene::waiting_files(true)] {
        print_backlog(wire, &scene, folder);
    }
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
    let [requests, connections, lookups] = wire.traffic();
    println!("{:<42}{seconds:>8.2}{runs:>12}{requests:>10}{connections:>13}{lookups:>9}", scene.title);
    let left = backlog::waiting(&folder.0);
    if left > 0 {
        println!("{left} files still wait");
    }
}
