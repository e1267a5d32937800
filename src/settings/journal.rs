//! The settings of `[journal]`.

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

/// Reads the limits of the journal. `None` if no journal is kept.
pub(super) fn read(
    options: &Options,
    sources: Sources<'_>,
    destination: Option<&Destination>,
) -> Result<Option<JournalLimits>, ConfigError> {
    let section = sources.file.section("journal")?;
    let setting =
        |name, value, default: u32| sources.setting_or_default(name, value, default.to_string()).integer(1, i64::MAX);
    let max_bytes = setting("journal.max_bytes", section.get("max_bytes"), MAX_BYTES)?;
    let is_carbon = destination.is_some_and(Destination::is_carbon);
    let max_age = if is_carbon { CARBON_MAX_AGE } else { CLOUD_MAX_AGE };
    let max_age = setting("journal.max_age", section.get("max_age"), max_age)?;
    section.deny_unknown_keys()?;
    let no_journal = options.no_journal.then(|| ConfigValue::from_text("true", Origin::Flag("--no-journal")));
    sources.setting_or_default("--no-journal", no_journal, "false");
    let limits =
        JournalLimits { max_bytes: max_bytes.unsigned_abs(), max_age: Duration::from_secs(max_age.unsigned_abs()) };
    Ok((!options.dry_run && !options.no_journal).then_some(limits))
}
