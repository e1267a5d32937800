//! What waits in the journal, the folder of the journal, and clocks.

use super::{Fault, MOST_MEMORY, messages, no_locks::run_without_locks, watch};
use crate::{
    backlog::{A_WEEK, FILES, outage},
    clock::run_in_1970,
    journal::{FILL_DISK, run_on_disk},
    support::{
        Datametrics, Dialect, Ingest, Output, Reply, Verdict, journal::Journal, limit::as_other_user, lines, now,
        numbered, prices, wait_until,
    },
};
use datametrics::Outcome;
use log::Level;
use std::{
    any::Any,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

pub(crate) const HEAD: &str = "\
## The journal and the clock

One price is fetched and pushed by HTTP, ten points with those about the run. Before it files of runs before were put
into the journal, or something is wrong with its folder or with a clock.

| fault | messages | exit | points stored | files that wait | files put aside |
| --- | --- | --- | --- | --- | --- |
";

/// A fault of the journal, or of a clock.
pub(crate) struct Row {
    what: &'static str,
    config: &'static str,
    /// Brings it about. It lasts as long as what is returned.
    prepare: fn(&Datametrics, &Ingest) -> Box<dyn Any>,
    place: Place,
    /// Seconds for the whole run.
    timeout: u64,
}

/// Where the run takes place.
enum Place {
    Here,
    /// On a small disk of its own, after these commands of the shell.
    OnDisk(&'static str),
    /// In the year 1970, without a program of its own.
    In1970,
    /// Where the file system has no locks and answers with this error, without a program of its own.
    WithoutLocks(i32),
    /// Where the lock is another user's.
    BesideAnotherUser,
    /// Without `HOME`.
    Homeless,
}

impl Row {
    const fn new(what: &'static str, prepare: fn(&Datametrics, &Ingest) -> Box<dyn Any>) -> Self {
        Self { what, config: "", prepare, place: Place::Here, timeout: 40 }
    }

    const fn with_config(self, config: &'static str) -> Self {
        Self { config, ..self }
    }

    /// A fault that lasts until the timeout gets a short one.
    const fn lasting(self) -> Self {
        Self { timeout: 3, ..self }
    }

    const fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

/// A file with three points, so many seconds old.
fn three(run: &Datametrics, age: i64) -> Box<dyn Any> {
    Box::new(Journal::of(run).plant(age, &numbered("waiting", 3)))
}

/// The same, and Graphite refuses a whole request for the second point without a word.
fn one_bad(run: &Datametrics, ingest: &Ingest) -> Box<dyn Any> {
    ingest.decide(|push| {
        let has_bad = push.points.iter().any(|point| point.name == "waiting.1");
        if has_bad { Verdict::Refuse(Reply::status(400)) } else { Verdict::Take }
    });
    three(run, 60)
}

/// Graphite is down.
fn down(run: &Datametrics, ingest: &Ingest) -> Box<dyn Any> {
    ingest.fail(503);
    three(run, 60)
}

/// A file that was cut inside its last point.
fn cut(run: &Datametrics, _: &Ingest) -> Box<dyn Any> {
    let journal = Journal::of(run);
    let path = journal.path(&journal.plant(60, &numbered("waiting", 3)).name);
    let text = fs::read_to_string(&path).expect("a text");
    let middle = text.find("waiting.2").expect("the last point") + 8;
    fs::write(path, &text[..middle]).expect("a file of ours");
    Box::new(())
}

/// The same, where no damaged file can be put aside, and Graphite is down, so that it is not removed either.
fn cut_without_place(run: &Datametrics, ingest: &Ingest) -> Box<dyn Any> {
    ingest.fail(503);
    cut(run, ingest);
    fs::write(run.state_dir().join("damaged"), "no folder").expect("a file");
    Box::new(())
}

pub(crate) const ROWS: &[Row] = &[
    Row::new("the files of a day wait", |run, _| Box::new(outage(run, FILES))).with_config(A_WEEK),
    Row::new("the same, older than `journal.max_age`", |run, _| Box::new(outage(run, FILES))),
    Row::new("Graphite refuses a point of a file", one_bad),
    Row::new("the same in the next run", |run, ingest| {
        let bad = one_bad(run, ingest);
        run.run();
        // What is known of a push is pushed with the second in which it was.
        let ended = now();
        wait_until("the next second", || now() > ended);
        bad
    }),
    Row::new("Graphite is down", down),
    Row::new("a file is cut", cut),
    Row::new("the same, there can be no folder `damaged`, and Graphite is down", cut_without_place),
    Row::new("the same in the next run, which has a file of the run before too", |run, ingest| {
        let cut = cut_without_place(run, ingest);
        run.run();
        cut
    }),
    Row::new("a file for another Graphite", |run, _| {
        Box::new(Journal::of(run).plant_for("tcp://old.example:2003", 60, &["waiting"]))
    }),
    Row::new("another run holds the lock", |run, _| {
        three(run, 60);
        Box::new(Journal::of(run).lock())
    })
    .lasting(),
    Row::new("the lock is a directory", |run, _| {
        fs::create_dir_all(run.state_dir().join("lock")).expect("a folder");
        three(run, 60)
    }),
    Row::new("the lock is another user's", |run, _| three(run, 60)).at(Place::BesideAnotherUser),
    Row::new("no locks (ENOLCK)", |run, _| three(run, 60)).at(Place::WithoutLocks(libc::ENOLCK)),
    Row::new("no locks (ENOSYS)", |run, _| three(run, 60)).at(Place::WithoutLocks(libc::ENOSYS)),
    Row::new("no `HOME`", |_, _| Box::new(())).at(Place::Homeless),
    Row::new("no `HOME`, and Graphite is down", |_, ingest| {
        ingest.fail(503);
        Box::new(())
    })
    .at(Place::Homeless),
    Row::new("the journal is a file", |run, _| {
        fs::create_dir_all(run.state_dir()).expect("a folder");
        fs::write(run.state_dir().join("journal"), "no folder").expect("a file");
        Box::new(())
    }),
    Row::new("the disk is full", |run, _| three(run, 60)).at(Place::OnDisk(FILL_DISK)),
    Row::new("the disk is full, and Graphite is down", down).at(Place::OnDisk(FILL_DISK)),
    Row::new("the disk is read-only", |run, _| three(run, 60))
        .at(Place::OnDisk("cp -r ../.local/state/datametrics/journal . && mount -o remount,ro none .")),
    Row::new("a file of a run whose clock was at 2030", |run, _| three(run, -100_000_000)),
    Row::new("the clock is two hours ahead of the one before", |run, _| three(run, 2 * 3_600)),
    Row::new("the clock says 1970", |_, _| Box::new(())).at(Place::In1970),
];

impl Fault for Row {
    fn what(&self) -> &'static str {
        self.what
    }

    fn needs_mounts(&self) -> bool {
        matches!(self.place, Place::OnDisk(_))
    }

    fn needs_limits(&self) -> bool {
        matches!(self.place, Place::BesideAnotherUser)
    }

    fn play(&self) -> String {
        let (provider, ingest) = (prices::provider(&[("BTC", "5")]), Ingest::start(Dialect::WriteProxy));
        let run = prices::run(&provider, self.config).graphite(&ingest).args(["--timeout", &self.timeout.to_string()]);
        let _lasting = (self.prepare)(&run, &ingest);
        let before = ingest.points().len();
        let (output, waiting) = self.run(&run);
        let (said, code) = (messages(&output), output.code.expect("no signal"));
        let (stored, damaged) = (ingest.points().len() - before, run.state_dir().join("damaged"));
        let aside = fs::read_dir(damaged).map_or(0, Iterator::count);
        format!("| {} | {said} | {code} | {stored} | {waiting} | {aside} |\n", self.what)
    }
}

/// A run whose memory is watched.
fn watched(run: &Datametrics) -> Output {
    let running = run.spawn();
    let peak = watch(&running);
    let output = running.wait();
    assert!(peak < MOST_MEMORY, "{peak} KiB at the peak: {output}");
    run.normalise(&output)
}

/// A run inside the test, as a program of its own prints it.
fn inside((outcome, said): (Outcome, Vec<(Level, String)>)) -> Output {
    let word = |level| if level == Level::Warn { "warning" } else { "error" };
    let said = said.into_iter().map(|(level, text)| format!("{}: {text}", word(level)));
    Output { code: Some(outcome.code().into()), stderr: lines(said), stdout: String::new() }
}

impl Row {
    /// The run, and how many files wait after it.
    fn run(&self, run: &Datametrics) -> (Output, usize) {
        let waiting = || if run.state_dir().join("journal").is_dir() { Journal::of(run).file_names().len() } else { 0 };
        match self.place {
            Place::Here => (watched(run), waiting()),
            Place::Homeless => (watched(&run.clone().env("HOME", "")), waiting()),
            Place::BesideAnotherUser => {
                let run = as_other_user(run.clone(), &[]);
                let lock = run.state_dir().join("lock");
                fs::write(&lock, "").expect("a file");
                fs::set_permissions(lock, Permissions::from_mode(0o000)).expect("a file of ours");
                (run.normalise(&run.run()), waiting())
            }
            Place::WithoutLocks(error) => (run.normalise(&inside(run_without_locks(run, error))), waiting()),
            Place::OnDisk(before) => {
                let (code, stdout, stderr) = run_on_disk(run.clone(), "32k", before, "ls journal | wc -l");
                let waiting = stdout.trim().parse().expect("a number of files");
                (Output { code, stderr, stdout: String::new() }, waiting)
            }
            Place::In1970 => {
                let (outcome, said, files) = run_in_1970();
                (inside((outcome, said)), files)
            }
        }
    }
}
