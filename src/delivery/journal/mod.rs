//! Points on disk until Graphite has taken them.
//!
//! A run writes its points into a file of their own before it pushes them, and removes the file when
//! they were taken. Once the file is in place, no crash and no outage loses a point of it: the next
//! run sends what it finds. Writing needs no lock, as every file has a unique name. Sending and
//! removing do (see [`Journal::lock`]). Sending a point twice is harmless to Graphite, so wherever a
//! crash may happen before or after a step, the order of steps leaves a file too many and never one
//! too few.

mod entry;
mod error;
mod format;

pub(crate) use entry::Entry;
pub(crate) use error::JournalError;

use crate::delivery::graphite::DestinationId;
use crate::metrics::batch::Batch;
use crate::system::clock::Clock;
use crate::system::deadline::Deadline;
use crate::system::disk::{DirEntry, Disk, LockGuard};
use crate::util::sanitize::excerpt;
use entry::SUFFIX;
use format::{Decoded, decode, destination_label, encode};
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the names of files end in that are being written.
const TEMPORARY: &str = ".tmp";

/// How old a temporary file must be before its run counts as dead.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of the files that are kept for somebody to look at, beside the newest one.
const MAX_QUARANTINE: u64 = 64 << 20;

/// The first pause between two attempts to take the lock, and the longest.
const LOCK_PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// The bounds of a journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JournalLimits {
    /// Bytes of all files of one destination at most.
    pub(crate) max_bytes: u64,
    /// Older files are sent last, and dropped if they are refused.
    pub(crate) max_age: Duration,
}

/// The journal in a state directory.
pub(crate) struct Journal<'a> {
    disk: &'a dyn Disk,
    clock: &'a dyn Clock,
    folder: PathBuf,
    quarantine: PathBuf,
    /// The folder of the locks.
    state_dir: PathBuf,
}

/// What could be read of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct EntryContents {
    /// The points that are readable.
    pub(crate) batch: Batch,
    /// What is damaged and how much is lost by it: a sentence that names the file.
    pub(crate) damage: Option<String>,
}

/// What was dropped to keep the journal within its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Files.
    pub(crate) files: usize,
    /// The points that were in them.
    pub(crate) points: usize,
}

