//! A file of the journal. Whatever its bytes are, it can be read or is refused because of its form, and
//! what was read can be written and read again.
//!
//! Input: the file.

use super::assert_safe_to_print;
use crate::delivery::graphite::DestinationId;
use crate::delivery::journal::{Entry, Journal, JournalError};
use crate::system::clock::SystemClock;
use crate::system::disk::SystemDisk;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const NAME: &str = "001785182401-1785182401000000-0000000000000001-3.points";

pub(super) fn check(data: &[u8]) {
    let folder = folder();
    let journal = Journal::open(&SystemDisk, &SystemClock, folder).expect("the folder can be made");
    let path = folder.join("journal").join(NAME);
    fs::write(&path, data).expect("the file can be written");
    let (name, bytes) = (NAME.to_owned(), data.len() as u64);
    let entry = Entry { started: 1_785_182_401, name, points: 3, bytes, destination: None };
    let destination = DestinationId::new("tcp", "carbon.example", 2003, "");
    match journal.read(&entry) {
        Ok(contents) => {
            let lines = data.split(|b| *b == b'\n').count();
            assert!(contents.batch.len() <= lines, "{} points of {lines} lines", contents.batch.len());
            assert!(contents.batch.iter().all(|point| point.value.to_f64().is_finite() && is_plain(point.name)));
            contents.damage.iter().for_each(|damage| assert_safe_to_print(damage));
            let copy = journal.keep(&contents.batch, &destination, 1, 1).expect("the batch can be written");
            assert_eq!((copy.points, copy.started), (contents.batch.len(), 1));
            let reread = journal.read(&copy).expect("the file was just written");
            assert_eq!((reread.damage, &reread.batch), (None, &contents.batch));
            journal.remove(&copy).expect("the file exists");
        }
        Err(JournalError::UnknownVersion { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let _ = fs::remove_dir_all(folder);
}

/// Whether a name can stand in JSON as it is.
fn is_plain(name: &str) -> bool {
    !name.contains(|c: char| c.is_control() || matches!(c, '"' | '\\'))
}

/// A folder for the journal: in memory if the machine has a file system there, which is faster.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shm = PathBuf::from("/dev/shm");
        let parent = if shm.is_dir() { shm } else { std::env::temp_dir() };
        parent.join(format!("datametrics-properties-{}", std::process::id()))
    })
}
