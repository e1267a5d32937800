//! Every kind of answer of an ingest: which points are stored, which stay in the journal, which are lost, how
//! many requests are made, and what the run logs.

use crate::support::{
    Datametrics, Dialect, Ingest, Reply, Verdict,
    graphite::Push,
    in_parallel,
    journal::Journal,
    normalise::{Normaliser, times},
    numbered, panic_text, prices,
};
use snapbox::Assert;
use std::{collections::BTreeSet, fmt::Write as _, panic::catch_unwind};

/// The outcome of each scenario at the current ingest (new) and the one before it (old): points that landed
/// at Graphite, points that wait in the journal, and points that are gone; the number of requests and the
/// exit code. Where points were refused alone, or nothing was said of them, the next row is a second run with
/// nothing bad of its own. A run has one point for each symbol and nine about itself. Points that Graphite stored without
/// confirming them are in both columns.
const TABLE: &str = "\
what                                                    landed waits gone requests exit
all is well                                        both     50     0    0        2    0
one invalid point among 5,000                      new    4999     1    0       25   75
  a run later                                      new    4999     0    1        3    1
one invalid point among 5,000                      old    4999     0    1        1    1
twelve invalid points of thirteen                  new      10    12    0       32   75
  a run later                                      new      10     0   12       28    1
twelve invalid points of thirteen                  old      10    13    9        1   75
  a run later                                      old      10     0   12        2    1
one point of 5,000 in conflict                     both   4999     1    0       26   75
  a run later                                      both   4999     0    1        4    1
all prices in conflict                             both      9     5    0       15   75
  a run later                                      both      9     0    5       13    1
a conflict in the journal                          both   5010     1    0       28   75
  a run later                                      both   5010     0    1        4    1
the oldest file is one conflict                    both     20    12    0       35   75
  a run later                                      both     20     0   12       29    1
more conflicts than one run finds                  both     15   300    0      222   75
  a run later                                      both     15   202   98      221   75
an hour-old journal                                both     25     0    0        3    0
an hour-old journal that is refused for its age    both     15     0   10        8    1
500, 200, 200, 500, 500, 500, then all is well     both      9     1    0        8   75
  a run later                                      both     10     0    0        2    0
nothing taken, and not a word of why               both      0    30    0        2   75
  a run later                                      both      0    30    0        4   75
500 to everything                                  both      0   130    0        5   75
500 to everything from the second request on       both     60    10    0        3   75
500 to everything while bad points are looked for  both     13    49    0       15   75
all of the run in conflict                         both     20    10    0        3   75
400 to everything                                  both      0    70    0       12   75
413 above 300 points                               both   2009     0    0       12    0
502 above 300 points                               both   2710     0    0       25    0
a reset above 300 points                           both   2009     0    0       20    0
403 to a name                                      both     49     3    0       29   75
  a run later                                      both     49     3    0        8   75
a cut line to a name in the journal                both     20     1    0       11   75
  a run later                                      both     20     1    0        4   75
503 to names in an hour-old journal                both     20     3    0       13   75
  a run later                                      both     20     0    3        8    1
503 to everything                                  both      0    30    0        5   75
403                                                both      0    10    0        2   77
413 to everything                                  both      0   109    0       18   75
429 once                                           both     10     0    0        2    0
429 once, Retry-After fits                         both     10     0    0        2    0
429, Retry-After does not fit                      both      0    10    0        1   75
429 to everything                                  both      0    30    0        3   75
a redirect to a login page                         both      0    10    0        2   77
HTML in a 200                                      both      0    10    0        2   75
a 200 that says nothing                            both      0    10    0        2   75
a 200 that says one point fewer                    both     10    10    0        1   75
  a run later                                      both     10    10    0        2   75
401                                                both      0    10    0        1   77
404                                                both      0    10    0        2   75
503 once                                           both     10     0    0        2    0
a reset                                            both      0    30    0        3   75
a reset once                                       both     10     0    0        2    0
a reply cut in the middle, after all was taken     both     10    10    0        2   75
a line cut before the reply, after all was taken   both     21    30    0        3   75
silence                                            both      0    30    0        1   75
";

