//! `datametrics check`: where every setting came from, and whether the servers that the settings name can be
//! reached.

use crate::support::{
    self, Carbon, Datametrics, Dialect, Ingest, Output, Reply, Server,
    journal::Journal,
    samples::{CRYPTO, STOCKS, kraken, yahoo},
    terminal::{script, script_is_missing, terminal_output},
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    process::Stdio,
};

/// Two crypto symbols at two exchanges, and two stocks.
const CONFIG: &str = "
[crypto]
symbols = ['BTC/USD', 'ETH/USD']
fields = ['last']
[stocks]
providers = ['yahoo']
symbols = ['AMZN', 'AAPL']
fields = ['last']
";

struct Setup {
    kraken: Server,
    coinbase: Server,
    yahoo: Server,
    ingest: Ingest,
}

impl Setup {
    fn new() -> Self {
        Self {
            kraken: Server::with(|_| kraken(&CRYPTO[..1])),
            coinbase: Server::with(|_| Reply::json(r#"{"price":"65601.5","last":"65601.5"}"#)),
            yahoo: Server::with(|_| yahoo(&STOCKS[..1])),
            ingest: Ingest::start(Dialect::WriteProxy),
        }
    }

    fn check(&self) -> Datametrics {
        self.without_graphite().graphite(&self.ingest)
    }

    fn without_graphite(&self) -> Datametrics {
        let run = Datametrics::new().config(CONFIG).args(["check", "--retries", "0"]);
        let run = run.env("DATAMETRICS_STATE_DIR", "state");
        run.provider("kraken", &self.kraken).provider("coinbase", &self.coinbase).provider("yahoo", &self.yahoo)
    }
}

/// The findings: the lines below the table of settings.
fn findings(output: &Output) -> Vec<String> {
    let (_, findings) = output.stdout.split_once("\n\n").unwrap_or_else(|| panic!("{output}"));
    findings.lines().map(support::normalise::times).collect()
}

/// The rows of the table of settings: name, value and origin.
fn settings(output: &Output) -> Vec<[String; 3]> {
    let (table, _) = output.stdout.split_once("\n\n").unwrap_or_else(|| panic!("{output}"));
    let head = table.lines().next().unwrap();
    let (value, from) = (head.find("VALUE").unwrap(), head.find("FROM").unwrap());
    let cut = |line: &str| [&line[..value], &line[value..from], &line[from..]].map(|cell| cell.trim().to_owned());
    table.lines().skip(1).map(cut).collect()
}

#[track_caller]
fn lists(output: &Output, name: &str, value: &str, from: &str) {
    let rows = settings(output);
    let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no {name} in {output}"));
    assert_eq!((row[1].as_str(), row[2].as_str()), (value, from), "{name}");
}

#[track_caller]
fn reports(output: &Output, code: i32, line: &str) {
    assert_eq!(output.code, Some(code), "{output}");
    assert!(findings(output).iter().any(|found| found == line), "{line}\nis not in\n{output}");
}

#[test]
fn check_tries_every_provider_once_with_one_symbol() {
    for dialect in [Dialect::WriteProxy, Dialect::Gateway] {
        let setup = Setup { ingest: Ingest::start(dialect), ..Setup::new() };
        let output = setup.check().run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
        let expected = [
            "ok      state directory: state can be written; 0 points in the journal".to_owned(),
            format!("ok      graphite: {} takes points from us, <time>", setup.ingest.server().url()),
            "ok      kraken (crypto): BTC/USD last 65600.10, <time>".to_owned(),
            "ok      coinbase (crypto): BTC/USD last 65601.5, <time>".to_owned(),
            "ok      yahoo (stocks): AMZN last 230, <time>".to_owned(),
        ];
        assert_eq!(findings(&output), expected);
        let pushed = setup.ingest.server().requests();
        assert_eq!((pushed.len(), pushed[0].text()), (1, "[]"));
        assert_eq!(pushed[0].header("Authorization"), Some("Basic MTIzNDU2OmdsY19zZXNhbWU="));
        assert!(setup.ingest.points().is_empty());
        assert_eq!(setup.kraken.request_lines(), ["GET /0/public/Ticker?pair=XBTUSD"]);
        assert_eq!(setup.yahoo.request_lines(), ["GET /v7/finance/spark?symbols=AMZN&range=1d&interval=5m"]);
        assert_eq!(setup.coinbase.request_lines().len(), 1);
    }
}

/// The line that says who is waited for is gone before the findings come.
#[test]
fn check_at_a_terminal_begins_its_findings_on_a_line_of_their_own() {
    if script_is_missing() {
        return;
    }
    let setup = Setup::new();
    let run = script().provider("kraken", &setup.kraken).provider("yahoo", &setup.yahoo).graphite(&setup.ingest);
    let run = run.env("DATAMETRICS_STATE_DIR", "state");
    fs::write(run.home().join("c.toml"), CONFIG.replace("[crypto]", "[crypto]\nproviders = ['kraken']")).unwrap();
    let (output, code) = terminal_output(&run, "check --config c.toml");
    let (_, findings) = output.split_once("\n\n").expect("a table and findings");
    let expected = format!(
        "ok      state directory: state can be written; 0 points in the journal\n\
         ok      graphite: {} takes points from us, <time>\n\
         ok      kraken (crypto): BTC/USD last 65600.10, <time>\nok      yahoo (stocks): AMZN last 230, <time>\n",
        setup.ingest.server().url()
    );
    assert_eq!((findings, code), (&*expected, Some(0)));
}

/// What waits and cannot be read is sent by no run.
#[test]
fn check_fails_where_a_file_of_the_journal_cannot_be_read() {
    let setup = Setup::new();
    let run = setup.check();
    let journal = Journal::at(&run.home().join("state"));
    let later = journal.plant(0, &["a.b"]);
    fs::write(journal.path(&later.name), "; datametrics journal 3 bf0ad3d9\nwhatever\n").unwrap();
    let output = run.run();
    assert_eq!(output.code, Some(75), "{output}");
    let said = output.stdout.lines().find(|line| line.contains("state directory")).unwrap_or_default();
    assert!(said.starts_with("FAILED  state directory: journal: state/journal/"), "{output}");
    assert!(said.ends_with("; until then points wait that no run can send"), "{output}");
}

/// No file of the journal is touched, and none is added but the lock, which every run makes.
#[test]
fn check_leaves_journal_and_state_unchanged() {
    let setup = Setup::new();
    let run = setup.check();
    let journal = Journal::at(&run.home().join("state"));
    journal.plant(0, &["a.b"]);
    let before = journal.files();
    let output = run.run();
    reports(&output, 0, "ok      state directory: state can be written; 1 point in the journal");
    assert_eq!(journal.files(), before);
    let entries = fs::read_dir(run.home().join("state")).unwrap();
    let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["journal", "lock"].map(str::to_owned)));
}

