//! Failures of Graphite.

use super::scene::{Observed, Scene, typed};
use crate::support::{
    Behaviour, BlackHole, Broker, Carbon, Conduct, Datametrics, Dialect, Ingest, Received, Reply, Server, Tls, Verdict,
    graphite,
    journal::Journal,
    numbered,
    prices::{self},
    tls::Certificate,
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
    Played("404 at another path", || {
        let (provider, server) = (provider(), Server::with(|_| Reply::text(404, "404 page not found")));
        let run = prices::run(&provider, &format!("[graphite]\nurl = '{}/metrics'\n", server.url()));
        Observed::of_run(&run.hide(server.address().to_string(), "GRAPHITE"))
    }),
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
    Played("a firewall before it blocks a point", || {
        deciding(Dialect::WriteProxy, &[("BTC", "5")], |push| match price_indexes(push) {
            blocked if blocked.is_empty() => Verdict::Take,
            _ => Verdict::Refuse(Reply::text(403, "blocked")),
        })
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

/// A run whose mirror decides with `decide`, and what it says then.
fn mirrored(decide: fn(&graphite::Push) -> Verdict, config: &str, prepare: fn(&Datametrics, &Ingest)) -> Observed {
    let (provider, first) = (provider(), Ingest::start(Dialect::WriteProxy));
    let cellar = Ingest::deciding(Dialect::Gateway, decide);
    let (url, user, password) = (cellar.url(), graphite::USER, graphite::PASSWORD);
    let mirror = format!("[mirrors.cellar]\nurl = '{url}'\nuser = '{user}'\npassword = '{password}'\n{config}");
    let run = prices::run(&provider, &mirror).graphite(&first).hide(cellar.server().address().to_string(), "CELLAR");
    prepare(&run, &cellar);
    Observed::of_run(&run)
}

pub(crate) const MIRRORS: &[Scene] = &[
    Played("all is well, with `-v`", || {
        let (provider, first, cellar) = (provider(), Ingest::start(Dialect::WriteProxy), Carbon::start());
        let config = format!("[mirrors.cellar]\nurl = '{}'\n", cellar.url());
        let run = prices::run(&provider, &config).graphite(&first).args(["-v"]).hide(cellar.authority(), "CELLAR");
        Journal::of(&run).plant_for(&cellar.url(), 60, &["a.b"]);
        Observed::of_run(&run)
    }),
    Played("the mirror answers 503", || mirrored(|_| Verdict::Refuse(Reply::text(503, "busy")), "", |_, _| {})),
    Played("the mirror answers 401", || mirrored(|_| Verdict::Refuse(Reply::text(401, "who are you?")), "", |_, _| {})),
    Played("the mirror refuses a point", || {
        let decide = |push: &graphite::Push| match price_indexes(push) {
            bad if bad.is_empty() => Verdict::Take,
            bad => Verdict::Invalid(bad, "too odd"),
        };
        mirrored(decide, "", |_, _| {})
    }),
    Played("too many bytes wait for the mirror", || {
        mirrored(
            |_| Verdict::Refuse(Reply::status(503)),
            "[journal]\nmax_bytes = 1500\n",
            |run, cellar| drop(Journal::of(run).plant_for(&cellar.url(), 60, &numbered("old", 20))),
        )
    }),
    Played("a run of the future waits for the mirror", || {
        mirrored(
            |_| Verdict::Take,
            "",
            |run, cellar| {
                drop(Journal::of(run).plant_for(&cellar.url(), -3_630, &["a.b"]));
            },
        )
    }),
    Played("another run is sending to the mirror", || {
        let (provider, first, cellar) = (provider(), Ingest::start(Dialect::WriteProxy), Carbon::start());
        let config = format!("[mirrors.cellar]\nurl = '{}'\n", cellar.url());
        let run = prices::run(&provider, &config).graphite(&first).args(["--timeout", "1"]);
        let _lock = Journal::of(&run).lock_of_mirror("cellar");
        Observed::of_run(&run)
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
    Played("it is not trusted", || {
        let carbon = Carbon::start();
        let tls = Tls::before(carbon.authority().parse().expect("an address"), Certificate::SelfSigned);
        at(&format!("tls://{}", tls.address()), &tls.address().to_string(), "20")
    }),
    Played("it speaks no TLS", || {
        let carbon = Carbon::with(&[Behaviour::CloseEarly]);
        at(&format!("tls://{}", carbon.authority()), &carbon.authority(), "20")
    }),
    Played("it never agrees on TLS", || {
        let carbon = Carbon::with(&[Behaviour::NeverRead]);
        at(&format!("tls://{}", carbon.authority()), &carbon.authority(), "3")
    }),
    Played("the port of pickle", || {
        let provider = provider();
        let run = prices::run(&provider, "").env("GRAPHITE_URL", "tcp://127.0.0.1:2004");
        Observed::of_run(&run.args(["--dry-run", "--shard", "1/1000000"]))
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

/// A run with a broker of this conduct.
fn broker(conduct: Conduct, line: &str) -> Observed {
    let (provider, broker) = (provider(), Broker::with(&[conduct]));
    Observed::of_run(&typed(run(&provider).broker(&broker).args(["--timeout", "20"]), line))
}

/// The same, whose fault lasts until the timeout.
fn lasting(conduct: Conduct) -> Observed {
    let (provider, broker) = (provider(), Broker::with(&[conduct]));
    Observed::of_run(&run(&provider).broker(&broker).args(["--timeout", "3"]))
}

pub(crate) const AMQP: &[Scene] = &[
    Played("nobody listens", || at("amqp://127.0.0.1:9", "no authority", "20")),
    Played("it says nothing", || lasting(Conduct::Silent)),
    Played("it closes", || broker(Conduct::CloseEarly, "")),
    Played("it answers in HTTP", || broker(Conduct::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1b[2J"), "")),
    Played("it speaks another version", || broker(Conduct::Say(b"AMQP\0\0\x09\0"), "")),
    Played("it wants another login", || broker(Conduct::Offer("EXTERNAL AMQPLAIN"), "")),
    Played("it takes short frames only", || broker(Conduct::Tune(1_000), "")),
    Played("a wrong password", || broker(Conduct::EndAtLogin(403, "ACCESS_REFUSED - Login was refused"), "")),
    Played("a wrong password, without a word", || broker(Conduct::CloseAtLogin, "")),
    Played("a wrong password, in the URL", || {
        let (provider, broker) = (provider(), Broker::with(&[Conduct::EndAtLogin(403, "ACCESS_REFUSED")]));
        let url = broker.url().replace("//", "//me:s3same@");
        Observed::of_run(&run(&provider).env("GRAPHITE_URL", url).hide(broker.authority(), "BROKER"))
    }),
    Played("a wrong password, in a variable", || {
        let (provider, broker) = (provider(), Broker::with(&[Conduct::EndAtLogin(403, "ACCESS_REFUSED")]));
        let run = run(&provider).broker(&broker).env("GRAPHITE_USER", graphite::USER);
        Observed::of_run(&run.env("GRAPHITE_PASSWORD", graphite::PASSWORD))
    }),
    Played("a vhost that is not there", || broker(Conduct::EndAtOpen(530, "NOT_ALLOWED - vhost x not found"), "")),
    Played("an exchange that is not there", || broker(Conduct::EndAtDeclare(404, "NOT_FOUND - no exchange"), "")),
    Played("it shuts down", || broker(Conduct::EndAfter(2, 320, "CONNECTION_FORCED - shutdown"), "")),
    Played("no queue takes the points", || broker(Conduct::ReturnAfter(0), "")),
    Played("it refuses points", || broker(Conduct::RefuseAfter(7), "")),
    Played("it is blocked", || lasting(Conduct::Block)),
    Played("it confirms two points", || lasting(Conduct::IgnoreAfter(2))),
    Played("a frame of an unknown kind", || broker(Conduct::SayAtMessage(b"\x09\0\0"), "")),
    Played("a frame of 2 GB", || broker(Conduct::Say(b"\x01\0\0\x7f\xff\xff\xff"), "")),
    Played("a frame that ends too late", || broker(Conduct::SayAtMessage(b"\x01\0\x01\0\0\0\x01\0\0"), "")),
    Played("a frame that is too short", || {
        broker(Conduct::SayAtMessage(b"\x01\0\x01\0\0\0\x05\0\x3c\0\x50\0\xce"), "")
    }),
    Played("a method at a wrong time", || broker(Conduct::Say(b"\x01\0\0\0\0\0\x04\0\x0a\0\x33\xce"), "")),
    Played("a body of no message", || broker(Conduct::SayAtMessage(b"\x03\0\x01\0\0\0\x01x\xce"), "")),
    Played("a confirm of no message", || {
        let confirm = b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x63\0\xce";
        broker(Conduct::SayAtMessage(confirm), "")
    }),
    Played("a return of no message", || {
        const BYTES: &[u8] = b"\x01\0\x01\0\0\0\x04\0\x3c\0\x32\xce\
              \x02\0\x01\0\0\0\x11\0\x3c\0\0\0\0\0\0\0\0\0\x01\0\x80\x0299\xce";
        broker(Conduct::SayAtMessage(BYTES), "")
    }),
    Played("it resets", || broker(Conduct::Reset, "")),
    Played("it takes all, with `-v`", || {
        let (provider, broker) = (provider(), Broker::start());
        let run = run(&provider).env("GRAPHITE_URL", broker.url()).args(["-v"]);
        Observed::of_run(&run.hide(broker.authority(), "BROKER:5672"))
    }),
    Played("it ends the connection, with `-v`", || broker(Conduct::EndAfter(0, 541, "INTERNAL_ERROR"), "-v")),
    Played("a name that is no routing key", || {
        let (provider, broker) = (provider(), Broker::start());
        Observed::of_run(&long_names(&provider, 300).broker(&broker))
    }),
];
