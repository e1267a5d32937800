//! Whether the alert rules fire, and when: over what the real program pushes in simulated days, and a real
//! Graphite.

use super::{
    days::{Fault, World, config},
    evaluator::Rule,
};
use crate::support::{
    Datametrics, now,
    real_graphite::{RealGraphite, available},
};
use std::{collections::BTreeSet, io::Write as _, net::TcpStream, ops::Range};

/// Thanksgiving of 2026: on Thursday the exchange is closed, on Friday it closes at 13:00.
const WEDNESDAY_NOON: i64 = 1_795_608_000;
const DAY: i64 = 86_400;
const MINUTE: i64 = 60;

/// A Graphite, and where in it the simulated time lies: it stores no points of the future.
struct Store {
    graphite: RealGraphite,
    carbon: TcpStream,
    /// The names of all metrics.
    names: BTreeSet<String>,
    /// What is added to a simulated time.
    shift: i64,
}

impl Store {
    /// `end` is the last simulated second.
    fn new(end: i64) -> Self {
        let graphite = RealGraphite::with_retention("60s:8d");
        let carbon = TcpStream::connect(("127.0.0.1", graphite.plaintext)).unwrap();
        Self {
            graphite,
            carbon,
            names: BTreeSet::from(["stored".to_owned()]),
            shift: (now() - end) / 3600 * 3600 - 3600,
        }
    }

    /// Stores lines whose last time is that of `time`, and waits until Graphite has them.
    fn store(&mut self, lines: &str, time: i64) {
        let time = time + self.shift;
        // Carbon reads a line after the other, so what stands before this one is stored too.
        writeln!(self.carbon, "{lines}stored {time} {time}").unwrap();
        self.names.extend(lines.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())));
        // A pattern does not find a metric before it has a file.
        self.graphite.wait_for("files", || (self.graphite.files() == self.names.len()).then_some(()));
        let (from, until) = ((time - 120).to_string(), time.to_string());
        self.graphite.wait_for("the points", || {
            let reply = self.graphite.render_json("stored", &[("from", &from), ("until", &until)]);
            let points = reply[0]["datapoints"].as_array()?;
            #[expect(clippy::cast_precision_loss, reason = "Unix seconds")]
            let is_there = points.iter().any(|point| point[0].as_f64() == Some(time as f64));
            is_there.then_some(())
        });
    }
}

fn rules(prefix: &str) -> Vec<Rule> {
    let arguments = ["grafana", "alerts", "--datasource", "uid", "--format", "api"];
    let output = Datametrics::new().config(&config(prefix)).args(arguments).run();
    assert_eq!(output.code, Some(0), "{output}");
    Rule::all(&serde_json::from_str(&output.stdout).unwrap())
}

/// Faults of a single run: from which minute of the week on, and until which one. A feed that is not fetched in each
/// run is fetched once in this time.
const HICCUPS: [(i64, i64, Fault); 9] = [
    (60, 61, Fault::ProviderDown),
    (80, 81, Fault::Missing("ETH/USD")),
    (100, 101, Fault::Retry),
    (120, 121, Fault::PushFails),
    (140, 141, Fault::TakesLess),
    (170, 171, Fault::NoRun),
    (200, 205, Fault::Missing("AAPL")),
    (220, 227, Fault::Missing("north")),
    // The only one of Thursday.
    (1_430, 1_450, Fault::Missing("EUR/USD")),
];

/// The last run before the early close.
const LAST_OF_FRIDAY: (i64, i64, Fault) = (3_235, 3_240, Fault::Missing("AAPL"));

/// The run of this minute of the week is late by 50 seconds.
const LATE: i64 = 185;

