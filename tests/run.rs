//! Whole runs: requests, pushed points, messages and exit codes, when everything works and when a provider or
//! Graphite fails.

use crate::support::{
    self, Carbon, Datametrics, Dialect, Ingest, Latch, Point, Reply, Server, Verdict,
    case::plain_lines,
    journal::Journal,
    samples::{CRYPTO, KRAKEN, STOCKS, YAHOO, kraken, yahoo},
};
use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// One provider a feed, without a request rate limit that matters.
const PLAIN: &str =
    "[crypto]\nproviders = ['kraken']\n[stocks]\nproviders = ['yahoo']\n[providers.kraken]\nper_second = 1000\n";

/// The points of the default symbols, without those about the run.
const CRYPTO_POINTS: &str = "\
crypto.BTC-USD.last 65600.10
crypto.BTC-USD.high 660.90
crypto.BTC-USD.low 640.10
crypto.BTC-USD.vwap 650.5
crypto.BTC-USD.volume 20.25
crypto.ETH-USD.last 3400.25
crypto.ETH-USD.high 660.90
crypto.ETH-USD.low 640.10
crypto.ETH-USD.vwap 650.5
crypto.ETH-USD.volume 20.25
crypto.BAT-USD.last 0.00007351
crypto.BAT-USD.high 660.90
crypto.BAT-USD.low 640.10
crypto.BAT-USD.vwap 650.5
crypto.BAT-USD.volume 20.25
";
const STOCKS_POINTS: &str = "\
stocks.AMZN.last 230
stocks.AMZN.high 1200
stocks.AMZN.low 200.5
stocks.AMZN.previous_close 200
stocks.AMZN.change_percent 15
stocks.AMZN.volume 41234567
stocks.NFLX.last 1100.5
stocks.NFLX.high 1200
stocks.NFLX.low 200.5
stocks.NFLX.previous_close 200
stocks.NFLX.change_percent 450.25
stocks.NFLX.volume 41234567
stocks.AAPL.last 204
stocks.AAPL.high 1200
stocks.AAPL.low 200.5
stocks.AAPL.previous_close 200
stocks.AAPL.change_percent 2
stocks.AAPL.volume 41234567
";

/// A provider for each default feed, and a Graphite.
struct Both {
    crypto: Server,
    stocks: Server,
    ingest: Ingest,
}

impl Both {
    fn start() -> Self {
        Self { crypto: Server::start(), stocks: Server::start(), ingest: Ingest::start(Dialect::WriteProxy) }
    }

    /// Both feeds from Kraken and Yahoo, without retries.
    fn run(&self) -> Datametrics {
        self.trying("0")
    }

