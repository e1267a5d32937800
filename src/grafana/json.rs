//! What the JSON of dashboards and of alert rules has in common.

use crate::metrics::MetricsConfig;
use crate::util::hash::stable_hash;
use serde_json::Value;

/// Grafana's type of a Graphite data source.
pub(super) const GRAPHITE: &str = "graphite";

/// JSON on several lines, with a newline at its end.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The uid of a dashboard or an alert rule. It depends only on what metric names depend on: a second
/// import replaces the first, and two programs with different prefixes do not replace each other's.
/// Grafana takes at most 40 characters, which leaves 11 for `kind`. `feed` may be empty.
pub(super) fn uid(metrics: &MetricsConfig, kind: &str, feed: &str) -> String {
    let parts = [&metrics.prefix, kind, feed].into_iter().chain(metrics.tags.iter().map(String::as_str));
    // The byte 255 separates the parts: it occurs in no UTF-8 text.
    let hash = stable_hash(parts.flat_map(|part| part.bytes().chain([255])));
    format!("datametrics-{kind}-{hash:016x}")
}
