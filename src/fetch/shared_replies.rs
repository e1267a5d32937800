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
pub(super) type SharedResult = Result<Arc<Response>, FetchError>;

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
    /// By the [`key`] of the request. `None` while it is under way.
    results: FxHashMap<(String, Option<Vec<u8>>), Option<SharedResult>>,
}

impl<'a> SharedReplies<'a> {
    pub(super) fn new(threads: &'a dyn Threads) -> Self {
        Self { threads, state: Mutex::default(), arrived: Signal::default() }
    }

    /// What came of the request, if it was sent before. If it is under way, waits for it. `None` if it is to
    /// be sent now: then [`put`](Self::put) must follow.
    pub(super) fn get(&self, request: &Request, deadline: Deadline<'_>) -> Option<SharedResult> {
        let key = key(request);
        loop {
            // Looked at before the state, so that a reply that arrives in between is not missed.
            let seen = self.arrived.generation();
            match lock(&self.state).results.entry(key.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(None);
                    return None;
                }
                Entry::Occupied(entry) => match entry.get() {
                    Some(result) => return Some(result.clone()),
                    None if deadline.is_past() => return Some(Err(FetchError::NoTime)),
                    None => {}
                },
            }
            self.threads.wait(&self.arrived, seen, deadline.remaining());
        }
    }

    /// Keeps what came of a request, if it fits. A request that was not sent may be sent later, and so may one that
    /// `may_go_otherwise` for another feed.
    pub(super) fn put(
        &self,
        request: &Request,
        result: Result<Response, FetchError>,
        may_go_otherwise: bool,
    ) -> SharedResult {
        let mut state = lock(&self.state);
        let bytes = result.as_ref().map_or(0, |response| response.body.len());
        let was_sent = matches!(result, Ok(_) | Err(FetchError::Transport(_)));
        let is_kept = was_sent && !may_go_otherwise && state.bytes + bytes <= MAX_BYTES;
        let result = result.map(|mut response| {
            if is_kept {
                // It stays in use for long, and the next long body of the server must not wait for that.
                response.body.release_server();
            }
            Arc::new(response)
        });
        if is_kept {
            state.bytes += bytes;
            state.results.insert(key(request), Some(result.clone()));
        } else {
            state.results.remove(&key(request));
        }
        drop(state);
        self.arrived.raise();
        result
    }
}

/// Server, path, headers and body. Two accounts of one server differ in a header.
fn key(request: &Request) -> (String, Option<Vec<u8>>) {
    let mut key = format!("{}{}", request.server, request.path.expose());
    for (name, value) in &request.headers {
        key.extend(["\n", name, ": ", value.expose()]);
    }
    (key, request.body.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::transport::TransportError;
    use crate::http::url::Url;
    use crate::secret::{Secret, Secrets};
    use crate::system::clock::SystemClock;
    use crate::system::threads::SystemThreads;
    use std::time::Duration;

    fn request(path: &str) -> Request {
        Request {
            server: Url::parse("https://h").unwrap(),
            path: Secret::new(path),
            redacted_path: String::new(),
            about: String::new(),
            headers: Vec::new(),
            body: None,
            max_body: 1,
            identity: None,
            remaining: None,
            secrets: Secrets::default(),
        }
    }

    fn response(bytes: usize) -> Response {
        let body = vec![b' '; bytes].into();
        Response { status: 200, retry_after: None, remaining: None, redirect: None, body }
    }

    #[test]
    fn what_was_sent_is_kept_and_what_was_not_is_not() {
        let replies = SharedReplies::new(&SystemThreads);
        let soon = Deadline::after(&SystemClock, Duration::from_secs(10));
        let cut = FetchError::Transport(TransportError::Cut("h".to_owned()));
        for (path, result, may_go_otherwise, is_kept) in [
            ("/a", Ok(response(MAX_BYTES - 1)), false, true),
            ("/b", Ok(response(2)), false, false),
            ("/c", Err(cut.clone()), false, true),
            ("/d", Err(FetchError::NoTime), false, false),
            ("/e", Err(cut), true, false),
        ] {
            assert!(replies.get(&request(path), soon).is_none(), "{path} was not sent before");
            let _ = replies.put(&request(path), result, may_go_otherwise);
            assert_eq!(replies.get(&request(path), soon).is_some(), is_kept, "{path}");
        }
    }

    #[test]
    fn the_same_request_waits_until_the_deadline() {
        let replies = SharedReplies::new(&SystemThreads);
        let deadline = Deadline::after(&SystemClock, Duration::from_millis(20));
        assert!(replies.get(&request("/a"), deadline).is_none());
        assert!(matches!(replies.get(&request("/a"), deadline), Some(Err(FetchError::NoTime))));
    }
}
