//! A power cut, on a real ext4: while runs are going on, they are stopped and the disk below the file system is copied.
//! The copy has what the machine would find after a power cut. What a run that had ended fetched must be in it, or
//! at Graphite.
//!
//! It needs root, a loop device and mkfs.ext4, and takes a minute, so `.ci/slow` runs it.

use crate::support::{Dialect, Ingest, journal::Journal, prices};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Power cuts of one test.
const CUTS: usize = 40;

/// Runs that go on when the power is cut.
const RUNS: usize = 4;

/// Longer than a run takes.
const LONGEST_WAIT: u64 = 60;

/// Bytes of the disk.
const DISK: u64 = 48 << 20;

#[test]
#[ignore = "needs root, a loop device and a minute: .ci/slow runs it"]
fn power_cut_loses_no_point_of_a_run_that_has_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let image = at("disk.img");
    File::create(&image).and_then(|file| file.set_len(DISK)).expect("an image");
    system("mkfs.ext4", &["-q", path(&image)]);
    let disk = Mounted::at(&image, &at("disk"));
    let (provider, ingest) = (prices::provider(&[("BTC", "61000.5")]), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, "").graphite(&ingest).env("DATAMETRICS_STATE_DIR", disk.0.join("state"));
    let mut ended = BTreeSet::new();
    let mut found = 0;
    for cut in 0..CUTS {
        // A Graphite that is down leaves files, and one that is well takes them.
        if cut % 3 == 2 {
            ingest.recover();
        } else {
            ingest.fail(503);
        }
        let start = |run_number: usize| {
            let name = format!("c{cut}r{run_number}");
            let mut command = run.clone().args(["--prefix", &name]).command();
            (name, command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts"))
        };
        let mut children: Vec<(String, Child)> = (0..RUNS).map(start).collect();
        // Each time at another moment.
        thread::sleep(Duration::from_millis(7 * cut as u64 % LONGEST_WAIT));
        let mut going_on = Vec::new();
        for (name, child) in &mut children {
            match child.try_wait().expect("a child") {
                Some(_) => drop(ended.insert(name.clone())),
                None => going_on.push(child.id().to_string()),
            }
        }
        signal("-STOP", &going_on);
        fs::copy(&image, at("cut.img")).expect("a copy");
        let taken: BTreeSet<String> = ingest.points().into_iter().map(|point| point.name).collect();
        signal("-CONT", &going_on);
        {
            let copy = Mounted::at(&at("cut.img"), &at("cut"));
            let kept: BTreeSet<String> =
                Journal::at(&copy.0.join("state")).values().into_keys().map(|(name, _)| name).collect();
            for name in &ended {
                let point = format!("{name}.crypto.BTC-USD.last");
                assert!(kept.contains(&point) || taken.contains(&point), "{point} is lost by the power cut {cut}");
            }
            found += kept.len();
        }
        for (name, mut child) in children {
            child.wait().expect("a child");
            ended.insert(name);
        }
    }
    assert!(found > CUTS, "{found} points in all copies");
    println!("{CUTS} power cuts, {} runs, {found} points in the copies", ended.len());
}

/// A mounted image.
struct Mounted(PathBuf);

impl Mounted {
    fn at(image: &Path, folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        system("mount", &["-o", "loop", path(image), path(folder)]);
        Self(folder.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        system("umount", &[path(&self.0)]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn system(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {args:?}: {status}; is this root, with a loop device?");
}

/// Sends a signal to processes of which some may be over.
fn signal(signal: &str, pids: &[String]) {
    if !pids.is_empty() {
        let _ = Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status();
    }
}
