//! `datametrics providers NAME --reply FILE`: definitions are tried and begun without a network.

use crate::support::{Datametrics, Output};
use std::fs;

const ROWS: &str =
    r#"{"ok":1,"data":[{"name":"attic","temp":"21.5","hum":40},{"name":"cellar","temp":"12.5","hum":60}]}"#;

fn with_reply(run: Datametrics, body: &str, symbols: &[&str]) -> Output {
    fs::write(run.home().join("reply.json"), body).expect("a file");
    run.args(["providers", "house", "--reply", "reply.json"]).args(symbols).run()
}

/// A name that is new is why a definition is begun, so nothing is said about it.
#[test]
fn new_name_is_no_mistake() {
    let run = |body: &str| Datametrics::new().args(["providers", "krakn", "--reply", "-"]).stdin(body).run();
    assert_eq!(run("{}").stderr, "");
    assert_eq!(run("no").stderr.lines().count(), 1);
}

/// A definition that the program begins for this reply.
fn begun(body: &str) -> String {
    let output = with_reply(Datametrics::new(), body, &[]);
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    output.stdout
}

#[test]
fn a_definition_is_tried_on_a_saved_reply() {
    let config = "
        [providers.house]
        market = 'other'
        base_url = 'https://house.example'
        headers = { X-Key = '{secret:HOUSE_KEY}' }
        [[providers.house.quote]]
        path = '/rooms?of={symbols}'
        rows = '/data'
        key = '/name'
        fields = { temp = '/temp', wet = ['/wet', '/hum'] }
    ";
    let output = with_reply(Datametrics::new().config(config), ROWS, &["attic", "hall"]);
    assert_eq!(output.stdout, "attic  temp  21.5\nattic  wet   40\n");
    let said = "as a reply to GET https://house.example/rooms?of=attic,hall\n\
                attic: temp: 21.5 from \"/temp\"\n\
                attic: wet: 40 from \"/hum\"\n\
                error: no quote of hall: has none among 2 rows at \"/data\" (attic, cellar)\n";
    assert_eq!((output.stderr.as_str(), output.code), (said, Some(1)));
    let output = with_reply(Datametrics::new().config(config).args(["-q"]), ROWS, &["hall"]);
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count(), output.code), ("", 1, Some(69)));
    let output = with_reply(Datametrics::new().config(config), ROWS, &[]);
    let message = "error: SYMBOL: is missing: name what the reply of house is about\n";
    assert_eq!((output.stderr.as_str(), output.code), (message, Some(2)));
}

#[test]
fn a_reply_may_come_from_standard_input_and_say_what_is_wrong() {
    let read = |body: &str| Datametrics::new().args(["providers", "kraken", "--reply", "-", "xbt"]).stdin(body).run();
    let output = read(r#"{"error":[],"result":{"XXBTZUSD":{"c":["64210.5","1"],"o":"64000"}}}"#);
    assert_eq!((output.stdout.as_str(), output.code), ("BTC/USD  last  64210.5\nBTC/USD  open  64000\n", Some(0)));
    let config = "[crypto]\ncurrency = 'eur'\n";
    let run = Datametrics::new().config(config).args(["providers", "kraken", "--reply", "-", "btc"]);
    let output = run.stdin(r#"{"error":[],"result":{"XXBTZEUR":{"c":["60210.5","1"]}}}"#).run();
    assert_eq!((output.stdout.as_str(), output.code), ("BTC/EUR  last  60210.5\n", Some(0)), "{output}");
    let run = Datametrics::new().args(["providers", "kraken", "--reply", "-", "btc,BTCUSDT"]);
    let output = run.stdin("{}").run();
    assert!(output.stderr.contains("SYMBOL: ") && output.stderr.contains("BTC/USDT"), "{output}");
    for (body, said) in [
        ("<html>", "the reply is HTML, not JSON: <html>"),
        (r#"{"error":["EQuery:Unknown asset pair"]}"#, "EQuery:Unknown asset pair"),
        ("", "the reply is empty"),
    ] {
        let output = read(body);
        assert!(output.stderr.contains(&format!("error: no quote of BTC/USD: {said}")), "{output}");
        assert_eq!((output.stdout.as_str(), output.code), ("", Some(69)));
    }
}

/// What is printed is a config, which then gives the numbers of the reply.
#[test]
fn a_definition_is_begun_from_a_reply_and_reads_it() {
    let place = r#"{"coord":{"lon":13.4},"weather":[{"id":800,"main":"Clear"}],"main":{"temp":21.5,"pm2.5":3},"name":"Berlin",
        "on":true,"gas":"0x1f","sum":"1,200.5","none":null,"a/b":{"{c}":1},"main_temp":2}"#;
    let by_name = r#"{"attic":{"temp":21.5,"s":"x"},"cellar":{"temp":12,"s":"y"}}"#;
    let many: Vec<String> = (0..60).map(|n| format!(r#""X{n}":"{n}.5""#)).collect();
    let many = many.join(",");
    let rates = format!(r#"{{"result":"success","time":1,"rates":{{"AED":4.29,{many},"NPR":165.1,"USD":1.16}}}}"#);
    for (body, symbols, table) in [
        (
            place,
            [].as_slice(),
            "house  a_b_c        1\nhouse  coord_lon    13.4\nhouse  gas          31\nhouse  main_pm2_5   3\n\
             house  main_temp    21.5\nhouse  main_temp_2  2\nhouse  on           1\nhouse  sum          1200.5\n\
             house  weather_id   800\n",
        ),
        (ROWS, &["cellar"], "cellar  hum   60\ncellar  temp  12.5\n"),
        (by_name, &["cellar"], "cellar  temp  12\n"),
        (&rates, &["NPR"], "NPR  last  165.1\n"),
    ] {
        let config = begun(body);
        let output = with_reply(Datametrics::new().config(&config), body, symbols);
        assert_eq!((output.stdout.as_str(), output.code), (table, Some(0)), "{config}\n{output}");
        // The feed is complete, so only the server is missing.
        let dry = Datametrics::new().config(&config).args(["--feed", "house", "--dry-run", "--timeout", "0.01"]).run();
        assert_eq!(dry.code, Some(69), "{dry}");
    }
    assert!(begun(ROWS).contains("symbols = [\"attic\", \"cellar\"]"));
    // Two prices may be any two things, and so may words in lower case.
    for few in [r#"{"AED":4.29,"USD":1.16}"#, r#"{"aed":4.29,"npr":165.1,"usd":1.16}"#] {
        assert!(begun(few).contains("document = true"));
    }
    assert!(begun("{}").contains("# No number is in the reply"));
}
