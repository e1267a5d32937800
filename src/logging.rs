//! What is said on standard error, and how.

use crate::progress;
use datametrics::SUMMARY;
use datametrics::cli::Options;
use datametrics::ping::Tail;
use datametrics::shown::beginning;
use env_logger::Builder;
use log::{Level, Record};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

/// The last of what was said.
static SAID: Mutex<Tail> = Mutex::new(Tail::new());

/// The last lines that were said on standard error, as a monitor is told them.
pub(crate) fn said() -> String {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).text().to_owned()
}

/// Sets the log and the words for a defect up. `RUST_LOG` beats `-q` and `-v`.
pub(crate) fn start(options: &Options) {
    let asked = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = asked.unwrap_or_else(|| own_filter(options));
    let for_journal = stderr_is_the_journal();
    Builder::new()
        .parse_filters(&filter)
        .format(move |out, record| {
            if is_foreign(record) {
                return Ok(());
            }
            progress::clear();
            // Names and words from outside are in it: one line, and nothing that moves a terminal.
            let (word, said) = (word(record), beginning(&record.args().to_string(), usize::MAX));
            SAID.lock().unwrap_or_else(PoisonError::into_inner).push(&format!("{word}{said}"));
            writeln!(out, "{}{said}", if for_journal { priority(record.level()) } else { word })
        })
        .init();
    std::panic::set_hook(Box::new(|panic| {
        // The payload is not shown: it may hold what was being read.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!("a defect in datametrics at {place}; please report it: {}", env!("CARGO_PKG_REPOSITORY"));
    }));
}

/// Whether somebody watches who is told nothing else while the run goes on.
pub(crate) fn is_for_a_person(options: &Options) -> bool {
    let has_filter = std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty());
    !options.quiet && options.verbose == 0 && !has_filter && std::io::stderr().is_terminal()
}

/// At a terminal a good run says one line, under cron none.
fn own_filter(options: &Options) -> String {
    match (options.quiet, options.verbose) {
        (true, _) => "error".to_owned(),
        (_, 0) if std::io::stderr().is_terminal() => format!("warn,{SUMMARY}=info"),
        (_, 0) => "warn".to_owned(),
        (_, 1) => "info".to_owned(),
        _ => "debug".to_owned(),
    }
}

/// The libraries below log headers and bodies at their lowest levels, keys among them.
fn is_foreign(record: &Record<'_>) -> bool {
    !record.target().starts_with("datametrics") && record.level() > Level::Warn
}

fn word(record: &Record<'_>) -> &'static str {
    match record.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        _ => "",
    }
}

/// systemd's priority prefixes (<https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html>).
fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Whether standard error goes to systemd's journal: `JOURNAL_STREAM` is its device and inode
/// (<https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html>).
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::fs::metadata("/dev/stderr").map(|meta| format!("{}:{}", meta.dev(), meta.ino()));
    stderr.is_ok_and(|stderr| stderr == stream)
}
