//! The configs in `examples/feeds`, unchanged, against replies in the shape of each API.

use crate::support::{Datametrics, Reply, Server};
use std::{collections::BTreeMap, path::Path};

fn example(name: &str, provider: &str, server: &Server) -> Datametrics {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/feeds").join(name);
    // Plaintext lines are easy to read back; nothing is sent there.
    Datametrics::new()
        .args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9", "--config"])
        .args([config])
        .provider(provider, server)
}

/// Names and values of the points that are not about the run itself.
fn points(stdout: &str) -> BTreeMap<&str, &str> {
    let words = stdout.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let points = words.map(|words| (words[0], words[1]));
    points.filter(|(name, _)| !name.starts_with("metrics.")).collect()
}

#[test]
fn livecoin_example_gives_the_names_of_the_first_datametrics() {
    let livecoin = Server::start();
    livecoin.on("GET /exchange/ticker").reply(Reply::json(
        r#"[{"cur":"XYZ","symbol":"XYZ/BTC","last":1,"high":1,"low":1,"volume":1,"vwap":1,"max_bid":1,"min_ask":1,"best_bid":1,"best_ask":1},
        {"cur":"BTC","symbol":"BTC/USD","last":10561.10001,"high":10800.5,"low":10400,"volume":55.20011230,"vwap":10601.77319,"max_bid":10800.1,"min_ask":1.04E+4,"best_bid":10560.00000,"best_ask":10562},
        {"cur":"BAT","symbol":"BAT/USD","last":0,"high":0,"low":0,"volume":0E-8,"vwap":0,"max_bid":0,"min_ask":0,"best_bid":0.00007351,"best_ask":6.7E-7},
        {"cur":"ETH","symbol":"ETH/USD","last":null,"high":351.2,"low":340,"volume":0,"vwap":345.5,"max_bid":0,"min_ask":340.1,"best_bid":349,"best_ask":350}]"#,
    ));
    let output = example("livecoin.toml", "livecoin", &livecoin).args(["crypto"]).run();
    let expected = [
        ("crypto.BAT/USD-best_ask", "6.7E-7"),
        ("crypto.BAT/USD-best_bid", "0.00007351"),
        ("crypto.BAT/USD-volume", "0E-8"),
        ("crypto.BTC/USD-best_ask", "10562"),
        ("crypto.BTC/USD-best_bid", "10560.00000"),
        ("crypto.BTC/USD-high", "10800.5"),
        ("crypto.BTC/USD-last", "10561.10001"),
        ("crypto.BTC/USD-low", "10400"),
        ("crypto.BTC/USD-max_bid", "10800.1"),
        ("crypto.BTC/USD-min_ask", "1.04E+4"),
        ("crypto.BTC/USD-volume", "55.20011230"),
        ("crypto.BTC/USD-vwap", "10601.77319"),
        ("crypto.ETH/USD-best_ask", "350"),
        ("crypto.ETH/USD-best_bid", "349"),
        ("crypto.ETH/USD-high", "351.2"),
        ("crypto.ETH/USD-low", "340"),
        ("crypto.ETH/USD-min_ask", "340.1"),
        ("crypto.ETH/USD-volume", "0"),
        ("crypto.ETH/USD-vwap", "345.5"),
    ];
    assert_eq!(points(&output.stdout), BTreeMap::from(expected));
    // A named symbol or field without a value is reported.
    let message = "warning: a / in metric names (names, prefix) makes a directory at Carbon: use . or - instead\n\
        error: crypto: no last of ETH/USD: livecoin has null at \"/last\"\n\
        error: crypto: no last of BAT/USD: livecoin has a price that is not above zero at \"/last\"\n\
        error: crypto: no high of BAT/USD: no provider gave it\n\
        error: crypto: no low of BAT/USD: no provider gave it\n\
        error: crypto: no vwap of BAT/USD: no provider gave it\n\
        error: crypto: no max_bid of ETH/USD, BAT/USD: no provider gave it\n\
        error: crypto: no min_ask of BAT/USD: no provider gave it\n";
    assert_eq!(output.stderr, message);
    assert_eq!(output.code, Some(1));
}