#[test]
fn check_connects_to_carbon_and_sends_nothing() {
    let carbon = Carbon::start();
    for (url, extra) in [(carbon.url(), ""), (carbon.pickle_url(), " (for pickle)")] {
        let output = Setup::new().without_graphite().env("GRAPHITE_URL", url).run();
        let message = format!(
            "ok      graphite: Carbon at {} takes connections{extra}, <time>; if a balancer stands before it, set linger \
             in [graphite], or points are lost while no Carbon is behind it; it keeps a history of more than hours only by \
             sections like those of `datametrics graphite schemas`",
            carbon.authority()
        );
        reports(&output, 0, &message);
    }
    assert!(carbon.connections().iter().all(Vec::is_empty));
    let output = Setup::new().without_graphite().env("GRAPHITE_URL", "tcp://127.0.0.1:9").run();
    assert_eq!(output.code, Some(75), "{output}");
    assert!(output.stdout.contains("FAILED  graphite: Carbon at 127.0.0.1:9: no connection ("), "{output}");
}

/// A closed exchange still answers with its last price.
#[test]
fn check_requests_a_quote_while_the_market_is_closed() {
    let setup = Setup::new();
    let holidays = support::holidays();
    let run = Datametrics::new().config(&format!("{CONFIG}market_hours = 'regular'\nclosed = {holidays}\n"));
    let run = run.provider("kraken", &setup.kraken).provider("coinbase", &setup.coinbase);
    let run = run.provider("yahoo", &setup.yahoo).graphite(&setup.ingest);
    reports(&run.clone().args(["check"]).run(), 0, "ok      yahoo (stocks): AMZN last 230, <time>");
    assert_eq!(setup.yahoo.request_lines().len(), 1);
    assert_eq!(run.args(["stocks"]).run().code, Some(0));
    assert_eq!(setup.yahoo.request_lines().len(), 1);
}

