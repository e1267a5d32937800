//! A TCP connection to a server that speaks no HTTP.

use crate::context::Context;
use crate::system::deadline::Deadline;
use crate::system::dialer::{Connection, Dialer};
use crate::system::limit::Limit;
use crate::system::opening::Opening;
use crate::system::resolver::ResolveError;
use crate::system::tls::TlsSettings;
use std::io::ErrorKind;
use std::net::SocketAddr;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name has no address, or no resolver answers.
    #[error("the host cannot be looked up: {reason}; see that it is right in {url_setting}")]
    Lookup {
        /// The words of the resolver.
        reason: String,
        /// The setting of the URL.
        url_setting: String,
    },
    /// A limit of the machine is reached.
    #[error("no connection: {0}")]
    Limit(Limit),
    /// The resolver did not answer before the deadline.
    #[error("the host was not looked up in time; is this machine's name server reachable?")]
    LookupTimedOut,
    /// The other side is not trusted, or no TLS was agreed on.
    #[error("TLS error: {0}")]
    Tls(String),
    /// The connection ended before TLS was agreed on.
    #[error("the connection ended before TLS was agreed on; does it speak TLS there?")]
    NoTls,
    /// The other side did not agree on TLS before the deadline.
    #[error("it did not agree on TLS in time; does it speak TLS there?")]
    TlsTimedOut,
    /// No address accepted a connection.
    #[error("no connection ({reason}); is {server} running, and are host and port of {url_setting} right?")]
    Refused {
        /// What listens there usually.
        server: &'static str,
        /// What the operating system said of each address.
        reason: String,
        /// The setting of the URL.
        url_setting: String,
    },
}

/// What should listen at an address, for messages.
#[derive(Clone, Copy)]
pub(super) struct Peer<'a> {
    /// The program.
    pub(super) server: &'static str,
    /// The setting of the URL that leads there.
    pub(super) url_setting: &'a str,
}

/// A connection that is opened ahead.
pub(crate) type OpenConnection = Opening<Box<dyn Connection>, ConnectError>;

/// The connection that was opened ahead, if it is still open, else a new one.
///
/// # Errors
/// When there is none.
pub(super) fn take_or_connect(
    opening: &OpenConnection,
    context: Context<'_>,
    connect: impl FnOnce() -> Result<Box<dyn Connection>, ConnectError>,
) -> Result<Box<dyn Connection>, ConnectError> {
    let opened = opening.take(context.threads, context.clock).transpose()?;
    // A server closes one that is idle for too long.
    let open = opened.and_then(|mut connection| connection.is_open().then_some(connection));
    open.map_or_else(connect, Ok)
}

/// Connects to a host, which is a name or an address, IPv6 with or without brackets. All addresses of a name are
/// tried. `peer` is what should listen there, and `tls` how the connection is secured.
///
/// # Errors
/// When no address accepts, or the deadline has passed.
pub(super) fn connect(
    dialer: &dyn Dialer,
    peer: Peer<'_>,
    (host, port): (&str, u16),
    tls: Option<&TlsSettings>,
    deadline: Deadline<'_>,
) -> Result<Box<dyn Connection>, ConnectError> {
    let addresses = dialer.resolve(host, port, deadline).map_err(|error| match error {
        ResolveError::Failed(reason) => ConnectError::Lookup { reason, url_setting: peer.url_setting.to_owned() },
        ResolveError::Limit(limit) => ConnectError::Limit(limit),
        ResolveError::TimedOut => ConnectError::LookupTimedOut,
    })?;
    let connection = connect_any(dialer, peer, &addresses, deadline)?;
    let Some(tls) = tls else { return Ok(connection) };
    tls.connect(connection, host, deadline).map_err(|cause| match cause.kind() {
        ErrorKind::TimedOut => ConnectError::TlsTimedOut,
        ErrorKind::InvalidData => ConnectError::Tls(cause.to_string()),
        _ => ConnectError::NoTls,
    })
}

