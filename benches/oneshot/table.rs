//! The table of what a run costs on loopback.

use super::DATAMETRICS;
use super::case::{Bench, Case, Setup, case};
use super::measure::{self, Cost, Program};
use std::fs;
use std::path::Path;
use std::process::Command;

const CASES: [Case; 8] = [
    case(3, 3, Setup::Plain),
    case(3, 3, Setup::Journal),
    case(3, 3, Setup::Tls),
    case(1_000, 1_000, Setup::Plain),
    case(10_000, 10_000, Setup::Plain),
    case(10_000, 10_000, Setup::Journal),
    case(10_000, 3, Setup::Plain),
    case(100_000, 100_000, Setup::Plain),
];

pub(crate) fn print() {
    let has_shell = ["curl", "jq"].iter().all(|tool| measure::is_installed(tool));
    println!("wall and CPU in ms, memory in MiB, instructions in millions; x: times the floor's\n");
    println!("{:<34} {:<12} {}", "watched of served", "program", Cost::HEADER);
    for case in CASES {
        let bench = Bench::new(case);
        let mut programs = vec![("datametrics", bench.datametrics()), ("floor", bench.floor())];
        // With more rows jq takes minutes.
        if has_shell && case.rows <= 1_000 && case.setup == Setup::Plain {
            programs.push(("curl | jq", bench.shell()));
        }
        let costs = measure::costs(&programs.iter().map(|(_, program)| program).collect::<Vec<_>>());
        for ((name, _), cost) in programs.iter().zip(&costs) {
            let setup = match case.setup {
                Setup::Plain => "",
                Setup::Journal => ", with a journal",
                Setup::Tls => ", by https",
            };
            let title = format!("{} of {}{setup}", case.watched, case.rows);
            println!("{title:<34} {name:<12} {}", cost.line(&costs[1]));
        }
    }
    let version = Program::new(DATAMETRICS, Path::new("/")).args(["--version"]);
    if let Some(instructions) = version.instructions() {
        println!("--version: {:.2} M instructions", measure::millions(instructions));
    }
    let size = fs::metadata(DATAMETRICS).map_or(0, |meta| meta.len());
    println!("the binary: {size} bytes");
    if let Ok(rustc) = Command::new("rustc").arg("--version").output() {
        println!("{}", String::from_utf8_lossy(&rustc.stdout).trim());
    }
}
