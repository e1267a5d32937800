//! What lies below ureq: how its connections are opened and how their end is read.
//!
//! This uses ureq's interface for transports, which may change in a minor version. So Cargo.toml pins
//! that version, and no other file uses that interface.

use crate::system::resolver::{ResolveError, Resolver};
use std::io::{self, ErrorKind};
use ureq::http::Uri;
use ureq::unversioned::resolver::{self, ResolvedSocketAddrs};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport as UreqTransport,
};
use ureq::{Agent, config::Config};

/// An agent whose connections report a truncated body, and which looks up each name once.
pub(super) fn agent(config: Config) -> Agent {
    Agent::with_parts(config, DefaultConnector::new().chain(StrictEnd), CachingResolver::default())
}

/// ureq takes a connection that breaks for the end of a body without a length. A reset, and a TLS
/// connection that ends without `close_notify`, may have cut the body. So both become another error.
#[derive(Debug)]
struct StrictEnd;

impl<In: UreqTransport> Connector<In> for StrictEnd {
    type Out = StrictConnection<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<StrictConnection<In>>, ureq::Error> {
        Ok(chained.map(StrictConnection))
    }
}

#[derive(Debug)]
struct StrictConnection<C>(C);

impl<C: UreqTransport> UreqTransport for StrictConnection<C> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(timeout).map_err(|error| match error {
            ureq::Error::Io(cause) if is_broken(&cause) => ureq::Error::Io(io::Error::other(cause)),
            error => error,
        })
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

fn is_broken(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// ureq asks for the addresses of a server before each request, also on a connection that is open.
#[derive(Debug, Default)]
struct CachingResolver(Resolver);

impl resolver::Resolver for CachingResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let addresses = self.0.resolve(host, port, *timeout.after).map_err(|error| match error {
            ResolveError::Failed(_) => ureq::Error::HostNotFound,
            ResolveError::TimedOut => ureq::Error::Timeout(timeout.reason),
        })?;
        let mut resolved = self.empty();
        for address in addresses {
            // ureq holds 16 addresses. More are not tried.
            let _ = resolved.try_push(address);
        }
        if resolved.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(resolved) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::unversioned::transport::LazyBuffers;
    use ureq::unversioned::transport::time::Duration;

    /// A connection that fails in one way.
    #[derive(Debug)]
    struct Failing(ErrorKind, LazyBuffers);

    impl UreqTransport for Failing {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.1
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
            Err(ureq::Error::Io(self.0.into()))
        }

        fn is_open(&mut self) -> bool {
            true
        }
    }

    #[test]
    fn a_broken_connection_is_not_taken_for_the_end_of_a_body() {
        let timeout = NextTimeout {
            after: Duration::from_secs(1),
            reason: ureq::Timeout::RecvBody,
            per_read: None,
            per_write: None,
        };
        let kind = |kind| match StrictConnection(Failing(kind, LazyBuffers::new(1, 1))).await_input(timeout) {
            Err(ureq::Error::Io(cause)) => cause.kind(),
            other => panic!("{other:?}"),
        };
        // These three ureq takes for an end.
        for broken in [ErrorKind::UnexpectedEof, ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset] {
            assert_eq!(kind(broken), ErrorKind::Other, "{broken}");
        }
        assert_eq!(kind(ErrorKind::TimedOut), ErrorKind::TimedOut);
    }
}