/// Connects to the first address that accepts. No address may use up the time of those after it, nor
/// the time for sending.
fn connect_any(
    dialer: &dyn Dialer,
    peer: Peer<'_>,
    addresses: &[SocketAddr],
    deadline: Deadline<'_>,
) -> Result<Box<dyn Connection>, ConnectError> {
    let mut tried = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let parts = u32::try_from(addresses.len() - index + 1).unwrap_or(u32::MAX);
        let timeout = deadline.remaining() / parts;
        if timeout.is_zero() {
            tried.push("no time was left".to_owned());
            break;
        }
        match dialer.dial(*address, timeout) {
            Ok(connection) => return Ok(connection),
            Err(cause) => match Limit::of(&cause) {
                Some(limit) => return Err(ConnectError::Limit(limit)),
                None => tried.push(format!("{address}: {cause}")),
            },
        }
    }
    let reason = if tried.is_empty() { "the host has no address".to_owned() } else { tried.join(", ") };
    Err(ConnectError::Refused { server: peer.server, reason, url_setting: peer.url_setting.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::graphite::error::{CarbonError, CarbonErrorKind};
    use crate::system::clock::SystemClock;
    use crate::system::dialer::SystemDialer;
    use crate::system::tls::advice;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    const CARBON: Peer<'_> = Peer { server: "Carbon", url_setting: "GRAPHITE_URL" };

    fn try_all(addresses: &[SocketAddr], millis: u64) -> Result<(), ConnectError> {
        let deadline = Deadline::after(&SystemClock, Duration::from_millis(millis));
        connect_any(&SystemDialer::default(), CARBON, addresses, deadline).map(drop)
    }

    /// A listener that takes no more connections: its queue is full.
    fn black_hole() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queued.push(stream);
        }
        (listener, queued)
    }

    #[test]
    fn a_name_without_an_address_is_an_error_of_the_lookup() {
        let deadline = Deadline::after(&SystemClock, Duration::from_secs(10));
        let error = connect(&SystemDialer::default(), CARBON, ("nosuch host", 1), None, deadline).map(drop);
        assert!(matches!(error, Err(ConnectError::Lookup { .. })), "{error:?}");
    }

    #[test]
    fn a_dead_address_of_carbon_leaves_time_for_the_next() {
        let (hole, _queued) = black_hole();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = [refusing, hole.local_addr().unwrap(), free.local_addr().unwrap()];
        try_all(&addresses, 900).unwrap();
        let peer = free.accept().unwrap().1;
        assert!(peer.ip().is_loopback(), "the third address has the connection");
        let error = try_all(&addresses[..2], 100).unwrap_err().to_string();
        assert!(error.contains(&refusing.to_string()) && error.contains("timed out"), "{error}");
        let error = try_all(&[], 10_000).unwrap_err().to_string();
        assert!(error.contains("no address"), "{error}");
    }

    /// `tests/messages/rendered.rs` writes these errors by hand.
    #[test]
    fn errors_of_a_connection_that_no_scene_brings_about_are_recorded_as_they_are() {
        let page = include_str!("../../../tests/messages/README.md");
        let reason = "ADDRESS: connection timed out, no time was left".to_owned();
        for error in [
            ConnectError::LookupTimedOut,
            ConnectError::Limit(Limit::OpenFiles),
            ConnectError::Refused { server: "Carbon", reason, url_setting: "GRAPHITE_URL".to_owned() },
            ConnectError::Tls(advice("received fatal alert: CertificateRequired", false)),
            ConnectError::Tls(advice("received fatal alert: UnknownCA", false)),
            try_all(&[], 10_000).unwrap_err(),
        ] {
            let error = CarbonError { server: "HOST:2003".to_owned(), kind: CarbonErrorKind::Connect(error) };
            assert!(page.contains(&format!("| {error} |")), "tests/messages has no {error}");
        }
    }
}
