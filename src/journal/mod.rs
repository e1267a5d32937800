//! Points on disk until Graphite has them.
//!
//! A run writes its points into a file of their own before it pushes them, and removes the file
//! when they were taken. Once the file is in place, no crash and no outage loses a point of it: the
//! next run sends what it finds. Writing needs no lock, as every file has a name of its own;
//! sending and removing do (see [`Journal::lock`]). Sending twice is harmless to Graphite, so
//! wherever a crash has two outcomes, it is the one that leaves a file.

mod text;

use crate::deadline::Deadline;
use crate::point::Batch;
use crate::state::{make_folder, new_file};
use crate::world::unix_time;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use text::{Decoded, FORM, decode, encode};

/// What the names of the journal's files end in.
const SUFFIX: &str = ".points";

/// What the names of files end in that are being written.
const TEMPORARY: &str = ".tmp";

/// How old a temporary file must be for its run to be dead.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// How many damaged files are kept to be looked at.
const MAX_DAMAGED: usize = 20;

/// What is wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused something.
    #[error(
        "journal: cannot {action} {path}: {cause}; \
         the state directory must be writable and have room (DATAMETRICS_STATE_DIR chooses another)"
    )]
    Io {
        /// What was to be done, a verb.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// Another run is sending.
    #[error("journal: another run held {path} all the time")]
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// A newer program wrote the file.
    #[error(
        "journal: {path} is of form {form:?}, and this datametrics knows form {FORM}: it was left where it is; \
         run the newer datametrics that wrote it, or remove the file and lose its points"
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// The form its first line names.
        form: String,
    },
}

impl JournalError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, path: path.to_owned(), cause }
    }
}

/// The journal in a state directory.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    damaged: PathBuf,
    lock: PathBuf,
}

/// A file of the journal: what its name says, and its size. Nothing of it was read.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When the run started that wrote it, in Unix seconds.
    pub started: i64,
    /// The name of the file; names sort like the times of their runs.
    pub name: String,
    /// How many points were written.
    pub points: usize,
    /// Size of the file.
    pub bytes: u64,
}

/// What could be read of a file.
#[derive(Debug, PartialEq)]
pub struct Kept {
    /// The points that are whole.
    pub batch: Batch,
    /// What is damaged and what is lost by it, a sentence that names the file.
    pub damage: Option<String>,
}

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Files.
    pub files: usize,
    /// The points that were in them.
    pub points: usize,
}