#[test]
fn iex_example_gives_the_names_of_the_first_datametrics() {
    let iex = Server::start();
    iex.on("GET /stock/market/batch?symbols=AMZN,WORK,NFLX&types=quote&token=a%2Ftoken").reply(Reply::json(
        r#"{"NFLX":{"quote":{"symbol":"NFLX","latestPrice":470.11,"change":-0.04,"open":null,"iexBidPrice":0,"volume":0,"primaryExchange":"NASDAQ"}},
        "AMZN":{"quote":{"symbol":"AMZN","latestPrice":2998.15,"changePercent":-0.04166,"iexMarketPercent":0.017051083818695037,"marketCap":1501993798500,"peRatio":-44.46}}}"#,
    ));
    let output = example("iex.toml", "iex", &iex).args(["stocks", "-q"]).env("IEX_TOKEN", "a/token").run();
    let expected = [
        ("stocks.AMZN-changePercent", "-0.04166"),
        ("stocks.AMZN-iexMarketPercent", "0.017051083818695037"),
        ("stocks.AMZN-latestPrice", "2998.15"),
        ("stocks.AMZN-marketCap", "1501993798500"),
        ("stocks.AMZN-peRatio", "-44.46"),
        ("stocks.NFLX-change", "-0.04"),
        ("stocks.NFLX-latestPrice", "470.11"),
        ("stocks.NFLX-volume", "0"),
    ];
    assert_eq!(points(&output.stdout), BTreeMap::from(expected));
    let (first, rest) = output.stderr.split_once('\n').expect("a line");
    assert_eq!(first, "error: stocks: no quote of WORK: iex has none among 2 rows in the reply (NFLX, AMZN)");
    assert!(rest.lines().all(|line| line.ends_with(": no provider gave it")), "{rest}");
    assert_eq!(output.code, Some(1));
}

