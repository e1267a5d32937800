//! Small files that a run leaves to others: how the last push went, which symbols were missing, when a feed
//! was last fetched, when a provider was last asked, until when it is not to be asked, which symbols it
//! does not know, and where hosts were.
//!
//! They are a best-effort cache, never synced to the disk: what cannot be read counts as never
//! written. A run reads and writes them without the lock. Files are replaced whole, and the last
//! writer wins; only [calls] are claimed. What must not be lost is in the
//! [journal](crate::delivery::journal).

mod calls;
pub(crate) mod history;
pub(crate) mod unknown_symbols;

use crate::system::disk::Disk;
use crate::system::random::Random;
use crate::util::hash::stable_hash;
use crate::util::shorten::shorten;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use unknown_symbols::UnknownSymbols;

/// Longest file that is written and read, in bytes. A million symbols that lack five fields take half of it.
const MAX_FILE: usize = 128 << 20;

/// Longest name of a file, in bytes, without what a temporary file and a call have at their ends. File systems
/// take 255.
const MAX_NAME: usize = 200;

/// How old a temporary file must be before its run counts as dead.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// The state files in a folder.
#[derive(Clone)]
pub(crate) struct State<'a> {
    disk: &'a dyn Disk,
    /// Makes the names of temporary files unique. The same process may exist in two containers.
    random: &'a Random,
    dir: PathBuf,
    /// What the names of the files end in that belong to the runs to one destination.
    end: String,
}

/// What the last run of the same name left.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LastRun {
    /// Its push, or the last one before it.
    pub(crate) push: Option<LastPush>,
    /// The same of each mirror.
    pub(crate) mirrors: BTreeMap<String, LastPush>,
    /// What came of each feed.
    pub(crate) feeds: BTreeMap<String, FeedState>,
    /// When things were told that are told once a day, in Unix seconds.
    pub(crate) told: BTreeMap<String, i64>,
    /// Where HTTP last reached hosts that answered well.
    pub(crate) hosts: Vec<HostState>,
}

/// Where HTTP last reached a host that answered well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HostState {
    /// Its name.
    pub(crate) name: String,
    /// The address.
    pub(crate) address: IpAddr,
    /// When that run started, in Unix seconds.
    pub(crate) time: i64,
}

/// What came of a feed when it was last due.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FeedState {
    /// The symbols that were missing for a reason that was told.
    pub(crate) missing: BTreeSet<String>,
    /// The symbols that were missing since requests for them failed, while others were fetched. Each has a hash of
    /// who failed, and how.
    pub(crate) failed: BTreeMap<String, u64>,
    /// For each field that was missing, the symbols without it; none for a default field, which is only
    /// missing if no symbol has it.
    pub(crate) missing_fields: BTreeMap<String, BTreeSet<String>>,
    /// The providers of which a request failed.
    pub(crate) failing: BTreeSet<String>,
    /// A hash of the symbols of the feed.
    pub(crate) symbols: u64,
    /// For each provider the fields that it has given of any of these symbols, in any run.
    pub(crate) given: BTreeMap<String, BTreeSet<String>>,
}

/// How a push to Graphite went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastPush {
    /// When its run started, in Unix seconds.
    pub(crate) time: i64,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// The worst HTTP status; 0 if there was no HTTP answer.
    pub(crate) status: u16,
    /// With how many waiting points at once the next run begins, where more were too much for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_once: Option<usize>,
}

/// A provider asked to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct CoolDown {
    /// Until when, in Unix seconds.
    pub(crate) until: i64,
    /// The HTTP status of its reply.
    pub(crate) status: u16,
}

impl CoolDown {
    /// Longest cool-down, in seconds. A provider that asks for more is asked once a day.
    const LONGEST: u64 = 86_400;
    /// How much longer it may seem to a run that started before it began, in seconds.
    const SLACK: u64 = 3_600;

    /// A reply with this status asked at `now` (Unix seconds) for so long a pause.
    pub(crate) fn new(status: u16, now: i64, asked: Duration) -> Self {
        Self { until: now.saturating_add_unsigned(asked.as_secs().min(Self::LONGEST)), status }
    }

    /// How many seconds are left at `now` (Unix seconds). `None` if it is over, and if the clock was set
    /// back.
    pub(crate) fn seconds_left(&self, now: i64) -> Option<u64> {
        let left = u64::try_from(self.until.checked_sub(now)?).ok()?;
        (1..=Self::LONGEST + Self::SLACK).contains(&left).then_some(left)
    }
}

impl<'a> State<'a> {
    /// The state files in this folder, which need not exist yet.
    pub(crate) fn new(disk: &'a dyn Disk, random: &'a Random, state_dir: &Path) -> Self {
        Self { disk, random, dir: state_dir.to_owned(), end: String::new() }
    }

