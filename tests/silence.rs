//! A provider that does not answer in time leaves time for those behind it.

use crate::support::{Datametrics, Reply, Server};
use std::thread::sleep;
use std::time::Duration;

/// Definitions of these providers. Each gives this field, and is asked for one symbol at a time.
fn definitions(names_and_fields: &[(&str, &str)]) -> String {
    let definition = |(name, field): &(&str, &str)| {
        format!(
            "[providers.{name}]\nmarket = 'other'\nbase_url = 'https://{name}.example'\nmax_concurrency = 1\n\
             [[providers.{name}.quote]]\npath = '/{{symbol}}'\nfields = {{ {field} = '/{field}' }}\n"
        )
    };
    names_and_fields.iter().map(definition).collect()
}

/// A run with so many seconds, of which two thirds are for quotes, of the feed `x` with these symbols and providers.
fn run(seconds: u32, symbols: &str, providers: &[(&str, &Server)]) -> Datametrics {
    let names: Vec<_> = providers.iter().map(|(name, _)| *name).collect();
    let fields: Vec<_> = names.iter().map(|name| (*name, "last")).collect();
    let config = format!("[feeds.x]\nproviders = {names:?}\nsymbols = [{symbols}]\n{}", definitions(&fields));
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--dry-run"]);
    let run = run.args(["--timeout", &seconds.to_string()]);
    providers.iter().fold(run, |run, (name, server)| run.provider(name, server))
}

fn silent() -> Server {
    Server::with(|_| Reply::hang())
}

