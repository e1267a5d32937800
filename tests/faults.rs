//! What Graphite can do wrong, and what a run makes of it, and what is tried again. What a provider can
//! do wrong is the table of `fire.rs`.

mod support;

use support::{Datametrics, Dialect, Gate, Ingest, Reply, Server};

const YAHOO: &str = r#"{"spark":{"result":[{"symbol":"AAPL","response":[{"meta":{"regularMarketPrice":204.5}}]}]}}"#;
const KRAKEN: &str = r#"{"error":[],"result":{"XXBTZUSD":{"c":["64210.10000"]},"XETHZUSD":{"c":["3120.55"]}}}"#;
const PAIRS: &str = "GET /0/public/Ticker?pair=XBTUSD,ETHUSD";

/// Two feeds: BTC and ETH of a provider that fails, AAPL of one that does not.
fn both_feeds(kraken: &Server, yahoo: &Server, graphite: &Ingest) -> Datametrics {
    Datametrics::new()
        .args(["--crypto", "--stocks", "--provider", "kraken,yahoo", "--fields", "last"])
        .env("DATAMETRICS_RETRIES", "0")
        .env("DATAMETRICS_CRYPTO_SYMBOLS", "BTC,ETH")
        .env("DATAMETRICS_STOCKS_SYMBOLS", "AAPL")
        .provider("kraken", kraken)
        .provider("yahoo", yahoo)
        .graphite(graphite)
}

fn yahoo() -> Server {
    let yahoo = Server::start();
    yahoo.on("GET /v7/finance/spark?symbols=AAPL&range=1d&interval=5m").reply(Reply::json(YAHOO));
    yahoo
}

