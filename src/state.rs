//! What a run remembers for the next one: the last push, which symbols were missing, when a
//! provider was last asked.
//!
//! It is small, never synced, and may be lost: what cannot be read counts as never written. A run
//! reads and writes without the lock; files are replaced whole, the last writer wins.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest file that is read, in bytes; what is longer was not written here.
const MAX_FILE: u64 = 16 << 20;

/// The variables that say where the state is, the strongest first.
pub const VARIABLES: [&str; 4] = ["DATAMETRICS_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"];

/// The folder for state and journal: `$DATAMETRICS_STATE_DIR`, else systemd's `$STATE_DIRECTORY`
/// (the first of several), else `datametrics` in `$XDG_STATE_HOME` or in `~/.local/state`. An
/// empty variable is unset. `None` where no variable says anything.
///
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory=>,
/// <https://specifications.freedesktop.org/basedir-spec/latest/>
pub fn state_dir(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let var = |name| var(name).filter(|value| !value.is_empty());
    let systemd = || std::env::split_paths(&var("STATE_DIRECTORY")?).find(|path| !path.as_os_str().is_empty());
    // The specification has relative paths ignored.
    let xdg = || var("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(var("HOME")?).join(".local/state"));
    let ours = || Some(xdg().or_else(home)?.join("datametrics"));
    var("DATAMETRICS_STATE_DIR").map(PathBuf::from).or_else(systemd).or_else(ours)
}

/// What is remembered between runs, in a folder.
#[derive(Clone, Debug)]
pub struct State {
    state_dir: PathBuf,
}

/// What the last run of the same name left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRun {
    /// The push, unless there was none.
    pub push: Option<Push>,
    /// Feed by feed, the symbols that were missing.
    pub missing: BTreeMap<String, BTreeSet<String>>,
}

/// A push to Graphite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// When its run started, in Unix seconds.
    pub time: i64,
    /// How long it took.
    pub seconds: f64,
    /// The worst HTTP status; 0 = no HTTP answer.
    pub status: u16,
}

impl State {
    /// The state in this folder, which need not be there yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// The folder.
    pub fn place(&self) -> &Path {
        &self.state_dir
    }

    /// What the last run of this name left; nothing if that cannot be read.
    pub fn last_run(&self, run: &str) -> LastRun {
        let read = || serde_json::from_slice(&self.read("state", &format!("{run}.json"))?).ok();
        read().unwrap_or_default()
    }

    /// Remembers a run for the next one of this name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_last_run(&self, run: &str, last: &LastRun) -> io::Result<()> {
        self.write("state", &format!("{run}.json"), &serde_json::to_vec(last)?)
    }

    /// The start, in Unix seconds, of the last run that asked this provider.
    pub fn last_call(&self, provider: &str) -> Option<i64> {
        String::from_utf8(self.read("calls", provider)?).ok()?.trim().parse().ok()
    }

    /// Remembers the start, in Unix seconds, of a run that asks this provider.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_last_call(&self, provider: &str, started: i64) -> io::Result<()> {
        self.write("calls", provider, format!("{started}\n").as_bytes())
    }

    /// Tries what the journal does there: makes a file, writes it through to the disk and removes it.
    ///
    /// # Errors
    /// With what the operating system refused.
    pub fn try_out(&self) -> io::Result<()> {
        make_folder(&self.state_dir)?;
        let place = self.state_dir.join(format!("check.{}.tmp", std::process::id()));
        let _ = fs::remove_file(&place);
        let written = new_file(&place).and_then(|mut file| file.write_all(b"check\n").and_then(|()| file.sync_all()));
        let removed = fs::remove_file(&place);
        written.and(removed)
    }

    fn read(&self, folder: &str, name: &str) -> Option<Vec<u8>> {
        let file = File::open(self.state_dir.join(folder).join(checked(name).ok()?)).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        let folder = self.state_dir.join(folder);
        make_folder(&folder)?;
        let place = folder.join(checked(name)?);
        let temporary = folder.join(format!("{name}.{}.tmp", std::process::id()));
        // One that a run with this process id left when it was killed.
        let _ = fs::remove_file(&temporary);
        let written = new_file(&temporary)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&temporary, &place));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

/// The name of a file, not a way out of the folder.
fn checked(name: &str) -> io::Result<&str> {
    let valid = !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if valid && !name.is_empty() {
        Ok(name)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} cannot be the name of a file")))
    }
}

/// Makes a folder and those above it that are missing, for this user alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file that was not there, for this user alone.
pub(crate) fn new_file(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn dir(variables: &[(&str, &str)]) -> Option<String> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        state_dir(find).map(|path| path.display().to_string())
    }

    #[test]
    fn the_first_variable_that_is_set_wins() {
        let all = [
            ("DATAMETRICS_STATE_DIR", "own"),
            ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"),
            ("XDG_STATE_HOME", "/xdg"),
            ("HOME", "/home/u"),
        ];
        let expected = ["own", "/var/lib/a", "/xdg/datametrics", "/home/u/.local/state/datametrics"];
        for (first, expected) in expected.into_iter().enumerate() {
            assert_eq!(dir(&all[first..]).as_deref(), Some(expected));
            let mut empty = all;
            empty[..first].iter_mut().for_each(|(_, value)| *value = "");
            assert_eq!(dir(&empty).as_deref(), Some(expected));
        }
        assert_eq!(dir(&[]), None);
        assert_eq!(dir(&[("XDG_STATE_HOME", "rel"), ("HOME", "/h")]).as_deref(), Some("/h/.local/state/datametrics"));
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(&folder.path().join("a/b"));
        assert_eq!((state.last_run("all"), state.last_call("kraken")), (LastRun::default(), None));
        let run = LastRun {
            push: Some(Push { time: 1_785_182_401, seconds: 0.25, status: 200 }),
            missing: BTreeMap::from([("crypto".to_owned(), BTreeSet::from(["BAT/USD".to_owned()]))]),
        };
        for _ in 0..2 {
            state.set_last_run("crypto-stocks-0", &run).unwrap();
            state.set_last_call("kraken", 1_785_182_401).unwrap();
        }
        assert_eq!(state.last_run("crypto-stocks-0"), run);
        assert_eq!(state.last_call("kraken"), Some(1_785_182_401));
        assert_eq!((state.last_run("all"), state.last_call("yahoo")), (LastRun::default(), None));
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/b"), mode("a/b/calls"), mode("a/b/calls/kraken")), (0o700, 0o700, 0o600));
        assert_eq!(fs::read_dir(folder.path().join("a/b/state")).unwrap().count(), 1);
    }

    #[test]
    fn the_unreadable_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        state.set_last_run("all", &LastRun::default()).unwrap();
        state.set_last_call("kraken", 5).unwrap();
        for bytes in [&b""[..], b"{", b"[]", b"\xff\0", b"{\"push\": {\"time\": \"x\"}}"] {
            fs::write(folder.path().join("state/all.json"), bytes).unwrap();
            fs::write(folder.path().join("calls/kraken"), bytes).unwrap();
            assert_eq!((state.last_run("all"), state.last_call("kraken")), (LastRun::default(), None));
        }
        fs::write(folder.path().join("state/all.json"), b"{\"later\": 1, \"push\": null}").unwrap();
        assert_eq!(state.last_run("all"), LastRun::default());
    }

    #[test]
    fn trouble_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        assert_eq!(state.set_last_call("../x", 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(state.last_call("../x"), None);
        fs::write(folder.path().join("calls2"), b"").unwrap();
        assert!(State::new(&folder.path().join("calls2")).set_last_call("kraken", 5).is_err());
    }
}