fn healthy() -> Server {
    Server::with(|_| Reply::json(r#"{"last":7,"bid":6}"#))
}

/// Answers after so many seconds.
fn slow(seconds: u64, body: &'static str) -> Server {
    Server::with(move |_| {
        sleep(Duration::from_secs(seconds));
        Reply::json(body)
    })
}

#[test]
fn provider_behind_a_silent_one_is_asked() {
    let (first, second) = (silent(), healthy());
    let run = run(6, "'A'", &[("first", &first), ("second", &second)]);
    run.stdout("[{\"name\":\"x.A.last\",[..]\n")
        .stderr("warning: x: first: A: no whole answer from [..] in time ([..]); the next run asks again\n")
        .check();
    assert_eq!(first.requests().len(), 1, "a second attempt would take the time of the second provider");
}

/// The requests that would follow one that was not answered are not sent either.
#[test]
fn provider_behind_two_silent_ones_is_asked_for_all_symbols() {
    let (first, second, third) = (silent(), silent(), healthy());
    let providers = [("first", &first), ("second", &second), ("third", &third)];
    let run = run(15, "'A', 'B', 'C'", &providers);
    let output = run.stdout("[{\"name\":\"x.A.last\",[..]\n").stderr("warning: x: first: A, B, C: [..]\n...").check();
    assert!(output.stdout.contains("x.C.last"), "{output:?}");
    assert_eq!((first.requests().len(), second.requests().len(), third.requests().len()), (1, 1, 3));
}

/// A provider that answers has one request that got lost, and no more.
#[test]
fn provider_that_has_answered_is_asked_for_the_other_symbols() {
    let first = Server::with(|received| match received.target.as_str() {
        "/B" => Reply::hang(),
        _ => Reply::json(r#"{"last":5}"#),
    });
    let second = healthy();
    let output = run(6, "'A', 'B', 'C'", &[("first", &first), ("second", &second)]).run();
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!((first.request_lines(), second.request_lines().len()), (lines(&["/A", "/B", "/C"]), 1), "{output}");
}

/// A request without an answer ends after ten seconds, and does not stop the next one where nobody is behind.
#[test]
fn provider_with_nobody_behind_it_is_asked_for_the_other_symbols() {
    let first = Server::with(|received| match received.target.as_str() {
        "/A" => Reply::hang(),
        _ => Reply::json(r#"{"last":5}"#),
    });
    let output = run(30, "'A', 'B'", &[("first", &first)]).args(["--retries", "0"]).run();
    assert_eq!((output.code, first.request_lines()), (Some(1), lines(&["/A", "/B"])), "{output}");
}

/// There are more silent servers than requests go at once. Each server has its turn, also where another provider is behind.
#[test]
fn silent_servers_of_a_table_stop_no_other() {
    let servers: Vec<Server> = (0..6).map(|number| if number < 4 { silent() } else { healthy() }).collect();
    let urls: Vec<String> =
        ('A'..).zip(&servers).map(|(name, server)| format!("{name} = '{}'", server.url())).collect();
    let behind = Server::with(|_| Reply::json("{}"));
    let config = format!(
        "[providers.plug]\nmarket = 'other'\nbase_url = {{ {} }}\n[[providers.plug.quote]]\npath = '/'\n\
         document = true\nfields = {{ last = '/last' }}\n[[providers.plug.quote]]\npath = '/2'\n\
         document = true\nfields = {{ bid = '/bid' }}\n{}",
        urls.join(", "),
        definitions(&[("behind", "last")])
    );
    for providers in ["'plug'", "'plug', 'behind'"] {
        let config =
            format!("[feeds.x]\nproviders = [{providers}]\nsymbols = ['A', 'B', 'C', 'D', 'E', 'F']\n{config}");
        let run = Datametrics::new().config(&config).args(["--feed", "x", "--dry-run", "--timeout", "6"]);
        let output = run.provider("behind", &behind).run();
        let came = ["x.E.last", "x.F.last", "x.E.bid", "x.F.bid"].map(|name| output.stdout.contains(name));
        assert_eq!((output.code, came), (Some(1), [true; 4]), "{output}");
    }
}

/// A server that is only slow is asked again when all others have had their turn.
#[test]
fn slow_server_of_a_table_has_the_time_that_the_others_leave() {
    let servers: Vec<Server> =
        (0..12).map(|number| if number == 0 { slow(2, r#"{"last":5}"#) } else { healthy() }).collect();
    let urls: Vec<String> =
        ('A'..).zip(&servers).map(|(name, server)| format!("{name} = '{}'", server.url())).collect();
    let config = format!(
        "[feeds.x]\nproviders = ['plug']\n[providers.plug]\nmarket = 'other'\nbase_url = {{ {} }}\n\
         [[providers.plug.quote]]\npath = '/'\ndocument = true\nfields = {{ last = '/last' }}\n",
        urls.join(", ")
    );
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--dry-run", "--timeout", "9"]);
    let output = run.run();
    assert!(output.code == Some(0) && output.stdout.contains("x.A.last"), "{output}");
}

fn lines(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| format!("GET {path}")).collect()
}

/// The two feeds have the same request. The one that has nobody else to ask waits for the answer.
#[test]
fn feed_with_one_provider_has_all_the_time() {
    let (first, second, third) = (slow(4, r#"{"last":5}"#), healthy(), silent());
    let names = [("first", "last"), ("second", "last"), ("third", "last")];
    let config = format!(
        "[feeds.x]\nproviders = ['first', 'second', 'third']\nsymbols = ['A']\n\
         [feeds.y]\nproviders = ['first']\nsymbols = ['A']\n{}",
        definitions(&names)
    );
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--feed", "y", "--dry-run", "--timeout", "14"]);
    let run = run.provider("first", &first).provider("second", &second).provider("third", &third);
    let output = run.run();
    assert_eq!(output.code, Some(0), "{output}");
    for point in [r#""x.A.last","interval":60,"value":7,"#, r#""y.A.last","interval":60,"value":5,"#] {
        assert!(output.stdout.contains(point), "{point}: {output}");
    }
}

/// No other provider has its field, so there is nobody to leave time for.
#[test]
fn provider_of_another_field_takes_no_time() {
    let (weather, air) = (slow(5, r#"{"temp":21}"#), Server::with(|_| Reply::json(r#"{"pm":3}"#)));
    let config = format!(
        "[feeds.x]\nproviders = ['weather', 'air']\nsymbols = ['A']\nfields = ['temp', 'pm']\n{}",
        definitions(&[("weather", "temp"), ("air", "pm")])
    );
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--dry-run", "--timeout", "12"]);
    let stdout = "[{\"name\":\"x.A.temp\",\"interval\":60,\"value\":21,[..]},{\"name\":\"x.A.pm\",\"interval\":60,\"value\":3,[..]\n";
    run.provider("weather", &weather).provider("air", &air).stdout(stdout).stderr("").check();
}
