//! Files: as little of a file system as the journal and the state need.

use super::limit::Limit;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// A file system. What it makes is for this user alone: folders have mode 0700, files 0600.
///
/// Every method fails with what the operating system refuses.
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Disk: Sync {
    /// Makes a folder, and those above it that are missing.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether there is a folder.
    fn is_dir(&self, path: &Path) -> bool;

    /// What is in a folder, in any order. Entries that are removed meanwhile may be left out, and so
    /// are names that are no UTF-8, as nothing here makes such names.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Makes a file that was not there before.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Opens a file to read it from its beginning. What is no regular file is an error: a pipe may keep a
    /// reader waiting for ever.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>>;

    /// Moves a file. A file that was there is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes what was created, renamed and removed in a folder survive a crash of the machine.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock of a regular file, which is made if need be. `None` while somebody else has it.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>>;
}

/// A file that is being written.
pub trait NewFile: Write {
    /// Makes what was written survive a crash of the machine.
    ///
    /// # Errors
    /// What the operating system refuses.
    fn sync(&mut self) -> io::Result<()>;
}

/// A lock that is held. It ends when this value is dropped, and with the process.
#[must_use = "the lock ends when this is dropped"]
pub trait LockGuard: Send {}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a file.
    pub is_file: bool,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was last written, since 1970-01-01 00:00 UTC, where the file system knows.
    pub modified: Option<Duration>,
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Limit::name_in)
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            // An entry that is gone by now was removed by another run.
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else {
                return Ok(None);
            };
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            Ok(Some(DirEntry { name, is_file: metadata.is_file(), bytes: metadata.len(), modified }))
        };
        fs::read_dir(path).map_err(Limit::name_in)?.filter_map(|result| entry(result).transpose()).collect()
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        Ok(Box::new(SystemFile(file.map_err(Limit::name_in)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(open_regular(File::options().read(true), path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match File::open(path).map_err(Limit::name_in)?.sync_all() {
            // Some file systems neither have this nor need it.
            Err(cause) if matches!(cause.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            result => result,
        }
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        let file = open_regular(File::options().write(true).create(true).truncate(false).mode(0o600), path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Interrupted => Ok(None),
            Err(TryLockError::Error(cause)) => Err(cause),
        }
    }
}

/// Opens a file and never waits for it, as a pipe would make one do.
///
/// # Errors
/// What the operating system refuses, and when it is no regular file.
pub(super) fn open_regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let not_regular = || io::Error::new(ErrorKind::InvalidInput, "it is not a regular file");
    let file = match options.custom_flags(libc::O_NONBLOCK).open(path) {
        // A pipe that nobody reads cannot be opened to write.
        Err(cause) if cause.raw_os_error() == Some(libc::ENXIO) => return Err(not_regular()),
        result => result.map_err(Limit::name_in)?,
    };
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if metadata.is_file() { Ok(file) } else { Err(not_regular()) }
}

/// A file that is being written.
struct SystemFile(File);

impl Write for SystemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(Limit::name_in)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl NewFile for SystemFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all().map_err(Limit::name_in)
    }
}

/// The open file is the lock.
impl LockGuard for File {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// If one of these waits, the test hangs.
    #[test]
    fn what_is_no_regular_file_is_neither_read_nor_locked() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [&*fifo, Path::new("/dev/zero"), folder.path()] {
            assert!(SystemDisk.open(path).is_err(), "{path:?}");
            assert!(SystemDisk.try_lock(path).is_err(), "{path:?}");
        }
        let message = SystemDisk.try_lock(&fifo).map(drop).unwrap_err().to_string();
        assert_eq!(message, "it is not a regular file");
    }
}