impl<'a> Journal<'a> {
    /// The journal in this state directory. Its folder is made if need be, for this user alone.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(disk: &'a dyn Disk, clock: &'a dyn Clock, state_dir: &Path) -> Result<Self, JournalError> {
        let folder = state_dir.join("journal");
        if !disk.is_dir(&folder) {
            disk.create_dir(&folder).map_err(JournalError::io("make", &folder))?;
            // A folder that a crash takes away is no place for points. The folders above it may
            // belong to somebody else, so their errors do not count.
            for above in folder.ancestors().skip(1) {
                let _ = disk.sync_dir(above);
            }
        }
        Ok(Self { disk, clock, folder, quarantine: state_dir.join("damaged"), state_dir: state_dir.to_owned() })
    }

    /// Writes the points of a run that started at `started` (Unix seconds). `unique` is a random
    /// number, as two runs may write at the same instant.
    ///
    /// # Errors
    /// When the file cannot be written: the disk is full, or the folder belongs to somebody else.
    pub(crate) fn keep(
        &self,
        batch: &Batch,
        destination: &DestinationId,
        started: i64,
        unique: u64,
    ) -> Result<Entry, JournalError> {
        // Two runs of one second are sorted by when they wrote their files.
        let written = self.clock.unix_time().as_micros();
        self.write(&format!("{:012}-{written:016}-{unique:016x}", started.max(0)), batch, destination)
    }

    /// Whether another run has the lock of this file.
    pub(crate) fn is_locked(&self, file: &str) -> bool {
        matches!(self.disk.try_lock(&self.state_dir.join(file)), Ok(None))
    }

    /// Writes a temporary file, syncs it and renames it into place: a file with its right name is
    /// whole.
    fn write(&self, run: &str, batch: &Batch, destination: &DestinationId) -> Result<Entry, JournalError> {
        let hash = destination.hash_text();
        let name = format!("{run}-{}-{hash}{SUFFIX}", batch.len());
        let path = self.folder.join(&name);
        let temporary = self.folder.join(format!("{name}{TEMPORARY}"));
        let write = || {
            let mut file = self.disk.create_new(&temporary)?;
            let bytes = encode(batch, destination, &mut file)?;
            file.sync()?;
            self.disk.rename(&temporary, &path)?;
            Ok(bytes)
        };
        let bytes = write().map_err(|cause| {
            let _ = self.disk.remove_file(&temporary);
            JournalError::io("write", &path)(cause)
        })?;
        // The file is in place, and only a power cut may take it away.
        if let Err(cause) = self.disk.sync_dir(&self.folder) {
            log::warn!("{}", JournalError::io("sync", &self.folder)(cause));
        }
        let started = run.split('-').next().and_then(|time| time.parse().ok()).unwrap_or_default();
        Ok(Entry { started, name, points: batch.len(), bytes, destination: Some(hash) })
    }

    /// Takes the lock of this file, which guards sending to one destination and removing. Waits while another run has
    /// it.
    ///
    /// # Errors
    /// When another run still has it at the deadline, or the lock cannot be made.
    pub(crate) fn lock(&self, file: &str, deadline: Deadline<'_>) -> Result<Box<dyn LockGuard>, JournalError> {
        let path = self.state_dir.join(file);
        let (mut pause, longest) = LOCK_PAUSES;
        loop {
            if let Some(lock) = self.disk.try_lock(&path).map_err(JournalError::io("lock", &path))? {
                return Ok(lock);
            }
            if deadline.is_past() {
                return Err(JournalError::Locked { path });
            }
            self.clock.sleep(pause.min(deadline.remaining()));
            pause = (pause * 2).min(longest);
        }
    }

    /// The files that wait, oldest first. Temporary files that crashed runs left are removed after a
    /// day.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn waiting(&self) -> Result<Vec<Entry>, JournalError> {
        let mut entries = Vec::new();
        for file in self.disk.list(&self.folder).map_err(JournalError::io("read", &self.folder))? {
            if let Some(entry) = Entry::from_name(&file.name, file.bytes).filter(|_| file.is_file) {
                entries.push(entry);
            } else if file.name.ends_with(TEMPORARY) && self.is_abandoned(&file) {
                let _ = self.disk.remove_file(&self.folder.join(&file.name));
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn is_abandoned(&self, file: &DirEntry) -> bool {
        let age = file.modified.and_then(|modified| self.clock.unix_time().checked_sub(modified));
        age.is_some_and(|age| age > ABANDONED)
    }

    /// The destination of a file, for a message: scheme, host and port.
    pub(crate) fn destination_label(&self, entry: &Entry) -> String {
        let read = || destination_label(BufReader::new(self.disk.open(&self.folder.join(&entry.name)).ok()?)).ok()?;
        read().map_or_else(|| "an unknown URL".to_owned(), |label| excerpt(&label))
    }

    /// Whether a file is still there.
    pub(crate) fn contains(&self, entry: &Entry) -> bool {
        let opened = self.disk.open(&self.folder.join(&entry.name));
        !opened.is_err_and(|cause| cause.kind() == ErrorKind::NotFound)
    }

    /// Reads a file. Of a damaged one, every readable line counts. Once those points were taken, the
    /// file belongs in [quarantine](Self::quarantine).
    ///
    /// # Errors
    /// When it cannot be read, or is of a version that only a newer program knows: then it was left
    /// alone, and its points count neither as sent nor as lost.
    pub(crate) fn read(&self, entry: &Entry) -> Result<EntryContents, JournalError> {
        let path = self.folder.join(&entry.name);
        let file = self.disk.open(&path).map_err(JournalError::io("read", &path))?;
        let (batch, damage) = match decode(BufReader::new(file)).map_err(JournalError::io("read", &path))? {
            Decoded::Points(batch, damage) => (batch, damage),
            Decoded::UnknownVersion(version) => return Err(JournalError::UnknownVersion { path, version }),
        };
        let describe = |damage| {
            let (readable, points) = (batch.len(), entry.points);
            let path = path.display();
            format!("journal: {path} is damaged: {damage}; {readable} of its {points} points are readable")
        };
        Ok(EntryContents { damage: damage.map(describe), batch })
    }

    /// The folder of damaged files.
    pub(crate) fn quarantine_dir(&self) -> &Path {
        &self.quarantine
    }

    /// Removes a file whose points were taken, or refused for good.
    ///
    /// # Errors
    /// When it stays: then the next run sends its points again.
    pub(crate) fn remove(&self, entry: &Entry) -> Result<(), JournalError> {
        let path = self.folder.join(&entry.name);
        ignore_missing(self.disk.remove_file(&path)).map_err(JournalError::io("remove", &path))
    }

    /// Replaces a file by one with fewer points. Without points, removes it.
    ///
    /// # Errors
    /// When the new file cannot be written: then the old one is as it was. Or when the old file
    /// cannot be removed: then some points will be sent twice.
    pub(crate) fn replace(
        &self,
        entry: &Entry,
        rest: &Batch,
        destination: &DestinationId,
    ) -> Result<Option<Entry>, JournalError> {
        let run = entry.run().filter(|_| !rest.is_empty());
        let Some(run) = run else {
            return self.remove(entry).map(|()| None);
        };
        let new = self.write(run, rest, destination)?;
        if new.name != entry.name {
            self.remove(entry)?;
        }
        Ok(Some(new))
    }

    /// Moves a file out of the journal, for somebody to look at. Returns whether it was there: without a lock
    /// another run may have moved it.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub(crate) fn quarantine(&self, entry: &Entry) -> Result<bool, JournalError> {
        let folder = &self.quarantine;
        self.disk.create_dir(folder).map_err(JournalError::io("make", folder))?;
        match self.disk.rename(&self.folder.join(&entry.name), &folder.join(&entry.name)) {
            Ok(()) => Ok(true),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(JournalError::io("move a file to", folder)(cause)),
        }
    }

    /// Keeps the newest of the files that were moved out of the journal, and of the others the newest
    /// [`MAX_QUARANTINE`] bytes.
    pub(crate) fn trim_quarantine(&self) {
        let folder = &self.quarantine;
        let mut files = self.disk.list(folder).unwrap_or_default();
        files.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        let mut bytes = 0_u64;
        for file in files.iter().skip(1) {
            bytes = bytes.saturating_add(file.bytes);
            if bytes > MAX_QUARANTINE {
                let _ = self.disk.remove_file(&folder.join(&file.name));
            }
        }
    }

    /// Drops the oldest of these files of one destination, which are sorted by age, oldest first, until at most
    /// `max_bytes` are left. Files that cannot be removed are not counted: they stay, or another run has sent them.
    pub(crate) fn drop_excess<'e>(
        &self,
        entries: impl DoubleEndedIterator<Item = &'e Entry>,
        max_bytes: u64,
    ) -> Dropped {
        let mut total = 0_u64;
        let exceeds = |entry: &&Entry| {
            total = total.saturating_add(entry.bytes);
            total > max_bytes
        };
        self.drop_all(entries.rev().filter(exceeds))
    }

    /// Drops these files. Those that cannot be removed are not counted.
    pub(crate) fn drop_all<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> Dropped {
        let mut dropped = Dropped::default();
        let is_removed = |entry: &&Entry| self.disk.remove_file(&self.folder.join(&entry.name)).is_ok();
        for entry in entries.filter(is_removed) {
            dropped.files += 1;
            dropped.points += entry.points;
        }
        dropped
    }
}