/// The right to send and remove. It ends with this value, or with the process.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Journal {
    /// The journal in this folder, which is made if need be, for this user alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let folder = state_dir.join("journal");
        if !folder.is_dir() {
            make_folder(&folder).map_err(JournalError::io("make", &folder))?;
            // A folder that a crash takes away is no place for points. Those above it need not be ours.
            for above in folder.ancestors().skip(1) {
                let _ = sync_folder(above);
            }
        }
        Ok(Self { folder, damaged: state_dir.join("damaged"), lock: state_dir.join("lock") })
    }

    /// Writes the points of a run that started at `started` (Unix seconds). `unique` is a random
    /// number: two runs may write at the same instant.
    ///
    /// # Errors
    /// When it cannot be written: the disk is full, or not ours.
    pub fn keep(&self, batch: &Batch, started: i64, unique: u64) -> Result<Entry, JournalError> {
        // The order of two runs in one second is that in which they came here.
        let written = unix_time().as_micros();
        self.write(&format!("{:012}-{written:016}-{unique:016x}", started.max(0)), batch)
    }

    /// Synced before it is renamed into place: a file with its right name is whole.
    fn write(&self, run: &str, batch: &Batch) -> Result<Entry, JournalError> {
        let name = format!("{run}-{}{SUFFIX}", batch.len());
        let place = self.folder.join(&name);
        let temporary = self.folder.join(format!("{name}{TEMPORARY}"));
        let write = || {
            let mut file = new_file(&temporary)?;
            let bytes = encode(batch, &mut file)?;
            file.sync_all()?;
            fs::rename(&temporary, &place)?;
            sync_folder(&self.folder)?;
            Ok(bytes)
        };
        let bytes = write().map_err(|cause| {
            let _ = fs::remove_file(&temporary);
            JournalError::io("write", &place)(cause)
        })?;
        let started = run.split('-').next().and_then(|time| time.parse().ok()).unwrap_or_default();
        Ok(Entry { started, name, points: batch.len(), bytes })
    }

    /// Waits until no other run sends or removes.
    ///
    /// # Errors
    /// When another run does so until the deadline, or the lock cannot be made.
    pub fn lock(&self, deadline: Deadline) -> Result<Lock, JournalError> {
        let trouble = || JournalError::io("lock", &self.lock);
        let mut options = File::options();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.lock).map_err(trouble())?;
        let mut pause = Duration::from_millis(2);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::Error(cause)) if cause.kind() != ErrorKind::Interrupted => {
                    return Err(trouble()(cause));
                }
                Err(_) if deadline.is_past() => return Err(JournalError::Locked { path: self.lock.clone() }),
                Err(_) => thread::sleep(pause.min(deadline.remaining())),
            }
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// What waits, oldest first. What crashed runs left half-written is removed after a day.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn waiting(&self) -> Result<Vec<Entry>, JournalError> {
        let trouble = || JournalError::io("read", &self.folder);
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(trouble())? {
            let file = file.map_err(trouble())?;
            // A file that is gone by now was removed by the run that has the lock.
            let (Ok(name), Ok(about)) = (file.file_name().into_string(), file.metadata()) else { continue };
            if let Some(entry) = Entry::from_name(&name, about.len()).filter(|_| about.is_file()) {
                entries.push(entry);
            } else if name.ends_with(TEMPORARY) && is_abandoned(&about) {
                let _ = fs::remove_file(file.path());
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// Reads a file. Of a damaged one, every line that is whole counts; once those points were
    /// taken, it belongs [set aside](Self::set_aside).
    ///
    /// # Errors
    /// When it cannot be read, or is of a form that only a newer program knows: then it was left
    /// alone, and its points count neither as sent nor as lost.
    pub fn read(&self, entry: &Entry) -> Result<Kept, JournalError> {
        let path = self.folder.join(&entry.name);
        let file = File::open(&path).map_err(JournalError::io("read", &path))?;
        let (batch, damage) = match decode(BufReader::new(file)).map_err(JournalError::io("read", &path))? {
            Decoded::Points(batch, damage) => (batch, damage),
            Decoded::Form(form) => return Err(JournalError::Form { path, form }),
        };
        let say = |damage| {
            let (readable, points) = (batch.len(), entry.points);
            let path = path.display();
            format!("journal: {path} is damaged: {damage}; {readable} of its {points} points are readable")
        };
        Ok(Kept { damage: damage.map(say), batch })
    }

    /// The folder of files that were set aside.
    pub fn damaged(&self) -> &Path {
        &self.damaged
    }

    /// Removes a file whose points were taken, or refused for good.
    ///
    /// # Errors
    /// When it stays: then the next run sends its points again.
    pub fn remove(&self, entry: &Entry) -> Result<(), JournalError> {
        let path = self.folder.join(&entry.name);
        gone(fs::remove_file(&path)).map_err(JournalError::io("remove", &path))
    }

    /// Puts fewer points in the place of those of a file; without points, removes it.
    ///
    /// # Errors
    /// When that cannot be written: then the file is as it was; or when the old file cannot be
    /// removed: then some points will be sent twice.
    pub fn replace(&self, entry: &Entry, rest: &Batch) -> Result<Option<Entry>, JournalError> {
        let run = entry.name.rsplit_once('-').map(|(run, _)| run.to_owned());
        let Some(run) = run.filter(|_| !rest.is_empty()) else {
            return self.remove(entry).map(|()| None);
        };
        let new = self.write(&run, rest)?;
        if new.name != entry.name {
            self.remove(entry)?;
        }
        Ok(Some(new))
    }

    /// Moves a damaged file out of the journal, to be looked at. Says where it is now. Only the
    /// newest 20 are kept there.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_aside(&self, entry: &Entry) -> Result<PathBuf, JournalError> {
        make_folder(&self.damaged).map_err(JournalError::io("make", &self.damaged))?;
        let place = self.damaged.join(&entry.name);
        gone(fs::rename(self.folder.join(&entry.name), &place)).map_err(JournalError::io("move a file to", &place))?;
        let files = fs::read_dir(&self.damaged).map_err(JournalError::io("read", &self.damaged))?;
        let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        files.sort_unstable();
        for old in files.iter().rev().skip(MAX_DAMAGED) {
            let _ = fs::remove_file(old);
        }
        Ok(place)
    }

    /// Drops what is older than `max_age` at `now` (Unix seconds), and of the rest the oldest, so
    /// that `max_bytes` are left at most. Files that cannot be removed stay and are not counted.
    pub fn prune(&self, now: i64, max_bytes: u64, max_age: Duration) -> Dropped {
        let oldest = now.saturating_sub(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX));
        let mut dropped = Dropped::default();
        let mut total = 0_u64;
        for entry in self.waiting().unwrap_or_default().into_iter().rev() {
            total = total.saturating_add(entry.bytes);
            let points = entry.points;
            if (total > max_bytes || entry.started < oldest) && self.remove(&entry).is_ok() {
                dropped.files += 1;
                dropped.points += points;
            }
        }
        dropped
    }
}