    /// The same with retries.
    fn trying(&self, retries: &str) -> Datametrics {
        let run = Datametrics::new().config(PLAIN).args(["--crypto", "--stocks", "--retries", retries]);
        run.provider("kraken", &self.crypto).provider("yahoo", &self.stocks).graphite(&self.ingest)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

/// The points as plaintext lines, without the parts that differ from run to run.
fn plain(points: &[Point], since: u64) -> String {
    let lines = points.iter().map(|point| format!("{} {} {}", point.name, point.value, point.time));
    plain_lines(&support::lines(lines), since..=now()).unwrap()
}

/// The journal files of a run.
fn journal(run: &Datametrics) -> Vec<PathBuf> {
    fn walk(folder: PathBuf, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => walk(path, found),
                Some(extension) if extension == "points" => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(run.home().join(".local/state/datametrics"), &mut found);
    found
}

/// The points about a run: about its providers, then about its feeds and the run itself.
fn health(run: &str, providers: &[(&str, u32, u32, u32)], feeds: &[(&str, u32, u32)], points: usize) -> String {
    let mut lines = Vec::new();
    for (name, status, requests, retries) in providers {
        lines.push(format!("{name}.response.time <seconds>"));
        lines.push(format!("{name}.response.status_code {status}"));
        lines.push(format!("{name}.requests {requests}"));
        lines.push(format!("{name}.retries {retries}"));
    }
    for (name, expected, fetched) in feeds {
        lines.push(format!("feed.{name}.expected {expected}"));
        lines.push(format!("feed.{name}.fetched {fetched}"));
    }
    lines.extend(["journal 0".to_owned(), "duration <seconds>".to_owned(), format!("points {points}")]);
    support::lines(lines.iter().map(|line| format!("metrics.{run}.{line}")))
}

const HEALTHY_FEEDS: [(&str, u32, u32); 2] = [("crypto", 3, 3), ("stocks", 3, 3)];
const HEALTHY_PROVIDERS: [(&str, u32, u32, u32); 2] = [("kraken", 200, 1, 0), ("yahoo", 200, 1, 0)];

/// The double of the ingest checks content type, credentials and integers as strictly as the real one.
#[test]
fn successful_run_pushes_one_request_and_prints_nothing() {
    for dialect in [Dialect::WriteProxy, Dialect::Gateway] {
        for (args, name) in [(["--crypto", "--stocks"].as_slice(), "crypto-stocks"), (&["all"], "all")] {
            let both = Both { ingest: Ingest::start(dialect), ..Both::start() };
            both.crypto.on(KRAKEN).reply(kraken(&CRYPTO));
            both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
            let run = Datametrics::new().args(args).provider("kraken", &both.crypto).provider("yahoo", &both.stocks);
            let since = now();
            run.clone().graphite(&both.ingest).check();
            let requests = both.ingest.server().requests();
            let [request] = &requests[..] else { panic!("{} requests", requests.len()) };
            assert_eq!(request.line(), "POST /graphite/metrics");
            assert_eq!(request.header("Content-Type"), Some("application/json"));
            assert_eq!(request.header("Authorization"), Some("Basic MTIzNDU2OmdsY19zZXNhbWU="));
            let points = both.ingest.points();
            let expected =
                format!("{CRYPTO_POINTS}{STOCKS_POINTS}{}", health(name, &HEALTHY_PROVIDERS, &HEALTHY_FEEDS, 48));
            assert_eq!(plain(&points, since), expected);
            assert!(points.iter().all(|point| point.interval == 60 && point.tags.is_empty()));
            assert!(journal(&run).is_empty());
        }
    }
}

#[test]
fn requests_have_the_user_agent_of_the_program() {
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
    both.run().check();
    let own = concat!("datametrics/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");
    for server in [&both.crypto, both.ingest.server()] {
        assert_eq!(server.requests()[0].header("User-Agent"), Some(own));
    }
    // The definition of Yahoo sets another user agent.
    assert!(both.stocks.requests()[0].header("User-Agent").unwrap().starts_with("Mozilla/5.0"));
}

#[test]
fn carbon_gets_the_same_points_as_the_ingest() {
    let (crypto, carbon) = (Server::start(), Carbon::start());
    crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    let since = now();
    Datametrics::new().args(["crypto"]).provider("kraken", &crypto).carbon(&carbon).check();
    let health = health("crypto", &HEALTHY_PROVIDERS[..1], &HEALTHY_FEEDS[..1], 24);
    assert_eq!(plain(&carbon.points(), since), format!("{CRYPTO_POINTS}{health}"));
}

#[test]
fn carbon_gets_the_same_points_pickled() {
    let (crypto, carbon) = (Server::start(), Carbon::start());
    crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto"]).provider("kraken", &crypto);
    run.env("GRAPHITE_URL", carbon.pickle_url()).check();
    let points = carbon.pickled();
    let bitcoin = points.iter().find(|point| point.name == "crypto.BTC-USD.last").unwrap();
    assert!((bitcoin.value - 65600.10).abs() < 1e-9 && points.len() == 24);
}

/// Runs of different feeds in the same second must not overwrite each other's points.
#[test]
fn runs_of_different_feeds_share_no_metric_name() {
    let (crypto, stocks) = (Server::with(|_| kraken(&CRYPTO)), Server::with(|_| yahoo(&STOCKS)));
    let names = |args: &[&str]| -> BTreeSet<String> {
        let ingest = Ingest::start(Dialect::WriteProxy);
        let run = Datametrics::new().args(args).provider("kraken", &crypto).provider("yahoo", &stocks);
        run.graphite(&ingest).check();
        ingest.values().into_keys().collect()
    };
    assert!(names(&["crypto"]).is_disjoint(&names(&["stocks"])));
    // The points about a run have names that no other run uses.
    let mut seen = BTreeSet::new();
    for args in [["crypto"].as_slice(), &["stocks"], &["--crypto", "--stocks"], &["all"]] {
        for name in names(args).into_iter().filter(|name| name.starts_with("metrics.")) {
            assert!(seen.insert(name.clone()), "{name} of {args:?}");
        }
    }
}

/// Only the quotes of Kraken are missing, and there is one message. `tests/faults` has the table of all
/// faults.
#[test]
fn failed_provider_does_not_affect_the_other_feed() {
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(Reply::status(500));
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
    let since = now();
    let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: HTTP 500; the next run asks again\n";
    both.run().stderr(message).exit(1).check();
    let providers = [("kraken", 500, 1, 0), ("yahoo", 200, 1, 0)];
    let feeds = [("crypto", 3, 0), ("stocks", 3, 3)];
    let expected = format!("{STOCKS_POINTS}{}", health("crypto-stocks", &providers, &feeds, 33));
    assert_eq!(plain(&both.ingest.points(), since), expected);
}

#[test]
fn redirect_on_the_same_server_is_followed() {
    let both = Both::start();
    let moved = format!("{}/moved?to=b", both.crypto.url());
    both.crypto.on(KRAKEN).reply(Reply::status(301).header("Location", &moved));
    both.crypto.on("GET /moved?to=b").reply(Reply::status(307).header("Location", "/again"));
    both.crypto.on("GET /again").reply(kraken(&CRYPTO));
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
    both.run().check();
    assert_eq!(both.ingest.value("crypto.BTC-USD.last").as_deref(), Some("65600.10"));
}

#[test]
fn missing_symbols_are_reported_and_the_rest_is_pushed() {
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(kraken(&CRYPTO[1..2]));
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS[..2]));
    let since = now();
    let message = "error: crypto: no quote of BTC/USD, BAT/USD: kraken has none among 1 row at \"/result\" (XETHZUSD); `datametrics symbols BTC` looks it up\n\
                error: stocks: no quote of AAPL: yahoo has none among 2 rows at \"/spark/result\" (AMZN, NFLX); `datametrics symbols AAPL` looks it up\n";
    both.run().stderr(message).exit(1).check();
    let lines = |all: &str, symbols: &[&str]| -> String {
        let of = |line: &&str| symbols.iter().any(|symbol| line.contains(symbol));
        support::lines(all.lines().filter(of))
    };
    let providers = [("kraken", 200, 1, 0), ("yahoo", 200, 1, 0)];
    let feeds = [("crypto", 3, 1), ("stocks", 3, 2)];
    let expected = [
        lines(CRYPTO_POINTS, &["ETH"]),
        lines(STOCKS_POINTS, &["AMZN", "NFLX"]),
        health("crypto-stocks", &providers, &feeds, 32),
    ];
    assert_eq!(plain(&both.ingest.points(), since), expected.concat());
}

/// It is still said, and where nothing was fetched at all the exit code stays.
#[test]
fn missing_symbols_are_no_failure_where_partial_is_accepted() {
    let runs: [fn(Datametrics) -> Datametrics; 3] = [
        |run| run.args(["--accept-partial"]),
        |run| run.env("DATAMETRICS_ACCEPT_PARTIAL", "true"),
        |run| run.args(["--accept-partial", "--dry-run"]).stdout("..."),
    ];
    for accepting in runs {
        let both = Both::start();
        both.crypto.on(KRAKEN).reply(kraken(&CRYPTO));
        both.stocks.on(YAHOO).reply(yahoo(&STOCKS[..2]));
        let run = accepting(both.run()).stderr("error: stocks: no quote of AAPL: yahoo has none among [..]\n");
        run.exit(0).check();
    }
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(Reply::status(500));
    both.stocks.on(YAHOO).reply(yahoo(&[]));
    both.run().args(["--accept-partial"]).stderr("error: crypto: [..]\nerror: stocks: [..]\n").exit(69).check();
}

/// The points about the run are pushed also when there are no others.
#[test]
fn run_exits_with_69_where_no_provider_gives_a_quote() {
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(Reply::status(500));
    both.stocks.on(YAHOO).reply(yahoo(&[]));
    let since = now();
    let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: HTTP 500; the next run asks again\n\
                error: stocks: no quote of AMZN, NFLX, AAPL: yahoo has no rows at \"/spark/result\": [..]\n";
    both.run().stderr(message).exit(69).check();
    let providers = [("kraken", 500, 1, 0), ("yahoo", 200, 1, 0)];
    let feeds = [("crypto", 3, 0), ("stocks", 3, 0)];
    assert_eq!(plain(&both.ingest.points(), since), health("crypto-stocks", &providers, &feeds, 15));
}

/// A rejected key of a provider gives exit code 1 or 69, never 77, and the message names the variable.
#[test]
fn rejected_api_key_is_reported_with_its_variable() {
    for status in [401, 403] {
        let both = Both::start();
        both.crypto.on(KRAKEN).reply(kraken(&CRYPTO));
        both.stocks.on("GET /quote?symbol=AAPL").reply(
            Reply::status(status).header("Content-Type", "application/json").body(r#"{"error":"Invalid API key"}"#),
        );
        let run = both.run().env("DATAMETRICS_STOCKS_PROVIDERS", "finnhub").env("DATAMETRICS_STOCKS_SYMBOLS", "AAPL");
        let run = run.env("FINNHUB_API_KEY", "sesame").env("DATAMETRICS_FIELDS", "last");
        let message = format!(
            "error: stocks: finnhub: AAPL: HTTP {status}: Invalid API key; check FINNHUB_API_KEY, and what the plan allows\n"
        );
        run.provider("finnhub", &both.stocks).stderr(message).exit(1).check();
    }
}

/// A status that rejects the client itself ends the requests to this provider.
#[test]
fn provider_gets_no_further_request_after_status_401() {
    let server = Server::start();
    server.on("GET /quote?symbol=A").reply(Reply::status(401));
    let run = Datametrics::new().args(["stocks", "A", "B", "C", "--fields", "last", "--dry-run"]);
    let run = run.config("[providers.finnhub]\nmax_concurrency = 1\n").args(["--provider", "finnhub"]);
    let message = "error: stocks: finnhub: A, B, C: HTTP 401; check FINNHUB_API_KEY, and what the plan allows\n";
    let run = run.env("FINNHUB_API_KEY", "sesame").provider("finnhub", &server);
    run.stdout("[{\"name\":\"metrics.stocks.finnhub.response.time\"[..]\n").stderr(message).exit(69).check();
}

/// Each provider replies only after the other has its request.
#[test]
fn requests_to_two_providers_run_in_parallel() {
    let both = Both::start();
    let (first, second) = (Latch::new(), Latch::new());
    both.crypto.on(KRAKEN).reply(kraken(&CRYPTO).after(&first));
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS).after(&second));
    let running = both.run().spawn();
    both.crypto.wait_for(1);
    both.stocks.wait_for(1);
    first.release();
    second.release();
    assert_eq!(running.wait().code, Some(0));
}

