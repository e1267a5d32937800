//! HTTP in the simulation: providers, and ingests of both dialects that take, refuse, fail and lie.

use super::{
    promises::Promise,
    world::{Inner, Machine, World},
};
use crate::support::Dialect;
use datametrics::{Deadline, Request, Response, Transport, TransportError};
use serde_json::{Value, json};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// The hosts of the destinations; the last one is a Carbon.
pub(super) const DESTINATIONS: [&str; 3] = ["graphite-a.example", "graphite-b.example", "carbon.example"];
/// The hosts of the providers. The second has a `min_interval`.
pub(super) const PROVIDERS: [&str; 2] = ["own.example", "rare.example"];

/// What an ingest does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mood {
    Well,
    RefusesConnection,
    /// Cuts the connection; true: after it has stored the points.
    Cuts(bool),
    /// Answers with this status; true: after it has stored the points.
    Fails(u16, bool),
    /// Does not answer in time; true: after it has stored the points.
    IsSilent(bool),
    Forbids(u16),
    /// A 200 that is no answer of an ingest; true: after it has stored the points.
    TalksNonsense(bool),
    /// Takes all points but one, which is good, and names it.
    AccusesOne,
    /// Takes nothing or a part, and does not say why.
    TakesLess,
}

/// What an outage looks like, and what happens once in a while.
pub(super) const MOODS: [Mood; 19] = [
    Mood::RefusesConnection,
    Mood::Cuts(false),
    Mood::Cuts(true),
    Mood::Fails(503, false),
    Mood::Fails(503, true),
    Mood::Fails(502, false),
    Mood::Fails(429, false),
    Mood::Fails(408, false),
    Mood::IsSilent(false),
    Mood::IsSilent(true),
    Mood::Forbids(401),
    Mood::Forbids(302),
    Mood::TalksNonsense(false),
    Mood::TalksNonsense(true),
    Mood::AccusesOne,
    // These are ambiguous.
    Mood::Fails(500, false),
    Mood::Fails(500, true),
    Mood::Fails(400, false),
    Mood::TakesLess,
];
const AMBIGUOUS: usize = 4;

/// An ingest.
pub(super) struct Graphite {
    pub(super) dialect: Dialect,
    /// What it does with every request, if it is ill.
    pub(super) outage: Option<Mood>,
    /// One request in so many meets another mood; 0 for none.
    pub(super) fault: u64,
    /// Points in a request at most.
    pub(super) max_points: usize,
    /// How long an answer takes, in milliseconds.
    pub(super) latency: u64,
}

#[derive(Default)]
pub(super) struct Network {
    pub(super) graphites: Vec<Graphite>,
    /// One request to a provider in so many fails; 0 for none.
    pub(super) provider_fault: u64,
    /// One point in so many is bad, for every ingest and for ever; 0 for none.
    pub(super) bad_points: u64,
    next_value: u32,
}

/// What a provider said of a symbol.
#[derive(Clone, Debug)]
pub(super) struct Quote {
    /// The name of its point.
    pub(super) name: String,
    pub(super) value: f64,
}

struct Point {
    key: (String, i64),
    value: f64,
}

type Answer = Result<Response, TransportError>;

impl Transport for Machine {
    fn send(&self, request: &Request, deadline: Deadline<'_>) -> Answer {
        let host = request.server.host.as_str();
        match DESTINATIONS.iter().position(|name| *name == host) {
            Some(at) => self.push(at, request, deadline),
            None => self.fetch(PROVIDERS.iter().position(|name| *name == host).expect("a host"), request, deadline),
        }
    }
}

impl World {
    /// A mood that is not well.
    pub(super) fn bad_mood(&self) -> Mood {
        let are_left = self.leaves(Promise::OneRefusalIsNone);
        self.baton.pick(&MOODS[..MOODS.len() - if are_left { AMBIGUOUS } else { 0 }])
    }

    pub(super) fn mood(&self, at: usize) -> Mood {
        let inner = self.inner();
        let Graphite { outage, fault, .. } = inner.network.graphites[at];
        drop(inner);
        match outage {
            None if self.baton.one_in(fault) => self.bad_mood(),
            outage => outage.unwrap_or(Mood::Well),
        }
    }
}

