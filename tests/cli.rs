//! The command line: arguments, output streams and exit codes.

use crate::support::{
    self, Datametrics, Dialect, Ingest, Reply, Server,
    samples::{self, CRYPTO, KRAKEN, STOCKS, YAHOO, kraken, yahoo},
    terminal::{raw_terminal_output, script, script_is_missing, terminal_output},
};
use datametrics::Outcome;
use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
};

/// The usage lines at the end of a clap error.
const USAGE: &str = "
Usage: datametrics [OPTIONS] <all | crypto [SYMBOL]... | stocks [SYMBOL]...>
...

For more information, try '--help'.
";

/// A dry run that prints plaintext lines.
fn dry() -> Datametrics {
    Datametrics::new().args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9"])
}

/// A server that expects one request.
fn one_request(line: &str, reply: support::Reply) -> Server {
    let server = Server::start();
    server.on(line).reply(reply);
    server
}

/// A server that expects one request for Bitcoin.
fn one_bitcoin() -> Server {
    one_request("GET /0/public/Ticker?pair=XBTUSD", kraken(&CRYPTO[..1]))
}

#[test]
fn no_argument_prints_the_short_help_on_stderr() {
    Datametrics::new().stderr(snapbox::file!["cli/short.txt"]).exit(2).check();
}

#[test]
fn short_help_is_as_recorded() {
    Datametrics::new().args(["-h"]).stdout(snapbox::file!["cli/short.txt"]).check();
}

/// The help shows no value of a variable, whatever is set.
#[test]
fn long_help_is_as_recorded_and_shows_no_value_of_a_variable() {
    let run = Datametrics::new().args(["--help"]).stdout(snapbox::file!["cli/long.txt"]);
    run.clone().check();
    run.env("GRAPHITE_URL", "https://u:p@host/metrics").env("DATAMETRICS_PREFIX", "home").check();
}

