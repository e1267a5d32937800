//! Carbon in the simulation.

use super::world::Machine;
use datametrics::{Connection, Deadline, Dialer, ResolveError};
use std::{io, net::SocketAddr, time::Duration};

impl Dialer for Machine {
    fn resolve(&self, host: &str, _: u16, _: Deadline<'_>) -> Result<Vec<SocketAddr>, ResolveError> {
        Err(ResolveError::Failed(host.to_owned()))
    }

    fn dial(&self, _: SocketAddr, _: Duration) -> io::Result<Box<dyn Connection>> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}
