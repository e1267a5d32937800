//! Counts what servers are asked.

use std::sync::atomic::{AtomicU64, Ordering};

/// What several servers were asked together. It does not depend on how fast the machine is.
#[derive(Default)]
pub(crate) struct Traffic {
    requests: AtomicU64,
    connections: AtomicU64,
    lookups: AtomicU64,
}

impl Traffic {
    /// A request of HTTP came.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was opened.
    pub(crate) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// The address of a name was asked for.
    pub(crate) fn count_lookup(&self) {
        self.lookups.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests, connections and lookups since the last call.
    pub(crate) fn take(&self) -> [u64; 3] {
        [&self.requests, &self.connections, &self.lookups].map(|count| count.swap(0, Ordering::Relaxed))
    }
}
