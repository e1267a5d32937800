//! What an outage of a day leaves in the journal: a file a minute. It must be sent within one run, in few
//! requests, and each file must get its own part of what Graphite says.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Point, Reply, Server, Verdict,
    carbon::Behaviour,
    in_parallel,
    journal::{Journal, JournalFile},
    now, prices,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// Minutes of a day.
pub(crate) const FILES: i64 = 1_440;

/// The points of a run.
const POINTS: usize = 24;

/// Longer than all files have waited.
pub(crate) const A_WEEK: &str = "[journal]\nmax_age = 604800\n";

fn provider() -> Server {
    prices::provider(&[("BTC", "61000.5")])
}

/// Leaves the files of `files` minutes in the journal.
pub(crate) fn outage(run: &Datametrics, files: i64) -> Vec<JournalFile> {
    let names: Vec<String> = (0..POINTS).map(|index| format!("outage.{index}")).collect();
    (1..=files).rev().map(|minute| Journal::of(run).plant(minute * 60, &names)).collect()
}

/// How many different points of the outage Graphite has.
fn landed(ingest: &Ingest) -> usize {
    let points = ingest.points();
    let of_outage = points.iter().filter(|point| point.name.starts_with("outage."));
    of_outage.map(|point| (&point.name, point.time)).collect::<BTreeSet<_>>().len()
}

#[test]
fn outage_of_a_day_is_sent_in_eight_requests() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, A_WEEK).graphite(&ingest);
    outage(&run, FILES);
    run.clone().check();
    assert_eq!(landed(&ingest), 1_440 * POINTS);
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
    assert_eq!(ingest.server().requests().len(), 8, "seven of 5,000 points at most, and that of the run");
    let times: Vec<_> = ingest.points().iter().map(|point| point.time).collect();
    assert!(times[..1_440 * POINTS].is_sorted(), "the cloud takes samples in order");
}

/// At an ingest all but the last hour is too old, and is sent although it may be refused.
#[test]
fn outage_of_a_day_is_sent_in_few_requests_where_all_is_too_old() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, "").graphite(&ingest);
    outage(&run, FILES);
    run.clone().check();
    assert_eq!((landed(&ingest), ingest.server().requests().len()), (1_440 * POINTS, 9));
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
}

/// What is older than the oldest that is taken is dropped, and what is younger is not. The current ingest answers such
/// points with 500, as an outage: that must not cost retries and probes for each file.
#[test]
fn oldest_file_that_graphite_takes_is_found() {
    for (status, taken, most) in [(400, 500, 45), (400, 62, 45), (500, 500, 70), (500, 62, 70)] {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let run = prices::run_without_symbols(&provider, "").args(["--symbols", "BTC"]).graphite(&ingest);
        let files = outage(&run, FILES);
        let oldest = files.len() - taken;
        let limit = files[oldest].started;
        ingest.decide(move |push| {
            let is_old = push.points.iter().any(|point| i64::try_from(point.time).is_ok_and(|time| time < limit));
            if is_old { Verdict::Refuse(Reply::status(status)) } else { Verdict::Take }
        });
        let message = format!(
            "error: journal: dropped {} points of {oldest} runs, which are older than journal.max_age allows\n",
            oldest * POINTS
        );
        run.clone().stderr(message).exit(1).check();
        assert_eq!(landed(&ingest), taken * POINTS);
        assert_eq!(Journal::of(&run).file_names(), [""; 0]);
        let requests = ingest.server().requests().len();
        assert!(requests <= most, "{requests} requests where {status} is the answer, and {taken} files are taken");
    }
}

/// Files that are too old may also be refused for a bad point. Two of them side by side do not show that all before them
/// are too old, once one of those is taken.
#[test]
fn bad_files_among_old_ones_cost_only_themselves() {
    for bad in [[1_000, 1_001, 200], [1_300, 1_301, 1_200]] {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let run = prices::run(&provider, "").graphite(&ingest);
        let files = outage(&run, FILES);
        let times: Vec<i64> = bad.iter().map(|index: &usize| files[*index].started).collect();
        ingest.decide(move |push| {
            let is_bad = |point: &Point| times.iter().any(|time| u64::try_from(*time) == Ok(point.time));
            let has_bad = push.points.iter().any(|point| point.name == "outage.7" && is_bad(point));
            if has_bad { Verdict::Refuse(Reply::status(400)) } else { Verdict::Take }
        });
        let (runs, points) = (bad.len(), bad.len() * POINTS);
        let message = format!(
            "error: journal: dropped {points} points of {runs} runs, which are older than journal.max_age allows\n"
        );
        run.clone().stderr(message).exit(1).check();
        assert_eq!(landed(&ingest), (files.len() - runs) * POINTS);
    }
}

