//! Days of cron in a world that fails in every way: no point is lost or sent elsewhere without a word, order and bounds
//! hold, and exit codes are true. The whole run goes through it, with a clock, a disk, threads and a network
//! of the simulation. A seed decides everything, so a failure replays.
//!
//! ```sh
//! cargo test --test integration simulation                          # fixed seeds, and a fresh one
//! SIMULATION_SEED=7 cargo test --test integration simulation        # one seed, with everything that happened
//! SIMULATION_SECONDS=600 cargo test --test integration simulation   # fresh seeds for so long
//! SIMULATION_HOURS=48 ...                                           # as long as that, in the simulated time
//! SIMULATION_HOLD=own_destination,... or all                        # promises that are not kept yet
//! ```

mod baton;
mod carbon;
mod checks;
mod disk;
mod ledger;
mod network;
mod order;
mod promises;
mod scenario;
mod script;
mod world;

use datametrics::Random;
use promises::{KNOWN, NAMES, Promise};
use scenario::{Failure, Summary, simulate};
use std::{
    env,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The seeds of every test run, from 0.
const FIXED: u64 = 5;
/// How much of what happened is printed, in lines.
const TRACE: usize = 4_000;

/// The promises that are not looked at: those that are not kept yet, without those of `SIMULATION_HOLD`.
fn left() -> Vec<Promise> {
    let held = env::var("SIMULATION_HOLD").unwrap_or_default();
    let name = |promise: &Promise| NAMES.iter().find(|(_, named)| named == promise).expect("a name").0;
    let is_held = |promise: &Promise| held == "all" || held.split(',').any(|held| held == name(promise));
    KNOWN.iter().copied().filter(|promise| !is_held(promise)).collect()
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

#[test]
fn simulation_of_hours_of_cron_breaks_no_promise() {
    let left = left();
    if let Some(seed) = number("SIMULATION_SEED") {
        let trace = match simulate(seed, &left, true) {
            Ok(summary) => return println!("seed {seed}: {summary:?}"),
            Err(failure) => failure,
        };
        return report(seed, &trace);
    }
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date").as_nanos();
    let fresh = Random::seeded(u64::try_from(fresh & u128::from(u64::MAX)).expect("64 bits"));
    let seconds = number("SIMULATION_SECONDS").map(Duration::from_secs);
    let (begun, mut total, mut simulations, mut failed) = (Instant::now(), Summary::default(), 0, Vec::new());
    loop {
        let seed = match seconds {
            Some(seconds) if begun.elapsed() < seconds => fresh.next(),
            None if simulations < FIXED => simulations,
            None if simulations == FIXED => fresh.next(),
            _ => break,
        };
        simulations += 1;
        match simulate(seed, &left, false) {
            Ok(summary) => total.add(&summary),
            Err(failure) if seconds.is_some() => {
                total.add(&failure.summary);
                println!("SIMULATION_SEED={seed} {}", failure.violations[0]);
                failed.push(seed);
            }
            Err(_) => {
                let failure = simulate(seed, &left, true).expect_err("a seed that replays");
                report(seed, &failure);
            }
        }
    }
    let Summary { runs, points, taken, calls, faults, wide, .. } = total;
    println!(
        "{simulations} simulations, {runs} runs, {wide} of them with requests side by side, {calls} calls, {faults} \
         faults, {points} points, {taken} of them taken"
    );
    assert!(seconds.is_some() || wide > 0, "no run had requests side by side");
    assert!(failed.is_empty(), "{} of {simulations} seeds failed: SIMULATION_SEED={}", failed.len(), failed[0]);
}

/// Fails with what happened before a promise was broken.
fn report(seed: u64, failure: &Failure) {
    let from = failure.trace.len().saturating_sub(TRACE);
    println!("{}", failure.trace[from..].join("\n"));
    panic!("SIMULATION_SEED={seed}\n{}", failure.violations.join("\n"));
}

#[test]
fn simulation_of_a_seed_is_always_the_same() {
    let left = left();
    let result = |seed| simulate(seed, &left, false).unwrap_or_else(|failure| failure.summary);
    for seed in [1, 2] {
        assert_eq!(result(seed), result(seed));
    }
}
