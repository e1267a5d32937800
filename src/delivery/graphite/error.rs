//! Why Graphite did not take points.

use super::amqp::{AmqpError, AmqpErrorKind};
use super::connect::ConnectError;
use crate::http::transport::TransportError;
use crate::util::clauses::add_clause;

/// Why Graphite did not take points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PushError {
    /// It refused the credentials.
    #[error("{host} refused the credentials: {}", add_clause(said, &format!("{question} of the Graphite instance, with metrics:write?")))]
    Credentials {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
        /// The beginning of a question about the settings.
        question: String,
    },
    /// It is no ingest.
    #[error("{host} takes no points there: {}", add_clause(said, advice))]
    Address {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
        /// What to look at.
        advice: String,
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
    /// It takes points, but refused some of these alone, each for the first time.
    #[error("{host} refuses {points} alone ({said}); what it refuses in a second run too is given up")]
    RefusedOnce {
        /// The host.
        host: String,
        /// How many, in words.
        points: String,
        /// Status and words.
        said: String,
    },
    /// It takes points, and not these, in a way that usually has nothing to do with points.
    #[error("{host} takes points, but not {points} ({said}); does a firewall before it block a name or a value?")]
    NotTaken {
        /// The host.
        host: String,
        /// The first of them, and how many more.
        points: String,
        /// Status and words, or what else happened.
        said: String,
        /// Whether each of them was sent alone.
        is_each_alone: bool,
    },
    /// It took only some of the points of a request, and does not say which.
    #[error("{host} took {taken} of {sent} points, and does not say what is wrong with the others")]
    Unexplained {
        /// The host.
        host: String,
        /// How many it took.
        taken: usize,
        /// How many it was sent.
        sent: usize,
    },
    /// There was no reply.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Carbon did not get everything.
    #[error(transparent)]
    Carbon(#[from] CarbonError),
    /// The broker did not take all messages.
    #[error(transparent)]
    Amqp(#[from] AmqpError),
}

impl PushError {
    /// Whether it is about single points, so that other points may be taken.
    pub(crate) fn is_about_points(&self) -> bool {
        match self {
            Self::TooManyBad { .. } | Self::RefusedOnce { .. } | Self::NotTaken { .. } | Self::Unexplained { .. } => {
                true
            }
            Self::Amqp(error) => error.kind.is_about_points(),
            _ => false,
        }
    }

    /// Status and words of Graphite without any advice, or what else happened.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Credentials { said, .. } | Self::Address { said, .. } | Self::Status { said, .. } => said.clone(),
            error => error.to_string(),
        }
    }

    /// Whether bad points may be among others that are not, as they were not all found.
    pub(crate) fn is_search_given_up(&self) -> bool {
        matches!(self, Self::TooManyBad { .. } | Self::Unexplained { .. } | Self::NotTaken { is_each_alone: false, .. })
    }

    /// Whether it may come from too many points at once: in time fewer may be taken.
    pub(crate) fn may_be_too_much(&self) -> bool {
        match self {
            Self::Transport(TransportError::Timeout { .. }) => true,
            Self::Carbon(error) => !matches!(error.kind, CarbonErrorKind::Connect(_) | CarbonErrorKind::Answered(_)),
            _ => false,
        }
    }

    /// Whether Graphite refused the credentials.
    pub(crate) fn refused_credentials(&self) -> bool {
        match self {
            Self::Credentials { .. } => true,
            Self::Amqp(error) => matches!(error.kind, AmqpErrorKind::Login { .. }),
            _ => false,
        }
    }
}

/// Why Carbon does not have the points, as far as that can be known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Carbon at {server}: {kind}")]
pub(crate) struct CarbonError {
    /// Host and port.
    pub(crate) server: String,
    /// What happened.
    pub(crate) kind: CarbonErrorKind,
}

/// What kept the points from Carbon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CarbonErrorKind {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke while there was still something to send or to wait for.
    #[error("the connection broke after {sent} of {len} bytes ({reason}); Carbon's log may say why")]
    Broken {
        /// Bytes that the operating system took.
        sent: usize,
        /// Bytes of the payload.
        len: usize,
        /// What the operating system said.
        reason: String,
    },
    /// Carbon closed before it was told that everything was sent.
    #[error("it closed the connection before the end; Carbon's log may say why, or a proxy has no Carbon behind it")]
    Closed,
    /// It answered, which Carbon never does.
    #[error("it answered \"{0}\", which Carbon never does; is the port right (usually 2003, for pickle 2004)?")]
    Answered(String),
    /// The deadline passed while sending.
    #[error("it took {sent} of {len} bytes in time; it may be overloaded")]
    SendTimedOut {
        /// Bytes that the operating system took.
        sent: usize,
        /// Bytes of the payload.
        len: usize,
    },
    /// The deadline passed while waiting for the close, which is the only acknowledgement Carbon gives.
    #[error("it did not close the connection in time, so it may not have read the points; it may be overloaded")]
    NotClosed,
}
