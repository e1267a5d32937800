//! Failures of the journal, the state and the monitor.

use super::scene::{Observed, Scene};
use crate::support::{
    Datametrics, Dialect, Ingest, Output, Received, Reply, Server, Verdict,
    journal::Journal,
    limit::{make_pipe, with_file_size},
    numbered,
    prices::{self, run},
};
use Scene::Played;
use std::fs;

/// A run after `damage` was done to its home.
fn after(damage: impl FnOnce(&Datametrics)) -> Observed {
    let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let run = run(&server, "").graphite(&ingest);
    damage(&run);
    observed(&run, &run.run())
}

/// Hides the names of journal files, which contain the time.
fn observed(run: &Datametrics, output: &Output) -> Observed {
    let mut output = run.normalise(output);
    let words = output.stderr.split('/').map(|part| match part.split_once(".points") {
        Some((_, after)) => format!("FILE.points{after}"),
        None => part.to_owned(),
    });
    output.stderr = words.collect::<Vec<_>>().join("/");
    Observed::of_output(&output)
}

/// Hides the name of the state file, which contains the port of Graphite.
fn without_state_name(run: Datametrics) -> Datametrics {
    let path = run.state_file("state", ("crypto", ".json"));
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    run.hide(name, "FILE.json")
}

/// A run with a journal file whose text was changed.
fn changed(change: impl FnOnce(String) -> String) -> Observed {
    after(|run| {
        let entry = Journal::of(run).plant(60, &["a.b", "a.c"]);
        let file = Journal::of(run).path(&entry.name);
        let text = fs::read_to_string(&file).expect("a file");
        fs::write(&file, change(text)).expect("a file");
    })
}

/// A run with a journal file without the line that contains `part`.
fn without(part: &'static str) -> Observed {
    changed(|text| text.split_inclusive('\n').filter(|line| !line.contains(part)).collect())
}

/// A run whose Graphite refuses everything, with this added to its config.
fn failing(config: &str, age: i64) -> Observed {
    let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::refusing(Dialect::WriteProxy, [503; 9]));
    let run = run(&server, config).graphite(&ingest);
    Journal::of(&run).plant(age, &numbered("old", 20));
    Journal::of(&run).plant(age, &["older"]);
    Observed::of_run(&run)
}

/// A file of the next version: its first line with its checksum.
const LATER: &str = "; datametrics journal 3 bf0ad3d9\nwhatever\n";

/// Where points went before.
const OLD: &str = "tcp://old.example:2003";

/// A run that finds points for another destination, as old as this, with this added to its config.
fn other_destination(config: &str, age: i64) -> Observed {
    let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let run = run(&server, config).graphite(&ingest);
    Journal::of(&run).plant_for(OLD, age, &numbered("old", 20));
    Observed::of_run(&run)
}

pub(crate) const SCENES: &[Scene] = &[
    Played("Graphite answers 503", || failing("", 60)),
    Played("it is well again", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest).args(["-v"]);
        Journal::of(&run).plant(60, &["a.b"]);
        Observed::of_run(&run)
    }),
    Played("too many bytes wait", || failing("[journal]\nmax_bytes = 1000\n", 60)),
    Played("what waits is too old, and is refused", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        ingest.decide(|push| match push.points {
            [old, ..] if old.name.starts_with("old") => Verdict::Refuse(Reply::text(400, "too old")),
            _ => Verdict::Take,
        });
        let run = run(&server, "").graphite(&ingest);
        Journal::of(&run).plant(5000, &numbered("old", 20));
        Journal::of(&run).plant(4000, &["older"]);
        Observed::of_run(&run)
    }),
    Played("points wait for another Graphite", || other_destination("", 60)),
    Played("they are too old", || other_destination("", 8 * 86_400)),
    Played("they are too many", || other_destination("[journal]\nmax_bytes = 500\n", 60)),
    Played("their Graphite cannot be read", || {
        after(|run| {
            let entry = Journal::of(run).plant_for(OLD, 60, &["a.b"]);
            fs::write(Journal::of(run).path(&entry.name), "junk").expect("a file");
        })
    }),
    Played("they are adopted, with `-v`", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let config = format!("[graphite]\nformerly = ['{OLD}']\n");
        let run = run(&server, &config).graphite(&ingest).args(["-v"]);
        Journal::of(&run).plant_for(OLD, 60, &["a.b"]);
        Observed::of_run(&run)
    }),
    Played("another run is sending", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest).args(["--timeout", "1"]);
        let _lock = Journal::of(&run).lock();
        Observed::of_run(&run)
    }),
    Played("a file is cut", || changed(|text| text[..text.len() / 2].to_owned())),
    Played("a file lacks its end", || without("; end")),
    Played("a file lacks a point", || without("a.c")),
    Played("a file is junk", || changed(|_| "junk".to_owned())),
    Played("a file of a newer program", || changed(|_| LATER.to_owned())),
    Played("a file of a run that lies ahead of the clock", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest);
        Journal::of(&run).plant(-6_000 * 60 - 30, &["a.b"]);
        Observed::of_run(&run)
    }),
    Played("the state directory is a file", || {
        after(|run| {
            fs::create_dir_all(run.home().join(".local/state")).expect("a folder");
            fs::write(run.state_dir(), "").expect("a file");
        })
    }),
    Played("no variable names a state directory", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        Observed::of_run(&run(&server, "").graphite(&ingest).env("HOME", ""))
    }),
    Played("the lock is a folder", || after(|run| fs::create_dir_all(run.state_dir().join("lock")).expect("a folder"))),
    Played("the lock is a pipe", || after(|run| make_pipe(&run.state_dir().join("lock")))),
    Played("a file of the state is a pipe, with `-v`", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest).args(["-v"]);
        make_pipe(&run.state_file("state", ("crypto", ".json")));
        Observed::of_run(&without_state_name(run))
    }),
    Played("no file may be written", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest);
        observed(&run, &with_file_size(run.clone(), 0).run())
    }),
    Played("a damaged file has no place", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest);
        let entry = Journal::of(&run).plant(60, &["a.b"]);
        fs::write(Journal::of(&run).path(&entry.name), "junk").expect("a file");
        fs::create_dir_all(run.state_dir().join("damaged").join(&entry.name).join("full")).expect("a folder");
        observed(&run, &run.run())
    }),
    Played("the state is a file", || {
        let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = run(&server, "").graphite(&ingest).args(["-v"]);
        fs::create_dir_all(run.state_dir()).expect("a folder");
        fs::write(run.state_dir().join("state"), "").expect("a file");
        Observed::of_run(&without_state_name(run))
    }),
];

/// A run whose monitor replies with `answer`.
fn monitor(answer: fn(&Received) -> Reply) -> Observed {
    let (server, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
    let monitor = Server::with(answer);
    let run = run(&server, "").graphite(&ingest).args(["-v"]).env("DATAMETRICS_PING_URL", monitor.url() + "/s3same");
    Observed::of_run(&run.hide(monitor.address().to_string(), "MONITOR")).sorted()
}

pub(crate) const MONITOR: &[Scene] = &[
    Played("it does not know the check", || monitor(|_| Reply::text(200, "OK (not found)"))),
    Played("404", || monitor(|_| Reply::status(404))),
    Played("503", || monitor(|_| Reply::status(503))),
    Played("it closes before its reply", || monitor(|_| Reply::close())),
];