/// Requests, retries and status of Kraken, from the points about the run.
fn request_counts(both: &Both) -> [String; 3] {
    ["requests", "retries", "response.status_code"]
        .map(|what| both.ingest.value(&format!("metrics.crypto-stocks.kraken.{what}")).unwrap())
}

#[test]
fn retry_follows_temporary_failures_and_is_counted() {
    for (first, worst) in [
        (Reply::status(500), "500"),
        (Reply::status(503), "503"),
        (Reply::status(408), "408"),
        (Reply::status(425), "425"),
        (Reply::status(429).header("Retry-After", "0"), "429"),
        (Reply::status(503).header("Retry-After", "Fri, 02 Jan 2026 03:04:05 GMT"), "503"),
        (Reply::reset(), "0"),
        (Reply::close(), "0"),
        (kraken(&CRYPTO).cut_after(50), "0"),
    ] {
        let both = Both::start();
        both.crypto.on(KRAKEN).reply(first);
        both.crypto.on(KRAKEN).reply(kraken(&CRYPTO));
        both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
        both.trying("1").check();
        assert_eq!(request_counts(&both), ["2", "1", worst]);
    }
}

#[test]
fn retry_does_not_follow_permanent_failures() {
    for first in [Reply::status(400), Reply::status(401), Reply::status(403), Reply::status(404), Reply::json("{")] {
        let both = Both::start();
        both.crypto.on(KRAKEN).reply(first);
        both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
        let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: [..]\n";
        both.trying("3").stderr(message).exit(1).check();
        assert_eq!(request_counts(&both)[..2], ["1", "0"]);
    }
}

#[test]
fn retry_happens_twice_by_default() {
    let (crypto, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    for _ in 0..3 {
        crypto.on(KRAKEN).reply(Reply::status(502));
    }
    let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: HTTP 502; the next run asks again\n";
    let run = Datametrics::new().config(PLAIN).args(["crypto"]).provider("kraken", &crypto).graphite(&ingest);
    run.stderr(message).exit(69).check();
    assert_eq!(ingest.value("metrics.crypto.kraken.retries").as_deref(), Some("2"));
}

/// A provider may block a client that retries too early.
#[test]
fn retry_waits_as_long_as_retry_after_says() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&received);
    let crypto = Server::with(move |_| {
        let mut times = times.lock().unwrap();
        times.push(Instant::now());
        if times.len() == 1 { Reply::status(429).header("Retry-After", "1") } else { kraken(&CRYPTO) }
    });
    let both = Both { crypto, ..Both::start() };
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
    both.trying("1").check();
    let times = received.lock().unwrap();
    assert!(times.len() == 2 && times[1] - times[0] >= Duration::from_secs(1), "{times:?}");
}

#[test]
fn retry_is_given_up_where_retry_after_does_not_fit_the_deadline() {
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(Reply::status(429).header("Retry-After", "3600"));
    both.stocks.on(YAHOO).reply(yahoo(&STOCKS));
    let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: HTTP 429; its limits: [..]; it asks for [..] without requests\n";
    both.trying("5").stderr(message).exit(1).check();
    assert_eq!(request_counts(&both), ["1", "0", "429"]);
}

/// Until it is over, no run asks the provider, and the next provider is asked instead. It is said once.
#[test]
fn cool_down_that_a_provider_asks_for_is_kept_by_all_runs() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last");
    let next = |options: &[&str], code: i32, message: &str| {
        run.clone().args(options).stderr(message).exit(code).check();
        let names = ["first.response.status_code", "first.requests", "feed.x.fetched"];
        names.map(|name| ingest.value(&format!("metrics.x.{name}")).unwrap_or_default())
    };
    let symbols = |last: &str| Reply::json(format!(r#"{{"AAA":{{"l":{last}}},"BBB":{{"l":{last}}}}}"#));
    let alone = ["--provider", "first"];
    two.first.on(BOTH_SYMBOLS).reply(Reply::status(503).header("Retry-After", "3600"));
    let message = "error: x: first: AAA, BBB: HTTP 503; it asks for <time> without requests\n";
    assert_eq!(next(&alone, 69, message), ["503", "1", "0"]);
    // No further request: the server would complain.
    assert_eq!(next(&alone, 69, ""), ["503", "0", "0"]);
    two.second.on("GET /last?of=AAA,BBB").reply(symbols("2"));
    assert_eq!(next(&[], 0, ""), ["503", "0", "2"]);
    let state = run.state_dir().join("cool_downs/first");
    let text = fs::read_to_string(&state).expect("a cool-down");
    let until = text.strip_prefix("{\"until\":").and_then(|rest| rest.split(',').next()).expect("a time");
    let left = until.parse::<i64>().expect("a number") - support::now();
    assert!((3_000..=3_600).contains(&left), "{text}");
    // Another run has not said it yet.
    let message = "error: x: first: AAA, BBB: not asked for another <time>: it asked for that with HTTP 503\n";
    run.clone().args(alone).args(["--shard", "0/1"]).stderr(message).exit(69).check();
    fs::write(&state, r#"{"until":1,"status":503}"#).expect("a file");
    two.first.on(BOTH_SYMBOLS).reply(symbols("1"));
    assert_eq!(next(&alone, 0, ""), ["200", "1", "2"]);
}

/// A feed of two symbols with two providers.
const FAILOVER_CONFIG: &str = "
    [feeds.x]
    providers = ['first', 'second']
    symbols = ['AAA', 'BBB']
    [providers.first]
    market = 'other'
    base_url = 'https://first.example'
    change_from = 'open'
    [[providers.first.quote]]
    path = '/quotes?of={symbols}'
    fields = { last = '/l', bid = '/b', open = '/o' }
    [providers.second]
    market = 'other'
    base_url = 'https://second.example'
    change_from = 'open'
    [[providers.second.quote]]
    path = '/last?of={symbols}'
    fields = { last = '/l', open = '/o' }
    [[providers.second.quote]]
    path = '/book?of={symbols}'
    fields = { bid = '/b', ask = '/a' }";

struct TwoProviders {
    first: Server,
    second: Server,
}

impl TwoProviders {
    fn start() -> Self {
        Self { first: Server::start(), second: Server::start() }
    }

    /// A run that asks for these fields.
    fn asking(&self, fields: &str) -> Datametrics {
        let run =
            Datametrics::new().config(FAILOVER_CONFIG).args(["--feed", "x", "--retries", "0", "--fields", fields]);
        run.provider("first", &self.first).provider("second", &self.second)
    }

    /// A dry run that prints plaintext lines.
    fn run(&self, fields: &str) -> Datametrics {
        self.asking(fields).args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9"])
    }

    fn pushing(&self, ingest: &Ingest, fields: &str) -> Datametrics {
        self.asking(fields).graphite(ingest)
    }
}

const BOTH_SYMBOLS: &str = "GET /quotes?of=AAA,BBB";

#[test]
fn failover_makes_no_request_where_the_first_provider_has_everything() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1},"BBB":{"l":2}}"#));
    two.run("last").stdout("x.AAA.last 1 [..]\nx.BBB.last 2 [..]\nmetrics.x.first.response.time [..]\n...").check();
}

