//! The simulated disk behaves as the real one: the same calls, the same results.

use super::world::{Machine, Process, World};
use crate::support::log_capture::Messages;
use datametrics::{DirEntry, Disk, Random, SystemDisk};
use std::{
    collections::BTreeSet,
    fmt::Debug,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

/// Names of files and folders, so few that they often meet.
const NAMES: [&str; 7] = ["a", "b", "sub", "sub/a", "sub/b", "sub/deep/a", "missing/a"];
const SCRIPTS: usize = 200;
/// Steps of a script. After too many, every name is a folder.
const STEPS: usize = 40;

/// A call, as numbers say. The result is a text: what came of it, or the kind of the error.
fn step(disk: &dyn Disk, root: &Path, [call, from, to]: [usize; 3]) -> String {
    let (from, to) = (root.join(NAMES[from]), root.join(NAMES[to]));
    match call {
        0 => said(disk.create_dir(&from)),
        1 => format!("{:?}", disk.is_dir(&from)),
        2 | 3 => said(disk.create_new(&from).and_then(|mut file| {
            file.write_all(b"abc")?;
            file.sync()?;
            file.write_all(to.file_name().unwrap_or_default().as_encoded_bytes())
        })),
        4 => said(disk.open(&from).and_then(|mut file| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map(|_| bytes)
        })),
        // Nobody moves folders.
        5 | 6 if disk.is_dir(&from) => String::new(),
        5 | 6 => said(disk.rename(&from, &to)),
        7 => said(disk.remove_file(&from)),
        8 => said(disk.sync_dir(&from)),
        9 | 10 => said(disk.list(if call == 9 { root } else { &from }).map(|entries| {
            let entry = |DirEntry { name, is_file, bytes, .. }| (name, is_file, if is_file { bytes } else { 0 });
            entries.into_iter().map(entry).collect::<BTreeSet<_>>()
        })),
        // A lock that is held is tried again, and is free after that.
        _ => said(
            disk.try_lock(&from).map(|lock| (lock.is_some(), disk.try_lock(&from).map(|again| again.is_some()).ok())),
        ),
    }
}

fn said<T: Debug>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |value| format!("{value:?}"))
}

#[test]
fn simulated_disk_behaves_as_the_real_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = Arc::new(World::new(1, false, &[]));
    world.inner().processes.push(Process::new(0, vec![0], Messages::new(log::LevelFilter::Off)));
    let machine = Machine { world, process: 0 };
    let random = Random::seeded(7);
    let below = |bound: usize| usize::try_from(random.next() % bound as u64).expect("a number");
    for script in 0..SCRIPTS {
        let name = script.to_string();
        let (simulated, real) = (Path::new("/").join(&name), folder.path().join(&name));
        machine.create_dir(&simulated).and_then(|()| SystemDisk.create_dir(&real)).expect("a folder");
        for number in 0..STEPS {
            let numbers = [below(12), below(NAMES.len()), below(NAMES.len())];
            let results = (step(&machine, &simulated, numbers), step(&SystemDisk, &real, numbers));
            let names = [NAMES[numbers[1]], NAMES[numbers[2]]];
            assert_eq!(results.0, results.1, "script {script}, step {number}: {numbers:?} {names:?}");
        }
    }
}

/// What is synced survives, and what is not may be lost: the names of a folder and the bytes of a file.
#[test]
fn simulated_crash_of_the_machine_keeps_what_is_synced() {
    let now = std::time::Duration::ZERO;
    let (folder, file) = (Path::new("/d"), |name: &str| Path::new("/d").join(name));
    for survives in [0, usize::MAX] {
        let mut disk = super::disk::Disk::default();
        disk.create_dir(folder).expect("a folder");
        disk.sync_dir(Path::new("/")).expect("a sync");
        let a = disk.create_new(&file("a.tmp"), now).expect("a file");
        disk.append(a, b"synced", now);
        disk.sync(a);
        disk.append(a, b" and not", now);
        disk.rename(&file("a.tmp"), &file("a")).expect("a rename");
        disk.sync_dir(folder).expect("a sync");
        let b = disk.create_new(&file("b"), now).expect("a file");
        disk.append(b, b"b", now);
        disk.remove_file(&file("a")).expect("a file");
        disk.power_cut(survives, |unsynced| unsynced.min(survives));
        let names = |disk: &super::disk::Disk| -> Vec<String> {
            disk.list(folder).expect("a folder").into_iter().map(|entry| entry.name).collect()
        };
        if survives == 0 {
            assert_eq!((names(&disk), disk.bytes(a)), (vec!["a".to_owned()], &b"synced"[..]));
        } else {
            assert_eq!((names(&disk), disk.bytes(b)), (vec!["b".to_owned()], &b"b"[..]));
        }
    }
}
