//! Where points go.

mod carbon;
mod ingest;
mod push;

pub use carbon::{CarbonError, Trouble};
pub use push::{Push, PushError, push, reach};

use crate::point::Batch;
use crate::url::{Credentials, Url};

/// A Graphite.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Grafana Cloud's JSON over HTTP.
    Ingest {
        /// Where; the path ends in `/metrics`.
        url: Url,
        /// User and token.
        credentials: Option<Credentials>,
    },
    /// Carbon's plaintext protocol.
    Plaintext {
        /// A name or an address.
        host: String,
        /// 2003 by default.
        port: u16,
    },
    /// Carbon's pickle protocol.
    Pickle {
        /// A name or an address.
        host: String,
        /// 2004 by default.
        port: u16,
    },
}

/// The ingest of the Graphite at `url`, as Grafana Cloud spells it.
pub fn suggested(url: &Url) -> String {
    format!("{url}/graphite/metrics")
}

/// What would be sent: a JSON array a request, one a line; or Carbon's lines.
pub fn print(destination: Option<&Destination>, batch: &Batch) -> String {
    match destination {
        None | Some(Destination::Ingest { .. }) => ingest::print(batch),
        Some(Destination::Plaintext { .. } | Destination::Pickle { .. }) => {
            String::from_utf8_lossy(&carbon::plaintext(batch).bytes).into_owned()
        }
    }
}

/// What Carbon's pickle port is sent, which a dry run shows as lines instead.
pub fn frames(batch: &Batch) -> Vec<u8> {
    carbon::pickle(batch).bytes
}
