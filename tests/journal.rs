//! The journal under bad conditions: two runs at once, full and read-only disks, damaged and foreign files,
//! limits. No readable point is lost, nothing panics, and every message says what to do.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Latch, Reply, Server, Verdict,
    command::Running,
    holidays,
    journal::{Journal, JournalFile},
    mount, now, numbered, prices, wait_until,
};
use std::{fs, path::PathBuf};

/// The error of a run that has a journal and cannot reach Graphite.
const STAYS_IN_JOURNAL: &str =
    "error: graphite: 127.0.0.1 answered HTTP 503; the points are in the journal, the next run sends them\n";

fn provider() -> Server {
    prices::provider(&[("BTC", "61000.5")])
}

fn healthy() -> Ingest {
    Ingest::start(Dialect::WriteProxy)
}

/// A Graphite that fails until it recovers.
fn failing() -> Ingest {
    Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::status(503)))
}

/// The names of the stored points, in the order of arrival.
fn landed(ingest: &Ingest) -> Vec<String> {
    ingest.points().into_iter().map(|point| point.name).collect()
}

/// The path of a file of the journal.
fn path(run: &Datametrics, file: &JournalFile) -> PathBuf {
    Journal::of(run).path(&file.name)
}

/// A run that holds the lock, because its push, the first of all, gets no reply before the latch is released.
fn holding(run: &Datametrics, latch: &Latch) -> (Running, Ingest) {
    let latch = latch.clone();
    let ingest = Ingest::deciding(Dialect::WriteProxy, move |push| match push.number {
        1 => Verdict::TakeBut(Reply::json(format!(r#"{{"published":{}}}"#, push.points.len())).after(&latch)),
        _ => Verdict::Take,
    });
    let running = run.clone().args(["--prefix", "first"]).graphite(&ingest).spawn();
    ingest.server().wait_for(1);
    (running, ingest)
}

#[test]
fn second_run_waits_until_the_first_has_sent() {
    let (provider, latch) = (provider(), Latch::new());
    let run = prices::run(&provider, "");
    let (first, ingest) = holding(&run, &latch);
    let second = run.clone().args(["--prefix", "second"]).graphite(&ingest).spawn();
    Journal::of(&run).wait_for_files(2);
    assert_eq!(ingest.server().requests().len(), 1, "the lock is for sending");
    latch.release();
    for output in [first.wait(), second.wait()] {
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(0), "", ""));
    }
    let names = landed(&ingest);
    let (first, second) = names.split_at(1 + prices::HEALTH_POINTS);
    assert!(first.iter().all(|name| name.starts_with("first.")), "{names:?}");
    assert!(second.iter().all(|name| name.starts_with("second.")), "{names:?}");
    assert_eq!(first.len(), second.len());
    assert_eq!(Journal::of(&run).files(), []);
}

#[test]
fn second_run_leaves_its_points_in_the_journal_at_its_deadline() {
    let (provider, latch) = (provider(), Latch::new());
    let run = prices::run(&provider, "");
    let (first, ingest) = holding(&run, &latch);
    let run = run.graphite(&ingest);
    let message = "error: journal: another run held <home>/.local/state/datametrics/lock all the time (`fuser <home>/.local/state/datametrics/lock` names its process, should it be stopped); \
                the points are in the journal, the next run sends them\n";
    run.clone().args(["--prefix", "second", "--timeout", "1"]).stderr(message).exit(75).check();
    assert_eq!((Journal::of(&run).files().len(), ingest.server().requests().len()), (2, 1));
    latch.release();
    assert_eq!(first.wait().code, Some(0));
    assert_eq!(Journal::of(&run).files().len(), 1, "the first sends what it found when it began to send");
    run.clone().args(["--prefix", "third"]).check();
    let firsts: Vec<_> = landed(&ingest).into_iter().step_by(1 + prices::HEALTH_POINTS).take(3).collect();
    assert_eq!(firsts, ["first", "second", "third"].map(|prefix| format!("{prefix}.crypto.BTC-USD.last")));
    assert_eq!(Journal::of(&run).files(), []);
}

/// A run that has the lock sends all files, also those of other runs.
#[test]
fn journal_lock_holder_may_send_the_points_of_a_second_run() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").graphite(&ingest);
    let journal = Journal::of(&run);
    let lock = journal.lock();
    let second = run.clone().args(["-v"]).spawn();
    journal.wait_for_files(1);
    let file = journal.files().remove(0);
    assert_eq!(file.points.len(), 1 + prices::HEALTH_POINTS);
    fs::remove_file(path(&run, &file)).expect("a file of ours");
    drop(lock);
    let output = second.wait();
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.contains("\npushed 0 points of 1 symbol from own in "), "{output}");
    assert_eq!(ingest.server().requests().len(), 0);
}

