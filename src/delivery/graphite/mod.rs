//! The ways into Graphite.

mod amqp;
mod carbon;
mod connect;
mod destination;
mod destination_id;
mod error;
mod ingest;
mod push;

pub(crate) use amqp::address::AmqpAddress;
#[cfg(any(test, fuzzing))]
pub(crate) use carbon::pickle;
pub(crate) use connect::OpenConnection;
pub(crate) use destination::{
    AmqpTarget, CarbonTarget, Destination, ExtraHeaders, IngestTarget, Protocol, SettingNames, suggested_url,
};
pub(crate) use destination_id::{DestinationId, INGEST_PATHS};
pub(crate) use error::PushError;
pub(crate) use ingest::MAX_REFUSALS;
pub(crate) use push::{Push, Search};

use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::metrics::batch::Batch;
use amqp::Amqp;
use carbon::Carbon;
use ingest::Ingest;

/// The way to a destination.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    /// Where it leads.
    pub(crate) destination: &'a Destination,
    /// The connection that is opened ahead.
    pub(crate) opening: &'a OpenConnection,
    /// The outside world.
    pub(crate) context: Context<'a>,
    /// How often a failed request is repeated, and until when.
    pub(crate) policy: RetryPolicy<'a>,
}

impl Way<'_> {
    /// Opens the connection, so that the first push finds it open. What goes wrong, the push will tell.
    pub(crate) fn open(self) {
        let Self { destination, opening, context, policy } = self;
        match destination {
            Destination::Ingest(target) => Ingest { target, context, policy }.open(),
            Destination::Carbon(target) => {
                opening.open(context.clock, || Carbon { target, opening, context, policy }.connect());
            }
            Destination::Amqp(target) => {
                opening.open(context.clock, || Amqp { target, opening, context, policy }.connect());
            }
        }
    }

    /// Pushes a batch.
    pub(crate) fn push(self, batch: &Batch, search: Search<'_>) -> Push {
        let Self { destination, opening, context, policy } = self;
        match destination {
            Destination::Ingest(target) => Ingest { target, context, policy }.push(batch, search),
            Destination::Carbon(target) => Carbon { target, opening, context, policy }.push(batch),
            Destination::Amqp(target) => Amqp { target, opening, context, policy }.push(batch),
        }
    }

    /// Whether Graphite can be reached and takes points from us. The ingest is sent an empty batch, which
    /// stores nothing, to Carbon a connection is made, and to an exchange an empty message is published.
    ///
    /// # Errors
    /// Why points would not be taken.
    pub(crate) fn reach(self) -> Result<(), PushError> {
        let Self { destination, opening, context, policy } = self;
        match destination {
            Destination::Ingest(target) => Ingest { target, context, policy }.reach(),
            Destination::Carbon(_) => {
                self.push(&Batch::new(1, Vec::new()), Search::default()).error.map_or(Ok(()), Err)
            }
            Destination::Amqp(target) => Ok(Amqp { target, opening, context, policy }.reach()?),
        }
    }
}

/// How many points of the journal are pushed at once: to an ingest a request, and to Carbon a connection of
/// some megabytes, which tells only at its end whether they were taken.
pub(crate) fn points_at_once(destination: &Destination) -> usize {
    match destination {
        Destination::Ingest(_) => ingest::MAX_POINTS,
        Destination::Carbon(_) | Destination::Amqp(_) => 50_000,
    }
}

/// What would be sent: for an ingest a JSON array for each request, one a line; for Carbon, also behind a broker, its lines.
/// Without a destination, as for an ingest.
pub(crate) fn render(destination: Option<&Destination>, batch: &Batch) -> String {
    match destination {
        Some(Destination::Carbon(_) | Destination::Amqp(_)) => {
            String::from_utf8_lossy(&carbon::plaintext(batch).bytes).into_owned()
        }
        None | Some(Destination::Ingest(_)) => ingest::render(batch),
    }
}