/// A check respects `min_interval` as a run does, and does not start a new interval.
#[test]
fn check_makes_no_request_within_min_interval() {
    let setup = Setup::new();
    let config = format!("{CONFIG}[providers.kraken]\nmin_interval = 3600\n");
    let base = Datametrics::new().config(&config).args(["--retries", "0"]).env("DATAMETRICS_STATE_DIR", "state");
    let base = base.provider("kraken", &setup.kraken).provider("coinbase", &setup.coinbase);
    let base = base.provider("yahoo", &setup.yahoo).graphite(&setup.ingest);
    let (check, all) = (base.clone().args(["check"]), base.args(["crypto", "BTC"]));
    for _ in 0..2 {
        reports(&check.run(), 0, "ok      kraken (crypto): BTC/USD last 65600.10, <time>");
    }
    assert_eq!(all.run().code, Some(0));
    assert_eq!(setup.kraken.request_lines().len(), 3);
    let output = check.run();
    let message = findings(&output).into_iter().find(|line| line.contains("kraken")).unwrap();
    assert!(
        message.starts_with("ok      kraken (crypto): not due: kraken is not to be asked for another "),
        "{message}"
    );
    assert!(message.ends_with(" (min_interval)"), "{message}");
    assert_eq!(setup.kraken.request_lines().len(), 3);
}

/// A check makes one request to a provider that several feeds use.
#[test]
fn check_requests_one_quote_from_a_provider_of_several_feeds() {
    let setup = Setup::new();
    let more = "[feeds.more]\nproviders = ['kraken']\nsymbols = ['ETH/USD']\n";
    let run = Datametrics::new().config(&format!("{CONFIG}{more}")).args(["check"]);
    let run = run.provider("kraken", &setup.kraken).provider("coinbase", &setup.coinbase);
    let output = run.provider("yahoo", &setup.yahoo).graphite(&setup.ingest).run();
    reports(&output, 0, "ok      kraken (crypto): BTC/USD last 65600.10, <time>");
    assert_eq!(setup.kraken.request_lines().len(), 1);
}

#[test]
fn check_exits_with_1_where_one_of_several_providers_fails() {
    let setup = Setup { kraken: Server::with(|_| Reply::text(503, "maintenance")), ..Setup::new() };
    let output = setup.check().run();
    let hint = "-vv shows what is asked, `datametrics providers kraken` how";
    reports(
        &output,
        1,
        &format!("FAILED  kraken (crypto): BTC/USD: HTTP 503: maintenance; the next run asks again; {hint}"),
    );
    reports(&output, 1, "ok      coinbase (crypto): BTC/USD last 65601.5, <time>");
}

/// Missing fields are reported, but are no failure: another provider may have them.
#[test]
fn check_passes_a_provider_that_lacks_one_of_the_fields() {
    let lacking = Server::with(|_| kraken(&[("XXBTZUSD", "null")]));
    let setup = Setup { kraken: lacking, ..Setup::new() };
    let output = setup.check().args(["--fields", "high,last", "--provider", "kraken,yahoo"]).run();
    reports(&output, 0, "ok      kraken (crypto): BTC/USD high 660.90 (no last), <time>");
}

