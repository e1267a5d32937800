//! The way over an AMQP broker such as RabbitMQ, from which Carbon reads with ENABLE_AMQP
//! (<https://graphite.readthedocs.io/en/latest/feeding-carbon.html#using-amqp>): a message for each point.
//!
//! The protocol is written by hand: what a publisher needs of it is a codec of 360 lines (`wire.rs`, `method.rs`), and all
//! of this folder makes the program 58 kB longer. The crate amq-protocol 10.6 would replace the codec only, as it leaves the
//! conversation to others. It alone takes 250 kB, and brings some fifty crates, with interfaces of async runtimes among them.

pub(super) mod address;
mod confirms;
mod error;
mod method;
mod session;
mod wire;

pub(crate) use error::{AmqpError, AmqpErrorKind};

use super::carbon::{Encoded, LeftOut, plaintext};
use super::connect::{ConnectError, OpenConnection, Peer, connect, take_or_connect};
use super::destination::AmqpTarget;
use super::push::{FailedAttempt, Push};
use crate::context::Context;
use crate::http::retry::RetryPolicy;
use crate::http::url::Credentials;
use crate::metrics::batch::Batch;
use crate::secret::Secret;
use crate::system::dialer::Connection;
use address::{AmqpAddress, MAX_NAME};
use confirms::Fate;
use method::Message;
use session::Session;
use std::ops::Range;

/// The user that RabbitMQ has from the beginning, for connections from its own machine.
const GUEST: &str = "guest";

/// The way to an exchange.
#[derive(Clone, Copy)]
pub(super) struct Amqp<'a> {
    /// Where it is, and who we are there.
    pub(super) target: &'a AmqpTarget,
    /// The connection that is opened ahead.
    pub(super) opening: &'a OpenConnection,
    /// The outside world.
    pub(super) context: Context<'a>,
    /// How often a failed delivery is repeated.
    pub(super) policy: RetryPolicy<'a>,
}

impl Amqp<'_> {
    /// Publishes the points of a batch. A point is taken when the broker confirmed that it is in a queue.
    pub(super) fn push(self, batch: &Batch) -> Push {
        let Self { target: AmqpTarget { address: AmqpAddress { host, port, .. }, .. }, policy, .. } = self;
        let Encoded { bytes, mut left_out, .. } = plaintext(batch);
        let lines = String::from_utf8_lossy(&bytes);
        let mut messages = self.messages(&lines, batch.len(), &mut left_out);
        let (mut push, total) = (Push::default(), messages.len());
        push.deliver(policy, &format!("AMQP broker at {host}:{port}: confirmed"), || {
            let (fates, result) = self.attempt(messages.iter().map(|(_, message)| message));
            let (before, mut fates) = (messages.len(), fates.into_iter());
            messages.retain(|_| fates.next() != Some(Fate::Taken));
            let open = messages.len();
            result.map(|()| before - open).map_err(|AmqpError { server, kind }| {
                let is_retryable = kind.is_retryable();
                let error = AmqpError { server, kind: kind.of_all(total, total - open) }.into();
                FailedAttempt { open, error, is_retryable }
            })
        });
        push.taken = total - messages.len();
        if push.error.is_none() {
            push.refused = left_out.into_iter().map(|point| (point.index, point.reason.to_owned())).collect();
        } else {
            let left_out = left_out.iter().map(|point| point.index);
            push.open = ranges(messages.iter().map(|(index, _)| *index).chain(left_out).collect());
        }
        push
    }

    /// Whether a point would be taken.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn reach(self) -> Result<(), AmqpError> {
        // Carbon passes over empty lines.
        let nothing = Message { routing_key: "datametrics.check", body: "\n" };
        self.attempt([&nothing].into_iter()).1
    }

    /// Opens a connection to the broker.
    pub(super) fn connect(self) -> Result<Box<dyn Connection>, ConnectError> {
        let Self { target: AmqpTarget { address, tls, settings, .. }, context, policy, .. } = self;
        let peer = Peer { server: "RabbitMQ", url_setting: &settings.url };
        connect(context.dialer, peer, (&address.host, address.port), tls.as_ref(), policy.deadline)
    }

    /// Publishes messages over one connection. Returns what became of each that was sent.
    fn attempt<'m>(
        self,
        messages: impl ExactSizeIterator<Item = &'m Message<'m>>,
    ) -> (Vec<Fate>, Result<(), AmqpError>) {
        let Self { target: AmqpTarget { address, credentials, settings, .. }, opening, context, policy } = self;
        let AmqpAddress { host, port, vhost, exchange, .. } = address;
        let in_error = |kind: AmqpErrorKind| AmqpError { server: format!("{host}:{port}"), kind };
        let connection = match take_or_connect(opening, context, || self.connect()) {
            Ok(connection) => connection,
            Err(error) => return (Vec::new(), Err(in_error(error.into()))),
        };
        let guest = || Credentials { user: GUEST.to_owned(), password: Secret::new(GUEST) };
        let secrets: Vec<Secret> = credentials.iter().map(|known| known.password.clone()).collect();
        let mut session = Session::new(connection, &secrets, &settings.credentials_question, policy.deadline);
        let opened = session.open(&credentials.clone().unwrap_or_else(guest), vhost, exchange);
        let result = opened.and_then(|()| session.publish(exchange, messages));
        let fates = session.fates().collect();
        if matches!(result, Ok(()) | Err(AmqpErrorKind::Returned { .. } | AmqpErrorKind::Refused { .. })) {
            session.close();
        }
        (fates, result.map_err(in_error))
    }

    /// A message for each line, with the index of its point. Adds points whose name has no room to `left_out`.
    fn messages<'l>(self, lines: &'l str, points: usize, left_out: &mut Vec<LeftOut>) -> Vec<(usize, Message<'l>)> {
        let has_line = |index: &usize| left_out.binary_search_by_key(index, |point| point.index).is_err();
        let indexes: Vec<usize> = (0..points).filter(has_line).collect();
        let mut messages = Vec::with_capacity(indexes.len());
        for (index, line) in indexes.into_iter().zip(lines.lines()) {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            let fits = name.len() <= MAX_NAME;
            if self.target.address.names_in_body {
                // BIND_PATTERNS of Carbon see the routing key.
                messages.push((index, Message { routing_key: if fits { name } else { "" }, body: line }));
            } else if fits {
                messages.push((index, Message { routing_key: name, body: rest }));
            } else {
                let reason = "has a name of more than 255 bytes with its tags, the most that a routing key holds: \
                              AMQP_METRIC_NAME_IN_BODY = True of Carbon and &names=body in the URL have no such limit";
                left_out.push(LeftOut { index, reason });
            }
        }
        messages
    }
}

/// The ranges that these indexes make.
fn ranges(mut indexes: Vec<usize>) -> Vec<Range<usize>> {
    indexes.sort_unstable();
    indexes.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..run[0] + run.len()).collect()
}
