//! Mirrors: every point goes to several destinations, and none of them disturbs another.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Latch, Point, Reply, Server, Verdict, graphite,
    journal::{DestinationId, Journal},
    leak, pause_until_the_next_second, port, prices, wait_until,
};
use std::collections::BTreeSet;
use std::fs::{self, File};

const WAIT: &str = "the points are in the journal, the next run sends them\n";

fn healthy() -> Ingest {
    Ingest::start(Dialect::WriteProxy)
}

/// A Graphite that fails until it recovers.
fn failing() -> Ingest {
    Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::status(503)))
}

/// A Graphite whose first answer waits for the latch.
fn hanging(latch: &Latch) -> Ingest {
    let latch = latch.clone();
    Ingest::deciding(Dialect::WriteProxy, move |push| match push.number {
        1 => Verdict::TakeBut(Reply::json(format!(r#"{{"published":{}}}"#, push.points.len())).after(&latch)),
        _ => Verdict::Take,
    })
}

fn provider() -> Server {
    prices::provider(&[("BTC", "61000.5")])
}

/// The section of a mirror.
fn mirror(name: &str, ingest: &Ingest) -> String {
    let (url, user, password) = (ingest.url(), graphite::USER, graphite::PASSWORD);
    format!("[mirrors.{name}]\nurl = '{url}'\nuser = '{user}'\npassword = '{password}'\n")
}

/// A run with one price for `first`, and for the mirror `cellar`.
fn run(provider: &Server, first: &Ingest, cellar: &Ingest) -> Datametrics {
    prices::run(provider, &mirror("cellar", cellar)).graphite(first)
}

/// Names and times.
fn keys(points: &[Point]) -> BTreeSet<(String, u64)> {
    points.iter().map(|point| (point.name.clone(), point.time)).collect()
}

/// Whether it took each point once. Returns the points.
fn once(ingest: &Ingest) -> BTreeSet<(String, u64)> {
    let (points, keys) = (ingest.points(), keys(&ingest.points()));
    assert_eq!(points.len(), keys.len(), "a point came twice: {points:?}");
    keys
}

/// The destinations of the files that wait.
fn waiting(run: &Datametrics) -> Vec<DestinationId> {
    Journal::of(run).files().into_iter().filter_map(|file| file.destination).collect()
}

#[test]
fn every_point_goes_to_every_destination() {
    let (provider, first, cellar, attic) = (provider(), healthy(), healthy(), Carbon::start());
    let config = format!("{}[mirrors.attic]\nurl = '{}'\n", mirror("cellar", &cellar), attic.url());
    let run = prices::run(&provider, &config).graphite(&first);
    run.clone().check();
    pause_until_the_next_second();
    run.clone().check();
    let taken = once(&first);
    assert_eq!(once(&cellar), taken);
    assert_eq!(keys(&attic.points()), taken);
    // A batch is made once, whoever gets it.
    assert_eq!(first.server().requests()[0].body, cellar.server().requests()[0].body);
    assert_eq!(first.value("crypto.BTC-USD.last").as_deref(), Some("61000.5"));
    for name in ["cellar", "attic"] {
        let value = |of: &str| first.value(&format!("metrics.crypto.mirror.{name}.{of}"));
        assert_eq!([value("journal"), value("response.status_code")], ["0", "200"].map(|text| Some(text.to_owned())));
        assert!(value("response.time").is_some());
    }
    assert_eq!(first.value("metrics.crypto.graphite.response.status_code").as_deref(), Some("200"));
    assert_eq!((waiting(&run), provider.requests().len()), (vec![], 2));
}

/// A run that is killed while a mirror hangs has said what is lost, and remembers who asked to be left alone.
#[test]
fn run_that_is_killed_while_a_mirror_hangs_has_said_and_kept_what_it_knows() {
    let (latch, provider) = (Latch::new(), Server::with(|_| Reply::status(429).header("Retry-After", "3600")));
    let first = Ingest::deciding(Dialect::Gateway, |_| Verdict::Invalid(vec![0], "too odd"));
    let cellar = hanging(&latch);
    let run = run(&provider, &first, &cellar);
    let log = run.home().join("log");
    let mut child = run.command().stderr(File::create(&log).expect("a file")).spawn().expect("the program starts");
    wait_until("a loss that is told", || fs::read_to_string(&log).is_ok_and(|log| log.contains(" refused metrics.")));
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    latch.release();
    let told = fs::read_to_string(&log).expect("a log");
    assert_eq!(provider.requests().len(), 1, "{told}");
    run.run();
    assert_eq!(provider.requests().len(), 1, "it asked to be left alone for an hour");
}

#[test]
fn mirror_that_is_down_costs_the_first_destination_nothing() {
    let (provider, first, cellar) = (provider(), healthy(), failing());
    let run = run(&provider, &first, &cellar);
    let message = format!("error: mirror cellar: 127.0.0.1 answered HTTP 503; {WAIT}");
    run.clone().stderr(message).exit(75).check();
    let of_first_run = once(&first);
    assert!(of_first_run.iter().any(|(name, _)| name == "crypto.BTC-USD.last"));
    assert_eq!(waiting(&run), [DestinationId::of(&cellar.url())]);
    assert_eq!(cellar.points(), []);

    cellar.recover();
    pause_until_the_next_second();
    run.clone().check();
    let of_mirror = once(&cellar);
    assert!(of_mirror.is_superset(&of_first_run), "what waited");
    assert_eq!(once(&first), of_mirror);
    let value = |name: &str| first.value(&format!("metrics.crypto.{name}"));
    let waited = of_first_run.len().to_string();
    assert_eq!([value("journal"), value("mirror.cellar.journal")], [Some("0".to_owned()), Some(waited)]);
    let statuses = [value("graphite.response.status_code"), value("mirror.cellar.response.status_code")];
    assert_eq!(statuses, ["200", "503"].map(|status| Some(status.to_owned())));
    assert_eq!(waiting(&run), []);
}

#[test]
fn mirror_gets_points_while_the_first_destination_is_down() {
    let (provider, first, cellar) = (provider(), failing(), healthy());
    let run = run(&provider, &first, &cellar);
    run.clone().stderr(format!("error: graphite: 127.0.0.1 answered HTTP 503; {WAIT}")).exit(75).check();
    let taken = once(&cellar);
    assert_eq!(waiting(&run), [DestinationId::of(&first.url())]);
    first.recover();
    pause_until_the_next_second();
    run.clone().check();
    assert!(once(&first).is_superset(&taken));
    assert_eq!(once(&cellar), once(&first));
}

/// By the order of events, whatever they take: one has its points while the other still hangs.
#[test]
fn destination_that_hangs_holds_up_no_other() {
    for is_mirror in [true, false] {
        let (provider, latch) = (provider(), Latch::new());
        let (hanging, healthy) = (hanging(&latch), healthy());
        let run = if is_mirror { run(&provider, &healthy, &hanging) } else { run(&provider, &hanging, &healthy) };
        let running = run.spawn();
        hanging.server().wait_for(1);
        healthy.server().wait_for(1);
        let journal = Journal::of(&run);
        wait_until("the other destination has its points", || journal.file_names().len() == 1);
        assert_eq!(waiting(&run), [DestinationId::of(&hanging.url())]);
        latch.release();
        assert_eq!(running.wait().code, Some(0));
        assert_eq!((once(&healthy), waiting(&run)), (once(&hanging), vec![]));
    }
}

/// No thread can be had, as its stack would be larger than any memory: the first destination is the first, and the file
/// of the mirror is in place before its push begins.
#[test]
fn without_threads_the_first_destination_goes_first() {
    let (provider, latch, cellar) = (provider(), Latch::new(), healthy());
    let first = hanging(&latch);
    let run = run(&provider, &first, &cellar).env("RUST_MIN_STACK", "1000000000000000");
    let running = run.spawn();
    first.server().wait_for(1);
    assert_eq!((waiting(&run).len(), cellar.server().requests().len()), (2, 0));
    latch.release();
    let output = running.wait();
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!((once(&first), waiting(&run)), (once(&cellar), vec![]));
}

/// Another run sends to the first destination, while one is still busy with the mirror.
#[test]
fn mirror_that_hangs_does_not_hold_the_lock_of_the_first_destination() {
    let (provider, latch, first) = (provider(), Latch::new(), healthy());
    let cellar = hanging(&latch);
    let run = run(&provider, &first, &cellar);
    let busy = run.clone().args(["--prefix", "busy"]).spawn();
    cellar.server().wait_for(1);
    let second = run.clone().args(["--prefix", "second", "--timeout", "2"]).run();
    let lock = run.state_dir().join("lock-cellar").display().to_string();
    assert_eq!(second.code, Some(75), "{second}");
    assert!(second.stderr.starts_with(&format!("error: journal: another run held {lock} all the time")), "{second}");
    assert_eq!(first.value("second.crypto.BTC-USD.last").as_deref(), Some("61000.5"));
    latch.release();
    assert_eq!(busy.wait().code, Some(0));
    run.clone().check();
    let prefixes: Vec<_> = cellar.points().into_iter().filter(|point| point.name.ends_with("BTC-USD.last")).collect();
    assert_eq!(prefixes.len(), 3, "{prefixes:?}");
    assert_eq!(waiting(&run), []);
}

#[test]
fn mirror_gets_points_while_another_run_has_the_lock_of_the_first_destination() {
    let (provider, first, cellar) = (provider(), healthy(), healthy());
    let run = run(&provider, &first, &cellar);
    let journal = Journal::of(&run);
    let lock = journal.lock();
    let running = run.spawn();
    cellar.server().wait_for(1);
    wait_until("the mirror has its points", || journal.file_names().len() == 1);
    assert_eq!((waiting(&run), first.points()), (vec![DestinationId::of(&first.url())], vec![]));
    drop(lock);
    assert_eq!(running.wait().code, Some(0));
    assert_eq!(once(&first), once(&cellar));
}

#[test]
fn mirror_that_hangs_to_the_end_leaves_its_points_in_the_journal() {
    let (provider, latch, first) = (provider(), Latch::new(), healthy());
    let cellar = hanging(&latch);
    let run = run(&provider, &first, &cellar);
    let output = run.clone().args(["--timeout", "2"]).run();
    assert!(output.code == Some(75) && output.stderr.starts_with("error: mirror cellar: "), "{output}");
    assert_eq!(waiting(&run), [DestinationId::of(&cellar.url())]);
    latch.release();
    run.clone().check();
    assert!(keys(&cellar.points()).is_superset(&once(&first)));
}

#[test]
fn run_that_is_killed_leaves_the_points_of_every_destination() {
    let (provider, latch) = (provider(), Latch::new());
    let (first, cellar) = (hanging(&latch), hanging(&latch));
    let run = run(&provider, &first, &cellar);
    let running = run.spawn();
    first.server().wait_for(1);
    cellar.server().wait_for(1);
    running.kill();
    assert_eq!(waiting(&run).len(), 2);
    latch.release();
    run.clone().check();
    assert_eq!(keys(&first.points()), keys(&cellar.points()));
    assert_eq!(waiting(&run), []);
}

#[test]
fn point_that_one_destination_refuses_is_taken_by_the_others() {
    let is_price = |point: &Point| point.name.starts_with("crypto.");
    let refusing = || {
        Ingest::deciding(Dialect::Gateway, move |push| {
            let bad = (0..push.points.len()).filter(|index| is_price(&push.points[*index])).collect();
            Verdict::Invalid(bad, "no such series")
        })
    };
    let (provider, first, cellar) = (provider(), healthy(), refusing());
    let message = "error: mirror cellar refused crypto.BTC-USD.last: no such series\n";
    let run_of = run(&provider, &first, &cellar);
    run_of.clone().stderr(message).exit(1).check();
    assert!(first.value("crypto.BTC-USD.last").is_some() && waiting(&run_of).is_empty());
    let (first, cellar) = (refusing(), healthy());
    let message = "error: graphite refused crypto.BTC-USD.last: no such series\n";
    run(&provider, &first, &cellar).stderr(message).exit(1).check();
    assert!(cellar.value("crypto.BTC-USD.last").is_some());
}

#[test]
fn mirror_that_cannot_be_reached_is_said_with_its_own_setting() {
    let (provider, first) = (provider(), healthy());
    for (scheme, server, program) in [("tcp", "Carbon", "Carbon"), ("amqp", "AMQP broker", "RabbitMQ")] {
        let url = format!("{scheme}://127.0.0.1:{}", port::unused());
        let run = prices::run(&provider, &format!("[mirrors.cellar]\nurl = '{url}'\n")).graphite(&first);
        let message = format!(
            "error: mirror cellar: {server} at [..]: no connection ([..]); is {program} running, and are host and port of \
             mirrors.cellar.url right? The points are in the journal, the next run sends them\n"
        );
        run.stderr(message).exit(75).check();
    }
}

#[test]
fn mirror_that_refuses_its_credentials_is_77() {
    let (provider, first) = (provider(), healthy());
    let refusing = Server::with(|_| Reply::text(401, "who are you?"));
    let config = format!("[mirrors.cellar]\nurl = '{}/metrics'\nuser = 'me'\n", refusing.url());
    let run = prices::run(&provider, &config).graphite(&first).env("DATAMETRICS_MIRROR_CELLAR_PASSWORD", "secret");
    let message = "error: mirror cellar: 127.0.0.1 refused the credentials: HTTP 401: who are you? Are \
                   mirrors.cellar.user and DATAMETRICS_MIRROR_CELLAR_PASSWORD those of the Graphite instance, with \
                   metrics:write? The points are in the journal, the next run sends them\n";
    run.stderr(message).exit(77).check();
    assert!(!first.points().is_empty());
}

#[test]
fn credentials_of_one_destination_never_reach_another() {
    const FIRST: &str = "first/s3same+a";
    const CELLAR: &str = "cellar/s3same+b";
    const ATTIC: &str = "attic/s3same+c";
    let refusing = || Server::with(|request| Reply::text(403, format!("no: {:?}", request.headers)));
    let (provider, first, cellar, attic) = (provider(), refusing(), refusing(), refusing());
    let config = format!(
        "[mirrors.cellar]\nurl = '{}/metrics'\nheaders = {{ Authorization = 'Bearer {{secret:CELLAR_TOKEN}}' }}\n\
         [mirrors.attic]\nurl = '{}/metrics'\nuser = 'me'\n",
        cellar.url(),
        attic.url()
    );
    let run = prices::run(&provider, &config).env("GRAPHITE_URL", format!("{}/metrics", first.url()));
    let run = run.env("GRAPHITE_USER", "me").env("GRAPHITE_PASSWORD", FIRST).env("CELLAR_TOKEN", CELLAR);
    let run = run.env("DATAMETRICS_MIRROR_ATTIC_PASSWORD_FILE", "attic");
    std::fs::write(run.home().join("attic"), ATTIC).unwrap();
    let output = run.clone().args(["-vv"]).run();
    assert_eq!(output.code, Some(77), "{output}");
    let secrets = [("me", FIRST), ("", CELLAR), ("me", ATTIC)];
    leak::assert_none_in_run(&secrets, &run, &output);
    for (server, own) in [(&first, secrets[0]), (&cellar, secrets[1]), (&attic, secrets[2])] {
        let requests = server.requests();
        assert!(!requests.is_empty());
        for request in requests {
            let got = format!("{} {:?}", request.line(), request.headers);
            for secret in secrets {
                let is_there = leak::forms(secret).iter().any(|form| got.contains(form));
                assert_eq!(is_there, secret == own, "{got}");
            }
        }
    }
    assert!(provider.requests().iter().all(|request| request.header("Authorization").is_none()));
}

#[test]
fn bounds_of_the_journal_are_those_of_each_destination() {
    let (provider, first, cellar) = (provider(), failing(), failing());
    let config = format!("[journal]\nmax_bytes = 1500\n{}", mirror("cellar", &cellar));
    let run = prices::run(&provider, &config).graphite(&first);
    assert_eq!(run.run().code, Some(75));
    let kept = waiting(&run);
    assert_eq!(kept.len(), 2, "each has a file within its bounds");
    first.recover();
    let output = run.run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(
        output.stderr.contains(" points for mirror cellar of one run, which is more than journal.max_bytes allows\n"),
        "{output}"
    );
    assert_eq!(waiting(&run), [DestinationId::of(&cellar.url())]);
}

/// What a Carbon may get after days, an ingest refuses after an hour.
#[test]
fn age_that_the_journal_allows_is_that_of_each_destination() {
    let (provider, first) = (provider(), Carbon::start());
    let cellar = Ingest::deciding(Dialect::WriteProxy, |push| match push.points {
        [old] if old.name == "old.point" => Verdict::Refuse(Reply::text(400, "too old")),
        _ => Verdict::Take,
    });
    let run = prices::run(&provider, &mirror("cellar", &cellar)).carbon(&first);
    Journal::of(&run).plant_for(&cellar.url(), 4_000, &["old.point"]);
    let message =
        "error: journal: dropped 1 point for mirror cellar of one run, which is older than journal.max_age allows\n";
    run.stderr(message).exit(1).check();
}

#[test]
fn files_of_a_mirror_that_is_configured_no_more_are_told_once() {
    let (provider, first, cellar) = (provider(), healthy(), failing());
    let with_mirror = run(&provider, &first, &cellar);
    assert_eq!(with_mirror.run().code, Some(75));
    let told = "for another Graphite, http://127.0.0.1";
    let output = with_mirror.run();
    assert!(!output.stderr.contains(told), "it is configured: {output}");
    let without = with_mirror.args(["--config", "none.toml"]);
    let definition = std::fs::read_to_string(without.home().join("config.toml")).unwrap();
    let (_, rest) = definition.split_once("[providers.own]").unwrap();
    std::fs::write(without.home().join("none.toml"), format!("[providers.own]{rest}")).unwrap();
    let outputs = [without.run(), without.run()];
    assert_eq!(outputs.each_ref().map(|output| output.stderr.matches(told).count()), [1, 0], "{outputs:?}");
    assert_eq!(waiting(&without).len(), 2);
}

#[test]
fn mirror_adopts_what_waits_for_its_former_url() {
    let (provider, first, cellar) = (provider(), healthy(), healthy());
    let config = format!("{}formerly = ['tcp://gone.example:2003']\n", mirror("cellar", &cellar));
    let run = prices::run(&provider, &config).graphite(&first);
    let journal = Journal::of(&run);
    journal.plant_for("tcp://gone.example:2003", 60, &["old.point"]);
    // A file of the first version names no destination, and belongs to the first one.
    journal.plant(60, &["older.point"]);
    run.clone().check();
    let has = |ingest: &Ingest, name: &str| ingest.value(name).is_some();
    assert_eq!([has(&cellar, "old.point"), has(&first, "old.point")], [true, false]);
    assert_eq!([has(&cellar, "older.point"), has(&first, "older.point")], [false, true]);
}

#[test]
fn dry_run_prints_the_form_of_the_first_destination_once() {
    let (provider, attic) = (provider(), Carbon::start());
    let config = format!("[mirrors.attic]\nurl = '{}'\n", attic.url());
    let run = prices::run(&provider, &config).args(["--dry-run", "--graphite-url", "http://127.0.0.1:9/metrics"]);
    let output = run.run();
    assert_eq!((output.code, output.stdout.lines().count()), (Some(0), 1), "{output}");
    assert!(output.stdout.starts_with("[{\"name\":\"crypto.BTC-USD.last\""), "{output}");
    assert!(attic.connections().is_empty());
}

#[test]
fn graphite_url_changes_the_first_destination_alone() {
    let (provider, first, other, cellar) = (provider(), healthy(), healthy(), healthy());
    run(&provider, &first, &cellar).args(["--graphite-url", &other.url()]).check();
    assert_eq!((first.points(), once(&other)), (vec![], once(&cellar)));
}

#[test]
fn mirrors_without_a_journal_say_what_is_lost() {
    let (provider, first, cellar) = (provider(), healthy(), failing());
    let run = run(&provider, &first, &cellar).args(["--no-journal"]);
    let message = "error: mirror cellar: 127.0.0.1 answered HTTP 503; 9 points are lost, as they are in no journal\n";
    run.clone().stderr(message).exit(75).check();
    assert_eq!((once(&first).len(), Journal::of(&run).file_names()), (9, vec![]));
}

#[test]
fn wrong_mirror_is_refused_before_any_request() {
    let first = "[graphite]\nurl = 'tcp://h.example'\n";
    for (config, message) in [
        (
            "[mirrors.cellar]\nurl = 'tcp://c.example'\n",
            "GRAPHITE_URL: is not set, so the points have nowhere to go[..]",
        ),
        (
            &format!("{first}[mirrors.cellar]\nlinger = 2\n"),
            "config.toml:3: mirrors.cellar: has no url, so that no points can go there",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurll = 'x'\n"),
            "config.toml:4: mirrors.cellar.urll: unknown key; did you mean \"url\"?",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'tcp://c.example'\nprefix = 'x'\n"),
            "config.toml:5: mirrors.cellar.prefix: unknown key here: it belongs in [graphite], for all destinations",
        ),
        (&format!("{first}[mirror.cellar]\nurl = 'x'\n"), "config.toml:3: mirror: unknown key: write [mirrors.cellar]"),
        (&format!("{first}[mirrors]\nurl = 'x'\n"), "config.toml:4: mirrors.url: must be a table, not a text"),
        (
            &format!("{first}[mirrors.'a.b']\nurl = 'tcp://c.example'\n"),
            "config.toml:3: mirrors.a.b: a mirror's name has letters, digits, _ and - only, 100 at most",
        ),
        (
            &format!("{first}[mirrors.a-b]\nurl = 'tcp://c.example'\n[mirrors.a_b]\nurl = 'tcp://d.example'\n"),
            "config.toml:5: mirrors.a_b: has the variable DATAMETRICS_MIRROR_A_B_PASSWORD in common with mirrors.a-b: choose another name",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'tcp://H.example:2003'\n"),
            "config.toml:4: mirrors.cellar.url: is where points of [graphite] go: each destination has a URL of its own",
        ),
        (
            &format!("{first}[mirrors.a]\nurl = 'tcp://c.example'\n[mirrors.b]\nurl = 'tcp://c.example'\n"),
            "config.toml:6: mirrors.b.url: is where points of [mirrors.a] go: each destination has a URL of its own",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'tcp://c.example'\nformerly = ['tcp://h.example']\n"),
            "config.toml:5: mirrors.cellar.formerly: names the URL of [graphite], where points go still",
        ),
        (
            &format!("{first}formerly = ['tcp://c.example']\n[mirrors.cellar]\nurl = 'tcp://c.example'\n"),
            "config.toml:5: mirrors.cellar.url: is in `formerly` of [graphite], which would get what waits for it",
        ),
        (
            &format!(
                "{first}formerly = ['tcp://o.example']\n[mirrors.cellar]\nurl = 'tcp://c.example'\nformerly = ['tcp://o.example']\n"
            ),
            "config.toml:6: mirrors.cellar.formerly: has a URL that is in `formerly` of [graphite] too: leave it in one",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'tcp://c.example'\nlinger = 20\n"),
            "config.toml:5: mirrors.cellar.linger: is more than half of the time that a run has: make it shorter, or --timeout longer",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'https://c.example'\n"),
            "config.toml:4: mirrors.cellar.url: must end in /metrics: try https://c.example/graphite/metrics",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'https://c.example/metrics'\nuser = 'u'\n"),
            "config.toml:5: mirrors.cellar.user: is set, but no password: set DATAMETRICS_MIRROR_CELLAR_PASSWORD or DATAMETRICS_MIRROR_CELLAR_PASSWORD_FILE, or password_file in [mirrors.cellar]",
        ),
        (
            &format!("{first}[mirrors.cellar]\nurl = 'http://u:p@c.example/metrics'\n"),
            "config.toml:4: mirrors.cellar.url: would send the password in the clear: use https, or set allow_plaintext_credentials = true in [mirrors.cellar]",
        ),
        (
            &format!(
                "{first}[providers.mirror]\nmarket = 'other'\nbase_url = 'https://m.example'\nquote = [{{ path = '/', fields = {{ last = '/l' }} }}]\n[feeds.m]\nproviders = ['mirror']\nsymbols = ['A']\n"
            ),
            "config.toml:3: providers.mirror: is taken: the run's own health has points of that name; choose another",
        ),
    ] {
        let run = Datametrics::new().config(config).args(["all"]);
        run.stderr(format!("error: {message}\n")).exit(78).check();
    }
}

#[test]
fn check_reaches_each_destination() {
    let (provider, first, cellar) = (provider(), healthy(), failing());
    let attic = Carbon::start();
    let config = format!(
        "{}[mirrors.attic]\nurl = '{}'\n[crypto]\nproviders = ['own']\n[stocks]\nsymbols = []\n",
        mirror("cellar", &cellar),
        attic.url()
    );
    let run = prices::run(&provider, &config).graphite(&first);
    assert_eq!(run.run().code, Some(75), "something waits for the mirror");
    let definition = std::fs::read_to_string(run.home().join("config.toml")).unwrap();
    let check = Datametrics::new().config(&definition).args(["check", "-v", "--retries", "0"]);
    let check = check.provider("own", &provider).graphite(&first);
    let check = check.env("DATAMETRICS_STATE_DIR", run.state_dir());
    let output = check.run();
    assert_eq!(output.code, Some(75), "{output}");
    let rows: Vec<String> =
        output.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let has = |row: &str| assert!(rows.iter().any(|line| line.starts_with(row)), "{row} in {output}");
    has(&format!("mirrors.attic.url {} config.toml:", attic.url()));
    has("mirrors.cellar.user 123456 config.toml:");
    has("mirrors.cellar.password set config.toml:");
    has("mirrors.cellar.linger 0 default");
    let state_dir = run.state_dir().display().to_string();
    has(&format!(
        "ok state directory: {state_dir} can be written; 0 points in the journal, and 12 points for mirror cellar"
    ));
    has("ok graphite: http://127.0.0.1");
    has("FAILED mirror cellar: 127.0.0.1 answered HTTP 503");
    has(&format!("ok mirror attic: Carbon at {} takes connections", attic.authority()));
    assert!(output.stdout.contains("set linger in [mirrors.attic]"), "{output}");

    let lock = Journal::of(&run).lock_of_mirror("cellar");
    let output = check.args(["--timeout", "1"]).run();
    let held = format!("journal: another run held {state_dir}/lock-cellar all the time");
    assert!(output.stdout.contains(&format!("FAILED  state directory: {held}")), "{output}");
    drop(lock);
}

#[test]
fn forecast_counts_the_series_about_mirrors() {
    let server = provider();
    let series = |mirrors: &str| {
        let config = format!("{mirrors}[crypto]\nproviders = ['own']\n[stocks]\nsymbols = []\n");
        let run = prices::run_without_symbols(&server, &config);
        let config = std::fs::read_to_string(run.home().join("config.toml")).unwrap();
        let check = Datametrics::new().config(&config).provider("own", &server).args(["check", "-v", "--retries", "0"]);
        let output = check.run();
        let (_, rest) = output.stdout.split_once(" points of ").unwrap_or_else(|| panic!("{output}"));
        rest.split(' ').next().and_then(|count| count.parse::<usize>().ok()).unwrap()
    };
    let mirrors = "[mirrors.a]\nurl = 'tcp://127.0.0.1:9'\n[mirrors.b]\nurl = 'pickle://127.0.0.1:9'\n";
    assert_eq!(series(mirrors), series("") + 6);
}

#[test]
fn grafana_watches_mirrors_where_there_are_any() {
    let print = |config: &str, args: &[&str]| {
        let run = Datametrics::new().config(&format!("[graphite]\nurl = 'tcp://h.example'\n{config}"));
        let output = run.args(["grafana"]).args(args).run();
        assert_eq!(output.code, Some(0), "{output}");
        output.stdout
    };
    let mirror = "[mirrors.cellar]\nurl = 'tcp://c.example'\n";
    let targets = ["metrics.*.mirror.*.response.status_code", "metrics.*.mirror.*.journal"];
    for args in [["dashboard"].as_slice(), &["alerts", "--datasource", "uid"]] {
        let (with, without) = (print(mirror, args), print("", args));
        assert!(targets.iter().all(|target| with.contains(target)), "{with}");
        assert!(!without.contains("mirror"), "{without}");
    }
    assert!(print(mirror, &["dashboard"]).contains("metrics.*.mirror.*.response.time"));
}
