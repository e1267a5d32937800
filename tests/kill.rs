//! Runs that are killed at any moment, and a Graphite that is down or goes down. No point of a complete
//! journal file is lost.

use crate::support::{
    Broker, Carbon, Datametrics, Dialect, Ingest, Latch, Reply, Server, TIMEOUT, Verdict, journal::Journal, port,
    prices,
};
use datametrics::Random;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How many runs are killed for each kind of Graphite.
const KILLS: usize = 100;

/// After this many killed runs, one run is left undisturbed.
const UNDISTURBED: usize = 20;

/// Name and time of a point, and its value.
type Points = BTreeMap<(String, i64), String>;

/// The moment at which a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// After a random pause.
    AfterAPause,
    /// The provider has the request and has not replied.
    Requested,
    /// The run writes its journal file.
    Writing,
    /// The journal file is complete.
    Written,
    /// Graphite has read a push and not stored it.
    Received,
    /// Graphite has stored a push and not replied.
    Stored,
    /// Graphite has stored a push and replied.
    Answered,
    /// The run has removed a journal file.
    Removed,
}

const MOMENTS: [Moment; 10] = [
    Moment::AfterAPause,
    Moment::AfterAPause,
    Moment::AfterAPause,
    Moment::Requested,
    Moment::Writing,
    Moment::Written,
    Moment::Received,
    Moment::Stored,
    Moment::Answered,
    Moment::Removed,
];

/// What provider and Graphite do during a run.
#[derive(Default)]
struct Script {
    /// The moment of the kill; none if the run is left undisturbed.
    moment: Option<Moment>,
    /// Holds the reply that the run must not get before it is killed.
    latch: Latch,
    /// The price in the reply of the provider.
    price: usize,
}

/// The server that takes the points.
enum Graphite {
    Ingest(Ingest),
    Carbon(Carbon),
    Broker(Broker),
}