/// The file of a run that is sending at this moment does not wait. Else two runs that a scheduler starts together would
/// look as if the journal grew.
#[test]
fn points_that_another_run_is_sending_do_not_count_as_waiting() {
    for (age, waiting) in [(1, "24"), (3_000, "25")] {
        let (provider, ingest) = (provider(), healthy());
        let run = prices::run(&provider, "").graphite(&ingest);
        let journal = Journal::of(&run);
        let names: Vec<String> = (0..24).map(|index| format!("older.{index}")).collect();
        journal.plant(3_600, &names);
        journal.plant(age, &["a"]);
        let lock = journal.lock();
        let running = run.clone().spawn();
        journal.wait_for_files(3);
        drop(lock);
        assert_eq!(running.wait().code, Some(0));
        assert_eq!(ingest.value("metrics.crypto.journal").as_deref(), Some(waiting));
    }
}

#[test]
fn journal_sends_the_oldest_file_first() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "");
    for age in [60, 3_000, 1_200, 1, 2_400, 600] {
        Journal::of(&run).plant(age, &[format!("t{age}")]);
    }
    run.clone().graphite(&ingest).check();
    assert_eq!(landed(&ingest)[..7], ["t3000", "t2400", "t1200", "t600", "t60", "t1", "crypto.BTC-USD.last"]);
}

/// The next run pushes this information about the run before.
#[test]
fn next_run_pushes_journal_size_and_status_of_the_push_before() {
    let (provider, ingest) = (provider(), failing());
    let run = prices::run(&provider, "");
    run.clone().graphite(&ingest).stderr(STAYS_IN_JOURNAL).exit(75).check();
    let started = Journal::of(&run).files()[0].started;
    wait_until("the next second", || now() > started);
    ingest.recover();
    let waited = 1 + prices::HEALTH_POINTS;
    let message =
        format!("...\npushed [..] points ({waited} of them waited in the journal) of 1 symbol from own in <time>\n");
    run.clone().args(["-v"]).graphite(&ingest).stderr(message).check();
    let points = ingest.points();
    let of = |name: &str| points.iter().rfind(|point| point.name == name).expect("a point");
    assert_eq!(of("metrics.crypto.journal").value, (1 + prices::HEALTH_POINTS).to_string());
    let status = of("metrics.crypto.graphite.response.status_code");
    assert_eq!((status.value.as_str(), i64::try_from(status.time)), ("503", Ok(started)));
    assert_eq!(i64::try_from(of("metrics.crypto.graphite.response.time").time), Ok(started));
}

/// The count is right also where none of the run's own points were accepted.
#[test]
fn summary_counts_journal_points_where_the_own_push_fails() {
    let provider = provider();
    let ingest = Ingest::deciding(Dialect::WriteProxy, |push| match push.points {
        [point] if point.name == "a" => Verdict::Take,
        _ => Verdict::Refuse(Reply::status(503)),
    });
    let run = prices::run(&provider, "").graphite(&ingest).args(["-v"]);
    Journal::of(&run).plant(60, &["a"]);
    let message = "pushed 1 point (1 of them waited in the journal) of 1 symbol from own in <time>\n";
    run.stderr(format!("...\n{STAYS_IN_JOURNAL}{message}")).exit(75).check();
    assert_eq!(landed(&ingest), ["a"]);
}

/// A run while the market is closed makes no requests to providers, but sends the journal.
#[test]
fn journal_is_sent_while_the_market_is_closed() {
    let (stocks, ingest) = (Server::start(), healthy());
    let config = format!("[stocks]\nclosed = {}\nmarket_hours = 'regular'\n", holidays());
    let run = Datametrics::new().config(&config).args(["stocks"]).provider("yahoo", &stocks).graphite(&ingest);
    Journal::of(&run).plant(60, &["a"]);
    run.clone().check();
    assert_eq!((landed(&ingest)[0].as_str(), Journal::of(&run).files().len()), ("a", 0));
}

/// `; datametrics journal 3` with its checksum.
const LATER_VERSION: &str = "; datametrics journal 3 bf0ad3d9\nwhatever\n";

