//! The trait through which every HTTP request is sent.

use super::request::{Request, Response};
use super::url::Url;
use crate::secret::Secret;
use crate::system::deadline::Deadline;
use crate::system::limit::Limit;

/// Sends requests.
pub trait Transport: Sync {
    /// Sends one request and reads the whole response before the deadline.
    ///
    /// # Errors
    /// When there is no whole response.
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Result<Response, TransportError>;

    /// Opens the connection over which `request` will go, so that it is there when the request is sent. Nothing of the
    /// request is sent, and a failure is not told: the request will meet it, or not.
    fn open(&self, _request: &Request, _deadline: Deadline<'_>) {}

    /// The secrets of the way to a server, such as the password of a proxy: whoever stands on it may answer in the place
    /// of the server, and quote them.
    fn secrets(&self, _server: &Url) -> Vec<Secret> {
        Vec::new()
    }
}

/// Why there is no response. It names the host and never a URL, which may hold a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransportError {
    /// The name of the host, or of a proxy, has no address.
    #[error("the name {0} does not resolve: is it right, and does DNS work here?")]
    Resolve(String),
    /// The connection could not be opened.
    #[error("no connection to {host}: {reason}; is it up, and may this machine reach it?")]
    Connect {
        /// The host.
        host: String,
        /// The error of the operating system or the proxy.
        reason: String,
    },
    /// A proxy answered in the place of the server.
    #[error("the proxy {proxy} does not pass requests on to {host}: HTTP {status}; {advice}")]
    Proxy {
        /// The host.
        host: String,
        /// Scheme, host and port of the proxy.
        proxy: String,
        /// The HTTP status of the proxy.
        status: u16,
        /// What to do about it.
        advice: String,
    },
    /// The path or a header is longer than what can be sent.
    #[error(
        "the request to {host} has a path or a header of more than {limit} bytes, which cannot be sent; ask for less at once (batch)"
    )]
    TooLongRequest {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection could not be opened, as a limit of the machine is reached.
    #[error("no connection to {host}: {limit}")]
    Limit {
        /// The host.
        host: String,
        /// The limit.
        limit: Limit,
    },
    /// The response was not complete in time.
    #[error("no whole answer from {host} in time ({reason})")]
    Timeout {
        /// The host.
        host: String,
        /// Which part of the request took too long.
        reason: &'static str,
    },
    /// The connection ended before the response was complete.
    #[error("{0} cut the connection before its reply was whole")]
    Cut(String),
    /// The body cannot be decompressed.
    #[error("{host} sent a damaged reply: {reason}")]
    Damaged {
        /// The host.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is encoded in a way that the request does not ask for, and that cannot be undone.
    #[error("{host} sent its reply as {encoding}, which was not asked for: only gzip and deflate are read")]
    UnknownEncoding {
        /// The host.
        host: String,
        /// Its encodings.
        encoding: String,
    },
    /// TLS failed, for example because the server cannot be trusted.
    #[error("TLS error with {host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// The body is longer than the request allows.
    #[error("{host} sent more than {limit} bytes; ask for less at once (batch), or raise max_body")]
    TooLong {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The memory budget for long bodies is used up.
    #[error("no memory for a long reply of {host}: {reason}; ask for less at once (batch, max_concurrency)")]
    BudgetExceeded {
        /// The host.
        host: String,
        /// What uses the memory.
        reason: String,
    },
    /// Any other error.
    #[error("invalid HTTP reply from {host}: {reason}; is the URL right?")]
    Protocol {
        /// The host.
        host: String,
        /// What is wrong.
        reason: String,
    },
}

impl TransportError {
    /// Whether a retry may succeed.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Resolve(_)
                | Self::Connect { .. }
                | Self::Proxy { status: 408 | 429 | 500..=599, .. }
                | Self::Limit { .. }
                | Self::Timeout { .. }
                | Self::Cut(_)
                | Self::Damaged { .. }
                | Self::BudgetExceeded { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page of all messages. `tests/messages/rendered.rs` writes these errors by hand.
    const PAGE: &str = include_str!("../../tests/messages/README.md");

    #[test]
    fn transport_errors_that_no_scene_brings_about_are_recorded_as_they_are() {
        let host = || "HOST".to_owned();
        let timeout = |reason| TransportError::Timeout { host: host(), reason };
        let connect = |reason: &str| TransportError::Connect { host: host(), reason: reason.to_owned() };
        let budget = |reason: &str| TransportError::BudgetExceeded { host: host(), reason: reason.to_owned() };
        let protocol = |reason: &str| TransportError::Protocol { host: host(), reason: reason.to_owned() };
        for error in [
            timeout("the network"),
            timeout("resolving its name"),
            timeout("the time of the run is over"),
            connect("it failed"),
            connect("the proxy's URL is wrong"),
            budget("a long reply of its own was not read in time"),
            budget("the replies of this run take all the memory there is for them"),
            protocol("a header or the path cannot be sent"),
            protocol("an error of an unknown kind"),
            TransportError::Limit { host: host(), limit: Limit::OpenFilesOfMachine },
            TransportError::Limit { host: host(), limit: Limit::Memory },
            TransportError::Tls { host: host(), reason: "TLS failed (its words)".to_owned() },
        ] {
            assert!(PAGE.contains(&format!("| {error} |")), "tests/messages has no {error}");
        }
    }
}
