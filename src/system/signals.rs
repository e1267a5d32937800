//! The one signal that must not end a run.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Makes a write beyond the limit of the size of a file (`ulimit -f`) an error. Otherwise it would end the
/// process with SIGXFSZ, and the batch would be pushed nowhere.
pub(crate) fn survive_file_size_limit() {
    // Nobody reads the flag: it is enough that the signal has a handler. If none can be set, the signal ends
    // the process as before.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}