#[test]
fn half_the_symbols_are_pushed_and_the_other_half_is_named() {
    let (kraken, yahoo, graphite) = (Server::start(), yahoo(), Ingest::start(Dialect::WriteProxy));
    kraken.on(PAIRS).reply(Reply::json(r#"{"error":[],"result":{"XETHZUSD":{"c":["3120.55"]}}}"#));
    let said = "error: crypto: no quote of BTC/USD: kraken has none\n";
    both_feeds(&kraken, &yahoo, &graphite).stderr(said).exit(1).check();
    assert_eq!(graphite.value("crypto.ETH-USD.last").as_deref(), Some("3120.55"));
    assert_eq!(graphite.value("stocks.AAPL.last").as_deref(), Some("204.5"));
    assert_eq!(graphite.value("metrics.crypto-stocks.feed.crypto.fetched").as_deref(), Some("1"));
}

#[test]
fn a_redirect_on_the_same_server_is_followed() {
    let (kraken, yahoo, graphite) = (Server::start(), yahoo(), Ingest::start(Dialect::WriteProxy));
    kraken.on(PAIRS).reply(Reply::status(307).header("Location", "/moved?to=here"));
    kraken.on("GET /moved?to=here").reply(Reply::json(KRAKEN));
    both_feeds(&kraken, &yahoo, &graphite).check();
    assert_eq!(graphite.value("crypto.BTC-USD.last").as_deref(), Some("64210.10000"));
}

#[test]
fn what_may_pass_is_tried_again_and_counted() {
    let (kraken, yahoo, graphite) = (Server::start(), yahoo(), Ingest::start(Dialect::WriteProxy));
    kraken.on(PAIRS).reply(Reply::text(503, "").header("Retry-After", "0"));
    kraken.on(PAIRS).reply(Reply::close());
    kraken.on(PAIRS).reply(Reply::json(KRAKEN));
    both_feeds(&kraken, &yahoo, &graphite).args(["--retries", "2"]).check();
    assert_eq!(graphite.value("crypto.BTC-USD.last").as_deref(), Some("64210.10000"));
    assert_eq!(graphite.value("metrics.crypto-stocks.kraken.requests").as_deref(), Some("3"));
    assert_eq!(graphite.value("metrics.crypto-stocks.kraken.retries").as_deref(), Some("2"));
}

#[test]
fn a_bad_request_is_not_tried_again() {
    let (kraken, yahoo, graphite) = (Server::start(), yahoo(), Ingest::start(Dialect::WriteProxy));
    kraken.on(PAIRS).reply(Reply::text(400, "what?"));
    let said = "error: crypto: kraken: BTC/USD, ETH/USD: HTTP 400: what?\n";
    both_feeds(&kraken, &yahoo, &graphite).args(["--retries", "2"]).stderr(said).exit(1).check();
}

#[test]
fn what_the_first_cannot_give_the_next_is_asked_for() {
    let (kraken, coinbase, graphite) = (Server::start(), Server::start(), Ingest::start(Dialect::WriteProxy));
    kraken.on(PAIRS).reply(Reply::json(r#"{"error":[],"result":{"XXBTZUSD":{"c":["1.5"],"b":["1.4"]}}}"#));
    coinbase.on("GET /products/ETH-USD/ticker").reply(Reply::json(r#"{"price":"2.5","bid":"2.4"}"#));
    Datametrics::new()
        .args(["crypto", "BTC", "ETH", "--provider", "kraken,coinbase", "--fields", "last,bid"])
        .provider("kraken", &kraken)
        .provider("coinbase", &coinbase)
        .graphite(&graphite)
        .check();
    assert_eq!(graphite.value("crypto.BTC-USD.bid").as_deref(), Some("1.4"));
    assert_eq!(graphite.value("crypto.ETH-USD.last").as_deref(), Some("2.5"));
}

#[test]
fn providers_are_asked_side_by_side() {
    // Each answers only when the other has been asked.
    let (kraken, yahoo, graphite) = (Server::start(), Server::start(), Ingest::start(Dialect::WriteProxy));
    let (first, second) = (Gate::new(), Gate::new());
    kraken.on(PAIRS).reply(Reply::json(KRAKEN).after(&first));
    yahoo.on("GET /v7/finance/spark?symbols=AAPL&range=1d&interval=5m").reply(Reply::json(YAHOO).after(&second));
    let running = both_feeds(&kraken, &yahoo, &graphite).spawn();
    kraken.wait_for(1);
    yahoo.wait_for(1);
    first.open();
    second.open();
    assert_eq!(running.wait().code, Some(0));
}

/// What Graphite answers, the exit code, and what is said.
fn push_faults() -> Vec<(Reply, i32, &'static str)> {
    const CREDENTIALS: &str =
        "are GRAPHITE_USER and GRAPHITE_PASSWORD those of the Graphite instance, with metrics:write?";
    const ADDRESS: &str = "is GRAPHITE_URL right? Grafana Cloud's is http://GRAPHITE/graphite/metrics";
    vec![
        (Reply::text(401, "Unauthorized"), 77, format!("127.0.0.1 refused the credentials: HTTP 401: Unauthorized; {CREDENTIALS}")),
        (Reply::text(403, ""), 77, format!("127.0.0.1 refused the credentials: HTTP 403; {CREDENTIALS}")),
        (
            Reply::status(302).header("Location", "https://login.example/?next=%2F"),
            77,
            format!("127.0.0.1 refused the credentials: HTTP 302 to https://login.example, as to a login page; {CREDENTIALS}"),
        ),
        (
            Reply::status(302).header("Location", "/login"),
            77,
            format!("127.0.0.1 refused the credentials: HTTP 302, as to a login page; {CREDENTIALS}"),
        ),
        (Reply::text(404, "404 page not found"), 75, format!("127.0.0.1 takes no points there: HTTP 404: 404 page not found; {ADDRESS}")),
        (Reply::text(405, ""), 75, format!("127.0.0.1 takes no points there: HTTP 405; {ADDRESS}")),
        (Reply::text(415, ""), 75, format!("127.0.0.1 takes no points there: HTTP 415; {ADDRESS}")),
        (Reply::text(503, "later"), 75, "127.0.0.1 answered HTTP 503: later".to_owned()),
        (
            Reply::text(200, "<html>hello</html>"),
            75,
            format!("127.0.0.1 takes no points there: its answer does not say how many points it took (HTTP 200: <html>hello</html>); {ADDRESS}"),
        ),
        (Reply::close(), 75, "127.0.0.1 cut the connection before its reply was whole".to_owned()),
        (Reply::reset(), 75, "127.0.0.1 cut the connection before its reply was whole".to_owned()),
    ]
    .into_iter()
    .map(|(reply, exit, said)| {
        (reply, exit, &*format!("error: graphite: {said}; the points are in the journal, the next run sends them\n").leak())
    })
    .collect()
}

#[test]
fn a_graphite_that_refuses_is_never_a_success_and_loses_nothing() {
    for (reply, exit, said) in push_faults() {
        let (kraken, graphite) = (Server::start(), Server::start());
        kraken.on(PAIRS).reply(Reply::json(KRAKEN));
        graphite.on("POST /graphite/metrics").reply(reply);
        let run = Datametrics::new()
            .args(["crypto", "BTC", "ETH", "--provider", "kraken", "--fields", "last", "--retries", "0"])
            .provider("kraken", &kraken)
            .env("GRAPHITE_URL", format!("{}/graphite/metrics", graphite.url()))
            .env("GRAPHITE_USER", "123456")
            .env("GRAPHITE_PASSWORD", "a-token")
            .hide(graphite.address().to_string(), "GRAPHITE");
        run.clone().stderr(said).exit(exit).check();

        let well = Ingest::start(Dialect::WriteProxy);
        kraken.on(PAIRS).reply(Reply::json(KRAKEN));
        run.graphite(&well).check();
        let count = well.points().iter().filter(|point| point.name == "crypto.BTC-USD.last").count();
        assert_eq!(count, 2, "of both runs: {said}");
    }
}