#[test]
fn help_lists_every_exit_code() {
    let help = Datametrics::new().args(["--help"]).run().stdout;
    let (_, table) = help.split_once("Exit codes:\n").expect("a table");
    let rows = table.lines().take_while(|line| !line.is_empty());
    let codes: Vec<u8> = rows.map(|row| row.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_eq!(codes, Outcome::ALL.map(Outcome::code));
}

#[test]
fn help_names_the_variable_of_every_option() {
    let help = Datametrics::new().args(["--help"]).run().stdout;
    for line in help.lines().filter_map(|line| line.trim().strip_prefix("--")) {
        let option = line.split_whitespace().next().unwrap();
        let variable = match option {
            "crypto" | "stocks" | "feed" | "format" | "dry-run" | "no-journal" | "help" => continue,
            "graphite-url" => "GRAPHITE_URL".to_owned(),
            _ => format!("DATAMETRICS_{}", option.to_uppercase().replace('-', "_")),
        };
        assert!(help.contains(&format!("Variable {variable}")), "{variable}");
    }
}

#[test]
fn version_flag_prints_name_and_version() {
    let version = concat!("datametrics ", env!("CARGO_PKG_VERSION"), "\n");
    Datametrics::new().args(["--version"]).stdout(version).check();
}

#[test]
fn misspelled_subcommand_or_flag_gets_a_suggestion() {
    for (args, message) in [
        (["stoks"].as_slice(), "unrecognized subcommand 'stoks'\n\n  tip: a similar subcommand exists: 'stocks'"),
        (
            &["all", "--dry-rum"],
            "unexpected argument '--dry-rum' found\n\n  tip: a similar argument exists: '--dry-run'",
        ),
        (
            &["--provder", "x", "all"],
            "unexpected argument '--provder' found\n\n  tip: a similar argument exists: '--provider'",
        ),
    ] {
        Datametrics::new().args(args).stderr(format!("error: {message}\n...")).exit(2).check();
    }
}

/// A key that was meant for a variable, and begins as a flag: as a symbol it would be quoted.
#[test]
fn word_that_may_be_a_key_is_nowhere_in_a_usage_error() {
    for command in ["crypto", "stocks", "all", "check", "providers", "symbols", "grafana"] {
        for word in ["--glc_eyJvIjoiMTIzNDU2s3same", "-glc_eyJvIjoiMTIzNDU2s3same"] {
            let output = Datametrics::new().args([command, word]).run();
            assert!(!output.to_string().contains("s3same"), "{command} {word}: {output}");
        }
    }
}

#[test]
fn missing_feed_is_a_usage_error() {
    let message = "error: no feed is named: add `crypto`, `stocks`, or `all` for all that the config has\n";
    Datametrics::new().args(["--dry-run"]).stderr(format!("{message}{USAGE}")).exit(2).check();
}

#[test]
fn subcommand_and_feed_flags_together_are_a_usage_error() {
    for args in [["--crypto", "all"], ["crypto", "--stocks"], ["--stocks", "stocks"]] {
        let run = Datametrics::new().args(args).exit(2);
        let output = run.stderr("error: [..]\n...").check();
        assert!(output.stderr.contains("Usage:"), "{output}");
    }
    let message = "error: a subcommand and --crypto, --stocks or --feed: use one form\n";
    Datametrics::new().args(["--feed", "fx", "all"]).stderr(format!("{message}{USAGE}")).exit(2).check();
}

#[test]
fn quiet_and_verbose_together_are_a_usage_error() {
    let message = "error: the argument '--quiet' cannot be used with '--verbose...'\n...";
    Datametrics::new().args(["all", "-q", "-v"]).stderr(message).exit(2).check();
}

#[test]
fn invalid_flag_value_is_reported_with_its_flag() {
    for (flag, values, problem) in [
        ("--interval", ["0", "60.5", "86401", "minute", ""].as_slice(), "must be a whole number from 1 to 86400"),
        ("--timeout", &["0", "soon", "nan", "inf", "86401", ""], "must be a number above 0, 86400 at most"),
        ("--retries", &["2.5", "101", "never", ""], "must be a whole number from 0 to 100"),
        ("--market-hours", &["noon", "Regular", ""], "must be \"any\", \"regular\" or \"extended\", not \"[..]\"[..]"),
        ("--prefix", &["a b", "a;b", "ä", "a'b", "a,b", "a(b", "a|b", "a=b"], "[..] cannot stand in a metric name"),
        ("--prefix", &[".a", "a.", "a..b"], "must not begin or end with a dot, or have two in a row"),
        ("--graphite-url", &["host", "https://", "/metrics", ""], "must be a URL such as https://host/path"),
        ("--graphite-url", &["tcp://h:99999"], "has a port that is no number from 1 to 65535"),
        (
            "--graphite-url",
            &["udp://host"],
            "scheme \"udp\" is not known; known: https, http, tcp, tls, pickle, amqp, amqps",
        ),
        ("--graphite-url", &["tcp://host/x"], "has a path, but Carbon has none: write tcp://HOST:2003"),
        ("--graphite-url", &["tcp://me:pw@host"], "has a user, but Carbon asks for none: write tcp://HOST:2003"),
        ("--graphite-url", &["pickle://me@host"], "has a user, but Carbon asks for none: write pickle://HOST:2004"),
        ("--graphite-url", &["tls://host/x"], "has a path, but Carbon has none: write tls://HOST:2003"),
        ("--graphite-url", &["pickle://host/metrics"], "has a path, but Carbon has none: write pickle://HOST:2004"),
    ] {
        for value in values {
            let run = Datametrics::new().args(["stocks", "--dry-run", flag, value]);
            run.stderr(format!("error: {flag}: {problem}\n")).exit(2).check();
        }
    }
}

#[test]
fn negative_numbers_of_flags_are_errors() {
    for flag in ["--interval", "--timeout", "--retries"] {
        let run = Datametrics::new().args(["all".to_owned(), "--dry-run".to_owned(), format!("{flag}=-1")]);
        run.stderr(format!("error: {flag}: must be a [..]\n")).exit(2).check();
    }
}

#[test]
fn unknown_provider_field_or_feed_gets_a_suggestion() {
    for (args, message) in [
        (
            ["crypto", "--provider", "krakn"].as_slice(),
            "--provider: provider \"krakn\" is not known; did you mean \"kraken\"?",
        ),
        (
            &["crypto", "--fields", "last,hihg"],
            "--fields: field \"hihg\" is given by none of kraken, coinbase; did you mean \"high\"?",
        ),
        (&["--feed", "crypt"], "--feed: feed \"crypt\" is not known; did you mean \"crypto\"?"),
        (&["--feed", "zzz"], "--feed: feed \"zzz\" is not known; known: crypto, stocks"),
        (
            &["crypto", "--fields", "previous_close"],
            "--fields: field \"previous_close\" is given by none of kraken, coinbase[..]",
        ),
    ] {
        Datametrics::new().args(args).args(["--dry-run"]).stderr(format!("error: {message}\n")).exit(2).check();
    }
}

#[test]
fn feed_without_a_provider_of_its_market_is_an_error() {
    for (args, feed) in [
        (["crypto", "--provider", "yahoo,cnbc"].as_slice(), "crypto"),
        (&["stocks", "--provider", "kraken"], "stocks"),
        (&["--crypto", "--stocks", "--provider", "kraken"], "stocks"),
        (&["all", "--provider", "yahoo"], "crypto"),
    ] {
        let message = format!(
            "error: --provider: none of these providers is of the market of feed \"{feed}\": `datametrics providers` shows which are\n"
        );
        Datametrics::new().args(args).args(["--dry-run"]).stderr(message).exit(2).check();
    }
}

#[test]
fn empty_list_flag_is_an_error() {
    let no_provider =
        "none of these providers is of the market of feed \"crypto\": `datametrics providers` shows which are";
    for (flag, problem) in [("--symbols", "is empty"), ("--fields", "is empty"), ("--provider", no_provider)] {
        for value in ["", ",", " , "] {
            let run = Datametrics::new().args(["crypto", "--dry-run", flag, value]);
            run.stderr(format!("error: {flag}: {problem}\n")).exit(2).check();
        }
    }
}

#[test]
fn symbols_come_from_one_source_and_belong_to_one_feed() {
    for (args, message) in [
        (
            ["crypto", "BTC", "--symbols", "ETH"].as_slice(),
            "--symbols: is given, and SYMBOL arguments too: use one form",
        ),
        (&["all", "--symbols", "BTC"], "--symbols: symbols can be given for one feed only: name it, such as crypto"),
        (
            &["--crypto", "--stocks", "--symbols", "BTC"],
            "--symbols: symbols can be given for one feed only: name it, such as crypto",
        ),
        (&["crypto", "BTC USD"], "SYMBOL: symbol \"BTC USD\" holds white space or a control character"),
        (&["crypto", "BTC/USD/EUR"], "SYMBOL: symbol \"BTC/USD/EUR\" is not BASE/QUOTE"),
        (&["stocks", "AAPL", " "], "SYMBOL: a symbol is empty"),
    ] {
        Datametrics::new().args(args).args(["--dry-run"]).stderr(format!("error: {message}\n")).exit(2).check();
    }
}

#[test]
fn missing_graphite_url_is_an_error() {
    let message = "error: GRAPHITE_URL: is not set, so the points have nowhere to go: `datametrics init` writes a first config; --dry-run prints them instead\n";
    Datametrics::new().args(["all"]).stderr(message).exit(78).check();
}

const BITCOIN_POINTS: &str = "\
crypto.BTC-USD.last 65600.10 [..]
metrics.crypto.kraken.response.time [..]
metrics.crypto.kraken.response.status_code 200 [..]
metrics.crypto.kraken.requests 1 [..]
metrics.crypto.kraken.retries 0 [..]
metrics.crypto.feed.crypto.expected 1 [..]
metrics.crypto.feed.crypto.fetched 1 [..]
metrics.crypto.duration [..]
metrics.crypto.points 9 [..]
";

#[test]
fn options_are_accepted_before_and_after_the_subcommand() {
    let options = ["--fields", "last", "--provider", "kraken", "--interval", "30", "--timeout", "20", "--retries", "0"];
    for (before, after) in [(&options[..], &[][..]), (&[], &options), (&options[..4], &options[4..])] {
        let server = one_bitcoin();
        let run = dry().args(before).args(["crypto", "BTC"]).args(after).provider("kraken", &server);
        run.stdout(BITCOIN_POINTS).check();
    }
}

#[test]
fn feed_flags_equal_the_subcommand() {
    for args in [["crypto", "BTC"].as_slice(), &["crypto", "btc/usd", "BTC"], &["--crypto", "--symbols", "BTC,"]] {
        let server = one_bitcoin();
        dry().args(args).args(["--fields", "last"]).provider("kraken", &server).stdout(BITCOIN_POINTS).check();
    }
}

/// The name of the run does not depend on the order of the flags.
#[test]
fn feed_flags_combine_in_any_order_into_one_run_name() {
    let config = "
        [feeds.fx]
        providers = ['bank']
        symbols = ['EUR/USD']
        [providers.bank]
        market = 'other'
        base_url = 'https://bank.example'
        [[providers.bank.quote]]
        path = '/{base}/{quote}'
        fields = { last = '/rate' }";
    for flags in [["--crypto", "--stocks", "--feed", "fx"], ["--feed", "fx", "--stocks", "--crypto"]] {
        let crypto = one_request(KRAKEN, kraken(&CRYPTO));
        let stocks = one_request(YAHOO, yahoo(&STOCKS));
        let bank = one_request("GET /EUR/USD", support::Reply::json(r#"{"rate":1.08}"#));
        let run = dry().config(config).args(flags).args(["--fields", "last"]);
        let run = run.provider("kraken", &crypto).provider("yahoo", &stocks).provider("bank", &bank);
        run.stdout(
            "\
crypto.BTC-USD.last 65600.10 [..]
crypto.ETH-USD.last 3400.25 [..]
crypto.BAT-USD.last 0.00007351 [..]
stocks.AMZN.last 230 [..]
stocks.NFLX.last 1100.5 [..]
stocks.AAPL.last 204 [..]
fx.EUR-USD.last 1.08 [..]
metrics.crypto-stocks-fx.kraken.response.time [..]
metrics.crypto-stocks-fx.kraken.response.status_code 200 [..]
metrics.crypto-stocks-fx.kraken.requests 1 [..]
metrics.crypto-stocks-fx.kraken.retries 0 [..]
metrics.crypto-stocks-fx.yahoo.response.time [..]
metrics.crypto-stocks-fx.yahoo.response.status_code 200 [..]
metrics.crypto-stocks-fx.yahoo.requests 1 [..]
metrics.crypto-stocks-fx.yahoo.retries 0 [..]
metrics.crypto-stocks-fx.bank.response.time [..]
metrics.crypto-stocks-fx.bank.response.status_code 200 [..]
metrics.crypto-stocks-fx.bank.requests 1 [..]
metrics.crypto-stocks-fx.bank.retries 0 [..]
metrics.crypto-stocks-fx.feed.crypto.expected 3 [..]
metrics.crypto-stocks-fx.feed.crypto.fetched 3 [..]
metrics.crypto-stocks-fx.feed.stocks.expected 3 [..]
metrics.crypto-stocks-fx.feed.stocks.fetched 3 [..]
metrics.crypto-stocks-fx.feed.fx.expected 1 [..]
metrics.crypto-stocks-fx.feed.fx.fetched 1 [..]
metrics.crypto-stocks-fx.duration [..]
metrics.crypto-stocks-fx.points 27 [..]
",
        )
        .check();
    }
}

/// Without Graphite settings a dry run prints JSON.
#[test]
fn provider_flag_applies_to_the_feeds_of_its_market() {
    let crypto = one_request("GET /products/BTC-USD/ticker", support::Reply::json(r#"{"price":"65600.10"}"#));
    let stocks = one_request(YAHOO, yahoo(&STOCKS[..1]));
    let run = Datametrics::new()
        .args(["all", "--dry-run", "--provider", "yahoo,coinbase", "--fields", "last"])
        .env("DATAMETRICS_CRYPTO_SYMBOLS", "BTC")
        .provider("coinbase", &crypto)
        .provider("yahoo", &stocks);
    let output = run
        .stdout(concat!(
            r#"[{"name":"crypto.BTC-USD.last","interval":60,"value":65600.10,"time":[..]},"#,
            r#"{"name":"stocks.AMZN.last","interval":60,"value":230,"time":[..]},"#,
            r#"{"name":"metrics.all.coinbase.response.time",[..]}]"#,
            "\n"
        ))
        .stderr("error: stocks: no quote of NFLX, AAPL: yahoo has none among 1 row at \"/spark/result\" (AMZN); `datametrics symbols NFLX` looks it up\n")
        .exit(1)
        .check();
    let points: Vec<serde_json::Value> = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(points.len(), 16);
}

const TWO_SYMBOLS: &str = "GET /0/public/Ticker?pair=XBTUSD,ETHUSD";

#[test]
fn standard_input_may_hold_comments_and_blank_lines() {
    let list = "# what I have\nBTC/USD\n\n  eth # and this\n\t\r\nBTC\n#";
    for args in [["crypto", "-"].as_slice(), &["crypto", "--symbols", "-"], &["--crypto", "--symbols", "-"]] {
        let server = one_request(TWO_SYMBOLS, kraken(&CRYPTO[..2]));
        let run = dry().args(args).args(["--fields", "last"]).stdin(list).provider("kraken", &server);
        let (first, second) = ("crypto.BTC-USD.last 65600.10 [..]", "crypto.ETH-USD.last 3400.25 [..]");
        run.stdout(format!("{first}\n{second}\n...")).check();
    }
}

#[test]
fn standard_input_adds_symbols_to_arguments() {
    let server = one_request(TWO_SYMBOLS, kraken(&CRYPTO[..2]));
    let run = dry().args(["crypto", "BTC", "-", "--fields", "last"]).stdin("ETH").provider("kraken", &server);
    run.stdout("crypto.BTC-USD.last [..]\ncrypto.ETH-USD.last [..]\n...").check();
}

#[test]
fn empty_standard_input_is_an_error() {
    for list in ["", "\n\n", "# nothing today\n"] {
        let run = dry().args(["stocks", "-"]).stdin(list);
        run.stderr("error: standard input: is empty\n").exit(78).check();
    }
}

#[test]
fn standard_input_with_an_invalid_symbol_is_an_error() {
    let message = "error: standard input: symbol \"AA PL\" holds white space or a control character\n";
    dry().args(["stocks", "-"]).stdin("AA PL\n").stderr(message).exit(78).check();
}

#[test]
fn unreadable_standard_input_is_an_error() {
    let message = "error: standard input: cannot read symbols: ";
    let why = "it is not valid UTF-8\n";
    dry().args(["stocks", "-"]).stdin(b"AAPL\n\xff\n").stderr(format!("{message}{why}")).exit(74).check();
    let run = dry().args(["stocks", "-"]);
    let folder = File::open(run.home()).unwrap();
    let output = run.command().stdin(folder).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("{message}Is a directory (os error 21)\n"));
    assert_eq!(output.status.code(), Some(74));
}

fn dry_run_of(server: &Server) -> Datametrics {
    dry().args(["crypto", "BTC"]).provider("kraken", server)
}

#[test]
fn closed_standard_output_is_not_an_error() {
    let server = one_bitcoin();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = dry_run_of(&server).command().stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn full_standard_output_is_an_error() {
    let server = one_bitcoin();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = dry_run_of(&server).command().stdout(full).output().unwrap();
    let message = "error: cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), message);
    assert_eq!(output.status.code(), Some(74));
}

#[test]
fn help_reports_a_full_and_accepts_a_closed_standard_output() {
    for args in [["--help"], ["-h"], ["--version"], ["providers"]] {
        let run = Datametrics::new().args(args);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = run.command().stdout(full).output().unwrap();
        let message = "error: cannot write to standard output: No space left on device (os error 28)\n";
        assert_eq!(String::from_utf8(output.stderr).unwrap(), message, "{args:?}");
        assert_eq!(output.status.code(), Some(74), "{args:?}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run.command().stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{args:?}");
    }
}

/// The table fits a terminal of 80 columns. What a provider covers, its limits and its terms are below its row.
#[test]
fn providers_command_lists_market_keys_covers_limits_and_terms() {
    let listed = Datametrics::new().args(["providers"]).env("FINNHUB_API_KEY", "a-key").run().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "NAME           MARKET  KEYS");
    let at = |name: &str| lines.iter().position(|line| line.starts_with(name)).expect(name);
    let finnhub = at("finnhub ");
    assert_eq!(lines[finnhub], "finnhub        stocks  FINNHUB_API_KEY (set)");
    let labels = [1, 2, 3].map(|below| lines[finnhub + below].split_inclusive(": ").next().unwrap_or_default());
    assert_eq!(labels, ["    covers: ", "    limits: ", "    terms: "], "{listed}");
    assert_eq!(lines[at("coingecko ")], "coingecko      crypto  COINGECKO_API_KEY (not set, optional)");
    let rows = lines.iter().filter(|line| !line.starts_with(' '));
    assert!(rows.clone().count() > 1 && rows.clone().all(|row| row.len() <= 80), "{listed}");
}

const MISSING: &str = "error: crypto: no quote of BTC/USD: kraken has no rows at \"/result\": {\"error\":[],\"result\":{}}; `datametrics symbols BTC` looks it up\n";
const READABLE: &str =
    "warning: config.toml holds a password and others can read it: chmod 600 config.toml, or use password_file\n";
const ASKED: &str = "http://KRAKEN: HTTP 200 after <time>: BTC/USD\n";
const SENT: &str = "http://127.0.0.1:[..]: HTTP 200 after <time>: 9 points\n";
const PUSHED: &str = "pushed 9 points of 0 of 1 symbol from kraken in <time>\n";

/// A run that logs a warning, an error and further lines.
struct NoisyRun {
    kraken: Server,
    ingest: Ingest,
}

impl NoisyRun {
    fn new() -> Self {
        let kraken = one_request("GET /0/public/Ticker?pair=XBTUSD", samples::kraken(&[]));
        Self { kraken, ingest: Ingest::start(Dialect::WriteProxy) }
    }

    fn run(&self) -> Datametrics {
        let config = format!(
            "[graphite]\nurl = '{}'\nuser = '{}'\npassword = '{}'\n",
            self.ingest.url(),
            support::graphite::USER,
            support::graphite::PASSWORD
        );
        let run = Datametrics::new().config(&config).args(["crypto", "BTC", "--fields", "last"]);
        run.args(["--provider", "kraken"]).provider("kraken", &self.kraken).readable_config()
    }
}

trait Readable {
    fn readable_config(self) -> Self;
}

impl Readable for Datametrics {
    fn readable_config(self) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(self.home().join("config.toml"), readable).unwrap();
        self
    }
}

#[test]
fn log_level_follows_quiet_and_verbose() {
    let (errors, usual) = (MISSING.to_owned(), format!("{READABLE}{MISSING}"));
    let more = format!("{READABLE}{ASKED}{MISSING}{SENT}{PUSHED}");
    let most = format!(
        "{READABLE}GET http://KRAKEN/0/public/Ticker?pair=XBTUSD: HTTP 200, [..] bytes, <time>\n{MISSING}\
         POST http://127.0.0.1:[..]/graphite/***: HTTP 200, [..] bytes, <time>\n{PUSHED}"
    );
    for (args, stderr) in [
        ([].as_slice(), &usual),
        (&["-q"], &errors),
        (&["--quiet"], &errors),
        (&["-v"], &more),
        (&["-vv"], &most),
        (&["-v", "-v"], &most),
        (&["-vvv"], &most),
    ] {
        let noisy = NoisyRun::new();
        noisy.run().args(args).stderr(stderr).exit(69).check();
    }
}

#[test]
fn rust_log_overrides_quiet_and_verbose() {
    let (errors, usual) = (MISSING.to_owned(), format!("{READABLE}{MISSING}"));
    let more = format!("{READABLE}{ASKED}{MISSING}{SENT}{PUSHED}");
    for (level, args, stderr) in [
        ("off", ["-v"].as_slice(), ""),
        ("error", &["-v"], &errors),
        ("error", &["-vv"], &errors),
        ("warn", &["-vv"], &usual),
        ("info", &[], &more),
        ("info", &["-q"], &more),
        // An empty variable is unset.
        ("", &["-v"], &more),
        ("", &[], &usual),
    ] {
        let noisy = NoisyRun::new();
        noisy.run().env("RUST_LOG", level).args(args).stderr(stderr).exit(69).check();
    }
}

#[test]
fn log_lines_have_syslog_priorities_under_journald() {
    for (stream, expected) in [
        (None, ["<4>", "<6>", "<3>", "<6>", "<6>"]),
        (Some("1:1"), ["warning: ", "http:", "error: ", "http:", "pushed "]),
        (Some("journal"), ["warning: ", "http:", "error: ", "http:", "pushed "]),
    ] {
        let noisy = NoisyRun::new();
        let run = noisy.run().args(["-v"]);
        let stderr = run.home().join("stderr");
        let file = File::create(&stderr).unwrap();
        let own = file.metadata().map(|meta| format!("{}:{}", meta.dev(), meta.ino())).unwrap();
        let run = run.env("JOURNAL_STREAM", stream.unwrap_or(&own));
        let output = run.command().stderr(file).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(69), 0));
        let message = fs::read_to_string(&stderr).unwrap();
        let words = message.lines().zip(expected).filter(|(line, word)| line.starts_with(word));
        assert_eq!((words.count(), message.lines().count()), (expected.len(), expected.len()), "{message}");
    }
}

#[test]
fn terminal_run_prints_one_summary_line_unless_quiet() {
    if script_is_missing() {
        return;
    }
    for (options, expected) in [("", "pushed 14 points of 1 symbol from kraken in <time>\n"), ("-q", "")] {
        let (server, ingest) = (one_bitcoin(), Ingest::start(Dialect::WriteProxy));
        let script = script().provider("kraken", &server).graphite(&ingest);
        assert_eq!(terminal_output(&script, &format!("crypto BTC {options}")), (expected.to_owned(), Some(0)));
    }
}

const SINGLE: &str = "
    [providers.single]
    market = 'crypto'
    base_url = 'http://127.0.0.1:9'
    symbol = '{base}'
    quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
";

#[test]
fn terminal_run_shows_for_whom_it_waits() {
    if script_is_missing() {
        return;
    }
    let (server, ingest) = (Server::with(|_| Reply::json(r#"{"last":1}"#)), Ingest::start(Dialect::WriteProxy));
    let script = script().provider("single", &server).graphite(&ingest);
    fs::write(script.home().join("single.toml"), SINGLE).unwrap();
    let line = "crypto A --config single.toml --provider single --fields last";
    let (raw, code) = raw_terminal_output(&script, 0, line);
    let server = server.address().to_string();
    let ingest = ingest.server().address().to_string();
    let lines: Vec<&str> = raw.split('\r').collect();
    let expected = [
        "",
        &format!("0 of 1 requests done, waiting for {server}\u{1b}[K"),
        "1 of 1 requests done\u{1b}[K",
        &format!("1 of 2 requests done, waiting for {ingest}\u{1b}[K"),
        "2 of 2 requests done\u{1b}[K",
        "\u{1b}[Kpushed 10 points of 1 symbol from single in <time>\n",
    ];
    assert_eq!((lines, code), (expected.to_vec(), Some(0)));
    let (narrow, _) = raw_terminal_output(&script, 20, line);
    assert!(narrow.starts_with("\r0 of 1 requests don\u{1b}[K\r"), "{narrow:?}");
    assert_eq!(raw_terminal_output(&script, 0, &format!("{line} -q")), (String::new(), Some(0)));
}

#[test]
fn terminal_colours_are_disabled_by_no_color() {
    if script_is_missing() {
        return;
    }
    let script = script().env("TERM", "xterm");
    let (coloured, code) = terminal_output(&script, "stoks");
    assert!(coloured.contains("\u{1b}[") && code == Some(2), "{coloured:?}");
    let (plain, code) = terminal_output(&script.env("NO_COLOR", "1"), "stoks");
    assert!(plain.contains("'stoks'") && !plain.contains('\u{1b}') && code == Some(2), "{plain:?}");
}
