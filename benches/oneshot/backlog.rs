//! Files that wait in the journal: those of a day without Graphite, one a minute.

use super::journal_format::{DestinationId, JournalPoint, encode};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FILES: u64 = 1_440;
/// How many points a file has.
const POINTS: u64 = 24;

/// Writes the files for the destination with this URL, which names its port.
pub(crate) fn plant(home: &Path, url: &str) {
    let destination = DestinationId::of(url);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    fs::create_dir_all(folder(home)).expect("a folder");
    for index in 1..=FILES {
        let started = now - 60 * index;
        let point = |number| JournalPoint {
            name: format!("old.S{number}.last"),
            value: "61000.5".to_owned(),
            time: i64::try_from(started).expect("a time that fits"),
            interval: 60,
            refusals: 0,
        };
        let points: Vec<_> = (0..POINTS).map(point).collect();
        let name = format!("{started:012}-{started:010}000000-{index:016x}-{POINTS}-{}.points", destination.hash);
        fs::write(folder(home).join(name), encode(Some(&destination), &[], &points)).expect("a file");
    }
}

/// How many files wait.
pub(crate) fn waiting(home: &Path) -> usize {
    fs::read_dir(folder(home)).map_or(0, Iterator::count)
}

fn folder(home: &Path) -> PathBuf {
    home.join(".local/state/datametrics/journal")
}