#[test]
fn check_fails_where_a_provider_lacks_the_first_field() {
    let lacking = Server::with(|_| kraken(&[("XXBTZUSD", "null")]));
    let output = Setup { kraken: lacking, ..Setup::new() }.check().args(["--fields", "last,high"]).run();
    let hint = "-vv shows what is asked, `datametrics providers kraken` how";
    reports(
        &output,
        1,
        &format!("FAILED  kraken (crypto): no last of BTC/USD: kraken has no number at \"/c/0\" (\"null\"); {hint}"),
    );
}

#[test]
fn check_fails_where_a_provider_does_not_know_the_symbol() {
    let setup = Setup { yahoo: Server::with(|_| yahoo(&STOCKS[1..])), ..Setup::new() };
    let output = setup.check().run();
    let hint = "-vv shows what is asked, `datametrics providers yahoo` how";
    reports(
        &output,
        1,
        &format!(
            "FAILED  yahoo (stocks): no quote of AMZN: yahoo has none among 2 rows at \"/spark/result\" (NFLX, AAPL); `datametrics symbols AMZN` looks it up; {hint}"
        ),
    );
}

#[test]
fn check_exits_with_69_where_all_providers_fail() {
    let busy = || Server::with(|_| Reply::status(503));
    let setup = Setup { kraken: busy(), coinbase: busy(), yahoo: busy(), ..Setup::new() };
    let output = setup.check().run();
    assert_eq!(output.code, Some(69), "{output}");
    assert_eq!(findings(&output).iter().filter(|line| line.starts_with("FAILED")).count(), 3);
}

