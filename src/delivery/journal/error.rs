//! What goes wrong with the journal, and what to do about it.

use super::format::FORMAT_VERSION;
use crate::system::limit::Limit;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What is wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The operating system refused something.
    #[error("journal: cannot {action} {path}: {cause}{}", advice(action, cause))]
    Io {
        /// What was to be done, a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// Another run is sending.
    #[error("journal: another run held {path} all the time (`fuser {path}` names its process, should it be stopped)")]
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// A newer program wrote the file.
    #[error(
        "journal: {path} is of form {version:?}, and this datametrics knows form {FORMAT_VERSION}: it was left where it is; \
         run the newer datametrics that wrote it, or remove the file and lose its points"
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version that its first line names.
        version: String,
    },
}

/// What to do about an error, unless its own words tell.
fn advice(action: &str, cause: &io::Error) -> &'static str {
    match Limit::of(cause) {
        Some(_) => "",
        None if cause.kind() == ErrorKind::InvalidInput => "; remove it",
        None if action == "read" && cause.kind() == ErrorKind::PermissionDenied => "; give it to this user (chown)",
        None if action == "lock" && cause.kind() == ErrorKind::IsADirectory => "; remove it",
        None if action == "lock" && matches!(cause.raw_os_error(), Some(libc::ENOLCK | libc::ENOSYS)) => {
            "; this file system knows no locks"
        }
        None => "; the state directory must be writable and have room (DATAMETRICS_STATE_DIR chooses another)",
    }
}

impl JournalError {
    /// Whether a file is not there any more.
    pub(crate) fn is_missing_file(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == ErrorKind::NotFound)
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, path: path.to_owned(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_journal_says_what_to_do() {
        let (state_dir, remove, no_locks) = ("must be writable and have room", "; remove it", "knows no locks");
        let give = "; give it to this user";
        for (action, cause, advice) in [
            ("write", ErrorKind::PermissionDenied.into(), state_dir),
            ("lock", ErrorKind::PermissionDenied.into(), state_dir),
            ("write", ErrorKind::IsADirectory.into(), state_dir),
            ("write", io::Error::from_raw_os_error(libc::ENOLCK), state_dir),
            ("read", ErrorKind::InvalidInput.into(), remove),
            ("read", ErrorKind::PermissionDenied.into(), give),
            ("lock", ErrorKind::IsADirectory.into(), remove),
            ("lock", io::Error::from_raw_os_error(libc::ENOLCK), no_locks),
            ("lock", io::Error::from_raw_os_error(libc::ENOSYS), no_locks),
        ] {
            let text = JournalError::io(action, Path::new("/x"))(cause).to_string();
            let given: Vec<&str> =
                [state_dir, remove, no_locks, give].into_iter().filter(|known| text.contains(known)).collect();
            assert_eq!(given, [advice], "{text}");
        }
        let limit = Limit::name_in(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(!JournalError::io("write", Path::new("/x"))(limit).to_string().contains("must be writable"));
    }

    /// Where tests run as root, no file is another's. `tests/messages/rendered.rs` writes this error by hand.
    #[test]
    fn a_file_of_another_user_is_on_the_page_of_messages() {
        let cause = io::Error::from_raw_os_error(libc::EACCES);
        let error = JournalError::io("read", Path::new("STATE/journal/FILE.points"))(cause);
        let page = include_str!("../../../tests/messages/README.md");
        assert!(page.contains(&error.to_string()), "tests/messages has no {error}");
    }

    #[test]
    fn only_a_file_that_is_not_there_is_missing() {
        let is_missing = |kind: ErrorKind| JournalError::io("read", Path::new("/x"))(kind.into()).is_missing_file();
        assert!(is_missing(ErrorKind::NotFound) && !is_missing(ErrorKind::PermissionDenied));
    }
}