/// The logs of the runs. Of lines that differ only in numbers the first is here.
const TEXTS: &str = "\
one invalid point among 5,000 (new):
error: graphite: 127.0.0.1 refuses 1 point alone (HTTP 400: invalid metric data received: name too odd); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

one invalid point among 5,000, a run later (new):
error: graphite refused crypto.XBAD0-USD.last: HTTP 400: invalid metric data received: name too odd

one invalid point among 5,000 (old):
error: graphite refused crypto.XBAD0-USD.last: name too odd

twelve invalid points of thirteen (new):
error: graphite: 127.0.0.1 refuses 12 points alone (HTTP 400: invalid metric data received: name too odd); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

twelve invalid points of thirteen, a run later (new):
error: graphite refused crypto.XBAD0-USD.last: HTTP 400: invalid metric data received: name too odd
error: graphite refused 2 more

twelve invalid points of thirteen (old):
error: graphite refused crypto.XBAD0-USD.last: name too odd
error: graphite: 127.0.0.1 took 10 of 22 points, and does not say what is wrong with the others; the points are in the journal, the next run sends them

twelve invalid points of thirteen, a run later (old):
error: graphite refused crypto.XBAD9-USD.last: name too odd

one point of 5,000 in conflict (both):
error: graphite: 127.0.0.1 refuses 1 point alone (HTTP 500: failed to push metric data); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

one point of 5,000 in conflict, a run later (both):
error: graphite refused crypto.XBAD0-USD.last: HTTP 500: failed to push metric data

all prices in conflict (both):
error: graphite: 127.0.0.1 refuses 5 points alone (HTTP 500: failed to push metric data); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

all prices in conflict, a run later (both):
error: graphite refused crypto.XBAD0-USD.last: HTTP 500: failed to push metric data

a conflict in the journal (both):
error: graphite: 127.0.0.1 refuses 1 point alone (HTTP 500: failed to push metric data); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

a conflict in the journal, a run later (both):
error: graphite refused t120.bad.0: HTTP 500: failed to push metric data

the oldest file is one conflict (both):
error: graphite: 127.0.0.1 refuses 12 points alone (HTTP 500: failed to push metric data); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

the oldest file is one conflict, a run later (both):
error: graphite refused t180.bad.0: HTTP 500: failed to push metric data
error: graphite refused 2 more

more conflicts than one run finds (both):
error: graphite: 127.0.0.1 refuses too many points to find them all in one run: HTTP 500: failed to push metric data; the points are in the journal, the next run sends them

more conflicts than one run finds, a run later (both):
error: graphite refused t180.bad.0: HTTP 500: failed to push metric data
error: graphite refused 88 more
error: graphite: 127.0.0.1 refuses too many points to find them all in one run: HTTP 500: failed to push metric data; the points are in the journal, the next run sends them

an hour-old journal that is refused for its age (both):
error: journal: dropped 10 points of 2 runs, which are older than journal.max_age allows

500, 200, 200, 500, 500, 500, then all is well (both):
error: graphite: 127.0.0.1 refuses 1 point alone (HTTP 500: failed to push metric data); what it refuses in a second run too is given up; the points are in the journal, the next run sends them

nothing taken, and not a word of why (both):
error: graphite: 127.0.0.1 took 0 of 20 points, and does not say what is wrong with the others; the points are in the journal, the next run sends them

nothing taken, and not a word of why, a run later (both):
error: graphite: 127.0.0.1 took 0 of 30 points, and does not say what is wrong with the others; the points are in the journal, the next run sends them

500 to everything (both):
error: graphite: 127.0.0.1 answered HTTP 500: failed to push metric data; the points are in the journal, the next run sends them

500 to everything from the second request on (both):
error: graphite: 127.0.0.1 answered HTTP 500: failed to push metric data; the points are in the journal, the next run sends them

500 to everything while bad points are looked for (both):
error: graphite: 127.0.0.1 answered HTTP 500: failed to push metric data; the points are in the journal, the next run sends them

all of the run in conflict (both):
error: graphite: 127.0.0.1 answered HTTP 500: failed to push metric data; the points are in the journal, the next run sends them

