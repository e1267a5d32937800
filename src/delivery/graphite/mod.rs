//! The ways into Graphite.

mod amqp;
mod carbon;
mod connect;
mod destination;
mod error;
mod ingest;
mod push;

pub(crate) use amqp::AmqpAddress;
#[cfg(any(test, fuzzing))]
pub(crate) use carbon::pickle;
pub(crate) use destination::{
    AmqpTarget, Destination, DestinationId, ExtraHeaders, IngestTarget, Protocol, SettingNames, suggested_url,
};
pub(crate) use error::PushError;
pub(crate) use ingest::MAX_REFUSALS;
pub(crate) use push::Push;

use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::metrics::batch::Batch;
use amqp::Amqp;
use carbon::Carbon;
use ingest::Ingest;

/// Pushes a batch. `newest` is the batch of this run. At most `max_refusals` refusals are spent on finding
/// the points that make Graphite refuse others.
pub(crate) fn push(
    destination: &Destination,
    batch: &Batch,
    newest: &Batch,
    max_refusals: usize,
    context: Context<'_>,
    policy: RetryPolicy<'_>,
) -> Push {
    match destination {
        Destination::Ingest(target) => Ingest { target, context, policy }.push(batch, newest, max_refusals),
        Destination::Carbon { protocol, host, port, linger, tls } => {
            let encoded = match protocol {
                Protocol::Plaintext => carbon::plaintext(batch),
                Protocol::Pickle => carbon::pickle(batch),
            };
            Carbon { host, port: *port, linger: *linger, tls: tls.as_ref(), context, policy }.push(encoded)
        }
        Destination::Amqp(target) => Amqp { target, context, policy }.push(batch),
    }
}

/// How many points of the journal are pushed at once: to an ingest a request, and to Carbon a connection of
/// some megabytes, which tells only at its end whether they were taken.
pub(crate) fn points_at_once(destination: &Destination) -> usize {
    match destination {
        Destination::Ingest(_) => ingest::MAX_POINTS,
        Destination::Carbon { .. } | Destination::Amqp(_) => 50_000,
    }
}

/// Whether Graphite can be reached and takes points from us. The ingest is sent an empty batch, which
/// stores nothing, to Carbon a connection is made, and to an exchange an empty message is published.
///
/// # Errors
/// Why points would not be taken.
pub(crate) fn reach(destination: &Destination, context: Context<'_>, policy: RetryPolicy<'_>) -> Result<(), PushError> {
    match destination {
        Destination::Ingest(target) => Ingest { target, context, policy }.reach(),
        Destination::Carbon { .. } => {
            let nothing = Batch::new(1, Vec::new());
            push(destination, &nothing, &nothing, 0, context, policy).error.map_or(Ok(()), Err)
        }
        Destination::Amqp(target) => Ok(Amqp { target, context, policy }.reach()?),
    }
}

/// What would be sent: for an ingest a JSON array for each request, one a line; for Carbon, also behind a broker, its lines.
/// Without a destination, as for an ingest.
pub(crate) fn render(destination: Option<&Destination>, batch: &Batch) -> String {
    match destination {
        Some(Destination::Carbon { .. } | Destination::Amqp(_)) => {
            String::from_utf8_lossy(&carbon::plaintext(batch).bytes).into_owned()
        }
        None | Some(Destination::Ingest(_)) => ingest::render(batch),
    }
}
