//! Points about the run itself, named by it, so that two runs in one second do not collide.

use crate::number::Number;
use crate::point::Batch;
use crate::report::{FeedReport, tallies};
use crate::settings::Settings;
use crate::symbol::push_node;
use std::time::Duration;

/// Adds what is known of the run when its batch is built.
pub fn push(batch: &mut Batch, settings: &Settings, feeds: &[FeedReport<'_>], started: i64, took: Duration) {
    let mut health = Health { batch, settings, time: started };
    for (definition, tally) in tallies(settings, feeds) {
        let name = &definition.name;
        health.seconds(&[name, "response", "time"], tally.slowest);
        health.count(&[name, "response", "status_code"], tally.worst_status.unwrap_or(0).into());
        health.count(&[name, "requests"], tally.requests.into());
        health.count(&[name, "retries"], tally.retries.into());
    }
    for report in feeds {
        health.count(&["feed", &report.feed.name, "expected"], report.expected() as u64);
        health.count(&["feed", &report.feed.name, "fetched"], report.fetched() as u64);
    }
    health.seconds(&["duration"], took);
    let points = health.batch.len() as u64 + 1;
    health.count(&["points"], points);
}

struct Health<'a> {
    batch: &'a mut Batch,
    settings: &'a Settings,
    time: i64,
}

impl Health<'_> {
    fn count(&mut self, nodes: &[&str], value: u64) {
        self.add(nodes, Number::parse(&value.to_string()));
    }

    /// In seconds, to the microsecond.
    fn seconds(&mut self, nodes: &[&str], value: Duration) {
        self.add(nodes, Number::parse(&format!("{:.6}", value.as_secs_f64())));
    }

    fn add(&mut self, nodes: &[&str], value: Option<Number>) {
        let Self { batch, settings, time } = self;
        let name = |out: &mut String| {
            out.push_str(&settings.graphite.prefix);
            out.push_str("metrics.");
            push_node(out, &settings.run);
            for node in nodes {
                out.push('.');
                push_node(out, node);
            }
        };
        if let Some(value) = value {
            batch.push(name, value, *time);
        }
    }
}