#[test]
fn truncated_journal_file_gives_its_whole_points() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").graphite(&ingest);
    let cut = Journal::of(&run).plant(120, &numbered("cut", 5));
    Journal::of(&run).plant(60, &numbered("whole", 5));
    let text = fs::read_to_string(path(&run, &cut)).expect("a text");
    let middle = text.find("cut.3").expect("the fourth point") + 8;
    fs::write(path(&run, &cut), &text[..middle]).expect("a file of ours");
    let message = "error: journal: <home>/.local/state/datametrics/journal/[..]-5.points is damaged: line 7 cannot be \
                read; 3 of its 5 points are readable, and the file is put aside in \
                <home>/.local/state/datametrics/damaged\n";
    run.clone().stderr(message).exit(1).check();
    let names = landed(&ingest);
    let expected = [&numbered("cut", 3)[..], &numbered("whole", 5)].concat();
    assert_eq!(names[..8], expected);
    assert_eq!(names.len(), 8 + 1 + prices::HEALTH_POINTS);
    assert_eq!(Journal::of(&run).files(), []);
    let aside = run.state_dir().join("damaged").join(&cut.name);
    assert_eq!(fs::read_to_string(aside).expect("the file"), text[..middle]);
    run.check();
}

/// The damage is reported once, and the readable points stay in the journal.
#[test]
fn truncated_journal_file_is_moved_away_while_graphite_fails() {
    let (provider, ingest) = (provider(), failing());
    let run = prices::run(&provider, "").graphite(&ingest);
    let cut = Journal::of(&run).plant(120, &numbered("cut", 5));
    let text = fs::read_to_string(path(&run, &cut)).expect("a text");
    fs::write(path(&run, &cut), &text[..text.len() - 10]).expect("a file of ours");
    let damaged = "error: journal: [..] is damaged: line 9 cannot be read; 5 of its 5 points are readable, [..]\n";
    run.clone().stderr(format!("{damaged}{STAYS_IN_JOURNAL}")).exit(75).check();
    run.clone().stderr(STAYS_IN_JOURNAL).exit(75).check();
    ingest.recover();
    run.clone().check();
    assert_eq!(landed(&ingest)[..5], numbered("cut", 5));
    assert_eq!(Journal::of(&run).files(), []);
}

/// A damaged file that cannot be put aside stays. What is readable of it must not become a new file in each run.
#[test]
fn damaged_journal_file_that_cannot_be_moved_is_not_copied() {
    let (provider, ingest) = (provider(), failing());
    let run = prices::run(&provider, "").graphite(&ingest);
    let cut = Journal::of(&run).plant(120, &numbered("cut", 5));
    let text = fs::read_to_string(path(&run, &cut)).expect("a text");
    fs::write(path(&run, &cut), &text[..text.len() - 10]).expect("a file of ours");
    fs::write(run.state_dir().join("damaged"), "a file where a folder should be").expect("a file");
    for runs in 1..=3 {
        let output = run.run();
        assert_eq!(output.code, Some(75), "{output}");
        assert!(output.stderr.contains("and the file stays where it is"), "{output}");
        assert_eq!(Journal::of(&run).file_names().len(), 1 + runs, "that file, and one of each run");
    }
}

/// A file may be written by whoever can write into the folder. A name with a quotation mark would be JSON of its own.
#[test]
fn planted_journal_name_adds_nothing_to_the_request() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").graphite(&ingest);
    let name = "a\",\"interval\":1,\"value\":1,\"time\":1},{\"name\":\"b";
    Journal::of(&run).plant(60, &[name, "good"]);
    let message = "error: journal: [..] is damaged: line 4 cannot be read; 1 of its 2 points are readable, [..]\n";
    run.stderr(message).exit(1).check();
    assert_eq!(landed(&ingest)[0], "good");
}

#[test]
fn journal_file_of_a_later_version_is_left_alone() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").graphite(&ingest);
    let later = Journal::of(&run).plant(120, &["later"]);
    Journal::of(&run).plant(60, &["known"]);
    fs::write(path(&run, &later), LATER_VERSION).expect("a file of ours");
    let message = "error: journal: <home>/.local/state/datametrics/journal/[..]-1.points is of form \"3\", and this \
                datametrics knows form 2: it was left where it is; run the newer datametrics that wrote it, or \
                remove the file and lose its points; until then points wait that no run can send\n";
    run.clone().stderr(message).exit(75).check();
    assert_eq!(landed(&ingest)[..2], ["known", "crypto.BTC-USD.last"]);
    assert_eq!(fs::read_to_string(path(&run, &later)).expect("the file"), LATER_VERSION);
}

