//! Failures of Graphite.

use super::scene::{Observed, Scene, typed};
use crate::support::{
    Behaviour, BlackHole, Carbon, Datametrics, Dialect, Ingest, Received, Reply, Server, Verdict, graphite,
    journal::Journal,
    prices::{self},
};
use Scene::Played;

/// A run with one price.
fn run(provider: &Server) -> Datametrics {
    prices::run(provider, "")
}

fn provider() -> Server {
    prices::provider(&[("BTC", "5")])
}

/// A run with these further arguments, whose Graphite replies with `answer`.
fn with_arguments(line: &str, answer: fn(&Received) -> Reply) -> Observed {
    let (provider, server) = (provider(), Server::with(answer));
    let run = run(&provider).env("GRAPHITE_URL", format!("{}/graphite/metrics", server.url()));
    let run = run
        .hide(server.address().to_string(), "GRAPHITE")
        .env("GRAPHITE_USER", graphite::USER)
        .env("GRAPHITE_PASSWORD", graphite::PASSWORD);
    Observed::of_run(&typed(run, line))
}

fn answer(answer: fn(&Received) -> Reply) -> Observed {
    with_arguments("", answer)
}

/// A run with these prices, whose Graphite decides with `decide`.
fn deciding(dialect: Dialect, prices: &[(&str, &str)], decide: fn(&graphite::Push) -> Verdict) -> Observed {
    let (provider, ingest) = (prices::provider(prices), Ingest::deciding(dialect, decide));
    let symbols: Vec<&str> = prices.iter().map(|(symbol, _)| *symbol).collect();
    let run = prices::run_without_symbols(&provider, "").args(["--symbols", &symbols.join(","), "--retries", "0"]);
    Observed::of_run(&run.graphite(&ingest))
}

fn is_price(point: &graphite::Point) -> bool {
    point.name.starts_with("crypto.")
}

fn price_indexes(push: &graphite::Push) -> Vec<usize> {
    push.points.iter().enumerate().filter(|(_, point)| is_price(point)).map(|(at, _)| at).collect()
}