#[test]
fn check_reports_every_kind_of_failure_of_graphite() {
    for (reply, code, message) in [
        (Reply::text(401, "who?"), 77, "127.0.0.1 refused the credentials: HTTP 401: who? "),
        (Reply::status(302).header("Location", "/login"), 77, "127.0.0.1 refused the credentials: HTTP 302, "),
        (Reply::text(503, "busy"), 75, "127.0.0.1 answered HTTP 503: busy"),
        (Reply::text(500, "broken"), 75, "127.0.0.1 answered HTTP 500: broken"),
        (Reply::text(400, "no"), 75, "127.0.0.1 answered HTTP 400: no"),
        (Reply::text(404, "no"), 75, "127.0.0.1 takes no points there: HTTP 404: no; is GRAPHITE_URL right? "),
        (Reply::text(200, "welcome"), 75, "127.0.0.1 takes no points there: its answer does not say "),
        (Reply::json(r#"{"published":1}"#), 75, "127.0.0.1 takes no points there: its answer does not say "),
    ] {
        let server = Server::start();
        server.on("POST /metrics").reply(reply);
        let setup = Setup::new();
        let output = setup.without_graphite().env("GRAPHITE_URL", format!("{}/metrics", server.url())).run();
        assert_eq!(output.code, Some(code), "{output}");
        assert!(output.stdout.contains(&format!("FAILED  graphite: {message}")), "{message}: {output}");
    }
}

/// The check goes on where a setting is missing.
#[test]
fn check_reports_missing_settings_and_tries_the_rest() {
    let setup = Setup::new();
    let output = setup.without_graphite().run();
    let where_to = "set it, or url in [graphite] of config.toml, to https://HOST/graphite/metrics or tcp://HOST:2003; \
                    --dry-run prints them instead";
    reports(
        &output,
        78,
        &format!("FAILED  graphite: GRAPHITE_URL: is not set, so the points have nowhere to go: {where_to}"),
    );
    reports(&output, 78, "ok      yahoo (stocks): AMZN last 230, <time>");
    let output = setup.check().env("DATAMETRICS_STOCKS_PROVIDERS", "yahoo,finnhub,alpaca").args(["-v"]).run();
    let key = "FINNHUB_API_KEY: is not set, and finnhub needs it (or FINNHUB_API_KEY_FILE)";
    reports(&output, 78, &format!("FAILED  finnhub: {key}"));
    reports(&output, 78, "ok      yahoo (stocks): AMZN last 230, <time>");
    lists(&output, "FINNHUB_API_KEY", "not set", "default");
    let output =
        setup.check().env("DATAMETRICS_STOCKS_PROVIDERS", "finnhub").env("FINNHUB_API_KEY_FILE", "./gone").run();
    reports(
        &output,
        74,
        "FAILED  finnhub: FINNHUB_API_KEY_FILE: cannot read ./gone: No such file or directory (os error 2)",
    );
}

#[test]
fn check_fails_without_a_writable_state_directory() {
    let setup = Setup::new();
    let run = setup.check();
    fs::write(run.home().join("state"), "a file").unwrap();
    let what_to_do = "make it writable, or name another in DATAMETRICS_STATE_DIR";
    let output = run.run();
    let message = format!("FAILED  state directory: cannot write in state: File exists (os error 17); {what_to_do}");
    reports(&output, 1, &message);
    assert_eq!(output.stderr, "");
    let output = run.env("DATAMETRICS_STATE_DIR", "").env("HOME", "").run();
    let message = "no variable says where it is, so there is no journal: set DATAMETRICS_STATE_DIR";
    reports(&output, 1, &format!("FAILED  state directory: {message}"));
    let output = setup.check().env("DATAMETRICS_STATE_DIR", "").env("HOME", "").args(["--no-journal"]).run();
    reports(&output, 0, "ok      state directory: there is none, and no journal is wanted");
}

/// The errors are the same as those of a run.
#[test]
fn check_ends_with_an_error_where_a_setting_is_invalid() {
    let check = || Datametrics::new().args(["check"]);
    let message = "error: DATAMETRICS_RETRIES: must be a whole number from 0 to 100\n";
    check().env("DATAMETRICS_RETRIES", "x").stderr(message).exit(78).check();
    let message = "error: DATAMETRICS_PING_URL: must be an http or https URL\n";
    check().env("DATAMETRICS_PING_URL", "ftp://hc-ping.com/x").stderr(message).exit(78).check();
    let message = "error: --dry-run: is no part of a check, which pushes nothing: leave it out\n";
    check().args(["--dry-run"]).stderr(message).exit(2).check();
    let message = "error: config.toml:2: graphite.intervall: unknown key; did you mean \"interval\"?\n";
    check().config("[graphite]\nintervall = 1\n").stderr(message).exit(78).check();
    check().args(["--crypto"]).stderr("error: [..]\n...").exit(2).check();
}

/// Whoever mends a config wants to know all of it at once. Of a section the first error is said.
#[test]
fn check_says_what_is_wrong_in_every_section() {
    let config = "[graphite]\ninterval = 0\n[journal]\nmax_age = 'x'\n[mirrors.cellar]\nurl = 'udp://h'\n\
        [providers.krakn]\nbatch = 1\n";
    let output = Datametrics::new().config(config).env("DATAMETRICS_RETRIES", "x").args(["check"]).run();
    let wrong = ["config.toml:2:", "config.toml:6:", "config.toml:7:", "DATAMETRICS_RETRIES:", "config.toml:4:"];
    let said: Vec<_> = output.stderr.lines().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect();
    assert_eq!((output.code, said), (Some(78), wrong.to_vec()), "{output}");
    // A run ends with the first error.
    let output = Datametrics::new().config(config).args(["crypto", "--dry-run"]).run();
    assert_eq!((output.code, output.stderr.lines().count()), (Some(78), 1), "{output}");
}

#[test]
fn check_reports_that_standard_output_is_full() {
    let setup = Setup::new();
    let run = setup.check();
    let mut command = run.command();
    let output = command.stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap())).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error: cannot write to standard output: "), "{message}");
}