/// In the search for the oldest file that is taken, one failure that passes is no reason to drop a file.
#[test]
fn failure_that_passes_drops_no_old_file() {
    const TAKEN: usize = 131;
    for failing in 1..=8 {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let run = prices::run_without_symbols(&provider, "").args(["--symbols", "BTC"]).graphite(&ingest);
        let files = outage(&run, 200);
        let limit = files[files.len() - TAKEN].started;
        let good_since_refusal = Mutex::new(None);
        ingest.decide(move |push| {
            let mut count = good_since_refusal.lock().expect("no panic");
            if push.points.iter().any(|point| i64::try_from(point.time).is_ok_and(|time| time < limit)) {
                count.get_or_insert(0);
                return Verdict::Refuse(Reply::status(500));
            }
            // A probe is one point.
            let is_failing = count.as_mut().filter(|_| push.points.len() > 1).is_some_and(|count| {
                *count += 1;
                *count == failing
            });
            if is_failing { Verdict::Refuse(Reply::status(500)) } else { Verdict::Take }
        });
        assert_eq!(run.run().code, Some(1));
        assert_eq!(landed(&ingest), TAKEN * POINTS, "a failure of request {failing}");
    }
}

/// A file that is refused whole is found, and no other is refused for the order in which points are sent meanwhile.
#[test]
fn search_keeps_the_order_of_samples() {
    for bad in [0, 5, 9] {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let run = prices::run(&provider, "").graphite(&ingest);
        let time = outage(&run, 10)[bad].started;
        let newest = Mutex::new(BTreeMap::new());
        ingest.decide(move |push| {
            let mut newest = newest.lock().expect("no panic");
            let is_late = |point: &Point| newest.get(&point.name).is_some_and(|newest| point.time < *newest);
            if push.points.iter().any(|point| is_late(point) || u64::try_from(time) == Ok(point.time)) {
                return Verdict::Refuse(Reply::status(500));
            }
            newest.extend(push.points.iter().map(|point| (point.name.clone(), point.time)));
            Verdict::Take
        });
        assert_eq!(run.run().code, Some(75));
        assert_eq!(landed(&ingest), 9 * POINTS, "file {bad} is bad");
        assert_eq!(Journal::of(&run).file_names().len(), 1);
    }
}

/// A server that takes the samples of a series only in order is asked whether it is well by the oldest of the waiting
/// points, not by one of this run: it would refuse all others of that series.
#[test]
fn probe_keeps_the_order_of_samples() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let run = prices::run_without_symbols(&provider, "").args(["--symbols", "BTC"]).graphite(&ingest);
    run.clone().check();
    let names: Vec<String> = ingest.points().into_iter().map(|point| point.name).collect();
    (1..=5).rev().for_each(|minute| drop(Journal::of(&run).plant(minute * 60, &names)));
    let (before, newest) = (ingest.points().len(), Mutex::new(BTreeMap::new()));
    ingest.decide(move |push| {
        let mut newest = newest.lock().expect("no panic");
        let is_late = |point: &Point| newest.get(&point.name).is_some_and(|newest| point.time < *newest);
        // The run's own push was the first.
        if push.number <= 4 || push.points.iter().any(is_late) {
            return Verdict::Refuse(Reply::status(500));
        }
        newest.extend(push.points.iter().map(|point| (point.name.clone(), point.time)));
        Verdict::Take
    });
    run.clone().check();
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
    let points = ingest.points().split_off(before);
    let of_names = points.iter().filter(|point| names.contains(&point.name));
    let landed: BTreeSet<_> = of_names.map(|point| (&point.name, point.time)).collect();
    assert_eq!(landed.len(), (5 + 1) * names.len(), "each point of five waiting runs and of this one");
}

/// Every file has one bad point. Each is found in the first run, and given up in the second.
#[test]
fn bad_point_in_each_file_costs_only_itself() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, "").graphite(&ingest);
    outage(&run, 50);
    ingest.decide(|push| {
        let has_bad = push.points.iter().any(|point| point.name == "outage.7");
        if has_bad { Verdict::Refuse(Reply::status(400)) } else { Verdict::Take }
    });
    let output = run.run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stderr.contains("127.0.0.1 refuses 50 points alone (HTTP 400)"), "{output}");
    assert_eq!(landed(&ingest), 50 * (POINTS - 1));
    let left: Vec<_> = Journal::of(&run).files().into_iter().flat_map(|file| file.points).collect();
    assert_eq!(left.len(), 50);
    assert!(left.iter().all(|point| (point.name.as_str(), point.refusals) == ("outage.7", 1)), "{left:?}");
    let output = run.run();
    assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 11), "{output}");
    assert!(output.stderr.ends_with("error: graphite refused 40 more\n"), "{output}");
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
}

