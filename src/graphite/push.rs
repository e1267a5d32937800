//! Pushing a batch, and what came of every point of it.

use super::carbon::{self, CarbonError, Encoded};
use super::{Destination, ingest, suggested};
use crate::http::{Transport, TransportError};
use crate::point::Batch;
use crate::request::{Request, Response};
use crate::retry::{Patience, Tally, pause, send};
use crate::secret::Secret;
use crate::shown::{counted, excerpt};
use crate::url::{Credentials, Url};
use std::ops::Range;
use std::thread::sleep;
use std::time::Instant;

/// Requests in which the bad points of one push are looked for.
const MAX_SEARCHES: usize = 200;
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
    /// It takes points, but refuses so many of these that not all of them could be found.
    #[error("{host} refuses too many points to find them all in one run: {said}")]
    TooManyBad {
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

impl PushError {
    /// Whether Graphite refused the credentials.
    pub fn refused_credentials(&self) -> bool {
        matches!(self, Self::Credentials { .. })
    }
}

/// Pushes a batch, by the deadline that `patience` has.
///
/// An error of a server may be about the points or about itself. Where nothing else tells which,
/// the last point of `probe`, the batch of this run, is sent alone: to send it twice does no harm.
pub fn push(
    destination: &Destination,
    batch: &Batch,
    probe: &Batch,
    transport: &dyn Transport,
    patience: Patience<'_>,
) -> Push {
    match destination {
        Destination::Ingest { url, credentials } => {
            Ingest::new(url, credentials.as_ref(), [batch, probe], transport, patience).push()
        }
        Destination::Plaintext { host, port } => to_carbon(host, *port, carbon::plaintext(batch), patience),
        Destination::Pickle { host, port } => to_carbon(host, *port, carbon::pickle(batch), patience),
    }
}

/// Whether Graphite can be reached and takes points from us: the ingest is sent an empty batch, which
/// stores nothing, and Carbon a connection with nothing on it.
///
/// # Errors
/// Why points would not be taken.
pub fn reach(destination: &Destination, transport: &dyn Transport, patience: Patience<'_>) -> Result<(), PushError> {
    let nothing = Batch::new(1, Vec::new());
    let Destination::Ingest { url, credentials } = destination else {
        let push = push(destination, &nothing, &nothing, transport, patience);
        return push.error.map_or(Ok(()), Err);
    };
    let mut ingest = Ingest::new(url, credentials.as_ref(), [&nothing, &nothing], transport, patience);
    match ingest.post(b"[]".to_vec(), 0) {
        Verdict::Taken(_) => Ok(()),
        Verdict::Failed(error) => Err(error),
        Verdict::Refused(said) | Verdict::Stuck(said) | Verdict::TooLarge(said) => {
            Err(PushError::Status { host: url.host.clone(), said })
        }
    }
}

/// Carbon takes all or, as far as anybody can know, nothing.
fn to_carbon(host: &str, port: u16, encoded: Encoded, patience: Patience<'_>) -> Push {
    let mut push = Push::default();
    push.refused.extend(encoded.left_out.into_iter().map(|point| (point.name, point.reason.to_owned())));
    for attempt in 0..=patience.retries {
        push.tally.requests += 1;
        let begun = Instant::now();
        let result = carbon::deliver(host, port, &encoded.bytes, patience.deadline);
        let (took, points) = (begun.elapsed(), encoded.points);
        match &result {
            Ok(()) => log::info!("Carbon at {host}:{port}: closed after {took:.1?}: {points} points"),
            Err(error) => log::info!("{points} points failed after {took:.1?}: {error}"),
        }
        push.error = result.err().map(PushError::from);
        let pause = pause(attempt, patience.random.fraction(), None, patience.deadline.remaining());
        match (&push.error, pause) {
            (Some(_), Some(pause)) if attempt < patience.retries => sleep(pause),
            _ => break,
        }
    }
    // Its clean close is as good as a 200.
    push.tally.worst_status = Some(if push.error.is_none() { 200 } else { 0 });
    if push.error.is_none() {
        push.taken = encoded.points;
    } else {
        push.open.push(0..encoded.points + push.refused.len());
        push.refused.clear();
    }
    push
}

struct Ingest<'a> {
    url: &'a Url,
    credentials: Option<&'a Credentials>,
    batch: &'a Batch,
    probe: &'a Batch,
    transport: &'a dyn Transport,
    patience: Patience<'a>,
    /// What came of it so far.
    push: Push,
    /// Points that were refused alone, and why. Their fault or Graphite's: that is not known yet.
    suspects: Vec<(usize, String)>,
    /// A point that was taken.
    good: Option<usize>,
    /// So many refusals more may be the fault of points; the next one puts Graphite in question.
    trust: usize,
    /// Refusals so far.
    searches: usize,
    /// Points in a request at most, as it said that more are too many.
    most: usize,
}

