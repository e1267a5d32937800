//! What a provider or Graphite can do wrong, and what a run makes of it. `README.md` is the table of
//! what was found; this is how it is found. Every row is run against the built program, and holds
//! in it what may never be otherwise: the exit code, the rest of the points, one line for one cause,
//! the time, the memory, and that no secret is anywhere.

mod body;
mod fetch;
mod memory;
mod push;
pub(crate) mod scene;

use crate::support::{in_parallel, panic_text};
use snapbox::{Assert, Data};
use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// KiB that a run may have at most, whatever comes.
const MOST_MEMORY: u64 = 64 << 10;

const HEAD: &str = "\
# Faults

What the program does when a provider or Graphite does something wrong. This page is what `cargo test --test faults`
found; it fails when anything here is no longer so. After a change that is wanted,
`SNAPSHOTS=overwrite cargo test --test faults` writes it anew.

For every row it also holds that the run is over in time, that its memory stays under 64 MiB, that nothing panics,
and that no key or password is shown at any level, not even by `RUST_LOG=trace`, nor left in a file.
";

/// The rows of a table, as one text. A row that fails says so in its place.
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
