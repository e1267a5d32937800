//! What is pushed: the names of metrics, the batch of a run, and the points about the run itself.

pub(crate) mod batch;
pub(crate) mod health;
pub(crate) mod names;

use names::NameTemplate;

/// What all points of a run have in common.
#[derive(Debug)]
pub(crate) struct MetricsConfig {
    /// What every name begins with, with a dot at its end; or empty.
    pub(crate) prefix: String,
    /// Seconds between two points of a metric, as Graphite is told.
    pub(crate) interval: u32,
    /// The names of feeds that have none of their own.
    pub(crate) names: NameTemplate,
    /// The tags of every point, `key=value` each, sorted.
    pub(crate) tags: Vec<String>,
}
