//! Definitions of one's own, for JSON APIs of all kinds.

use crate::support::{Datametrics, Reply, Server};

/// The points of a dry run that are not about the run itself, its messages and its exit code.
fn run(run: Datametrics) -> (Vec<String>, String, Option<i32>) {
    let output = run.args(["--dry-run", "--graphite-url", "tcp://127.0.0.1:9"]).run();
    let is_own = |line: &&str| !line.starts_with("metrics.");
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (output.stdout.lines().filter(is_own).map(words).collect(), output.stderr, output.code)
}

/// A config with a provider `own` at this server.
fn own(server: &Server, definition: &str) -> Datametrics {
    let text = format!("[providers.own]\nmarket = 'other'\nbase_url = '{}'\n{definition}", server.url());
    Datametrics::new().config(&text).hide(server.address().to_string(), "OWN")
}

const DOCUMENT: &str = "
    [[providers.own.quote]]
    path = '/flow'
    document = true
    rows = '/site'
    fields = { grid = '/P_Grid', pv = '/P_PV' }
    [feeds.solar]
    providers = ['own']
";

#[test]
fn a_feed_of_a_document_needs_neither_symbols_nor_fields() {
    let server = Server::start();
    for _ in 0..2 {
        server.on("GET /flow").reply(Reply::json(r#"{"site":{"P_Grid":-12.5,"P_PV":null}}"#));
    }
    let without_defaults = format!("{DOCUMENT}\n[crypto]\nsymbols = []\n[stocks]\nsymbols = []\n");
    let (points, stderr, code) = run(own(&server, &without_defaults).args(["all"]));
    // A field that the API does not always give is none that the user asked for.
    assert_eq!((points, stderr.as_str(), code), (vec!["solar.own.grid -12.5".to_owned()], "", Some(0)));
    let (points, ..) = run(own(&server, DOCUMENT).args(["--feed", "solar", "--symbols", "roof"]));
    assert_eq!(points, ["solar.roof.grid -12.5"]);
}

#[test]
fn a_document_is_asked_for_once_by_all_that_need_it() {
    let server = Server::start();
    server.on("GET /all").reply(Reply::json(r#"{"attic":{"temp":21,"wet":40},"cellar":{"temp":12,"wet":60}}"#));
    let quote = |field: &str, at: &str| {
        format!(
            "[[providers.own.quote]]\npath = '/all'\ndocument = true\nfields = {{ {field} = '/{{symbol}}/{at}' }}\n"
        )
    };
    let feed = "[feeds.home]\nproviders = ['own']\nsymbols = ['attic', 'cellar']\n";
    let text = quote("temperature", "temp") + &quote("humidity", "wet") + feed;
    let (points, stderr, code) = run(own(&server, &text).args(["--feed", "home"]));
    let expected = [
        "home.attic.temperature 21",
        "home.attic.humidity 40",
        "home.cellar.temperature 12",
        "home.cellar.humidity 60",
    ];
    assert_eq!((points, stderr.as_str(), code), (expected.map(str::to_owned).to_vec(), "", Some(0)));
}

#[test]
fn words_and_hexadecimal_digits_may_be_numbers() {
    let server = Server::start();
    let body = r#"{"state":"degraded","on":true,"power":null,"gas":"0x4a817c800","price":"1,200"}"#;
    server.on("GET /status").reply(Reply::json(body));
    let text = "
        [[providers.own.quote]]
        path = '/status'
        document = true
        [providers.own.quote.fields]
        state = { at = '/state', values = { operational = 0, major_outage = 3 } }
        on = { at = '/on', values = { true = 1, false = 0 } }
        power = { at = '/power', values = { null = 0 } }
        gas = { at = '/gas', hex = true, exponent = -9 }
        price = '/price'
        [feeds.x]
        providers = ['own']
        fields = ['state', 'on', 'power', 'gas', 'price']
    ";
    let (points, stderr, code) = run(own(&server, text).args(["--feed", "x"]));
    assert_eq!(points, ["x.own.on 1", "x.own.power 0", "x.own.gas 20"]);
    let message = "error: x: no state of own: own has no number at \"/state\" (\"degraded\", which is not in values)\n\
                   error: x: no price of own: no provider gave it\n";
    assert_eq!((stderr.as_str(), code), (message, Some(69)));
}

#[test]
fn a_symbol_of_a_feed_without_named_fields_is_missing_only_if_it_has_no_value_at_all() {
    let server = Server::start();
    server.on("GET /all").reply(Reply::json(r#"{"A":{"b":1},"B":{"a":"off"},"C":{"a":2,"b":3}}"#));
    let definition = "[[providers.own.quote]]\npath = '/all'\nbatch = 0\nfields = { a = '/a', b = '/b' }\n";
    let feed = "[feeds.x]\nproviders = ['own']\nsymbols = ['A', 'B', 'C']\n";
    let (points, stderr, code) = run(own(&server, &format!("{definition}{feed}")).args(["--feed", "x"]));
    assert_eq!(points, ["x.A.b 1", "x.C.a 2", "x.C.b 3"]);
    assert!(stderr.contains("no quote of B: own has no number") && !stderr.contains("of A"), "{stderr}");
    assert_eq!(code, Some(1));
}
