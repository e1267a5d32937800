//! Symbols in the spellings that people type, in every place where they can be typed.

use crate::support::{Datametrics, Reply, Server};

/// A provider of each market, with one reply for all symbols.
const CONFIG: &str = "
[crypto]
providers = ['coins']
fields = ['last']
[stocks]
providers = ['shares']
fields = ['last']
[feeds.own]
providers = ['any']
fields = ['last']
symbols = ['BTC-USD', 'brk-b', 'XBT', 'a,b']
[providers.coins]
market = 'crypto'
base_url = 'https://own.example'
[[providers.coins.quote]]
path = '/all'
batch = 0
fields = { last = '/l' }
[providers.shares]
market = 'stocks'
base_url = 'https://own.example'
[[providers.shares.quote]]
path = '/all'
batch = 0
fields = { last = '/l' }
[providers.any]
market = 'other'
base_url = 'https://own.example'
[[providers.any.quote]]
path = '/all'
batch = 0
fields = { last = '/l' }
";

const COINS: &str = r#"{"BTC/USD":{"l":1},"DOGE/BTC":{"l":2},"ETH/EUR":{"l":3}}"#;
const SHARES: &str = r#"{"AAPL":{"l":1},"BRK.B":{"l":2},"RCI.B.TO":{"l":3},"BTC-USD":{"l":4}}"#;
const OWN: &str = r#"{"BTC-USD":{"l":1},"brk-b":{"l":2},"XBT":{"l":3},"a,b":{"l":4}}"#;

/// The names and values of the points of a feed in a run of it, which must go well.
fn points(feed: &str, run: Datametrics) -> String {
    let server = Server::with(move |_| Reply::json(COINS));
    let shares = Server::with(move |_| Reply::json(SHARES));
    let own = Server::with(move |_| Reply::json(OWN));
    let run = run.provider("coins", &server).provider("shares", &shares).provider("any", &own);
    let output = run.args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9"]).run();
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)), "{output}");
    let lines = output.stdout.lines().filter(|line| line.starts_with(&format!("{feed}.")));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(point, _time)| point).collect::<Vec<_>>().join(", ")
}

fn run() -> Datametrics {
    Datametrics::new().config(CONFIG)
}

#[test]
fn pairs_and_shares_are_understood_wherever_they_are_typed() {
    let coins = ["BTC-USD", "xbt", "$Btc_usd", "XDG:XBT", "eth/eur"];
    let shares = ["$aapl", "BRK-B", "brk/b", "RCI-B.TO", "BTC-USD"];
    let expected = [
        "crypto.BTC-USD.last 1, crypto.DOGE-BTC.last 2, crypto.ETH-EUR.last 3",
        "stocks.AAPL.last 1, stocks.BRK-B.last 2, stocks.RCI-B-TO.last 3, stocks.BTC-USD.last 4",
    ];
    for (feed, symbols, expected) in [("crypto", coins, expected[0]), ("stocks", shares, expected[1])] {
        let list = symbols.join(",");
        let in_file = format!("symbols = ['{}']", symbols.join("', '"));
        let config = CONFIG.replacen(&format!("[{feed}]"), &format!("[{feed}]\n{in_file}"), 1);
        for run in [
            run().args([feed]).args(symbols),
            run().args([feed, &list]),
            run().args([feed, "--symbols", &list]),
            run().args([feed, "-"]).stdin(&*symbols.join("\n")),
            run().args([feed, "-"]).stdin(&*format!("# all in one line\n {list}, # here\n")),
            run().args([feed]).env(format!("DATAMETRICS_{}_SYMBOLS", feed.to_uppercase()), &list),
            Datametrics::new().config(&config).args([feed]),
        ] {
            assert_eq!(points(feed, run), expected);
        }
    }
}

#[test]
fn the_currency_may_have_its_old_code() {
    let run = run().args(["crypto", "XDG"]).env("DATAMETRICS_CRYPTO_CURRENCY", "xbt");
    assert_eq!(points("crypto", run), "crypto.DOGE-BTC.last 2");
}

#[test]
fn symbols_of_own_feeds_stay_as_they_are_typed() {
    let points_in_file = points("own", run().args(["--feed", "own"]));
    assert_eq!(points_in_file, "own.BTC-USD.last 1, own.brk-b.last 2, own.XBT.last 3, own.a_b.last 4");
    let lines = run().args(["--feed", "own", "--symbols", "-"]).stdin("BTC-USD\nbrk-b\nXBT\na,b\n");
    assert_eq!(points("own", lines), points_in_file);
}

#[test]
fn probable_pairs_are_suggested_and_not_asked_for() {
    for (typed, probable) in [("BTCUSDT", "BTC/USDT"), ("xbtusd", "BTC/USD"), ("bitcoin", "BTC/USD"), ("a-b", "A/B")] {
        let base = probable.split('/').next().expect("a base");
        let problem = format!(
            "symbol \"{typed}\" is not BASE/QUOTE; did you mean \"{probable}\"? `datametrics symbols {base}` lists others\n"
        );
        let run = run().args(["crypto", "--dry-run"]);
        run.clone().args(["ETH", typed]).stderr(format!("error: SYMBOL: {problem}")).exit(2).check();
        run.clone().args(["-"]).stdin(typed).stderr(format!("error: standard input: {problem}")).exit(78).check();
        let message = format!("error: DATAMETRICS_CRYPTO_SYMBOLS: {problem}");
        run.env("DATAMETRICS_CRYPTO_SYMBOLS", typed).stderr(message).exit(78).check();
    }
}

/// What a symbol of an alert means depends on the feed that has it.
#[test]
fn alerts_name_symbols_in_any_spelling() {
    let rules = |alert: &str, expected: &[&str]| {
        let config = format!("{CONFIG}\n[[alert]]\nsymbol = '{alert}'\nabove = 7\n");
        let run = Datametrics::new().config(&config).args(["grafana", "alerts", "--datasource", "uid"]);
        let run = run.env("DATAMETRICS_CRYPTO_SYMBOLS", "BTC/USD,DOGE/USD").env("DATAMETRICS_STOCKS_SYMBOLS", "BRK-B");
        let output = run.run();
        assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)), "{output}");
        let labels = ["BTC/USD above 7", "DOGE/USD above 7", "BRK.B above 7", "BTC-USD above 7", "XBT above 7"];
        let found: Vec<&str> = labels.into_iter().filter(|label| output.stdout.contains(label)).collect();
        assert_eq!(found, expected, "{alert}");
    };
    rules("btc/usd", &["BTC/USD above 7"]);
    rules("XBT", &["BTC/USD above 7", "XBT above 7"]);
    rules("BTC-USD", &["BTC/USD above 7", "BTC-USD above 7"]);
    rules("xdg", &["DOGE/USD above 7"]);
    rules("$BRK-B", &["BRK.B above 7"]);
    let config = format!("{CONFIG}\n[[alert]]\nsymbol = 'bitcoin'\nabove = 7\n");
    let run = Datametrics::new().config(&config).args(["grafana", "alerts", "--datasource", "uid"]);
    let output = run.run();
    assert!(output.stderr.contains("bitcoin is a symbol of no feed: add it to one; did you mean \"BTC\"?"), "{output}");
}