#[test]
fn unreadable_journal_file_is_moved_away_and_foreign_files_stay() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").graphite(&ingest);
    let junk = Journal::of(&run).plant(120, &["junk", "more"]);
    Journal::of(&run).plant(60, &["known"]);
    fs::write(path(&run, &junk), b"\xff\0\xfe junk without a line").expect("a file of ours");
    let folder = run.state_dir().join("journal");
    fs::write(folder.join("README"), "not ours").expect("a file");
    fs::create_dir(folder.join("001-002-003-1.points")).expect("a folder");
    let message = "error: journal: <home>/.local/state/datametrics/journal/[..]-2.points is damaged: line 1 cannot be \
                read, and without it the points mean nothing; 0 of its 2 points are readable, and the file is put \
                aside in <home>/.local/state/datametrics/damaged\n";
    run.clone().stderr(message).exit(1).check();
    assert_eq!(landed(&ingest)[..2], ["known", "crypto.BTC-USD.last"]);
    assert_eq!(ingest.server().requests().len(), 2, "nothing is sent of what holds nothing");
    assert!(folder.join("README").exists() && folder.join("001-002-003-1.points").exists());
    run.check();
}

/// A killed run leaves a temporary file, which does not disturb later runs.
#[test]
fn temporary_journal_file_is_ignored() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").graphite(&ingest);
    let entry = Journal::of(&run).plant(60, &["a"]);
    let half = path(&run, &entry).with_extension("points.tmp");
    fs::rename(path(&run, &entry), &half).expect("a file of ours");
    run.clone().check();
    assert_eq!((landed(&ingest)[0].as_str(), half.exists()), ("crypto.BTC-USD.last", true));
}

#[test]
fn journal_removes_the_oldest_files_above_max_bytes() {
    let (provider, ingest) = (provider(), failing());
    let ages = [180, 120, 60];
    let bytes: u64 = {
        let run = prices::run(&provider, "");
        let file = Journal::of(&run).plant(60, &numbered("t60", 20));
        fs::metadata(path(&run, &file)).expect("a file of ours").len()
    };
    // Space for the file of the run and for those of two other runs.
    let run = prices::run(&provider, &format!("[journal]\nmax_bytes = {}\n", bytes * 2 + 900)).graphite(&ingest);
    for age in ages {
        Journal::of(&run).plant(age, &numbered(&format!("t{age}"), 20));
    }
    let message = "error: journal: dropped 20 points of one run, which is more than journal.max_bytes allows\n";
    run.clone().stderr(format!("{message}{STAYS_IN_JOURNAL}")).exit(75).check();
    assert_eq!(Journal::of(&run).files().len(), 3);
    ingest.recover();
    run.clone().check();
    assert_eq!((landed(&ingest)[0].as_str(), landed(&ingest)[20].as_str()), ("t120.0", "t60.0"));
}

/// A limit does not prevent sending.
#[test]
fn journal_above_max_bytes_is_sent_where_graphite_takes_it() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "[journal]\nmax_bytes = 1\n").graphite(&ingest);
    Journal::of(&run).plant(60, &["a"]);
    run.clone().check();
    assert_eq!(landed(&ingest).len(), 1 + 1 + prices::HEALTH_POINTS);
}

/// What is too old comes last. It is dropped if Graphite refuses it, by its age or by a reason of its own, and
/// only while Graphite is well.
#[test]
fn files_older_than_max_age_are_sent_once_and_dropped_if_graphite_refuses_them() {
    const AGED: &str = "error: journal: dropped 3 points of one run, which is older than journal.max_age allows\n";
    for status in [400, 500, 503, 403, 429] {
        let (provider, ingest) = (provider(), healthy());
        let run = prices::run(&provider, "[journal]\nmax_age = 100\n").graphite(&ingest);
        let fine = Journal::of(&run).plant_for(&ingest.url(), 300, &["fine"]);
        let old = Journal::of(&run).plant_for(&ingest.url(), 200, &["a", "b", "c"]);
        Journal::of(&run).plant(50, &["d"]);
        ingest.decide(move |push| {
            let is_old = push.points.iter().any(|point| ["a", "b", "c"].contains(&point.name.as_str()));
            if is_old { Verdict::Refuse(Reply::status(status)) } else { Verdict::Take }
        });
        let stays = "the points are in the journal, the next run sends them\n";
        let (code, message, waits) = match status {
            403 | 503 => {
                let said = format!("error: graphite: 127.0.0.1 takes points, but not a and 2 more (HTTP {status})");
                let question = "does a firewall before it block a name or a value? T";
                run.clone().stderr(format!("{said}; {question}{}", &stays[1..])).exit(75).check();
                assert_eq!(Journal::of(&run).files()[0].points.len(), 3, "two runs must see it");
                (1, AGED.to_owned(), vec![])
            }
            429 => (75, format!("error: graphite: 127.0.0.1 answered HTTP 429; {stays}"), vec![fine, old]),
            _ => (1, AGED.to_owned(), vec![]),
        };
        run.clone().stderr(message).exit(code).check();
        let names = landed(&ingest);
        assert_eq!((names[0].as_str(), names.contains(&"fine".to_owned())), ("d", status != 429));
        assert_eq!(Journal::of(&run).files(), waits);
    }
}

