//! What an ingest says of one request.

use super::json::Published;
use crate::delivery::graphite::error::PushError;

/// What an ingest says of one request.
pub(super) enum Verdict {
    /// Taken, if not every point of it.
    Taken(Published),
    /// Refused for what is in it. A part of it may pass.
    Refused(Refusal),
    /// Failed, for what is in it or for all. The current ingest says 500 of a point that is too old or in conflict with one
    /// it has, and everybody says so of an outage. A gateway before it may refuse a name, or a body that is long.
    Failed(Refusal),
    /// Refused for its size: status and words.
    TooLarge(String),
    /// Nothing that has to do with points.
    Error(PushError),
}

/// Why a request was not taken that may hold a bad point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The ingest says so, in a status and words. A point that it refuses like this alone, in two runs, is given up.
    OfPoints(String),
    /// What usually has nothing to do with points. A point alone that meets it goes on waiting.
    Other(PushError),
}

impl Refusal {
    /// What it says of a server that takes nothing else either.
    pub(super) fn into_error(self, host: String) -> PushError {
        match self {
            Self::OfPoints(said) => PushError::Status { host, said },
            Self::Other(error) => error,
        }
    }
}