#[test]
fn check_lists_value_and_origin_of_every_setting() {
    let setup = Setup::new();
    let run = Datametrics::new().config(
        "\
[graphite]
prefix = 'home'
interval = 30
tags = { env = 'home' }
[journal]
max_age = 60
[crypto]
providers = ['kraken']
symbols = ['BTC/USD']
[stocks]
symbols = []
[[alert]]
symbol = 'BTC/USD'
below = 5
",
    );
    fs::write(run.home().join("password"), "glc_sesame\n").unwrap();
    let url = setup.ingest.url();
    let run = run.args(["check", "--interval", "20", "--no-journal"]).provider("kraken", &setup.kraken);
    let run = run.env("GRAPHITE_URL", url).env("GRAPHITE_USER", "123456").env("GRAPHITE_PASSWORD_FILE", "password");
    let run = run.env("DATAMETRICS_TIMEOUT", "20").env("DATAMETRICS_CRYPTO_FIELDS", "last,high");
    let run = run.env("HTTPS_PROXY", "http://u:sesame@127.0.0.1:9");
    let output = run.args(["--ping-url", "https://hc-ping.com/sesame"]).run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    lists(&output, "--config", "config.toml", "--config");
    lists(&output, "graphite.url", &format!("{}/graphite/metrics", setup.ingest.server().url()), "GRAPHITE_URL");
    lists(&output, "graphite.user", "123456", "GRAPHITE_USER");
    lists(&output, "GRAPHITE_PASSWORD", "set", "GRAPHITE_PASSWORD_FILE");
    lists(&output, "graphite.prefix", "home", "config.toml:2");
    lists(&output, "graphite.interval", "20", "--interval");
    lists(&output, "graphite.tags", "env = home", "config.toml:4");
    lists(&output, "journal.max_age", "60", "config.toml:6");
    lists(&output, "crypto.providers", "kraken", "config.toml:8");
    lists(&output, "crypto.fields", "last,high", "DATAMETRICS_CRYPTO_FIELDS");
    lists(&output, "stocks.symbols", "none", "config.toml:11");
    lists(&output, "alert", "below = 5, symbol = BTC/USD", "config.toml:12");
    lists(&output, "providers.kraken.base_url", &setup.kraken.url(), "DATAMETRICS_KRAKEN_BASE_URL");
    lists(&output, "--timeout", "20", "DATAMETRICS_TIMEOUT");
    lists(&output, "--no-journal", "true", "--no-journal");
    lists(&output, "--ping-url", "set", "--ping-url");
    lists(&output, "HTTPS_PROXY", "http://127.0.0.1:9", "HTTPS_PROXY");
    assert!(!output.stdout.contains("sesame"), "{output}");
}

/// Also what a config adds to a definition, or says of a server for each symbol. Headers may hold a key.
#[test]
fn check_lists_the_keys_of_providers_in_the_config() {
    let config = "\
[feeds.plugs]
providers = ['plug']
[providers.kraken]
per_second = 2
rename = { BTC = 'XBT' }
headers = { X-Key = '{option:key}', X-Other = 'sesame' }
options = { key = 'sesame' }
[providers.plug]
market = 'other'
base_url = { desk = 'http://127.0.0.1:9/sesame', rack = 'http://127.0.0.2:9' }
[[providers.plug.quote]]
path = '/'
document = true
fields = { last = '/l' }
";
    let run = Datametrics::new().config(config).args(["check", "--offline"]);
    let output = run.run();
    lists(&output, "providers.kraken.per_second", "2", "config.toml:4");
    lists(&output, "providers.kraken.rename", "BTC = XBT", "config.toml:5");
    let urls = "desk = http://127.0.0.1:9/***, rack = http://127.0.0.2:9";
    lists(&output, "providers.plug.base_url", urls, "config.toml:10");
    assert!(!output.stdout.contains("sesame"), "{output}");
}

