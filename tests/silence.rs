//! A provider that never answers leaves time for those behind it.

use crate::support::{Datametrics, Reply, Server};

/// A run of the feed `x` with these symbols. Its providers, in this order, are asked for one symbol at a time.
fn run(symbols: &str, providers: &[(&str, &Server)]) -> Datametrics {
    let names: Vec<_> = providers.iter().map(|(name, _)| *name).collect();
    let definition = |name: &&str| {
        format!(
            "[providers.{name}]\nmarket = 'other'\nbase_url = 'https://{name}.example'\nmax_concurrency = 1\n\
             [[providers.{name}.quote]]\npath = '/{{symbol}}'\nfields = {{ last = '/last' }}\n"
        )
    };
    let definitions = names.iter().map(definition).collect::<String>();
    let config = format!("[feeds.x]\nproviders = {names:?}\nsymbols = [{symbols}]\n{definitions}");
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--dry-run", "--timeout", "6"]);
    providers.iter().fold(run, |run, (name, server)| run.provider(name, server))
}

fn silent() -> Server {
    Server::with(|_| Reply::hang())
}

fn healthy() -> Server {
    Server::with(|_| Reply::json(r#"{"last":7}"#))
}

#[test]
fn provider_behind_a_silent_one_is_asked() {
    let (first, second) = (silent(), healthy());
    let run = run("'A'", &[("first", &first), ("second", &second)]);
    run.stdout("[{\"name\":\"x.A.last\",[..]\n")
        .stderr("warning: x: first: A: no whole answer from [..] in time ([..]); the next run asks again\n")
        .check();
    assert_eq!(first.requests().len(), 1, "a second attempt would take the time of the second provider");
}

/// The requests that would follow one that was not answered are not sent either.
#[test]
fn provider_behind_two_silent_ones_is_asked_for_all_symbols() {
    let (first, second, third) = (silent(), silent(), healthy());
    let run = run("'A', 'B', 'C'", &[("first", &first), ("second", &second), ("third", &third)]);
    let output = run.stdout("[{\"name\":\"x.A.last\",[..]\n").stderr("warning: x: first: A, B, C: [..]\n...").check();
    assert!(output.stdout.contains("x.C.last"), "{output:?}");
    assert_eq!((first.requests().len(), second.requests().len(), third.requests().len()), (1, 1, 3));
}

/// Behind the last one there is nobody, so it has all the time, and is tried again.
#[test]
fn last_provider_is_tried_again() {
    let (first, last) = (silent(), Server::start());
    last.on("GET /A").reply(Reply::status(503));
    last.on("GET /A").reply(Reply::json(r#"{"last":7}"#));
    let run = run("'A'", &[("first", &first), ("last", &last)]);
    run.stdout("[{\"name\":\"x.A.last\",[..]\n").stderr("warning: x: first: A: [..]\n").check();
}
