//! Every fault of a provider or of Graphite, and the outcome of the run. `README.md` is the table of
//! outcomes. Each row runs the built program and also checks what must hold for every fault: the exit code,
//! the points of other feeds, one message for one cause, the duration, the memory, and that no secret is
//! shown.

mod body;
mod fetch;
mod memory;
mod push;
pub(crate) mod target;

use crate::support::{in_parallel, panic_text};
use snapbox::{Assert, Data};
use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// The memory limit of a run in KiB.
const MOST_MEMORY: u64 = 64 << 10;

const HEAD: &str = "\
# Faults

What the program does when a provider or Graphite does something wrong. `cargo test --test integration faults` compares
this page with the runs of the built program. After an intended change,
`SNAPSHOTS=overwrite cargo test --test integration faults` rewrites it.

The test also checks for every row that the run ends in time, that its memory stays under 64 MiB, that nothing panics,
and that no key or password is shown at any level, not even with `RUST_LOG=trace`, or left in a file.
";

/// The rows of a table as one text. The row of a panic has its text.
fn table<R: Sync>(rows: &[R], name: impl Fn(&R) -> &str + Sync, play: impl Fn(&R) -> String + Sync) -> String {
    let lines = in_parallel(rows, |row| {
        catch_unwind(AssertUnwindSafe(|| play(row)))
            .unwrap_or_else(|panic| format!("| {} | FAILED | {} |\n", name(row), panic_text(&*panic)))
    });
    lines.concat()
}

#[test]
fn every_fault_has_the_recorded_outcome() {
    let mut text = HEAD.to_owned();
    for (head, rows) in [
        (fetch::HEAD, table(fetch::ROWS, |row| row.what, fetch::Row::play)),
        (body::HEAD, table(body::ROWS, |row| row.what, fetch::Row::play)),
        (push::HEAD, table(push::ROWS, |row| row.what, push::Row::play)),
    ] {
        write!(text, "\n{head}{rows}").expect("memory");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/README.md");
    let assert = Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
    assert.eq(Data::text(text).raw(), Data::read_from(&file, None).raw());
}
