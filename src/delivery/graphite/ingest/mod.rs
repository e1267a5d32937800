//! Grafana Cloud's ingest: points as JSON over HTTP.

mod bisector;
mod json;
mod side_by_side;
mod verdict;

pub(crate) use bisector::MAX_REFUSALS;
pub(super) use json::{MAX_POINTS, render};

use super::destination::{IngestTarget, suggested_url};
use super::error::PushError;
use super::push::{Push, Search};
use crate::context::Context;
use crate::http::request::{Request, Response};
use crate::http::retry::{RetryPolicy, send};
use crate::http::stats::RequestStats;
use crate::http::transport::TransportError;
use crate::metrics::batch::Batch;
use crate::secret::{Secret, Secrets};
use crate::util::pluralize::pluralize;
use bisector::{Bisector, Step, Stop};
use json::Published;
use side_by_side::{Queue, Sent};
use std::collections::BTreeMap;
use std::ops::Range;
use verdict::{Refusal, Verdict};

/// A point that is refused alone in so many runs is given up: a refusal may be the fault of the server.
const RUNS_UNTIL_GIVEN_UP: u32 = 2;

/// Longest reply that is read, in bytes.
const MAX_REPLY: u64 = 1 << 20;

/// The way to an ingest.
#[derive(Clone, Copy)]
pub(super) struct Ingest<'a> {
    /// Where.
    pub(super) target: &'a IngestTarget,
    /// The outside world.
    pub(super) context: Context<'a>,
    /// How often a failed request is repeated.
    pub(super) policy: RetryPolicy<'a>,
}

