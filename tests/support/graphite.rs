//! A double of Grafana Cloud's ingest in both of its dialects. It fails on every point that the real one
//! would refuse, misread or change.

use super::{Reply, Server, lock, request::Received};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

/// The user of the only account.
pub(crate) const USER: &str = "123456";
/// The token of the account.
pub(crate) const PASSWORD: &str = "glc_sesame";

const TARGET: &str = "/graphite/metrics";

/// The two servers behind one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The old server: stores the valid points of a request and lists the others.
    Gateway,
    /// The current server: stores all points or none, and replies JSON as `text/plain`.
    WriteProxy,
}

/// A point that Graphite received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) name: String,
    /// The digits as sent.
    pub(crate) value: String,
    /// Unix seconds.
    pub(crate) time: u64,
    /// Seconds; 0 where the protocol has none.
    pub(crate) interval: u64,
    /// `key=value`
    pub(crate) tags: Vec<String>,
}

/// A well-formed request, for which the test decides the reply.
pub(crate) struct Push<'a> {
    /// Counted from 1, well-formed requests only.
    pub(crate) number: usize,
    pub(crate) points: &'a [Point],
}

/// The decision about a push.
pub(crate) enum Verdict {
    /// The points are stored.
    Take,
    /// The points at these indexes are invalid for this reason; the rest depends on the dialect.
    Invalid(Vec<usize>, &'static str),
    /// The points are stored, and this is the reply.
    TakeBut(Reply),
    /// Nothing is stored, and this is the reply.
    Refuse(Reply),
}

/// Listens on loopback until dropped. A malformed request makes the test fail then.
pub(crate) struct Ingest {
    server: Server,
    stored: Arc<Mutex<Vec<Point>>>,
    decide: Arc<Mutex<Decide>>,
}

/// What decides about pushes.
type Decide = Arc<dyn Fn(&Push) -> Verdict + Send + Sync>;

impl Ingest {
    /// An ingest that stores everything.
    pub(crate) fn start(dialect: Dialect) -> Self {
        Self::deciding(dialect, |_| Verdict::Take)
    }

    /// An ingest that refuses the first pushes with these statuses, then stores everything.
    pub(crate) fn refusing<const N: usize>(dialect: Dialect, statuses: [u16; N]) -> Self {
        Self::deciding(dialect, move |push| {
            statuses
                .get(push.number - 1)
                .map_or(Verdict::Take, |status| Verdict::Refuse(Reply::text(*status, format!("refused with {status}"))))
        })
    }

    /// An ingest that lets the test decide about every push.
    pub(crate) fn deciding(dialect: Dialect, decide: impl Fn(&Push) -> Verdict + Send + Sync + 'static) -> Self {
        let stored = Arc::new(Mutex::default());
        let decide: Arc<Mutex<Decide>> = Arc::new(Mutex::new(Arc::new(decide)));
        let (number, same) = (Mutex::new(0), Arc::clone(&decide));
        let endpoint = Endpoint { dialect, decide: same, number, stored: Arc::clone(&stored) };
        let server = Server::with(move |request| endpoint.answer(request));
        Self { server, stored, decide }
    }

    /// From now on it decides like this. Two servers would be two destinations, and points that wait for one
    /// of them do not go to the other.
    pub(crate) fn decide(&self, decide: impl Fn(&Push) -> Verdict + Send + Sync + 'static) {
        *lock(&self.decide) = Arc::new(decide);
    }

    /// From now on it stores everything.
    pub(crate) fn recover(&self) {
        self.decide(|_| Verdict::Take);
    }

    /// From now on it refuses everything with this status.
    pub(crate) fn fail(&self, status: u16) {
        self.decide(move |_| Verdict::Refuse(Reply::status(status)));
    }

    /// The value for `GRAPHITE_URL`.
    pub(crate) fn url(&self) -> String {
        self.server.url() + TARGET
    }

    /// The HTTP server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// Everything stored so far, in the order of arrival.
    pub(crate) fn points(&self) -> Vec<Point> {
        lock(&self.stored).clone()
    }

    /// The last value stored of every name.
    pub(crate) fn values(&self) -> BTreeMap<String, String> {
        let points = self.points().into_iter();
        points.map(|point| (point.name, point.value)).collect()
    }

    /// The last value stored of this name.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.values().remove(name)
    }

    /// Ends it and returns the complaints that would make the test fail.
    pub(crate) fn into_complaints(self) -> Vec<String> {
        self.server.into_complaints()
    }
}

struct Endpoint {
    dialect: Dialect,
    decide: Arc<Mutex<Decide>>,
    number: Mutex<usize>,
    stored: Arc<Mutex<Vec<Point>>>,
}