/// Of a file that is too old only what Graphite names counts as refused, and the rest is dropped with it.
#[test]
fn old_file_that_is_refused_in_part_is_dropped_with_the_right_number() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "[journal]\nmax_age = 100\n").graphite(&ingest);
    Journal::of(&run).plant(200, &["a", "b", "c"]);
    ingest.decide(|push| match push.points {
        [a, ..] if a.name == "a" => Verdict::Refuse(Reply::json(
            r#"{"Published":1,"ValidationErrors":{"too old":{"Count":1,"ExampleIds":[1]}}}"#,
        )),
        _ => Verdict::Take,
    });
    let message = "error: graphite refused b: too old\n\
                   error: journal: dropped 2 points of one run, which is older than journal.max_age allows\n";
    run.clone().stderr(message).exit(1).check();
    assert_eq!(Journal::of(&run).files(), []);
}

/// Nobody has seen those points, so nothing but their size bounds them.
#[test]
fn files_older_than_max_age_wait_while_graphite_is_down() {
    let (provider, ingest) = (provider(), failing());
    let run = prices::run(&provider, "[journal]\nmax_age = 100\n").graphite(&ingest);
    Journal::of(&run).plant(200, &["a"]);
    run.clone().stderr(STAYS_IN_JOURNAL).exit(75).check();
    assert_eq!(Journal::of(&run).files().len(), 2);
    ingest.recover();
    run.clone().check();
    assert!(landed(&ingest).contains(&"a".to_owned()));
    assert_eq!(Journal::of(&run).files(), []);
}

/// Carbon accepts points of any age.
#[test]
fn journal_for_carbon_sends_files_older_than_a_week_last() {
    let (provider, carbon) = (provider(), Carbon::start());
    let run = prices::run(&provider, "").carbon(&carbon);
    let day = 86_400;
    Journal::of(&run).plant(7 * day + 60, &["a"]);
    Journal::of(&run).plant(7 * day - 60, &["b"]);
    Journal::of(&run).plant(2 * 3_600, &["c"]);
    run.clone().check();
    let names: Vec<_> = carbon.points().into_iter().map(|point| point.name).collect();
    assert_eq!(names[..3], ["b", "c", "crypto.BTC-USD.last"]);
    assert_eq!(names.last().map(String::as_str), Some("a"));
}

/// The waiting points of one Graphite are nobody else's: they may be private, and another one knows other names.
#[test]
fn points_that_wait_for_one_graphite_do_not_go_to_another() {
    let (provider, a, b) = (provider(), failing(), healthy());
    let run = prices::run(&provider, "").hide(a.server().address().to_string(), "A");
    let to_a = run.clone().args(["--prefix", "a"]).graphite(&a);
    let to_b = run.clone().args(["--prefix", "b"]).graphite(&b);
    let is_of_a = |name: &String| name.starts_with("a.");
    to_a.clone().stderr(STAYS_IN_JOURNAL).exit(75).check();
    let waiting = Journal::of(&run).files();

    let notice = "warning: journal: it holds 10 points for another Graphite, http://A/graphite/metrics; to send them somewhere, \
                  name the URL of that one in `formerly` of a destination; or if another config sends there, give each \
                  config a DATAMETRICS_STATE_DIR of its own\n";
    to_b.clone().stderr(notice).check();
    to_b.clone().check();
    assert_eq!((Journal::of(&run).files(), landed(&b).iter().any(is_of_a)), (waiting.clone(), false));
    assert_eq!(b.value("b.metrics.crypto.journal").as_deref(), Some("0"), "only what waits for it counts");

    // The credentials are not part of the destination: new ones send what the old ones could not.
    let message = "error: graphite: 127.0.0.1 refused the credentials: [..]? The points are in the journal, the next \
                   run sends them\n";
    a.recover();
    to_a.clone().env("GRAPHITE_PASSWORD", "expired").stderr(message).exit(77).check();
    assert_eq!(Journal::of(&run).files().len(), 2);
    to_a.clone().check();
    let last = landed(&a).into_iter().filter(|name| name == "a.crypto.BTC-USD.last").count();
    assert_eq!((last, Journal::of(&run).files()), (3, vec![]));
}