/// The result of removing or moving a file, where one that is gone already is as good.
fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::format::tests::{NOW, batch, destination};
    use super::format::{TITLE, checksum};
    use super::*;
    use crate::system::clock::SystemClock;
    use crate::system::disk::SystemDisk;
    use crate::system::threads::lock;
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Mutex;
    use std::thread;
    use std::time::Instant;
    use tempfile::TempDir;

    fn journal() -> (TempDir, Journal<'static>) {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&SystemDisk, &SystemClock, folder.path()).unwrap();
        (folder, journal)
    }

    fn soon() -> Deadline<'static> {
        Deadline::after(&SystemClock, Duration::from_secs(10))
    }

    #[test]
    fn points_that_are_kept_wait_and_can_be_read_back() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(3), &destination(), NOW, 7).unwrap();
        assert_eq!((entry.started, entry.points), (NOW, 3));
        let path = folder.path().join("journal").join(&entry.name);
        assert_eq!(entry.bytes, fs::metadata(&path).unwrap().len());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

        assert_eq!(journal.waiting().unwrap(), [Entry { name: entry.name.clone(), ..entry }]);
        let entry = journal.waiting().unwrap().remove(0);
        assert_eq!(journal.read(&entry).unwrap(), EntryContents { batch: batch(3), damage: None });
        assert!(journal.contains(&entry));
        journal.remove(&entry).unwrap();
        assert!(!journal.contains(&entry));
        assert_eq!(journal.waiting().unwrap(), []);
    }

    #[test]
    fn only_an_entry_that_is_gone_already_counts_as_removed_or_moved() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(1), &destination(), NOW, 7).unwrap();
        let path = folder.path().join("journal").join(&entry.name);
        journal.remove(&entry).unwrap();
        journal.remove(&entry).unwrap();
        assert!(!journal.quarantine(&entry).unwrap());
        fs::create_dir(&path).unwrap();
        let message = journal.remove(&entry).unwrap_err().to_string();
        assert!(message.starts_with(&format!("journal: cannot remove {}: ", path.display())), "{message}");
        let in_the_way = folder.path().join("damaged").join(&entry.name);
        fs::write(in_the_way, b"").unwrap();
        let message = journal.quarantine(&entry).unwrap_err().to_string();
        assert!(message.starts_with("journal: cannot move a file to "), "{message}");
    }

    #[test]
    fn the_oldest_entry_comes_first() {
        let (_folder, journal) = journal();
        for (started, unique) in [(NOW, 2), (900_000_000, 0), (NOW - 60, u64::MAX), (-5, 0)] {
            journal.keep(&batch(1), &destination(), started, unique).unwrap();
        }
        // Of the same second.
        thread::sleep(Duration::from_micros(1));
        journal.keep(&batch(2), &destination(), NOW, 1).unwrap();
        let waiting = journal.waiting().unwrap();
        let order: Vec<(i64, usize)> = waiting.iter().map(|entry| (entry.started, entry.points)).collect();
        assert_eq!(order, [(0, 1), (900_000_000, 1), (NOW - 60, 1), (NOW, 1), (NOW, 2)]);
    }

    #[test]
    fn an_entry_that_cannot_be_written_leaves_nothing_behind() {
        let (folder, journal) = journal();
        let path = folder.path().join(format!("journal/1-2-3-1-{}.points", destination().hash_text()));
        fs::create_dir(&path).unwrap();
        let message = journal.write("1-2-3", &batch(1), &destination()).unwrap_err().to_string();
        assert!(message.starts_with(&format!("journal: cannot write {}: ", path.display())), "{message}");
        assert_eq!(fs::read_dir(folder.path().join("journal")).unwrap().count(), 1);
        assert_eq!(journal.waiting().unwrap(), [], "a folder is no file of the journal");
    }

    #[test]
    fn a_replaced_entry_holds_only_the_rest() {
        let (_folder, journal) = journal();
        let entry = journal.keep(&batch(3), &destination(), NOW, 7).unwrap();
        let rest = journal.replace(&entry, &batch(2), &destination()).unwrap().unwrap();
        assert_eq!((rest.started, rest.points), (NOW, 2));
        assert_eq!(journal.read(&rest).unwrap(), EntryContents { batch: batch(2), damage: None });
        let same = journal.replace(&rest, &batch(2), &destination()).unwrap().unwrap();
        assert_eq!(journal.waiting().unwrap(), [Entry { name: same.name.clone(), ..same }]);
        let same = journal.waiting().unwrap().remove(0);
        assert_eq!(journal.replace(&same, &batch(0), &destination()).unwrap(), None);
        assert_eq!(journal.waiting().unwrap(), []);
    }

    #[test]
    fn only_one_run_has_the_journal_lock() {
        let (_folder, journal) = journal();
        let lock = journal.lock("lock", soon()).unwrap();
        let message = journal
            .lock("lock", Deadline::after(&SystemClock, Duration::from_millis(20)))
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(message.contains("another run held"), "{message}");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| journal.lock("lock", soon()).map(drop));
            drop(lock);
            waiting.join().unwrap().unwrap();
        });
    }

    /// Time passes only while somebody sleeps. The second value is how often that was.
    struct SleepCounter(Mutex<(Instant, u32)>);

    impl Clock for SleepCounter {
        fn unix_time(&self) -> Duration {
            Duration::ZERO
        }

        fn now(&self) -> Instant {
            lock(&self.0).0
        }

        fn sleep(&self, span: Duration) {
            let mut state = lock(&self.0);
            *state = (state.0 + span, state.1 + 1);
            assert!(state.1 < 200, "it takes all of a processor");
        }
    }

    #[test]
    fn waiting_for_the_journal_lock_takes_little_of_the_processor() {
        let folder = tempfile::tempdir().unwrap();
        let clock = SleepCounter(Mutex::new((Instant::now(), 0)));
        let journal = Journal::open(&SystemDisk, &clock, folder.path()).unwrap();
        let _lock = journal.lock("lock", soon()).unwrap();
        assert!(journal.lock("lock", Deadline::after(&clock, Duration::from_secs(10))).is_err());
    }

    #[test]
    fn temporary_files_of_dead_runs_are_removed() {
        let (folder, journal) = journal();
        let file = |name: &str| folder.path().join("journal").join(name);
        let too_many = format!("1-2-3-{}.points", usize::MAX);
        for name in ["old.points.tmp", "young.points.tmp", "README", "1-2-3.points", "x-2-3-4.points", &too_many] {
            fs::write(file(name), b"").unwrap();
        }
        for (name, hours) in [("old.points.tmp", 25), ("young.points.tmp", 23)] {
            let modified = std::time::SystemTime::now() - Duration::from_secs(hours * 3_600);
            File::options().write(true).open(file(name)).unwrap().set_modified(modified).unwrap();
        }
        assert_eq!(journal.waiting().unwrap(), []);
        assert!(!file("old.points.tmp").exists());
        assert!(file("young.points.tmp").exists() && file("README").exists());
    }

    #[test]
    fn a_damaged_entry_gives_its_readable_points_and_goes_into_quarantine() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(3), &destination(), NOW, 7).unwrap();
        let path = folder.path().join("journal").join(&entry.name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
        let contents = journal.read(&entry).unwrap();
        assert_eq!(contents.batch, batch(2));
        let damage =
            format!("journal: {} is damaged: line 8 cannot be read; 2 of its 3 points are readable", path.display());
        assert_eq!(contents.damage.unwrap(), damage);

        assert_eq!((journal.quarantine(&entry).unwrap(), journal.quarantine(&entry).unwrap()), (true, false));
        let quarantine = folder.path().join("damaged");
        assert!(quarantine.join(&entry.name).exists());
        assert_eq!(journal.waiting().unwrap(), []);
    }

    #[test]
    fn the_newest_files_are_kept_in_quarantine() {
        let (folder, journal) = journal();
        for age in 1..=4 {
            let entry = journal.keep(&batch(1), &destination(), NOW + age, 0).unwrap();
            let path = folder.path().join("journal").join(&entry.name);
            // A file with a hole takes no space.
            File::options().write(true).open(path).unwrap().set_len(MAX_QUARANTINE / 2).unwrap();
            journal.quarantine(&entry).unwrap();
            journal.trim_quarantine();
        }
        let files = fs::read_dir(folder.path().join("damaged")).unwrap();
        let mut started: Vec<i64> =
            files.map(|file| file.unwrap().file_name().to_str().unwrap()[..12].parse().unwrap()).collect();
        started.sort_unstable();
        // Of the newest one the size does not count.
        assert_eq!(started, [NOW + 2, NOW + 3, NOW + 4]);
    }

    #[test]
    fn an_entry_of_an_unknown_form_is_left_alone() {
        let (folder, journal) = journal();
        let entry = journal.keep(&batch(3), &destination(), NOW, 7).unwrap();
        let path = folder.path().join("journal").join(&entry.name);
        let first = format!("{TITLE}3");
        fs::write(&path, format!("{first} {:08x}\n\0whatever", checksum(first.as_bytes()))).unwrap();
        let message = journal.read(&entry).unwrap_err().to_string();
        assert!(message.contains("is of form \"3\"") && message.contains("newer datametrics"), "{message}");
        assert!(path.exists());
    }

    #[test]
    fn the_oldest_entries_beyond_the_size_are_dropped() {
        let (_folder, journal) = journal();
        for (age, points) in [(60, 3), (3600, 2), (0, 4)] {
            journal.keep(&batch(points), &destination(), NOW - age, 0).unwrap();
        }
        let entries = journal.waiting().unwrap();
        let newest_two = entries[1].bytes + entries[2].bytes;
        let drop_excess = |max_bytes| {
            let entries = journal.waiting().unwrap();
            let Dropped { files, points } = journal.drop_excess(entries.iter(), max_bytes);
            (files, points)
        };
        assert_eq!(drop_excess(u64::MAX), (0, 0));
        assert_eq!(drop_excess(newest_two), (1, 2));
        assert_eq!(drop_excess(newest_two - 1), (1, 3));
        assert_eq!(drop_excess(0), (1, 4));
        assert_eq!(journal.waiting().unwrap(), []);
    }

    #[test]
    fn an_entry_names_its_destination() {
        let (_folder, journal) = journal();
        let entry = journal.keep(&batch(1), &destination(), NOW, 7).unwrap();
        assert_eq!(entry.destination, Some(destination().hash_text()));
        assert_eq!(journal.destination_label(&entry), "tcp://carbon.example:2003");
        let first = Entry::from_name("000000000005-0000000000000006-0000000000000007-3.points", 9).unwrap();
        assert_eq!(journal.destination_label(&first), "an unknown URL");
    }
}
