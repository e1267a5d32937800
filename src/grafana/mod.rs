//! What makes points visible in Grafana: a dashboard and alert rules, made from the settings of a
//! run. The same settings give the same text.

mod alerts;
mod dashboard;
mod query;

pub(crate) use alerts::alerts;
pub(crate) use dashboard::dashboard;

use crate::settings::Settings;
use crate::util::hash::stable_hash;
use serde_json::Value;

/// The type of the data source.
const GRAPHITE: &str = "graphite";

/// As a person reads it, with a newline at its end.
fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A uid that stays the same as long as the names of the metrics do, so that what is imported again
/// replaces what was there, and two programs with other prefixes have their own. At most 40
/// characters, as Grafana wants: `kind` may have 11.
fn uid(settings: &Settings, kind: &str, feed: &str) -> String {
    let graphite = &settings.metrics;
    let parts = [&graphite.prefix, kind, feed].into_iter().chain(graphite.tags.iter().map(String::as_str));
    // 255 is in no UTF-8 text, so it separates.
    let hash = stable_hash(parts.flat_map(|part| part.bytes().chain([255])));
    format!("datametrics-{kind}-{hash:016x}")
}
