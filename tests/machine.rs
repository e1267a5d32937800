//! Limits of the machine: threads, open files, the size of a file. The run goes on with what there is, or names
//! the limit. No limit makes it a defect, and it always ends with a code of the table.

use crate::support::{
    Behaviour, Carbon, Datametrics, Dialect, Ingest, Output, Reply, Server, in_parallel,
    journal::Journal,
    limit::{can_limit, with_file_size, with_open_files, with_threads},
    mount::can_mount,
    port,
    prices::{self, provider},
};

/// A run that fetches from two providers at the same time, by this URL.
fn two_feeds(base_url: &str) -> Datametrics {
    let own = |name: &str| {
        format!(
            "[feeds.{name}]\nproviders = ['{name}']\nsymbols = ['{name}']\nfields = ['last']\n[providers.{name}]\n\
             market = 'other'\nbase_url = '{base_url}'\nquote = [{{ path = '/{{symbol}}', fields = {{ last = '/last' }} }}]\n"
        )
    };
    let feeds = ["--feed", "a", "--feed", "b", "--retries", "0"];
    Datametrics::new().config(&(own("a") + &own("b"))).args(feeds)
}

fn server() -> Server {
    Server::with(|_| Reply::json(r#"{"last":5}"#))
}

/// Checks that a run ended as it may, and that its messages name the limit if anything is wrong.
#[track_caller]
fn assert_named(output: &Output, limit: &str) {
    let code = output.code.expect("no signal");
    assert!([0, 1, 69, 75].contains(&code), "{output}");
    for word in ["a defect", "panic", "cut the connection", "os error 24", "os error 27", "DNS"] {
        assert!(!output.stderr.contains(word), "{word}: {output}");
    }
    assert!(output.stderr.lines().all(|line| line.contains(limit)), "{output}");
    assert!(code == 0 || !output.stderr.is_empty(), "{output}");
}

#[test]
fn a_run_without_threads_does_all_of_its_work() {
    if !can_limit() {
        return;
    }
    in_parallel(&[0, 1, 2, 3, 5], |count| {
        let (server, ingest) = (server(), Ingest::start(Dialect::WriteProxy));
        let monitor = Server::with(|_| Reply::text(200, "OK"));
        let run = two_feeds(&server.url()).graphite(&ingest).args(["--ping-url", &format!("{}/x", monitor.url())]);
        let output = with_threads(run.clone(), *count).run();
        assert_eq!(output.code, Some(0), "{count}: {output}");
        let is_said = output.stderr.matches("the machine gives no more threads").count();
        assert!(output.stderr.lines().count() == is_said && is_said <= 1, "{count}: {output}");
        // One thread is the run itself, one is for the first ping, one for the connection to Graphite and one for the
        // second feed. Ping and connection may be over early.
        assert!(is_said == 1 || *count >= 2, "{count}: {output}");
        assert!(is_said == 0 || *count < 4, "{count}: {output}");
        assert_eq!(ingest.value("a.a.last").as_deref(), Some("5"), "{count}");
        assert_eq!(ingest.value("b.b.last").as_deref(), Some("5"), "{count}");
        let end = monitor.requests().last().expect("a ping at the end").target.clone();
        assert!(end.starts_with("/x/0?"), "{count}: {end}");
        assert!(Journal::of(&run).values().is_empty());
    });
}

#[test]
fn names_are_looked_up_without_a_thread() {
    if !can_limit() {
        return;
    }
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = two_feeds("https://no-such-host.invalid").graphite(&ingest);
    let ping = ["--ping-url", "https://no-such-host.invalid/x"];
    let output = with_threads(run.args(ping), 0).run();
    assert_eq!(output.code, Some(69), "{output}");
    assert_eq!(output.stderr.matches("the machine gives no more threads").count(), 1, "{output}");
    assert_eq!(output.stderr.matches("the name no-such-host.invalid does not resolve").count(), 2, "{output}");
}

#[test]
fn a_limit_of_open_files_is_named() {
    if !can_limit() {
        return;
    }
    let counts: Vec<u32> = (4..=14).collect();
    in_parallel(&counts, |count| {
        let (server, ingest) = (server(), Ingest::start(Dialect::WriteProxy));
        let output = with_open_files(two_feeds(&server.url()).graphite(&ingest), *count).run();
        assert_named(&output, "the limit of open files is reached");
        assert!(output.code != Some(0) || ingest.value("a.a.last").is_some(), "{count}: {output}");
        let carbon = Carbon::with(&[Behaviour::ReadToEnd]);
        let output = with_open_files(two_feeds(&server.url()).carbon(&carbon), *count).run();
        assert_named(&output, "the limit of open files is reached");
        assert!(output.code != Some(0) || !carbon.points().is_empty(), "{count}: {output}");
        assert!(*count > 4 || output.code == Some(75), "{output}");
    });
}

/// The system's resolver does not say that it could open no file.
#[test]
fn a_name_that_cannot_be_looked_up_for_a_limit_is_not_blamed() {
    if !can_limit() || !can_mount() {
        return;
    }
    in_parallel(&[4, 5, 6, 7, 8, 10], |count| {
        let (server, ingest) = (server(), Ingest::start(Dialect::WriteProxy));
        let run = two_feeds(&format!("http://provider.test:{}", server.address().port()));
        let run = run.hosts("127.0.0.1 provider.test\n").graphite(&ingest);
        assert_named(&with_open_files(run, *count).run(), "the limit of open files is reached");
    });
}

#[test]
fn a_limit_of_the_size_of_a_file_does_not_keep_from_pushing() {
    if !can_limit() {
        return;
    }
    in_parallel(&[0, 1, 100, 400], |bytes| {
        let (server, ingest) = (server(), Ingest::start(Dialect::WriteProxy));
        let run = two_feeds(&server.url()).graphite(&ingest);
        let output = with_file_size(run.clone(), *bytes).run();
        assert_eq!(output.code, Some(0), "{output}");
        assert_eq!(output.stderr.matches("the limit of the size of a file is reached").count(), 1, "{output}");
        assert_eq!(ingest.value("a.a.last").as_deref(), Some("5"));
        assert!(Journal::of(&run).temporary_names().is_empty());
        // What was not kept is lost where Graphite is down.
        let down = run.env("GRAPHITE_URL", format!("http://127.0.0.1:{}/metrics", port::unused()));
        let output = with_file_size(down, *bytes).run();
        assert_eq!(output.code, Some(75), "{output}");
        assert!(output.stderr.contains("points are lost"), "{output}");
    });
}

#[test]
fn standard_streams_at_the_limit_of_the_size_of_a_file() {
    if !can_limit() {
        return;
    }
    let server = provider(&[("BTC", "5")]);
    let into = |stream: &str, run: Datametrics| {
        let script = format!("exec \"$0\" \"$@\" {stream}> file");
        with_file_size(run, 0).started_by(["sh", "-c", &script]).run()
    };
    let message = "cannot write to standard output: the limit of the size of a file is reached";
    for run in [prices::run(&server, "").args(["--dry-run"]), Datametrics::new().args(["--help"])] {
        let output = into("1", run);
        assert!(output.code == Some(74) && output.stderr.contains(message), "{output}");
    }
    let ingest = Ingest::start(Dialect::WriteProxy);
    let output = into("2", prices::run(&server, "").graphite(&ingest).args(["-vv"]));
    assert_eq!((output.code, ingest.values().is_empty()), (Some(0), false), "{output}");
}
