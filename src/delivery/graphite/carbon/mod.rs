//! Carbon, Graphite's own receiver (<https://graphite.readthedocs.io/en/latest/feeding-carbon.html>).

mod connection;
mod encode;

pub(super) use encode::LeftOut;
pub(crate) use encode::{Encoded, pickle, plaintext};

use super::connect::{ConnectError, OpenConnection, Peer, connect, take_or_connect};
use super::destination::{CarbonTarget, Protocol};
use super::error::{CarbonError, CarbonErrorKind};
use super::push::{FailedAttempt, Push};
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
        let Encoded { bytes, points, left_out } = match protocol {
            Protocol::Plaintext => plaintext(batch),
            Protocol::Pickle => pickle(batch),
        };
        let mut push = Push::default();
        push.deliver(policy, &format!("Carbon at {host}:{port}: closed"), || {
            let result = take_or_connect(opening, context, || self.connect())
                .map_err(CarbonErrorKind::from)
                .and_then(|connection| connection::deliver(connection, &bytes, *linger, policy.deadline));
            result.map(|()| points).map_err(|kind| {
                let error = CarbonError { server: format!("{host}:{port}"), kind }.into();
                FailedAttempt { open: points, error, is_retryable: true }
            })
        });
        if push.error.is_none() {
            push.taken = points;
            push.refused = left_out.into_iter().map(|point| (point.index, point.reason.to_owned())).collect();
        } else {
            push.open.push(0..batch.len());
        }
        push
    }

    /// Opens a connection to Carbon.
    pub(super) fn connect(self) -> Result<Box<dyn Connection>, ConnectError> {
        let Self { target: CarbonTarget { host, port, tls, url_setting, .. }, context, policy, .. } = self;
        connect(context.dialer, Peer { server: "Carbon", url_setting }, (host, *port), tls.as_ref(), policy.deadline)
    }
}
