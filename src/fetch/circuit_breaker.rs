//! Stops the requests of a run to a provider that refuses them. All feeds of the run share it.

use super::error::FetchError;
use crate::http::request::Request;
use crate::http::url::Url;
use crate::provider::Definition;
use crate::system::threads::lock;
use std::sync::Mutex;

/// A 403 may be about one symbol, such as a share that the plan does not include. So many of them, and
/// no answer in between, are a refusal of everything.
const MAX_FORBIDDEN: u32 = 3;

/// A circuit breaker for each server of a provider.
pub(super) struct CircuitBreakers(Vec<(Url, CircuitBreaker)>);

impl CircuitBreakers {
    pub(super) fn new(definition: &Definition) -> Self {
        let mut breakers: Vec<(Url, CircuitBreaker)> = Vec::new();
        for server in definition.base_url.urls().into_iter().map(Url::server) {
            if breakers.iter().all(|(known, _)| *known != server) {
                breakers.push((server, CircuitBreaker::default()));
            }
        }
        Self(breakers)
    }

    /// The breaker of the server of a request.
    pub(super) fn of(&self, request: &Request) -> Option<&CircuitBreaker> {
        self.0.iter().find(|(server, _)| *server == request.server).map(|(_, breaker)| breaker)
    }
}

/// Stops the requests to one server after a failure that a further request would only repeat.
#[derive(Debug, Default)]
pub(crate) struct CircuitBreaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The failure that stopped the requests.
    error: Option<FetchError>,
    /// Whether the provider has answered any request with success.
    has_answered: bool,
    /// How many requests for single symbols were forbidden. A batch counts as [`MAX_FORBIDDEN`].
    forbidden: u32,
}

impl CircuitBreaker {
    /// The failure for which no further request is sent.
    pub(super) fn error(&self) -> Option<FetchError> {
        lock(&self.state).error.clone()
    }

    /// Takes note that the provider has answered. So it does not forbid everything.
    pub(super) fn record_answer(&self) {
        let mut state = lock(&self.state);
        state.has_answered = true;
        if state.error.as_ref().is_some_and(FetchError::is_forbidden) {
            state.error = None;
        }
    }

    /// Takes note that a request for this many symbols failed.
    pub(super) fn record_failure(&self, error: &FetchError, symbols: usize) {
        let mut state = lock(&self.state);
        if error.is_forbidden() {
            state.forbidden += if symbols > 1 { MAX_FORBIDDEN } else { 1 };
            if state.has_answered || state.forbidden < MAX_FORBIDDEN {
                return;
            }
        } else if !error.stops_provider() {
            return;
        }
        // A request for which there was no time stops only those after it, a refusal also those that have their turn.
        if matches!(state.error, None | Some(FetchError::NoTime)) {
            state.error = Some(error.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> FetchError {
        FetchError::Status { status, text: String::new(), redirect: None, retry_after: None }
    }

    fn breaker(failures: &[(FetchError, usize)]) -> CircuitBreaker {
        let breaker = CircuitBreaker::default();
        for (error, symbols) in failures {
            breaker.record_failure(error, *symbols);
        }
        breaker
    }

    #[test]
    fn a_failure_that_would_be_repeated_stops_the_requests() {
        for code in [401, 418, 429, 451] {
            assert_eq!(breaker(&[(status(code), 1), (status(500), 1)]).error(), Some(status(code)));
        }
        assert_eq!(breaker(&[(status(500), 1), (status(404), 1)]).error(), None);
        let late = (FetchError::NoTime, 1);
        assert_eq!(breaker(&[late.clone(), (status(429), 1), late]).error(), Some(status(429)));
        let asks_for_a_pause =
            FetchError::Status { status: 503, text: String::new(), redirect: None, retry_after: Some(3_600) };
        assert_eq!(breaker(&[(asks_for_a_pause.clone(), 1)]).error(), Some(asks_for_a_pause));
    }

    #[test]
    fn a_403_of_one_symbol_is_not_about_the_others() {
        let forbidden = || (status(403), 1);
        assert_eq!(breaker(&[forbidden(), forbidden()]).error(), None);
        let everything = [forbidden(), forbidden(), forbidden()];
        assert_eq!(breaker(&everything).error(), Some(status(403)));
        assert_eq!(breaker(&[(status(403), 2)]).error(), Some(status(403)), "a whole batch");
    }

    #[test]
    fn a_403_beside_an_answer_stops_nothing() {
        let breaker = breaker(&[(status(403), 2)]);
        breaker.record_answer();
        assert_eq!(breaker.error(), None);
        breaker.record_failure(&status(403), 2);
        assert_eq!(breaker.error(), None);
        breaker.record_failure(&status(401), 1);
        breaker.record_answer();
        assert_eq!(breaker.error(), Some(status(401)), "the answer to a request before it");
    }
}
