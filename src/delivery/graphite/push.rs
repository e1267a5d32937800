//! What came of a push.

use super::carbon::connection::CarbonError;
use crate::http::stats::RequestStats;
use crate::http::transport::TransportError;
use std::ops::Range;

/// What came of a push. Every point of the batch is taken, refused or open.
#[derive(Debug, Default)]
pub(crate) struct Push {
    /// How many points Graphite took.
    pub(crate) taken: usize,
    /// Points that it refuses for good: the name, empty if Graphite does not tell, and why.
    pub(crate) refused: Vec<(String, String)>,
    /// Points that it did not take and may take later: ranges of the batch.
    pub(crate) open: Vec<Range<usize>>,
    /// Why there are open points.
    pub(crate) error: Option<PushError>,
    /// What the requests came to.
    pub(crate) stats: RequestStats,
}

/// Why Graphite did not take points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PushError {
    /// It refused the credentials.
    #[error(
        "{host} refused the credentials: {said}; are GRAPHITE_USER and GRAPHITE_PASSWORD those of the Graphite instance, with metrics:write?"
    )]
    Credentials {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
    },
    /// It is no ingest.
    #[error("{host} takes no points there: {said}; is GRAPHITE_URL right? Grafana Cloud's is {suggested}")]
    Address {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
        /// The URL of an ingest on that host.
        suggested: String,
    },
    /// It answered with an error.
    #[error("{host} answered {said}")]
    Status {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
    },
    /// It takes points, but refuses so many of these that not all of them could be found.
    #[error("{host} refuses too many points to find them all in one run: {said}")]
    TooManyBad {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
    },
    /// There was no reply.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Carbon did not get everything.
    #[error(transparent)]
    Carbon(#[from] CarbonError),
}

impl PushError {
    /// Whether Graphite refused the credentials.
    pub(crate) fn refused_credentials(&self) -> bool {
        matches!(self, Self::Credentials { .. })
    }
}
