//! Pushing a batch, and what came of every point of it.

use super::carbon::{self, CarbonError, Encoded};
use super::{Destination, ingest, suggested};
use crate::http::{Transport, TransportError};
use crate::point::Batch;
use crate::request::{Request, Response, excerpt};
use crate::retry::{Patience, Tally, pause, send};
use crate::secret::Secret;
use crate::url::{Credentials, Url};
use std::ops::Range;
use std::thread::sleep;

/// Requests in which the bad points of one push are looked for.
const MAX_SPLITS: usize = 200;
/// Longest reply read, in bytes.
const MAX_REPLY: u64 = 1 << 20;

/// What came of a push.
#[derive(Debug, Default)]
pub struct Push {
    /// How many points Graphite took.
    pub taken: usize,
    /// Points that it refuses for good: their names, where it says them, and why.
    pub refused: Vec<(String, String)>,
    /// Points that it did not take and may take later: ranges of the batch.
    pub open: Vec<Range<usize>>,
    /// Why there are such.
    pub error: Option<PushError>,
    /// What was sent.
    pub tally: Tally,
}

/// Why Graphite did not take points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// It does not know us.
    #[error(
        "{host} refused the credentials: {said}; are GRAPHITE_USER and GRAPHITE_PASSWORD those of the Graphite instance, with metrics:write?"
    )]
    Credentials {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
    },
    /// It is no ingest.
    #[error("{host} takes no points there: {said}; is GRAPHITE_URL right? Grafana Cloud's is {suggested}")]
    Address {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
        /// The URL of an ingest on that host.
        suggested: String,
    },
    /// A status that is an error.
    #[error("{host} answered {said}")]
    Status {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
    },
    /// A 500 that stays: the current ingest's word for a point that is too old or in conflict with
    /// one it has, and everybody's for an outage.
    #[error("{host} answered {said}")]
    Stuck {
        /// The host.
        host: String,
        /// Status and words.
        said: String,
    },
    /// No reply.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Carbon did not get it all.
    #[error(transparent)]
    Carbon(#[from] CarbonError),
}

/// Pushes a batch, by the deadline that `patience` has. `is_well` says that Graphite took others a
/// moment ago, so that a 500 is about the points.
pub fn push(
    destination: &Destination,
    batch: &Batch,
    transport: &dyn Transport,
    patience: Patience<'_>,
    is_well: bool,
) -> Push {
    let all = 0..batch.len();
    match destination {
        Destination::Ingest { url, credentials } => {
            Ingest { url, credentials: credentials.as_ref(), batch, transport, patience, is_well }.push()
        }
        Destination::Plaintext { host, port } => to_carbon(host, *port, carbon::plaintext(batch, all), patience),
        Destination::Pickle { host, port } => to_carbon(host, *port, carbon::pickle(batch, all), patience),
    }
}

/// Carbon takes all or, as far as anybody can know, nothing.
fn to_carbon(host: &str, port: u16, encoded: Encoded, patience: Patience<'_>) -> Push {
    let mut push = Push::default();
    push.refused.extend(encoded.left_out.into_iter().map(|point| (point.name, point.reason.to_owned())));
    for attempt in 0..=patience.retries {
        push.tally.requests += 1;
        push.error = carbon::deliver(host, port, &encoded.bytes, patience.deadline).err().map(PushError::from);
        let pause = pause(attempt, patience.random.fraction(), None, patience.deadline.remaining());
        match (&push.error, pause) {
            (Some(_), Some(pause)) if attempt < patience.retries => sleep(pause),
            _ => break,
        }
    }
    // Its clean close is as good as a 200.
    push.tally.worst_status = Some(if push.error.is_none() { 200 } else { 0 });
    match push.error {
        None => push.taken = encoded.points,
        Some(_) => push.open.push(0..encoded.points + push.refused.len()),
    }
    push
}

struct Ingest<'a> {
    url: &'a Url,
    credentials: Option<&'a Credentials>,
    batch: &'a Batch,
    transport: &'a dyn Transport,
    patience: Patience<'a>,
    is_well: bool,
}

/// What an ingest says of one request.
enum Verdict {
    Taken(ingest::Published),
    /// Refused for what is in it: a smaller part of it may pass.
    Refused(String),
    /// A 500 that stays.
    Stuck(String),
    Failed(PushError),
}

