//! A file of the journal, as it lies on the disk.

use super::assert_harmless;
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
    let entry = Entry { started: 1_785_182_401, name: NAME.to_owned(), points: 3, bytes: data.len() as u64 };
    match journal.read(&entry) {
        Ok(contents) => {
            let lines = data.split(|b| *b == b'\n').count();
            assert!(contents.batch.len() <= lines, "{} points of {lines} lines", contents.batch.len());
            assert!(contents.batch.iter().all(|point| point.value.to_f64().is_finite() && !point.name.contains('\n')));
            contents.damage.iter().for_each(|damage| assert_harmless(damage));
            // What was read is kept again as it is.
            let again = journal.keep(&contents.batch, 1, 1).expect("the batch can be written");
            assert_eq!((again.points, again.started), (contents.batch.len(), 1));
            let read = journal.read(&again).expect("it was just written");
            assert_eq!((read.damage, &read.batch), (None, &contents.batch));
            journal.remove(&again).expect("it is there");
        }
        Err(JournalError::Form { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    let _ = fs::remove_dir_all(folder);
}

/// In memory where the machine has such a place: nothing here is to last.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let above = if memory.is_dir() { memory } else { std::env::temp_dir() };
        above.join(format!("datametrics-properties-{}", std::process::id()))
    })
}
