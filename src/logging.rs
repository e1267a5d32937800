//! The log: which messages are written to standard error, and in which form.

use crate::cli::Options;
use crate::progress::InPlaceOfLine;
use crate::system::threads::lock;
use crate::util::line_buffer::LineBuffer;
use crate::util::sanitize::sanitize;
use env_logger::{Builder, Target};
use log::{Level, Record};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

/// The log target of the one line that a good run says at a terminal.
pub(crate) const SUMMARY: &str = "datametrics::summary";

/// The size of the log that a monitor gets, in bytes. healthchecks.io keeps at least that much
/// (<https://healthchecks.io/docs/attaching_logs/>).
const MAX_LAST_LINES: usize = 10_000;

static LAST_LINES: Mutex<LineBuffer> = Mutex::new(LineBuffer::new(MAX_LAST_LINES));

/// The last lines of the log, for a monitor.
pub(crate) fn last_lines() -> String {
    lock(&LAST_LINES).as_str().to_owned()
}

/// Sets up the log, and the message about a panic. `RUST_LOG` overrides `-q` and `-v`.
pub(crate) fn start(options: &Options, verbose: u8) {
    let rust_log = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = rust_log.unwrap_or_else(|| filter_of(options, verbose));
    let is_journald = stderr_is_journald();
    Builder::new()
        .parse_filters(&filter)
        .target(Target::Pipe(Box::new(InPlaceOfLine)))
        .format(move |out, record| {
            if is_library_detail(record) {
                return Ok(());
            }
            // A message quotes names and texts from outside.
            let (label, message) = (label(record), sanitize(&record.args().to_string(), usize::MAX));
            lock(&LAST_LINES).push(&format!("{label}{message}"));
            writeln!(out, "{}{message}", if is_journald { journald_priority(record.level()) } else { label })
        })
        .try_init()
        // An embedding program may have a log of its own.
        .unwrap_or_default();
    std::panic::set_hook(Box::new(|panic| {
        // The message of the panic is not logged, as it may quote data, such as a key.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!("{}", describe_defect(&location));
    }));
}

fn describe_defect(location: &str) -> String {
    format!("a defect in datametrics at {location}; please report it: {}", env!("CARGO_PKG_REPOSITORY"))
}

/// Logs each line at this level.
pub(crate) fn log_all(level: Level, lines: &[String]) {
    for line in lines {
        log::log!(level, "{line}");
    }
}

/// Whether standard error is a terminal, and nothing is logged while all goes well.
pub(crate) fn is_interactive(options: &Options) -> bool {
    let has_filter = std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty());
    !options.quiet && options.verbose == 0 && !has_filter && std::io::stderr().is_terminal()
}

/// The filter of the log levels. At a terminal, a successful run logs one line; otherwise, as under cron,
/// none.
fn filter_of(options: &Options, verbose: u8) -> String {
    match (options.quiet, verbose) {
        (true, _) => "error".to_owned(),
        (_, 0) if std::io::stderr().is_terminal() => format!("warn,{SUMMARY}=info"),
        (_, 0) => "warn".to_owned(),
        (_, 1) => "info".to_owned(),
        _ => "debug".to_owned(),
    }
}

/// Whether a record is a detail that a library logs. At their lowest levels, libraries log headers and
/// bodies, which may hold keys.
fn is_library_detail(record: &Record<'_>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/messages/rendered.rs` writes it by hand, as there is no defect that a test could bring about.
    #[test]
    fn the_message_about_a_defect_is_recorded_as_it_is() {
        let page = include_str!("../tests/messages/README.md");
        assert!(page.contains(&format!("| {} |", describe_defect("PLACE"))));
    }
}
