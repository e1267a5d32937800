//! Limits of the machine, which the words of the operating system do not name.

use std::fs::File;
use std::io;

/// How many files and sockets the system's resolver has open at a time, at most.
const FILES_OF_A_LOOKUP: usize = 3;

/// A limit of the machine that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Limit {
    /// Open files and connections of this process.
    #[error("the limit of open files is reached; raise it (ulimit -n, LimitNOFILE of systemd)")]
    OpenFiles,
    /// Those of all processes.
    #[error("the limit of open files of the whole machine is reached (sysctl fs.file-max)")]
    OpenFilesOfMachine,
    /// The size of a file.
    #[error("the limit of the size of a file is reached; raise it (ulimit -f, LimitFSIZE of systemd)")]
    FileSize,
    /// Memory of the operating system.
    #[error("the machine gives no more memory")]
    Memory,
}

impl Limit {
    /// The limit that an error of the operating system is about.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        if let Some(limit) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return Some(*limit);
        }
        match error.raw_os_error()? {
            libc::EMFILE => Some(Self::OpenFiles),
            libc::ENFILE => Some(Self::OpenFilesOfMachine),
            libc::EFBIG => Some(Self::FileSize),
            libc::ENOBUFS | libc::ENOMEM => Some(Self::Memory),
            _ => None,
        }
    }

    /// Whether a few more files can be opened. The system's resolver does not say that it could open none.
    ///
    /// # Errors
    /// When the limit of open files is reached.
    pub(crate) fn check_open_files() -> Result<(), Self> {
        let files = (0..FILES_OF_A_LOOKUP).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<File>>>();
        files.err().as_ref().and_then(Self::of).map_or(Ok(()), Err)
    }

    /// The same error. If it is about a limit, its words name the limit.
    pub(crate) fn name_in(error: io::Error) -> io::Error {
        match Self::of(&error) {
            Some(limit) => io::Error::new(error.kind(), limit),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_limit_names_it() {
        let named = |code| Limit::name_in(io::Error::from_raw_os_error(code)).to_string();
        assert!(named(libc::EMFILE).contains("ulimit -n"));
        assert!(named(libc::ENFILE).contains("fs.file-max"));
        assert!(named(libc::EFBIG).contains("ulimit -f"));
        assert!(named(libc::ENOMEM).contains("memory") && named(libc::ENOBUFS).contains("memory"));
        assert!(named(libc::ENOENT).contains("os error"));
        let named = Limit::name_in(io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(Limit::of(&named), Some(Limit::OpenFiles), "it is still known to be one");
        assert_eq!(Limit::of(&io::Error::from_raw_os_error(libc::ECONNREFUSED)), None);
    }
}