#[test]
fn failover_requests_missing_symbols_from_the_next_provider() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1},"BBB":{"l":null}}"#));
    two.second.on("GET /last?of=BBB").reply(Reply::json(r#"{"BBB":{"l":2.50}}"#));
    two.run("last")
        .stdout(
            "\
x.AAA.last 1 [..]
x.BBB.last 2.50 [..]
metrics.x.first.response.time [..]
metrics.x.first.response.status_code 200 [..]
metrics.x.first.requests 1 [..]
metrics.x.first.retries 0 [..]
metrics.x.second.response.time [..]
metrics.x.second.response.status_code 200 [..]
metrics.x.second.requests 1 [..]
metrics.x.second.retries 0 [..]
metrics.x.feed.x.expected 2 [..]
metrics.x.feed.x.fetched 2 [..]
metrics.x.duration [..]
metrics.x.points 14 [..]
",
        )
        .check();
}

/// A run of three requests, whose replies have these values in a header. Returns the points about what is left.
fn remaining(definition: &str, values: [&str; 3]) -> String {
    let server = Server::start();
    for (symbol, value) in ["A", "B", "C"].iter().zip(values) {
        // What an error says counts too.
        let reply = if *symbol == "C" { Reply::text(404, "unknown") } else { Reply::json(r#"{"l":1}"#) };
        server.on(&format!("GET /{symbol}")).reply(reply.header("X-Left", value));
    }
    let config = format!(
        "[feeds.x]\nproviders = ['own']\nsymbols = ['A', 'B', 'C']\nfields = ['last']\n\
        [providers.own]\nmarket = 'other'\nbase_url = 'https://own.example'\n{definition}\n\
        [[providers.own.quote]]\npath = '/{{symbol}}'\nfields = {{ last = '/l' }}\n"
    );
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--retries", "0"]).provider("own", &server);
    let output = run.args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9"]).run();
    let lines = output.stdout.lines().filter(|line| line.contains("remaining"));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(line, _time)| line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_fewest_requests_that_are_left_are_a_health_point() {
    let header = "remaining = { header = 'x-left' }";
    assert_eq!(remaining(header, ["59", "57", "58"]), "metrics.x.own.remaining 57");
    assert_eq!(remaining(header, ["many", "58", "0"]), "metrics.x.own.remaining 0");
    assert_eq!(remaining(header, ["many", "-1", "5.5"]), "");
    assert_eq!(remaining("", ["59", "57", "58"]), "");
    let of = "remaining = { header = 'x-left', of = 60 }";
    assert_eq!(remaining(of, ["59", "57", "58"]), "metrics.x.own.remaining 57");
    let used = "remaining = { header = 'X-Left', limit = 60 }";
    assert_eq!(remaining(used, ["1", "3", "2"]), "metrics.x.own.remaining 57");
    assert_eq!(remaining(used, ["1", "61", "many"]), "metrics.x.own.remaining 0");
}

/// Values of the first provider stay: values of two sources would alternate in one series.
#[test]
fn failover_requests_missing_fields_from_the_next_provider() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1,"b":0.9},"BBB":{"l":2}}"#));
    let book = r#"{"AAA":{"b":10,"a":11},"BBB":{"b":20,"a":21}}"#;
    two.second.on("GET /book?of=AAA,BBB").reply(Reply::json(book));
    let lines = ["AAA.last 1", "AAA.bid 0.9", "AAA.ask 11", "BBB.last 2", "BBB.bid 20", "BBB.ask 21"];
    let lines = support::lines(lines.map(|line| format!("x.{line} [..]")));
    two.run("last,bid,ask").stdout(format!("{lines}...")).check();
}

/// Everything came, so the exit code is 0. The failure is said when it begins; health shows it in every run.
#[test]
fn failover_replaces_a_provider_that_fails() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last");
    let next = |first: Reply, status: &str, options: &[&str], message: &str| {
        two.first.on(BOTH_SYMBOLS).reply(first);
        two.second.on("GET /last?of=AAA,BBB").reply(Reply::json(r#"{"AAA":{"l":1},"BBB":{"l":2}}"#));
        run.clone().args(options).stderr(message).exit(0).check();
        let values = ["first.response.status_code", "feed.x.fetched"];
        let values = values.map(|name| ingest.value(&format!("metrics.x.{name}")).unwrap_or_default());
        assert_eq!(values, [status, "2"]);
    };
    let line = "x: first: AAA, BBB: HTTP 500; the next run asks again\n";
    next(Reply::status(500), "500", &[], &format!("warning: {line}"));
    next(Reply::status(500), "500", &[], "");
    next(Reply::status(500), "500", &["-v"], &format!("[..]\n[..]\n{line}[..]\npushed [..]\n"));
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1},"BBB":{"l":2}}"#));
    run.clone().check();
    next(Reply::status(500), "500", &[], &format!("warning: {line}"));
}

