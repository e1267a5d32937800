//! Settings: which source wins, the errors with their origin, and the effect on a run.

use crate::support::{
    self, Carbon, Datametrics, Dialect, Ingest, Reply, Server,
    samples::{CRYPTO, KRAKEN, STOCKS, YAHOO, kraken, yahoo},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

/// A feed of one symbol, and its provider, which gets `GET /EUR/USD`.
const FX: &str = "
[feeds.fx]
providers = ['bank']
symbols = ['EUR/USD']
fields = ['last']
[providers.bank]
market = 'other'
base_url = 'https://bank.example'
[[providers.bank.quote]]
path = '/{base}/{quote}'
[providers.bank.quote.fields]
last = '/rate'
";

/// A bank that expects one request.
fn bank() -> Server {
    let server = Server::start();
    server.on("GET /EUR/USD").reply(Reply::json(r#"{"rate":1.0850}"#));
    server
}

/// A dry run of this feed.
fn fx(bank: &Server) -> Datametrics {
    Datametrics::new().args(["--feed", "fx", "--dry-run"]).provider("bank", bank)
}

/// Writes a file below the home of a run.
fn write(run: &Datametrics, path: &str, text: &str) {
    let path = run.home().join(path);
    fs::create_dir_all(path.parent().expect("a folder")).unwrap();
    fs::write(path, text).unwrap();
}

/// Checks that a run ends with this error before it makes a request.
#[track_caller]
fn fails(run: Datametrics, code: i32, message: &str) {
    run.stderr(format!("error: {message}\n")).exit(code).check();
}

/// A setting of a dry run: the value in each source, and the resulting output.
struct SettingSources {
    flag: [&'static str; 3],
    variable: [&'static str; 3],
    file: [&'static str; 2],
    default: &'static str,
}

#[test]
fn setting_precedence_is_flag_variable_file_default() {
    for SettingSources { flag, variable, file, default } in [
        SettingSources {
            flag: ["--prefix", "flag", r#"[{"name":"flag.fx.EUR-USD.last","interval":60,"#],
            variable: ["DATAMETRICS_PREFIX", "variable", r#"[{"name":"variable.fx.EUR-USD.last","interval":60,"#],
            file: ["prefix = 'file'", r#"[{"name":"file.fx.EUR-USD.last","interval":60,"#],
            default: r#"[{"name":"fx.EUR-USD.last","interval":60,"#,
        },
        SettingSources {
            flag: ["--interval", "10", r#"[{"name":"fx.EUR-USD.last","interval":10,"#],
            variable: ["DATAMETRICS_INTERVAL", "20", r#"[{"name":"fx.EUR-USD.last","interval":20,"#],
            file: ["interval = 30", r#"[{"name":"fx.EUR-USD.last","interval":30,"#],
            default: r#"[{"name":"fx.EUR-USD.last","interval":60,"#,
        },
        SettingSources {
            flag: ["--graphite-url", "tcp://127.0.0.1", "fx.EUR-USD.last 1.0850 "],
            variable: ["GRAPHITE_URL", "http://127.0.0.1/metrics", r#"[{"name":"fx.EUR-USD.last","interval":60,"#],
            file: ["url = 'pickle://127.0.0.1'", "fx.EUR-USD.last 1.0850 "],
            default: r#"[{"name":"fx.EUR-USD.last","interval":60,"#,
        },
    ] {
        let print = |config: &str, variables: &[[&str; 3]], flags: &[[&str; 3]], expected: &str| {
            let bank = bank();
            let run = fx(&bank).config(&format!("[graphite]\n{config}\n{FX}"));
            let run = variables.iter().fold(run, |run, [name, value, _]| run.env(name, value));
            let run = flags.iter().fold(run, |run, [flag, value, _]| run.args([flag, value]));
            let output = run.run();
            assert!(output.stdout.starts_with(expected), "{expected}: {output}");
            assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
        };
        print(file[0], &[variable], &[flag], flag[2]);
        print(file[0], &[variable], &[], variable[2]);
        print(file[0], &[[variable[0], "", ""]], &[], file[1]);
        print("", &[], &[], default);
    }
}

/// Each source, and the requests that result from it.
#[test]
fn feed_settings_follow_flag_variable_and_file() {
    const FILE: &str = "[crypto]\nproviders = ['coinbase']\nsymbols = ['LTC']\nfields = ['bid']\ncurrency = 'EUR'\n";
    let ticker = r#"{"bid":"1","ask":"2","price":"3","volume":"4"}"#;
    let variables = [
        ("DATAMETRICS_CRYPTO_SYMBOLS", "SOL, XRP"),
        ("DATAMETRICS_CRYPTO_PROVIDERS", "gemini,coinbase"),
        ("DATAMETRICS_CRYPTO_FIELDS", "ask"),
        ("DATAMETRICS_CRYPTO_CURRENCY", "chf"),
    ];
    let wider =
        [("DATAMETRICS_SYMBOLS", "DOGE/USD"), ("DATAMETRICS_PROVIDER", "coinbase"), ("DATAMETRICS_FIELDS", "last,bid")];
    let flags = ["--symbols", "ADA", "--provider", "coinbase,kraken", "--fields", "volume"];
    for (variables, flags, requests, printed) in [
        (
            [].as_slice(),
            [].as_slice(),
            ["GET /products/LTC-EUR/ticker"].as_slice(),
            ["crypto.LTC-EUR.bid 1"].as_slice(),
        ),
        (
            &variables[..1],
            &[],
            &["GET /products/SOL-EUR/ticker", "GET /products/XRP-EUR/ticker"],
            &["crypto.SOL-EUR.bid 1", "crypto.XRP-EUR.bid 1"],
        ),
        (&variables[3..], &[], &["GET /products/LTC-CHF/ticker"], &["crypto.LTC-CHF.bid 1"]),
        (&variables[2..3], &[], &["GET /products/LTC-EUR/ticker"], &["crypto.LTC-EUR.ask 2"]),
        (&wider, &[], &["GET /products/DOGE-USD/ticker"], &["crypto.DOGE-USD.last 3", "crypto.DOGE-USD.bid 1"]),
        (&wider, &flags, &["GET /products/ADA-EUR/ticker"], &["crypto.ADA-EUR.volume 4"]),
    ] {
        let server = Server::start();
        for line in requests {
            server.on(line).reply(Reply::json(ticker));
        }
        let run = Datametrics::new().config(FILE).args(["crypto", "--dry-run", "--graphite-url", "tcp://127.0.0.1"]);
        let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
        let run = run.args(flags).provider("coinbase", &server);
        let lines = support::lines(printed.iter().map(|line| format!("{line} [..]")));
        run.stdout(format!("{lines}metrics.crypto.coinbase.response.time [..]\n...")).check();
    }
}

/// A variable for all feeds overrides one for a single feed, as flags do.
#[test]
fn provider_variable_overrides_the_variable_of_a_feed() {
    for (variables, requests) in [
        ([("DATAMETRICS_STOCKS_PROVIDERS", "cnbc"), ("DATAMETRICS_PROVIDER", "")], "cnbc"),
        ([("DATAMETRICS_STOCKS_PROVIDERS", "yahoo"), ("DATAMETRICS_PROVIDER", "cnbc")], "cnbc"),
    ] {
        let server = Server::with(|_| Reply::json("{}"));
        let run = Datametrics::new().config("[stocks]\nproviders = ['finnhub']").args(["stocks", "AAPL", "--dry-run"]);
        let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
        let output = run.args(["--retries", "0"]).provider(requests, &server).run();
        assert!(output.stdout.contains(&format!("metrics.stocks.{requests}.requests")), "{output}");
    }
}

#[test]
fn base_url_variable_overrides_the_config() {
    let (mine, variable) = (Server::start(), Server::start());
    let config = format!("[providers.kraken]\nbase_url = '{}/mirror/'\n", mine.url());
    let run = Datametrics::new().config(&config).args(["crypto", "BTC", "--dry-run"]);
    mine.on("GET /mirror/0/public/Ticker?pair=XBTUSD").reply(kraken(&CRYPTO[..1]));
    run.clone().stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
    variable.on("GET /0/public/Ticker?pair=XBTUSD").reply(kraken(&CRYPTO[..1]));
    run.provider("kraken", &variable).stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
}

#[test]
fn retries_flag_overrides_its_variable() {
    const FAST: &str = "[providers.kraken]\nper_second = 1000\n";
    for (variable, flags, requests) in
        [("0", [].as_slice(), 1), ("5", &["--retries", "0"], 1), ("1", &[], 2), ("0", &["--retries=1"], 2)]
    {
        let server = Server::start();
        for _ in 0..requests {
            server.on("GET /0/public/Ticker?pair=XBTUSD").reply(Reply::status(503));
        }
        let run = Datametrics::new().config(FAST).args(["crypto", "BTC", "--dry-run", "--provider", "kraken"]);
        let run = run.args(flags).env("DATAMETRICS_RETRIES", variable).provider("kraken", &server);
        let output = run.run();
        let message = "error: crypto: kraken: BTC/USD: HTTP 503; the next run asks again\n";
        assert_eq!((output.stderr.as_str(), output.code), (message, Some(69)));
    }
}

/// An invalid value is not read where a stronger source overrides it.
#[test]
fn invalid_variable_is_an_error_unless_a_flag_overrides_it() {
    for (variable, flag, value, problem) in [
        ("DATAMETRICS_INTERVAL", "--interval", "30", "must be a whole number from 1 to 86400"),
        ("DATAMETRICS_TIMEOUT", "--timeout", "20", "must be a number above 0, 86400 at most"),
        ("DATAMETRICS_RETRIES", "--retries", "0", "must be a whole number from 0 to 100"),
        (
            "DATAMETRICS_MARKET_HOURS",
            "--market-hours",
            "any",
            "must be \"any\", \"regular\" or \"extended\", not \"wrong value\"",
        ),
        ("DATAMETRICS_PREFIX", "--prefix", "home", "' ' cannot stand in a metric name"),
        ("DATAMETRICS_PROVIDER", "--provider", "yahoo", "provider \"wrong value\" is not known; known: [..]"),
        (
            "DATAMETRICS_FIELDS",
            "--fields",
            "last",
            "field \"wrong value\" is given by none of yahoo, cnbc; known: [..]",
        ),
        (
            "DATAMETRICS_SYMBOLS",
            "--symbols",
            "AMZN,NFLX,AAPL",
            "symbol \"wrong value\" holds white space or a control character",
        ),
        ("GRAPHITE_URL", "--graphite-url", "tcp://127.0.0.1", "must be a URL such as https://host/path"),
    ] {
        let run = Datametrics::new().args(["stocks", "--dry-run"]).env(variable, "wrong value");
        fails(run.clone(), 78, &format!("{variable}: {problem}"));
        let server = Server::start();
        server.on(YAHOO).reply(yahoo(&STOCKS));
        run.args([flag, value]).provider("yahoo", &server).stdout("...\n[..]stocks.AMZN.last[..]\n...").check();
    }
}

#[test]
fn empty_variable_counts_as_unset() {
    let server = Server::start();
    server.on(KRAKEN).reply(kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto", "--dry-run"]).provider("kraken", &server);
    let variables = [
        "CREDENTIALS_DIRECTORY",
        "DATAMETRICS_COINBASE_BASE_URL",
        "DATAMETRICS_CONFIG",
        "DATAMETRICS_CRYPTO_CURRENCY",
        "DATAMETRICS_CRYPTO_FIELDS",
        "DATAMETRICS_CRYPTO_PROVIDERS",
        "DATAMETRICS_CRYPTO_SYMBOLS",
        "DATAMETRICS_FIELDS",
        "DATAMETRICS_INTERVAL",
        "DATAMETRICS_MARKET_HOURS",
        "DATAMETRICS_PREFIX",
        "DATAMETRICS_PROVIDER",
        "DATAMETRICS_RETRIES",
        "DATAMETRICS_STATE_DIR",
        "DATAMETRICS_SYMBOLS",
        "DATAMETRICS_TIMEOUT",
        "GRAPHITE_PASSWORD",
        "GRAPHITE_PASSWORD_FILE",
        "GRAPHITE_URL",
        "GRAPHITE_USER",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "JOURNAL_STREAM",
        "NO_COLOR",
        "NO_PROXY",
        "RUST_LOG",
        "SSL_CERT_FILE",
        "STATE_DIRECTORY",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
    ];
    let run = variables.iter().fold(run, |run, name| run.env(name, ""));
    run.stdout("[{\"name\":\"crypto.BTC-USD.last\",\"interval\":60,[..]\n").check();
}

#[test]
fn variable_that_is_not_utf8_is_an_error() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let run = Datametrics::new().args(["all", "--dry-run"]);
    fails(run.env("DATAMETRICS_PREFIX", OsStr::from_bytes(b"a\xff")), 78, "DATAMETRICS_PREFIX: is not UTF-8");
}

const PREFIXED: &str = "[graphite]\nprefix = 'found'\n";

#[test]
fn config_file_is_looked_for_in_order() {
    let places = ["named.toml", "variable.toml", "xdg/datametrics/config.toml", ".config/datametrics/config.toml"];
    for (at, _) in places.iter().enumerate() {
        let bank = bank();
        let run = fx(&bank);
        // A relative path is to be ignored.
        let xdg = if at <= 2 { run.home().join("xdg") } else { "xdg".into() };
        let run = run.env("XDG_CONFIG_HOME", xdg);
        for (later, place) in places.iter().enumerate().filter(|(later, _)| *later >= at || *later == 2) {
            write(&run, place, &format!("[graphite]\nprefix = 'place{later}'\n{FX}"));
        }
        let run = if at == 0 { run.args(["--config", "named.toml"]) } else { run };
        let run = if at <= 1 { run.env("DATAMETRICS_CONFIG", "variable.toml") } else { run };
        run.stdout(format!("[{{\"name\":\"place{at}.fx.EUR-USD.last\"[..]\n")).check();
    }
}

#[test]
fn default_config_file_may_be_missing() {
    let server = Server::with(|_| kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto", "--dry-run"]).provider("kraken", &server);
    run.clone().stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
    run.clone().env("XDG_CONFIG_HOME", "/nowhere").stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
    // Users of services have such a home at times.
    run.clone().env("HOME", "/dev/null").stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
    // A container may have no HOME, unlike cron.
    let output = run.command().env_remove("HOME").output().unwrap();
    assert!(output.stdout.starts_with(b"[{\"name\":\"crypto.BTC-USD.last\"") && output.stderr.is_empty());
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn named_config_file_that_cannot_be_read_is_an_error() {
    let missing = "No such file or directory (os error 2)";
    let run = Datametrics::new().args(["all", "--dry-run"]);
    let flag = run.clone().args(["--config", "mine.toml"]);
    fails(flag, 74, &format!("--config: cannot read mine.toml: {missing}"));
    let variable = run.clone().env("DATAMETRICS_CONFIG", "/nowhere/x.toml");
    fails(variable, 74, &format!("DATAMETRICS_CONFIG: cannot read /nowhere/x.toml: {missing}"));
    let folder = run.clone().args(["--config", "."]);
    fails(folder, 74, "--config: cannot read .: Is a directory (os error 21)");
    write(&run, ".config/datametrics/config.toml", "");
    fs::write(run.home().join(".config/datametrics/config.toml"), b"\xff").unwrap();
    let own = "config file: cannot read <home>/.config/datametrics/config.toml: it is not valid UTF-8";
    fails(run, 74, own);
}

/// For example a link to a disk that is not mounted, or a folder of that name.
#[test]
fn default_config_file_that_cannot_be_read_is_an_error() {
    let run = Datametrics::new().args(["all", "--dry-run"]);
    fs::create_dir_all(run.home().join(".config/datametrics/config.toml")).unwrap();
    let message = "config file: cannot read <home>/.config/datametrics/config.toml: Is a directory (os error 21)";
    fails(run, 74, message);
    let run = Datametrics::new().args(["all", "--dry-run"]);
    fs::create_dir_all(run.home().join(".config/datametrics")).unwrap();
    symlink("config.toml", run.home().join(".config/datametrics/config.toml")).unwrap();
    let output = run.run();
    assert_eq!(output.code, Some(74), "{output}");
}

#[test]
fn config_file_sets_prefix_and_names() {
    let bank = bank();
    let config = format!("{PREFIXED}names = 'x.{{feed}}.{{base}}.{{quote}}.{{field}}'\n{FX}");
    fx(&bank).config(&config).stdout("[{\"name\":\"found.x.fx.EUR.USD.last\"[..]\n").check();
}

/// Every section that the documentation describes.
#[test]
fn config_file_with_every_section_is_accepted() {
    let (crypto, stocks, bank) = (Server::start(), Server::start(), bank());
    crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    stocks.on(YAHOO).reply(yahoo(&STOCKS));
    let config = format!(
        r#"
        [graphite]
        url = "https://graphite-prod-01-eu-west-0.grafana.net/graphite/metrics"
        user = "123456"
        password_file = "password"
        prefix = "home"
        interval = 60
        names = "{{feed}}.{{symbol}}.{{field}}"
        tags = {{ env = "home" }}
        allow_plaintext_credentials = false

        [journal]
        max_bytes = 67108864
        max_age = 3600

        [crypto]
        providers = ["kraken", "coinbase"]
        symbols = ["BTC/USD", "ETH/USD", "BAT/USD"]
        fields = ["last", "high", "low", "vwap", "volume"]
        currency = "USD"

        [stocks]
        providers = ["yahoo"]
        symbols = ["AMZN", "NFLX", "AAPL"]
        fields = ["last", "high", "low", "previous_close", "change_percent", "volume"]
        market_hours = "any"
        closed = ["2027-01-05"]
        names = "shares.{{symbol}}.{{field}}"

        [providers.kraken]
        base_url = "http://127.0.0.1:8080"
        per_second = 5

        [[alert]]
        symbol = "BTC/USD"
        below = 50000

        [[alert]]
        symbol = "AAPL"
        above = 300.5
        change_percent_1h = 5
        {FX}"#
    );
    let run = Datametrics::new().config(&config).args(["all", "--dry-run"]);
    write(&run, "password", "glc_sesame\n");
    let run = run.provider("kraken", &crypto).provider("yahoo", &stocks).provider("bank", &bank);
    let output = run
        .stdout(concat!(
            r#"[{"name":"home.crypto.BTC-USD.last","interval":60,"value":65600.10,"time":[..],"tags":["env=home"]},[..]"#,
            r#"{"name":"home.shares.AAPL.volume",[..]{"name":"home.fx.EUR-USD.last",[..]"#,
            "\n"
        ))
        .check();
    assert_eq!(output.stdout.matches("\"tags\":[\"env=home\"]").count(), 3 * 5 + 3 * 6 + 1 + 3 * 4 + 3 * 2 + 2);
}

#[track_caller]
fn all_are_errors(cases: &[(&str, &str)]) {
    for (config, message) in cases {
        let run = Datametrics::new().config(config).args(["all", "--dry-run"]);
        fails(run, 78, &format!("config.toml:{message}"));
    }
}

#[test]
fn unknown_config_keys_are_errors_with_suggestions() {
    all_are_errors(&[
        ("[grafite]\n", "1: grafite: unknown key; did you mean \"graphite\"?"),
        ("\n\nsymbols = []\n", "3: symbols: unknown key here: it belongs in [crypto], [stocks] or [feeds.NAME]"),
        ("[graphite]\nintervall = 5\n", "2: graphite.intervall: unknown key; did you mean \"interval\"?"),
        ("[graphite]\npasword = 'x'\n", "2: graphite.pasword: unknown key; did you mean \"password\"?"),
        ("[crypto]\nsymbol = ['BTC']\n", "2: crypto.symbol: unknown key; did you mean \"symbols\"?"),
        (
            "[crypto]\nmarket_hours = 'any'\n",
            "2: crypto.market_hours: unknown key here: it belongs in [stocks] or [feeds.NAME]",
        ),
        ("[stocks]\ncurrency = 'EUR'\n", "2: stocks.currency: unknown key here: it belongs in [crypto]"),
        ("user = '1'\n", "1: user: unknown key here: it belongs in [graphite] or [mirrors.NAME]"),
        ("[crypto]\ntags = {}\n", "2: crypto.tags: unknown key here: it belongs in [graphite], for all destinations"),
        ("[journal]\nnames = ''\n", "2: journal.names: unknown key here: it belongs in [graphite] or in a feed"),
        (
            "[stocks]\nheaders = {}\n",
            "2: stocks.headers: unknown key here: it belongs in [graphite], [mirrors.NAME] or [providers.NAME]",
        ),
        ("[graphite]\nmax_bytes = 1\n", "2: graphite.max_bytes: unknown key here: it belongs in [journal]"),
        (
            "[graphite]\nmax_age = 1\n",
            "2: graphite.max_age: unknown key here: it belongs in [journal] or [[providers.NAME.quote]]",
        ),
        (
            "timeout = 9\n",
            "1: timeout: unknown key here: it belongs in a flag or a variable: `datametrics --help` names both",
        ),
        ("[feeds.fx]\nprovider = 'x'\n", "2: feeds.fx.provider: unknown key; did you mean \"providers\"?"),
        ("[journal]\nmax_size = 1\n", "2: journal.max_size: unknown key; [..]"),
        ("[[alert]]\nsymbol = 'A'\nbelov = 1\n", "3: alert.belov: unknown key; did you mean \"below\"?"),
        ("[providers.kraken]\nbaseurl = 'x'\n", "2: providers.kraken.baseurl: unknown key; did you mean \"base_url\"?"),
        ("[providers.kraken.bad_symbol]\nstate = [404]\n", "2: providers.kraken.bad_symbol.state: unknown key; [..]"),
    ]);
}

#[test]
fn config_values_of_the_wrong_type_are_errors() {
    all_are_errors(&[
        ("graphite = 5\n", "1: graphite: must be a table, not a number"),
        ("[graphite]\ninterval = '60'\n", "2: graphite.interval: must be a whole number from 1 to 86400, not a text"),
        ("[graphite]\ninterval = 60.0\n", "2: graphite.interval: must be a whole number from 1 to 86400, not 60.0"),
        ("[graphite]\ninterval = 0\n", "2: graphite.interval: must be a whole number from 1 to 86400[..]"),
        ("[graphite]\nprefix = 5\n", "2: graphite.prefix: must be a text, not a number: write \"5\""),
        ("[graphite]\ntags = ['a=b']\n", "2: graphite.tags: must be a table, not an array"),
        ("[graphite]\ntags = { a = 5 }\n", "2: graphite.tags.a: must be a text, not a number: write \"5\""),
        (
            "[graphite]\nallow_plaintext_credentials = 'yes'\n",
            "2: graphite.allow_plaintext_credentials: must be true or false, not a text",
        ),
        ("[journal]\nmax_age = -1\n", "2: journal.max_age: must be a whole number from 1 on[..]"),
        ("[crypto]\nsymbols = 'BTC'\n", "2: crypto.symbols: must be an array, not a text: write [\"BTC\"]"),
        ("[crypto]\nsymbols = ['BTC',\n 5]\n", "3: crypto.symbols: must be a text, not a number: write \"5\""),
        ("[crypto]\ncurrency = 5\n", "2: crypto.currency: must be a text, not a number: write \"5\""),
        (
            "[crypto]\ncurrency = 'EUR/USD'\n",
            "2: crypto.currency: must be the code of one currency, such as USD, not \"EUR/USD\"",
        ),
        ("[crypto]\ncurrency = ''\n", "2: crypto.currency: must be the code of one currency, such as USD, not \"\""),
        ("[stocks]\nclosed = ['soon']\n", "2: stocks.closed: must be a date such as \"2027-01-05\""),
        (
            "[stocks]\nmarket_hours = 'noon'\n",
            "2: stocks.market_hours: must be \"any\", \"regular\" or \"extended\", not \"noon\"",
        ),
        ("feeds = []\n", "1: feeds: must be a table, not an array"),
        ("[feeds]\nfx = 5\n", "2: feeds.fx: must be a table, not a number"),
        ("[alert]\nsymbol = 'A'\n", "1: alert: must be an array, not a table"),
        ("[[alert]]\nbelow = 5\n", "1: alert: symbol is missing"),
        ("[[alert]]\nsymbol = 'A'\n", "1: alert: above, below or change_percent_1h is missing"),
        ("[[alert]]\nsymbol = 'A'\nbelow = 'x'\n", "3: alert.below: must be a number from -1e90 to 1e90, not a text"),
        ("[[alert]]\nsymbol = 'A'\nbelow = inf\n", "3: alert.below: must be a number from -1e90 to 1e90, not inf"),
        (
            "[[alert]]\nsymbol = 'A'\nchange_percent_1h = 0\n",
            "3: alert.change_percent_1h: must be a number above 0, 1e90 at most, not 0",
        ),
    ]);
}

#[test]
fn invalid_names_in_the_config_are_errors_with_suggestions() {
    all_are_errors(&[
        (
            "[crypto]\nproviders = ['krakn']\n",
            "2: crypto.providers: provider \"krakn\" is not known; did you mean \"kraken\"?",
        ),
        (
            "[crypto]\nfields = ['last',\n  'hihg']\n",
            "3: crypto.fields: field \"hihg\" is given by none of kraken, coinbase; did you mean \"high\"?",
        ),
        (
            "[providers.krakn]\nbase_url = 'https://x.example'\n",
            "1: providers.krakn: has no [[quote]], and is no built-in provider; did you mean \"kraken\"?",
        ),
        (
            "[graphite]\nnames = '{feed}.{sym}'\n",
            "2: graphite.names: placeholder {sym} is not known; did you mean \"symbol\"?",
        ),
        (
            "[graphite]\nnames = '{feed'\n",
            "2: graphite.names: unmatched brace in \"{feed\"; write {{ or }} for a literal one",
        ),
        ("[graphite]\nnames = '{feed}.{symbol} {field}'\n", "2: graphite.names: ' ' cannot stand in a metric name"),
        (
            "[graphite]\nnames = 'metrics.{symbol}.{field}'\n",
            "2: graphite.names: must not begin with \"metrics.\", where the run's own health goes",
        ),
        (
            "[feeds.metrics]\n",
            "1: feeds.metrics: a feed's name has letters, digits, _ and - only, and is not crypto, stocks, metrics or all",
        ),
        ("[feeds.all]\n", "1: feeds.all: a feed's name [..]"),
        ("[feeds.'a b']\n", "1: feeds.a b: a feed's name [..]"),
        (
            "[feeds.fx]\n[feeds.crypto-0]\n",
            "2: feeds.crypto-0: `--feed crypto-0` and `--crypto --shard 0/1` would both be the run crypto-0: choose \
             another name",
        ),
        (
            "[feeds.a]\n[feeds.a-b]\n[feeds.b]\n",
            "2: feeds.a-b: `--feed a-b` and `--feed a --feed b` would both be the run a-b: choose another name",
        ),
        (
            "[graphite.tags]\nname = 'x'\n",
            "2: graphite.tags.name: is taken: Graphite keeps the metric's name under it; choose another",
        ),
        (
            "[graphite.tags]\nb = '~x'\n",
            "2: graphite.tags.b: a tag's value must not be empty, begin with ~, or hold ; or white space",
        ),
        (
            "[graphite.tags]\n'a!' = 'x'\n",
            "2: graphite.tags.a!: a tag's name must not be empty or hold ; ! ^ = or white space",
        ),
    ]);
}

#[test]
fn feed_without_symbols_providers_or_fields_is_an_error() {
    for (config, args, message) in [
        ("[crypto]\nsymbols = []\n", ["crypto"].as_slice(), "config.toml:2: crypto.symbols: is empty"),
        ("[crypto]\nproviders = []\n", &["crypto"], "config.toml:2: crypto.providers: is empty"),
        ("[crypto]\n\nfields = []\n", &["crypto"], "config.toml:3: crypto.fields: is empty"),
        ("[feeds.fx]\nsymbols = ['A']\n", &["--feed", "fx"], "feeds.fx.providers: is empty"),
        (
            "[feeds.fx]\nproviders = ['kraken']\n",
            &["--feed", "fx"],
            "feeds.fx.symbols: is missing: name what kraken is to be asked for",
        ),
        (
            "[feeds.fx]\nproviders = ['kraken']\nsymbols = []",
            &["--feed", "fx"],
            "config.toml:3: feeds.fx.symbols: is empty",
        ),
        (
            "[crypto]\nsymbols = []\n[stocks]\nsymbols = []\n",
            &["all"],
            "crypto.symbols, stocks.symbols: no feed has symbols: give one some",
        ),
    ] {
        fails(Datametrics::new().config(config).args(args).args(["--dry-run"]), 78, message);
    }
    let run = Datametrics::new().args(["crypto", "--dry-run"]).env("DATAMETRICS_SYMBOLS", ",");
    fails(run, 78, "DATAMETRICS_SYMBOLS: is empty");
}

/// The error does not quote the line, which may hold the password.
#[test]
fn config_file_that_is_not_toml_is_an_error_without_its_text() {
    for (config, line) in [
        ("[graphite]\npassword = \"hunter2\nuser = 'u'\n", 2),
        ("[graphite]\npassword = hunter2\n", 2),
        ("[graphite]\npassword = 'hunter2' 'hunter2'\n", 2),
        ("[graphite]\n\npassword 'hunter2'\n", 3),
        ("[graphite]\npassword = 'a'\npassword = 'hunter2'\n", 3),
    ] {
        let run = Datametrics::new().config(config).args(["all", "--dry-run"]);
        let message = format!("error: config.toml:{line}: not TOML: [..]\n");
        let output = run.stderr(message).exit(78).check();
        assert!(!output.stderr.contains("hunter2"), "{output}");
    }
}

#[test]
fn invalid_definitions_are_errors_with_their_line() {
    const HEAD: &str = "[feeds.x]\nproviders = ['p']\nsymbols = ['A', 'B']\n[providers.p]\nmarket = 'other'\n";
    for (definition, message) in [
        ("", "4: providers.p: has no [[quote]], and is no built-in provider; [..]"),
        ("base_url = 'https://a.example'\nquote = []\n", "[..]: [[quote]] is missing"),
        ("[[providers.p.quote]]\npath = '/'\nfields = { last = '/l' }\n", "4: providers.p: base_url is missing"),
        (
            "base_url = 'ftp://a.example'\nquote = [{ path = '/', fields = { last = '/l' } }]\n",
            "6: providers.p.base_url: must be an http or https URL without a query",
        ),
        (
            "base_url = 'https://a.example/?x=1'\nquote = [{ path = '/', fields = { last = '/l' } }]\n",
            "6: providers.p.base_url: must be an http or https URL without a query",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\nfields = { last = '/l' }\n",
            "7: providers.p.quote: path is missing",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = 'x'\n",
            "8: providers.p.quote.path: must begin with \"/\"",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\n",
            "7: providers.p.quote: has no fields: name one, such as fields = { last = \"/price\" }",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\nfields = {}\n",
            "7: providers.p.quote: has no fields: name one, such as fields = { last = \"/price\" }",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\nfields = { last = 'price' }\n",
            "9: providers.p.quote.fields.last: [..]",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\nrows = '/a~2b'\nfields = { last = '/l' }\n",
            "9: providers.p.quote.rows: [..]",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/{sym}'\nfields = { last = '/l' }\n",
            "8: providers.p.quote.path: placeholder {sym} is not known here; did you mean \"symbol\"?",
        ),
        (
            "base_url = 'https://a.example'\nheaders = { X = '{symbol}' }\n[[providers.p.quote]]\npath = '/x'\nfields = { last = '/l' }\n",
            "7: providers.p.headers.X: placeholder {symbol} is not known here; known: option:NAME, secret:NAME, secret?:NAME",
        ),
        (
            "base_url = 'https://a.example'\nsymbol = '{secret:KEY}'\n[[providers.p.quote]]\npath = '/x'\nfields = { last = '/l' }\n",
            "7: providers.p.symbol: placeholder {secret:KEY} is not known here; known: symbol, base, quote",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\nfields = { last = '/{symbol}' }\n",
            "8: providers.p.quote.path: pointer \"/{symbol}\" has a placeholder, but more than one symbol is asked: have the same placeholder in the path",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\nfields = { 'my field' = '/l' }\n",
            "9: providers.p.quote.fields.my field: \"my field\" is no field name: a letter, then letters, digits and _",
        ),
        (
            "base_url = 'https://a.example'\n[[providers.p.quote]]\npath = '/x'\ntime = { at = '/t', unit = 'h' }\nfields = { last = '/l' }\n",
            "9: providers.p.quote.time.unit: must be \"s\", \"ms\", \"us\", \"ns\", \"rfc3339\", \"datetime\", \"date\" or \"http\", not \"h\"; did you mean \"http\"?",
        ),
        (
            "base_url = 'https://a.example'\nrename = { A = 'X', B = 'X' }\n[[providers.p.quote]]\npath = '/{symbols}'\nfields = { last = '/l' }\n",
            "3: feeds.x.symbols: A and B are spelled the same for p: leave one out",
        ),
    ] {
        let run = Datametrics::new().config(&format!("{HEAD}{definition}")).args(["--feed", "x", "--dry-run"]);
        fails(run, 78, &format!("config.toml:{message}"));
    }
    let market = HEAD.replace("other", "shares");
    let run = Datametrics::new().config(&format!("{market}quote = [{{}}]\n")).args(["--feed", "x", "--dry-run"]);
    let message = "config.toml:5: providers.p.market: must be \"crypto\", \"stocks\" or \"other\", not \"shares\"";
    fails(run, 78, message);
}

#[test]
fn two_series_under_one_name_are_an_error() {
    for (config, args, message) in [
        (
            "",
            ["stocks", "REI.UN", "REI-UN", "--provider", "cnbc"].as_slice(),
            "stocks.names: REI.UN and REI-UN would be pushed under one name: leave one out, or choose other names",
        ),
        (
            "[stocks]\nnames = '{feed}.{field}'\n",
            &["stocks", "A", "B"],
            "stocks.names: A and B would be pushed under one name: leave one out, or choose other names",
        ),
        (
            "[crypto]\nnames = '{feed}.{base}.{field}'\n",
            &["crypto", "BTC/USD", "BTC/EUR"],
            "crypto.names: BTC/USD and BTC/EUR would be pushed under one name: leave one out, or choose other names",
        ),
        (
            "[graphite]\nnames = 'x.{symbol}'\n",
            &["crypto", "BTC"],
            "config.toml:2: graphite.names: must have {field} once",
        ),
        (
            "[graphite]\nnames = '{symbol}.{field}'\n[crypto]\nsymbols = ['A/X']\n[stocks]\nsymbols = ['A-X']\n",
            &["all"],
            "stocks.names: A/X and A-X would be pushed under one name: leave one out, or choose other names",
        ),
    ] {
        let run = Datametrics::new().config(config).args(args).args(["--dry-run"]);
        fails(run, 78, message);
    }
}

const FINNHUB_REQUEST: &str = "GET /quote?symbol=AAPL";

/// A Finnhub that expects one request with this key.
fn finnhub(key: &str) -> Server {
    let server = Server::start();
    server.on(FINNHUB_REQUEST).header("X-Finnhub-Token", key).reply(Reply::json(r#"{"c":204}"#));
    server
}

fn finnhub_run() -> Datametrics {
    Datametrics::new().args(["stocks", "AAPL", "--provider", "finnhub", "--fields", "last", "--dry-run"])
}

#[test]
fn missing_key_of_a_provider_in_use_is_an_error() {
    fails(finnhub_run(), 78, "FINNHUB_API_KEY: is not set, and finnhub needs it (or FINNHUB_API_KEY_FILE)");
    let alpaca = Datametrics::new().args(["stocks", "--provider", "alpaca", "--dry-run"]).env("APCA_API_KEY_ID", "x");
    let needs = "APCA_API_SECRET_KEY: is not set, and alpaca needs it (or APCA_API_SECRET_KEY_FILE)";
    fails(alpaca, 78, needs);
}

/// The stocks of the config need a key, but only crypto runs.
#[test]
fn key_of_a_feed_that_does_not_run_is_not_needed() {
    let server = Server::start();
    server.on(KRAKEN).reply(kraken(&CRYPTO));
    let run = Datametrics::new().config("[stocks]\nproviders = ['finnhub']\n").args(["crypto", "--dry-run"]);
    run.provider("kraken", &server).stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
}

/// The feed takes only the named providers of its market, so the others need no key.
#[test]
fn key_of_a_provider_that_is_not_in_use_is_not_needed() {
    let server = Server::start();
    server.on(KRAKEN).reply(kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto", "--provider", "finnhub,kraken", "--dry-run"]);
    run.provider("kraken", &server).stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
    let server = bank();
    let config = FX.replace("['bank']", "['keyed']");
    let keyed = "[providers.keyed]\nmarket = 'other'\nbase_url = 'https://keyed.example'\n\
                 quote = [{ path = '/{secret:KEY}', fields = { last = '' } }]\n";
    let run = Datametrics::new().config(&format!("{config}{keyed}")).args(["--feed", "fx", "--provider", "bank"]);
    let run = run.args(["--dry-run"]).provider("bank", &server);
    run.stdout("[{\"name\":\"fx.EUR-USD.last\"[..]\n").check();
}

#[test]
fn key_comes_from_variable_file_or_systemd_credential() {
    let ok = "[{\"name\":\"stocks.AAPL.last\"[..]\n";
    let server = finnhub("from-variable");
    finnhub_run().env("FINNHUB_API_KEY", "from-variable").provider("finnhub", &server).stdout(ok).check();
    for text in ["from-file", "from-file\n", "from-file\r\n"] {
        let (server, run) = (finnhub("from-file"), finnhub_run());
        write(&run, "key", text);
        run.env("FINNHUB_API_KEY_FILE", "./key").provider("finnhub", &server).stdout(ok).check();
    }
    let (server, run) = (finnhub("from-systemd"), finnhub_run());
    write(&run, "credentials/finnhub_api_key", "from-systemd\n");
    let run = run.env("CREDENTIALS_DIRECTORY", "credentials");
    run.clone().provider("finnhub", &server).stdout(ok).check();
    let server = finnhub("from-variable");
    run.env("FINNHUB_API_KEY", "from-variable").provider("finnhub", &server).stdout(ok).check();
}

#[test]
fn secret_file_that_cannot_be_read_is_an_error() {
    let missing = "No such file or directory (os error 2)";
    fails(
        finnhub_run().env("FINNHUB_API_KEY_FILE", "./key"),
        74,
        &format!("FINNHUB_API_KEY_FILE: cannot read ./key: {missing}"),
    );
    let broken = finnhub_run().env("CREDENTIALS_DIRECTORY", ".");
    fs::create_dir(broken.home().join("finnhub_api_key")).unwrap();
    fails(broken, 74, "CREDENTIALS_DIRECTORY: cannot read ./finnhub_api_key: Is a directory (os error 21)");
    let config = "[graphite]\nurl = 'http://127.0.0.1/metrics'\nuser = 'u'\npassword_file = './nowhere'\n";
    let graphite = Datametrics::new().config(config).args(["all"]);
    fails(graphite, 74, &format!("config.toml:4: graphite.password_file: cannot read ./nowhere: {missing}"));
}

const EMPTY: &str = "is empty: write the key, token or password into it";

#[test]
fn secret_that_is_empty_or_has_control_characters_is_an_error() {
    for (text, problem) in
        [("", EMPTY), ("\n", EMPTY), ("two\nlines\n", "holds a line break or another control character")]
    {
        let run = finnhub_run();
        write(&run, "key", text);
        fails(run.env("FINNHUB_API_KEY_FILE", "key"), 78, &format!("key: {problem}"));
    }
    let run = finnhub_run().env("FINNHUB_API_KEY", "a\tb");
    fails(run, 78, "FINNHUB_API_KEY: holds a line break or another control character");
}

#[test]
fn secret_with_two_sources_is_an_error() {
    let message = "FINNHUB_API_KEY: is set, and FINNHUB_API_KEY_FILE too: unset one";
    fails(finnhub_run().env("FINNHUB_API_KEY", "a").env("FINNHUB_API_KEY_FILE", "key"), 78, message);
    let message = "GRAPHITE_PASSWORD: is set, and GRAPHITE_PASSWORD_FILE too: unset one";
    fails(
        Datametrics::new().args(["all"]).env("GRAPHITE_PASSWORD", "a").env("GRAPHITE_PASSWORD_FILE", "key"),
        78,
        message,
    );
    let config = "[graphite]\npassword = 'x'\npassword_file = 'key'\n";
    let run = Datametrics::new().config(config).args(["all"]);
    fails(run, 78, "config.toml:2: graphite.password: is set, and password_file too: remove one");
}

fn dry_run_all() -> Datametrics {
    Datametrics::new().args(["all", "--dry-run"])
}

#[test]
fn graphite_url_with_a_wrong_path_gets_a_suggestion() {
    let right = "https://graphite-prod-01-eu-west-0.grafana.net/graphite/metrics";
    let cloud = "the Graphite details of your stack in Grafana Cloud show the right one, \
                 https://graphite-REGION.grafana.net/graphite/metrics";
    let other = "that of Graphite ends in /metrics, and that of a Carbon is tcp://HOST:2003";
    let queried = "looks like the URL at which Graphite is queried: points go to";
    let no_url = "must be a URL such as https://host/path";
    let prometheus = "looks like a URL of Prometheus, not Graphite:";
    for (url, message) in [
        ("https://graphite-prod-01-eu-west-0.grafana.net", format!("must end in /metrics: try {right}")),
        ("https://graphite-prod-01-eu-west-0.grafana.net/metricsx", format!("must end in /metrics: try {right}")),
        ("https://graphite-prod-01-eu-west-0.grafana.net/graphite/", format!("{queried} {right}")),
        ("https://graphite-prod-01-eu-west-0.grafana.net/graphite/render?target=a", format!("{queried} {right}")),
        ("https://graphite-prod-01-eu-west-0.grafana.net/api/v1/push", format!("{prometheus} points go to {right}")),
        ("https://prometheus-prod-01-eu-west-0.grafana.net/api/prom/push", format!("{prometheus} {cloud}")),
        ("http://mimir.example/api/v1/push", format!("{prometheus} {other}")),
        ("https://prometheus.example/api/v1/write", format!("{prometheus} {other}")),
        (
            "https://influx-prod-01.grafana.net/api/v1/push/influx/write",
            format!("looks like a URL to push to in Influx's form: {cloud}"),
        ),
        ("https://logs-prod-012.grafana.net/x", format!("looks like a URL for logs (Loki): {cloud}")),
        ("https://loki.example/loki/api/v1/push", format!("looks like a URL for logs (Loki): {other}")),
        ("https://otlp-gateway-prod-eu-west-2.grafana.net/otlp", format!("looks like a URL of OTLP: {cloud}")),
        ("https://home.grafana.net/d/abc/home", format!("looks like the page of a stack: {cloud}")),
        ("https://me.grafana.net/graphite", format!("looks like the page of a stack: {cloud}")),
        ("https://me.grafana.net/graphite/metrics", format!("looks like the page of a stack: {cloud}")),
        ("https://grafana.com/orgs/me/hosted-metrics/1", format!("looks like the page of a stack: {cloud}")),
        ("me.grafana.net/graphite/metrics", format!("{no_url}; write https:// before this one")),
        ("carbon:2003", format!("{no_url}; write tcp:// before this one")),
        ("me:s3same@graphite.example/metrics", no_url.to_owned()),
        ("s3same", no_url.to_owned()),
        ("https://tsdb-1-me.hosted-metrics.grafana.net/x", "must end in /metrics: try [..]".to_owned()),
        ("http://graphs.example/render/", format!("{queried} http://graphs.example/graphite/metrics")),
        (
            "https://graphs.example/x?y=/metrics",
            "must end in /metrics: try https://graphs.example/graphite/metrics".to_owned(),
        ),
    ] {
        let message = format!("error: GRAPHITE_URL: {message}\n");
        dry_run_all().env("GRAPHITE_URL", url).stderr(message).exit(78).check();
    }
    let config = "[graphite]\nurl = 'http://u:p@127.0.0.1:8080/graphite'\n";
    let message = "config.toml:2: graphite.url: looks like the URL at which Graphite is queried: points go to http://127.0.0.1:8080/graphite/metrics";
    fails(dry_run_all().config(config), 78, message);
}

#[test]
fn graphite_user_and_password_are_needed_together() {
    let cloud = "https://graphite-prod-01-eu-west-0.grafana.net/graphite/metrics";
    let needs = "GRAPHITE_URL: needs a user and a password: set GRAPHITE_USER (the number of the Graphite instance) \
                 and GRAPHITE_PASSWORD (a token with metrics:write)";
    let run = || Datametrics::new().args(["all"]).env("GRAPHITE_URL", cloud);
    fails(run(), 78, needs);
    let user = run().env("GRAPHITE_USER", "1");
    let message = "GRAPHITE_USER: is set, but no password: set GRAPHITE_PASSWORD or GRAPHITE_PASSWORD_FILE, or \
                   password_file in [graphite]";
    fails(user, 78, message);
    let password = run().env("GRAPHITE_PASSWORD", "p");
    let advice = "is set, but no user: set GRAPHITE_USER, or user in [graphite], or remove it";
    fails(password, 78, &format!("GRAPHITE_PASSWORD: {advice}"));
    let config = "[graphite]\npassword_file = './token'\n";
    let file = run().config(config);
    fs::write(file.home().join("token"), "t0ken").expect("a token");
    fails(file, 78, &format!("config.toml:2: graphite.password_file: {advice}"));
}

/// A run without requests to providers, as the market is closed.
fn closed_market(run: Datametrics, config: &str) -> Datametrics {
    run.config(&format!("{}{config}", closed_config())).args(["stocks", "--market-hours", "regular"])
}

#[test]
fn graphite_credentials_are_not_sent_over_plain_http() {
    let message =
        "would send the password in the clear: use https, or set allow_plaintext_credentials = true in [graphite]";
    for (url, clear) in [
        ("http://graphite.example/metrics", true),
        ("http://10.1.2.3:8080/graphite/metrics", true),
        ("http://localhost.example/metrics", true),
        ("http://127.0.0.1/metrics", false),
        ("http://[::1]:8080/metrics", false),
        ("http://localhost/metrics", false),
        ("https://graphite.example/metrics", false),
    ] {
        let run = || Datametrics::new().args(["--timeout", "3", "--retries", "0"]).env("GRAPHITE_URL", url);
        let known = || run().env("GRAPHITE_USER", "u").env("GRAPHITE_PASSWORD", "p");
        // Nobody is there, but the run tries.
        let tries = |run: Datametrics| {
            let output = run.run();
            assert!(output.code == Some(75) && output.stderr.contains("he points are in the journal"), "{output}");
        };
        if clear {
            fails(closed_market(known(), ""), 78, &format!("GRAPHITE_URL: {message}"));
            tries(closed_market(known(), "[graphite]\nallow_plaintext_credentials = true\n"));
            // Without credentials plain HTTP is accepted.
            tries(closed_market(run(), ""));
        } else {
            tries(closed_market(known(), ""));
        }
    }
    let in_the_url = Datametrics::new().args(["--dry-run"]).env("GRAPHITE_URL", "http://u:p@graphite.example/metrics");
    fails(closed_market(in_the_url, ""), 78, &format!("GRAPHITE_URL: {message}"));
}

/// Nothing is sent there, so a person who may not read the secrets can try the settings.
#[test]
fn dry_run_needs_no_secret_of_a_destination() {
    let config = "[graphite]\nurl = 'https://graphite-nobody.grafana.net/graphite/metrics'\nheaders = { A = '{secret:T}' }\n\
                  client_cert = './gone.pem'\nclient_key = './gone.key'\n\
                  [mirrors.cellar]\nurl = 'https://cellar.example/metrics'\nuser = 'u'\nheaders = { A = '{secret:T}' }\n\
                  [mirrors.attic]\nurl = 'amqps://attic.example'\nuser = 'u'\npassword_file = './gone'\n";
    let run = closed_market(Datametrics::new().args(["--dry-run"]), config);
    let run = run.env("GRAPHITE_USER", "u").env("GRAPHITE_PASSWORD_FILE", "./gone");
    run.stdout("[{\"name\":\"metrics.stocks.feed.stocks.expected\"[..]\n").check();
}

#[test]
fn what_a_destination_does_not_use_is_said() {
    let carbon = "graphite.user: is not used, as Carbon asks for no user: only http, https, amqp and amqps do";
    let acknowledged = "is not used, as points are acknowledged there: it is for tcp, tls and pickle";
    for (lines, warning) in [
        ("url = 'tcp://h'\nuser = 'u'", format!("5: {carbon}")),
        ("url = 'tls://h'\nuser = 'u'\nlinger = 3", format!("5: {carbon}")),
        ("url = 'pickle://h'\nuser = 'u'", format!("5: {carbon}")),
        ("url = 'https://h/metrics'\nlinger = 3", format!("5: graphite.linger: {acknowledged}")),
        ("url = 'amqp://h'\nuser = 'u'\nlinger = 0", format!("6: graphite.linger: {acknowledged}")),
    ] {
        let run = closed_market(Datametrics::new().args(["--dry-run"]), &format!("[graphite]\n{lines}\n"));
        run.stdout("[..]\n...").stderr(format!("warning: config.toml:{warning}\n")).check();
    }
    let run = Datametrics::new().args(["--dry-run"]).env("GRAPHITE_USER", "u").env("GRAPHITE_URL", "tcp://h");
    let warning = carbon.replace("graphite.user", "GRAPHITE_USER");
    closed_market(run, "").stdout("[..]\n...").stderr(format!("warning: {warning}\n")).check();
}

#[test]
fn provider_keys_are_not_sent_over_plain_http() {
    let message = "providers.finnhub.base_url: would send a key in the clear: use https, or set allow_plaintext_credentials = true there";
    let run = dry_run_all().args(["--provider", "kraken,finnhub"]).env("FINNHUB_API_KEY", "k");
    fails(run.env("DATAMETRICS_FINNHUB_BASE_URL", "http://finnhub.example"), 78, message);
}

#[test]
fn graphite_url_may_hold_user_and_password() {
    let server = Server::start();
    let reply = Reply::text(200, r#"{"published":5}"#);
    // `a@b:c/d %` in base64.
    server.on("POST /metrics").header("Authorization", "Basic YUBiOmMvZCAl").reply(reply);
    let url = format!("http://a%40b:c%2Fd%20%25@{}/metrics", server.address());
    closed_market(Datametrics::new(), "").env("GRAPHITE_URL", url).check();
}

#[test]
fn graphite_url_may_have_a_query() {
    let server = Server::start();
    for path in ["/metrics?token=t0ken", "/graphite/metrics/?token=t0ken"] {
        server.on(&format!("POST {path}")).reply(Reply::text(200, r#"{"published":5}"#));
        closed_market(Datametrics::new(), "").env("GRAPHITE_URL", format!("http://{}{path}", server.address())).check();
    }
}

#[test]
fn config_file_with_a_password_that_others_can_read_is_a_warning() {
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = format!(
        "[graphite]\nurl = '{}'\nuser = '{}'\npassword = '{}'\n",
        ingest.url(),
        support::graphite::USER,
        support::graphite::PASSWORD
    );
    let run = closed_market(Datametrics::new(), &config);
    run.clone().check();
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(run.home().join("config.toml"), fs::Permissions::from_mode(mode)).unwrap();
        let message =
            "config.toml holds a password and others can read it: chmod 600 config.toml, or use password_file";
        run.clone().stderr(format!("warning: {message}\n")).check();
    }
    // Without a password the permissions of the file do not matter.
    let run = closed_market(Datametrics::new(), "").graphite(&ingest);
    fs::set_permissions(run.home().join("config.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    run.check();
}

#[test]
fn slash_in_a_metric_name_is_a_warning_for_carbon() {
    let message = "warning: a / in metric names (names, prefix) makes a directory at Carbon: use . or - instead\n";
    let (carbon, ingest) = (Carbon::start(), Ingest::start(Dialect::WriteProxy));
    for config in ["[graphite]\nnames = '{feed}.{base}/{quote}-{field}'\n", "[graphite]\nprefix = 'a/b'\n"] {
        closed_market(Datametrics::new(), config).graphite(&ingest).check();
        closed_market(Datametrics::new(), config).carbon(&carbon).stderr(message).check();
    }
    closed_market(Datametrics::new(), "").carbon(&carbon).check();
}

pub(crate) fn closed_config() -> String {
    format!("[stocks]\nclosed = {}\n", support::holidays())
}

#[test]
fn closed_market_makes_no_request_and_other_feeds_go_on() {
    let (crypto, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    // This server fails the test on any request.
    let stocks = Server::start();
    for hours in ["regular", "extended"] {
        let config = format!("{}market_hours = '{hours}'\n", closed_config());
        let run = Datametrics::new().config(&config).graphite(&ingest).provider("yahoo", &stocks);
        run.clone().args(["stocks"]).check();
        let message = "stocks: closed (a day of its `closed`)\n[..] points\n\
                    pushed [..] points of 0 symbols from nobody, as nothing was due in <time>; \
                    stocks: closed (a day of its `closed`)\n";
        run.args(["stocks", "-v"]).stderr(message).check();
    }
    assert_eq!(ingest.value("metrics.stocks.feed.stocks.expected").as_deref(), Some("0"));
    assert_eq!(ingest.value("metrics.stocks.feed.stocks.fetched").as_deref(), Some("0"));
    let run = Datametrics::new().config(&closed_config()).args(["all", "--market-hours", "regular"]);
    run.provider("kraken", &crypto).provider("yahoo", &stocks).graphite(&ingest).check();
    assert_eq!(ingest.value("metrics.all.feed.crypto.fetched").as_deref(), Some("3"));
    assert_eq!(ingest.value("metrics.all.feed.stocks.expected").as_deref(), Some("0"));
    assert!(!ingest.values().keys().any(|name| name.contains("yahoo")));
}

#[test]
fn market_hours_flag_overrides_the_config() {
    let stocks = Server::start();
    stocks.on(YAHOO).reply(yahoo(&STOCKS));
    let config = format!("{}market_hours = 'regular'\n", closed_config());
    let run = Datametrics::new().config(&config).args(["stocks", "--market-hours", "any", "--dry-run"]);
    run.provider("yahoo", &stocks).stdout("[{\"name\":\"stocks.AMZN.last\"[..]\n").check();
}

/// Crypto trades at all hours, so the option does not apply to it.
#[test]
fn market_hours_do_not_apply_to_crypto() {
    let crypto = Server::start();
    crypto.on(KRAKEN).reply(kraken(&CRYPTO));
    let run = Datametrics::new().args(["crypto", "--market-hours", "regular", "--dry-run"]);
    run.provider("kraken", &crypto).stdout("[{\"name\":\"crypto.BTC-USD.last\"[..]\n").check();
}

/// A feed with two providers; the first has a `min_interval` of an hour.
const MIN_INTERVAL_CONFIG: &str = "
    [feeds.fx]
    providers = ['slow', 'other']
    symbols = ['EUR/USD']
    [providers.slow]
    market = 'other'
    base_url = 'https://slow.example'
    min_interval = 3600
    quote = [{ path = '/{symbol}', fields = { last = '/rate' } }]
    [providers.other]
    market = 'other'
    base_url = 'https://other.example'
    quote = [{ path = '/{symbol}', fields = { last = '/rate' } }]";
const MIN_INTERVAL_REQUEST: &str = "GET /EUR%2FUSD";

#[test]
fn min_interval_prevents_requests_until_it_is_over() {
    let (slow, other, ingest) = (Server::start(), Server::start(), Ingest::start(Dialect::WriteProxy));
    let run = Datametrics::new().config(MIN_INTERVAL_CONFIG).args(["--feed", "fx"]).graphite(&ingest);
    let run = run.provider("slow", &slow).provider("other", &other);
    slow.on(MIN_INTERVAL_REQUEST).reply(Reply::json(r#"{"rate":1.08}"#));
    run.clone().check();
    assert_eq!(ingest.value("fx.EUR-USD.last").as_deref(), Some("1.08"));
    // Neither this provider nor the next gets a request: values of two sources would alternate in one series.
    run.clone().check();
    let message = "fx: not due: slow is not to be asked for another <time>\n[..] points\n\
                pushed [..] points of 0 symbols from nobody, as nothing was due in <time>\n";
    run.clone().args(["-v"]).stderr(message).check();
    assert_eq!(ingest.value("metrics.fx.feed.fx.expected").as_deref(), Some("0"));
    // A dry run always makes its requests.
    slow.on(MIN_INTERVAL_REQUEST).reply(Reply::json(r#"{"rate":1.09}"#));
    run.args(["--dry-run"]).stdout("[{\"name\":\"fx.EUR-USD.last\",\"interval\":60,\"value\":1.09,[..]\n").check();
}

/// A dry run leaves no state, so it does not count.
#[test]
fn min_interval_does_not_begin_with_a_dry_run() {
    let (slow, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    let run =
        Datametrics::new().config(MIN_INTERVAL_CONFIG).args(["--feed", "fx"]).graphite(&ingest).provider("slow", &slow);
    for dry in [["--dry-run"].as_slice(), &["--dry-run"], &[]] {
        slow.on(MIN_INTERVAL_REQUEST).reply(Reply::json(r#"{"rate":1.08}"#));
        assert_eq!(run.clone().args(dry).run().code, Some(0));
        assert_eq!(run.home().join(".local").exists(), dry.is_empty());
    }
}

#[test]
fn min_interval_per_symbol_counts_symbols() {
    let (slow, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    let config = MIN_INTERVAL_CONFIG.replace("min_interval = 3600", "min_interval_per_symbol = 1800");
    let run = Datametrics::new().config(&config).args(["--feed", "fx"]).graphite(&ingest).provider("slow", &slow);
    slow.on(MIN_INTERVAL_REQUEST).reply(Reply::json(r#"{"rate":1.08}"#));
    run.clone().check();
    let message = "fx: not due: slow is not to be asked for another <time>\n[..] points\npushed [..]\n";
    run.args(["-v"]).stderr(message).check();
}

/// A container may have no home directory.
#[test]
fn push_succeeds_without_a_home_and_says_that_there_is_no_journal() {
    let (server, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
    (0..3).for_each(|_| server.on(KRAKEN).reply(kraken(&CRYPTO)));
    let run = Datametrics::new().args(["crypto"]).provider("kraken", &server).graphite(&ingest);
    let output = run.command().env_remove("HOME").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("warning: journal: there is none, as HOME is not set") && stderr.lines().count() == 1);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("65600.10"));
    let left: Vec<_> = fs::read_dir(run.home()).unwrap().collect();
    assert!(left.is_empty() && !Path::new("/.local/state/datametrics").exists(), "{left:?}");
    let output = run.command().arg("--no-journal").env_remove("HOME").output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    let warning = "warning: journal: cannot make /dev/null/.local/state/datametrics/journal: Not a directory [..]\n";
    run.env("HOME", "/dev/null").stderr(warning).check();
}
