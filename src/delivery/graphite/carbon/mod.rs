//! Carbon, Graphite's own receiver (<https://graphite.readthedocs.io/en/latest/feeding-carbon.html>).

mod connection;
mod encode;

pub(super) use encode::LeftOut;
pub(crate) use encode::{Encoded, pickle, plaintext};

use super::connect::connect;
use super::error::{CarbonError, CarbonErrorKind, PushError};
use super::push::Push;
use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::system::tls::TlsSettings;
use std::time::Duration;

/// The way to a Carbon.
#[derive(Clone, Copy)]
pub(super) struct Carbon<'a> {
    /// A name or an address, IPv6 with or without brackets.
    pub(super) host: &'a str,
    /// The port.
    pub(super) port: u16,
    /// How long the connection stays open after the last point.
    pub(super) linger: Duration,
    /// How the connection is secured.
    pub(super) tls: Option<&'a TlsSettings>,
    /// The outside world.
    pub(super) context: Context<'a>,
    /// How often a failed delivery is repeated.
    pub(super) policy: RetryPolicy<'a>,
}

impl Carbon<'_> {
    /// Sends encoded points. Carbon takes all of them or, as far as anybody can know, none.
    pub(super) fn push(self, encoded: Encoded) -> Push {
        let Self { host, port, linger, tls, context, policy } = self;
        let mut push = Push::default();
        let left_out: Vec<(usize, String)> =
            encoded.left_out.into_iter().map(|point| (point.index, point.reason.to_owned())).collect();
        for retry in 0..=policy.retries {
            push.stats.requests += 1;
            let begun = context.clock.now();
            let result = connect(context.dialer, "Carbon", (host, port), tls, policy.deadline)
                .map_err(CarbonErrorKind::from)
                .and_then(|connection| connection::deliver(connection, &encoded.bytes, linger, policy.deadline))
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
}
