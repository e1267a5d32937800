//! `datametrics symbols`: how providers spell symbols.

use crate::support::{
    Datametrics, Reply, Server,
    terminal::{narrow_terminal_output, script, script_is_missing},
};
use std::fs;

const PAIRS: &str = r#"{"pairs":[
    {"id":"sol_eur","coin":"SOL","money":"EUR","title":"Solana / Euro","on":true},
    {"id":"xbt_eur","coin":"XBT","money":"EUR","title":"Bitcoin / Euro","on":true},
    {"id":"xbt_usd","coin":"XBT","money":"USD","title":"Bitcoin / US dollar","on":true},
    {"id":"old_usd","coin":"OLD","money":"USD","title":"Old bitcoin","on":false}]}"#;

/// A provider of one's own with a list of its symbols.
const OWN: &str = "
    [providers.own]
    market = 'crypto'
    base_url = 'https://own.example'
    headers = { X-Key = '{secret?:OWN_KEY}' }
    symbol = '{base:lower}_{quote:lower}'
    rename = { BTC = 'XBT' }
    [[providers.own.quote]]
    path = '/q?s={symbols}'
    error = '/error'
    fields = { last = '/last' }
    [providers.own.symbols]
    path = '/pairs'
    rows = '/pairs'
    key = '/id'
    base = '/coin'
    quote = '/money'
    name = '/title'
    only = { '/on' = ['true'] }
";

/// A config whose provider finds symbols by a text.
const FINDER: &str = "
    [providers.finder]
    market = 'stocks'
    base_url = 'https://finder.example'
    [[providers.finder.quote]]
    path = '/q?s={symbols}'
    fields = { last = '/last' }
    [providers.finder.symbols]
    path = '/find/{text}?x=1'
    key = '/s'
    page = 'https://finder.example/all'
";

fn own(server: &Server) -> Datametrics {
    Datametrics::new().config(OWN).provider("own", server).args(["symbols", "--provider", "own"])
}

fn replies(status: u16, body: impl Into<String>) -> Server {
    let body = body.into();
    Server::with(move |_| Reply::text(status, body.clone()))
}

#[test]
fn symbols_of_an_own_provider_are_found_by_all_texts_in_either_case() {
    let server = replies(200, PAIRS);
    let [sol, euro, dollar] = [
        "SOL/EUR\tsol_eur\tSolana / Euro\town\n",
        "BTC/EUR\txbt_eur\tBitcoin / Euro\town\n",
        "BTC/USD\txbt_usd\tBitcoin / US dollar\town\n",
    ];
    for (texts, found) in [
        ([].as_slice(), [euro, dollar, sol].concat()),
        (&["bitcoin"], [euro, dollar].concat()),
        (&["BITCOIN", "eur"], euro.to_owned()),
        (&["btc/us"], dollar.to_owned()),
        (&["XBT_U"], dollar.to_owned()),
        (&["us dollar", "btc"], dollar.to_owned()),
    ] {
        own(&server).args(texts).stdout(found).check();
    }
}