impl Entry {
    /// `STARTED-WRITTEN-UNIQUE-POINTS.points`.
    fn from_name(name: &str, bytes: u64) -> Option<Self> {
        let mut parts = name.strip_suffix(SUFFIX)?.split('-');
        let (started, _written, _unique) = (parts.next()?, parts.next()?, parts.next()?);
        let points = parts.next()?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if parts.next().is_some() || !is_number(started) || !is_number(points) {
            return None;
        }
        // The numbers of all files must have a sum.
        let points = usize::try_from(points.parse::<u32>().ok()?).ok()?;
        Some(Self { started: started.parse().ok()?, name: name.to_owned(), points, bytes })
    }
}

/// Makes a rename last. Some file systems neither need this nor have it.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(cause) if matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// A file that is gone already needs no removing.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn is_abandoned(about: &fs::Metadata) -> bool {
    about.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED))
}

#[cfg(test)]
mod tests {
    use super::text::tests::{NOW, batch};
    use super::text::{TITLE, check};
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::TempDir;

    fn journal() -> (TempDir, Journal) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        (folder, journal)
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(10))
    }

    #[test]
    fn what_is_kept_waits_and_comes_back() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(3), NOW, 7).unwrap();
        assert_eq!((entry.started, entry.points), (NOW, 3));
        let path = folder.path().join("journal").join(&entry.name);
        assert_eq!(entry.bytes, fs::metadata(&path).unwrap().len());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

        assert_eq!(journal.waiting().unwrap(), [Entry { name: entry.name.clone(), ..entry }]);
        let entry = journal.waiting().unwrap().remove(0);
        assert_eq!(journal.read(&entry).unwrap(), Kept { batch: batch(3), damage: None });
        journal.remove(&entry).unwrap();
        assert_eq!(journal.waiting().unwrap(), []);
    }

    #[test]
    fn the_oldest_is_first() {
        let (_folder, journal) = journal();
        for (started, unique) in [(NOW, 2), (900_000_000, 0), (NOW - 60, u64::MAX), (-5, 0)] {
            journal.keep(&batch(1), started, unique).unwrap();
        }
        // Of the same second.
        thread::sleep(Duration::from_micros(1));
        journal.keep(&batch(2), NOW, 1).unwrap();
        let waiting = journal.waiting().unwrap();
        let order: Vec<(i64, usize)> = waiting.iter().map(|entry| (entry.started, entry.points)).collect();
        assert_eq!(order, [(0, 1), (900_000_000, 1), (NOW - 60, 1), (NOW, 1), (NOW, 2)]);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let (folder, journal) = journal();
        let place = folder.path().join("journal/1-2-3-1.points");
        fs::create_dir(&place).unwrap();
        let message = journal.write("1-2-3", &batch(1)).unwrap_err().to_string();
        assert!(message.starts_with(&format!("journal: cannot write {}: ", place.display())), "{message}");
        assert_eq!(fs::read_dir(folder.path().join("journal")).unwrap().count(), 1);
        assert_eq!(journal.waiting().unwrap(), [], "a folder is no file of the journal");
    }

    #[test]
    fn only_the_rest_goes_on_waiting() {
        let (_folder, journal) = journal();
        let entry = journal.keep(&batch(3), NOW, 7).unwrap();
        let rest = journal.replace(&entry, &batch(2)).unwrap().unwrap();
        assert_eq!((rest.started, rest.points), (NOW, 2));
        assert_eq!(journal.read(&rest).unwrap(), Kept { batch: batch(2), damage: None });
        let same = journal.replace(&rest, &batch(2)).unwrap().unwrap();
        assert_eq!(journal.waiting().unwrap(), [Entry { name: same.name.clone(), ..same }]);
        let same = journal.waiting().unwrap().remove(0);
        assert_eq!(journal.replace(&same, &batch(0)).unwrap(), None);
        assert_eq!(journal.waiting().unwrap(), []);
    }

    #[test]
    fn one_run_sends_at_a_time() {
        let (_folder, journal) = journal();
        let lock = journal.lock(soon()).unwrap();
        let message = journal.lock(Deadline::after(Duration::from_millis(20))).unwrap_err().to_string();
        assert!(message.contains("another run held"), "{message}");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| journal.lock(soon()).map(drop));
            drop(lock);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn leftovers_of_dead_runs_are_removed() {
        let (folder, journal) = journal();
        let file = |name: &str| folder.path().join("journal").join(name);
        let too_many = format!("1-2-3-{}.points", usize::MAX);
        for name in ["old.points.tmp", "young.points.tmp", "README", "1-2-3.points", "x-2-3-4.points", &too_many] {
            fs::write(file(name), b"").unwrap();
        }
        let old = std::time::SystemTime::now() - ABANDONED - Duration::from_secs(60);
        File::options().write(true).open(file("old.points.tmp")).unwrap().set_modified(old).unwrap();
        assert_eq!(journal.waiting().unwrap(), []);
        assert!(!file("old.points.tmp").exists());
        assert!(file("young.points.tmp").exists() && file("README").exists());
    }

    #[test]
    fn a_damaged_file_gives_what_is_readable_and_is_set_aside() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(3), NOW, 7).unwrap();
        let path = folder.path().join("journal").join(&entry.name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
        let kept = journal.read(&entry).unwrap();
        assert_eq!(kept.batch, batch(2));
        let damage =
            format!("journal: {} is damaged: line 8 cannot be read; 2 of its 3 points are readable", path.display());
        assert_eq!(kept.damage.unwrap(), damage);

        assert_eq!(journal.set_aside(&entry).unwrap(), folder.path().join("damaged").join(&entry.name));
        assert_eq!(journal.waiting().unwrap(), []);
        for age in 1..=30 {
            let entry = journal.keep(&batch(1), NOW + age, 0).unwrap();
            assert!(journal.set_aside(&entry).unwrap().exists());
        }
        assert_eq!(fs::read_dir(folder.path().join("damaged")).unwrap().count(), MAX_DAMAGED);
    }

    #[test]
    fn an_unknown_form_is_left_alone() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(3), NOW, 7).unwrap();
        let path = folder.path().join("journal").join(&entry.name);
        let first = format!("{TITLE}2");
        fs::write(&path, format!("{first} {:08x}\n\0whatever", check(first.as_bytes()))).unwrap();
        let message = journal.read(&entry).unwrap_err().to_string();
        assert!(message.contains("is of form \"2\"") && message.contains("newer datametrics"), "{message}");
        assert!(path.exists());
    }

    #[test]
    fn the_old_and_the_many_are_dropped() {
        let (_folder, journal) = journal();
        let hour = Duration::from_secs(3600);
        for (age, points) in [(3601, 1), (3600, 2), (60, 3), (0, 4)] {
            journal.keep(&batch(points), NOW - age, 0).unwrap();
        }
        assert_eq!(journal.prune(NOW, u64::MAX, Duration::MAX), Dropped::default());
        assert_eq!(journal.prune(NOW, u64::MAX, hour), Dropped { files: 1, points: 1 });
        let left = journal.waiting().unwrap();
        let newest_two = left[1].bytes + left[2].bytes;
        assert_eq!(journal.prune(NOW, newest_two, hour), Dropped { files: 1, points: 2 });
        assert_eq!(journal.prune(NOW, newest_two - 1, hour), Dropped { files: 1, points: 3 });
        assert_eq!(journal.waiting().unwrap().len(), 1);
        assert_eq!(journal.prune(NOW, 0, hour), Dropped { files: 1, points: 4 });
    }
}