400 to everything (both):
error: graphite: 127.0.0.1 answered HTTP 400: The plain HTTP request was sent to HTTPS port; the points are in the journal, the next run sends them

403 to a name (both):
error: graphite: 127.0.0.1 takes points, but not t60.bad.0 (HTTP 403: blocked); does a firewall before it block a name or a value? The points are in the journal, the next run sends them

403 to a name, a run later (both):
error: graphite: 127.0.0.1 takes points, but not t60.bad.0 and 2 more (HTTP 403: blocked); does a firewall before it block a name or a value? The points are in the journal, the next run sends them

a cut line to a name in the journal (both):
error: graphite: 127.0.0.1 takes points, but not t120.bad.0 (127.0.0.1 cut the connection before its reply was whole); does a firewall before it block a name or a value? The points are in the journal, the next run sends them

a cut line to a name in the journal, a run later (both):
error: graphite: 127.0.0.1 takes points, but not t120.bad.0 (127.0.0.1 cut the connection before its reply was whole); does a firewall before it block a name or a value? The points are in the journal, the next run sends them

503 to names in an hour-old journal (both):
error: graphite: 127.0.0.1 takes points, but not t7200.bad.0 and 2 more (HTTP 503); does a firewall before it block a name or a value? The points are in the journal, the next run sends them

503 to names in an hour-old journal, a run later (both):
error: journal: dropped 3 points of one run, which is older than journal.max_age allows

503 to everything (both):
error: graphite: 127.0.0.1 answered HTTP 503; the points are in the journal, the next run sends them

403 (both):
error: graphite: 127.0.0.1 refused the credentials: HTTP 403: forbidden; are GRAPHITE_USER and GRAPHITE_PASSWORD those of the Graphite instance, with metrics:write? The points are in the journal, the next run sends them

413 to everything (both):
error: graphite: 127.0.0.1 answered HTTP 413: trying to send message larger than max; the points are in the journal, the next run sends them

429, Retry-After does not fit (both):
error: graphite: 127.0.0.1 answered HTTP 429: too many requests; the points are in the journal, the next run sends them

429 to everything (both):
error: graphite: 127.0.0.1 answered HTTP 429: too many requests; the points are in the journal, the next run sends them

a redirect to a login page (both):
error: graphite: 127.0.0.1 refused the credentials: HTTP 302 to https://login.example, as to a login page; are GRAPHITE_USER and GRAPHITE_PASSWORD those of the Graphite instance, with metrics:write? The points are in the journal, the next run sends them

HTML in a 200 (both):
error: graphite: 127.0.0.1 takes no points there: its answer does not say how many points it took (HTTP 200: <title>Log in</title>); the path is that of an ingest, so is the host in GRAPHITE_URL right? The points are in the journal, the next run sends them

a 200 that says nothing (both):
error: graphite: 127.0.0.1 takes no points there: its answer does not say how many points it took (HTTP 200); the path is that of an ingest, so is the host in GRAPHITE_URL right? The points are in the journal, the next run sends them

a 200 that says one point fewer (both):
error: graphite: 127.0.0.1 took 9 of 10 points, and does not say what is wrong with the others; the points are in the journal, the next run sends them

a 200 that says one point fewer, a run later (both):
error: graphite: 127.0.0.1 took 9 of 10 points, and does not say what is wrong with the others; the points are in the journal, the next run sends them

401 (both):
error: graphite: 127.0.0.1 refused the credentials: HTTP 401: invalid instanceID; are GRAPHITE_USER and GRAPHITE_PASSWORD those of the Graphite instance, with metrics:write? The points are in the journal, the next run sends them

404 (both):
error: graphite: 127.0.0.1 takes no points there: HTTP 404: 404 page not found; the path is that of an ingest, so is the host in GRAPHITE_URL right? The points are in the journal, the next run sends them

a reset (both):
error: graphite: 127.0.0.1 cut the connection before its reply was whole; the points are in the journal, the next run sends them

a reply cut in the middle, after all was taken (both):
error: graphite: 127.0.0.1 cut the connection before its reply was whole; the points are in the journal, the next run sends them