/// From Wednesday to Monday, with a run each minute, of which some have a hiccup.
#[test]
fn a_week_with_hiccups_a_weekend_a_holiday_and_an_early_close_alarms_nobody() {
    if !available() {
        return;
    }
    let (begin, end) = (WEDNESDAY_NOON, WEDNESDAY_NOON + 5 * DAY + 4 * 60 * MINUTE);
    let mut store = Store::new(end);
    let world = World::new("week", true);
    let mut lines = String::new();
    for minute in (begin..end).step_by(60) {
        // Other points than those of the rules are stored nowhere.
        let of_rules = ["status_code", "expected", "fetched", "journal", "remaining", ".last ", ".low "];
        let of_week = (minute - begin) / MINUTE;
        let is_now = |(from, until, _): &&(i64, i64, Fault)| (*from..*until).contains(&of_week);
        let hiccup = HICCUPS.iter().chain([&LAST_OF_FRIDAY]).find(is_now);
        let fault = hiccup.map_or(Fault::Nothing, |(.., fault)| *fault);
        let late = if of_week == LATE { 50 } else { 0 };
        let pushed = world.run(minute + 23 + late, fault, store.shift);
        lines.extend(pushed.split_inclusive('\n').filter(|line| of_rules.iter().any(|part| line.contains(part))));
    }
    assert!(lines.contains("week.stocks.AAPL.last"));
    store.store(&lines, end - 37);
    // Every three minutes around the opening and the closing of the exchange and the daily run, else now and then.
    let edges = [5, 18, 101, 108, 245].map(|half_hours| begin + half_hours * 30 * MINUTE);
    let edges = edges.into_iter().flat_map(|edge| (edge - 3 * MINUTE..edge + 13 * MINUTE).step_by(180));
    // Each minute after a hiccup, until two of the feed's runs were good.
    let after = HICCUPS.iter().chain([&LAST_OF_FRIDAY]).flat_map(|(from, until, _)| *from..2 * until - from + 9);
    let after = after.chain(LATE..LATE + 4).map(|minute| begin + minute * MINUTE);
    let times: BTreeSet<i64> = (begin + 600..end).step_by(251 * 60).chain(edges).chain(after).collect();
    let mut rules = rules("week");
    assert_eq!(rules.len(), 23, "{:?}", rules.iter().map(Rule::name).collect::<Vec<_>>());
    for time in times {
        for rule in &mut rules {
            let bad = rule.bad(&store.graphite, time + 30 + store.shift);
            assert!(bad.is_empty(), "{}: {bad:?} after {} minutes", rule.name(), (time - begin) / MINUTE);
        }
    }
}

/// A fault that lasts for some minutes, and the rule that must tell of it.
struct Scenario {
    fault: Fault,
    rule: &'static str,
    /// The interval of the feed that it is about, in minutes.
    interval: i64,
    /// After so many minutes the program knows of it: how a push went is told by the next run.
    told_after: i64,
    has_journal: bool,
}

const SCENARIOS: [Scenario; 10] = [
    Scenario {
        fault: Fault::Missing("ETH/USD"),
        rule: "missing crypto",
        interval: 1,
        told_after: 0,
        has_journal: true,
    },
    Scenario { fault: Fault::Missing("AAPL"), rule: "missing stocks", interval: 5, told_after: 0, has_journal: true },
    Scenario { fault: Fault::Missing("north"), rule: "missing levels", interval: 7, told_after: 0, has_journal: true },
    Scenario { fault: Fault::ProviderDown, rule: "provider", interval: 1, told_after: 0, has_journal: true },
    Scenario { fault: Fault::PushFails, rule: "push", interval: 1, told_after: 1, has_journal: false },
    Scenario { fault: Fault::TakesLess, rule: "journal", interval: 1, told_after: 1, has_journal: true },
    Scenario { fault: Fault::NoRun, rule: "norun crypto", interval: 1, told_after: 0, has_journal: true },
    Scenario { fault: Fault::NotPositive, rule: "price crypto", interval: 1, told_after: 0, has_journal: true },
    Scenario { fault: Fault::Below, rule: "below crypto", interval: 1, told_after: 0, has_journal: true },
    Scenario { fault: Fault::Limit, rule: "limit", interval: 1, told_after: 0, has_journal: true },
];

/// Evaluates all rules once a minute. Returns the minutes, counted from the first bad run and the first good one
/// after it, in which the rule began to fire and ended.
fn live_through(scenario: &Scenario, index: usize, store: &mut Store) -> (i64, i64) {
    let prefix = format!("fault{index}");
    let (world, mut rules) = (World::new(&prefix, scenario.has_journal), rules(&prefix));
    // While the exchange is open. The last due run before the fault is one interval before it.
    let begin = WEDNESDAY_NOON + 3 * 60 * MINUTE;
    let (bad, good) = (2 * scenario.interval, 6 * scenario.interval);
    let (mut fired, mut ended) = (None, None);
    for minute in 0..10 * scenario.interval {
        let time = begin + minute * MINUTE + 23;
        let fault = if (bad..good).contains(&minute) { scenario.fault } else { Fault::Nothing };
        let lines = world.run(time, fault, store.shift);
        // Half of the runs take so long that their points come after the evaluation.
        let is_late = index % 2 == 1;
        if !is_late {
            store.store(&lines, time);
        }
        // Before the first run there is nothing.
        let evaluated = rules.iter_mut().filter(|_| minute > 0);
        let firing = evaluated.filter_map(|rule| {
            let fires = rule.fires(&store.graphite, time + 30 + store.shift);
            fires.then(|| rule.name())
        });
        let firing: BTreeSet<String> = firing.collect();
        let others: Vec<&String> = firing.iter().filter(|name| **name != scenario.rule).collect();
        assert!(others.is_empty(), "{others:?} in minute {minute} of {:?}", scenario.fault);
        match (firing.is_empty(), fired) {
            (false, None) => fired = Some(minute - bad),
            (true, Some(_)) if ended.is_none() => ended = Some(minute - good),
            _ => {}
        }
        if is_late {
            store.store(&lines, time);
        }
    }
    (fired.expect("an alert"), ended.expect("its end"))
}