    /// The state files of the runs that push to this destination, named in any way. Two configs of one user may have feeds
    /// of one name for two destinations: what one has is not what the other has. What providers said is shared.
    pub(crate) fn of_runs_to(self, destination: &str) -> Self {
        Self { end: format!("-{:016x}", stable_hash(destination.bytes())), ..self }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the last run of this name left; the default if it cannot be read.
    pub(crate) fn last_run(&self, run: &str) -> LastRun {
        let read = || serde_json::from_slice(&self.read("state", &format!("{run}{}.json", self.end))?).ok();
        read().unwrap_or_default()
    }

    /// Leaves something to the next run of this name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn set_last_run(&self, run: &str, last: &LastRun) -> io::Result<()> {
        self.write("state", &format!("{run}{}.json", self.end), &serde_json::to_vec(last)?)
    }

    /// When the last run started that fetched something of this feed, in Unix seconds.
    pub(crate) fn last_fetch(&self, feed: &str) -> Option<i64> {
        String::from_utf8(self.read("fetched", &format!("{feed}{}", self.end))?).ok()?.trim().parse().ok()
    }

    /// Notes that a run that started at `started` (Unix seconds) fetched something of this feed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn set_last_fetch(&self, feed: &str, started: i64) -> io::Result<()> {
        self.write("fetched", &format!("{feed}{}", self.end), format!("{started}\n").as_bytes())
    }

    /// Whether this provider asked to be left alone.
    pub(crate) fn cool_down(&self, provider: &str) -> Option<CoolDown> {
        serde_json::from_slice(&self.read("cool_downs", provider)?).ok()
    }

    /// Notes at `now` (Unix seconds) that this provider asked to be left alone. A cool-down that lasts
    /// longer stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn set_cool_down(&self, provider: &str, cool_down: &CoolDown, now: i64) -> io::Result<()> {
        let known = self.cool_down(provider).filter(|known| known.seconds_left(now).is_some());
        if known.is_some_and(|known| known.until >= cool_down.until) {
            return Ok(());
        }
        self.write("cool_downs", provider, &serde_json::to_vec(cool_down)?)
    }

    /// The symbols that this provider did not know.
    pub(crate) fn unknown_symbols(&self, provider: &str) -> UnknownSymbols {
        let read = || serde_json::from_slice(&self.read("unknown_symbols", provider)?).ok();
        read().unwrap_or_default()
    }

    /// Notes the symbols that this provider does not know.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn set_unknown_symbols(&self, provider: &str, unknown: &UnknownSymbols) -> io::Result<()> {
        self.write("unknown_symbols", provider, &serde_json::to_vec(unknown)?)
    }

    /// Does what the journal does in the folder: makes a file, writes it through to the disk and
    /// removes it.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(crate) fn probe(&self) -> io::Result<()> {
        self.disk.create_dir(&self.dir)?;
        let path = self.dir.join(format!("check.{:016x}.tmp", self.random.next()));
        let write = || {
            let mut file = self.disk.create_new(&path)?;
            file.write_all(b"check\n")?;
            file.sync()
        };
        let written = write();
        let removed = self.disk.remove_file(&path);
        written.and(removed)
    }

    /// Removes the temporary files of runs that were killed.
    pub(crate) fn remove_abandoned(&self, now: Duration) {
        let folder = self.temporary_dir();
        let is_abandoned = |modified| now.checked_sub(modified).is_some_and(|age| age > ABANDONED);
        for file in self.disk.list(&folder).unwrap_or_default() {
            if file.is_file && file.modified.is_some_and(is_abandoned) {
                let _ = self.disk.remove_file(&folder.join(file.name));
            }
        }
    }

    fn temporary_dir(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    fn read(&self, folder: &str, name: &str) -> Option<Vec<u8>> {
        let path = self.dir.join(folder).join(&*file_name(name).ok()?);
        let note = |cause: &io::Error| {
            if cause.kind() != io::ErrorKind::NotFound {
                log::info!("state: cannot read {}: {cause}; it counts as empty", path.display());
            }
        };
        let file = self.disk.open(&path).inspect_err(note).ok()?;
        // Most files are shorter, so they are read at once.
        let mut bytes = Vec::with_capacity(4 << 10);
        file.take(MAX_FILE as u64).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > MAX_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let (folder, name) = (self.dir.join(folder), file_name(name)?);
        let temporary = self.temporary_dir().join(format!("{name}.{:016x}", self.random.next()));
        let write = || {
            self.disk.create_new(&temporary)?.write_all(bytes)?;
            self.disk.rename(&temporary, &folder.join(&*name))
        };
        let attempt = || write().inspect_err(|_| drop(self.disk.remove_file(&temporary)));
        match attempt() {
            // In the first run the folders are missing.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                self.disk.create_dir(&folder)?;
                self.disk.create_dir(&self.temporary_dir())?;
                attempt()
            }
            result => result,
        }
    }
}

