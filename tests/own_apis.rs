//! Definitions of one's own, for JSON APIs of all kinds.

use crate::support::{Datametrics, Reply, Server};

/// A query of GraphQL, whose own braces are no placeholders.
const GRAPHQL: &str = "
    headers = { Authorization = 'Bearer {secret:OWN_TOKEN}' }
    [[providers.own.quote]]
    path = '/graphql'
    body = { query = '{ repository { stars } }', variables = { name = '{symbol}', top = 5 } }
    document = true
    rows = '/data/repository'
    error = '/errors/0/message'
    fields = { stars = '/stars' }
    [feeds.x]
    providers = ['own']
    symbols = [\"rust\", '\"},{']
";

#[test]
fn a_body_is_sent_as_json_by_post_and_no_symbol_breaks_out_of_it() {
    let server = Server::with(|_| Reply::json(r#"{"data":{"repository":{"stars":7}}}"#));
    let run = own(&server, GRAPHQL).args(["--feed", "x", "--dry-run"]).env("OWN_TOKEN", "t0ken");
    assert_eq!(run.run().code, Some(0));
    let requests = server.requests();
    let mut bodies: Vec<_> = requests.iter().map(|request| request.text().to_owned()).collect();
    bodies.sort();
    let body = |name| format!(r#"{{"query":"{{ repository {{ stars }} }}","variables":{{"name":"{name}","top":5}}}}"#);
    assert_eq!(bodies, [body(r#"\"},{"#), body("rust")]);
    for request in &requests {
        assert_eq!(request.line(), "POST /graphql");
        assert_eq!(request.header("Content-Type"), Some("application/json"));
        assert_eq!(request.header("Authorization"), Some("Bearer t0ken"));
    }
}

#[test]
fn symbols_in_a_body_are_an_array_and_a_redirect_is_not_followed() {
    let server = Server::start();
    server.on("POST /bulk").reply(Reply::json(r#"{"a b":{"n":1},"c":{"n":2}}"#));
    let text = "
        [[providers.own.quote]]
        path = '/bulk'
        body = ['{symbols}', 1.5, true]
        fields = { n = '/n' }
        [feeds.x]
        providers = ['own']
        symbols = ['c', 'd']
    ";
    let (points, ..) = run(own(&server, text).args(["--feed", "x"]));
    assert_eq!(points, ["x.c.n 2"]);
    assert_eq!(server.requests()[0].text(), r#"[["c","d"],1.5,true]"#);
    server.on("POST /bulk").reply(Reply::status(307).header("Location", "/other"));
    let (_, stderr, code) = run(own(&server, text).args(["--feed", "x"]));
    assert!(stderr.contains("HTTP 307"), "{stderr}");
    assert_eq!((code, server.requests().len()), (Some(69), 2));
}

#[test]
fn a_row_an_hour_gives_the_price_of_this_hour_and_the_path_has_the_date() {
    let hour = |ago: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(ago)).to_string();
    let today = jiff::Timestamp::now().strftime("%Y/%m-%d").to_string();
    let server = Server::with(move |request| {
        assert_eq!(request.target, format!("/prices/{today}_NO1.json"));
        let row = |ago, price| format!(r#"{{"NOK":{price},"time_start":"{}"}}"#, hour(ago));
        Reply::json(format!("[{},{},{}]", row(1, 0.5), row(0, -0.25), row(-1, 2.0)))
    });
    let text = "
        [[providers.own.quote]]
        path = '/prices/{date:%Y/%m-%d}_{symbol}.json'
        pick = 'now'
        time = { at = '/time_start', unit = 'rfc3339' }
        fields = { price = '/NOK' }
        [feeds.power]
        providers = ['own']
        symbols = ['NO1']
        fields = ['price']
    ";
    let config = own(&server, text).args(["--feed", "power"]);
    let (points, stderr, code) = run(config.clone());
    assert_eq!((points, stderr.as_str(), code), (vec!["power.NO1.price -0.25".to_owned()], "", Some(0)));
    // Of the rows, the log has none that comes after the one that counts.
    let (_, stderr, _) = run(config.args(["-vv"]));
    assert!(stderr.trim_end().ends_with("NO1: price: -0.25 from \"/NOK\""), "{stderr}");
}

#[test]
fn a_quote_older_than_max_age_is_none() {
    let server = Server::start();
    let day = |ago: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * ago)).strftime("%Y-%m-%d");
    let row = |name: &str, day: &str| format!(r#"{{"s":"{name}","last":5,"day":"{day}"}}"#);
    let rows = [row("old", &day(9).to_string()), row("new", &day(1).to_string()), row("none", "")];
    server.on("GET /all").reply(Reply::json(format!("[{}]", rows.join(","))));
    let text = "
        [[providers.own.quote]]
        path = '/all'
        batch = 0
        key = '/s'
        time = { at = '/day', unit = 'date' }
        max_age = 259200
        fields = { last = '/last' }
        [feeds.x]
        providers = ['own']
        symbols = ['old', 'new', 'none']
        fields = ['last']
    ";
    let (points, stderr, code) = run(own(&server, text).args(["--feed", "x"]));
    assert_eq!(points, ["x.new.last 5", "x.none.last 5"]);
    assert!(stderr.contains("no quote of old: own has a quote of it that is older than max_age, 259200 s"));
    assert_eq!(code, Some(1));
}

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

/// They are two requests, although they ask one server for one path.
#[test]
fn two_accounts_of_one_server_get_their_own_values() {
    let server = Server::with(|request| match request.header("Authorization") {
        Some("Basic YWxpY2U6YQ==") => Reply::json(r#"{"v":1}"#),
        Some("Basic Ym9iOmI=") => Reply::json(r#"{"v":2}"#),
        other => Reply::text(401, format!("{other:?}")),
    });
    let at = server.address();
    let text = format!(
        "[providers.me]
         market = 'other'
         base_url = {{ alice = 'http://alice:a@{at}', bob = 'http://bob:b@{at}' }}
         [[providers.me.quote]]
         path = '/me'
         document = true
         time = {{ at = '/t', unit = 's' }}
         max_age = 60
         fields = {{ v = '/v' }}
         [feeds.us]
         providers = ['me']\n"
    );
    let (mut points, stderr, code) = run(Datametrics::new().config(&text).args(["--feed", "us"]));
    points.sort();
    assert_eq!(
        (points, stderr.as_str(), code),
        (vec!["us.alice.v 1".to_owned(), "us.bob.v 2".to_owned()], "", Some(0))
    );
    assert_eq!(server.requests().len(), 2);
}

/// A device whose clock begins in 1970.
#[test]
fn a_quote_of_1970_is_older_than_any_max_age() {
    let server = Server::with(|_| Reply::json(r#"{"v":1,"t":300}"#));
    let text = format!(
        "[providers.me]
         market = 'other'
         base_url = '{}'
         [[providers.me.quote]]
         path = '/me'
         document = true
         time = {{ at = '/t', unit = 's' }}
         max_age = 60
         fields = {{ v = '/v' }}
         [feeds.us]
         providers = ['me']\n",
        server.url()
    );
    let (points, stderr, code) = run(Datametrics::new().config(&text).args(["--feed", "us"]));
    assert_eq!((points, code), (vec![], Some(69)), "{stderr}");
    assert!(stderr.contains("has a quote of it that is older than max_age, 60 s"), "{stderr}");
}

#[test]
fn each_symbol_may_have_a_server_of_its_own_and_one_that_is_down_stops_no_other() {
    let servers = [Server::start(), Server::start()];
    for (server, power) in servers.iter().zip(["12.5", "3"]) {
        server.on("GET /rpc/switch").reply(Reply::json(format!(r#"{{"apower":{power}}}"#)));
    }
    let refused = crate::support::port::unused();
    let text = format!(
        "[providers.plug]
         market = 'other'
         base_url = {{ 'desk lamp' = '{}', dead = 'http://127.0.0.1:{refused}', rack = '{}/rpc' }}
         [[providers.plug.quote]]
         path = '/switch'
         document = true
         fields = {{ power = '/apower' }}
         [feeds.plugs]
         providers = ['plug']
         [feeds.more]
         providers = ['plug']
         symbols = ['shed']\n",
        servers[0].url() + "/rpc",
        servers[1].url()
    );
    let config = Datametrics::new().config(&text);
    let (mut points, stderr, code) = run(config.clone().args(["--feed", "plugs", "--retries", "0"]));
    points.sort();
    assert_eq!(points, ["plugs.desk_lamp.power 12.5", "plugs.rack.power 3"]);
    assert!(stderr.starts_with("error: plugs: plug: dead: no connection to 127.0.0.1: "), "{stderr}");
    assert_eq!(code, Some(1));
    let (_, stderr, code) = run(config.args(["--feed", "more"]));
    assert_eq!(stderr, "error: more: no quote of shed: plug has no URL for it in base_url\n");
    assert_eq!(code, Some(69));
}

#[test]
fn addresses_of_symbols_are_printed_without_passwords_and_read_back() {
    let text = "[providers.plug]
        market = 'other'
        base_url = { 'desk lamp' = 'https://me:hunter2@10.0.0.1/rpc', rack = 'https://10.0.0.2:8443' }
        [[providers.plug.quote]]
        path = '/switch'
        body = { id = 1, method = 'Switch.GetStatus', params = { id = 0 } }
        document = true
        fields = { power = '/apower' }\n";
    let printed = Datametrics::new().config(text).args(["providers", "plug"]).run().stdout;
    let base_url = r#"base_url = { "desk lamp" = "https://10.0.0.1/rpc", rack = "https://10.0.0.2:8443" }"#;
    assert!(printed.contains(base_url) && !printed.contains("hunter2"), "{printed}");
    assert_eq!(Datametrics::new().config(&printed).args(["providers", "plug"]).run().stdout, printed);
}

#[test]
fn a_table_that_lacks_its_last_letter_is_not_passed_over_in_silence() {
    let run = Datametrics::new().config("[provider.plug]\nmarket = 'other'\n");
    for args in [["providers"].as_slice(), &["providers", "plug"]] {
        let run = run.clone().args(args.iter().copied());
        run.stderr("error: config.toml:1: provider: unknown key: write [providers.plug]\n").exit(78).check();
    }
}

#[test]
fn keys_are_sent_in_the_clear_only_to_a_provider_that_may_have_them() {
    let config = |allow: &str| {
        format!(
            "[providers.own]
             market = 'other'
             base_url = 'http://192.0.2.1:8123'
             {allow}
             headers = {{ Authorization = 'Bearer {{secret:OWN_TOKEN}}' }}
             [[providers.own.quote]]
             path = '/states'
             document = true
             fields = {{ n = '/n' }}
             [feeds.x]
             providers = ['own']\n"
        )
    };
    let at = |allow, line: &[&str]| {
        Datametrics::new()
            .config(&config(allow))
            .env("OWN_TOKEN", "t0ken")
            .args(["--feed", "x", "--dry-run"])
            .args(line)
    };
    let output = at("", &[]).run();
    let message = "error: providers.own.base_url: would send a key in the clear: use https, or set \
                   allow_plaintext_credentials = true there\n";
    assert_eq!((output.stderr.as_str(), output.code), (message, Some(78)));
    let server = Server::start();
    server.on("GET /states").header("Authorization", "Bearer t0ken").reply(Reply::json(r#"{"n":1}"#));
    // The proxy stands for the network in between.
    let run =
        at("allow_plaintext_credentials = true", &["--retries", "0"]).env("DATAMETRICS_OWN_BASE_URL", server.url());
    assert_eq!(run.run().code, Some(0));
    let output = at("allow_plaintext_credentials = true", &["--timeout", "0.1"]).run();
    assert_eq!(output.code, Some(69), "{output}");
}

#[test]
fn a_pointer_may_have_what_all_symbols_of_a_request_share() {
    let server = Server::start();
    server
        .on("GET /price?ids=bitcoin,dogecoin&in=usd")
        .reply(Reply::json(r#"{"bitcoin":{"usd":64210.5},"dogecoin":{"usd":0.1}}"#));
    server.on("GET /price?ids=bitcoin&in=eur").reply(Reply::json(r#"{"bitcoin":{"eur":60000}}"#));
    let text = "
        symbol = '{base}'
        [[providers.own.quote]]
        path = '/price?ids={symbols}&in={quote:lower}'
        fields = { last = '/{quote:lower}' }
        [feeds.coins]
        providers = ['own']
        symbols = ['bitcoin/USD', 'dogecoin/USD', 'bitcoin/EUR']
    ";
    let (points, stderr, code) = run(own(&server, text).args(["--feed", "coins"]));
    let expected = ["coins.bitcoin-USD.last 64210.5", "coins.dogecoin-USD.last 0.1", "coins.bitcoin-EUR.last 60000"];
    assert_eq!((points, stderr.as_str(), code), (expected.map(str::to_owned).to_vec(), "", Some(0)));
}

#[test]
fn symbols_of_a_feed_of_ones_own_may_have_spaces() {
    let server = Server::start();
    server.on("GET /w?q=New%20York").reply(Reply::json(r#"{"temp":21.5}"#));
    let text = "
        [[providers.own.quote]]
        path = '/w?q={symbol}'
        fields = { temp = '/temp' }
        [feeds.weather]
        providers = ['own']
        symbols = ['New York']
        fields = ['temp']
    ";
    let config = own(&server, text).args(["--feed", "weather"]);
    let (points, stderr, code) = run(config.clone());
    assert_eq!((points, stderr.as_str(), code), (vec!["weather.New_York.temp 21.5".to_owned()], "", Some(0)));
    let (_, stderr, code) = run(config.args(["--symbols", "New\tYork"]));
    let message = "error: --symbols: symbol \"New\\tYork\" holds a line break, a tab or another control character\n";
    assert_eq!((stderr.as_str(), code), (message, Some(2)));
}
