//! In which order an ingest gets points. It takes the samples of a series in the order of their times, so a run never
//! sends two times side by side, and what is old before what is new.

use super::{ledger::Key, world::Inner};
use datametrics::{Response, TransportError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Requests side by side at most.
const MAX_WIDTH: usize = 4;

/// What a run has sent to an ingest.
#[derive(Default)]
pub(super) struct Pushes {
    /// The requests without an answer yet, by their numbers, and the times of their points.
    in_flight: BTreeMap<usize, BTreeSet<i64>>,
    count: usize,
    /// The last sample of each series that was taken.
    newest: HashMap<String, i64>,
    /// Whether an answer was neither success nor that a request is too large: then what waits is sent once more.
    has_trouble: bool,
    /// The most requests that were side by side.
    pub(super) width: usize,
}

impl Inner {
    /// A run sends points of these times. Returns the number of the request.
    pub(super) fn begin_push(&mut self, process: usize, at: usize, times: BTreeSet<i64>) -> usize {
        let pushes = &mut self.processes[process].pushes[at];
        pushes.count += 1;
        pushes.in_flight.insert(pushes.count, times);
        let in_flight: Vec<&BTreeSet<i64>> = pushes.in_flight.values().collect();
        let times: BTreeSet<i64> = in_flight.iter().copied().flatten().copied().collect();
        pushes.width = pushes.width.max(in_flight.len());
        if in_flight.len() > 1 && times.len() > 1 {
            self.ledger.violations.push(format!("run {process} sends {times:?} side by side: {in_flight:?}"));
        }
        if in_flight.len() > MAX_WIDTH {
            self.ledger.violations.push(format!("run {process} has {} requests in flight", in_flight.len()));
        }
        pushes.count
    }

    /// The run knows what became of a request.
    pub(super) fn end_push(&mut self, process: usize, at: usize, number: usize) {
        self.processes[process].pushes[at].in_flight.remove(&number);
    }

    /// An ingest has answered a request with these points. What is taken is newer than what was taken before, unless
    /// something went wrong. What is too old comes last, and what is in no file comes first.
    pub(super) fn check_order<'k>(
        &mut self,
        process: usize,
        at: usize,
        answer: &Result<Response, TransportError>,
        keys: impl ExactSizeIterator<Item = &'k Key>,
    ) {
        let of = &mut self.processes[process];
        let oldest = of.started.unwrap_or_default().saturating_sub(of.max_age);
        let pushes = &mut of.pushes[at];
        let is_taken = answer.as_ref().is_ok_and(|response| published(response) == Some(keys.len()));
        pushes.has_trouble |= !is_taken && !answer.as_ref().is_ok_and(|response| response.status == 413);
        if !is_taken || pushes.has_trouble || of.is_disturbed {
            return;
        }
        // The push before may have been at any time, if a clock was wrong.
        for (name, time) in keys.filter(|(name, time)| *time >= oldest && !name.contains(".response.")) {
            let before = pushes.newest.insert(name.clone(), *time).unwrap_or(*time);
            if before > *time {
                self.ledger.violations.push(format!("run {process} sends {name} of {time} after that of {before}"));
            }
        }
    }
}

/// How many points the ingest says it took.
fn published(response: &Response) -> Option<usize> {
    let reply: Value = serde_json::from_str(&response.body).ok().filter(|_| response.status == 200)?;
    let count = ["published", "Published"].iter().find_map(|name| reply[name].as_u64())?;
    usize::try_from(count).ok()
}