impl Endpoint {
    fn answer(&self, request: &Received) -> Reply {
        let account = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        if request.header("Authorization") != Some(&format!("Basic {account}")) {
            return self.dialect.unauthorized();
        }
        let points = match read(request) {
            Ok(points) => points,
            Err(why) => return Reply::unexpected(format!("{}: {why}", request.line())),
        };
        let number = {
            let mut number = lock(&self.number);
            *number += 1;
            *number
        };
        let decide = Arc::clone(&lock(&self.decide));
        let verdict = decide(&Push { number, points: &points });
        self.apply(verdict, &points)
    }

    fn apply(&self, verdict: Verdict, points: &[Point]) -> Reply {
        match verdict {
            Verdict::Refuse(reply) => reply,
            Verdict::TakeBut(reply) => {
                lock(&self.stored).extend_from_slice(points);
                reply
            }
            Verdict::Take => {
                lock(&self.stored).extend_from_slice(points);
                self.dialect.published(points.len(), &[], "")
            }
            Verdict::Invalid(indexes, why) if self.dialect == Dialect::Gateway => {
                let good = (0..).zip(points).filter(|(at, _)| !indexes.contains(at));
                let good: Vec<_> = good.map(|(_, point)| point.clone()).collect();
                let published = good.len();
                lock(&self.stored).extend(good);
                self.dialect.published(published, &indexes, why)
            }
            Verdict::Invalid(_, why) => Reply::text(400, format!("invalid metric data received: {why}\n")),
        }
    }
}

impl Dialect {
    fn published(self, published: usize, invalid: &[usize], why: &str) -> Reply {
        match self {
            Dialect::WriteProxy => Reply::text(200, format!(r#"{{"published":{published}}}"#)),
            Dialect::Gateway => {
                let count = invalid.len();
                // The real one lists no more examples than this.
                let examples = &invalid[..count.min(9)];
                let mut errors = serde_json::Map::new();
                if count > 0 {
                    let error = serde_json::json!({ "Count": count, "ExampleIds": examples });
                    errors.insert(why.to_owned(), error);
                }
                let reply = serde_json::json!({
                    "Invalid": count, "Published": published, "ValidationErrors": errors,
                });
                Reply::json(reply.to_string())
            }
        }
    }

    fn unauthorized(self) -> Reply {
        let why = "invalid authentication credentials";
        match self {
            Dialect::Gateway => Reply::text(401, why),
            Dialect::WriteProxy => {
                let error = format!("authentication error: {why}");
                let reply = serde_json::json!({ "status": "error", "error": error });
                Reply::status(401).header("Content-Type", "application/json").body(reply.to_string())
            }
        }
    }
}

/// A point in JSON. The real servers ignore unknown members and read a missing value as 0; this one refuses
/// both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    name: String,
    interval: u64,
    #[serde(borrow)]
    value: &'a RawValue,
    time: u64,
    tags: Option<Vec<String>>,
}

/// The points of a well-formed request.
fn read(request: &Received) -> Result<Vec<Point>, String> {
    if request.line() != format!("POST {TARGET}") {
        return Err("not the ingest".to_owned());
    }
    match request.header("Content-Type") {
        Some("application/json") => {}
        // A charset after the type is refused as well.
        other => return Err(format!("the content type {other:?}")),
    }
    if let Some(coding) = request.header("Content-Encoding") {
        return Err(format!("the content coding {coding}, which the ingest ignores"));
    }
    let wire: Vec<Wire> = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    let points: Vec<Point> = wire.into_iter().map(Wire::point).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    for point in &points {
        if !seen.insert((&point.name, &point.tags, point.time)) {
            return Err(format!("{} is there twice", point.name));
        }
    }
    Ok(points)
}

impl Wire<'_> {
    fn point(self) -> Result<Point, String> {
        let value = self.value.get();
        let number = value.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        let tags = self.tags.unwrap_or_default();
        let wrong = if self.name.split('.').any(str::is_empty) {
            "an empty node"
        } else if !number || !value.parse().is_ok_and(f64::is_finite) {
            "a value that is no finite number"
        } else if self.interval == 0 {
            "no interval"
        } else if !(1_000_000_000..100_000_000_000).contains(&self.time) {
            "a time that is not in seconds"
        } else if !tags.iter().all(|tag| is_tag(tag)) {
            "a malformed tag"
        } else {
            return Ok(Point {
                name: self.name,
                value: value.to_owned(),
                time: self.time,
                interval: self.interval,
                tags,
            });
        };
        Err(format!("{:?} has {wrong}: {value}", self.name))
    }
}

fn is_tag(tag: &str) -> bool {
    tag.split_once('=').is_some_and(|(key, value)| {
        let key_is_fine = !key.is_empty() && !key.contains([';', '!', '^']);
        key_is_fine && !value.is_empty() && !value.starts_with('~') && !value.contains(';')
    })
}