/// What is found is what a user writes, and a run asks for it in the way of the API.
#[test]
fn what_is_found_can_be_asked_for() {
    let server = Server::start();
    server.on("GET /pairs").reply(Reply::json(PAIRS));
    server.on("GET /q?s=xbt_usd").reply(Reply::json(r#"{"xbt_usd":{"last":"65600.1"}}"#));
    let found = own(&server).args(["dollar"]).run().stdout;
    let symbol = found.split('\t').next().expect("a symbol");
    let run = Datametrics::new().config(OWN).provider("own", &server);
    let output = run.args(["crypto", symbol, "--provider", "own", "--fields", "last", "--dry-run"]).run();
    assert!(output.stdout.contains(r#""name":"crypto.BTC-USD.last""#), "{output}");
}

/// Who knows the spelling needs no list.
#[test]
fn a_key_that_only_the_list_needs_is_no_matter_of_a_run() {
    let server = Server::start();
    server.on("GET /q?s=xbt_usd").reply(Reply::json(r#"{"xbt_usd":{"last":"65600.1"}}"#));
    let config = OWN.replace("'/pairs'\n    rows", "'/pairs?key={secret:LIST_KEY}'\n    rows");
    let program = Datametrics::new().config(&config).provider("own", &server);
    let run = ["crypto", "BTC/USD", "--provider", "own", "--fields", "last", "--dry-run"];
    let output = program.clone().args(run).run();
    assert!(output.stdout.contains("65600.1"), "{output}");
    let problem = "error: LIST_KEY: is not set, and own needs it (or LIST_KEY_FILE)\n";
    program.args(["symbols", "--provider", "own"]).stderr(problem).exit(78).check();
}

#[test]
fn to_find_nothing_is_exit_code_1() {
    let server = replies(200, PAIRS);
    let one = "error: no symbol was found: try a part of its name, or its code alone\n";
    own(&server).args(["dogecoin"]).stderr(one).exit(1).check();
    let two = "error: no symbol was found: each TEXT must be in one of its spellings or in its name; try fewer\n";
    own(&server).args(["bitcoin", "sol"]).stderr(two).exit(1).check();
}

#[test]
fn what_fails_is_said_and_costs_nothing_else() {
    let (good, bad) = (replies(200, PAIRS), replies(500, "down"));
    let both = Datametrics::new().config(OWN).provider("own", &good).provider("kraken", &bad);
    let both = both.args(["symbols", "--provider", "own,kraken", "--retries", "0", "sol"]);
    let failure = "error: kraken: HTTP 500: down\n";
    // One that failed may have had what was not found.
    both.clone().args(["dogecoin"]).stdout("").stderr(failure).exit(1).check();
    both.stdout("SOL/EUR\tsol_eur\tSolana / Euro\town\n").stderr(failure).exit(1).check();
    own(&bad).args(["--retries", "0"]).stderr("error: own: HTTP 500: down\n").exit(69).check();
}

/// The requests are those of a run: a request is repeated, a limit ends it, a body has a bound, a key is masked.
#[test]
fn lists_are_fetched_as_quotes_are() {
    let server = Server::start();
    server.on("GET /pairs").header("X-Key", "k3y-0f-mine").reply(Reply::text(503, "busy"));
    server.on("GET /pairs").header("X-Key", "k3y-0f-mine").reply(Reply::json(PAIRS));
    own(&server).env("OWN_KEY", "k3y-0f-mine").args(["sol"]).stdout("SOL/EUR\t[..]\n").check();
    for (status, body, said) in [
        (401, "no k3y-0f-mine", "HTTP 401: no ***; check OWN_KEY, and what the plan allows"),
        (200, r#"{"error":"asleep"}"#, "asleep"),
        (200, "{}", "the reply has no rows at \"/pairs\": {}; if this persists[..]"),
        (
            200,
            r#"{"pairs":[{"name":"A"}]}"#,
            "no symbol was found in 1 row: {\"pairs\":[{\"name\":\"A\"}]}; if this persists[..]",
        ),
        (200, "<html>", "the reply is HTML, not JSON: <html>[..]"),
        (200, &format!("\"{}\"", "x".repeat(17 << 20)), "[..]max_body[..]"),
    ] {
        let server = replies(status, body);
        let run = own(&server).env("OWN_KEY", "k3y-0f-mine").args(["--retries", "0"]);
        run.stderr(format!("error: own: {said}\n")).exit(69).check();
    }
}

/// A server may quote the key that it was sent, in what is no error too.
#[test]
fn no_key_is_in_what_is_found() {
    let long = format!("{} k3y-0f-mine", "x".repeat(90));
    let body = format!(
        r#"{{"pairs":[{{"id":"sol","coin":"SOL","money":"EUR","title":"{long}","on":"true"}},
        {{"id":"a","coin":"k3y-0f-mine","money":"EUR","on":"true"}},
        {{"id":"k3y-0f-mine","coin":"B","money":"EUR","on":"true"}},
        {{"id":"for k3y-0f-mine","coin":"a/b","money":"EUR","on":"true"}}]}}"#
    );
    let output = own(&replies(200, body)).env("OWN_KEY", "k3y-0f-mine").args(["-vv"]).run();
    assert!(output.stdout.starts_with("SOL/EUR\tsol\txxxxx"), "{output}");
    assert!(!output.stdout.to_lowercase().contains("k3y") && output.stdout.lines().count() == 1, "{output}");
    assert!(output.stderr.contains("own: for *** stands for no symbol here\n"), "{output}");
    assert!(!output.stderr.to_lowercase().contains("k3y"), "{output}");
}

/// What is longer than a symbol may be is not looked at, however many places a share's class may begin in it.
#[test]
fn long_text_that_is_no_symbol_costs_no_time() {
    let body = format!(r#"{{"quotes":[{{"symbol":"{}"}},{{"symbol":"BRK-B"}}]}}"#, "-".repeat(1 << 20));
    let server = replies(200, body);
    let yahoo = Datametrics::new().provider("yahoo", &server).args(["symbols", "--provider", "yahoo"]);
    yahoo.args(["b"]).stdout("BRK.B\tBRK-B\t\tyahoo\n").check();
}

#[test]
fn an_api_that_searches_is_asked_for_the_text_and_keeps_its_order() {
    let server = Server::start();
    let finder =
        || Datametrics::new().config(FINDER).provider("finder", &server).args(["symbols", "--provider", "finder"]);
    server.on("GET /find/b%26o%20%2Fx?x=1").reply(Reply::json(r#"[{"s":"Z"},{"s":"A"},{"s":"Z"},{"other":1}]"#));
    finder().args(["b&o", "/x"]).stdout("Z\tZ\t\tfinder\nA\tA\t\tfinder\n").check();
    let message = "error: finder: its API does not list symbols, it finds them: name a TEXT\n";
    finder().stderr(message).exit(69).check();
}

/// Every provider has a double, so that none is asked in the world.
fn all(server: &Server) -> Datametrics {
    let names = Datametrics::new().args(["providers"]).run().stdout;
    let names = names.lines().skip(1).filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    let run = names.fold(Datametrics::new().config(OWN), |run, name| run.provider(name, server));
    run.provider("own", server).args(["symbols"])
}

#[test]
fn without_a_name_all_providers_are_asked_and_the_others_are_named() {
    let server = Server::with(|request| match request.target.as_str() {
        "/pairs" => Reply::json(PAIRS),
        "/0/public/AssetPairs" => Reply::json(r#"{"result":{"SOLEUR":{"wsname":"SOL/EUR","status":"online"}}}"#),
        "/v1/symbols" => Reply::json("[\"soleur\"]"),
        _ => Reply::text(404, "no"),
    });
    let output = all(&server).args(["sol", "--retries", "0"]).run();
    let found = "SOL/EUR\tsoleur\t\tgemini\nSOL/EUR\tSOL/EUR\t\tkraken\nSOL/EUR\tsol_eur\tSolana / Euro\town\n";
    assert_eq!((output.stdout.as_str(), output.code), (found, Some(1)));
    let (left_out, failed): (Vec<_>, Vec<_>) =
        output.stderr.lines().partition(|line| line.starts_with("warning: not asked: "));
    for (name, reason) in [
        ("alpaca", "its API has no list of symbols: look in https://"),
        ("cnbc", "its API has no list of symbols: look in https://"),
        ("finnhub", "FINNHUB_API_KEY is not set)"),
        ("twelvedata", "TWELVEDATA_API_KEY is not set)"),
    ] {
        assert!(left_out.concat().contains(&format!("{name} ({reason}")), "{output}");
    }
    assert!(failed.iter().any(|line| line.starts_with("error: yahoo: ")), "{output}");
    assert_eq!(left_out.len(), 1);
    let asked = server.request_lines();
    assert!(asked.iter().any(|line| line.starts_with("GET /v1/finance/search?q=sol&")), "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains("SYMBOL_SEARCH")), "its key is not set: {asked:?}");
}

/// A key of a provider that nobody named costs the others nothing.
#[test]
fn providers_whose_keys_cannot_be_used_are_left_out_of_a_search_of_all() {
    let server = replies(200, "[\"soleur\"]");
    let keys = [("FINNHUB_API_KEY", "'k3y'"), ("TIINGO_API_KEY_FILE", "/absent"), ("TWELVEDATA_API_KEY", "k3y")];
    let run = keys.iter().fold(all(&server), |run, (name, value)| run.env(*name, value));
    let run = run.env("DATAMETRICS_TWELVEDATA_BASE_URL", "http://twelve.example");
    let output = run.clone().args(["sol", "--retries", "0"]).run();
    assert!(output.stdout.contains("SOL/EUR\tsoleur\t\tgemini\n") && output.code == Some(1), "{output}");
    for reason in [
        "finnhub (FINNHUB_API_KEY: stands between quotation marks: remove them, as they would be sent too)",
        "tiingo (TIINGO_API_KEY_FILE: cannot read /absent: No such file or directory (os error 2))",
        "twelvedata (providers.twelvedata.base_url: would send a key in the clear: use https, or set \
         allow_plaintext_credentials = true there)",
    ] {
        assert!(output.stderr.contains(reason), "{reason}\nis not in\n{output}");
    }
    let named = run.args(["sol", "--provider", "finnhub"]).run();
    assert!(named.stderr.starts_with("error: FINNHUB_API_KEY: stands between") && named.code == Some(78), "{named}");
}

#[test]
fn providers_that_cannot_be_asked_are_said() {
    let named = |name: &str| Datametrics::new().config(FINDER).args(["symbols", "x", "--provider", name]);
    let page = "error: cnbc: its API has no list of symbols: look in https://www.cnbc.com/search/\n";
    named("cnbc").stderr(page).exit(69).check();
    let key = "error: FINNHUB_API_KEY: is not set, and finnhub needs it (or FINNHUB_API_KEY_FILE)\n";
    named("finnhub").stderr(key).exit(78).check();
    let unknown = "error: --provider: provider \"krakn\" is not known; did you mean \"kraken\"?\n";
    named("krakn").stderr(unknown).exit(2).check();
    named(",").stderr("error: --provider: is empty\n").exit(2).check();
}

/// It is a look-up of a person: no run after it waits for it, and it waits for none.
#[test]
fn no_state_is_written() {
    let server = replies(200, r#"[{"id":"bitcoin","symbol":"btc","name":"Bitcoin"}]"#);
    let run = Datametrics::new().provider("coingecko", &server).args(["symbols", "--provider", "coingecko"]);
    for _ in 0..2 {
        run.clone().stdout("BTC/USD\tbtc\tBitcoin\tcoingecko\n").check();
    }
    assert_eq!(fs::read_dir(run.home()).expect("a folder").count(), 0);
}

#[test]
fn at_a_terminal_there_are_columns_that_fit() {
    if script_is_missing() {
        return;
    }
    let server = replies(200, PAIRS);
    let run = script().provider("own", &server).env("TERM", "xterm");
    fs::write(run.home().join("own.toml"), OWN).expect("a config");
    let line = "symbols --config own.toml --provider own bitcoin";
    let expected = "BTC/EUR  xbt_eur  Bitcoin / Euro       own\nBTC/USD  xbt_usd  Bitcoin / US dollar  own\n";
    assert_eq!(narrow_terminal_output(&run, 80, line), (expected.to_owned(), Some(0)));
    let expected = "BTC/EUR  xbt_eur  Bitcoin / …  own\nBTC/USD  xbt_usd  Bitcoin / …  own\n";
    assert_eq!(narrow_terminal_output(&run, 34, line), (expected.to_owned(), Some(0)));
}