#[test]
fn fx_example_makes_one_request_for_each_base() {
    let frankfurter = Server::start();
    frankfurter
        .on("GET /v1/latest?base=EUR")
        .reply(Reply::json(r#"{"amount":1.0,"base":"EUR","date":"2026-11-23","rates":{"GBP":0.83771,"USD":1.0812}}"#));
    frankfurter
        .on("GET /v1/latest?base=USD")
        .reply(Reply::json(r#"{"amount":1.0,"base":"USD","date":"2026-11-23","rates":{"JPY":154.31}}"#));
    let output = example("fx.toml", "frankfurter", &frankfurter).args(["--feed", "fx"]).run();
    let expected = [("fx.EUR-GBP.last", "0.83771"), ("fx.EUR-USD.last", "1.0812"), ("fx.USD-JPY.last", "154.31")];
    assert_eq!(points(&output.stdout), BTreeMap::from(expected));
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
}

/// Shares of London are quoted in pence.
#[test]
fn london_example_gives_pounds() {
    let yahoo = Server::start();
    let row = |symbol: &str, last: &str, previous_close: &str| {
        format!(
            r#"{{"symbol":"{symbol}","response":[{{"meta":{{"currency":"GBp","regularMarketPrice":{last},{previous_close}}}}}]}}"#
        )
    };
    yahoo.on("GET /v7/finance/spark?symbols=VOD.L,BARC.L&range=1d&interval=5m").reply(Reply::json(format!(
        r#"{{"spark":{{"result":[{},{}],"error":null}}}}"#,
        row("BARC.L", "406.65", r#""chartPreviousClose":400"#),
        row("VOD.L", "84.12", r#""chartPreviousClose":79,"previousClose":80"#)
    )));
    let output = example("london.toml", "yahoo-london", &yahoo).args(["--feed", "london"]).run();
    let points = points(&output.stdout);
    assert_eq!((points["london.VOD-L.last"], points["london.BARC-L.last"]), ("0.8412", "4.0665"));
    assert_eq!((points["london.VOD-L.previous_close"], points["london.VOD-L.change_percent"]), ("0.8", "5.15"));
    assert_eq!((points["london.BARC-L.previous_close"], points["london.BARC-L.change_percent"]), ("4", "1.6625"));
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
}

#[test]
fn coingecko_pro_example_sends_only_the_key_of_the_paid_plan() {
    let coingecko = Server::start();
    let row = |key: &str, value: &str| {
        format!(r#"{{{key},"current_price":{value},"high_24h":{value},"low_24h":{value},"total_volume":{value}}}"#)
    };
    let with_key = |target: &str, rows: &[String]| {
        let reply = Reply::json(format!("[{}]", rows.join(",")));
        coingecko.on(&format!("GET /coins/markets?{target}")).header("x-cg-pro-api-key", "pro-1").reply(reply);
    };
    let top = "include_tokens=top&per_page=250&precision=full";
    with_key(
        &format!("vs_currency=usd&symbols=btc,eth&{top}"),
        &[row(r#""symbol":"btc""#, "64210.5"), row(r#""symbol":"eth""#, "3120")],
    );
    with_key(&format!("vs_currency=eur&symbols=sol&{top}"), &[row(r#""symbol":"sol""#, "151.2")]);
    with_key(
        "vs_currency=usd&ids=pudgy-penguins,celestia&per_page=250&precision=full",
        &[row(r#""id":"pudgy-penguins""#, "0.01"), row(r#""id":"celestia""#, "0.5")],
    );
    let run = example("coingecko-pro.toml", "coingecko-pro", &coingecko).provider("coingecko-pro-ids", &coingecko);
    let keys = [("COINGECKO_API_KEY", "demo-1"), ("COINGECKO_PRO_API_KEY", "pro-1")];
    let run = keys.into_iter().fold(run, |run, (name, key)| run.env(name, key));
    let output = run.args(["--crypto", "--feed", "coins"]).run();
    let points = points(&output.stdout);
    let last = |symbol: &str| points[format!("{symbol}.last").as_str()];
    assert_eq!([last("crypto.BTC-USD"), last("crypto.ETH-USD"), last("crypto.SOL-EUR")], ["64210.5", "3120", "151.2"]);
    assert_eq!([last("coins.pudgy-penguins-usd"), last("coins.celestia-usd")], ["0.01", "0.5"]);
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    for request in coingecko.requests() {
        assert_eq!(request.header("x-cg-demo-api-key"), None, "{request:?}");
    }
}

#[test]
fn etfs_example_asks_for_etfs_what_is_no_share() {
    let row = |symbol: &str, last: &str| {
        format!(r#"{{"symbol":"{symbol}","lastSalePrice":"{last}","netChange":"+1.50","percentageChange":"+0.25%"}}"#)
    };
    let reply = |rows: &[String]| Reply::json(format!(r#"{{"data":[{}],"message":null}}"#, rows.join(",")));
    let (shares, etfs) = (Server::start(), Server::start());
    shares
        .on("GET /api/quote/watchlist?symbol=aapl%7Cstocks&symbol=qqq%7Cstocks&symbol=spy%7Cstocks")
        .reply(reply(&[row("AAPL", "$204.00"), row("QQQ", "N/A").replace("+1.50", "N/A").replace("+0.25%", "N/A")]));
    etfs.on("GET /api/quote/watchlist?symbol=qqq%7Cetf&symbol=spy%7Cetf")
        .reply(reply(&[row("QQQ", "$604.10"), row("SPY", "$1,681.79")]));
    let run = example("etfs.toml", "nasdaq", &shares).provider("nasdaq-etf", &etfs);
    let output = run.args(["stocks"]).run();
    let expected = [
        ("stocks.AAPL.change_percent", "0.25"),
        ("stocks.AAPL.last", "204.00"),
        ("stocks.QQQ.change_percent", "0.25"),
        ("stocks.QQQ.last", "604.10"),
        ("stocks.SPY.change_percent", "0.25"),
        ("stocks.SPY.last", "1681.79"),
    ];
    assert_eq!(points(&output.stdout), BTreeMap::from(expected));
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
}

#[test]
fn second_list_example_gives_both_lists() {
    let kraken = Server::with(|request| {
        let row = |key: &str| format!(r#""{key}":{{"c":["1.5"],"b":["1.4"],"a":["1.6"]}}"#);
        let keys: &[&str] = if request.target.contains("XBTUSD") { &["XXBTZUSD"] } else { &["SOLUSD", "DOTUSD"] };
        let rows: Vec<_> = keys.iter().map(|key| row(key)).collect();
        Reply::json(format!(r#"{{"error":[],"result":{{{}}}}}"#, rows.join(",")))
    });
    let output = example("second-list.toml", "kraken", &kraken).args(["--crypto", "--feed", "alts"]).run();
    let expected = [
        ("alts.DOT-USD.ask", "1.6"),
        ("alts.DOT-USD.bid", "1.4"),
        ("alts.DOT-USD.last", "1.5"),
        ("alts.SOL-USD.ask", "1.6"),
        ("alts.SOL-USD.bid", "1.4"),
        ("alts.SOL-USD.last", "1.5"),
        ("crypto.BTC-USD.last", "1.5"),
    ];
    assert_eq!(points(&output.stdout), BTreeMap::from(expected));
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    assert!(output.stdout.contains("metrics.crypto-alts.kraken.requests 2 "), "{}", output.stdout);
}

#[test]
fn own_endpoint_example_gives_its_sensor_values() {
    let house = Server::start();
    house.on("GET /sensors").header("Authorization", "Bearer secret-1").reply(Reply::json(
        r#"{"sensors":{"attic":{"temp":"21.5","humidity":40,"seen":"2026-11-24T05:24:17Z"},"cellar":{"temp":-3,"humidity":"71.25","seen":"2026-11-24T05:24:17+01:00"},"roof":{"temp":1}}}"#,
    ));
    let output =
        example("own-endpoint.toml", "house", &house).args(["--feed", "home"]).env("HOME_TOKEN", "secret-1").run();
    let mut points = points(&output.stdout);
    assert!(points.remove("home.attic.age").is_some() && points.remove("home.cellar.age").is_some());
    let expected = [
        ("home.attic.humidity", "40"),
        ("home.attic.temperature", "21.5"),
        ("home.cellar.humidity", "71.25"),
        ("home.cellar.temperature", "-3"),
    ];
    assert_eq!(points, BTreeMap::from(expected));
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
}
