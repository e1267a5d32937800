//! The one trait through which everything is asked over HTTP.

use super::request::{Request, Response};
use crate::system::deadline::Deadline;

/// Sends requests.
pub trait Transport: Sync {
    /// Sends one request and reads the whole reply, by the deadline.
    ///
    /// # Errors
    /// When there is no whole reply.
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError>;
}

/// Why there is no reply. It names the host and never a URL, which may hold a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransportError {
    /// No address for the name.
    #[error("the name {0} does not resolve: is it right, and does DNS work here?")]
    Resolve(String),
    /// No connection.
    #[error("no connection to {host}: {reason}; is it up, and may this machine reach it?")]
    Connect {
        /// The host.
        host: String,
        /// What the operating system said.
        reason: String,
    },
    /// The time is over.
    #[error("no whole answer from {host} in time ({what})")]
    Timeout {
        /// The host.
        host: String,
        /// What took too long.
        what: &'static str,
    },
    /// The connection ended before the reply did.
    #[error("{0} cut the connection before its reply was whole")]
    Cut(String),
    /// The server could not be trusted.
    #[error("TLS error with {host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong with the certificate, and what to do.
        reason: String,
    },
    /// The body is longer than the definition allows.
    #[error("{host} sent more than {limit} bytes; ask for less at once (batch), or raise max_body")]
    TooLong {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is no memory for it.
    #[error("no memory for a long reply of {host}: {reason}; ask for less at once (batch, max_concurrency)")]
    BudgetExceeded {
        /// The host.
        host: String,
        /// Who has it.
        reason: String,
    },
    /// Anything else.
    #[error("invalid HTTP reply from {host}: {reason}; is the URL right?")]
    Protocol {
        /// The host.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

impl TransportError {
    /// Whether another try may go better.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Resolve(_) | Self::Connect { .. } | Self::Timeout { .. } | Self::Cut(_) | Self::BudgetExceeded { .. }
        )
    }
}