a line cut before the reply, after all was taken (both):
error: graphite: 127.0.0.1 cut the connection before its reply was whole; the points are in the journal, the next run sends them

silence (both):
error: graphite: no whole answer from 127.0.0.1 in time (waiting for its answer); the points are in the journal, the next run sends them

";

/// A number of good points and of bad ones. A point with "bad" in its name is invalid, or in conflict with a
/// point that Graphite has.
#[derive(Clone, Copy)]
struct Points {
    good: usize,
    bad: usize,
}

/// The journal before a run, the run, and the behaviour of Graphite.
struct Scenario {
    what: &'static str,
    /// The files in the journal: their age in seconds and their points.
    waits: &'static [(i64, Points)],
    /// The symbols of the run.
    of_run: Points,
    args: &'static [&'static str],
    graphite: fn(&Push) -> Verdict,
}

const USUAL: Scenario = Scenario {
    what: "",
    waits: &[],
    of_run: Points { good: 1, bad: 0 },
    args: &["--retries", "0"],
    graphite: |_| Verdict::Take,
};

const fn good(good: usize) -> Points {
    Points { good, bad: 0 }
}

const fn bad(bad: usize) -> Points {
    Points { good: 0, bad }
}

const ONE_IN_FIVE_THOUSAND: Points = Points { good: 4_990, bad: 1 };