impl Ingest<'_> {
    /// Sends the batch in as few requests as hold it. What is refused whole is split until the bad
    /// points are alone.
    fn push(&self) -> Push {
        let mut push = Push::default();
        let mut open: Vec<Range<usize>> = std::iter::once(0..self.batch.len()).collect();
        let mut suspects: Vec<(usize, String)> = Vec::new();
        let (mut splits, mut stuck) = (0, 0);
        let patient = usize::try_from(self.batch.len().max(1).ilog2()).unwrap_or(0) + 3;
        while let Some(range) = open.pop() {
            let (json, count) = ingest::encode(self.batch, range.clone());
            let part = range.start..range.start + count;
            if part.end < range.end {
                open.push(part.end..range.end);
            }
            let verdict = self.post(json, count, stuck > 0, &mut push.tally);
            let (reason, is_stuck) = match verdict {
                Verdict::Taken(published) => {
                    self.take(&part, published, &mut push);
                    push.refused.extend(suspects.drain(..).map(|(at, reason)| (self.name(at), reason)));
                    stuck = 0;
                    continue;
                }
                Verdict::Failed(error) => {
                    open.push(part);
                    push.error = Some(error);
                    break;
                }
                Verdict::Refused(reason) => (reason, false),
                Verdict::Stuck(reason) => (reason, true),
            };
            stuck = if is_stuck { stuck + 1 } else { stuck };
            splits += 1;
            if (stuck > patient && !self.is_well) || splits > MAX_SPLITS {
                open.push(part);
                push.error = Some(PushError::Stuck { host: self.url.host.clone(), said: reason });
                break;
            }
            match (count, is_stuck) {
                (1, true) => suspects.push((part.start, reason)),
                (1, false) => push.refused.push((self.name(part.start), reason)),
                _ => {
                    let middle = part.start + count / 2;
                    open.extend([middle..part.end, part.start..middle]);
                }
            }
        }
        self.judge(suspects, &mut push, open)
    }

    /// A point refused alone with a 500 is bad if others were taken; otherwise Graphite is ill.
    fn judge(&self, suspects: Vec<(usize, String)>, push: &mut Push, mut open: Vec<Range<usize>>) -> Push {
        let ill = push.error.is_some() || (push.taken == 0 && !self.is_well);
        for (at, reason) in suspects {
            if ill {
                open.push(at..at + 1);
                push.error.get_or_insert_with(|| PushError::Stuck { host: self.url.host.clone(), said: reason });
            } else {
                push.refused.push((self.name(at), reason));
            }
        }
        open.sort_unstable_by_key(|range| range.start);
        push.open = open;
        std::mem::take(push)
    }

    fn name(&self, at: usize) -> String {
        self.batch.point(at).name.to_owned()
    }

    fn take(&self, part: &Range<usize>, published: ingest::Published, push: &mut Push) {
        let mut lost = part.len().saturating_sub(published.count);
        push.taken += part.len() - lost;
        for (index, reason) in published.refused.into_iter().take(lost) {
            lost -= 1;
            let known = index.filter(|index| *index < part.len()).map(|index| self.name(part.start + index));
            push.refused.push((known.unwrap_or_default(), reason));
        }
        push.refused.extend((0..lost).map(|_| (String::new(), "it does not say why".to_owned())));
    }

    fn post(&self, json: Vec<u8>, count: usize, is_stuck: bool, tally: &mut Tally) -> Verdict {
        let request = self.request(json);
        // Whoever looks for the bad point has had the patience already.
        let retries = if is_stuck { 0 } else { self.patience.retries };
        let patience = Patience { retries, ..self.patience };
        match send(self.transport, &request, patience, tally, || ()) {
            Ok(response) => self.judge_reply(&request, &response, count),
            Err(error) => Verdict::Failed(error.into()),
        }
    }

    fn request(&self, json: Vec<u8>) -> Request {
        // Both servers refuse any other spelling, a charset too.
        let mut headers = vec![("Content-Type".to_owned(), Secret::new("application/json"))];
        let mut secrets = Vec::new();
        if let Some(credentials) = self.credentials {
            headers.push(("Authorization".to_owned(), credentials.basic()));
            secrets.extend(credentials.secrets());
        }
        Request {
            server: self.url.clone(),
            path: Secret::new(self.url.path.clone()),
            shown: self.url.path.split('?').next().unwrap_or_default().to_owned(),
            headers,
            body: Some(json),
            max_body: MAX_REPLY,
            secrets,
        }
    }

    fn judge_reply(&self, request: &Request, response: &Response, count: usize) -> Verdict {
        let status = response.status;
        let words = excerpt(&request.mask(&String::from_utf8_lossy(&response.body)));
        let said = if words.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {words}") };
        let host = self.url.host.clone();
        let address = |said| PushError::Address { host: host.clone(), said, suggested: suggested(self.url) };
        match status {
            200..=299 => match ingest::read(&response.body) {
                Some(published) if published.count <= count => Verdict::Taken(published),
                _ => Verdict::Failed(address(format!("its answer does not say how many points it took ({said})"))),
            },
            401 | 403 => Verdict::Failed(PushError::Credentials { host, said }),
            300..=399 => {
                let to = response.redirect.as_deref().map_or(String::new(), |to| format!(" to {to}"));
                Verdict::Failed(PushError::Credentials { host, said: format!("HTTP {status}{to}, as to a login page") })
            }
            404 | 405 | 415 => Verdict::Failed(address(said)),
            400 | 413 => Verdict::Refused(said),
            500 => Verdict::Stuck(said),
            _ => Verdict::Failed(PushError::Status { host, said }),
        }
    }
}