#[test]
fn points_that_wait_for_a_former_graphite_are_adopted() {
    let (provider, a, b) = (provider(), failing(), healthy());
    let run = prices::run(&provider, &format!("[graphite]\nformerly = ['{}']\n", a.url()));
    run.clone().args(["--prefix", "a"]).graphite(&a).stderr(STAYS_IN_JOURNAL).exit(75).check();
    run.clone().args(["--prefix", "b"]).graphite(&b).check();
    let names = landed(&b);
    assert_eq!((names[0].as_str(), Journal::of(&run).files()), ("a.crypto.BTC-USD.last", vec![]));
    assert_eq!(b.value("b.metrics.crypto.journal").as_deref(), Some("10"));
}

/// They are dropped in the end, as nobody will ever send them, and each Graphite has all of `max_bytes`.
#[test]
fn points_that_wait_for_another_graphite_are_bounded_by_age_and_size() {
    const OLD: &str = "tcp://old.example:2003";
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "[journal]\nmax_bytes = 3000\nmax_age = 100\n").graphite(&ingest);
    let journal = Journal::of(&run);
    let week = 7 * 86_400;
    journal.plant_for(OLD, week + 60, &["a", "b"]);
    journal.plant_for(OLD, week - 60, &numbered("big", 60));
    let kept = journal.plant_for(OLD, 50, &numbered("small", 30));
    let own = journal.plant_for(&ingest.url(), 50, &numbered("own", 30));
    ingest.fail(503);
    let message = format!(
        "error: journal: dropped 2 points for tcp://old.example:2003 of one run, which is older than a week\n\
         error: journal: dropped 60 points for tcp://old.example:2003 of one run, which is more than \
         journal.max_bytes allows\n{STAYS_IN_JOURNAL}"
    );
    let notice = "warning: journal: it holds 30 points for another Graphite, tcp://old.example:2003; to send them somewhere, \
                  name the URL of that one in `formerly` of a destination; or if another config sends there, give each \
                  config a DATAMETRICS_STATE_DIR of its own\n";
    run.clone().stderr(format!("{notice}{message}")).exit(75).check();
    let files = journal.files();
    assert_eq!((files.len(), files.contains(&kept), files.contains(&own)), (3, true, true));
}

#[test]
fn journal_folder_that_is_a_file_is_a_warning() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").env("DATAMETRICS_STATE_DIR", "state");
    fs::write(run.home().join("state"), "not a folder").expect("a file");
    let message = "warning: journal: cannot make state/journal: Not a directory (os error 20); the state directory must \
                be writable and have room (DATAMETRICS_STATE_DIR chooses another)\n";
    run.clone().graphite(&ingest).stderr(message).check();
    assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("61000.5"));
    // Now the points are stored nowhere.
    let lost = "error: graphite: 127.0.0.1 answered HTTP 503; 9 points are lost, as they are in no journal\n";
    run.graphite(&failing()).stderr(format!("{message}{lost}")).exit(75).check();
}

/// Without a lock a run still sends what waits, keeps the bounds, and says so once a day.
#[test]
fn journal_works_where_the_lock_cannot_be_created() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "[journal]\nmax_bytes = 1500\n").graphite(&ingest);
    Journal::of(&run).plant(60, &["a"]);
    fs::create_dir(run.state_dir().join("lock")).expect("a folder");
    let message = "warning: journal: cannot lock <home>/.local/state/datametrics/lock: Is a directory (os error 21); \
                remove it; points are sent without it, some of them twice\n";
    run.clone().stderr(message).check();
    assert_eq!(landed(&ingest)[..2], ["a", "crypto.BTC-USD.last"]);
    assert_eq!(Journal::of(&run).files(), []);
    run.clone().check();

    ingest.fail(503);
    Journal::of(&run).plant(60, &numbered("b", 50));
    let dropped = "error: journal: dropped 50 points of one run, which is more than journal.max_bytes allows\n";
    run.clone().stderr(format!("{dropped}{STAYS_IN_JOURNAL}")).exit(75).check();
    assert_eq!(Journal::of(&run).files().len(), 1);
}

