//! How long a run may take, and how often it tries a request again.

use super::sources::{Env, Roots, Sources};
use crate::cli::Options;
use crate::config::{ConfigError, Section};
use crate::system::clock::SystemClock;
use crate::system::deadline::Deadline;
use std::time::Duration;

/// The time limit of the whole run, in seconds.
const TIMEOUT: u64 = 30;

/// When the settings must be read if nobody has set a time limit.
pub(super) fn default_deadline() -> Deadline<'static> {
    Deadline::after(&SystemClock, Duration::from_secs(TIMEOUT))
}

/// When the settings must be read: the time limit of the whole run, from now.
///
/// # Errors
/// When the time limit is wrong.
pub(crate) fn read_deadline(options: &Options, env: Env<'_>) -> Result<Deadline<'static>, ConfigError> {
    let deadline = Deadline::after(&SystemClock, Duration::ZERO);
    let timeout = read_timeout(options, Sources::new(env, &Section::empty(""), deadline, &Roots::new()))?;
    Ok(Deadline::after(&SystemClock, timeout))
}

/// Reads the time limit of the whole run, and the number of retries of a failed request.
///
/// # Errors
/// When one of them is wrong.
pub(super) fn read(options: &Options, sources: Sources<'_>) -> Result<(Duration, u32), ConfigError> {
    let timeout = read_timeout(options, sources)?;
    let retries = sources.first_of(Some(("--retries", &options.retries)), "DATAMETRICS_RETRIES", None)?;
    let retries = sources.setting_or_default("--retries", retries, "2").integer(0, 100)?;
    Ok((timeout, u32::try_from(retries).unwrap_or(u32::MAX)))
}

fn read_timeout(options: &Options, sources: Sources<'_>) -> Result<Duration, ConfigError> {
    let timeout = sources.first_of(Some(("--timeout", &options.timeout)), "DATAMETRICS_TIMEOUT", None)?;
    sources.setting_or_default("--timeout", timeout, TIMEOUT.to_string()).seconds()
}
