//! Standard error: which messages go there, and in which form.

use crate::cli::Options;
use crate::ping::Tail;
use crate::progress;
use crate::system::threads::lock;
use crate::util::sanitize::sanitize;
use env_logger::Builder;
use log::{Level, Record};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// The log target of the one line that a good run says at a terminal.
pub(crate) const SUMMARY: &str = "datametrics::summary";

/// The last lines that were logged.
static TAIL: Mutex<Tail> = Mutex::new(Tail::new());

/// The last lines that were logged, for a monitor.
pub(crate) fn last_lines() -> String {
    lock(&TAIL).text().to_owned()
}

/// Sets up the log, and the message about a panic. `RUST_LOG` beats `-q` and `-v`.
pub(crate) fn start(options: &Options) {
    let rust_log = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = rust_log.unwrap_or_else(|| filter_of(options));
    let is_journald = stderr_is_journald();
    Builder::new()
        .parse_filters(&filter)
        .format(move |out, record| {
            if is_foreign(record) {
                return Ok(());
            }
            progress::clear();
            // A message holds names and words from outside: one line, and nothing that controls a
            // terminal.
            let (label, message) = (label(record), sanitize(&record.args().to_string(), usize::MAX));
            lock(&TAIL).push(&format!("{label}{message}"));
            writeln!(out, "{}{message}", if is_journald { journald_priority(record.level()) } else { label })
        })
        .init();
    std::panic::set_hook(Box::new(|panic| {
        // The payload is not shown: it may hold what was being read.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!("a defect in datametrics at {place}; please report it: {}", env!("CARGO_PKG_REPOSITORY"));
    }));
}

/// Logs each line at this level.
pub(crate) fn log_all(level: Level, lines: &[String]) {
    for line in lines {
        log::log!(level, "{line}");
    }
}

/// Whether a person watches at a terminal and is told nothing else while the run goes on.
pub(crate) fn is_interactive(options: &Options) -> bool {
    let has_filter = std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty());
    !options.quiet && options.verbose == 0 && !has_filter && std::io::stderr().is_terminal()
}

/// At a terminal a good run says one line, under cron none.
fn filter_of(options: &Options) -> String {
    match (options.quiet, options.verbose) {
        (true, _) => "error".to_owned(),
        (_, 0) if std::io::stderr().is_terminal() => format!("warn,{SUMMARY}=info"),
        (_, 0) => "warn".to_owned(),
        (_, 1) => "info".to_owned(),
        _ => "debug".to_owned(),
    }
}

/// Whether the record is a detail of a library. At their lowest levels they log headers and bodies,
/// keys included.
fn is_foreign(record: &Record<'_>) -> bool {
    !record.target().starts_with("datametrics") && record.level() > Level::Warn
}

fn label(record: &Record<'_>) -> &'static str {
    match record.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        _ => "",
    }
}

/// The prefix by which systemd's journald knows the priority of a line
/// (<https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html>).
fn journald_priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Whether standard error goes to systemd's journald: `JOURNAL_STREAM` is its device and inode
/// (<https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html>).
fn stderr_is_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::fs::metadata("/dev/stderr").map(|metadata| format!("{}:{}", metadata.dev(), metadata.ino()));
    stderr.is_ok_and(|stderr| stderr == stream)
}
