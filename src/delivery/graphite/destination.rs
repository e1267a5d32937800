//! Where points go.

use crate::http::url::{Credentials, Url};

/// Where points go.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// Grafana Cloud's ingest: JSON over HTTP.
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

impl Destination {
    /// Whether it is a Carbon, which makes a directory of what stands before a `/` in a name.
    pub(crate) fn is_carbon(&self) -> bool {
        matches!(self, Self::Plaintext { .. } | Self::Pickle { .. })
    }
}

/// The URL of the ingest on the host of `url`, as Grafana Cloud spells it.
pub(crate) fn suggested_url(url: &Url) -> String {
    format!("{url}/graphite/metrics")
}
