//! What came of a push.

use super::error::PushError;
use crate::http::stats::RequestStats;
use std::ops::Range;

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
