//! What an ingest says of one request.

use super::json::Published;
use crate::delivery::graphite::error::PushError;

/// What an ingest says of one request.
pub(super) enum Verdict {
    /// Taken, if not every point of it.
    Taken(Published),
    /// Refused for what is in it. A part of it may pass.
    Refused(String),
    /// A 500 that stays. The current ingest says so of a point that is too old or in conflict with
    /// one it has, and everybody says so of an outage.
    Failed(String),
    /// Refused for its size.
    TooLarge(String),
    /// Nothing that has to do with points.
    Error(PushError),
}