/// Not before a second run was bad; within two intervals, and the minute that may pass until Grafana looks again.
#[test]
fn each_fault_raises_its_rule_and_no_other_within_two_intervals_and_ends_it_within_two() {
    if !available() {
        return;
    }
    let mut store = Store::new(WEDNESDAY_NOON + 4 * 60 * MINUTE);
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        let (fired, ended) = live_through(scenario, index, &mut store);
        println!("{:?}: fired after {fired} minutes, ended after {ended}", scenario.fault);
        // A single run is enough for these.
        let is_once = ["norun", "price", "below"].iter().any(|kind| scenario.rule.starts_with(kind));
        let least = if is_once { 0 } else { scenario.interval };
        let most = 2 * scenario.interval + scenario.told_after + 1;
        assert!((least..=most).contains(&fired), "{:?}: {fired} minutes", scenario.fault);
        assert!((0..=most).contains(&ended), "{:?}: ended after {ended} minutes", scenario.fault);
    }
}

/// How a value goes, minute by minute after an hour in which it was good.
struct Course {
    fault: Fault,
    rule: &'static str,
    /// In which minutes it is beyond its threshold.
    is_beyond: fn(i64) -> bool,
    /// The minutes in which an alert is to fire.
    fires: Range<i64>,
}

const COURSES: [Course; 3] = [
    // A single bad value, then some of them, and then every second one.
    Course {
        fault: Fault::Below,
        rule: "below crypto",
        is_beyond: |minute| minute == 3 || (8..12).contains(&minute) || (12..20).contains(&minute) && minute % 2 == 1,
        fires: 10..21,
    },
    // Fetched every five minutes: once, and then four times.
    Course {
        fault: Fault::Rise,
        rule: "rise stocks",
        is_beyond: |minute| (10..15).contains(&minute) || (25..45).contains(&minute),
        fires: 31..50,
    },
    Course { fault: Fault::Fall, rule: "fall stocks", is_beyond: |minute| (5..25).contains(&minute), fires: 11..30 },
];

/// One bad value tells nobody, and a value that swings about its threshold is one alert.
#[test]
fn a_threshold_waits_for_a_second_value_and_holds_while_the_value_swings() {
    if !available() {
        return;
    }
    let begin = WEDNESDAY_NOON + 4 * 60 * MINUTE;
    let mut store = Store::new(begin + 60 * MINUTE);
    for (index, course) in COURSES.iter().enumerate() {
        let prefix = format!("course{index}");
        let world = World::new(&prefix, true);
        let is_threshold = |rule: &Rule| ["below", "rise", "fall"].iter().any(|kind| rule.name().starts_with(kind));
        let mut rules: Vec<Rule> = rules(&prefix).into_iter().filter(is_threshold).collect();
        assert_eq!(rules.len(), 3);
        let before = (-60..0).map(|minute| world.run(begin + minute * MINUTE + 23, Fault::Nothing, store.shift));
        let mut lines: String = before.collect();
        let mut fired = Vec::new();
        for minute in 0..course.fires.end + 3 {
            let time = begin + minute * MINUTE + 23;
            let fault = if (course.is_beyond)(minute) { course.fault } else { Fault::Nothing };
            lines.push_str(&world.run(time, fault, store.shift));
            store.store(&std::mem::take(&mut lines), time);
            for rule in &mut rules {
                if rule.fires(&store.graphite, time + 30 + store.shift) {
                    assert_eq!(rule.name(), course.rule, "in minute {minute} of {:?}", course.fault);
                    fired.push(minute);
                }
            }
        }
        assert_eq!(fired, course.fires.clone().collect::<Vec<_>>(), "{:?}", course.fault);
    }
}
