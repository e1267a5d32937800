//! A list that is many requests to an ingest: four of them go side by side. What is said of one of them concerns its
//! own points only.

use crate::support::{
    Datametrics, Dialect, Ingest, Latch, Output, Received, Reply, Server, Verdict, graphite::Push, journal::Journal,
    numbered, pause_until_the_next_second, prices,
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Points of four requests.
const POINTS: usize = 20_000;

/// A point of the second of them.
const OF_SECOND: &str = "long.7000";

/// A run that finds so many points of one time in the journal.
struct LongList {
    run: Datametrics,
    ingest: Ingest,
    _provider: Server,
}

impl LongList {
    fn new(points: usize, retries: &str, ingest: Ingest) -> Self {
        let provider = prices::provider(&[("BTC", "61000.5")]);
        let run = prices::run_without_symbols(&provider, "").args(["--symbols", "BTC", "--retries", retries]);
        let run = run.graphite(&ingest);
        Journal::of(&run).plant(60, &numbered("long", points));
        Self { run, ingest, _provider: provider }
    }

    /// The indexes of the points that Graphite has, sorted: a point that was stored twice is there twice.
    fn landed(&self) -> Vec<usize> {
        let points = self.ingest.points().into_iter();
        let mut landed: Vec<usize> = points.filter_map(|point| index(&point.name)).collect();
        landed.sort_unstable();
        landed
    }

    /// The indexes of the points that wait, in their order.
    fn waiting(&self) -> Vec<usize> {
        let points = Journal::of(&self.run).files().into_iter().flat_map(|file| file.points);
        points.filter_map(|point| index(&point.name)).collect()
    }

    /// All but the points of the second request have landed once, and these wait in their order. The next run sends
    /// them, and nothing twice.
    fn waits_for_the_second(self, output: &Output) {
        let second = 5_000..10_000;
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(self.landed().into_iter().eq((0..POINTS).filter(|index| !second.contains(index))), "{output}");
        assert!(self.waiting().into_iter().eq(second));
        self.ingest.recover();
        self.run.clone().check();
        assert!(self.landed().into_iter().eq(0..POINTS));
        assert_eq!(Journal::of(&self.run).file_names(), [""; 0]);
    }
}

fn index(name: &str) -> Option<usize> {
    name.strip_prefix("long.")?.parse().ok()
}

/// An ingest that answers nobody before four requests are in flight. It decides like this.
fn answering_four(decide: impl Fn(&Push) -> Verdict + Send + Sync + 'static) -> Ingest {
    let four = Latch::new();
    Ingest::deciding(Dialect::WriteProxy, move |push| {
        if push.number == 4 {
            four.release();
        }
        match decide(push) {
            Verdict::Take => {
                let reply = Reply::json(format!(r#"{{"published":{}}}"#, push.points.len()));
                Verdict::TakeBut(reply.after(&four))
            }
            Verdict::Refuse(reply) => Verdict::Refuse(reply.after(&four)),
            verdict => verdict,
        }
    })
}

/// The same; requests with [`OF_SECOND`] get this reply.
fn refusing_second(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Ingest {
    answering_four(move |push| if is_second(push) { Verdict::Refuse(reply()) } else { Verdict::Take })
}

fn is_second(push: &Push) -> bool {
    push.points.iter().any(|point| point.name == OF_SECOND)
}

#[test]
fn four_requests_are_in_flight_at_once_and_the_run_comes_last() {
    let list = LongList::new(27_000, "0", answering_four(|_| Verdict::Take));
    list.run.clone().check();
    assert!(list.landed().into_iter().eq(0..27_000));
    let requests = list.ingest.server().requests();
    assert_eq!(requests.len(), 7, "six of 4,500 points, and that of the run");
    assert!(requests[6].text().contains("crypto.BTC-USD.last"));
    assert_eq!(requests.iter().map(|request| request.connection).max(), Some(4), "each of the four has its own");
}

/// Whoever refuses the whole of a batch for one point does not name it. A conflict is a 500, as an outage is.
#[test]
fn bad_point_among_four_requests_costs_only_itself() {
    for (status, said) in [(400, "name too odd"), (500, "failed to push metric data")] {
        let list = LongList::new(POINTS, "0", refusing_second(move || Reply::text(status, said)));
        let output = list.run.run();
        assert_eq!(output.code, Some(75), "{output}");
        assert!(output.stderr.contains(&format!("refuses 1 point alone (HTTP {status}: {said})")), "{output}");
        assert_eq!(list.waiting(), [7_000]);
        let mut landed = list.landed();
        landed.dedup();
        assert!(landed.into_iter().eq((0..POINTS).filter(|index| *index != 7_000)));
        let message = format!("error: graphite refused {OF_SECOND}: HTTP {status}: {said}\n");
        list.run.clone().stderr(message).exit(1).check();
        assert_eq!(Journal::of(&list.run).file_names(), [""; 0]);
    }
}

#[test]
fn point_that_is_named_in_one_of_four_requests_is_the_right_one() {
    let ingest = Ingest::deciding(Dialect::Gateway, |push| {
        let at = push.points.iter().position(|point| point.name == OF_SECOND);
        at.map_or(Verdict::Take, |at| Verdict::Invalid(vec![at], "name too odd"))
    });
    let list = LongList::new(POINTS, "0", ingest);
    list.run.clone().stderr(format!("error: graphite refused {OF_SECOND}: name too odd\n")).exit(1).check();
    assert!(list.landed().into_iter().eq((0..POINTS).filter(|index| *index != 7_000)));
    assert_eq!(list.ingest.server().requests().len(), 5);
}

#[test]
fn request_that_fails_costs_those_beside_it_nothing() {
    let list = LongList::new(POINTS, "0", refusing_second(|| Reply::status(429)));
    let output = list.run.clone().args(["--format", "json"]).run();
    assert_eq!(output.code, Some(75), "{output}");
    let report: serde_json::Value = serde_json::from_str(&output.stdout).expect("a report");
    assert_eq!(report["destinations"][0]["taken"], 15_000);
    assert_eq!(list.ingest.server().requests().len(), 4);
    list.waits_for_the_second(&output);
}

#[test]
fn status_of_four_requests_is_the_worst() {
    let list = LongList::new(POINTS, "0", refusing_second(|| Reply::status(503)));
    assert_eq!(list.run.run().code, Some(75));
    list.ingest.recover();
    pause_until_the_next_second();
    list.run.clone().check();
    let status = list.ingest.value("metrics.crypto.graphite.response.status_code");
    assert_eq!(status.as_deref(), Some("503"));
}

#[test]
fn request_that_is_not_answered_costs_those_beside_it_nothing() {
    let provider_and_push = ["--timeout", "8"];
    let mut list = LongList::new(POINTS, "0", refusing_second(Reply::hang));
    list.run = list.run.args(provider_and_push);
    let output = list.run.run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stderr.contains("no whole answer from 127.0.0.1 in time"), "{output}");
    list.waits_for_the_second(&output);
}

#[test]
fn run_that_is_killed_with_four_requests_in_flight_loses_nothing() {
    let list = LongList::new(POINTS, "0", Ingest::deciding(Dialect::WriteProxy, |_| Verdict::TakeBut(Reply::hang())));
    let running = list.run.spawn();
    list.ingest.server().wait_for(4);
    running.kill();
    assert!(list.waiting().into_iter().eq(0..POINTS));
    list.ingest.recover();
    list.run.clone().check();
    let mut landed = list.landed();
    landed.dedup();
    assert!(landed.into_iter().eq(0..POINTS));
    assert_eq!(Journal::of(&list.run).file_names(), [""; 0]);
}

#[test]
fn refused_credentials_of_one_request_end_the_push() {
    let list = LongList::new(POINTS, "2", refusing_second(|| Reply::status(401)));
    let output = list.run.run();
    assert_eq!(output.code, Some(77), "{output}");
    assert_eq!(list.ingest.server().requests().len(), 4);
    list.waits_for_the_second(&output);
}

#[test]
fn refused_credentials_of_four_requests_are_one_message() {
    let list = LongList::new(27_000, "2", answering_four(|_| Verdict::Refuse(Reply::status(401))));
    let output = list.run.run();
    assert_eq!((output.code, output.stderr.lines().count()), (Some(77), 1), "{output}");
    assert_eq!(list.ingest.server().requests().len(), 4, "and none begins after them");
    assert!(list.waiting().into_iter().eq(0..27_000), "in their order");
}

/// No point is bad, and four requests cost no more than one does.
#[test]
fn outage_that_meets_four_requests_blames_no_point() {
    for status in [400, 500] {
        let list = LongList::new(27_000, "0", answering_four(move |_| Verdict::Refuse(Reply::status(status))));
        let output = list.run.run();
        assert_eq!((output.code, output.stderr.lines().count()), (Some(75), 1), "{output}");
        assert!(output.stderr.contains(&format!("127.0.0.1 answered HTTP {status};")), "{output}");
        assert!(list.waiting().into_iter().eq(0..27_000), "in their order");
        assert!(Journal::of(&list.run).files().iter().all(|file| file.points.iter().all(|p| p.refusals == 0)));
        let requests = list.ingest.server().requests().len();
        assert!(requests < 30, "{requests} requests");
    }
}

#[test]
fn request_among_four_is_repeated_with_the_same_body() {
    let times = AtomicUsize::new(0);
    let list = LongList::new(
        POINTS,
        "2",
        answering_four(move |push| {
            let is_refused = is_second(push) && times.fetch_add(1, Ordering::SeqCst) < 2;
            if is_refused { Verdict::Refuse(Reply::status(503)) } else { Verdict::Take }
        }),
    );
    list.run.clone().check();
    assert!(list.landed().into_iter().eq(0..POINTS));
    let requests = list.ingest.server().requests();
    assert_eq!(requests.len(), 7);
    let name = format!("\"{OF_SECOND}\"");
    let bodies: Vec<_> = requests.iter().map(Received::text).filter(|text| text.contains(&name)).collect();
    assert!(bodies.len() == 3 && bodies.iter().all(|body| *body == bodies[0]));
}

#[test]
fn four_requests_that_are_too_large_are_halved() {
    let list = LongList::new(
        POINTS,
        "0",
        answering_four(
            |push| {
                if push.points.len() > 3_000 { Verdict::Refuse(Reply::status(413)) } else { Verdict::Take }
            },
        ),
    );
    list.run.clone().check();
    assert!(list.landed().into_iter().eq(0..POINTS), "none is sent twice");
    assert_eq!(list.ingest.server().requests().len(), 4 + 8 + 1);
}

/// The points of the run itself are many requests too; those about the push before are of another time.
#[test]
fn long_list_of_the_run_itself_goes_side_by_side() {
    let symbols = numbered("S", 15_000).join("\n").replace('.', "");
    let rows: Vec<String> = symbols.lines().map(|symbol| format!(r#"{{"symbol":"{symbol}","price":2}}"#)).collect();
    let body = format!("[{}]", rows.join(","));
    let provider = Server::with(move |_| Reply::json(body.clone()));
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = prices::run_without_symbols(&provider, "").graphite(&ingest).args(["-"]).stdin(symbols);
    run.clone().check();
    let before = ingest.server().requests().len();
    assert_eq!(before, 4, "15,009 points");
    pause_until_the_next_second();
    let four = Latch::new();
    let latch = four.clone();
    ingest.decide(move |push| {
        let times: Vec<u64> = push.points.iter().map(|point| point.time).collect();
        let count = push.points.len();
        let reply = Reply::json(format!(r#"{{"published":{count}}}"#));
        if push.number == before + 4 {
            latch.release();
        }
        let is_alone = times.iter().any(|time| *time != times[0]);
        assert!(!is_alone || push.number == before + 5, "two times side by side");
        Verdict::TakeBut(reply.after(&latch))
    });
    let output = run.args(["--format", "wire"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let requests = ingest.server().requests();
    assert_eq!(requests.len(), before + 5, "four of the prices, and one with the points about the push before");
    assert!(requests[before + 4].text().contains(".graphite.response.status_code"));
    let mut bodies: Vec<&str> = requests[before..].iter().map(Received::text).collect();
    bodies.sort_unstable();
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    lines.sort_unstable();
    assert!(lines == bodies, "what is printed is what was sent");
}