pub(crate) const INGEST: &[Scene] = &[
    Played("301", || answer(|_| Reply::status(301).header("Location", "/login"))),
    Played("302 to another host", || answer(|_| Reply::status(302).header("Location", "https://login.example/?a=b"))),
    Played("401", || answer(|_| Reply::text(401, "invalid authentication credentials"))),
    Played("401 to a header", || {
        let (provider, server) = (provider(), Server::with(|_| Reply::text(401, "no such token")));
        let url = format!("{}/graphite/metrics", server.url());
        let headers = "{ Authorization = 'Bearer s3same' }";
        let run = prices::run(&provider, &format!("[graphite]\nurl = '{url}'\nheaders = {headers}\n"));
        Observed::of_run(&run)
    }),
    Played("404", || answer(|_| Reply::text(404, "404 page not found"))),
    Played("429", || answer(|_| Reply::text(429, "too many requests"))),
    Played("503, and no journal", || with_arguments("--no-journal", |_| Reply::status(503))),
    Played("200, and nothing is said of points", || answer(|_| Reply::json("{}"))),
    Played("an endless answer", || answer(|_| Reply::json(vec![b' '; 1 << 16]).over(1 << 20))),
    Played("the older ingest refuses a point", || {
        deciding(Dialect::Gateway, &[("BTC", "5")], |push| Verdict::Invalid(price_indexes(push), "too odd"))
    }),
    Played("the newer ingest refuses a point", || {
        deciding(Dialect::WriteProxy, &[("BTC", "5")], |push| match price_indexes(push) {
            bad if bad.is_empty() => Verdict::Take,
            bad => Verdict::Invalid(bad, "too odd"),
        })
    }),
    Played("it refuses it in a second run too", || {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        ingest.decide(|push| match push.points.iter().position(|point| point.name == "a.b") {
            Some(bad) => Verdict::Invalid(vec![bad], "too odd"),
            None => Verdict::Take,
        });
        let run = run(&provider).graphite(&ingest);
        Journal::of(&run).plant(60, &["a.a", "a.b"]);
        assert_eq!(run.run().code, Some(75));
        Observed::of_run(&run)
    }),
    Played("it refuses it, and there is no journal", || {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        ingest.decide(|push| match price_indexes(push) {
            bad if bad.is_empty() => Verdict::Take,
            bad => Verdict::Invalid(bad, "too odd"),
        });
        Observed::of_run(&run(&provider).graphite(&ingest).args(["--no-journal"]))
    }),
    Played("it took one less than it was sent", || {
        deciding(Dialect::WriteProxy, &[("BTC", "5")], |push| {
            Verdict::TakeBut(Reply::json(format!(r#"{{"published":{}}}"#, push.points.len() - 1)))
        })
    }),
    Played("more bad points than can be found", || {
        let symbols: Vec<String> = (0..300).map(|at| format!("S{at}")).collect();
        let prices: Vec<(&str, &str)> = symbols.iter().map(|symbol| (symbol.as_str(), "1")).collect();
        let (provider, ingest) = (prices::provider(&prices), Ingest::start(Dialect::WriteProxy));
        ingest.decide(|push| match price_indexes(push) {
            bad if bad.is_empty() => Verdict::Take,
            bad => Verdict::Invalid(bad, "too odd"),
        });
        let run = prices::run_without_symbols(&provider, "").args(["--retries", "0"]).graphite(&ingest);
        assert_eq!(run.clone().args(["--symbols", &symbols.join(",")]).run().code, Some(75));
        // The second run has none of its own.
        Observed::of_run(&run.args(["--symbols", "S0", "--prefix", "later"])).ends()
    }),
];

/// A run with Carbon at this URL.
fn at(url: &str, authority: &str, timeout: &str) -> Observed {
    let provider = provider();
    let run = run(&provider).env("GRAPHITE_URL", url).args(["--timeout", timeout]).hide(authority, "CARBON");
    let mut output = run.normalise(&run.run());
    // The number of bytes depends on timing, and the reason on the resolver.
    for (before, after) in [(" after ", " bytes"), ("took ", " bytes"), ("information: ", ";")] {
        if let Some((head, rest)) = output.stderr.split_once(before).map(|(a, b)| (a.to_owned(), b.to_owned()))
            && let Some((_, tail)) = rest.split_once(after)
        {
            let word = if before == "information: " { "<reason>" } else { "N of N" };
            output.stderr = format!("{head}{before}{word}{after}{tail}");
        }
    }
    Observed::of_output(&output)
}

fn behaviour(behaviour: Behaviour, timeout: &str) -> Observed {
    let carbon = Carbon::with(&[behaviour]);
    at(&carbon.url(), &carbon.authority(), timeout)
}

/// A run whose metric names have so many characters.
fn long_names(provider: &Server, length: usize) -> Datametrics {
    prices::run(provider, &format!("[graphite]\nnames = '{}.{{symbol}}.{{field}}'\n", "x".repeat(length)))
}

pub(crate) const CARBON: &[Scene] = &[
    Played("its name does not resolve", || at("tcp://no-such-host.invalid", "no authority", "20")),
    Played("nobody listens", || at("tcp://127.0.0.1:9", "no authority", "20")),
    Played("nothing comes back", || {
        let hole = BlackHole::start();
        at(&format!("tcp://{}", hole.address()), &hole.address().to_string(), "3")
    }),
    Played("it answers", || behaviour(Behaviour::Answer, "20")),
    Played("it resets", || behaviour(Behaviour::Reset, "20")),
    Played("it never reads", || behaviour(Behaviour::NeverRead, "3")),
    Played("it takes all, with `-v`", || {
        let (provider, carbon) = (provider(), Carbon::start());
        let run = run(&provider).env("GRAPHITE_URL", carbon.url()).args(["-v"]);
        Observed::of_run(&run.hide(carbon.authority(), "CARBON:2003"))
    }),
    Played("nobody listens, with `-v`", || {
        let provider = provider();
        Observed::of_run(&run(&provider).env("GRAPHITE_URL", "tcp://127.0.0.1:9").args(["-v"]))
    }),
    Played("a / in a name", || {
        let (provider, carbon) = (provider(), Carbon::start());
        Observed::of_run(&run(&provider).carbon(&carbon).args(["--prefix", "a/b"]))
    }),
    Played("a point that it could not read", || {
        let (provider, carbon) = (provider(), Carbon::start());
        Observed::of_run(&long_names(&provider, 20_000).carbon(&carbon))
    }),
    Played("a point from the journal that it could not read", || {
        let (provider, carbon) = (provider(), Carbon::start());
        let run = run(&provider).carbon(&carbon);
        Journal::of(&run).plant(60, &["a b"]);
        Observed::of_run(&run)
    }),
    Played("a point that no frame holds", || {
        let (provider, carbon) = (provider(), Carbon::start());
        Observed::of_run(&long_names(&provider, 1 << 20).env("GRAPHITE_URL", carbon.pickle_url()))
    }),
];
