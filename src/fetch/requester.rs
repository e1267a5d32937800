//! One request to a provider, and what its reply says.

use super::circuit_breaker::{CircuitBreaker, CircuitBreakers};
use super::error::FetchError;
use super::rate_limit::{Permit, RateLimiter};
use super::shared_replies::{SharedReplies, SharedResult};
use crate::context::Context;
use crate::http::body::Body;
use crate::http::request::Response;
use crate::http::retry::{Queue, RetryPolicy, send_with_permits};
use crate::http::stats::RequestStats;
use crate::provider::{Definition, ErrorText, Plan, Query, Reply, ReplyError};
use crate::state::CoolDown;
use crate::system::threads::lock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// What all requests of a run to one provider share.
pub(super) struct ProviderGuard<'a> {
    pub(super) limiter: RateLimiter<'a>,
    pub(super) breakers: CircuitBreakers,
    pub(super) replies: SharedReplies<'a>,
    /// Whether requests to the provider may be alike.
    pub(super) has_alike_requests: bool,
    /// Where each symbol has a server of its own, how many requests were not sent yet: a server that does not answer
    /// leaves them their share of the time.
    unsent: AtomicUsize,
}

impl<'a> ProviderGuard<'a> {
    pub(super) fn new(definition: &Definition, context: Context<'a>, has_several_feeds: bool) -> Self {
        Self {
            limiter: RateLimiter::new(definition, context.clock, context.threads),
            breakers: CircuitBreakers::new(definition),
            replies: SharedReplies::new(context.threads),
            has_alike_requests: has_several_feeds || definition.repeats_requests(),
            unsent: AtomicUsize::new(0),
        }
    }
}

/// A request that was not sent yet.
struct Unsent<'a>(&'a AtomicUsize);

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        // A request that is repeated for other symbols was not counted again.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |unsent| unsent.checked_sub(1));
    }
}

/// How one request went. What is read from the reply is a `T`.
pub(super) enum Answer<T = Reply> {
    Read(T),
    /// Rejected for a symbol that the API does not know. The text is the API's.
    BadSymbol(ErrorText),
    Failed(FetchError),
}

/// Sends the requests to one provider for one feed.
pub(super) struct Requester<'p, 'a> {
    pub(super) context: Context<'a>,
    pub(super) plan: &'p Plan<'a>,
    guard: &'p ProviderGuard<'a>,
    policy: RetryPolicy<'a>,
    /// How long the provider asked to be left alone.
    pub(super) cool_down: Mutex<Option<CoolDown>>,
    /// Whether any request of the feed was answered.
    was_answered: AtomicBool,
    /// The first request that was not answered in time, where none was before. While others are still to be asked, no
    /// further one is sent, which would take their time.
    silence: OnceLock<FetchError>,
}

impl<'p, 'a> Requester<'p, 'a> {
    pub(super) fn new(
        context: Context<'a>,
        plan: &'p Plan<'a>,
        guard: &'p ProviderGuard<'a>,
        policy: RetryPolicy<'a>,
    ) -> Self {
        let (cool_down, was_answered, silence) = (Mutex::default(), AtomicBool::new(false), OnceLock::new());
        Self { context, plan, guard, policy, cool_down, was_answered, silence }
    }

