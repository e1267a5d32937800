//! Every fault of a provider, of Graphite, of the journal or of the machine, and the outcome of the run. `README.md` is the table of
//! outcomes. Each row runs the built program and also checks what must hold for every fault: the exit code,
//! the points of other feeds, one message for one cause, the memory, and that no secret is shown.

mod body;
mod fetch;
mod machine;
mod memory;
mod names;
mod no_locks;
mod push;
mod secrets;
mod side_by_side;
pub(crate) mod target;
mod waiting;

use crate::support::{
    Output, command::Running, graphite, in_parallel, intermediary::Program, limit::can_limit, mount::can_mount,
    panic_text,
};
use snapbox::{Assert, Data};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
    time::Duration,
};

/// The memory limit of a run in KiB.
const MOST_MEMORY: u64 = 64 << 10;

const HEAD: &str = "\
# Faults

What the program does when a provider, a name server, Graphite, the journal or the machine does something wrong.
`cargo test --test integration faults` compares this page with the runs of the built program. After an intended change,
`SNAPSHOTS=overwrite cargo test --test integration faults` rewrites it.

The test also checks for every row that the run ends, that nothing panics, and that no password is shown. For providers,
bodies, secrets and Graphite it checks that no key or password is shown at any level, not even with `RUST_LOG=trace`, or
left in a file; for these and for the journal, that the memory of the run stays under 64 MiB.
";

/// A row of a table.
trait Fault: Sync {
    /// The first cell.
    fn what(&self) -> &'static str;
    /// Whether something is mounted for the run, such as another `/etc/hosts`.
    fn needs_mounts(&self) -> bool;
    /// Whether limits of the machine are set for the run.
    fn needs_limits(&self) -> bool {
        false
    }
    /// Whether a real balancer is part of it.
    fn needs_haproxy(&self) -> bool {
        false
    }
    /// Runs the program. Returns the line of the table.
    fn play(&self) -> String;
}

/// A table as one text. The row of a panic has its text. A row that cannot be played on this machine is
/// taken from the recorded page, so that the rest of the page can still be compared.
fn table<R: Fault>(recorded: &str, head: &str, rows: &[R]) -> String {
    let line = |row: &R| {
        let can_play = (!row.needs_mounts() || can_mount())
            && (!row.needs_limits() || can_limit())
            && (!row.needs_haproxy() || Program::Haproxy.is_available());
        if can_play { row.play() } else { recorded_line(recorded, head, row.what()) }
    };
    let lines = in_parallel(rows, |row| {
        catch_unwind(AssertUnwindSafe(|| line(row)))
            .unwrap_or_else(|panic| format!("| {} | FAILED | {} |\n", row.what(), panic_text(&*panic)))
    });
    format!("\n{head}{}", lines.concat())
}

/// The line of a row on the recorded page. Two tables may have rows of the same name.
fn recorded_line(page: &str, head: &str, what: &str) -> String {
    let (_, table) = page.split_once(head).expect("a recorded table");
    let begin = format!("| {what} | ");
    let line = table.lines().take_while(|line| !line.is_empty()).find(|line| line.starts_with(&begin));
    format!("{}\n", line.expect("a recorded line"))
}

/// The peak memory of a run in KiB. It is sampled until the run ends, as a process that ended has none to read.
fn watch(running: &Running) -> u64 {
    let samples = || std::iter::from_fn(|| running.peak_memory().inspect(|_| thread::sleep(Duration::from_millis(2))));
    samples().last().unwrap_or(0)
}

/// What a run said, on one line, if it is nothing that no run may say. Names of files of the journal differ from run to
/// run.
fn messages(output: &Output) -> String {
    assert!(!output.stderr.contains("a defect") && !output.stderr.contains("panic"), "{output}");
    assert!(!output.stderr.contains(graphite::PASSWORD), "{output}");
    let hide_file = |line: &str| match (line.find("/0017"), line.split_once(".points")) {
        (Some(begin), Some((_, after))) => format!("{}/FILE.points{after}", &line[..begin]),
        _ => line.to_owned(),
    };
    output.stderr.lines().map(hide_file).collect::<Vec<_>>().join(" ⏎ ").replace('<', "\\<")
}

#[test]
fn every_fault_has_the_recorded_outcome() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/README.md");
    let recorded = fs::read_to_string(&file).expect("the recorded page");
    let tables = [
        table(&recorded, fetch::HEAD, fetch::ROWS),
        table(&recorded, body::HEAD, body::ROWS),
        table(&recorded, secrets::HEAD, secrets::ROWS),
        names::table(&recorded),
        table(&recorded, push::HEAD, push::ROWS),
        table(&recorded, waiting::HEAD, waiting::ROWS),
        table(&recorded, side_by_side::HEAD, side_by_side::ROWS),
        table(&recorded, machine::HEAD, machine::ROWS),
    ];
    let text = format!("{HEAD}{}", tables.concat());
    let assert = Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
    assert.eq(Data::text(text).raw(), Data::read_from(&file, None).raw());
}