/// The table lists every setting of docs/SETTINGS.md, and that page has every setting of the table.
#[test]
fn check_and_the_page_of_settings_list_the_same() {
    let page = include_str!("../docs/SETTINGS.md");
    let (_, table) = page.split_once("| flag | variable |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 15);
    let names = listed_names();
    let words = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).map(|word| word.split(' ').next().unwrap().to_owned()).collect()
    };
    let is_listed = |word: &str| {
        let bare = word.trim_start_matches('[').trim_end_matches(']');
        let is = |name: &String| {
            name == bare || name.ends_with(&format!(".{bare}")) || name.starts_with(&format!("{bare}."))
        };
        names.iter().any(is)
    };
    for row in &rows {
        let cells: Vec<&str> = row.split('|').collect();
        let (flags, keys) = (words(cells[1]), words(cells[3]));
        if flags.iter().any(|flag| flag == "--dry-run") {
            continue;
        }
        let all = if keys.is_empty() { flags } else { keys };
        assert!(!all.is_empty() && all.iter().all(|word| is_listed(word)), "{row}\n{names:?}");
    }
    for name in &names {
        let name = &name.replace(".coinbase.", ".kraken.").replace(".yahoo.", ".kraken.").replace(".cnbc.", ".kraken.");
        let last = name.rsplit('.').next().unwrap();
        let is_there = [name, &format!("`{last}`"), &format!("`_{}`", last.to_uppercase())]
            .iter()
            .any(|word| page.contains(word.as_str()));
        assert!(is_there, "{name} is not in docs/SETTINGS.md");
    }
}

/// The table lists every key that the config accepts. An error about an unknown key names the known ones.
#[test]
fn check_lists_every_key_that_the_config_accepts() {
    let names = listed_names();
    let feed = "providers = ['kraken']\nsymbols = ['BTC/USD']\n";
    for (section, more) in [("graphite", ""), ("journal", ""), ("crypto", ""), ("stocks", ""), ("feeds.fx", feed)] {
        let config = format!("[{section}]\n{more}'0000000000' = 1\n");
        let output = Datametrics::new().config(&config).args(["all", "--dry-run"]).run();
        let (_, known) = output.stderr.trim().split_once("unknown key; known: ").unwrap_or_else(|| panic!("{output}"));
        for key in known.split(", ") {
            assert!(names.contains(&format!("{section}.{key}")), "{section}.{key} is not among {names:?}");
        }
    }
}

/// What nobody set is counted, and listed at `-v`.
#[test]
fn defaults_are_listed_at_v() {
    let setup = Setup::new();
    let output = setup.check().run();
    let rows = settings(&output);
    let [more, what, how] = rows.last().expect("a row");
    let count: usize = more.strip_suffix(" more").and_then(|count| count.parse().ok()).expect("a number");
    assert_eq!((what.as_str(), how.as_str()), ("default or not set", "-v shows them"));
    let listed = |output: &Output| settings(output).iter().filter(|[.., from]| from == "default").count();
    assert_eq!(listed(&output), 0, "{output}");
    lists(&output, "crypto.fields", "last", "config.toml:4");
    let output = setup.check().args(["-v"]).run();
    assert_eq!((listed(&output), settings(&output).len()), (count, rows.len() - 1 + count));
    lists(&output, "graphite.password", "not set", "default");
    lists(&output, "journal.max_bytes", "67108864", "default");
    // A config that is found by itself is no default.
    let run = Datametrics::new().args(["check", "--offline"]);
    let path = run.home().join(".config/datametrics/config.toml");
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, "[graphite]\nurl = 'tcp://127.0.0.1:9'\n").expect("a config");
    assert_eq!(settings(&run.run())[0][0], "--config");
}

