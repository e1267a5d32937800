//! What `--format` prints: tables, what is sent, and a report.

use crate::support::{
    Datametrics, Dialect, Ingest, Reply, Server, Verdict, holidays,
    journal::Journal,
    samples::{CRYPTO, KRAKEN, STOCKS, YAHOO, kraken, yahoo},
    terminal::{narrow_terminal_output, script, script_is_missing, terminal_output},
};
use std::fs::File;

/// One provider a feed.
const CONFIG: &str = "[crypto]\nproviders = ['kraken']\n[stocks]\nproviders = ['yahoo']\n";

/// Both feeds from Kraken and Yahoo, of which AAPL is missing.
fn quotes() -> [Server; 2] {
    let servers = [Server::start(), Server::start()];
    servers[0].on(KRAKEN).reply(kraken(&CRYPTO));
    servers[1].on(YAHOO).reply(yahoo(&STOCKS[..2]));
    servers
}

fn run([crypto, stocks]: &[Server; 2]) -> Datametrics {
    Datametrics::new().config(CONFIG).args(["all"]).provider("kraken", crypto).provider("yahoo", stocks)
}

const MISSING: &str = "stocks: no quote of AAPL: yahoo has none among 2 rows at \"/spark/result\" (AMZN, NFLX); `datametrics symbols AAPL` looks it up\n";

/// The ages are days, as the sample is old.
const TABLES: &str = "\
crypto from kraken
symbol             last    high     low   vwap  volume
BTC/USD  65600.10        660.90  640.10  650.5   20.25
ETH/USD   3400.25        660.90  640.10  650.5   20.25
BAT/USD      0.00007351  660.90  640.10  650.5   20.25

stocks from yahoo: 2 of 3 symbols
                             previous   change
symbol    last  high    low     close  percent    volume  age
AMZN     230    1200  200.5       200    15     41234567  [..] days
NFLX    1100.5  1200  200.5       200   450.25  41234567  [..] days
AAPL       -       -    -           -     -            -  -

no quote of AAPL: yahoo has none among 2 rows at \"/spark/result\" (AMZN, NFLX);
  `datametrics symbols AAPL` looks it up
";

#[test]
fn tables_show_quotes_and_what_is_missing() {
    let servers = quotes();
    let run = run(&servers).args(["--dry-run", "--format", "table"]).stdout(TABLES);
    run.stderr(format!("error: {MISSING}")).exit(1).check();
}

/// What a shell or the command line would read in another way is nothing to be copied.
#[test]
fn first_missing_symbol_that_can_be_copied_is_looked_up() {
    let server = Server::with(|_| yahoo(&STOCKS[..2]));
    for (symbols, end) in
        [("'A*', '-B', 'C', 'D'", "; `datametrics symbols C` looks it up\n"), ("'A*', '-B'", "NFLX)\n")]
    {
        let config = format!("[stocks]\nproviders = ['yahoo']\nsymbols = [{symbols}]\n");
        let run = Datametrics::new().config(&config).provider("yahoo", &server).args(["stocks", "--dry-run"]);
        let output = run.run();
        assert!(output.stderr.ends_with(end), "{output}");
    }
}

/// The age is for the person only.
#[test]
fn a_real_run_prints_tables_beside_its_push() {
    let (servers, ingest) = (quotes(), Ingest::start(Dialect::WriteProxy));
    let run = run(&servers).graphite(&ingest).args(["--format", "table"]).stdout(TABLES);
    run.stderr(format!("error: {MISSING}")).exit(1).check();
    let names: Vec<String> = ingest.points().into_iter().map(|point| point.name).collect();
    assert!(names.iter().any(|name| name == "stocks.NFLX.last"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("age")), "{names:?}");
}

#[test]
fn a_real_run_prints_exactly_what_it_sends() {
    let (servers, ingest) = (quotes(), Ingest::start(Dialect::WriteProxy));
    let output = run(&servers).graphite(&ingest).args(["--format", "wire"]).run();
    let bodies: String = ingest.server().requests().iter().map(|request| request.text().to_owned() + "\n").collect();
    assert_eq!(output.stdout, bodies);
}

