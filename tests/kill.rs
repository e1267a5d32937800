//! Runs that are killed at any instant, and a Graphite that is away or goes away: no point is lost
//! whose file was in place.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Latch, Reply, Server, TIMEOUT, Verdict, journal::Journal, port, prices,
};
use datametrics::retry::Random;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Runs that are killed for each kind of Graphite.
const KILLS: usize = 100;

/// After so many of them one is left to its end.
const REST: usize = 20;

/// Name and time of a point, and its value.
type Points = BTreeMap<(String, i64), String>;

/// When a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    /// Whatever it does then.
    AfterAWhile,
    /// The provider was asked and has not answered.
    Asked,
    /// It writes its file.
    Writing,
    /// Its file is in place.
    Kept,
    /// Graphite has read a push and does nothing with it.
    Pushed,
    /// Graphite has stored a push, but not answered.
    Stored,
    /// Graphite stores and answers.
    Answered,
    /// A file of the journal is gone.
    Removed,
}

const WHENS: [When; 10] = [
    When::AfterAWhile,
    When::AfterAWhile,
    When::AfterAWhile,
    When::Asked,
    When::Writing,
    When::Kept,
    When::Pushed,
    When::Stored,
    When::Answered,
    When::Removed,
];

/// What both sides of a run do.
#[derive(Default)]
struct Play {
    /// When the run is killed; none when it is left alone.
    when: Option<When>,
    /// Holds back what the run must not see before it is dead.
    latch: Latch,
    /// The price that the provider gives.
    price: usize,
}

/// What takes the points.
enum Graphite {
    Ingest(Ingest),
    Carbon(Carbon),
}