/// A request that the server takes in part is settled file by file.
#[test]
fn reply_that_names_a_point_is_mapped_to_its_file() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::Gateway));
    let run = prices::run(&provider, "").graphite(&ingest);
    outage(&run, 3);
    ingest.decide(|push| {
        if push.points.len() == 3 * POINTS {
            let reply = r#"{"Published":71,"ValidationErrors":{"too odd":{"Count":1,"ExampleIds":[30]}}}"#;
            return Verdict::TakeBut(Reply::json(reply));
        }
        Verdict::Take
    });
    run.clone().stderr("error: graphite refused outage.6: too odd\n").exit(1).check();
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
}

#[test]
fn outage_of_a_day_is_one_connection_to_carbon_and_the_run_another() {
    for scheme in ["tcp", "pickle"] {
        let (provider, carbon) = (provider(), Carbon::start());
        let run = prices::run(&provider, "").env("GRAPHITE_URL", format!("{scheme}://{}", carbon.authority()));
        outage(&run, FILES);
        run.clone().check();
        assert_eq!(carbon.connections().len(), 2, "that of the outage, and that of the run");
        let points = if scheme == "tcp" { carbon.points().len() } else { carbon.pickled().len() };
        assert_eq!(points, 1_440 * POINTS + 1 + prices::HEALTH_POINTS);
        assert_eq!(Journal::of(&run).file_names(), [""; 0]);
    }
}

#[test]
fn backlog_stays_where_carbon_goes_away() {
    let (provider, carbon) = (provider(), Carbon::with(&[Behaviour::Reset, Behaviour::ReadToEnd]));
    let run = prices::run(&provider, "").env("GRAPHITE_URL", carbon.url());
    outage(&run, 100);
    assert_eq!(run.run().code, Some(75));
    assert_eq!(Journal::of(&run).file_names().len(), 101);
    run.clone().check();
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
}

/// Plays runs until nothing waits. Returns how many points each of them took.
fn drain(run: &Datametrics) -> Vec<u64> {
    let mut taken = Vec::new();
    while !Journal::of(run).file_names().is_empty() {
        assert!(taken.len() < 20, "it never ends: {taken:?}");
        let output = run.clone().args(["--format", "json", "--timeout", "2"]).run();
        let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"));
        taken.push(report["destinations"][0]["taken"].as_u64().expect("a number"));
        assert_eq!(output.code, Some(if Journal::of(run).file_names().is_empty() { 0 } else { 75 }), "{output}");
    }
    taken
}

/// A backlog that cannot go through in the time of a run, as it is, goes through in parts.
#[test]
fn backlog_is_sent_in_smaller_parts_to_a_graphite_that_is_too_slow_for_all_of_it() {
    let provider = provider();
    let ingest = Ingest::deciding(Dialect::WriteProxy, |push| {
        if push.points.len() > 700 { Verdict::Refuse(Reply::hang()) } else { Verdict::Take }
    });
    let carbon = Carbon::with(&[Behaviour::ReadUpTo(20_000)]);
    let too_old = prices::run(&provider, "").graphite(&ingest);
    let runs = [prices::run(&provider, A_WEEK).graphite(&ingest), too_old, prices::run(&provider, "").carbon(&carbon)];
    let taken = in_parallel(&runs, |run| {
        outage(run, 100);
        drain(run)
    });
    for taken in taken {
        assert!(taken.iter().filter(|taken| **taken > 0).count() > 1, "{taken:?}");
    }
    let times: Vec<_> = carbon.points().iter().map(|point| point.time).collect();
    assert!(times[..100 * POINTS].is_sorted(), "oldest first");
}

/// Nobody knows which of two files the server does not take.
#[test]
fn file_of_which_graphite_says_nothing_holds_up_no_other() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, "").graphite(&ingest);
    let names = |name: &str| [format!("{name}.1"), format!("{name}.2")];
    Journal::of(&run).plant(120, &names("silent"));
    Journal::of(&run).plant(60, &names("good"));
    ingest.decide(|push| {
        let is_silent = push.points.iter().any(|point| point.name == "silent.1");
        if is_silent { Verdict::Refuse(Reply::json(r#"{"published":0}"#)) } else { Verdict::Take }
    });
    assert_eq!(run.run().code, Some(75));
    let left: Vec<_> = Journal::of(&run).files().into_iter().flat_map(|file| file.points).collect();
    assert!(left.iter().all(|point| point.name.starts_with("silent.")), "{left:?}");
    assert_eq!(left.len(), 2);
}

/// Tags belong to all points of a file, and two points of one name and time are no request.
#[test]
fn files_that_cannot_be_joined_are_sent_one_by_one() {
    let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
    let run = prices::run(&provider, "[graphite]\ntags = { env = \"home\" }\n").graphite(&ingest);
    let first = Journal::of(&run).plant(60, &["a"]);
    Journal::of(&run).plant(now() - first.started, &["a"]);
    run.clone().check();
    assert_eq!(ingest.server().requests().len(), 3);
    assert_eq!(Journal::of(&run).file_names(), [""; 0]);
}
