//! One test for each defect that was fixed.

use crate::support::{Datametrics, Dialect, Ingest, Latch, Reply, Server};
use std::{
    io::{self, Write as _},
    net::TcpListener,
    thread,
};

#[test]
fn printed_definition_has_no_password() {
    let config = "[providers.kraken]\nbase_url = \"https://u:hunter2@h.example/api\"\n";
    let output = Datametrics::new().config(config).args(["providers", "kraken"]).run();
    assert!(output.stdout.contains("base_url = \"https://h.example/api\"\n"), "{output}");
    assert!(!output.stdout.contains("hunter2"), "{output}");
}

#[test]
fn key_in_the_host_of_a_redirect_is_masked() {
    let server = Server::with(|_| Reply::status(302).header("Location", "https://S3cret-Key.example/x"));
    let output = Datametrics::new()
        .args(["stocks", "AAPL", "--provider", "finnhub", "--fields", "last", "--dry-run"])
        .provider("finnhub", &server)
        .env("FINNHUB_API_KEY", "S3cret-Key")
        .run();
    assert!(output.stderr.contains("HTTP 302 to https://***.example, which is not followed"), "{output}");
    assert!(!output.stderr.to_lowercase().contains("s3cret"), "{output}");
}

#[test]
fn default_fields_that_a_provider_lacks_are_left_out() {
    let coinbase = Server::start();
    coinbase
        .on("GET /products/BTC-USD/stats")
        .reply(Reply::json(r#"{"open":"1.1","high":"1.3","low":"1.0","last":"1.2","volume":"5"}"#));
    let output = Datametrics::new()
        .args(["crypto", "BTC", "--provider", "coinbase", "--dry-run", "--graphite-url", "tcp://127.0.0.1:9"])
        .provider("coinbase", &coinbase)
        .run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert!(output.stdout.contains("crypto.BTC-USD.high 1.3 "), "{output}");
    assert!(!output.stdout.contains("vwap"), "{output}");
}

#[test]
fn min_interval_holds_where_the_first_provider_has_none_of_the_fields() {
    let coingecko = Server::start();
    let request = "GET /coins/markets?vs_currency=usd&symbols=btc&include_tokens=top&per_page=250&precision=full";
    coingecko.on(request).reply(Reply::json(r#"[{"symbol":"btc","total_volume":5}]"#));
    let graphite = Server::with(|request| {
        let count = String::from_utf8_lossy(&request.body).matches("\"name\":").count();
        Reply::json(format!("{{\"published\":{count}}}"))
    });
    let run = Datametrics::new()
        .args(["crypto", "BTC", "--provider", "kraken,coingecko", "--fields", "quote_volume"])
        .provider("coingecko", &coingecko)
        .env("GRAPHITE_URL", format!("{}/metrics", graphite.url()));
    run.clone().check();
    // The server fails the test if there is a second request.
    run.check();
}

#[test]
fn symbol_without_any_named_field_is_missing() {
    let yahoo = Server::start();
    yahoo.on("GET /v7/finance/spark?symbols=AMZN&range=1d&interval=5m").reply(Reply::json(
        r#"{"spark":{"result":[{"symbol":"AMZN","response":[{"meta":{"regularMarketPrice":204.5}}]}]}}"#,
    ));
    Datametrics::new()
        .args([
            "stocks",
            "AMZN",
            "--fields",
            "change_percent",
            "--dry-run",
            "-q",
            "--graphite-url",
            "tcp://127.0.0.1:9",
        ])
        .provider("yahoo", &yahoo)
        .run()
        .code
        .map(|code| assert_eq!(code, 69))
        .expect("an exit code");
}

#[test]
fn unknown_symbol_is_recognised_in_a_long_error() {
    let kraken = Server::with(|request| {
        if request.target.contains("BAD") {
            let text = format!("{} Unknown asset pair", "x".repeat(300));
            return Reply::json(serde_json::json!({"error": [text]}).to_string());
        }
        Reply::json(r#"{"error":[],"result":{"XXBTZUSD":{"c":["1.5"]}}}"#)
    });
    let output = Datametrics::new()
        .args(["crypto", "BTC", "BAD", "--provider", "kraken", "--fields", "last", "--dry-run"])
        .provider("kraken", &kraken)
        .run();
    assert_eq!(output.code, Some(1), "{output}");
    assert!(output.stdout.contains("crypto.BTC-USD.last"), "{output}");
}

#[test]
fn settings_that_once_broke_a_run_are_errors() {
    for (config, message) in [
        (
            "[providers.kraken]\nper_second = 1e-30\n",
            "config.toml:2: providers.kraken.per_second: must be 0.00001 at least",
        ),
        (
            "[providers.graphite]\nmarket = 'other'\nbase_url = 'http://127.0.0.1:1'\n[[providers.graphite.quote]]\npath = '/'\nbatch = 0\n\
             fields = { last = '/x' }\n[feeds.x]\nproviders = ['graphite']\nsymbols = ['A']\n",
            "config.toml:1: providers.graphite: is taken: the run's own health has points of that name; choose another",
        ),
        (
            "[providers.p]\nmarket = 'other'\nbase_url = 'http://127.0.0.1:1'\n[[providers.p.quote]]\npath = '/'\nbatch = 0\n\
             fields = { last = [] }\n[feeds.x]\nproviders = ['p']\nsymbols = ['A']\n",
            "config.toml:7: providers.p.quote.fields.last: has no pointer: give one, such as \"/price\"",
        ),
    ] {
        let feed = if config.contains("feeds.x") { ["--feed", "x"] } else { ["--crypto", "--stocks"] };
        Datametrics::new()
            .config(config)
            .args(feed)
            .args(["--dry-run"])
            .stderr(format!("error: {message}\n"))
            .exit(78)
            .check();
    }
}

#[test]
fn provider_that_is_named_twice_gets_one_request() {
    let kraken = Server::start();
    kraken.on("GET /0/public/Ticker?pair=NOPEUSD").reply(Reply::json(r#"{"error":[],"result":{}}"#));
    let output = Datametrics::new()
        .args(["crypto", "NOPE", "--provider", "kraken,kraken", "--fields", "last", "--dry-run"])
        .provider("kraken", &kraken)
        .run();
    assert_eq!(
        output.stderr,
        "error: crypto: no quote of NOPE/USD: kraken has no rows at \"/result\": {\"error\":[],\"result\":{}}; `datametrics symbols NOPE` looks it up\n"
    );
}

/// The provider sends so much that its reply takes from the shared memory, and then stalls.
#[test]
fn stalled_long_reply_does_not_block_another_provider() {
    const CONFIG: &str = "
        [feeds.bad]
        providers = ['bad']
        symbols = ['A']
        [feeds.good]
        providers = ['good']
        symbols = ['A']
        [providers.bad]
        market = 'other'
        base_url = 'http://127.0.0.1:9'
        quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
        [providers.good]
        market = 'other'
        base_url = 'http://127.0.0.1:9'
        quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
    ";
    let (stalled, socket) = (Latch::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    let opened = stalled.clone();
    let bad = thread::spawn(move || {
        let (mut stream, _) = socket.accept().unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n";
        stream.write_all((head.to_owned() + &" ".repeat(1_000_000)).as_bytes()).unwrap();
        opened.release();
        // Until the program closes the connection.
        drop(io::copy(&mut stream, &mut io::sink()));
    });
    let body = format!(r#"{{"last":5{}}}"#, " ".repeat(700_000));
    let good = Server::with(move |_| Reply::json(body.clone()).after(&stalled));
    let output = Datametrics::new()
        .config(CONFIG)
        .args(["--feed", "bad", "--feed", "good", "--fields", "last", "--retries", "0", "--timeout", "6", "--dry-run"])
        .env("DATAMETRICS_BAD_BASE_URL", format!("http://{address}"))
        .provider("good", &good)
        .run();
    bad.join().unwrap();
    assert!(output.stdout.contains(r#"{"name":"good.A.last","interval":60,"value":5,"#), "{output}");
    assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 1), "{output}");
}

/// The first field is missing of all symbols, so nothing is fetched; the other ones that are missing are said once too.
#[test]
fn named_fields_that_stay_missing_are_said_once_where_nothing_is_fetched() {
    let own = Server::with(|_| Reply::json(r#"{"A":{"volume":5},"B":{"volume":6}}"#));
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['A', 'B']\nfields = ['last', 'high', 'volume']\n\
                  [providers.own]\nmarket = 'other'\nbase_url = 'http://x'\n[[providers.own.quote]]\npath = '/all'\n\
                  batch = 0\nrows = ''\nfields = { last = '/last', high = '/high', volume = '/volume' }\n";
    let ingest = Ingest::start(Dialect::WriteProxy);
    let run = Datametrics::new().config(config).args(["--feed", "x"]).provider("own", &own).graphite(&ingest);
    let message =
        "error: x: no last of A, B: own has nothing at \"/last\"\nerror: x: no high of A, B: no provider gave it\n";
    run.clone().stderr(message).exit(69).check();
    run.stderr("").exit(69).check();
}
