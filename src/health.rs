//! Points about the run itself, named by it, so that two runs in one second do not collide.

use crate::memory::Memory;
use crate::number::Number;
use crate::point::Batch;
use crate::report::{FeedReport, tallies};
use crate::settings::Settings;
use crate::symbol::push_node;
use std::time::Duration;

/// Adds points about a run to its batch.
pub struct Health<'a> {
    batch: &'a mut Batch,
    settings: &'a Settings,
    time: i64,
}

impl<'a> Health<'a> {
    /// For the batch of a run that started at `time` (Unix seconds).
    pub fn new(batch: &'a mut Batch, settings: &'a Settings, time: i64) -> Self {
        Self { batch, settings, time }
    }

    /// How the providers answered, and what the feeds came to.
    pub fn of_fetching(&mut self, feeds: &[FeedReport<'_>]) {
        for (definition, tally) in tallies(self.settings, feeds) {
            let name = &definition.name;
            self.seconds(&[name, "response", "time"], tally.slowest);
            self.count(&[name, "response", "status_code"], tally.worst_status.unwrap_or(0).into());
            self.count(&[name, "requests"], tally.requests.into());
            self.count(&[name, "retries"], tally.retries.into());
        }
        for report in feeds {
            self.count(&["feed", &report.feed.name, "expected"], report.expected as u64);
            self.count(&["feed", &report.feed.name, "fetched"], report.fetched() as u64);
        }
    }

    /// What waits in the journal, and how the push before this one went, at its own time.
    pub fn of_memory(&mut self, memory: &Memory<'_>) {
        if let Some(waiting) = memory.waiting() {
            self.count(&["journal"], waiting as u64);
        }
        if let Some(push) = memory.last_push() {
            let now = std::mem::replace(&mut self.time, push.time);
            self.seconds(
                &["graphite", "response", "time"],
                Duration::try_from_secs_f64(push.seconds).unwrap_or_default(),
            );
            self.count(&["graphite", "response", "status_code"], push.status.into());
            self.time = now;
        }
    }

    /// How long it took so far, and how many points there are, this one too.
    pub fn of_run(&mut self, took: Duration) {
        self.seconds(&["duration"], took);
        let points = self.batch.len() as u64 + 1;
        self.count(&["points"], points);
    }

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