impl Ingest<'_> {
    /// Sends a batch in as few requests as hold it. A part that is refused whole is split until the
    /// bad points are alone.
    pub(super) fn push(self, batch: &Batch, search: Search<'_>) -> Push {
        let mut push = Push::default();
        let mut bisector = Bisector::new(batch.len(), search.max_refusals);
        let mut probes = search.probes;
        loop {
            match bisector.next() {
                Step::Done => break,
                Step::Probe(Some(good)) => {
                    let taken = self.probe(&[(batch, good..good + 1)], &mut push.stats);
                    bisector.on_probed(taken.is_some());
                }
                Step::Probe(None) => {
                    let taken = self.probe(probes, &mut push.stats);
                    bisector.on_probed(taken.is_some());
                    // Those before the one that was taken are bad.
                    probes = &probes[taken.unwrap_or_default()..];
                }
                Step::Send(range) => {
                    let queue = Queue::new(batch, range, &bisector);
                    let is_search = search.has_begun || bisector.is_searching();
                    let sent = queue.send(self.context.threads, |json, count| self.post(json, count, is_search));
                    bisector.postpone(queue.into_rest());
                    if !self.settle(sent, &mut bisector, &mut push) {
                        break;
                    }
                }
            }
        }
        self.conclude(batch, bisector, push)
    }

    /// Settles what came of requests, which are in the order of their points. Returns whether to go on: an error
    /// that has nothing to do with points ends the push.
    fn settle(self, sent: Vec<Sent>, bisector: &mut Bisector, push: &mut Push) -> bool {
        let (mut refused, mut error) = (Vec::new(), None);
        for Sent { part, verdict, stats } in sent {
            push.stats.add(&stats);
            match verdict {
                Verdict::Taken(published) => {
                    let taken = published.count;
                    self.record(&part, published, push);
                    bisector.on_taken(&part, taken);
                }
                Verdict::Error(cause) => {
                    error.get_or_insert(cause);
                    bisector.abort(part);
                }
                Verdict::Refused(_) | Verdict::Failed(_) | Verdict::TooLarge(_) => refused.push((part, verdict)),
            }
        }
        let goes_on = error.is_none();
        push.error = error.or(push.error.take());
        // Bad points are looked for in one part after the other. The other parts are sent once more after that.
        let first = (goes_on && !refused.is_empty()).then(|| refused.remove(0));
        refused.into_iter().rev().for_each(|(part, _)| bisector.postpone(part));
        match first {
            Some((part, Verdict::TooLarge(said))) => bisector.on_too_large(part, said),
            Some((part, Verdict::Refused(reason))) => bisector.on_refused(part, reason),
            Some((part, Verdict::Failed(reason))) => bisector.on_failed(part, reason),
            _ => {}
        }
        goes_on
    }

    /// Opens the connection over which the first request will go.
    pub(super) fn open(self) {
        self.context.transport.open(&self.request(Vec::new(), 0), self.policy.deadline);
    }

    /// Whether the ingest takes points from us. It is sent an empty batch, which stores nothing.
    ///
    /// # Errors
    /// Why it would not take points.
    pub(super) fn reach(self) -> Result<(), PushError> {
        match self.post(b"[]".to_vec(), 0, false).0 {
            Verdict::Taken(_) => Ok(()),
            Verdict::Error(error) => Err(error),
            Verdict::Refused(reason) | Verdict::Failed(reason) => Err(reason.into_error(self.host())),
            Verdict::TooLarge(said) => Err(Refusal::OfPoints(said).into_error(self.host())),
        }
    }

    /// The first of these points that the server takes.
    fn probe(self, probes: &[(&Batch, Range<usize>)], stats: &mut RequestStats) -> Option<usize> {
        probes.iter().position(|(batch, point)| {
            let (json, count) = json::encode(batch, point.clone());
            let (verdict, sent) = self.post(json, count, true);
            stats.add(&sent);
            matches!(verdict, Verdict::Taken(published) if published.count == count)
        })
    }

    /// Records what the server says it did with the points of `part`. Points that it names with a reason are
    /// refused. If it does not tell what became of others, none of the rest counts as taken.
    fn record(self, part: &Range<usize>, published: Published, push: &mut Push) {
        let lost = part.len() - published.count;
        let mut refused: BTreeMap<usize, String> = BTreeMap::new();
        for (index, reason) in published.refused {
            if index < part.len() && refused.len() < lost {
                refused.entry(index).or_insert(reason);
            }
        }
        if refused.len() < lost {
            let (host, sent) = (self.host(), part.len());
            push.error.get_or_insert(PushError::Unexplained { host, taken: published.count, sent });
            let rest = (0..part.len()).filter(|index| !refused.contains_key(index));
            push.open.extend(rest.map(|index| part.start + index..part.start + index + 1));
        } else {
            push.taken += published.count;
        }
        push.refused.extend(refused.into_iter().map(|(index, reason)| (part.start + index, reason)));
    }

    /// What came of the points whose fate the search has decided.
    fn conclude(self, batch: &Batch, bisector: Bisector, mut push: Push) -> Push {
        let findings = bisector.findings();
        let mut failed = Vec::new();
        for (index, reason) in findings.refused {
            match reason {
                Refusal::OfPoints(said) if batch.refusals(index).saturating_add(1) >= RUNS_UNTIL_GIVEN_UP => {
                    push.refused.push((index, said));
                    continue;
                }
                Refusal::OfPoints(said) => push.refused_alone.push((index, said)),
                Refusal::Other(cause) => failed.push((index, cause)),
            }
            push.open.push(index..index + 1);
        }
        push.open.extend(findings.open);
        push.open.sort_unstable_by_key(|range| range.start);
        if let Some(stop) = findings.stop
            && push.error.as_ref().is_none_or(PushError::is_about_points)
        {
            push.error = Some(match stop {
                Stop::ServerFails(reason) => reason.into_error(self.host()),
                Stop::TooManyRefusals(Refusal::OfPoints(said)) => PushError::TooManyBad { host: self.host(), said },
                Stop::TooManyRefusals(Refusal::Other(cause)) => {
                    let open: Vec<usize> = push.open.iter().cloned().flatten().collect();
                    self.not_taken(batch, &open, &cause, false)
                }
            });
        }
        if let Some((_, cause)) = failed.first() {
            push.failed_alone = failed.iter().map(|(index, _)| *index).collect();
            push.error.get_or_insert(self.not_taken(batch, &push.failed_alone, cause, true));
        }
        if let Some((_, said)) = push.refused_alone.last() {
            let (points, said) = (pluralize(push.refused_alone.len(), "point"), said.clone());
            push.error.get_or_insert(PushError::RefusedOnce { host: self.host(), points, said });
        }
        push
    }

    /// The error about these points, which were not taken, while others were.
    fn not_taken(self, batch: &Batch, points: &[usize], cause: &PushError, is_each_alone: bool) -> PushError {
        let first = points.first().map(|index| batch.point(*index).name).unwrap_or_default();
        let points = match points.len() {
            1 => first.to_owned(),
            count => format!("{first} and {} more", count - 1),
        };
        PushError::NotTaken { host: self.host(), points, said: cause.said(), is_each_alone }
    }

    fn host(self) -> String {
        self.target.url.host.clone()
    }

    fn post(self, json: Vec<u8>, count: usize, is_search: bool) -> (Verdict, RequestStats) {
        let request = self.request(json, count);
        let policy = RetryPolicy { retries: if is_search { 0 } else { self.policy.retries }, ..self.policy };
        let mut stats = RequestStats::default();
        let verdict = match send(self.context.transport, &request, policy, &mut stats) {
            Ok(response) => self.judge(&request, &response, count),
            Err(TransportError::TooLong { host, .. }) => {
                let said = "its answer is longer than any of an ingest".to_owned();
                Verdict::Failed(Refusal::Other(self.no_ingest(host, said)))
            }
            Err(
                error @ (TransportError::Cut(_) | TransportError::Damaged { .. } | TransportError::Protocol { .. }),
            ) => Verdict::Failed(Refusal::Other(error.into())),
            Err(error) => Verdict::Error(error.into()),
        };
        (verdict, stats)
    }

    fn request(self, json: Vec<u8>, count: usize) -> Request {
        // Both servers refuse any other spelling, even one with a charset.
        let mut headers = vec![("Content-Type".to_owned(), Secret::new("application/json"))];
        let IngestTarget { url, credentials, headers: extra, .. } = self.target;
        headers.extend(extra.values.iter().cloned());
        let mut secrets = url.path_secrets();
        secrets.extend(extra.secrets.iter().cloned());
        secrets.extend(self.context.transport.secrets(url));
        if let Some(credentials) = credentials {
            headers.push(("Authorization".to_owned(), credentials.basic()));
            secrets.extend(credentials.secrets());
        }
        Request {
            server: url.server(),
            path: Secret::new(url.path.clone()),
            redacted_path: url.redacted_path(),
            about: pluralize(count, "point"),
            headers,
            body: Some(json),
            max_body: MAX_REPLY,
            identity: self.target.identity.clone(),
            remaining: None,
            secrets: Secrets::from_iter(secrets),
        }
    }

    fn no_ingest(self, host: String, said: String) -> PushError {
        let IngestTarget { url, settings, .. } = self.target;
        let (setting, suggested) = (&settings.url, suggested_url(url));
        let advice = if suggested == format!("{url}{}", url.path_without_query()) {
            format!("the path is that of an ingest, so is the host in {setting} right?")
        } else {
            format!("is {setting} right? An ingest is usually at {suggested}")
        };
        PushError::Address { host, said, advice }
    }

    fn judge(self, request: &Request, response: &Response, count: usize) -> Verdict {
        let status = response.status;
        let words = request.excerpt(&response.body);
        let said = if words.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {words}") };
        let address = |said| self.no_ingest(self.host(), said);
        let credentials = |said| {
            let question = self.target.settings.credentials_question.clone();
            PushError::Credentials { host: self.host(), said, question }
        };
        // What a gateway before the ingest may say of all requests, and of some.
        let failed = |cause| Verdict::Failed(Refusal::Other(cause));
        match status {
            200..=299 => match json::read(&response.body, count, |reason| request.excerpt(reason)) {
                Some(published) if published.count <= count => Verdict::Taken(published),
                _ => failed(address(format!("its answer does not say how many points it took ({said})"))),
            },
            401 => Verdict::Error(credentials(said)),
            403 => failed(credentials(said)),
            300..=399 => {
                let to = response.redirect.as_deref().map_or(String::new(), |to| format!(" to {to}"));
                failed(credentials(format!("HTTP {status}{to}, as to a login page")))
            }
            404 | 405 | 415 => failed(address(said)),
            400 | 422 => Verdict::Refused(Refusal::OfPoints(said)),
            500 => Verdict::Failed(Refusal::OfPoints(said)),
            413 => Verdict::TooLarge(said),
            // Who asks for a pause gets it.
            _ if status == 429 || response.retry_after.is_some() => {
                Verdict::Error(PushError::Status { host: self.host(), said })
            }
            _ => failed(PushError::Status { host: self.host(), said }),
        }
    }
}