impl Machine {
    fn push(&self, at: usize, request: &Request, deadline: Deadline<'_>) -> Answer {
        let host = DESTINATIONS[at].to_owned();
        let points = read(request.body.as_deref().unwrap_or_default());
        let mood = self.world.mood(at);
        let left = deadline.remaining();
        let late = || Err(TransportError::Timeout { host: host.clone(), reason: "the simulation" });
        if left.is_zero() {
            return late();
        }
        let latency = self.world.inner().network.graphites[at].latency;
        let way = Duration::from_millis(latency / 4 + self.world.baton.below(latency));
        let what = format!("POST {} points to {host}, {mood:?}", points.len());
        let times = points.iter().map(|point| point.key.1).collect();
        let number = self.world.inner().begin_push(self.process, at, times);
        let there = if matches!(mood, Mood::IsSilent(_)) { left } else { way.min(left) };
        let answer = self.call(there, what, |inner| {
            let answer = inner.receive(self, at, mood, &points, left > Duration::from_secs(1));
            inner.check_order(self.process, at, &answer, points.iter().map(|point| &point.key));
            inner.check_times(self, points.iter().map(|point| &point.key));
            let said = match &answer {
                Ok(response) => format!("HTTP {} {}", response.status, &*response.body),
                Err(error) => error.to_string(),
            };
            (answer, said)
        });
        if there >= left || deadline.remaining() < way {
            self.call(deadline.remaining(), "waits", |inner| {
                inner.end_push(self.process, at, number);
                ((), "in vain".to_owned())
            });
            return late();
        }
        self.call(way, "gets the answer", |inner| {
            inner.end_push(self.process, at, number);
            inner.note_answer(self.process, at, &answer, &points);
            ((), String::new())
        });
        answer
    }

    fn fetch(&self, at: usize, request: &Request, deadline: Deadline<'_>) -> Answer {
        let host = PROVIDERS[at].to_owned();
        let path = request.path.expose().replace("%2C", ",");
        let symbols: Vec<&str> = path.rsplit('/').next().expect("a part").split(',').collect();
        let baton = &self.world.baton;
        let fault = self.world.inner().network.provider_fault;
        let fault = if baton.one_in(fault) { Some(baton.below(6)) } else { None };
        let left = deadline.remaining();
        let way = Duration::from_millis(20 + baton.below(200));
        let is_late = fault == Some(5) || way > left;
        let (answer, quotes) = self.call(if is_late { left } else { way }, format!("GET {host}{path}"), |inner| {
            inner.note_call(self, at);
            let mut quotes = Vec::new();
            let mut rows = serde_json::Map::new();
            for symbol in &symbols {
                inner.network.next_value += 1;
                let value = inner.network.next_value;
                if fault != Some(4) || baton.one_in(2) {
                    rows.insert((*symbol).to_owned(), json!({ "last": value }));
                    let name = format!("{}.{symbol}.last", feed_of(symbol));
                    quotes.push(Quote { name, value: f64::from(value) });
                }
            }
            let answer = match fault {
                _ if is_late => Err(TransportError::Timeout { host, reason: "the simulation" }),
                Some(0) => Err(TransportError::Connect { host, reason: "refused".to_owned() }),
                Some(1) => Err(TransportError::Cut(host)),
                Some(2) => Ok(response(503, "")),
                Some(3) => {
                    let retry_after = Some(Duration::from_secs(1 + baton.below(900)));
                    Ok(Response { retry_after, ..response(429, "") })
                }
                _ => Ok(response(200, &Value::Object(rows).to_string())),
            };
            let is_good = answer.as_ref().is_ok_and(|response| response.status == 200);
            inner.counts.bad_answers += u64::from(fault.is_some());
            ((answer, if is_good { quotes } else { Vec::new() }), format!("{fault:?}"))
        });
        self.call(Duration::from_millis(1), "gets the answer", |inner| {
            inner.processes[self.process].quotes.extend(quotes);
            ((), String::new())
        });
        answer
    }
}

