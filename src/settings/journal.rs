//! The settings of `[journal]`.

use super::places::place_of;
use super::sources::Sources;
use crate::cli::Options;
use crate::config::{ConfigError, ConfigValue, Origin};
use crate::delivery::graphite::Destination;
use crate::delivery::journal::JournalLimits;
use std::time::Duration;

/// The default of `journal.max_age` for Grafana Cloud, in seconds. Grafana Cloud refuses samples older than
/// an hour (<https://grafana.com/docs/grafana-cloud/send-data/metrics/metrics-graphite/faq/>).
const CLOUD_MAX_AGE: u32 = 3_600;

/// The default of `journal.max_age` for Carbon, in seconds. Carbon accepts samples of any age.
const CARBON_MAX_AGE: u32 = 7 * 86_400;

/// The default of `journal.max_bytes`.
const MAX_BYTES: u32 = 64 << 20;

/// The settings of `[journal]`.
pub(super) struct JournalConfig {
    max_bytes: u64,
    /// `None` if each destination has its default.
    max_age: Option<Duration>,
    /// Whether a journal is kept.
    pub(super) is_kept: bool,
}

impl JournalConfig {
    /// The limits of what waits for this destination.
    pub(super) fn limits(&self, destination: &Destination) -> JournalLimits {
        let default = || Duration::from_secs(default_max_age(Some(destination)).into());
        JournalLimits { max_bytes: self.max_bytes, max_age: self.max_age.unwrap_or_else(default) }
    }
}

fn default_max_age(destination: Option<&Destination>) -> u32 {
    if destination.is_some_and(Destination::is_carbon) { CARBON_MAX_AGE } else { CLOUD_MAX_AGE }
}

/// Reads the settings of the journal. `first` is the destination whose default is recorded.
///
/// # Errors
/// When a limit is no whole number.
pub(super) fn read(
    options: &Options,
    sources: Sources<'_>,
    first: Option<&Destination>,
) -> Result<JournalConfig, ConfigError> {
    let section = sources.file.section("journal")?;
    let setting =
        |name, value, default: u32| sources.setting_or_default(name, value, default.to_string()).integer(1, i64::MAX);
    let max_bytes = setting("journal.max_bytes", section.get("max_bytes"), MAX_BYTES)?;
    let is_set = section.get("max_age").is_some();
    let max_age = setting("journal.max_age", section.get("max_age"), default_max_age(first))?;
    section.deny_misplaced_keys(place_of)?;
    let no_journal = options.no_journal.then(|| ConfigValue::from_text("true", Origin::Flag("--no-journal")));
    sources.setting_or_default("--no-journal", no_journal, "false");
    Ok(JournalConfig {
        max_bytes: max_bytes.unsigned_abs(),
        max_age: is_set.then(|| Duration::from_secs(max_age.unsigned_abs())),
        is_kept: !options.dry_run && !options.no_journal,
    })
}