/// As many refusals as it takes to find one bad point, and a few for others beside it.
fn trust(batch: &Batch) -> usize {
    usize::try_from(batch.len().max(1).ilog2()).unwrap_or(0) + 4
}

/// What an ingest says of one request.
enum Verdict {
    Taken(ingest::Published),
    /// Refused for what is in it: a smaller part of it may pass.
    Refused(String),
    /// A 500 that stays: the current ingest's word for a point that is too old or in conflict with
    /// one it has, and everybody's for an outage.
    Stuck(String),
    /// Refused for its size.
    TooLarge(String),
    Failed(PushError),
}

impl<'a> Ingest<'a> {
    fn new(
        url: &'a Url,
        credentials: Option<&'a Credentials>,
        [batch, probe]: [&'a Batch; 2],
        transport: &'a dyn Transport,
        patience: Patience<'a>,
    ) -> Self {
        Self {
            url,
            credentials,
            batch,
            probe,
            transport,
            patience,
            push: Push::default(),
            suspects: Vec::new(),
            good: None,
            trust: trust(batch),
            searches: 0,
            most: usize::MAX,
        }
    }

    /// Sends the batch in as few requests as hold it. What is refused whole is split until the bad
    /// points are alone.
    fn push(mut self) -> Push {
        self.push.open.push(0..self.batch.len());
        while let Some(range) = self.push.open.pop() {
            let end = range.end.min(range.start.saturating_add(self.most));
            let (json, count) = ingest::encode(self.batch, range.start..end);
            let part = range.start..range.start + count;
            if part.end < range.end {
                self.push.open.push(part.end..range.end);
            }
            let result = match self.post(json, count) {
                Verdict::Taken(published) => {
                    self.take(&part, published);
                    Ok(())
                }
                Verdict::TooLarge(_) if count > 1 => {
                    self.most = count / 2;
                    self.push.open.push(part);
                    Ok(())
                }
                Verdict::Stuck(said) => {
                    if self.searches == 0 {
                        self.trust = 0;
                    }
                    self.split(part, said)
                }
                Verdict::Refused(said) | Verdict::TooLarge(said) => self.split(part, said),
                Verdict::Failed(error) => {
                    self.push.open.push(part);
                    Err(error)
                }
            };
            if let Err(error) = result {
                self.push.error = Some(error);
                break;
            }
        }
        self.finish()
    }

    fn take(&mut self, part: &Range<usize>, published: ingest::Published) {
        let mut lost = part.len().saturating_sub(published.count);
        self.push.taken += part.len() - lost;
        if lost < part.len() {
            self.is_trusted();
        }
        if lost == 0 {
            self.good = Some(part.start);
        }
        for (index, reason) in published.refused.into_iter().take(lost) {
            lost -= 1;
            let known = index.filter(|index| *index < part.len()).map(|index| self.name(part.start + index));
            self.push.refused.push((known.unwrap_or_default(), reason));
        }
        self.push.refused.extend((0..lost).map(|_| (String::new(), "it does not say why".to_owned())));
    }

    /// Splits what was refused whole, unless it is Graphite that is ill.
    fn split(&mut self, part: Range<usize>, said: String) -> Result<(), PushError> {
        self.searches += 1;
        let host = || self.url.host.clone();
        let error = if self.searches > MAX_SEARCHES {
            Some(PushError::TooManyBad { host: host(), said: said.clone() })
        } else if self.trust == 0 && !self.is_well() {
            Some(PushError::Status { host: host(), said: said.clone() })
        } else {
            None
        };
        if let Some(error) = error {
            self.push.open.push(part);
            return Err(error);
        }
        self.trust -= 1;
        if part.len() == 1 {
            self.suspects.push((part.start, said));
        } else {
            let middle = part.start + part.len() / 2;
            self.push.open.extend([middle..part.end, part.start..middle]);
        }
        Ok(())
    }

    /// Whether Graphite takes a point that it took before, or the probe.
    fn is_well(&mut self) -> bool {
        let end = self.probe.len();
        let (batch, range) = self.good.map_or((self.probe, end.saturating_sub(1)..end), |at| (self.batch, at..at + 1));
        let (json, count) = ingest::encode(batch, range);
        let is_well = matches!(self.post(json, count), Verdict::Taken(published) if published.count == count);
        if is_well {
            self.is_trusted();
        }
        is_well
    }

    /// Graphite has just taken something, so what it refused before that was bad.
    fn is_trusted(&mut self) {
        self.trust = trust(self.batch);
        for (at, reason) in std::mem::take(&mut self.suspects) {
            self.push.refused.push((self.name(at), reason));
        }
    }

    /// Points whose fault is not proved stay open.
    fn finish(mut self) -> Push {
        if !self.suspects.is_empty() && matches!(self.push.error, None | Some(PushError::TooManyBad { .. })) {
            self.is_well();
        }
        for (at, said) in self.suspects {
            self.push.open.push(at..at + 1);
            self.push.error.get_or_insert_with(|| PushError::Status { host: self.url.host.clone(), said });
        }
        self.push.open.sort_unstable_by_key(|range| range.start);
        self.push
    }

    fn name(&self, at: usize) -> String {
        self.batch.point(at).name.to_owned()
    }

    fn post(&mut self, json: Vec<u8>, count: usize) -> Verdict {
        let request = self.request(json, count);
        // Whoever looks for the bad point has had the patience already.
        let retries = if self.searches > 0 { 0 } else { self.patience.retries };
        let patience = Patience { retries, ..self.patience };
        match send(self.transport, &request, patience, &mut self.push.tally, || ()) {
            Ok(response) => self.judge(&request, &response, count),
            Err(TransportError::TooLong { host, .. }) => {
                let said = "its answer is longer than any of an ingest".to_owned();
                Verdict::Failed(PushError::Address { host, said, suggested: suggested(self.url) })
            }
            Err(error) => Verdict::Failed(error.into()),
        }
    }

    fn request(&self, json: Vec<u8>, count: usize) -> Request {
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
            about: counted(count, "point"),
            headers,
            body: Some(json),
            max_body: MAX_REPLY,
            secrets,
        }
    }

    fn judge(&self, request: &Request, response: &Response, count: usize) -> Verdict {
        let status = response.status;
        let body = request.mask(&response.body);
        let words = excerpt(&body);
        let said = if words.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {words}") };
        let host = self.url.host.clone();
        let address = |said| PushError::Address { host: host.clone(), said, suggested: suggested(self.url) };
        match status {
            200..=299 => match ingest::read(body.as_bytes()) {
                Some(published) if published.count <= count => Verdict::Taken(published),
                _ => Verdict::Failed(address(format!("its answer does not say how many points it took ({said})"))),
            },
            401 | 403 => Verdict::Failed(PushError::Credentials { host, said }),
            300..=399 => {
                let to = response.redirect.as_deref().map_or(String::new(), |to| format!(" to {to}"));
                Verdict::Failed(PushError::Credentials { host, said: format!("HTTP {status}{to}, as to a login page") })
            }
            404 | 405 | 415 => Verdict::Failed(address(said)),
            400 | 422 => Verdict::Refused(said),
            500 => Verdict::Stuck(said),
            413 => Verdict::TooLarge(said),
            _ => Verdict::Failed(PushError::Status { host, said }),
        }
    }
}
