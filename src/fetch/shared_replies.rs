//! Requests of a run that are alike are one request. All feeds of the run share the replies.

use super::error::FetchError;
use crate::http::request::{Request, Response};
use crate::system::deadline::Deadline;
use crate::system::threads::{Signal, Threads, lock};
use rustc_hash::FxHashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

/// All replies of a provider that are kept together may have this many bytes. A request whose reply does
/// not fit is sent again.
const MAX_BYTES: usize = 4 << 20;

/// What came of a request.
pub(super) type Exchange = Result<Arc<Response>, FetchError>;

/// The replies of one provider.
pub(super) struct SharedReplies<'a> {
    threads: &'a dyn Threads,
    state: Mutex<State>,
    /// Raised when a request is over.
    arrived: Signal,
}

#[derive(Default)]
struct State {
    bytes: usize,
    /// By path and body, as all requests to a provider go to one server and have the same headers. `None`
    /// while the request is under way.
    exchanges: FxHashMap<(String, Option<Vec<u8>>), Option<Exchange>>,
}

impl<'a> SharedReplies<'a> {
    pub(super) fn new(threads: &'a dyn Threads) -> Self {
        Self { threads, state: Mutex::default(), arrived: Signal::default() }
    }

    /// What came of the request, if it was sent before. If it is under way, waits for it. `None` if it is to
    /// be sent now: then [`put`](Self::put) must follow.
    pub(super) fn get(&self, request: &Request, deadline: Deadline<'_>) -> Option<Exchange> {
        let key = key(request);
        loop {
            // Looked at before the state, so that a reply that arrives in between is not missed.
            let seen = self.arrived.generation();
            match lock(&self.state).exchanges.entry(key.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(None);
                    return None;
                }
                Entry::Occupied(entry) => match entry.get() {
                    Some(exchange) => return Some(exchange.clone()),
                    None if deadline.is_past() => return Some(Err(FetchError::NoTime)),
                    None => {}
                },
            }
            self.threads.wait(&self.arrived, seen, deadline.remaining());
        }
    }

    /// Keeps what came of a request, if it fits. A request that was not sent may be sent later.
    pub(super) fn put(&self, request: &Request, result: Result<Response, FetchError>) -> Exchange {
        let mut state = lock(&self.state);
        let bytes = result.as_ref().map_or(0, |response| response.body.len());
        let was_sent = matches!(result, Ok(_) | Err(FetchError::Transport(_)));
        let is_kept = was_sent && state.bytes + bytes <= MAX_BYTES;
        let exchange = result.map(|mut response| {
            if is_kept {
                // It stays in use for long, and the next long body of the server must not wait for that.
                response.body.release_server();
            }
            Arc::new(response)
        });
        if is_kept {
            state.bytes += bytes;
            state.exchanges.insert(key(request), Some(exchange.clone()));
        } else {
            state.exchanges.remove(&key(request));
        }
        drop(state);
        self.arrived.raise();
        exchange
    }
}

fn key(request: &Request) -> (String, Option<Vec<u8>>) {
    (request.path.expose().to_owned(), request.body.clone())
}
