//! Why a broker did not take all messages.

use super::wire::MIN_FRAME;
use crate::delivery::graphite::connect::ConnectError;
use crate::util::clauses::add_clause;

/// Why a broker did not take all messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AMQP broker at {server}: {kind}")]
pub(crate) struct AmqpError {
    /// Host and port.
    pub(crate) server: String,
    /// What happened.
    pub(crate) kind: AmqpErrorKind,
}

/// What kept messages from the queue of a Carbon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AmqpErrorKind {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It answered in another protocol.
    #[error("it answered \"{0}\", which is no AMQP; is the port right (usually 5672)?")]
    NotAmqp(String),
    /// It speaks another version.
    #[error("it does not speak AMQP 0-9-1, which Carbon needs, but {0}; is the port that of RabbitMQ?")]
    OtherVersion(String),
    /// It does not take a user and a password.
    #[error("it offers no login by password (PLAIN), but: {0}; see auth_mechanisms in its configuration")]
    NoPlainLogin(String),
    /// It refused the user, or what the user wanted to do.
    #[error(
        "it refused the credentials: {}",
        add_clause(said, &format!("{question} of a user who may write to the exchange (rabbitmqctl list_permissions)?"))
    )]
    Login {
        /// Its words.
        said: String,
        /// The beginning of a question about the credentials.
        question: String,
    },
    /// It has no such vhost, or the user may not enter it.
    #[error(
        "it did not open the vhost: {}",
        add_clause(.0, "is the path of the URL the vhost (%2f is /), and may this user enter it (rabbitmqctl set_permissions)?")
    )]
    Vhost(String),
    /// It has no such exchange.
    #[error(
        "{}",
        add_clause(.0, "a Carbon with ENABLE_AMQP makes the exchange when it starts: has it started, and is `exchange` in the URL its AMQP_EXCHANGE?")
    )]
    NoExchange(String),
    /// It closed connection or channel for another reason.
    #[error("it ended the connection: {}", add_clause(.0, "its log may say more"))]
    Ended(String),
    /// Messages came back.
    #[error(
        "{returned} of {sent} points came back, as the exchange {exchange} leads to no queue for them; is Carbon running with ENABLE_AMQP, and does it read from this exchange?"
    )]
    Returned {
        /// How many came back.
        returned: usize,
        /// How many were sent.
        sent: usize,
        /// The exchange.
        exchange: String,
    },
    /// It could not take messages.
    #[error("it refused {refused} of {sent} points (nack); its log may say why")]
    Refused {
        /// How many it refused.
        refused: usize,
        /// How many were sent.
        sent: usize,
    },
    /// It takes no messages from anybody.
    #[error("it takes no messages now: {}", add_clause(.0, "it has too little memory or disk (rabbitmqctl status)"))]
    Blocked(String),
    /// The deadline passed before it had confirmed everything.
    #[error("it confirmed {confirmed} of {sent} points in time; it may be overloaded")]
    NotConfirmed {
        /// How many it confirmed.
        confirmed: usize,
        /// How many were sent.
        sent: usize,
    },
    /// The deadline passed before the exchange was open.
    #[error("no answer in time; it may be overloaded, or the port is not that of AMQP (usually 5672)")]
    Silent,
    /// The connection broke.
    #[error("the connection broke ({0}); its log may say why")]
    Broken(String),
    /// It closed the connection without a word.
    #[error("it closed the connection without a word; its log may say why, or a proxy has no broker behind it")]
    Closed,
    /// It takes only frames that are shorter than the protocol allows.
    #[error("it takes frames of {0} bytes, and AMQP needs {MIN_FRAME}; see frame_max in its configuration")]
    SmallFrames(u32),
    /// It sent what is no AMQP, or something that makes no sense at that moment.
    #[error("it sent {0}; is it an AMQP broker such as RabbitMQ?")]
    Garbled(String),
}

impl AmqpErrorKind {
    /// The same about all points of a push, of which the broker took `taken` in all attempts together. The last attempt
    /// sent only those that were still open, and not all of them where too many waited for their confirm.
    pub(super) fn of_all(mut self, total: usize, taken: usize) -> Self {
        match &mut self {
            Self::Returned { sent, .. } | Self::Refused { sent, .. } => *sent = total,
            Self::NotConfirmed { confirmed, sent } => (*confirmed, *sent) = (taken, total),
            _ => {}
        }
        self
    }

    /// Whether it is about single points, so that other points may be taken.
    pub(crate) fn is_about_points(&self) -> bool {
        match self {
            Self::Returned { returned: open, sent, .. } | Self::Refused { refused: open, sent } => open < sent,
            _ => false,
        }
    }

    /// Whether another attempt may come to something else.
    pub(super) fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Ended(_) | Self::Refused { .. } | Self::Broken(_) | Self::Closed => true,
            Self::NotAmqp(_)
            | Self::OtherVersion(_)
            | Self::NoPlainLogin(_)
            | Self::Login { .. }
            | Self::Vhost(_)
            | Self::NoExchange(_)
            | Self::Returned { .. }
            | Self::Blocked(_)
            | Self::NotConfirmed { .. }
            | Self::Silent
            | Self::SmallFrames(_)
            | Self::Garbled(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_after_a_retry_is_about_the_points_of_all_attempts() {
        let refused = AmqpErrorKind::Refused { refused: 2, sent: 2 };
        assert!(!refused.is_about_points());
        assert_eq!(refused.of_all(9, 7), AmqpErrorKind::Refused { refused: 2, sent: 9 });
        assert!(AmqpErrorKind::Refused { refused: 2, sent: 2 }.of_all(9, 7).is_about_points());
        // The broker took four points of the first attempt and one of this one, which ended before two more were sent.
        let late = AmqpErrorKind::NotConfirmed { confirmed: 1, sent: 3 };
        assert_eq!(late.of_all(9, 5), AmqpErrorKind::NotConfirmed { confirmed: 5, sent: 9 });
    }
}