#[test]
fn offline_check_asks_nobody() {
    let setup = Setup::new();
    let output = setup.check().args(["--offline"]).run();
    assert_eq!((output.code, findings(&output).len()), (Some(0), 1), "{output}");
    assert!(findings(&output)[0].starts_with("ok      state directory: "), "{output}");
    for server in [&setup.kraken, &setup.coinbase, &setup.yahoo, setup.ingest.server()] {
        assert_eq!(server.requests().len(), 0);
    }
    // What needs no network is found all the same.
    let output = setup.without_graphite().env("DATAMETRICS_STOCKS_PROVIDERS", "finnhub").args(["--offline"]).run();
    reports(
        &output,
        78,
        "FAILED  finnhub: FINNHUB_API_KEY: is not set, and finnhub needs it (or FINNHUB_API_KEY_FILE)",
    );
    assert!(output.stdout.contains("FAILED  graphite: GRAPHITE_URL: is not set, "), "{output}");
}

/// The names of all settings, for a config with a feed of its own.
fn listed_names() -> BTreeSet<String> {
    let config = "
        [mirrors.NAME]
        url = 'tcp://127.0.0.1:9'
        [feeds.fx]
        providers = ['kraken']
        symbols = ['BTC/USD']";
    let run = Datametrics::new()
        .config(config)
        .args(["check", "-v", "--retries", "0"])
        .env("HTTPS_PROXY", "http://127.0.0.1:9");
    settings(&run.run()).into_iter().map(|[name, ..]| name).collect()
}

/// A check asks each provider for one symbol, so it needs no copy of a long list.
#[test]
fn a_check_of_many_providers_needs_little_memory_for_a_long_list() {
    const PROVIDERS: usize = 20;
    let server = Server::with(|_| Reply::hang());
    let list = |count: usize| (0..count).map(|item| format!("'N{item}'")).collect::<Vec<_>>().join(",");
    let quote = "[{ path = '/{symbols}', fields = { last = '/last' } }]";
    let provider =
        |name| format!("[providers.N{name}]\nmarket = 'other'\nbase_url = '{}'\nquote = {quote}\n", server.url());
    let config = format!(
        "[crypto]\nsymbols = []\n[stocks]\nsymbols = []\n[feeds.long]\nproviders = [{}]\nsymbols = [{}]\n{}",
        list(PROVIDERS),
        list(100_000),
        (0..PROVIDERS).map(provider).collect::<Vec<_>>().concat()
    );
    let running = Datametrics::new().config(&config).args(["check", "--graphite-url", "tcp://127.0.0.1:1"]).spawn();
    server.wait_for(PROVIDERS);
    let peak = running.peak_memory();
    running.kill();
    assert!(peak.is_none_or(|kib| kib < 80 << 10), "{peak:?} KiB");
}

/// Twelve requests an hour while the feed is due each five minutes, and limits in the definition's words.
#[test]
fn a_verbose_check_says_what_runs_send_in_a_month() {
    let config = "[crypto]\nproviders = ['kraken']\nsymbols = ['BTC/USD']\nfields = ['last', 'low']\ninterval = 300\n\
                  [stocks]\nsymbols = []\n[providers.kraken]\nlimits = 'a thousand a day'\n\
                  remaining = { header = 'x-left' }\n";
    let check = |verbose: &[&str]| {
        let run = Datametrics::new().config(config).args(["check", "--retries=0", "--timeout=5"]).args(verbose);
        run.env("DATAMETRICS_KRAKEN_BASE_URL", "http://127.0.0.1:9").env("GRAPHITE_URL", "tcp://127.0.0.1:9").run()
    };
    let (said, silent) = (check(&["-v"]).stdout, check(&[]).stdout);
    for line in [
        "ok      kraken in a month: 8640 requests, those of retries not counted; its limits: a thousand a day\n",
        // 43,200 runs with 7 points each, and 8,640 with 2 prices and 5 points about kraken: of 14 names.
        "ok      graphite in a month: about 362880 points of 14 series, those about runs included; a free account of Grafana Cloud has 10000 series\n",
    ] {
        assert!(said.contains(line), "{said}");
        assert!(!silent.contains(line), "{silent}");
    }
}
