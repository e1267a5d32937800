//! Counts what depends on no clock, and compares it with what is recorded.

use super::case::{Bench, Setup, case};
use super::folder::Folder;
use super::measure::{self, Program};
use super::scene::{self, By};
use super::traffic::Traffic;
use super::{backlog, hosts, own_network};
use std::fmt::{self, Display, Formatter};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs};

/// The argument of the process that counts the scenes, in a network of its own.
pub(crate) const INSIDE: &str = "--count-scenes";
const NETWORK: hosts::Network = [127, 0, 0];
/// How long the servers of the scenes take. It is long enough for a run to send all that it sends at once.
const ANSWER_TIME: Duration = Duration::from_millis(50);
/// How often a run is counted. The middle count is taken, as threads meet by chance.
const RUNS: usize = 5;
/// How often instructions are counted, which takes long.
const INSTRUCTION_RUNS: usize = 3;
/// The counts of a file: a header, and a line for each run.
const RECORD_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/oneshot/counts.txt");

/// What is counted, and the greatest ratio to the recorded count that `--check` allows. Of many requests one more is no
/// mistake: points about the push before go in one of their own, and a run that begins in the same second has none.
const COLUMNS: [(&str, f64); 5] =
    [("instructions", 1.1), ("requests", 1.05), ("connections", 1.0), ("lookups", 1.0), ("system calls", 1.1)];
/// System calls that are made more or less often by chance: where threads wait for each other, and where the
/// allocator gets memory for each of them.
const CHANCE: [&str; 8] = ["brk", "futex", "madvise", "mmap", "mprotect", "munmap", "restart_syscall", "sched_yield"];

/// The counts of a run, by [`COLUMNS`]. `None` where this machine lacks what counts them.
struct Counts {
    title: String,
    counts: [Option<u64>; COLUMNS.len()],
}

impl Counts {
    /// Counts runs of a program, each after `prepare`.
    fn of(title: String, program: &Program, traffic: &Traffic, prepare: impl Fn()) -> Self {
        let run = || {
            prepare();
            traffic.take();
            let calls = program.system_calls();
            if calls.is_none() {
                program.run(&[]);
            }
            let counted = |calls: Vec<(String, u64)>| {
                calls.iter().filter(|(name, _)| !CHANCE.contains(&name.as_str())).map(|(_, count)| count).sum()
            };
            let [requests, connections, lookups] = traffic.take().map(Some);
            [requests, connections, lookups, calls.map(counted)]
        };
        // The first run makes the folders of the state, and the next ones know where the hosts were.
        run();
        let runs: Vec<_> = (0..RUNS).map(|_| run()).collect();
        let middle = |column: usize| {
            let mut counts: Vec<Option<u64>> = runs.iter().map(|run| run[column]).collect();
            counts.sort_unstable();
            counts[RUNS / 2]
        };
        // A thread that waits for a lock turns round for a while, so a busy machine counts more.
        let instructions = (0..INSTRUCTION_RUNS).filter_map(|_| {
            prepare();
            program.instructions()
        });
        let instructions = instructions.min();
        Self { title, counts: [instructions, middle(0), middle(1), middle(2), middle(3)] }
    }

    /// Reads a line of the file.
    fn parse(line: &str) -> Self {
        let mut cells = line.split('|').map(str::trim);
        let title = cells.next().unwrap_or_default().to_owned();
        Self { title, counts: std::array::from_fn(|_| cells.next().and_then(|cell| cell.parse().ok())) }
    }

    /// Prints what differs from the recorded counts. Returns whether anything is more than is allowed, or could
    /// not be counted where nothing may be left out.
    fn is_worse(&self, recorded: &Self) -> bool {
        let title = &self.title;
        let mut is_worse = false;
        for (((name, max_ratio), now), before) in COLUMNS.iter().zip(self.counts).zip(recorded.counts) {
            let (Some(now), Some(before)) = (now, before) else {
                println!("{title}: {name} are not compared: not counted here, or not recorded");
                is_worse |= may_leave_out_nothing();
                continue;
            };
            let ratio = measure::millions(now) / measure::millions(before);
            if now > before && ratio > *max_ratio {
                println!("{title}: {now} {name}, recorded are {before}: find out why, or record them and say why");
                is_worse = true;
            } else if ratio * max_ratio < 1.0 {
                println!("{title}: only {now} {name}, recorded are {before}: record them");
            }
        }
        is_worse
    }
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:<38}", self.title)?;
        for ((name, _), count) in COLUMNS.iter().zip(self.counts) {
            let count = count.map_or("-".to_owned(), |count| count.to_string());
            write!(f, " | {count:>width$}", width = name.len())?;
        }
        Ok(())
    }
}

/// Whether a count that is missing is a failure.
fn may_leave_out_nothing() -> bool {
    env::var("CI").as_deref() == Ok("true")
}

/// The counts of all runs.
fn count_all() -> Vec<Counts> {
    let loopback = [(3, 3), (10_000, 10_000), (10_000, 3)].map(|(rows, watched)| {
        let bench = Bench::new(case(rows, watched, Setup::Plain));
        Counts::of(format!("{watched} of {rows}"), &bench.datametrics(), &bench.traffic, || {})
    });
    let scenes = own_network::run(&[INSIDE], NETWORK, Stdio::piped()).unwrap_or_else(|reason| {
        println!("runs with names are not counted: {reason}");
        String::new()
    });
    loopback.into_iter().chain(scenes.lines().map(Counts::parse)).collect()
}

/// Prints the counts of the scenes. This is the process in a network of its own.
pub(crate) fn print_scenes() {
    let folder = Folder::new();
    let traffic = hosts::start(NETWORK, ANSWER_TIME, &folder.0);
    let scenes = [
        scene::one_provider(By::Address(NETWORK)),
        scene::first_run(),
        scene::one_provider(By::Name),
        scene::two_providers(NETWORK),
        scene::coinbase(),
        scene::batches(20, 1),
        scene::batches(10_000, 500),
        scene::waiting_files(false),
        scene::waiting_files(true),
    ];
    for scene in &scenes {
        let program = scene.program(&folder);
        println!("{}", Counts::of(scene.title.clone(), &program, &traffic, || scene.prepare(&folder)));
        assert_eq!(backlog::waiting(&folder.0), 0, "files that still wait after {}", scene.title);
    }
}

fn header() -> String {
    format!("{:<38}", "run") + &COLUMNS.map(|(name, _)| format!(" | {name}")).concat()
}

pub(crate) fn record() {
    let lines = count_all().into_iter().map(|counts| format!("{counts}\n"));
    let text = header() + "\n" + &lines.collect::<String>();
    fs::write(RECORD_FILE, text).expect("the record can be written");
}

pub(crate) fn check() -> ExitCode {
    let text = fs::read_to_string(RECORD_FILE).expect("the record can be read");
    let recorded: Vec<Counts> = text.lines().skip(1).map(Counts::parse).collect();
    let counted = count_all();
    println!("{}", header());
    for now in &counted {
        println!("{now}");
    }
    let mut is_worse = false;
    for before in &recorded {
        if let Some(now) = counted.iter().find(|now| now.title == before.title) {
            is_worse |= now.is_worse(before);
        } else {
            println!("{}: not counted", before.title);
            is_worse |= may_leave_out_nothing();
        }
    }
    for now in counted.iter().filter(|now| recorded.iter().all(|before| before.title != now.title)) {
        println!("{}: not recorded", now.title);
        is_worse = true;
    }
    if is_worse {
        return ExitCode::FAILURE;
    }
    println!("nothing is more than recorded");
    ExitCode::SUCCESS
}
