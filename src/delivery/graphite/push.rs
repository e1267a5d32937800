//! Pushing a batch, and what came of every point of it.

use super::Destination;
use super::carbon::{self, CarbonError, Encoded};
use super::ingest::Ingest;
use crate::context::Context;
use crate::http::retry::{RequestStats, RetryPolicy};
use crate::http::transport::TransportError;
use crate::metrics::batch::Batch;
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

/// Pushes a batch. `newest` is the batch of this run.
pub(crate) fn push(
    destination: &Destination,
    batch: &Batch,
    newest: &Batch,
    context: Context<'_>,
    policy: RetryPolicy<'_>,
) -> Push {
    match destination {
        Destination::Ingest { url, credentials } => {
            Ingest { url, credentials: credentials.as_ref(), context, policy }.push(batch, newest)
        }
        Destination::Plaintext { host, port } => to_carbon(host, *port, carbon::plaintext(batch), context, policy),
        Destination::Pickle { host, port } => to_carbon(host, *port, carbon::pickle(batch), context, policy),
    }
}

/// Whether Graphite can be reached and takes points from us. The ingest is sent an empty batch, which
/// stores nothing, and to Carbon a connection is made.
///
/// # Errors
/// Why points would not be taken.
pub(crate) fn reach(destination: &Destination, context: Context<'_>, policy: RetryPolicy<'_>) -> Result<(), PushError> {
    match destination {
        Destination::Ingest { url, credentials } => {
            Ingest { url, credentials: credentials.as_ref(), context, policy }.reach()
        }
        Destination::Plaintext { .. } | Destination::Pickle { .. } => {
            let nothing = Batch::new(1, Vec::new());
            push(destination, &nothing, &nothing, context, policy).error.map_or(Ok(()), Err)
        }
    }
}

/// Carbon takes all points or, as far as anybody can know, none.
fn to_carbon(host: &str, port: u16, encoded: Encoded, context: Context<'_>, policy: RetryPolicy<'_>) -> Push {
    let mut push = Push::default();
    let left_out: Vec<(String, String)> =
        encoded.left_out.into_iter().map(|point| (point.name, point.reason.to_owned())).collect();
    for retry in 0..=policy.retries {
        push.stats.requests += 1;
        let begun = context.clock.now();
        let result = carbon::deliver(context.dialer, host, port, &encoded.bytes, policy.deadline);
        let (took, points) = (context.clock.now() - begun, encoded.points);
        match &result {
            Ok(()) => log::info!("Carbon at {host}:{port}: closed after {took:.1?}: {points} points"),
            Err(error) => log::info!("{points} points failed after {took:.1?}: {error}"),
        }
        push.error = result.err().map(PushError::from);
        match push.error.as_ref().filter(|_| retry < policy.retries).and_then(|_| policy.pause(retry, None)) {
            Some(pause) => context.clock.sleep(pause),
            None => break,
        }
    }
    if push.error.is_none() {
        // A clean close is as good as a 200.
        push.stats.worst_status = Some(200);
        push.taken = encoded.points;
        push.refused = left_out;
    } else {
        push.stats.worst_status = Some(0);
        push.open.push(0..encoded.points + left_out.len());
    }
    push
}