impl Graphite {
    fn ingest(dialect: Dialect, script: &Arc<Mutex<Script>>) -> Self {
        let script = Arc::clone(script);
        Self::Ingest(Ingest::deciding(dialect, move |push| {
            let script = script.lock().expect("no panic in here");
            match script.moment {
                Some(Moment::Received) => Verdict::Refuse(Reply::close().after(&script.latch)),
                Some(Moment::Stored) => {
                    let reply = Reply::json(format!(r#"{{"published":{}}}"#, push.points.len()));
                    Verdict::TakeBut(reply.after(&script.latch))
                }
                _ => Verdict::Take,
            }
        }))
    }

    fn of(&self, run: Datametrics) -> Datametrics {
        match self {
            Self::Ingest(ingest) => run.graphite(ingest),
            Self::Carbon(carbon) => run.carbon(carbon),
            Self::Broker(broker) => run.broker(broker),
        }
    }

    /// How many pushes the server has read.
    fn pushes(&self) -> usize {
        match self {
            Self::Ingest(ingest) => ingest.server().requests().len(),
            Self::Carbon(carbon) => carbon.connections().len(),
            Self::Broker(broker) => broker.points().len(),
        }
    }

    /// The stored points, in the order of arrival.
    fn stored(&self) -> Vec<((String, i64), String)> {
        let points = match self {
            Self::Ingest(ingest) => ingest.points(),
            Self::Carbon(carbon) => carbon.points(),
            Self::Broker(broker) => broker.points(),
        };
        let time = |time| i64::try_from(time).expect("a time");
        points.into_iter().map(|point| ((point.name, time(point.time)), point.value)).collect()
    }
}

/// Starts a run and kills it at that moment.
fn kill(run: &Datametrics, graphite: &Graphite, provider: &Server, moment: Moment, pause: Duration) {
    let journal = Journal::of(run);
    let files = || BTreeSet::from_iter(journal.file_names());
    let temporary = || BTreeSet::from_iter(journal.temporary_names());
    let (files_before, temporary_before) = (files(), temporary());
    let (pushes, requests) = (graphite.pushes(), provider.requests().len());
    let is_reached = || match moment {
        Moment::AfterAPause => true,
        Moment::Requested => provider.requests().len() > requests,
        Moment::Writing => !temporary().is_subset(&temporary_before) || !files().is_subset(&files_before),
        Moment::Written => !files().is_subset(&files_before),
        Moment::Received | Moment::Stored | Moment::Answered => graphite.pushes() > pushes,
        Moment::Removed => !files_before.is_subset(&files()),
    };
    let mut running = run.spawn();
    if moment == Moment::AfterAPause {
        thread::sleep(pause);
    }
    let begun = std::time::Instant::now();
    // The run may end before the moment is seen.
    while !is_reached() && running.child.try_wait().expect("a child of ours").is_none() {
        assert!(begun.elapsed() < TIMEOUT, "waited in vain: {moment:?}");
        thread::yield_now();
    }
    running.kill();
}

/// Checks that no point has two values and that each batch is complete.
fn check(stored: &[((String, i64), String)]) -> Points {
    let mut values = Points::new();
    for (point, value) in stored {
        let known = values.entry(point.clone()).or_insert_with(|| value.clone());
        assert_eq!(known, value, "{point:?} has two values");
    }
    let mut batches: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in values.keys() {
        *batches.entry(name.split('.').next().expect("a prefix")).or_default() += 1;
    }
    for ((name, _), value) in &values {
        if let Some(prefix) = name.strip_suffix(".metrics.crypto.points") {
            assert_eq!(batches.remove(prefix).map(|count| count.to_string()).as_ref(), Some(value), "of {prefix}");
        }
        if let Some(prefix) = name.strip_suffix(".crypto.BTC-USD.last") {
            assert_eq!(prefix.strip_prefix('r'), Some(value.as_str()), "the price of {prefix}");
        }
    }
    assert!(batches.is_empty(), "in part: {batches:?}");
    values
}

fn kill_runs(kind: &str, graphite: impl FnOnce(&Arc<Mutex<Script>>) -> Graphite, moments: &[Moment], seed: u64) {
    let script = Arc::new(Mutex::new(Script::default()));
    let provider = {
        let script = Arc::clone(&script);
        Server::with(move |_| {
            let script = script.lock().expect("no panic in here");
            let reply = Reply::json(format!(r#"[{{"symbol":"BTC","price":{}}}]"#, script.price));
            if script.moment == Some(Moment::Requested) { reply.after(&script.latch) } else { reply }
        })
    };
    let graphite = graphite(&script);
    let run = graphite.of(prices::run(&provider, ""));
    let random = Random::seeded(seed);
    let mut written = Points::new();
    // How often a run was killed at that moment, and how often its journal file was complete.
    let mut counts: BTreeMap<Moment, (usize, usize)> = BTreeMap::new();
    for price in 1..=KILLS {
        let moment = moments[usize::try_from(random.next() % moments.len() as u64).expect("a small number")];
        let latch = Latch::new();
        *script.lock().expect("no panic in here") = Script { moment: Some(moment), latch: latch.clone(), price };
        let with_prefix = |price: usize| run.clone().args(["--prefix", &format!("r{price}")]);
        let pause = Duration::from_micros(random.next() % 40_000);
        kill(&with_prefix(price), &graphite, &provider, moment, pause);
        latch.release();
        let waiting = Journal::of(&run).values();
        let count = counts.entry(moment).or_default();
        count.0 += 1;
        count.1 += usize::from(waiting.keys().any(|(name, _)| name.starts_with(&format!("r{price}."))));
        written.extend(waiting);
        if price % UNDISTURBED == 0 {
            *script.lock().expect("no panic in here") = Script { price: KILLS + price, ..Script::default() };
            with_prefix(KILLS + price).check();
            assert_eq!(Journal::of(&run).files(), []);
        }
    }
    println!("{kind}: (killed, of them with the file in place) {counts:?}, {} points were in files", written.len());
    let stored = check(&graphite.stored());
    for (point, value) in &written {
        assert_eq!(stored.get(point), Some(value), "{point:?}");
    }
    let in_place: usize = counts.values().map(|(_, written)| written).sum();
    // The doubles of Carbon and of a broker hold no run back, so most runs have removed their file before they are killed.
    let enough = if matches!(graphite, Graphite::Ingest(_)) { KILLS / 10 } else { 0 };
    assert!(in_place > enough, "only {in_place} files were in place: {counts:?}");
}

#[test]
fn killed_runs_lose_no_point_that_was_in_the_journal() {
    thread::scope(|scope| {
        scope.spawn(|| kill_runs("new", |script| Graphite::ingest(Dialect::WriteProxy, script), &MOMENTS, 1));
        scope.spawn(|| kill_runs("old", |script| Graphite::ingest(Dialect::Gateway, script), &MOMENTS, 2));
        let moments = [
            Moment::AfterAPause,
            Moment::Requested,
            Moment::Writing,
            Moment::Written,
            Moment::Answered,
            Moment::Removed,
        ];
        scope.spawn(move || kill_runs("Carbon", |_| Graphite::Carbon(Carbon::start()), &moments, 3));
        scope.spawn(move || kill_runs("AMQP", |_| Graphite::Broker(Broker::start()), &moments, 4));
    });
}

/// A provider whose price is the number of the run.
fn numbered() -> (Server, Arc<AtomicUsize>) {
    let number = Arc::new(AtomicUsize::new(0));
    let price = Arc::clone(&number);
    let provider =
        Server::with(move |_| Reply::json(format!(r#"[{{"symbol":"BTC","price":{}}}]"#, price.load(Ordering::SeqCst))));
    (provider, number)
}

#[test]
fn thirty_runs_without_graphite_are_sent_in_their_order() {
    const STAYS_IN_JOURNAL: &str = "error: graphite: [..]? The points are in the journal, the next run sends them\n";
    let closed = port::unused();
    let ingest = Graphite::Ingest(Ingest::start(Dialect::WriteProxy));
    let carbon = Graphite::Carbon(Carbon::start());
    for (graphite, down) in [
        (ingest, format!("http://127.0.0.1:{closed}/metrics")),
        (carbon, format!("tcp://127.0.0.1:{closed}")),
        (Graphite::Broker(Broker::start()), format!("amqp://127.0.0.1:{closed}")),
    ] {
        let (provider, number) = numbered();
        // What waits for an address where nobody listens goes to the new one.
        let run = prices::run(&provider, &format!("[graphite]\nformerly = ['{down}']\n"));
        let next = |at: usize| {
            number.store(at, Ordering::SeqCst);
            run.clone().args(["--prefix", &format!("r{at}")])
        };
        for at in 1..=30 {
            next(at).env("GRAPHITE_URL", &down).stderr(STAYS_IN_JOURNAL).exit(75).check();
            assert_eq!(Journal::of(&run).files().len(), at);
        }
        let written = Journal::of(&run).values();
        graphite.of(next(31)).check();
        assert_eq!(Journal::of(&run).files(), []);

        let stored = graphite.stored();
        let mut order: Vec<&str> = stored.iter().map(|((name, _), _)| name.split('.').next().unwrap()).collect();
        order.dedup();
        assert_eq!(order, (1..=31).map(|at| format!("r{at}")).collect::<Vec<_>>());
        let stored = check(&stored);
        assert!(written.len() >= 30 * (1 + prices::HEALTH_POINTS));
        assert!(written.iter().all(|(point, value)| stored.get(point) == Some(value)));
    }
}

/// Points that were stored without a reply are sent once more with the same values.
#[test]
fn connection_cut_before_the_reply_loses_no_point() {
    for dialect in [Dialect::WriteProxy, Dialect::Gateway] {
        for cut in [Reply::close as fn() -> Reply, Reply::reset, || Reply::json("{\"published\":1}").cut_after(5)] {
            let ingest = Ingest::deciding(dialect, move |push| match push.number {
                // The batch and a probe of the first run; the journal and two probes of the second.
                1..=5 => Verdict::TakeBut(cut()),
                _ => Verdict::Take,
            });
            let graphite = Graphite::Ingest(ingest);
            let (provider, number) = numbered();
            let run = graphite.of(prices::run(&provider, ""));
            let message = "error: graphite: 127.0.0.1 cut the connection before its reply was whole; \
                        the points are in the journal, the next run sends them\n";
            for (at, code) in [(1, 75), (2, 75), (3, 0)] {
                number.store(at, Ordering::SeqCst);
                let run = run.clone().args(["--prefix", &format!("r{at}")]);
                run.stderr(if code == 0 { "" } else { message }).exit(code).check();
            }
            assert_eq!(Journal::of(&run).files(), []);
            let stored = graphite.stored();
            let times_of = |name: &str| stored.iter().filter(|((stored, _), _)| stored == name).count();
            let times = [1, 2, 3].map(|at| times_of(&format!("r{at}.crypto.BTC-USD.last")));
            assert_eq!(times, [3, 1, 1], "the first was taken twice without a word");
            check(&stored);
        }
    }
}