/// The next provider knows only one of the symbols.
#[test]
fn failover_that_leaves_a_symbol_missing_is_an_error() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::status(500));
    two.second.on("GET /last?of=AAA,BBB").reply(Reply::json(r#"{"AAA":{"l":1}}"#));
    let message = "error: x: first: AAA, BBB: HTTP 500; the next run asks again\n\
        error: x: no quote of BBB: second has none among 1 row in the reply (AAA)\n";
    two.run("last").stdout("x.AAA.last 1 [..]\n...").stderr(message).exit(1).check();
}

/// Whatever else came.
#[test]
fn symbol_without_its_first_field_is_missing() {
    for no_price in ["null", r#""N/A""#, r#""""#, "0", r#""0.00""#, "-1", "true"] {
        let (crypto, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
        let body = format!(r#"{{"error":[],"result":{{"XXBTZUSD":{{"b":["5","1","1.0"],"c":[{no_price},"1"]}}}}}}"#);
        crypto.on("GET /0/public/Ticker?pair=XBTUSD").reply(Reply::json(body));
        let run = Datametrics::new().args(["crypto", "BTC/USD", "--provider", "kraken", "--fields", "last,bid"]);
        let run = run.provider("kraken", &crypto).graphite(&ingest);
        run.stderr("error: crypto: no last of BTC/USD: kraken has [..] at \"/c/0\"[..]\n").exit(69).check();
        let value = |name| ingest.value(name);
        assert_eq!(value("crypto.BTC-USD.bid").as_deref(), Some("5"), "{no_price}");
        assert_eq!(value("metrics.crypto.feed.crypto.fetched").as_deref(), Some("0"), "{no_price}");
    }
}

/// The API has changed. Fields that never came are no reason, nor those of other providers.
#[test]
fn default_field_that_is_gone_everywhere_is_an_error_once() {
    let (kraken, coinbase) = (Server::start(), Server::start());
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = Datametrics::new().args(["crypto", "BTC/USD", "ETH/USD"]).graphite(&ingest);
    let run = run.provider("kraken", &kraken).provider("coinbase", &coinbase);
    let next = |rows: &str, code: i32, message: &str| {
        kraken
            .on("GET /0/public/Ticker?pair=XBTUSD,ETHUSD")
            .reply(Reply::json(format!(r#"{{"error":[],"result":{{{rows}}}}}"#)));
        run.clone().args(["--provider", "kraken"]).stderr(message).exit(code).check();
    };
    let (high, none) = (r#""XXBTZUSD":{"c":["5"],"h":["1","6"]}"#, r#""XXBTZUSD":{"c":["5"]}"#);
    let (eth_high, eth) = (r#""XETHZUSD":{"c":["4"],"h":["1","5"]}"#, r#""XETHZUSD":{"c":["4"]}"#);
    let line = "error: crypto: no high of any symbol; earlier runs got it from kraken: its API may have changed, see \
                `datametrics providers kraken`, or name the fields without it\n";
    next(&format!("{none},{eth}"), 0, "");
    next(&format!("{high},{eth}"), 0, "");
    next(&format!("{none},{eth_high}"), 0, "");
    next(&format!("{none},{eth}"), 1, line);
    next(&format!("{none},{eth}"), 1, "");
    next(&format!("{high},{eth}"), 0, "");
    next(&format!("{none},{eth}"), 1, line);
    for symbol in ["BTC", "ETH"] {
        coinbase.on(&format!("GET /products/{symbol}-USD/stats")).reply(Reply::json(r#"{"last":"5"}"#));
    }
    run.clone().args(["--provider", "coinbase"]).check();
    // Kraken fails, and Coinbase gives only prices: the API of Kraken has not changed.
    kraken.on("GET /0/public/Ticker?pair=XBTUSD,ETHUSD").reply(Reply::status(500));
    for symbol in ["BTC", "ETH"] {
        coinbase.on(&format!("GET /products/{symbol}-USD/stats")).reply(Reply::json(r#"{"last":"5"}"#));
    }
    let message = "warning: crypto: kraken: BTC/USD, ETH/USD: HTTP 500; the next run asks again\n";
    run.clone().args(["--retries", "0"]).stderr(message).check();
    // Other symbols have other fields.
    let body = r#"{"error":[],"result":{"XXBTZUSD":{"c":["5"]}}}"#;
    kraken.on("GET /0/public/Ticker?pair=XBTUSD").reply(Reply::json(body));
    Datametrics::new()
        .args(["crypto", "BTC/USD", "--provider", "kraken"])
        .graphite(&ingest)
        .provider("kraken", &kraken)
        .check();
}

#[test]
fn symbol_that_no_provider_has_is_reported() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1}}"#));
    two.second.on("GET /last?of=BBB").reply(Reply::json("{}"));
    let message =
        "error: x: no quote of BBB: first has none among 1 row in the reply (AAA); second has no rows in the reply\n";
    two.run("last").stdout("x.AAA.last 1 [..]\nmetrics[..]\n...").stderr(message).exit(1).check();
}

/// It may be misspelled, which the failure of another provider must not hide. Both are said once.
#[test]
fn symbol_that_one_provider_does_not_know_is_reported_beside_the_failure_of_another() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last");
    let next = |message: &str| {
        two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1}}"#));
        two.second.on("GET /last?of=BBB").reply(Reply::status(500));
        run.clone().stderr(message).exit(1).check();
    };
    let failure = "error: x: second: BBB: HTTP 500; the next run asks again\n";
    next(&format!("{failure}error: x: no quote of BBB: first has none among 1 row in the reply (AAA)\n"));
    next("");
}

#[test]
fn named_field_that_no_provider_has_is_reported() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1,"b":2},"BBB":{"l":1}}"#));
    two.second.on("GET /book?of=BBB").reply(Reply::json("{}"));
    let message = "error: x: no bid of BBB: no provider gave it\n";
    two.run("last,bid").stdout("x.AAA.last 1 [..]\nx.AAA.bid 2 [..]\n...").stderr(message).exit(1).check();
}

/// The exit code stays.
#[test]
fn named_field_that_stays_missing_is_reported_once() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last,bid").args(["--provider", "first"]);
    let next = |aaa: &str, bbb: &str, code: i32, message: &str| {
        two.first.on(BOTH_SYMBOLS).reply(Reply::json(format!(r#"{{"AAA":{{"l":1{aaa}}},"BBB":{{"l":1{bbb}}}}}"#)));
        run.clone().stderr(message).exit(code).check();
    };
    let bid = r#","b":1"#;
    next(bid, "", 1, "error: x: no bid of BBB: no provider gave it\n");
    next(bid, "", 1, "");
    next("", "", 1, "error: x: no bid of AAA: no provider gave it\n");
    next("", "", 1, "");
    next(bid, bid, 0, "");
    next("", bid, 1, "error: x: no bid of AAA: no provider gave it\n");
}

/// A symbol that the next provider loses while the first one cools down is said.
#[test]
fn symbol_that_goes_missing_during_a_cool_down_is_reported() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last");
    let next = |second: &str, code: i32, message: &str| {
        two.second.on("GET /last?of=AAA,BBB").reply(Reply::json(second));
        run.clone().stderr(message).exit(code).check();
    };
    let (both, one) = (r#"{"AAA":{"l":1},"BBB":{"l":2}}"#, r#"{"AAA":{"l":1}}"#);
    two.first.on(BOTH_SYMBOLS).reply(Reply::status(429).header("Retry-After", "3600"));
    next(both, 0, "warning: x: first: AAA, BBB: HTTP 429; ask less often; it asks for <time> without requests\n");
    next(both, 0, "");
    let message = "error: x: first: AAA, BBB: not asked for another <time>: it asked for that with HTTP 429\n\
        error: x: no quote of BBB: second has none among 1 row in the reply (AAA)\n";
    next(one, 1, message);
    next(one, 1, "");
}

/// The requests that are not sent do not wait for their turn, so the next provider has its time.
#[test]
fn refused_requests_do_not_wait_for_the_rate_limit() {
    let (first, second) = (Server::with(|_| Reply::status(451)), Server::start());
    second.on("GET /all?of=AAA,BBB").reply(Reply::json(r#"{"AAA":{"l":1},"BBB":{"l":2}}"#));
    let config = "[feeds.x]\nproviders = ['first', 'second']\nsymbols = ['AAA', 'BBB']\nfields = ['last']\n\
        [providers.first]\nmarket = 'other'\nbase_url = 'https://first.example'\nper_second = 0.01\nmax_concurrency = 1\n\
        [[providers.first.quote]]\npath = '/{symbol}'\nfields = { last = '/l' }\n\
        [providers.second]\nmarket = 'other'\nbase_url = 'https://second.example'\n\
        [[providers.second.quote]]\npath = '/all?of={symbols}'\nfields = { last = '/l' }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x", "--dry-run"]);
    let run = run.provider("first", &first).provider("second", &second);
    let message = "warning: x: first: AAA, BBB: HTTP 451; it does not serve this region: use another provider\n";
    run.stdout("[[..]\n").stderr(message).exit(0).check();
    assert_eq!(first.request_lines().len(), 1);
}

/// Default fields are optional. Coinbase has no vwap, and Kraken does not have this symbol.
#[test]
fn missing_default_field_is_not_an_error() {
    let (first, second) = (Server::start(), Server::start());
    first.on(KRAKEN).reply(kraken(&CRYPTO[..2]));
    let stats = r#"{"open":"1","high":"3","low":"0.5","last":"2","volume":"100"}"#;
    second.on("GET /products/BAT-USD/stats").reply(Reply::json(stats));
    let run = Datametrics::new().args(["crypto", "--dry-run"]).provider("kraken", &first).provider("coinbase", &second);
    let output = run.stdout("[[..]\n").check();
    assert!(!output.stdout.contains("crypto.BAT-USD.vwap") && output.stdout.contains("crypto.BTC-USD.vwap"));
}

/// A difference between two sources would be wrong.
#[test]
fn change_is_computed_from_one_quote_only() {
    let two = TwoProviders::start();
    two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":10},"BBB":{"l":10,"o":5}}"#));
    two.second.on("GET /last?of=AAA").reply(Reply::json(r#"{"AAA":{"l":30,"o":20}}"#));
    let lines = ["AAA.last 10", "AAA.change 10", "AAA.change_percent 50", "BBB.last 10", "BBB.change 5"];
    let lines = support::lines(lines.map(|line| format!("x.{line} [..]")));
    let run = two.run("last,change,change_percent");
    run.stdout(format!("{lines}x.BBB.change_percent 100 [..]\n...")).check();
}

/// Graphite fails in the first run and works in the second. `tests/faults` has the table of its faults.
#[test]
fn points_that_graphite_refused_are_sent_by_the_next_run() {
    let healthy = Arc::new(Mutex::new(false));
    let is_healthy = Arc::clone(&healthy);
    let ingest = Ingest::deciding(Dialect::WriteProxy, move |_| {
        if *is_healthy.lock().unwrap() { Verdict::Take } else { Verdict::Refuse(Reply::status(503)) }
    });
    let crypto = Server::with(|_| kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto", "--retries", "0"]).provider("kraken", &crypto).graphite(&ingest);
    let message =
        "error: graphite: 127.0.0.1 answered HTTP 503; the points are in the journal, the next run sends them\n";
    run.clone().stderr(message).exit(75).check();
    assert_eq!((ingest.points().len(), journal(&run).len()), (0, 1));
    *healthy.lock().unwrap() = true;
    run.clone().check();
    assert!(journal(&run).is_empty());
    let points = ingest.points();
    let last: Vec<_> = points.iter().filter(|point| point.name == "crypto.BTC-USD.last").collect();
    assert_eq!(last.len(), 2);
    assert_eq!(ingest.value("metrics.crypto.journal").as_deref(), Some("24"));
}

#[test]
fn points_that_graphite_refused_are_lost_without_a_journal() {
    let ingest = Ingest::deciding(Dialect::WriteProxy, |_| Verdict::Refuse(Reply::status(503)));
    let crypto = Server::with(|_| kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto", "--retries", "0", "--no-journal"]);
    let run = run.provider("kraken", &crypto).graphite(&ingest);
    let message = "error: graphite: 127.0.0.1 answered HTTP 503; 23 points are lost, as they are in no journal\n";
    run.clone().stderr(message).exit(75).check();
    assert!(journal(&run).is_empty());
}

/// A failed push gives the exit code, whatever was fetched.
#[test]
fn exit_code_of_a_failed_push_outranks_failed_providers() {
    for (status, code) in [(503, 75), (401, 77)] {
        let ingest = Ingest::deciding(Dialect::Gateway, move |_| Verdict::Refuse(Reply::status(status)));
        let crypto = Server::with(|_| Reply::status(500));
        let run = Datametrics::new().args(["crypto", "--provider", "kraken", "--retries", "0"]);
        let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: HTTP 500; the next run asks again\nerror: graphite: [..]\n";
        run.provider("kraken", &crypto).graphite(&ingest).stderr(message).exit(code).check();
    }
}

#[test]
fn push_is_retried_with_the_same_body_after_503_and_429() {
    let ingest = Ingest::refusing(Dialect::WriteProxy, [503, 429]);
    let crypto = Server::with(|_| kraken(&CRYPTO));
    Datametrics::new().args(["crypto"]).provider("kraken", &crypto).graphite(&ingest).check();
    let bodies: BTreeSet<_> = ingest.server().requests().into_iter().map(|request| request.body).collect();
    assert_eq!((ingest.server().requests().len(), bodies.len()), (3, 1), "the same body each time");
}

fn run_crypto(ingest: &Ingest, crypto: &Server) -> Datametrics {
    Datametrics::new().args(["crypto", "--retries", "0"]).provider("kraken", crypto).graphite(ingest)
}

fn bad_indexes(points: &[Point]) -> Vec<usize> {
    let bad = |point: &Point| ["crypto.BTC-USD.high", "crypto.BAT-USD.vwap"].contains(&point.name.as_str());
    (0..points.len()).filter(|at| bad(&points[*at])).collect()
}

#[test]
fn refused_points_that_the_gateway_lists_are_reported() {
    let ingest = Ingest::deciding(Dialect::Gateway, |push| Verdict::Invalid(bad_indexes(push.points), "too odd"));
    let crypto = Server::with(|_| kraken(&CRYPTO));
    let run = run_crypto(&ingest, &crypto);
    let message = "error: graphite refused crypto.BTC-USD.high: too odd\n\
                error: graphite refused crypto.BAT-USD.vwap: too odd\n";
    run.clone().stderr(message).exit(1).check();
    assert_eq!((ingest.points().len(), journal(&run).len()), (24 - 2, 0));
}

/// The current ingest refuses a whole batch because of one point, so the run searches for it.
#[test]
fn refused_points_are_found_by_bisection() {
    let ingest = Ingest::deciding(Dialect::WriteProxy, |push| match &bad_indexes(push.points)[..] {
        [] => Verdict::Take,
        bad => Verdict::Invalid(bad.to_vec(), "too odd"),
    });
    let crypto = Server::with(|_| kraken(&CRYPTO));
    let run = run_crypto(&ingest, &crypto);
    let message = "error: graphite: 127.0.0.1 refuses 2 points alone (HTTP 400: invalid metric data received: too \
                odd); what it refuses in a second run too is given up; the points are in the journal, the next run \
                sends them\n";
    run.clone().stderr(message).exit(75).check();
    let names: BTreeSet<_> = ingest.points().into_iter().map(|point| point.name).collect();
    assert_eq!((ingest.points().len(), names.len()), (24 - 2, 24 - 2));
    let waits: Vec<_> = Journal::of(&run).files().into_iter().flat_map(|file| file.points).collect();
    let waits: Vec<_> = waits.iter().map(|point| (point.name.as_str(), point.refusals)).collect();
    assert_eq!(waits, [("crypto.BTC-USD.high", 1), ("crypto.BAT-USD.vwap", 1)]);

    let message = "error: graphite refused crypto.BTC-USD.high: HTTP 400: invalid metric data received: too odd\n\
                error: graphite refused crypto.BAT-USD.vwap: HTTP 400: invalid metric data received: too odd\n";
    run.clone().args(["--fields", "last"]).stderr(message).exit(1).check();
    assert_eq!(journal(&run).len(), 0);
    // Points without a file have no second run.
    run.args(["--no-journal"]).stderr(message).exit(1).check();
}

/// A reply that gives no reason for the points that it did not take costs none of them.
#[test]
fn points_that_are_missing_without_a_reason_wait() {
    for reply in [r#"{"Published":22,"Invalid":2}"#, r#"{"published":0}"#] {
        let ingest = Ingest::deciding(Dialect::Gateway, move |_| Verdict::Refuse(Reply::json(reply)));
        let crypto = Server::with(|_| kraken(&CRYPTO));
        let run = run_crypto(&ingest, &crypto);
        let message = "error: graphite: 127.0.0.1 took [..] of 24 points, and does not say what is wrong with the \
                       others; the points are in the journal, the next run sends them\n";
        run.clone().stderr(message).exit(75).check();
        run.clone().run();
        let waits = Journal::of(&run).values();
        assert_eq!((waits.len() >= 24, Journal::of(&run).files().len()), (true, 2));
        ingest.recover();
        run.clone().args(["--prefix", "again"]).check();
        let time = |point: &Point| i64::try_from(point.time).expect("a time");
        let landed: Vec<_> =
            ingest.points().into_iter().map(|point| ((point.name.clone(), time(&point)), point.value)).collect();
        assert!(waits.into_iter().all(|point| landed.contains(&point)), "{landed:?}");
        assert_eq!(journal(&run).len(), 0);
    }
}

#[test]
fn missing_symbol_is_reported_only_by_the_first_run() {
    let (crypto, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    let run = Datametrics::new().config(PLAIN).args(["crypto"]).provider("kraken", &crypto).graphite(&ingest);
    let next = |there: &[(&str, &str)], options: &[&str], message: &str| {
        crypto.on(KRAKEN).reply(kraken(there));
        let code = i32::from(there.len() < 3);
        run.clone().args(options).stderr(message).exit(code).check();
        assert_eq!(ingest.value("metrics.crypto.feed.crypto.fetched"), Some(there.len().to_string()));
    };
    let bat = "crypto: no quote of BAT/USD: kraken has none among 2 rows at \"/result\" (XXBTZUSD, XETHZUSD); `datametrics symbols BAT` looks it up\n";
    next(&CRYPTO[..2], &[], &format!("error: {bat}"));
    next(&CRYPTO[..2], &[], "");
    next(&CRYPTO[..2], &["-v"], &format!("[..]\n{bat}[..]\npushed [..]\n"));
    // A second symbol goes missing.
    next(
        &CRYPTO[..1],
        &[],
        "error: crypto: no quote of ETH/USD: kraken has none among 1 row at \"/result\" (XXBTZUSD); `datametrics symbols ETH` looks it up\n",
    );
    next(&CRYPTO[..1], &[], "");
    next(&CRYPTO[..2], &[], "");
    // The symbol came back, so its next absence is reported again.
    next(&CRYPTO, &[], "");
    next(&CRYPTO[..2], &[], &format!("error: {bat}"));
}

/// Some APIs say 404 of a symbol that is listed no more. Where the other symbols come, it is a symbol that stays
/// missing. That the API answers now, but without it, is news, and so is that it fails again.
#[test]
fn symbol_whose_requests_fail_in_every_run_is_reported_once() {
    let ingest = Ingest::start(Dialect::WriteProxy);
    let replies = Arc::new(Mutex::new([200; 3]));
    let shared = Arc::clone(&replies);
    let api = Server::with(move |received| {
        let symbol = ["/A", "/B", "/C"].iter().position(|path| *path == received.target).unwrap();
        match shared.lock().unwrap()[symbol] {
            200 => Reply::json(r#"{"l":1}"#),
            204 => Reply::json("{}"),
            status => Reply::status(status),
        }
    });
    let config = "[feeds.x]\nproviders = ['api']\nsymbols = ['A', 'B', 'C']\n\
        [providers.api]\nmarket = 'other'\nbase_url = 'https://api.example'\n\
        [[providers.api.quote]]\npath = '/{symbol}'\nfields = { last = '/l' }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x", "--retries", "0"]);
    let run = run.provider("api", &api).graphite(&ingest);
    let next = |statuses: [u16; 3], code: i32, message: &str| {
        *replies.lock().unwrap() = statuses;
        run.clone().stderr(message).exit(code).check();
    };
    let failure = |symbols: &str| format!("error: x: api: {symbols}: HTTP 404; if this persists, [..]\n");
    let without = "error: x: no quote of B: api has nothing at \"/l\"\n";
    next([200, 404, 200], 1, &failure("B"));
    next([200, 404, 200], 1, "");
    next([200, 404, 404], 1, &failure("B, C"));
    next([200, 404, 404], 1, "");
    next([404, 404, 404], 69, &failure("A, B, C"));
    next([404, 404, 404], 69, &failure("A, B, C"));
    next([200, 404, 404], 1, "");
    next([200, 204, 200], 1, without);
    next([200, 404, 200], 1, &failure("B"));
    next([200, 200, 200], 0, "");
    next([200, 404, 200], 1, &failure("B"));
    next([200, 410, 200], 1, "error: x: api: B: HTTP 410; if this persists, [..]\n");
    // Failures that pass take turns.
    next([200, 500, 200], 1, "error: x: api: B: HTTP 500; the next run asks again\n");
    next([200, 503, 200], 1, "");
}

/// One provider does not have a symbol, and another one that has asked for a pause is not asked.
#[test]
fn symbol_whose_requests_fail_during_a_cool_down_is_reported_once() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last");
    let next = |message: &str| {
        two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1}}"#));
        run.clone().args(["--provider", "first,second"]).stderr(message).exit(1).check();
    };
    two.second.on("GET /last?of=BBB").reply(Reply::status(429).header("Retry-After", "3600"));
    next("error: x: second: BBB: HTTP 429; [..]\nerror: x: no quote of BBB: first has none among [..]\n");
    next("");
}

/// The same of a named field whose provider fails.
#[test]
fn named_field_whose_requests_fail_in_every_run_is_reported_once() {
    let (two, ingest) = (TwoProviders::start(), Ingest::start(Dialect::WriteProxy));
    let run = two.pushing(&ingest, "last,bid");
    let next = |status: u16, code: i32, message: &str| {
        two.first.on(BOTH_SYMBOLS).reply(Reply::json(r#"{"AAA":{"l":1,"b":1},"BBB":{"l":1}}"#));
        let book = if status == 200 { Reply::json(r#"{"BBB":{"b":1}}"#) } else { Reply::status(status) };
        two.second.on("GET /book?of=BBB").reply(book);
        run.clone().stderr(message).exit(code).check();
    };
    let failure = "error: x: second: BBB: HTTP 500; [..]\nerror: x: no bid of BBB: no provider gave it\n";
    next(500, 1, failure);
    next(500, 1, "");
    next(200, 0, "");
    next(500, 1, failure);
}

/// Unlike a missing symbol, a failed provider is reported by every run, unless others or another provider gave values.
#[test]
fn failed_provider_is_reported_by_every_run() {
    let (crypto, ingest) = (Server::with(|_| Reply::status(500)), Ingest::start(Dialect::WriteProxy));
    let run = Datametrics::new().config(PLAIN).args(["crypto", "--retries", "0"]);
    let run = run.provider("kraken", &crypto).graphite(&ingest);
    for _ in 0..2 {
        let message = "error: crypto: kraken: BTC/USD, ETH/USD, BAT/USD: HTTP 500; the next run asks again\n";
        run.clone().stderr(message).exit(69).check();
    }
}

#[test]
fn next_run_pushes_status_and_time_of_the_push_before() {
    let crypto = Server::with(|_| kraken(&CRYPTO));
    let ingest = Ingest::refusing(Dialect::WriteProxy, [503]);
    let run = Datametrics::new().args(["crypto", "--retries", "1"]).provider("kraken", &crypto).graphite(&ingest);
    run.clone().check();
    let first = ingest.points()[0].time;
    // In the same second, the point would have the same name and time.
    while now() <= first {
        std::thread::yield_now();
    }
    run.check();
    let find = |name: &str| ingest.points().into_iter().filter(|point| point.name == name).collect::<Vec<_>>();
    let status = find("metrics.crypto.graphite.response.status_code");
    assert_eq!(status.iter().map(|point| (point.value.as_str(), point.time)).collect::<Vec<_>>(), [("503", first)]);
    let took = find("metrics.crypto.graphite.response.time");
    assert_eq!(took.iter().map(|point| point.time).collect::<Vec<_>>(), [first]);
    assert!(took[0].value.parse::<f64>().unwrap() > 0.0);
}

#[test]
fn points_have_prefix_tags_and_interval() {
    let config = "[graphite]\nprefix = 'home.lab'\ninterval = 300\ntags = { env = 'home', b = 'a/b' }\n";
    let (crypto, ingest) = (Server::with(|_| kraken(&CRYPTO)), Ingest::start(Dialect::Gateway));
    let run = Datametrics::new().config(config).args(["crypto", "--fields", "last"]).provider("kraken", &crypto);
    run.clone().graphite(&ingest).check();
    let points = ingest.points();
    assert_eq!(points.len(), 3 + 9);
    for point in &points {
        assert_eq!((point.interval, &point.tags[..]), (300, ["b=a/b".to_owned(), "env=home".to_owned()].as_slice()));
        assert!(point.name.starts_with("home.lab."), "{}", point.name);
    }
    let carbon = Carbon::start();
    run.carbon(&carbon).check();
    let points = carbon.points();
    assert!(points.iter().any(|point| point.name == "home.lab.crypto.BTC-USD.last"));
    assert!(points.iter().all(|point| point.tags == ["b=a/b", "env=home"]));
}

#[test]
fn name_templates_give_the_names_of_the_first_datametrics() {
    let config = "
        [crypto]
        names = '{feed}.{base}/{quote}-{field}'
        [graphite]
        names = '{feed}.{symbol}-{field}'";
    let both = Both::start();
    both.crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    both.stocks.on("GET /v7/finance/spark?symbols=BRK-B&range=1d&interval=5m").reply(yahoo(&[("BRK-B", "500.10")]));
    let run = Datametrics::new().config(config).args(["all", "--fields", "last"]);
    let run = run.env("DATAMETRICS_STOCKS_SYMBOLS", "brk.b");
    run.provider("kraken", &both.crypto).provider("yahoo", &both.stocks).graphite(&both.ingest).check();
    let names: Vec<_> =
        both.ingest.points().into_iter().map(|point| format!("{} {}", point.name, point.value)).collect();
    let expected = [
        "crypto.BTC/USD-last 65600.10",
        "crypto.ETH/USD-last 3400.25",
        "crypto.BAT/USD-last 0.00007351",
        "stocks.BRK-B-last 500.10",
    ];
    assert_eq!(names[..4], expected);
}

#[test]
fn points_have_safe_names_for_any_symbol() {
    let config = "
        [feeds.my-feed]
        providers = ['p']
        symbols = ['^GSPC', 'x;y=z', 'Ünï', 'A.B/C*']
        [providers.p]
        market = 'other'
        base_url = 'https://p.example'
        [[providers.p.quote]]
        path = '/all'
        batch = 0
        fields = { last = '' }";
    let server = Server::start();
    server.on("GET /all").reply(Reply::json(r#"{"^GSPC":1,"x;y=z":2,"Ünï":3,"A.B/C*":4,"a":5}"#));
    let ingest = Ingest::start(Dialect::Gateway);
    let run = Datametrics::new().config(config).args(["--feed", "my-feed"]).provider("p", &server);
    run.graphite(&ingest).check();
    let names: Vec<_> = ingest.points().into_iter().map(|point| format!("{} {}", point.name, point.value)).collect();
    let expected = ["my-feed._GSPC.last 1", "my-feed.x_y_z.last 2", "my-feed._n_.last 3", "my-feed.A-B-C_.last 4"];
    assert_eq!(names[..4], expected);
    assert_eq!(names[9], "metrics.my-feed.feed.my-feed.fetched 4");
}

/// A value that is not a number gives no point, and prices are above zero.
#[test]
fn points_have_exactly_the_digits_of_the_reply() {
    let config = "
        [feeds.x]
        providers = ['p']
        symbols = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J']
        fields = ['last', 'volume']
        [providers.p]
        market = 'other'
        base_url = 'https://p.example'
        [[providers.p.quote]]
        path = '/all'
        batch = 0
        fields = { last = '/l', volume = '/v' }";
    let rows = r#"{
        "A":{"l":0.00007351,"v":0E-7}, "B":{"l":"49617.507573101621","v":-1.50},
        "C":{"l":0,"v":0}, "D":{"l":-1,"v":1e3}, "E":{"l":null,"v":null}, "F":{"l":"N/A","v":""},
        "G":{"l":1e999,"v":"NaN"}, "H":{"l":"inf","v":"1,000"}, "I":{"l":true,"v":[1]}, "J":{"v":12345678901234567890}
    }"#;
    let server = Server::start();
    server.on("GET /all").reply(Reply::json(rows));
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = Datametrics::new().config(config).args(["--feed", "x"]).provider("p", &server).graphite(&ingest);
    let message = "error: x: no quote of E: p has null at \"/l\"\n\
                error: x: no quote of F: p has no number at \"/l\" (\"N/A\")\n\
                error: x: no quote of G: p has no number at \"/l\" (1e999)\n\
                error: x: no quote of H: p has no number at \"/l\" (\"inf\")\n\
                error: x: no quote of I: p has no number at \"/l\" (true)\n\
                error: x: no last of C, D: p has a price that is not above zero at \"/l\"\n\
                error: x: no last of J: p has nothing at \"/l\"\n";
    run.stderr(message).exit(1).check();
    let values: Vec<_> = ingest.points().into_iter().map(|point| format!("{} {}", point.name, point.value)).collect();
    let expected = [
        "x.A.last 0.00007351",
        "x.A.volume 0E-7",
        "x.B.last 49617.507573101621",
        "x.B.volume -1.50",
        "x.C.volume 0",
        "x.D.volume 1e3",
        "x.J.volume 12345678901234567890",
    ];
    assert_eq!(values[..7], expected);
}

/// With -vv a dry run logs where every value came from.
#[test]
fn dry_run_logs_the_pointer_of_every_value() {
    let server = Server::start();
    server
        .on("GET /0/public/Ticker?pair=XBTUSD")
        .reply(Reply::json(r#"{"error":[],"result":{"XXBTZUSD":{"c":["5"],"v":[null,"x"]}}}"#));
    let run = Datametrics::new().args(["crypto", "BTC", "--dry-run", "-vv", "--provider", "kraken"]);
    let output = run.provider("kraken", &server).stdout("[[..]\n").stderr("[..]\n...").check();
    for message in ["last", "/c/0", "volume", "/v/1", "vwap", "/p/1"] {
        assert!(output.stderr.contains(message), "{message}: {output}");
    }
}
