//! What came of a delivery.

use super::destinations::DestinationName;
use super::graphite::PushError;
use super::journal::JournalError;
use crate::metrics::batch::Batch;
use crate::outcome::Outcome;
use crate::util::clauses::add_clause;
use std::time::Duration;

/// How many refused points of one push are named.
const MAX_NAMED: usize = 10;

/// What came of a delivery.
#[derive(Debug, Default)]
pub(crate) struct DeliveryReport {
    /// The destination.
    pub(crate) to: DestinationName,
    /// How many points Graphite took, those of earlier runs included.
    pub(crate) taken: usize,
    /// How many of them had waited in the journal.
    pub(crate) waited: usize,
    /// How many points wait in the journal for a later run.
    pub(crate) waiting: usize,
    /// With how many waiting points at once the next run begins. `None` if that is as many as go at once.
    pub(crate) at_once: Option<usize>,
    /// Points that are lost for good, a sentence each.
    pub(crate) losses: Vec<String>,
    /// How many points the losses are about. Nobody knows how many a damaged file had.
    pub(super) points_lost: usize,
    /// Other things that a person should know, a sentence each.
    pub(crate) warnings: Vec<String>,
    /// Things that stay as they are, and that a person should know once a day: what it is about, and a
    /// sentence.
    pub(crate) notices: Vec<(String, String)>,
    /// Why points were not taken.
    pub(crate) error: Option<DeliveryError>,
    /// How long the pushes took.
    pub(crate) took: Duration,
    /// The worst HTTP status. `None` if nothing was sent.
    pub(crate) status: Option<u16>,
}

impl DeliveryReport {
    /// What it makes of a run.
    pub(crate) fn outcome(&self) -> Outcome {
        match &self.error {
            Some(error) if error.refused_credentials() => Outcome::NotAllowed,
            Some(_) => Outcome::NotTaken,
            None if self.losses.is_empty() => Outcome::Success,
            None => Outcome::Partial,
        }
    }

    /// Notes that something of the journal cannot be read.
    pub(super) fn note_unreadable(&mut self, error: JournalError) {
        match &self.error {
            None => self.error = Some(DeliveryError::Unreadable(error)),
            Some(_) => self.warnings.push(error.to_string()),
        }
    }

    /// How many points are lost for good.
    pub(crate) fn lost(&self) -> usize {
        let unkept = match self.error {
            Some(DeliveryError::Lost { points, .. }) => points,
            _ => 0,
        };
        self.points_lost + unkept
    }
}

/// Why points were not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    /// The points are in the journal.
    #[error("{}", add_clause(.0, "the points are in the journal, the next run sends them"))]
    InJournal(PushError),
    /// There is no journal, or the batch could not be written to it.
    #[error("{}", add_clause(cause, &format!("{points} points are lost, as they are in no journal")))]
    Lost {
        /// Why they were not taken.
        cause: PushError,
        /// How many points.
        points: usize,
    },
    /// Points wait that cannot be read. Others were sent.
    #[error("{}", add_clause(.0, "until then points wait that no run can send"))]
    Unreadable(JournalError),
    /// Another run was sending until the deadline.
    #[error("{}", add_clause(.0, "the points are in the journal, the next run sends them"))]
    Locked(JournalError),
}

impl DeliveryError {
    /// The error with the name of the destination.
    pub(crate) fn message(&self, to: &DestinationName) -> String {
        match self {
            // It names a file.
            Self::Locked(_) | Self::Unreadable(_) => self.to_string(),
            Self::InJournal(_) | Self::Lost { .. } => format!("{to}: {self}"),
        }
    }

    /// Whether it is about single points, so that other points may be taken.
    pub(super) fn is_about_points(&self) -> bool {
        match self {
            Self::InJournal(cause) => cause.is_about_points(),
            Self::Unreadable(_) => true,
            Self::Lost { .. } | Self::Locked(_) => false,
        }
    }

    /// Whether Graphite refused the credentials.
    fn refused_credentials(&self) -> bool {
        matches!(self, Self::InJournal(cause) | Self::Lost { cause, .. } if cause.refused_credentials())
    }
}

/// A line for each refused point, but no more than [`MAX_NAMED`].
pub(super) fn describe_refused(to: &DestinationName, batch: &Batch, refused: &[(usize, String)]) -> Vec<String> {
    let line = |(index, reason): &(usize, String)| format!("{to} refused {}: {reason}", batch.point(*index).name);
    let more = refused.len().saturating_sub(MAX_NAMED);
    let rest = (more > 0).then(|| format!("{to} refused {more} more"));
    refused.iter().take(MAX_NAMED).map(line).chain(rest).collect()
}
