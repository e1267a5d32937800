//! Points about the run itself. Their names hold the name of the run, so that two runs that start in
//! one second do not overwrite each other's points.

use super::batch::Batch;
use crate::http::stats::RequestStats;
use crate::market::number::Number;
use crate::market::symbol::push_node;
use std::time::Duration;

/// Adds points about a run to its batch: `metrics.RUN.…`.
pub(crate) struct Health<'a> {
    /// The batch.
    pub(crate) batch: &'a mut Batch,
    /// What all names begin with.
    pub(crate) prefix: &'a str,
    /// The name of the run.
    pub(crate) run: &'a str,
    /// When the run started, in Unix seconds.
    pub(crate) started: i64,
}

impl Health<'_> {
    /// What the requests to a provider came to: `PROVIDER.response.time` and so on. No request, no time.
    /// `PROVIDER.remaining` only if it said how many requests are left.
    pub(crate) fn provider(&mut self, name: &str, stats: &RequestStats) {
        if stats.requests > 0 {
            self.seconds(&[name, "response", "time"], stats.slowest, self.started);
        }
        self.count(&[name, "response", "status_code"], stats.worst_status.unwrap_or(0).into(), self.started);
        self.count(&[name, "requests"], stats.requests.into(), self.started);
        self.count(&[name, "retries"], stats.retries.into(), self.started);
        if let Some(remaining) = stats.remaining {
            self.count(&[name, "remaining"], remaining, self.started);
        }
    }

    /// How many symbols of a feed were due, and how many were fetched: `feed.FEED.expected` and
    /// `feed.FEED.fetched`.
    pub(crate) fn feed(&mut self, name: &str, expected: usize, fetched: usize) {
        self.count(&["feed", name, "expected"], expected as u64, self.started);
        self.count(&["feed", name, "fetched"], fetched as u64, self.started);
    }

    /// How many points wait in the journal: `journal`, of a mirror `mirror.NAME.journal`.
    pub(crate) fn journal(&mut self, mirror: Option<&str>, points: usize) {
        let nodes = mirror.map_or(vec![], |name| vec!["mirror", name]);
        self.count(&[&nodes[..], &["journal"]].concat(), points as u64, self.started);
    }

    /// How the push of the run before went, at the time of that run (Unix seconds): `graphite.response.time` and
    /// `graphite.response.status_code`, of a mirror `mirror.NAME.response.time` and so on.
    pub(crate) fn last_push(&mut self, mirror: Option<&str>, time: i64, took: Duration, status: u16) {
        let nodes = mirror.map_or(vec!["graphite"], |name| vec!["mirror", name]);
        self.seconds(&[&nodes[..], &["response", "time"]].concat(), took, time);
        self.count(&[&nodes[..], &["response", "status_code"]].concat(), status.into(), time);
    }

    /// How long the run took so far, and how many points the batch has with these two: `duration`
    /// and `points`.
    pub(crate) fn run(&mut self, took: Duration) {
        self.seconds(&["duration"], took, self.started);
        self.count(&["points"], self.batch.len() as u64 + 1, self.started);
    }

    fn count(&mut self, nodes: &[&str], value: u64, time: i64) {
        self.push(nodes, Number::parse(&value.to_string()), time);
    }

    /// In seconds, to the microsecond.
    fn seconds(&mut self, nodes: &[&str], value: Duration, time: i64) {
        self.push(nodes, Number::parse(&format!("{:.6}", value.as_secs_f64())), time);
    }

    fn push(&mut self, nodes: &[&str], value: Option<Number>, time: i64) {
        let Self { prefix, run, .. } = *self;
        let push_name = |name: &mut String| {
            name.push_str(prefix);
            name.push_str("metrics.");
            push_node(name, run);
            for node in nodes {
                name.push('.');
                push_node(name, node);
            }
        };
        if let Some(value) = value {
            self.batch.push(push_name, value, time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_was_not_asked_has_no_response_time() {
        let names = |stats: &RequestStats| {
            let mut batch = Batch::default();
            Health { batch: &mut batch, prefix: "p.", run: "all", started: 0 }.provider("x", stats);
            batch.iter().map(|point| point.name.to_owned()).collect::<Vec<_>>()
        };
        let idle = ["p.metrics.all.x.response.status_code", "p.metrics.all.x.requests", "p.metrics.all.x.retries"];
        assert_eq!(names(&RequestStats::default()), idle);
        let asked = names(&RequestStats { requests: 1, remaining: Some(0), ..RequestStats::default() });
        assert_eq!(asked[0], "p.metrics.all.x.response.time");
        assert_eq!((&asked[1..4], asked[4].as_str()), (&idle.map(str::to_owned)[..], "p.metrics.all.x.remaining"));
    }
}