/// The bounds hold also where another run has the lock for ever.
#[test]
fn journal_keeps_its_bounds_while_another_run_holds_the_lock() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "[journal]\nmax_bytes = 1500\n").graphite(&ingest);
    Journal::of(&run).plant(60, &numbered("b", 50));
    let _lock = Journal::of(&run).lock();
    let message = "error: journal: dropped 50 points of one run, which is more than journal.max_bytes allows\n\
                   error: journal: another run held <home>/.local/state/datametrics/lock all the time (`fuser <home>/.local/state/datametrics/lock` names its process, should it be stopped); the points \
                   are in the journal, the next run sends them\n";
    run.clone().args(["--timeout", "0.5"]).stderr(message).exit(75).check();
    assert_eq!(Journal::of(&run).files().len(), 1);
}

#[test]
fn no_journal_flag_neither_writes_nor_sends_the_journal() {
    let (provider, ingest) = (provider(), healthy());
    let run = prices::run(&provider, "").args(["--no-journal"]);
    Journal::of(&run).plant(60, &["a"]);
    run.clone().graphite(&ingest).check();
    assert_eq!(landed(&ingest)[0], "crypto.BTC-USD.last");
    let lost = "error: graphite: 127.0.0.1 answered HTTP 503; [..] points are lost, as they are in no journal\n";
    run.clone().graphite(&failing()).stderr(lost).exit(75).check();
    assert_eq!(Journal::of(&run).files().len(), 1);
}

#[test]
fn journal_is_off_where_no_variable_names_a_state_directory() {
    let provider = provider();
    let run = prices::run(&provider, "").env("HOME", "");
    let warning = "warning: journal: there is none, as HOME is not set: points that Graphite does not take will be lost; \
                   name a folder in DATAMETRICS_STATE_DIR, or give up the journal with --no-journal\n";
    run.clone().graphite(&healthy()).stderr(warning).check();
    let lost = "error: graphite: 127.0.0.1 answered HTTP 503; 9 points are lost, as they are in no journal\n";
    run.clone().graphite(&failing()).stderr(warning.to_owned() + lost).exit(75).check();
    let left: Vec<_> = fs::read_dir(run.home()).expect("a home").flatten().map(|file| file.file_name()).collect();
    assert_eq!(left, ["config.toml"]);
}

/// Runs it on a file system of 32 KiB that only this run sees. The shell commands `before` and `after` run in
/// the state directory. Returns exit code, standard output and standard error.
fn run_on_small_disk(run: Datametrics, before: &str, after: &str) -> (Option<i32>, String, String) {
    run_on_disk(run, "32k", before, after)
}

/// The same with a file system of this size.
pub(crate) fn run_on_disk(run: Datametrics, size: &str, before: &str, after: &str) -> (Option<i32>, String, String) {
    let script = format!(
        "mkdir state && mount -t tmpfs -o size={size} none state && cd state && {{ {before}; }}; cd ..\n\
         \"$@\"; code=$?; cd state && {{ {after}; }}; exit $code"
    );
    let output = mount::run_script(&run.env("DATAMETRICS_STATE_DIR", "state"), &script);
    (output.code, output.stdout, output.stderr)
}

/// Copies the journal of an earlier run and fills the rest of the disk.
pub(crate) const FILL_DISK: &str =
    "cp -r ../.local/state/datametrics/journal . && : > lock && ! cat /dev/zero > fill 2>&-";

fn disk_full_warning(path: &str) -> String {
    format!(
        "warning: journal: cannot write {path}: No space left on device (os error 28); the state directory must be \
         writable and have room (DATAMETRICS_STATE_DIR chooses another)\n"
    )
}