/// A run at a terminal that has colours.
fn at_terminal([crypto, stocks]: &[Server; 2]) -> Datametrics {
    let script = script().provider("kraken", crypto).provider("yahoo", stocks).env("TERM", "xterm");
    script.env("DATAMETRICS_CRYPTO_PROVIDERS", "kraken").env("DATAMETRICS_STOCKS_PROVIDERS", "yahoo")
}

/// What is missing stands below the table, so it is no message too.
#[test]
fn a_dry_run_at_a_terminal_prints_coloured_tables() {
    const LINE: &str = "stocks AMZN AAPL --dry-run --fields last,change";
    if script_is_missing() {
        return;
    }
    let expected = "\
stocks from yahoo: 1 of 2 symbols
symbol  last  change  age
AMZN     230  \u{1b}[32m    30\u{1b}[0m  DAYS days
AAPL       -       -  -

no quote of AAPL: yahoo has none among 1 row at \"/spark/result\" (AMZN);
  `datametrics symbols AAPL` looks it up
";
    for (variable, expected) in
        [("LANG", expected.to_owned()), ("NO_COLOR", expected.replace("\u{1b}[32m", "").replace("\u{1b}[0m", ""))]
    {
        let servers = [Server::start(), Server::start()];
        servers[1].on("GET /v7/finance/spark?symbols=AMZN,AAPL&range=1d&interval=5m").reply(yahoo(&STOCKS[..1]));
        let (output, code) = terminal_output(&at_terminal(&servers).env(variable, "1"), LINE);
        let (before, after) = output.split_once(" days").unwrap_or_else(|| panic!("{output}"));
        let output = format!("{}DAYS days{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()));
        assert_eq!((output, code), (expected, Some(1)));
    }
}

#[test]
fn a_table_is_folded_to_the_width_of_the_terminal() {
    if script_is_missing() {
        return;
    }
    let servers = [Server::start(), Server::start()];
    servers[0].on(KRAKEN).reply(kraken(&CRYPTO));
    let expected = "\
crypto from kraken
symbol             last    high
BTC/USD  65600.10        660.90
ETH/USD   3400.25        660.90
BAT/USD      0.00007351  660.90

symbol      low   vwap  volume
BTC/USD  640.10  650.5   20.25
ETH/USD  640.10  650.5   20.25
BAT/USD  640.10  650.5   20.25
";
    assert_eq!(narrow_terminal_output(&at_terminal(&servers), 34, "crypto --dry-run"), (expected.to_owned(), Some(0)));
}

/// What is computed has twelve decimals, which a script may want. A price keeps all of its digits.
#[test]
fn a_table_shows_four_decimals_of_a_percentage() {
    let server =
        Server::with(|_| Reply::json(r#"{"AAA":{"l":1.1234567,"p":3,"s":12.3456789},"BBB":{"l":2,"p":1.5,"s":0.5}}"#));
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['AAA', 'BBB']\n\
        fields = ['last', 'change', 'change_percent', 'share']\n\
        [providers.own]\nmarket = 'other'\nbase_url = 'https://own.example'\nchange_from = 'previous_close'\n\
        [[providers.own.quote]]\npath = '/{symbols}'\n\
        fields = { last = '/l', previous_close = '/p', share = { at = '/s', unit = 'percent' } }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x", "--dry-run"]);
    let run = run.provider("own", &server);
    let expected = "\
x from own
                                 change
symbol       last      change   percent    share
AAA     1.1234567  -1.8765433  -62.5514  12.3457
BBB     2           0.5         33.3333   0.5
";
    run.clone().args(["--format", "table"]).stdout(expected).check();
    let output = run.args(["--format", "wire"]).run();
    assert!(output.stdout.contains("-62.551443333333"), "{output}");
}

#[test]
fn a_table_says_which_provider_gave_what() {
    let [first, second] = [Server::start(), Server::start()];
    first.on("GET /AAA,BBB,CCC").reply(Reply::json(r#"{"AAA":{"l":1,"b":2},"BBB":{"l":3.25}}"#));
    second.on("GET /BBB,CCC").reply(Reply::json(r#"{"BBB":{"l":7,"b":0.5},"CCC":{"l":8,"b":9}}"#));
    let provider = |name: &str| {
        format!(
            "[providers.{name}]\nmarket = 'other'\nbase_url = 'https://own.example'\n\
            quote = [{{ path = '/{{symbols}}', fields = {{ last = '/l', bid = '/b' }} }}]\n"
        )
    };
    let config = format!(
        "[feeds.x]\nproviders = ['first', 'second']\nsymbols = ['AAA', 'BBB', 'CCC']\nfields = ['last', 'bid']\n{}{}",
        provider("first"),
        provider("second")
    );
    let run = Datametrics::new().config(&config).args(["--feed", "x", "--dry-run", "--format", "table"]);
    let expected = "\
x
symbol  last  bid  provider
AAA     1     2    first
BBB     3.25  0.5  first, second
CCC     8     9    second
";
    run.provider("first", &first).provider("second", &second).stdout(expected).check();
}

#[test]
fn a_closed_market_is_said_in_the_table_and_in_the_line_at_a_terminal() {
    let config = format!("[stocks]\nmarket_hours = 'regular'\nclosed = {}\n", holidays());
    let closed = "stocks: closed (a day of its `closed`)";
    let run = Datametrics::new().config(&config).args(["stocks"]);
    run.args(["--dry-run", "--format", "table"]).stdout(format!("{closed}\n")).check();
    if script_is_missing() {
        return;
    }
    let ingest = Ingest::start(Dialect::WriteProxy);
    let script = script().graphite(&ingest);
    std::fs::write(script.home().join("closed.toml"), config).unwrap();
    let line = format!("pushed 5 points of 0 symbols from nobody, as nothing was due in <time>; {closed}\n");
    assert_eq!(terminal_output(&script, "stocks --config closed.toml"), (line, Some(0)));
}

/// The points have been pushed all the same.
#[test]
fn a_real_run_that_cannot_print_ends_with_74() {
    let (servers, ingest) = (quotes(), Ingest::start(Dialect::WriteProxy));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let run = run(&servers).graphite(&ingest).args(["--format", "wire"]);
    let output = run.command().stdout(full).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.ends_with("error: cannot write to standard output: No space left on device (os error 28)\n"));
    assert_eq!((output.status.code(), ingest.points().is_empty()), (Some(74), false));
}

#[test]
fn each_command_takes_only_its_own_formats() {
    for (args, message) in [
        (["check", "--format", "json"].as_slice(), "--format is for runs: leave it out"),
        (&["grafana", "dashboard", "--format", "json"], "--format is for runs: leave it out"),
        (&["--format", "json", "grafana", "alerts", "--datasource", "x"], "the --format of alert rules is file or api"),
        (&["all", "--format", "api"], "invalid value 'api' for '--format <FORMAT>'"),
    ] {
        let output = Datametrics::new().args(args).stderr(format!("error: {message}\n...")).exit(2).check();
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn a_report_says_what_came_of_feeds_providers_and_destinations() {
    let (servers, ingest) = (quotes(), Ingest::start(Dialect::WriteProxy));
    let expected = concat!(
        r#"{"version":1,"run":"all","dry_run":false,"start":"20[..]-[..]T[..]:[..]:[..]Z","duration":[..],"exit_code":1,"#,
        r#""feeds":[{"name":"crypto","due":3,"fetched":3,"missing":[],"rest":null},"#,
        r#"{"name":"stocks","due":3,"fetched":2,"missing":[{"symbol":"AAPL","field":null,"#,
        r#""reason":"yahoo has none among 2 rows at \"/spark/result\" (AMZN, NFLX)"}],"rest":null}],"#,
        r#""providers":[{"name":"kraken","requests":1,"status":200,"time":[..]},"#,
        r#"{"name":"yahoo","requests":1,"status":200,"time":[..]}],"#,
        r#""destinations":[{"name":"graphite","taken":[..],"waiting":0,"lost":0,"error":null}]}"#,
        "\n"
    );
    let run = run(&servers).graphite(&ingest).args(["--format", "json"]).stdout(expected);
    let output = run.stderr(format!("error: {MISSING}")).exit(1).check();
    let report = parse(&output.stdout);
    assert_eq!(report["destinations"][0]["taken"], ingest.points().len());
    assert!(report["duration"].as_f64().unwrap() > 0.0);
}

fn parse(report: &str) -> serde_json::Value {
    serde_json::from_str(report).expect("JSON")
}

/// The report of a run for Bitcoin at Kraken.
fn report(run: Datametrics, reply: Reply) -> serde_json::Value {
    let server = Server::start();
    server.on("GET /0/public/Ticker?pair=XBTUSD").reply(reply);
    let run = run.config(CONFIG).args(["crypto", "BTC", "--retries", "0", "--format", "json"]);
    parse(&run.provider("kraken", &server).run().stdout)
}

#[test]
fn a_report_tells_points_that_wait_from_those_that_are_lost() {
    let ingest = Ingest::start(Dialect::WriteProxy);
    ingest.fail(503);
    let destination = |report: &serde_json::Value| {
        let destination = &report["destinations"][0];
        let number = |key: &str| destination[key].as_u64().unwrap();
        assert_eq!((&report["exit_code"], destination["error"].is_string()), (&75.into(), true), "{report}");
        [number("taken"), number("waiting"), number("lost")]
    };
    let run = Datametrics::new().graphite(&ingest);
    assert_eq!(destination(&report(run.clone(), kraken(&CRYPTO[..1]))), [0, 14, 0]);
    // A run of another second has points about the push before too.
    let [taken, waiting, lost] = destination(&report(run.clone(), kraken(&CRYPTO[..1])));
    let points_in_journal: usize = Journal::of(&run).files().iter().map(|file| file.points.len()).sum();
    assert!(points_in_journal >= 28, "{points_in_journal}");
    assert_eq!((taken, waiting, lost), (0, points_in_journal as u64, 0));
    let unkept = report(run.args(["--no-journal"]), kraken(&CRYPTO[..1]));
    let [taken, waiting, lost] = destination(&unkept);
    assert!(lost >= 13, "{unkept}");
    assert_eq!((taken, waiting), (0, 0));
    let error = unkept["destinations"][0]["error"].as_str().unwrap_or_default();
    assert!(error.contains(&format!("; {lost} points are lost")), "{error}");
}

#[test]
fn a_report_counts_points_that_graphite_refused_for_good() {
    let ingest = Ingest::deciding(Dialect::Gateway, |_| Verdict::Invalid(vec![0, 1], "too odd"));
    let report = report(Datametrics::new().graphite(&ingest), kraken(&CRYPTO[..1]));
    let destination = &report["destinations"][0];
    assert_eq!((&destination["lost"], &destination["waiting"]), (&2.into(), &0.into()), "{report}");
    assert_eq!((&destination["taken"], &report["exit_code"]), (&ingest.points().len().into(), &1.into()), "{report}");
}

#[test]
fn a_report_names_failed_requests_and_feeds_that_were_not_due() {
    let failed = report(Datametrics::new().args(["--dry-run"]), Reply::status(500));
    assert_eq!(failed["exit_code"], 69);
    assert_eq!(failed["feeds"][0]["missing"][0]["symbol"], "BTC/USD");
    assert_eq!(failed["feeds"][0]["missing"][0]["reason"], "kraken: HTTP 500; the next run asks again");
    assert_eq!((&failed["providers"][0]["status"], &failed["destinations"]), (&500.into(), &serde_json::json!([])));
    let config = format!("[stocks]\nmarket_hours = 'regular'\nclosed = {}\n", holidays());
    let run = Datametrics::new().config(&config).args(["stocks", "--dry-run", "--format", "json"]);
    let feed = serde_json::json!({
        "name": "stocks", "due": 0, "fetched": 0, "missing": [], "rest": "closed (a day of its `closed`)"
    });
    assert_eq!(parse(&run.run().stdout)["feeds"][0], feed);
}

/// A named field that a symbol lacks.
#[test]
fn a_report_names_missing_fields() {
    let server = Server::with(|_| Reply::json(r#"{"l":1}"#));
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['A']\nfields = ['last', 'bid']\n\
                  [providers.own]\nmarket = 'other'\nbase_url = 'https://own.example'\n\
                  quote = [{ path = '/{symbol}', fields = { last = '/l', bid = '/b' } }]\n";
    let run = Datametrics::new().config(config).args(["--feed", "x", "--dry-run", "--format", "json"]);
    let missing = &parse(&run.provider("own", &server).run().stdout)["feeds"][0]["missing"];
    let expected = serde_json::json!([{ "symbol": "A", "field": "bid", "reason": "no provider gave it" }]);
    assert_eq!(*missing, expected);
}