const SCENARIOS: &[Scenario] = &[
    Scenario { what: "all is well", waits: &[(120, good(20)), (60, good(20))], ..USUAL },
    Scenario { what: "one invalid point among 5,000", of_run: ONE_IN_FIVE_THOUSAND, graphite: invalid, ..USUAL },
    Scenario {
        what: "twelve invalid points of thirteen",
        of_run: Points { good: 1, bad: 12 },
        graphite: invalid,
        ..USUAL
    },
    Scenario { what: "one point of 5,000 in conflict", of_run: ONE_IN_FIVE_THOUSAND, graphite: conflict, ..USUAL },
    Scenario { what: "all prices in conflict", of_run: bad(5), graphite: conflict, ..USUAL },
    Scenario {
        what: "a conflict in the journal",
        waits: &[(180, good(5)), (120, ONE_IN_FIVE_THOUSAND), (60, good(5))],
        graphite: conflict,
        ..USUAL
    },
    Scenario {
        what: "the oldest file is one conflict",
        waits: &[(180, bad(12)), (120, good(5)), (60, good(5))],
        graphite: conflict,
        ..USUAL
    },
    Scenario {
        what: "more conflicts than one run finds",
        waits: &[(180, bad(300)), (120, good(5))],
        graphite: conflict,
        ..USUAL
    },
    Scenario { what: "an hour-old journal", waits: &[(7_200, good(5)), (3_700, good(5)), (3_500, good(5))], ..USUAL },
    Scenario {
        what: "an hour-old journal that is refused for its age",
        waits: &[(7_200, good(5)), (3_700, good(5)), (3_500, good(5))],
        graphite: |push| {
            let is_old = |name: &str| name.starts_with("t7200") || name.starts_with("t3700");
            if push.points.iter().any(|point| is_old(&point.name)) { five_hundred() } else { Verdict::Take }
        },
        ..USUAL
    },
    Scenario {
        what: "500, 200, 200, 500, 500, 500, then all is well",
        graphite: |push| match push.number {
            2 | 3 => Verdict::Take,
            1..=6 => five_hundred(),
            _ => Verdict::Take,
        },
        ..USUAL
    },
    Scenario {
        what: "nothing taken, and not a word of why",
        waits: &[(60, good(20))],
        graphite: |_| Verdict::Refuse(Reply::json(r#"{"published":0}"#)),
        ..USUAL
    },
    Scenario {
        what: "500 to everything",
        waits: &[(120, good(60)), (60, good(60))],
        args: &["--retries", "2"],
        graphite: |_| Verdict::Refuse(Reply::text(500, "failed to push metric data\n")),
        ..USUAL
    },
    Scenario {
        what: "500 to everything from the second request on",
        waits: &[(180, good(20)), (120, good(20)), (60, good(20))],
        graphite: |push| if push.number < 2 { Verdict::Take } else { five_hundred() },
        ..USUAL
    },
    Scenario {
        what: "500 to everything while bad points are looked for",
        waits: &[(180, Points { good: 30, bad: 1 }), (60, good(20))],
        graphite: |push| if push.number < 6 { conflict(push) } else { five_hundred() },
        ..USUAL
    },
    Scenario {
        what: "all of the run in conflict",
        graphite: |push| {
            let is_of_run = |name: &str| name.starts_with("crypto.") || name.starts_with("metrics.");
            if push.points.iter().any(|point| is_of_run(&point.name)) { five_hundred() } else { Verdict::Take }
        },
        waits: &[(60, good(20))],
        ..USUAL
    },
    Scenario {
        what: "400 to everything",
        waits: &[(60, good(60))],
        graphite: |_| Verdict::Refuse(Reply::text(400, "The plain HTTP request was sent to HTTPS port")),
        ..USUAL
    },
    Scenario {
        what: "413 above 300 points",
        of_run: good(2_000),
        graphite: |push| if push.points.len() > 300 { too_large() } else { Verdict::Take },
        ..USUAL
    },
    Scenario {
        what: "502 above 300 points",
        waits: &[(7_200, good(900)), (180, good(900)), (120, good(900))],
        graphite: |push| if push.points.len() > 300 { Verdict::Refuse(Reply::status(502)) } else { Verdict::Take },
        ..USUAL
    },
    Scenario {
        what: "a reset above 300 points",
        of_run: good(2_000),
        graphite: |push| if push.points.len() > 300 { Verdict::Refuse(Reply::reset()) } else { Verdict::Take },
        ..USUAL
    },
    Scenario {
        what: "403 to a name",
        of_run: Points { good: 20, bad: 2 },
        waits: &[(120, good(20)), (60, bad(1))],
        graphite: |push| unless_bad(push, Reply::text(403, "blocked")),
        ..USUAL
    },
    Scenario {
        what: "a cut line to a name in the journal",
        waits: &[(120, Points { good: 5, bad: 1 }), (60, good(5))],
        graphite: |push| unless_bad(push, Reply::close()),
        ..USUAL
    },
    Scenario {
        what: "503 to names in an hour-old journal",
        waits: &[(7_200, bad(3)), (3_700, good(5)), (3_500, good(5))],
        graphite: |push| unless_bad(push, Reply::status(503)),
        ..USUAL
    },
    Scenario {
        what: "503 to everything",
        waits: &[(60, good(20))],
        args: &["--retries", "2"],
        graphite: |_| Verdict::Refuse(Reply::status(503)),
        ..USUAL
    },
    Scenario { what: "403", graphite: |_| Verdict::Refuse(Reply::text(403, "forbidden")), ..USUAL },
    Scenario { what: "413 to everything", of_run: good(100), graphite: |_| too_large(), ..USUAL },
    Scenario {
        what: "429 once",
        args: &["--retries", "2"],
        graphite: |push| if push.number < 2 { too_often(None) } else { Verdict::Take },
        ..USUAL
    },
    Scenario {
        what: "429 once, Retry-After fits",
        args: &["--retries", "2"],
        graphite: |push| if push.number < 2 { too_often(Some("1")) } else { Verdict::Take },
        ..USUAL
    },
    Scenario {
        what: "429, Retry-After does not fit",
        args: &["--retries", "2"],
        graphite: |_| too_often(Some("3600")),
        ..USUAL
    },
    Scenario {
        what: "429 to everything",
        waits: &[(60, good(20))],
        args: &["--retries", "2"],
        graphite: |_| too_often(None),
        ..USUAL
    },
    Scenario {
        what: "a redirect to a login page",
        graphite: |_| Verdict::Refuse(Reply::status(302).header("Location", "https://login.example/?token=x")),
        ..USUAL
    },
    Scenario {
        what: "HTML in a 200",
        graphite: |_| {
            Verdict::Refuse(Reply::status(200).header("Content-Type", "text/html").body("<title>Log in</title>"))
        },
        ..USUAL
    },
    Scenario { what: "a 200 that says nothing", graphite: |_| Verdict::Refuse(Reply::status(200)), ..USUAL },
    Scenario {
        what: "a 200 that says one point fewer",
        graphite: |push| Verdict::TakeBut(Reply::json(format!(r#"{{"published":{}}}"#, push.points.len() - 1))),
        ..USUAL
    },
    Scenario { what: "401", graphite: |_| Verdict::Refuse(Reply::text(401, "invalid instanceID")), ..USUAL },
    Scenario { what: "404", graphite: |_| Verdict::Refuse(Reply::text(404, "404 page not found\n")), ..USUAL },
    Scenario {
        what: "503 once",
        args: &["--retries", "2"],
        graphite: |push| if push.number < 2 { Verdict::Refuse(Reply::status(503)) } else { Verdict::Take },
        ..USUAL
    },
    Scenario { what: "a reset", waits: &[(60, good(20))], graphite: |_| Verdict::Refuse(Reply::reset()), ..USUAL },
    Scenario {
        what: "a reset once",
        args: &["--retries", "2"],
        graphite: |push| if push.number < 2 { Verdict::Refuse(Reply::reset()) } else { Verdict::Take },
        ..USUAL
    },
    Scenario {
        what: "a reply cut in the middle, after all was taken",
        graphite: |push| {
            let reply = Reply::json(format!(r#"{{"published":{}}}"#, push.points.len()));
            Verdict::TakeBut(reply.cut_after(10))
        },
        ..USUAL
    },
    Scenario {
        what: "a line cut before the reply, after all was taken",
        waits: &[(60, good(20))],
        graphite: |_| Verdict::TakeBut(Reply::close()),
        ..USUAL
    },
    Scenario {
        what: "silence",
        waits: &[(60, good(20))],
        args: &["--retries", "2", "--timeout", "1.5"],
        graphite: |_| Verdict::Refuse(Reply::hang()),
        ..USUAL
    },
];

fn is_bad(name: &str) -> bool {
    name.to_lowercase().contains("bad")
}

fn invalid(push: &Push) -> Verdict {
    let bad: Vec<_> = (0..push.points.len()).filter(|at| is_bad(&push.points[*at].name)).collect();
    if bad.is_empty() { Verdict::Take } else { Verdict::Invalid(bad, "name too odd") }
}

fn conflict(push: &Push) -> Verdict {
    unless_bad(push, Reply::text(500, "failed to push metric data\n"))
}

fn unless_bad(push: &Push, reply: Reply) -> Verdict {
    if push.points.iter().any(|point| is_bad(&point.name)) { Verdict::Refuse(reply) } else { Verdict::Take }
}

fn five_hundred() -> Verdict {
    Verdict::Refuse(Reply::text(500, "failed to push metric data\n"))
}

fn too_large() -> Verdict {
    Verdict::Refuse(Reply::text(413, "trying to send message larger than max"))
}

fn too_often(retry_after: Option<&str>) -> Verdict {
    let reply = Reply::text(429, "too many requests");
    Verdict::Refuse(match retry_after {
        Some(value) => reply.header("Retry-After", value),
        None => reply,
    })
}

/// `PREFIX.good.0` and so on, with the bad ones in the middle.
fn names(prefix: &str, points: Points) -> Vec<String> {
    let mut names = numbered(&format!("{prefix}.good"), points.good);
    let middle = names.len() / 2;
    names.splice(middle..middle, numbered(&format!("{prefix}.bad"), points.bad));
    names
}

impl Scenario {
    /// The rows of the table, one a run, and what the runs log. Where points were refused alone, or nothing was
    /// said of them, a second run decides.
    fn play(&self, dialect: Dialect) -> Vec<(String, String)> {
        /// A price that is there for the later runs.
        const LATER: &str = "LATER";
        let symbols: Vec<_> = names("X", self.of_run).iter().map(|name| name.replace('.', "").to_uppercase()).collect();
        let prices: Vec<_> =
            symbols.iter().map(String::as_str).chain([LATER]).map(|name| (name, "0.00007351")).collect();
        let provider = prices::provider(&prices);
        let ingest = Ingest::deciding(dialect, self.graphite);
        let base = prices::run_without_symbols(&provider, "").args(["-"]).graphite(&ingest);
        for (age, points) in self.waits {
            Journal::of(&base).plant(*age, &names(&format!("t{age}"), *points));
        }
        let waited: usize = self.waits.iter().map(|(_, points)| points.good + points.bad).sum();
        let all = waited + symbols.len() + prices::HEALTH_POINTS;
        let landed = || {
            let names = ingest.points().into_iter().map(|point| point.name);
            names.filter(|name| !name.starts_with("later.")).collect::<BTreeSet<_>>()
        };
        let waiting = || {
            let points = Journal::of(&base).values().into_iter();
            points.filter(|((name, _), _)| !name.starts_with("later.")).collect::<Vec<_>>()
        };
        let later = || base.clone().args(["--prefix", "later"]).stdin(LATER);

        let play_run = |run: Datametrics| {
            let before = ingest.server().requests().len();
            let output = run.args(self.args).run();
            assert_eq!(output.stdout, "");
            let (landed, waiting) = (landed(), waiting());
            let known: BTreeSet<_> = landed.iter().chain(waiting.iter().map(|((name, _), _)| name)).collect();
            let (gone, requests) = (all - known.len(), ingest.server().requests().len() - before);
            let code = output.code.expect("no signal");
            let row = format!("{:>6} {:>5} {gone:>4} {requests:>8} {code:>4}", landed.len(), waiting.len());
            let mut hidden = Normaliser::default();
            hidden.hide(ingest.server().address().to_string(), "GRAPHITE");
            let mut lines: Vec<_> = output.stderr.lines().collect();
            lines.dedup_by_key(|line| line.replace(|c: char| c.is_ascii_digit(), ""));
            (row, times(&hidden.apply(&lines.join("\n"))))
        };
        let mut rows = vec![play_run(base.clone().stdin(symbols.join("\n")))];
        let is_refused = Journal::of(&base).files().iter().any(|file| file.points.iter().any(|p| p.refusals > 0));
        if is_refused || rows[0].1.contains("does not say what is wrong") {
            rows.push(play_run(later()));
        }

        // The points in the journal are sent as soon as Graphite works again.
        let waiting = waiting();
        ingest.recover();
        let again = later().run();
        assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""));
        assert_eq!(Journal::of(&base).files(), []);
        let values = ingest.values();
        for ((name, _), value) in &waiting {
            assert_eq!(values.get(name), Some(value), "{name}");
        }
        rows
    }

    /// The same rows and texts for both servers if their outcomes are equal.
    fn play_both(&self) -> (String, String) {
        let [proxy, gateway] = [Dialect::WriteProxy, Dialect::Gateway].map(|dialect| self.play(dialect));
        let mut results = (String::new(), String::new());
        let servers = if proxy == gateway { vec![("both", proxy)] } else { vec![("new", proxy), ("old", gateway)] };
        for (server, runs) in servers {
            for ((row, message), what) in runs.iter().zip([self.what, "  a run later"]) {
                writeln!(results.0, "{what:<50} {server:<4} {row}").expect("memory");
                if !message.is_empty() {
                    let run = if what == self.what { "" } else { ", a run later" };
                    writeln!(results.1, "{}{run} ({server}):\n{message}\n", self.what).expect("memory");
                }
            }
        }
        results
    }
}

#[test]
fn every_answer_of_the_ingest_has_the_recorded_outcome() {
    let results = in_parallel(SCENARIOS, |scenario| {
        catch_unwind(|| scenario.play_both())
            .unwrap_or_else(|panic| (format!("{}: {}\n", scenario.what, panic_text(&*panic)), String::new()))
    });
    let (rows, texts): (String, String) = results.into_iter().unzip();
    let head = format!(
        "{:<50} {:<4} {:>6} {:>5} {:>4} {:>8} {:>4}\n",
        "what", "", "landed", "waits", "gone", "requests", "exit"
    );
    let assert = Assert::new().normalize_paths(false);
    assert.eq(head + &rows, TABLE);
    assert.eq(texts, TEXTS);
}