impl Graphite {
    fn ingest(dialect: Dialect, play: &Arc<Mutex<Play>>) -> Self {
        let play = Arc::clone(play);
        Self::Ingest(Ingest::deciding(dialect, move |push| {
            let play = play.lock().expect("no panic in here");
            match play.when {
                Some(When::Pushed) => Verdict::Refuse(Reply::close().after(&play.latch)),
                Some(When::Stored) => {
                    let reply = Reply::json(format!(r#"{{"published":{}}}"#, push.points.len()));
                    Verdict::TakeBut(reply.after(&play.latch))
                }
                _ => Verdict::Take,
            }
        }))
    }

    fn of(&self, run: Datametrics) -> Datametrics {
        match self {
            Self::Ingest(ingest) => run.graphite(ingest),
            Self::Carbon(carbon) => run.carbon(carbon),
        }
    }

    /// What it has read.
    fn pushes(&self) -> usize {
        match self {
            Self::Ingest(ingest) => ingest.server().requests().len(),
            Self::Carbon(carbon) => carbon.connections().len(),
        }
    }

    /// What it has, in the order in which it came.
    fn stored(&self) -> Vec<((String, i64), String)> {
        let points = match self {
            Self::Ingest(ingest) => ingest.points(),
            Self::Carbon(carbon) => carbon.points(),
        };
        let time = |time| i64::try_from(time).expect("a time");
        points.into_iter().map(|point| ((point.name, time(point.time)), point.value)).collect()
    }
}

/// Kills a run at that time.
fn kill(run: &Datametrics, graphite: &Graphite, provider: &Server, when: When, pause: Duration) {
    let journal = Journal::of(run);
    let files = || BTreeSet::from_iter(journal.file_names());
    let temporary = || BTreeSet::from_iter(journal.temporary_names());
    let (files_before, temporary_before) = (files(), temporary());
    let (pushes, asked) = (graphite.pushes(), provider.requests().len());
    let is_time = || match when {
        When::AfterAWhile => true,
        When::Asked => provider.requests().len() > asked,
        When::Writing => !temporary().is_subset(&temporary_before) || !files().is_subset(&files_before),
        When::Kept => !files().is_subset(&files_before),
        When::Pushed | When::Stored | When::Answered => graphite.pushes() > pushes,
        When::Removed => !files_before.is_subset(&files()),
    };
    let mut running = run.spawn();
    if when == When::AfterAWhile {
        thread::sleep(pause);
    }
    let begun = std::time::Instant::now();
    // It may be over before anybody sees it.
    while !is_time() && running.child.try_wait().expect("a child of ours").is_none() {
        assert!(begun.elapsed() < TIMEOUT, "waited in vain: {when:?}");
        thread::yield_now();
    }
    running.kill();
}

/// No point of these has two values, and each batch that is there is there as a whole.
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

fn kill_runs(kind: &str, graphite: impl FnOnce(&Arc<Mutex<Play>>) -> Graphite, whens: &[When], seed: u64) {
    let play = Arc::new(Mutex::new(Play::default()));
    let provider = {
        let play = Arc::clone(&play);
        Server::with(move |_| {
            let play = play.lock().expect("no panic in here");
            let reply = Reply::json(format!(r#"[{{"symbol":"BTC","price":{}}}]"#, play.price));
            if play.when == Some(When::Asked) { reply.after(&play.latch) } else { reply }
        })
    };
    let graphite = graphite(&play);
    let run = graphite.of(prices::run(&provider, ""));
    let random = Random::seeded(seed);
    let mut kept = Points::new();
    // How often a run was killed then, and how often its file was in place.
    let mut counts: BTreeMap<When, (usize, usize)> = BTreeMap::new();
    for price in 1..=KILLS {
        let when = whens[usize::try_from(random.next() % whens.len() as u64).expect("a small number")];
        let latch = Latch::new();
        *play.lock().expect("no panic in here") = Play { when: Some(when), latch: latch.clone(), price };
        let named = |price: usize| run.clone().args(["--prefix", &format!("r{price}")]);
        let pause = Duration::from_micros(random.next() % 40_000);
        kill(&named(price), &graphite, &provider, when, pause);
        latch.release();
        let waiting = Journal::of(&run).values();
        let count = counts.entry(when).or_default();
        count.0 += 1;
        count.1 += usize::from(waiting.keys().any(|(name, _)| name.starts_with(&format!("r{price}."))));
        kept.extend(waiting);
        if price % REST == 0 {
            *play.lock().expect("no panic in here") = Play { price: KILLS + price, ..Play::default() };
            named(KILLS + price).check();
            assert_eq!(Journal::of(&run).files(), []);
        }
    }
    println!("{kind}: (killed, of them with the file in place) {counts:?}, {} points were in files", kept.len());
    let stored = check(&graphite.stored());
    for (point, value) in &kept {
        assert_eq!(stored.get(point), Some(value), "{point:?}");
    }
    let in_place: usize = counts.values().map(|(_, kept)| kept).sum();
    assert!(in_place > KILLS / 10, "only {in_place} files were in place: {counts:?}");
}

#[test]
fn killed_runs_lose_no_point_that_was_in_the_journal() {
    thread::scope(|scope| {
        scope.spawn(|| kill_runs("new", |play| Graphite::ingest(Dialect::WriteProxy, play), &WHENS, 1));
        scope.spawn(|| kill_runs("old", |play| Graphite::ingest(Dialect::Gateway, play), &WHENS, 2));
        let whens = [When::AfterAWhile, When::Asked, When::Writing, When::Kept, When::Answered, When::Removed];
        scope.spawn(move || kill_runs("Carbon", |_| Graphite::Carbon(Carbon::start()), &whens, 3));
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
    const KEPT: &str = "error: graphite: [..]; the points are in the journal, the next run sends them\n";
    let closed = port::unused();
    let ingest = Graphite::Ingest(Ingest::start(Dialect::WriteProxy));
    let carbon = Graphite::Carbon(Carbon::start());
    for (graphite, down) in
        [(ingest, format!("http://127.0.0.1:{closed}/metrics")), (carbon, format!("tcp://127.0.0.1:{closed}"))]
    {
        let (provider, number) = numbered();
        let run = prices::run(&provider, "");
        let next = |at: usize| {
            number.store(at, Ordering::SeqCst);
            run.clone().args(["--prefix", &format!("r{at}")])
        };
        for at in 1..=30 {
            next(at).env("GRAPHITE_URL", &down).stderr(KEPT).exit(75).check();
            assert_eq!(Journal::of(&run).files().len(), at);
        }
        let kept = Journal::of(&run).values();
        graphite.of(next(31)).check();
        assert_eq!(Journal::of(&run).files(), []);

        let stored = graphite.stored();
        let mut order: Vec<&str> = stored.iter().map(|((name, _), _)| name.split('.').next().unwrap()).collect();
        order.dedup();
        assert_eq!(order, (1..=31).map(|at| format!("r{at}")).collect::<Vec<_>>());
        let stored = check(&stored);
        assert!(kept.len() >= 30 * (1 + prices::HEALTH_POINTS));
        assert!(kept.iter().all(|(point, value)| stored.get(point) == Some(value)));
    }
}

/// What was taken without a word is sent once more, and is the same.
#[test]
fn connection_cut_before_the_reply_loses_no_point() {
    for dialect in [Dialect::WriteProxy, Dialect::Gateway] {
        for cut in [Reply::close as fn() -> Reply, Reply::reset, || Reply::json("{\"published\":1}").cut_after(5)] {
            let ingest = Ingest::deciding(dialect, move |push| match push.number {
                1 | 2 => Verdict::TakeBut(cut()),
                _ => Verdict::Take,
            });
            let graphite = Graphite::Ingest(ingest);
            let (provider, number) = numbered();
            let run = graphite.of(prices::run(&provider, ""));
            let said = "error: graphite: 127.0.0.1 cut the connection before its reply was whole; \
                        the points are in the journal, the next run sends them\n";
            for (at, code) in [(1, 75), (2, 75), (3, 0)] {
                number.store(at, Ordering::SeqCst);
                let run = run.clone().args(["--prefix", &format!("r{at}")]);
                run.stderr(if code == 0 { "" } else { said }).exit(code).check();
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
