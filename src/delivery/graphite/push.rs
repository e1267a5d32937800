//! A push: how far it goes, and what came of it.

use super::error::PushError;
use crate::http::retry::RetryPolicy;
use crate::http::stats::RequestStats;
use crate::metrics::batch::Batch;
use std::ops::Range;

/// How far a push goes to find the points that make Graphite refuse others.
#[derive(Clone, Copy, Default)]
pub(crate) struct Search<'a> {
    /// How many refusals it may cost.
    pub(crate) max_refusals: usize,
    /// Points that are probably good: of which batch, and which. They are sent alone, one after the other until one is
    /// taken, to see whether Graphite is well: to send a point twice does no harm.
    pub(crate) probes: &'a [(&'a Batch, Range<usize>)],
    /// Whether an earlier push of this run has begun it. Requests of a search are not repeated: it has its own way to
    /// find out whether Graphite is well. A failure that passes may end the run; the next one goes on.
    pub(crate) has_begun: bool,
}

/// What came of a push. Every point of the batch is taken, refused or open.
#[derive(Debug, Default)]
pub(crate) struct Push {
    /// How many points Graphite took.
    pub(crate) taken: usize,
    /// Points that it refuses for good: the index, and why.
    pub(crate) refused: Vec<(usize, String)>,
    /// Points that it did not take, or not for sure, and may take later: ranges of the batch.
    pub(crate) open: Vec<Range<usize>>,
    /// Those of the open points that it refused alone, while it took others: the index, and why.
    pub(crate) refused_alone: Vec<(usize, String)>,
    /// Those of the open points that it did not take alone, while it took others, in a way that usually has nothing to do
    /// with points. As indexes.
    pub(crate) failed_alone: Vec<usize>,
    /// Why there are open points.
    pub(crate) error: Option<PushError>,
    /// What the requests came to.
    pub(crate) stats: RequestStats,
}

/// An attempt to deliver points over a connection that did not deliver all of them.
pub(super) struct FailedAttempt {
    /// How many points are not delivered.
    pub(super) open: usize,
    /// Why.
    pub(super) error: PushError,
    /// Whether another attempt may come to something else.
    pub(super) is_retryable: bool,
}

impl Push {
    /// Delivers points over a connection, and tries again as often as `policy` allows. `attempt` returns how many it
    /// delivered; `sign` says for the log by what that is known.
    pub(super) fn deliver(
        &mut self,
        policy: RetryPolicy<'_>,
        sign: &str,
        mut attempt: impl FnMut() -> Result<usize, FailedAttempt>,
    ) {
        let clock = policy.deadline.clock();
        for retry in 0..=policy.retries {
            self.stats.requests += 1;
            let begun = clock.now();
            let result = attempt();
            let took = clock.now() - begun;
            let FailedAttempt { open, error, is_retryable } = match result {
                Ok(points) => {
                    log::info!("{sign} after {took:.1?}: {points} points");
                    // The sign is as good as a 200.
                    (self.error, self.stats.worst_status) = (None, Some(200));
                    return;
                }
                Err(failed) => failed,
            };
            log::info!("{open} points failed after {took:.1?}: {error}");
            (self.error, self.stats.worst_status) = (Some(error), Some(0));
            if !is_retryable || retry == policy.retries {
                return;
            }
            let Some(pause) = policy.pause(retry, None) else { return };
            clock.sleep(pause);
        }
    }
}
