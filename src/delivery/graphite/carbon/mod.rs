//! Carbon, Graphite's own receiver (<https://graphite.readthedocs.io/en/latest/feeding-carbon.html>).

mod connection;
mod encode;

pub(super) use encode::LeftOut;
pub(crate) use encode::{Encoded, pickle, plaintext};

use super::connect::{ConnectError, OpenConnection, Peer, connect, take_or_connect};
use super::destination::{CarbonTarget, Protocol};
use super::error::{CarbonError, CarbonErrorKind, PushError};
use super::push::Push;
use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::metrics::batch::Batch;
use crate::system::dialer::Connection;

/// The way to a Carbon.
#[derive(Clone, Copy)]
pub(super) struct Carbon<'a> {
    /// Where.
    pub(super) target: &'a CarbonTarget,
    /// The connection that is opened ahead.
    pub(super) opening: &'a OpenConnection,
    /// The outside world.
    pub(super) context: Context<'a>,
    /// How often a failed delivery is repeated.
    pub(super) policy: RetryPolicy<'a>,
}

impl Carbon<'_> {
    /// Sends a batch. Carbon takes all of it or, as far as anybody can know, nothing.
    pub(super) fn push(self, batch: &Batch) -> Push {
        let Self { target: CarbonTarget { protocol, host, port, linger, .. }, opening, context, policy } = self;
        let encoded = match protocol {
            Protocol::Plaintext => plaintext(batch),
            Protocol::Pickle => pickle(batch),
        };
        let mut push = Push::default();
        let left_out: Vec<(usize, String)> =
            encoded.left_out.into_iter().map(|point| (point.index, point.reason.to_owned())).collect();
        for retry in 0..=policy.retries {
            push.stats.requests += 1;
            let begun = context.clock.now();
            let result = take_or_connect(opening, context, || self.connect())
                .map_err(CarbonErrorKind::from)
                .and_then(|connection| connection::deliver(connection, &encoded.bytes, *linger, policy.deadline))
                .map_err(|kind| CarbonError { server: format!("{host}:{port}"), kind });
            let (took, points) = (context.clock.now() - begun, encoded.points);
            match &result {
                Ok(()) => log::info!("Carbon at {host}:{port}: closed after {took:.1?}: {points} points"),
                Err(error) => log::info!("{points} points failed after {took:.1?}: {error}"),
            }
            push.error = result.err().map(PushError::from);
            let may_retry = push.error.is_some() && retry < policy.retries;
            match policy.pause(retry, None).filter(|_| may_retry) {
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

    /// Opens a connection to Carbon.
    pub(super) fn connect(self) -> Result<Box<dyn Connection>, ConnectError> {
        let Self { target: CarbonTarget { host, port, tls, url_setting, .. }, context, policy, .. } = self;
        connect(context.dialer, Peer { server: "Carbon", url_setting }, (host, *port), tls.as_ref(), policy.deadline)
    }
}
