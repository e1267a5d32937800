//! What a person gives to a run: files, pipes, devices and standard input. It is read within a bound of
//! bytes and of time, so that none of it can hold up a run or fill the memory.

use super::deadline::Deadline;
use super::disk::open_regular;
use super::limit::Limit;
use super::threads::{lock, warn_of_no_thread};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// What some editors write before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads a file. It may also be a pipe or a device, such as `/dev/stdin`, which is waited for.
///
/// # Errors
/// What the operating system refuses; and when there is more than `max_bytes`, or no end by the deadline.
pub(crate) fn read_file(path: &Path, max_bytes: u64, deadline: Deadline<'_>) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() {
        let file = open_regular(File::options().read(true), path)?;
        let len = file.metadata()?.len();
        return read_all(file, len, max_bytes);
    }
    let path = path.to_owned();
    // To open a pipe waits until somebody writes into it.
    within(deadline, move || read_all(File::open(path).map_err(Limit::name_in)?, 0, max_bytes))
}

/// Reads a stream to its end.
///
/// # Errors
/// Those of [`read_file`].
pub(crate) fn read_stream(
    stream: impl Read + Send + 'static,
    max_bytes: u64,
    deadline: Deadline<'_>,
) -> io::Result<Vec<u8>> {
    within(deadline, move || read_all(stream, 0, max_bytes))
}

/// The text in what was read.
///
/// # Errors
/// When it is not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not valid UTF-8"))
}

/// Reads to the end, without a byte order mark. `len` is how much there may be.
fn read_all(reader: impl Read, len: u64, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(max_bytes)).unwrap_or_default());
    reader.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {max_bytes} bytes")));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

/// Does work that may wait for ever. It is done on a thread of its own, which is left behind when it is late.
/// If the machine gives no thread, the work is done here, and the deadline does not hold.
fn within<T: Send + 'static>(
    deadline: Deadline<'_>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::channel();
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| lock(work).take();
    let thread_work = Arc::clone(&work);
    let run = move || {
        // Nobody receives it if it is late.
        let _ = take(&thread_work).map(|work| sender.send(work()));
    };
    if let Err(cause) = thread::Builder::new().name("input".to_owned()).spawn(run) {
        warn_of_no_thread(&cause);
        if let Some(work) = take(&work) {
            return work();
        }
    }
    let too_late = || io::Error::new(ErrorKind::TimedOut, "it did not end in time; a longer --timeout waits for it");
    receiver.recv_timeout(deadline.remaining()).unwrap_or_else(|_| Err(too_late()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::clock::SystemClock;
    use std::time::Duration;

    fn soon() -> Deadline<'static> {
        Deadline::after(&SystemClock, Duration::from_secs(60))
    }

    #[test]
    fn input_is_bounded_and_a_byte_order_mark_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "\u{feff}ä").unwrap();
        assert_eq!(text(read_file(&path, 5, soon()).unwrap()).unwrap(), "ä");
        let error = read_file(&path, 4, soon()).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::FileTooLarge, "it has more than 4 bytes".to_owned()));
        let error = read_stream(io::repeat(b'y'), 1 << 20, soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(read_file(Path::new("/dev/null"), 4, soon()).unwrap(), b"");
        assert_eq!(text(b"\xff".to_vec()).unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn input_that_does_not_end_is_given_up_at_the_deadline() {
        let (reader, _writer) = io::pipe().unwrap();
        let error = read_stream(reader, 9, Deadline::after(&SystemClock, Duration::from_millis(20))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
