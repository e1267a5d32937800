//! A push: how far it goes, and what came of it.

use super::error::PushError;
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
    /// Those of the open points that it refused alone, as indexes.
    pub(crate) refused_alone: Vec<usize>,
    /// Why there are open points.
    pub(crate) error: Option<PushError>,
    /// What the requests came to.
    pub(crate) stats: RequestStats,
}