    /// The requests for these symbols. They know the secrets of the way to the server.
    pub(super) fn queries(&self, symbols: &[usize]) -> Vec<Query<'a>> {
        let queries: Vec<_> = self.plan.queries(symbols).into_iter().map(|query| self.with_way(query)).collect();
        if self.has_servers_by_symbol() {
            self.guard.unsent.fetch_add(queries.len(), Ordering::Relaxed);
        }
        queries
    }

    /// The request for some of the symbols of another one.
    pub(super) fn part(&self, query: &Query<'a>, symbols: &[usize]) -> Query<'a> {
        self.with_way(self.plan.part(query, symbols))
    }

    /// The request for everything, which brings the symbols of another one too. `None` if the API has no path for that.
    pub(super) fn all(&self, query: &Query<'a>) -> Option<Query<'a>> {
        self.plan.all(query).map(|all| self.with_way(all))
    }

    /// The query, which knows the secrets of the way to the server.
    pub(super) fn with_way(&self, mut query: Query<'a>) -> Query<'a> {
        query.request.secrets.extend(self.context.transport.secrets(&query.request.server));
        query
    }

    /// Whether each symbol is on a server of its own.
    fn has_servers_by_symbol(&self) -> bool {
        self.plan.definition.base_url.is_by_symbol()
    }

    /// Sends one request, unless an earlier one of any feed has stopped the provider or was the same.
    pub(super) fn request(&self, query: &Query<'_>, is_shared: bool, stats: &mut RequestStats) -> Answer {
        let received = || self.context.clock.unix_time().as_secs_f64();
        self.request_with(query, is_shared, stats, |body| self.plan.read(query, body, received()))
    }

    /// The same for a request whose reply `read` reads.
    pub(super) fn request_with<T>(
        &self,
        query: &Query<'_>,
        is_shared: bool,
        stats: &mut RequestStats,
        read: impl Fn(&str) -> Result<T, ReplyError>,
    ) -> Answer<T> {
        let unsent = self.has_servers_by_symbol().then(|| Unsent(&self.guard.unsent));
        let replies = Some(&self.guard.replies).filter(|_| is_shared || self.guard.has_alike_requests);
        let attempt_deadline = self.policy.attempt_deadline();
        if let Some(result) = replies.and_then(|replies| replies.get(&query.request, attempt_deadline)) {
            self.note_silence(&result);
            return self.answer(query, result, stats, read);
        }
        let mut sent = RequestStats::default();
        // The permit is held until the outcome is noted: the request that waits for it may have to stay.
        let (result, _permit) = self.send(query, unsent, &mut sent);
        let status = result.as_ref().map_or(0, |response| response.status);
        // Another feed, with nobody else to ask, may wait longer.
        let may_go_otherwise = result.as_ref().is_err_and(|error| self.policy.others_behind > 0 && error.is_silence());
        let result = match replies {
            Some(replies) => replies.put(&query.request, result, may_go_otherwise),
            None => result.map(Arc::new),
        };
        self.note_silence(&result);
        let answer = self.answer(query, result, &mut sent, read);
        if matches!(answer, Answer::BadSymbol(_)) {
            sent.excuse(status);
        }
        stats.add(&sent);
        match (&answer, self.guard.breakers.of(&query.request)) {
            (Answer::Read(_), Some(breaker)) => breaker.record_answer(),
            (Answer::Failed(error), Some(breaker)) => breaker.record_failure(error, query.symbols.len()),
            _ => {}
        }
        answer
    }

    fn note_silence(&self, result: &SharedResult) {
        match result {
            Ok(_) => self.was_answered.store(true, Ordering::Relaxed),
            // That there was no time for a request says nothing about the provider.
            Err(FetchError::NoTime) => {}
            Err(error) if self.leaves_time(error) && !self.was_answered.load(Ordering::Relaxed) => {
                self.silence.get_or_init(|| error.clone());
            }
            Err(_) => {}
        }
    }

    /// Whether this is the error of a provider that was silent, and others are still to be asked. One of several servers
    /// is silent for itself alone.
    fn leaves_time(&self, error: &FetchError) -> bool {
        self.policy.others_behind > 0 && error.is_silence() && !self.has_servers_by_symbol()
    }

    /// Sends a request when it is its turn, which ends its time among the `unsent`.
    fn send(
        &self,
        query: &Query<'_>,
        mut unsent: Option<Unsent<'_>>,
        stats: &mut RequestStats,
    ) -> (Result<Response, FetchError>, Option<Permit<'_>>) {
        let limiter = &self.guard.limiter;
        let stops = || {
            let breaker = self.guard.breakers.of(&query.request);
            [breaker.and_then(CircuitBreaker::error), self.silence.get().cloned()].into_iter().flatten()
        };
        // Before the wait for a permit, which may be long.
        if let Some(error) = stops().next() {
            return (Err(error), None);
        }
        let acquire = || {
            let permit = limiter.acquire(self.policy.deadline).ok_or(FetchError::NoTime)?;
            drop(unsent.take());
            // Another request may have stopped the provider during the wait. One that came too late stops only those
            // after it.
            stops().find(|error| !matches!(error, FetchError::NoTime)).map_or(Ok(permit), Err)
        };
        let queue = Queue { unsent: &self.guard.unsent, width: self.plan.definition.max_concurrency };
        let policy = RetryPolicy { queue: self.has_servers_by_symbol().then_some(queue), ..self.policy };
        match send_with_permits(self.context.transport, &query.request, policy, stats, acquire) {
            Ok((result, permit)) => (result.map_err(FetchError::Transport), permit),
            Err(error) => (Err(error), None),
        }
    }

    fn answer<T>(
        &self,
        query: &Query<'_>,
        result: SharedResult,
        stats: &mut RequestStats,
        read: impl Fn(&str) -> Result<T, ReplyError>,
    ) -> Answer<T> {
        let mut response = match result {
            Ok(response) => response,
            Err(error) => return Answer::Failed(error),
        };
        let (status, is_success) = (response.status, (200..300).contains(&response.status));
        let error = if is_success {
            match read_json(&mut response, read) {
                Ok(reply) => return Answer::Read(reply),
                Err(ReplyError::ApiError(text)) => text,
                Err(error) => return Answer::Failed(FetchError::Reply(error)),
            }
        } else {
            self.plan.read_error(query, &response.body)
        };
        // A 429 says so itself.
        if status != 429 && self.plan.definition.limit.matches(error.to_search()) {
            stats.note_status(429);
            let retry_after = self.note_cool_down(429, response.retry_after);
            return Answer::Failed(FetchError::LimitReached { text: error.shown().to_owned(), retry_after });
        }
        if self.plan.definition.bad_symbol.matches(status, error.to_search()) {
            // A page says less than its status.
            let is_page = error.to_search().starts_with('<');
            return Answer::BadSymbol(if is_page { ErrorText::of_status(status) } else { error });
        }
        if is_success {
            return Answer::Failed(FetchError::Reply(ReplyError::ApiError(error)));
        }
        let retry_after = self.note_cool_down(status, response.retry_after);
        Answer::Failed(FetchError::Status {
            status,
            text: error.shown().to_owned(),
            redirect: response.redirect.clone(),
            retry_after,
        })
    }

    /// Takes note that a reply which has rows for some symbols says that a limit is reached.
    pub(super) fn note_limit(
        &self,
        query: &Query<'_>,
        text: &ErrorText,
        symbols: usize,
        stats: &mut RequestStats,
    ) -> FetchError {
        stats.note_status(429);
        let error = FetchError::LimitReached { text: text.shown().to_owned(), retry_after: None };
        if let Some(breaker) = self.guard.breakers.of(&query.request) {
            breaker.record_failure(&error, symbols);
        }
        error
    }

    /// For how many seconds the provider asks to be left alone, if this run cannot wait so long. The runs
    /// after it will.
    fn note_cool_down(&self, status: u16, asked: Option<Duration>) -> Option<u64> {
        let asked = asked.filter(|asked| *asked >= self.policy.deadline.remaining())?;
        // One of several servers speaks for itself alone.
        if !matches!(status, 418 | 429 | 503) || self.plan.definition.base_url.is_by_symbol() {
            return None;
        }
        let cool_down = CoolDown::new(status, self.context.unix_seconds(), asked);
        let mut longest = lock(&self.cool_down);
        *longest = longest.max(Some(cool_down));
        Some(asked.as_secs())
    }
}

/// Reads a reply, and again without bare NaNs if it is no JSON.
fn read_json<T>(response: &mut Arc<Response>, read: impl Fn(&str) -> Result<T, ReplyError>) -> Result<T, ReplyError> {
    let result = read(&response.body);
    if !matches!(result, Err(ReplyError::NotJson { .. })) {
        return result;
    }
    let mut copy;
    let body = if let Some(response) = Arc::get_mut(response) {
        &mut response.body
    } else {
        // A reply that is shared stays as it is.
        copy = Body::from(response.body.as_bytes().to_vec());
        &mut copy
    };
    if body.blank_bare_nan() { read(body) } else { result }
}