/// The name of a file that stands for `name`, if it cannot lead out of its folder.
fn file_name(name: &str) -> io::Result<Cow<'_, str>> {
    let is_valid = !name.starts_with('.') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if is_valid && !name.is_empty() {
        Ok(shorten(name, MAX_NAME))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} cannot be the name of a file")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::SystemDisk;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn state_that_is_written_can_be_read_back() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, &folder.path().join("a/b"));
        assert_eq!((state.last_run("all"), state.last_fetch("fx")), (LastRun::default(), None));
        let run = LastRun {
            push: Some(LastPush { time: 1_785_182_401, seconds: 0.25, status: 200, at_once: None }),
            mirrors: BTreeMap::from([(
                "cellar".to_owned(),
                LastPush { time: 1_785_182_401, seconds: 9.5, status: 0, at_once: Some(9) },
            )]),
            feeds: BTreeMap::from([(
                "crypto".to_owned(),
                FeedState { missing: BTreeSet::from(["BAT/USD".to_owned()]), ..FeedState::default() },
            )]),
            told: BTreeMap::from([("lock".to_owned(), 5)]),
            hosts: vec![HostState { name: "h".to_owned(), address: [10, 0, 0, 1].into(), time: 5 }],
        };
        for _ in 0..2 {
            state.set_last_run("crypto-stocks-0", &run).unwrap();
            state.set_last_fetch("fx.0-4", 1_785_182_401).unwrap();
        }
        assert_eq!(state.last_run("crypto-stocks-0"), run);
        assert_eq!(state.last_fetch("fx.0-4"), Some(1_785_182_401));
        assert_eq!((state.last_run("all"), state.last_fetch("fx")), (LastRun::default(), None));
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/b"), mode("a/b/fetched"), mode("a/b/fetched/fx.0-4")), (0o700, 0o700, 0o600));
        let count = |path: &str| fs::read_dir(folder.path().join(path)).unwrap().count();
        assert_eq!((count("a/b/state"), count("a/b/tmp")), (1, 0));
    }

    #[test]
    fn unreadable_state_counts_as_absent() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        state.set_last_run("all", &LastRun::default()).unwrap();
        state.set_last_fetch("fx", 5).unwrap();
        for bytes in [&b""[..], b"{", b"[]", b"\xff\0", b"{\"push\": {\"time\": \"x\"}}"] {
            fs::write(folder.path().join("state/all.json"), bytes).unwrap();
            fs::write(folder.path().join("fetched/fx"), bytes).unwrap();
            assert_eq!((state.last_run("all"), state.last_fetch("fx")), (LastRun::default(), None));
        }
        fs::write(folder.path().join("state/all.json"), b"{\"later\": 1, \"push\": null}").unwrap();
        assert_eq!(state.last_run("all"), LastRun::default());
    }

    #[test]
    fn state_that_cannot_be_written_is_an_error() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let error = state.set_last_fetch("../x", 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        // `tests/messages/rendered.rs` writes this error by hand.
        let page = include_str!("../../tests/messages/README.md");
        assert!(page.contains(&format!("| {error} |")), "tests/messages has no {error}");
        assert_eq!(state.last_fetch("../x"), None);
        fs::write(folder.path().join("file"), b"").unwrap();
        assert!(State::new(&SystemDisk, &random, &folder.path().join("file")).set_last_fetch("fx", 5).is_err());
    }

    #[test]
    fn names_of_any_length_have_state_of_their_own() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let [a, b] = ["a", "b"].map(|end| "x".repeat(300) + end);
        state.set_last_fetch(&a, 1).unwrap();
        state.set_last_fetch(&b, 2).unwrap();
        assert_eq!([state.last_fetch(&a), state.last_fetch(&b)], [Some(1), Some(2)]);
    }

    /// A process ID would be the same in two containers, each of which has a first process.
    #[test]
    fn a_temporary_file_of_another_run_is_neither_used_nor_removed_before_it_is_a_day_old() {
        let (folder, random) = (tempfile::tempdir().unwrap(), Random::seeded(1));
        let state = State::new(&SystemDisk, &random, folder.path());
        let temporary = folder.path().join("tmp").join(format!("fx.{:016x}", Random::seeded(2).next()));
        fs::create_dir(folder.path().join("tmp")).unwrap();
        fs::write(&temporary, "half").unwrap();
        state.set_last_fetch("fx", 5).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        state.remove_abandoned(now + Duration::from_secs(86_000));
        assert_eq!(fs::read_to_string(&temporary).unwrap(), "half");
        state.remove_abandoned(now + Duration::from_secs(87_000));
        assert!(!temporary.exists());
    }
}