/// Replaces the name of the journal file, which differs from run to run.
fn without_file_name(stderr: &str) -> String {
    let word = |word: &str| {
        let is_file = word.starts_with("state/journal/") && word.ends_with(".points:");
        if is_file { "FILE:".to_owned() } else { word.to_owned() }
    };
    stderr.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn journal_on_a_full_disk_is_a_warning_and_keeps_old_files() {
    if !mount::can_mount() {
        return;
    }
    let provider = provider();
    let before = |graphite: &Ingest| {
        let run = prices::run(&provider, "").graphite(graphite);
        Journal::of(&run).plant(60, &numbered("old", 40));
        run
    };
    // Only the disk is full: every point is stored, first those that have no file, and the old files are removed.
    let ingest = healthy();
    let (code, stdout, stderr) = run_on_small_disk(before(&ingest), FILL_DISK, "ls journal");
    assert_eq!((code, stdout.as_str(), without_file_name(&stderr)), (Some(0), "", disk_full_warning("FILE")));
    let names = landed(&ingest);
    let (own, old) = names.split_at(1 + prices::HEALTH_POINTS);
    assert_eq!((own[0].as_str(), old), ("crypto.BTC-USD.last", &numbered("old", 40)[..]));

    // Graphite fails as well: the old files stay, and the loss of the run's own points is reported.
    let (code, stdout, stderr) = run_on_small_disk(before(&failing()), FILL_DISK, "grep -c '^old' journal/*");
    let lost = "error: graphite: 127.0.0.1 answered HTTP 503; 10 points are lost, as they are in no journal\n";
    assert_eq!(
        (code, stdout.as_str(), without_file_name(&stderr)),
        (Some(75), "40\n", disk_full_warning("FILE") + lost)
    );

    // Graphite stores most of a file. There is no space for the rest, so the file stays as it is.
    let picky = Ingest::deciding(Dialect::WriteProxy, |push| {
        let has_last = push.points.iter().any(|point| point.name == "old.39");
        match push.points.len() {
            20.. if has_last => Verdict::Refuse(Reply::text(413, "too many")),
            _ if has_last => Verdict::Refuse(Reply::status(429)),
            _ => Verdict::Take,
        }
    });
    let (code, stdout, stderr) = run_on_small_disk(before(&picky), FILL_DISK, "grep -c '^old' journal/*");
    assert_eq!((code, stdout.as_str()), (Some(75), "40\n"), "{stderr}");
    assert_eq!(landed(&picky)[1 + prices::HEALTH_POINTS..], numbered("old", 30));
}

/// However much waits, it does not take the time of points that have no file.
#[test]
fn points_that_a_full_disk_does_not_take_are_sent_before_four_hundred_files() {
    if !mount::can_mount() {
        return;
    }
    let provider = provider();
    let ingest = Ingest::deciding(Dialect::WriteProxy, |push| match push.number {
        1 => Verdict::Take,
        _ => Verdict::Refuse(Reply::hang()),
    });
    let run = prices::run(&provider, "").graphite(&ingest).args(["--timeout", "3"]);
    for age in 100..500 {
        Journal::of(&run).plant_for(&ingest.url(), age, &[format!("t{age}")]);
    }
    let (code, stdout, stderr) = run_on_disk(run, "2m", FILL_DISK, "ls journal | wc -l");
    assert_eq!((code, stdout.as_str()), (Some(75), "400\n"), "{stderr}");
    assert!(stderr.contains("he points are in the journal") && !stderr.contains("lost"), "{stderr}");
    assert_eq!(landed(&ingest).len(), 1 + prices::HEALTH_POINTS);
    assert_eq!(landed(&ingest)[0], "crypto.BTC-USD.last");
}

#[test]
fn journal_on_a_read_only_disk_is_a_warning() {
    if !mount::can_mount() {
        return;
    }
    let (provider, ingest) = (provider(), healthy());
    let run_on = |before: &str| run_on_small_disk(prices::run(&provider, "").graphite(&ingest), before, "ls");
    let message = "the state directory must be writable and have room (DATAMETRICS_STATE_DIR chooses another)";
    let (code, stdout, stderr) = run_on("mount -o remount,ro,size=32k none .");
    let cannot = "cannot make state/journal: Read-only file system (os error 30)";
    assert_eq!((code, stdout.as_str(), stderr), (Some(0), "", format!("warning: journal: {cannot}; {message}\n")));

    let (code, stdout, stderr) = run_on("mkdir journal && mount -o remount,ro,size=32k none .");
    let cannot = "cannot write FILE: Read-only file system (os error 30)";
    let expected = format!("warning: journal: {cannot}; {message}\n");
    assert_eq!((code, stdout.as_str(), without_file_name(&stderr)), (Some(0), "journal\n", expected));
    let last = landed(&ingest).into_iter().filter(|name| name == "crypto.BTC-USD.last").count();
    assert_eq!(last, 2);
}
