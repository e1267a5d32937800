//! Standard output, which carries data only.

mod report;
mod table;

pub(crate) use report::{Finished, report};
pub(crate) use table::tables;

use crate::outcome::Outcome;
use crate::system::limit::Limit;
use std::io::{self, Write};

/// Writes data to standard output. A closed pipe is no error: whoever reads has seen enough.
pub(crate) fn print(out: &mut dyn Write, text: &str) -> Outcome {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            log::error!("cannot write to standard output: {}", Limit::name_in(error));
            Outcome::Io
        }
        _ => Outcome::Success,
    }
}