impl Inner {
    /// What an ingest makes of points.
    fn receive(&mut self, machine: &Machine, at: usize, mood: Mood, points: &[Point], is_in_time: bool) -> Answer {
        let host = || DESTINATIONS[at].to_owned();
        if mood != Mood::Well {
            self.counts.bad_answers += 1;
        }
        if mood == Mood::RefusesConnection {
            return Err(TransportError::Connect { host: host(), reason: "refused".to_owned() });
        }
        self.arrive(machine.process, at, points.iter().map(|point| (&point.key, point.value)), is_in_time);
        let is_bad = |point: &&Point| is_bad(&point.key, self.network.bad_points);
        let bad: Vec<usize> = (0..points.len()).filter(|index| is_bad(&&points[*index])).collect();
        for index in &bad {
            self.ledger.refuse(at, &points[*index].key);
        }
        let mut store = |without: &[usize]| {
            let stored = points.iter().enumerate().filter(|(index, _)| !without.contains(index));
            stored.for_each(|(_, point)| self.ledger.take(at, &point.key));
        };
        let graphite = &self.network.graphites[at];
        let published = |count: usize| match graphite.dialect {
            Dialect::WriteProxy => json!({ "published": count }).to_string(),
            Dialect::Gateway => json!({ "Invalid": 0, "Published": count, "ValidationErrors": {} }).to_string(),
        };
        let named = |bad: &[usize]| {
            let errors = json!({ "no good": { "Count": bad.len(), "ExampleIds": bad[..bad.len().min(9)] } });
            let (count, bad) = (points.len() - bad.len(), bad.len());
            json!({ "Invalid": bad, "Published": count, "ValidationErrors": errors }).to_string()
        };
        if let Mood::Cuts(true) | Mood::Fails(_, true) | Mood::IsSilent(true) | Mood::TalksNonsense(true) = mood {
            store(&bad);
        }
        let answer = match mood {
            Mood::RefusesConnection | Mood::Cuts(_) => Err(TransportError::Cut(host())),
            Mood::IsSilent(_) => Err(TransportError::Timeout { host: host(), reason: "the simulation" }),
            Mood::Fails(429, _) => {
                let retry_after = Some(Duration::from_secs(machine.world.baton.below(60)));
                Ok(Response { retry_after, ..response(429, "too many requests") })
            }
            Mood::Fails(status, _) | Mood::Forbids(status) => Ok(response(status, "failed to push metric data")),
            Mood::TalksNonsense(_) => {
                let too_many = published(points.len() + 1);
                Ok(response(200, machine.world.baton.pick(&["", "<html>", "{}", too_many.as_str()])))
            }
            Mood::AccusesOne if bad.is_empty() && !points.is_empty() => {
                let index = usize::try_from(machine.world.baton.below(points.len() as u64)).expect("an index");
                store(&[index]);
                self.ledger.refuse(at, &points[index].key);
                Ok(response(200, &named(&[index])))
            }
            Mood::TakesLess if !points.is_empty() => {
                let count = usize::try_from(machine.world.baton.below(points.len() as u64)).expect("a count");
                let others: Vec<usize> = (count..points.len()).chain(bad).collect();
                store(&others);
                Ok(response(200, &published(count)))
            }
            _ if points.len() > graphite.max_points => Ok(response(413, "batch is larger than limit")),
            _ if bad.is_empty() => {
                store(&[]);
                Ok(response(200, &published(points.len())))
            }
            _ if graphite.dialect == Dialect::Gateway => {
                store(&bad);
                Ok(response(200, &named(&bad)))
            }
            // Of an old point the write proxy says nothing better, and has stored the others.
            _ if points[bad[0]].value.to_bits().is_multiple_of(2) => {
                store(&bad);
                Ok(response(500, "failed to push metric data"))
            }
            _ => Ok(response(400, "invalid metric data received: no good")),
        };
        if let (Ok(Response { status: 400 | 422 | 500, .. }), [point]) = (&answer, points) {
            self.ledger.refuse_alone(at, &point.key, machine.process);
        }
        answer
    }

    /// Points reach a destination.
    pub(super) fn arrive<'k>(
        &mut self,
        process: usize,
        at: usize,
        points: impl Iterator<Item = (&'k (String, i64), f64)>,
        is_in_time: bool,
    ) {
        let of = &mut self.processes[process];
        for (key, value) in points {
            let is_own = Some(key.1) == of.started && of.quotes.iter().any(|quote| quote.name == key.0);
            of.sent_own[at] |= is_own && is_in_time;
            self.ledger.arrive(key, value, process, &of.destinations, at);
        }
    }

    fn note_answer(&mut self, process: usize, at: usize, answer: &Answer, points: &[Point]) {
        let of = &mut self.processes[process];
        match answer {
            Ok(Response { status: 200, .. }) => of.saw_success[at] = true,
            Ok(Response { status: 401 | 403 | 300..=399, .. }) => of.saw_forbidden = true,
            _ => of.saw_failure = true,
        }
        if answer.is_ok() {
            for point in points {
                self.ledger.answer(at, &point.key);
            }
        }
    }
}

fn response(status: u16, body: &str) -> Response {
    Response { status, retry_after: None, remaining: None, redirect: None, body: body.as_bytes().to_vec().into() }
}

fn read(body: &[u8]) -> Vec<Point> {
    let points: Vec<Value> = serde_json::from_slice(body).expect("an array of points");
    let point = |point: Value| {
        let key = (point["name"].as_str()?.to_owned(), point["time"].as_i64()?);
        Some(Point { key, value: point["value"].as_f64()? })
    };
    points.into_iter().map(|value| point(value).expect("a point")).collect()
}

/// Whether a point is bad is nobody's choice but the point's.
fn is_bad(key: &(String, i64), one_in: u64) -> bool {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    one_in > 0 && hasher.finish().is_multiple_of(one_in)
}

/// The feed of a symbol: its name is the first letter.
pub(super) fn feed_of(symbol: &str) -> String {
    symbol[..1].to_lowercase() + if symbol.ends_with('0') { "-x" } else { "" }
}
