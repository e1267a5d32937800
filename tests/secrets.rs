//! Keys and passwords are never shown, whatever happens and at any log level: neither plain, nor encoded, nor
//! in what a server echoes.

use crate::support::{
    Datametrics, Output, Received, Reply, Server,
    leak::{self, files, forms, quoted},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::{collections::BTreeSet, fs};

/// The secrets. Each has characters that URLs, JSON or base64 change.
const FINNHUB: &str = "finn/hub+s3same=&%~-key";
const ALPACA_ID: &str = "alpaca/id+s3same=\"x";
const ALPACA_KEY: &str = "alpaca/key+s3same\\x";
const IN_PATH: &str = "in/path+s3same=&?-._~#x";
const OPTIONAL: &str = "optional s3same/header";
const USERINFO: &str = "user-info/s3same:@x";
const GRAPHITE: &str = "glc_graph/ite+s3same==";
const PROXY: &str = "proxy/s3same+x";

/// All secrets, each with the user that it is sent with.
const SECRETS: [(&str, &str); 8] = [
    ("", FINNHUB),
    ("", ALPACA_ID),
    ("", ALPACA_KEY),
    ("", IN_PATH),
    ("", OPTIONAL),
    ("somebody", USERINFO),
    ("123456", GRAPHITE),
    ("somebody", PROXY),
];

/// A config with every way to give a provider a secret.
const CONFIG: &str = "
[graphite]
user = '123456'
allow_plaintext_credentials = true
[crypto]
symbols = []
[stocks]
providers = ['finnhub', 'alpaca']
symbols = ['AAPL']
fields = ['last', 'open']
[providers.finnhub]
per_second = 1000
min_interval_per_symbol = 0
[providers.alpaca]
per_second = 1000
[feeds.path]
providers = ['in-path']
symbols = ['AAA', 'BBB']
fields = ['last', 'echo']
[feeds.user]
providers = ['user-info']
symbols = ['AAA']
[providers.in-path]
market = 'other'
base_url = 'https://path.example'
headers = { X-Key = '{secret?:OPTIONAL_KEY}' }
bad_symbol = { text = ['bad symbol'] }
[[providers.in-path.quote]]
path = '/v1/{secret:IN_PATH}/quotes?of={symbols}&token={secret:IN_PATH}'
error = ['/error']
row_error = '/oops'
fields = { last = '/last', echo = ['/echo', '/none'] }
[providers.user-info]
market = 'other'
base_url = 'https://user.example'
quote = [{ path = '/{symbol}', error = '/error', fields = { last = '/last' } }]
";

/// A reply that echoes the request and all secrets in it, in every encoding.
fn echo(request: &Received) -> String {
    let headers: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let got = format!("{} {}", request.line(), headers.join(" "));
    let known = SECRETS.into_iter().map(forms).filter(|forms| forms.iter().any(|form| got.contains(form)));
    format!("{} {got}", known.flatten().collect::<Vec<_>>().join(" "))
}

/// The same in JSON.
fn json(request: &Received) -> String {
    let [escaped, plain] = quoted(&echo(request));
    if request.target.len().is_multiple_of(2) { escaped } else { plain }
}

/// A provider and a Graphite.
struct Setup {
    provider: Server,
    graphite: Server,
}

impl Setup {
    fn new(
        provider: impl Fn(&Received) -> Reply + Send + Sync + 'static,
        graphite: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self { provider: Server::with(provider), graphite: Server::with(graphite) }
    }

    /// A run of all feeds.
    fn run(&self) -> Datametrics {
        self.command(&["all", "--retries", "0"])
    }

    fn command(&self, args: &[&str]) -> Datametrics {
        let url = self.provider.url();
        let userinfo = utf8_percent_encode(USERINFO, NON_ALPHANUMERIC);
        let run = Datametrics::new().config(CONFIG).args(args);
        let run = run
            .env("DATAMETRICS_FINNHUB_BASE_URL", &url)
            .env("DATAMETRICS_ALPACA_BASE_URL", &url)
            .env("DATAMETRICS_IN_PATH_BASE_URL", &url)
            .env("DATAMETRICS_USER_INFO_BASE_URL", format!("http://somebody:{userinfo}@{}", self.provider.address()));
        let run = run
            .env("FINNHUB_API_KEY", FINNHUB)
            .env("APCA_API_KEY_ID", ALPACA_ID)
            .env("APCA_API_SECRET_KEY_FILE", "secrets/alpaca")
            .env("CREDENTIALS_DIRECTORY", "secrets")
            .env("OPTIONAL_KEY", OPTIONAL)
            .env(
                "HTTPS_PROXY",
                format!("http://somebody:{}@127.0.0.1:9", utf8_percent_encode(PROXY, NON_ALPHANUMERIC)),
            );
        let folder = run.home().join("secrets");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("alpaca"), format!("{ALPACA_KEY}\n")).unwrap();
        fs::write(folder.join("in_path"), IN_PATH).unwrap();
        fs::write(folder.join("graphite_password"), GRAPHITE).unwrap();
        run.env("GRAPHITE_URL", format!("{}/metrics", self.graphite.url()))
    }
}

/// Runs at every log level, twice, with and without pushing, and searches the output and the files for
/// secrets. Returns the output of all runs.
#[track_caller]
fn shows_no_secret(run: &Datametrics) -> String {
    let mut message = String::new();
    for options in [[].as_slice(), &["-v"], &["-vv"], &["-vv", "--dry-run"], &["--dry-run"]] {
        message += &assert_none_leaked(run, &run.clone().args(options).run());
    }
    for filter in ["trace", "ureq=trace,ureq_proto=trace,rustls=trace,datametrics=trace"] {
        let run = run.clone().env("RUST_LOG", filter);
        message += &assert_none_leaked(&run, &run.run());
        message += &assert_none_leaked(&run, &run.clone().args(["--dry-run"]).run());
    }
    message
}

#[track_caller]
fn assert_none_leaked(run: &Datametrics, output: &Output) -> String {
    leak::assert_none_in_run(&SECRETS, run, output)
}

/// A reply that every provider can read, with the secrets among the numbers.
fn quotes(request: &Received) -> Reply {
    let echo = json(request);
    let row = format!(r#"{{"last":5,"echo":{echo},"latestTrade":{{"p":204}},"dailyBar":{{"o":{echo}}}}}"#);
    let finnhub = format!(r#"{{"c":204,"o":{echo},{echo}:{echo}}}"#);
    if request.target.starts_with("/quote?") {
        Reply::json(finnhub)
    } else if request.target.starts_with("/AAA") {
        Reply::json(row)
    } else {
        Reply::json(format!(r#"{{"AAA":{row},"BBB":{{"oops":{echo}}},"AAPL":{row},{echo}:{row}}}"#))
    }
}

fn published(request: &Received) -> Reply {
    let count = request.text().matches("\"name\":").count();
    Reply::json(format!(r#"{{"published":{count},"echo":{}}}"#, json(request)))
}

/// The secrets are really sent; otherwise these tests would prove nothing.
#[test]
fn secrets_are_sent_where_they_belong() {
    let setup = Setup::new(quotes, published);
    setup.run().run();
    let basic = |user: &str, secret: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{secret}")));
    let requests = setup.provider.requests();
    let sent: BTreeSet<_> =
        requests.iter().flat_map(|request| &request.headers).map(|(_, value)| value.clone()).collect();
    for header in [FINNHUB, ALPACA_ID, ALPACA_KEY, OPTIONAL, &basic("somebody", USERINFO)] {
        assert!(sent.contains(header), "{header} is not in {sent:?}");
    }
    let path = "/v1/in%2Fpath%2Bs3same%3D%26%3F-._~%23x/quotes?of=AAA,BBB&token=in%2Fpath%2Bs3same%3D%26%3F-._~%23x";
    assert!(requests.iter().any(|request| request.target == path), "{requests:?}");
    let pushed = &setup.graphite.requests()[0];
    assert_eq!(pushed.header("Authorization"), Some(&*basic("123456", GRAPHITE)));
}

#[test]
fn secrets_stay_hidden_in_a_successful_run() {
    let setup = Setup::new(quotes, published);
    let message = shows_no_secret(&setup.run());
    assert!(message.contains("stocks.AAPL.last") && message.contains("pushed "), "{message}");
    assert!(message.contains("/v1/***/quotes?of=AAA,BBB&token=***: HTTP 200, "), "{message}");
}

#[test]
fn secrets_stay_hidden_where_a_provider_answers_an_error() {
    for status in [400, 401, 403, 404, 429, 500, 503] {
        let setup = Setup::new(
            move |request| match request.target.len() % 2 {
                0 => Reply::text(status, echo(request)),
                _ => Reply::status(status).body(format!(r#"{{"error":{0},"message":{0}}}"#, json(request))),
            },
            published,
        );
        let message = shows_no_secret(&setup.run());
        assert!(message.contains(&format!("HTTP {status}: ")) && message.contains("***"), "{message}");
    }
}

#[test]
fn secrets_stay_hidden_where_a_provider_answers_nonsense() {
    type Answer = fn(&Received) -> String;
    let answers: [(Answer, &str); 9] = [
        (|request| format!("<html><body>{}</body></html>", echo(request)), "HTML"),
        (|request| echo(request), "not JSON"),
        (|request| format!("{{{}:", json(request)), "not JSON"),
        (|request| format!("[{},", json(request)), "not JSON"),
        (|request| json(request), "no quote of"),
        (|request| format!(r#"{{"error":{0},"message":{0}}}"#, json(request)), "***"),
        (|request| format!(r#"{{"error":{}}}"#, quoted(&format!("bad symbol {}", echo(request)))[1]), "***"),
        // Long text is shortened, but never within a secret.
        (|request| format!("{}{}", "x".repeat(150), echo(request)), "not JSON"),
        (|request| echo(request).repeat(40), "not JSON"),
    ];
    for (answer, expected) in answers {
        let setup = Setup::new(move |request| Reply::json(answer(request)), published);
        let message = shows_no_secret(&setup.run());
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

#[test]
fn secrets_stay_hidden_where_a_provider_redirects() {
    for location in [
        "https://elsewhere.example/{}?key={}",
        "http://{}@elsewhere.example/",
        "//elsewhere.example/{}",
        "https://else where.example/{}",
        "ftp://elsewhere.example/{}",
        "{}",
    ] {
        let setup = Setup::new(
            move |request| {
                let all = SECRETS.map(|(_, secret)| secret).join(",");
                let percent = utf8_percent_encode(&all, NON_ALPHANUMERIC).to_string();
                let to = location.replace("{}", if request.target.len().is_multiple_of(2) { &all } else { &percent });
                Reply::status(302).header("Location", &to)
            },
            published,
        );
        shows_no_secret(&setup.run());
    }
    // A redirect on the same host is followed.
    let setup = Setup::new(
        |request| {
            let percent = utf8_percent_encode(IN_PATH, NON_ALPHANUMERIC);
            let moved = format!("/moved/{percent}{}", request.target);
            if request.target.contains("/moved/") {
                quotes(request)
            } else {
                Reply::status(307).header("Location", &moved)
            }
        },
        published,
    );
    shows_no_secret(&setup.run());
}

#[test]
fn secrets_stay_hidden_where_a_provider_breaks_the_protocol() {
    let replies: [fn(&Received) -> Reply; 6] = [
        |_| Reply::reset(),
        |request| quotes(request).cut_after(40),
        |request| Reply::raw(format!("{}\r\n\r\n", echo(request))),
        |request| Reply::raw(format!("HTTP/1.1 200 OK\r\n{} x\u{1}y\r\n\r\n", echo(request))),
        |request| Reply::json("not gzip").header("Content-Encoding", "gzip").header("X-Echo", &echo(request)),
        |request| Reply::json("unknown").header("Content-Encoding", &echo(request)),
    ];
    for reply in replies {
        let setup = Setup::new(reply, published);
        shows_no_secret(&setup.run());
    }
}

/// The points are in the journal then, which is searched as well.
#[test]
fn secrets_stay_hidden_where_graphite_answers_an_error() {
    for status in [302, 400, 401, 403, 404, 413, 415, 429, 500, 503] {
        let setup = Setup::new(quotes, move |request| {
            Reply::text(status, echo(request))
                .header("Location", "https://grafana.example/login?token=glc_graph/ite+s3same==")
        });
        let run = setup.run();
        let message = shows_no_secret(&run);
        assert!(message.contains(&format!("HTTP {status}")), "{message}");
        assert!(status == 400 || status == 413 || !files(&run.home().join(".local")).is_empty());
    }
}

#[test]
fn secrets_stay_hidden_where_graphite_answers_nonsense() {
    let answers: [fn(&Received) -> String; 4] = [
        |request| format!("<html>{}</html>", echo(request)),
        |request| echo(request),
        |request| json(request),
        |request| format!(r#"{{"status":{}}}"#, json(request)),
    ];
    for answer in answers {
        let setup = Setup::new(quotes, move |request| Reply::json(answer(request)));
        shows_no_secret(&setup.run());
    }
}

/// Graphite refuses one point, with a reason that echoes secrets.
#[test]
fn secrets_stay_hidden_where_graphite_refuses_a_point() {
    let setup = Setup::new(quotes, |request| {
        let count = request.text().matches("\"name\":").count() - 1;
        let errors = format!(r#"{{{}:{{"Count":1,"ExampleIds":[0]}}}}"#, json(request));
        Reply::json(format!(r#"{{"Published":{count},"Invalid":1,"ValidationErrors":{errors}}}"#))
    });
    let message = shows_no_secret(&setup.run());
    assert!(message.contains("graphite refused stocks.AAPL.last: "), "{message}");
}

#[test]
fn secrets_stay_hidden_where_a_proxy_refuses() {
    // A proxy may also answer as if it were the server: the page of a network that wants a login.
    let answers: [fn(&Received) -> Reply; 5] = [
        |request| Reply::text(407, echo(request)),
        |request| Reply::text(403, echo(request)),
        |request| Reply::text(200, format!("<html>{}", echo(request))),
        |request| Reply::text(200, format!("{{\"error\":{}}}", serde_json::Value::from(echo(request)))),
        |request| {
            let credentials = request.header("Proxy-Authorization").unwrap_or_default();
            Reply::status(302).header("Location", &format!("http://portal.example/{credentials}"))
        },
    ];
    for (answer, scheme) in answers.into_iter().flat_map(|answer| [(answer, "http"), (answer, "https")]) {
        let proxy = Server::with(answer);
        let password = utf8_percent_encode(PROXY, NON_ALPHANUMERIC);
        let url = format!("http://somebody:{password}@{}", proxy.address());
        let setup = Setup::new(quotes, published);
        let run = setup.run().env("HTTP_PROXY", &url).env("HTTPS_PROXY", &url);
        let run = run.env("DATAMETRICS_FINNHUB_BASE_URL", "https://finnhub.example");
        let run = run.env("GRAPHITE_URL", format!("{scheme}://graphite.example/metrics"));
        let output = run.run();
        assert_none_leaked(&run, &output);
        assert!(output.stderr.contains("graphite.example"), "{output}");
        assert!(!proxy.requests().is_empty());
    }
}

/// The requests for parts of a batch with an unknown symbol know the secrets of the proxy too.
#[test]
fn secrets_stay_hidden_where_a_proxy_answers_for_parts_of_a_batch() {
    let proxy = Server::with(|request| match request.target.rsplit_once('=') {
        Some((_, "A,B")) => Reply::text(404, "unknown"),
        _ => Reply::text(400, echo(request)),
    });
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['A', 'B']\n[providers.own]\nmarket = 'other'\n\
        base_url = 'http://own.example'\nbad_symbol = { status = [404] }\n[[providers.own.quote]]\n\
        path = '/?of={symbols}'\nkey = '/s'\nfields = { last = '/l' }\n";
    let password = utf8_percent_encode(PROXY, NON_ALPHANUMERIC);
    let run = Datametrics::new().config(config).args(["--feed", "x", "--dry-run"]);
    let run = run.env("HTTP_PROXY", format!("http://somebody:{password}@{}", proxy.address()));
    let output = run.run();
    assert_none_leaked(&run, &output);
    assert!(output.stderr.contains("x: own: B: HTTP 400"), "{output}");
    assert_eq!(proxy.requests().len(), 3);
}

/// An error about a setting names its origin, never its value.
#[test]
fn secrets_stay_hidden_where_settings_are_invalid() {
    let is_error_without_secret = |run: Datametrics, code: i32| {
        let output = run.run();
        assert_none_leaked(&run, &output);
        assert_eq!(output.code, Some(code), "{output}");
        shows_no_secret(&run);
    };
    for line in [
        "password = '{}",
        "password = {}",
        "password = '{}' x",
        "password = ['{}']",
        "password = { x = '{}' }",
        "passwort = '{}'",
        "user = 5\npassword = '{}'",
        "user = 'u'\npassword = '{}\\u0007'",
        "password = '{}'",
        "password = '{}'\npassword = '{}'",
        "url = 'https://u:{}@graphite.example'",
        "url = 'https://u:{}@graphite.example/ metrics'",
        "url = 'ftp://u:{}@graphite.example/metrics'",
        "url = 'http://u:{}@graphite.example/metrics'",
        "url = 'https://u:{}@graphite.example:99999/metrics'",
        "url = 'tcp://u:{}@graphite.example/x'",
    ] {
        let line = line.replace("'{}\\u0007'", "\"{}\\u0007\"").replace("{}", GRAPHITE);
        let config = format!("[graphite]\n{line}\n");
        is_error_without_secret(Datametrics::new().config(&config).args(["crypto"]), 78);
    }
    let percent = utf8_percent_encode(USERINFO, NON_ALPHANUMERIC).to_string();
    for (name, value, code) in [
        ("GRAPHITE_URL", format!("https://u:{percent}@graphite.example/"), 78),
        ("GRAPHITE_URL", format!("u:{percent}@graphite.example"), 78),
        ("GRAPHITE_PASSWORD", format!("{GRAPHITE}\n"), 78),
        ("DATAMETRICS_KRAKEN_BASE_URL", format!("ftp://u:{percent}@kraken.example"), 78),
        ("DATAMETRICS_KRAKEN_BASE_URL", format!("http://u:{percent}@kraken.example"), 78),
        ("DATAMETRICS_KRAKEN_BASE_URL", format!("https://u:{percent}@kraken.example/?x"), 78),
        ("HTTPS_PROXY", format!("ftp://u:{percent}@proxy.example"), 78),
        ("HTTP_PROXY", format!("u:{percent}@proxy example"), 78),
    ] {
        // A dry run leaves secrets of Graphite alone, and without a URL of Graphite all others are no other run.
        let args = if name.starts_with("GRAPHITE") { ["crypto"].as_slice() } else { &["crypto", "--dry-run"] };
        is_error_without_secret(Datametrics::new().env(name, value).args(args), code);
    }
}

/// A key that was typed where a path belongs.
#[test]
fn secrets_stay_hidden_where_a_path_belongs() {
    for key in [GRAPHITE, "hunter-s3same", "s3same", "glc_eyJvIjoiMTIzNDU2s3same", &"s3same0123".repeat(40)] {
        let config = format!("[graphite]\nuser = '1'\npassword_file = '{key}'\n");
        for (run, code) in [
            (Datametrics::new().config(&config), 74),
            (Datametrics::new().config(&config).env("GRAPHITE_PASSWORD", "x"), 0),
            (Datametrics::new().env("GRAPHITE_PASSWORD_FILE", key), 74),
            (Datametrics::new().env("SSL_CERT_FILE", key), 74),
            (Datametrics::new().env("DATAMETRICS_CONFIG", key), 74),
            (Datametrics::new().env("DATAMETRICS_PING_URL_FILE", key), 74),
        ] {
            let run = run.env("DATAMETRICS_KRAKEN_BASE_URL", "https://127.0.0.1:9").args(["--retries", "0"]);
            let run = run.env("GRAPHITE_URL", "http://127.0.0.1:9/metrics");
            for command in [["crypto", "-vv"], ["check", "-vv"]] {
                let run = run.clone().args(command);
                let output = run.run();
                assert_none_leaked(&run, &output);
                assert!(code == 0 || output.code == Some(code), "{output}");
                let is_hidden = output
                    .stderr
                    .contains("cannot read *** (hidden, as it may be a key; a path begins with / or ./): ");
                assert!(code == 0 || is_hidden, "{output}");
            }
        }
    }
}

/// The path of a config is shown as it was typed, if it does not look like a key.
#[test]
fn secrets_stay_hidden_where_the_path_of_a_config_is_typed() {
    for (path, shown) in [("nofile", "nofile"), ("glc_eyJvIjoiMTIzNDU2s3same", "***")] {
        let message = format!("error: --config: cannot read {shown}: No such file or directory (os error 2)\n");
        Datametrics::new().args(["all", "--config", path]).stderr(message).exit(74).check();
    }
}

/// A key that was typed as an argument.
#[test]
fn secrets_stay_hidden_on_the_command_line() {
    let key = "glc_eyJvIjoiMTIzNDU2s3same";
    for args in [
        vec![key.to_owned()],
        vec![format!("--password={key}"), "all".into()],
        vec!["--password".into(), key.into(), "all".into()],
        vec!["all".into(), key.into()],
        ["grafana", "alerts", "--datasource", "uid", "--format", key].map(String::from).to_vec(),
    ] {
        let run = Datametrics::new().args(&args);
        let output = run.run();
        assert_none_leaked(&run, &output);
        assert_eq!(output.code, Some(2), "{output}");
    }
}

/// The key of some services is a part of the URL.
#[test]
fn secrets_stay_hidden_in_the_path_of_a_url() {
    for status in [200, 401, 404] {
        let answer = move |request: &Received| match status {
            200 => None,
            _ => Some(Reply::text(status, format!("no {} or {}", request.target, request.target.replace('/', "\\/")))),
        };
        let setup = Setup::new(
            move |request| answer(request).unwrap_or_else(|| quotes(request)),
            move |request| answer(request).unwrap_or_else(|| published(request)),
        );
        let run = setup.run();
        let run = run.env("GRAPHITE_URL", format!("{}/push/k3y-s3same/metrics", setup.graphite.url()));
        let run = run.env("DATAMETRICS_IN_PATH_BASE_URL", format!("{}/api/k3y-s3same", setup.provider.url()));
        let message = shows_no_secret(&run);
        assert!(message.contains("/push/***/***: HTTP ") && message.contains("/api/***/v1/***/quotes"), "{message}");
        assert!(setup.graphite.requests()[0].target.contains("k3y-s3same/metrics"));
        let run = run.args(["-vv"]).env("GRAPHITE_URL", format!("{}/k3y5s3same0123/metrics", setup.graphite.url()));
        shows_no_secret(&run);
    }
}

/// Replies are read before anything in them is masked.
#[test]
fn secrets_that_are_very_short_change_no_number_and_no_word() {
    let setup = Setup::new(
        |_| Reply::json(r#"{"c":11.5,"o":1,"t":1}"#),
        |request| {
            let count = request.text().matches("\"name\":").count();
            Reply::json(format!(r#"{{"published":{count},"b":1}}"#))
        },
    );
    for key in ["1", "b", "c", "\"", "pub", "published", "name"] {
        let run = setup.command(&["stocks", "--provider", "finnhub", "--retries", "0"]);
        let run = run.env("FINNHUB_API_KEY", key).env("CREDENTIALS_DIRECTORY", "none");
        let run = run.env("GRAPHITE_USER", "1").env("GRAPHITE_PASSWORD", key);
        let output = run.run();
        assert_eq!((output.code, &*output.stderr), (Some(0), ""), "{key}: {output}");
    }
    let setup = Setup::new(quotes, |_| Reply::text(401, "bad 1, b: Basic MTpi or Basic MToxYmNk".to_owned()));
    for (key, said) in [("b", "bad 1, b: Basic ***"), ("1bcd", "bad 1, b: Basic MTpi or Basic ***")] {
        let run = setup.command(&["check", "--retries", "0"]).env("CREDENTIALS_DIRECTORY", "none");
        let run = run.env("IN_PATH", "x").env("GRAPHITE_USER", "1").env("GRAPHITE_PASSWORD", key);
        let output = run.run();
        assert!(output.stdout.contains(said), "{key}: {output}");
    }
}

/// What the words of an API mean is found before they are masked, though a key is one of these words or a symbol.
#[test]
fn secrets_that_are_words_do_not_change_what_an_api_says() {
    let config = "
        [providers.own]
        market = 'crypto'
        base_url = 'http://127.0.0.1:9'
        symbol = '{base}'
        headers = { X-Key = '{secret:OWN_KEY}' }
        bad_symbol = { text = ['unknown symbol'], named = 'unknown symbol {symbol}' }
        limit = { text = ['daily limit'] }
        [[providers.own.quote]]
        path = '/quotes/{symbols}'
        rows = ''
        error = ['/error']
        fields = { last = '/last' }
    ";
    let run = |provider: &Server, key: &str| {
        let run = Datametrics::new().config(config).provider("own", provider).env("OWN_KEY", key);
        run.args(["crypto", "BTC", "GONE", "--provider", "own", "--fields", "last", "--retries", "0", "--dry-run"])
            .run()
    };
    let provider = Server::with(|request| match &*request.target {
        "/quotes/BTC" => Reply::json(r#"{"BTC":{"last":5}}"#),
        _ => Reply::text(400, r#"{"error":"unknown symbol GONE"}"#),
    });
    for (key, said) in
        [("none of them", "unknown symbol ..."), ("unknown", "*** symbol ..."), ("GONE", "unknown symbol ***")]
    {
        let before = provider.requests().len();
        let output = run(&provider, key);
        assert!(output.stderr.contains(&format!("no quote of GONE/USD: own says \"{said}\"")), "{key}: {output}");
        // The batch, and the rest of it without the symbol that is named.
        assert_eq!((output.code, provider.requests().len() - before), (Some(1), 2), "{key}: {output}");
    }
    for status in [200, 400] {
        let provider = Server::with(move |_| Reply::status(status).body(r#"{"error":"your daily limit is reached"}"#));
        for (key, said) in [("none of them", "your daily limit is"), ("limit", "your daily *** is")] {
            let output = run(&provider, key);
            let message = format!("{said} reached; ask less often");
            assert!(output.stderr.contains(&message), "{key}: {output}");
        }
    }
}

/// A definition is printed to be shared.
#[test]
fn secrets_stay_hidden_in_printed_definitions() {
    let setup = Setup::new(quotes, published);
    for name in [None, Some("finnhub"), Some("alpaca"), Some("in-path"), Some("user-info")] {
        let run = setup.command(&["providers"]).args(name);
        let output = run.run();
        assert_none_leaked(&run, &output);
        assert_eq!(output.code, Some(0), "{output}");
    }
}

/// The check lists every setting and tries every server.
#[test]
fn secrets_stay_hidden_in_a_check() {
    let setup = Setup::new(quotes, published);
    for (graphite, code) in [(None, 0), (Some("ftp://u:glc_graph%2Fite+s3same@host"), 78)] {
        for options in [[].as_slice(), &["-vv"]] {
            let run = setup.command(&["check", "--retries", "0", "--ping-url", "https://monitor.example/s3same"]);
            let run = graphite.into_iter().fold(run.args(options), |run, url| run.env("GRAPHITE_URL", url));
            let output = run.run();
            assert_none_leaked(&run, &output);
            assert_eq!(output.code, Some(code), "{output}");
            assert!(code == 78 || output.stdout.contains("GRAPHITE_PASSWORD "), "{output}");
        }
    }
    // Servers that echo the request.
    let setup = Setup::new(|request| Reply::text(403, echo(request)), |request| Reply::text(401, echo(request)));
    let run = setup.command(&["check", "--retries", "0", "-vv"]);
    let output = run.run();
    assert_none_leaked(&run, &output);
    assert_eq!(output.code, Some(77), "{output}");
    assert!(output.stdout.contains("FAILED  graphite: ") && output.stdout.contains("***"), "{output}");
}

/// A ping contains the log, so it must not have secrets either; and its URL is a secret as well.
#[test]
fn secrets_stay_hidden_in_pings() {
    for status in [200, 403, 500] {
        let setup = Setup::new(
            move |request| if status == 200 { quotes(request) } else { Reply::text(status, echo(request)) },
            move |request| if status == 200 { published(request) } else { Reply::text(status, echo(request)) },
        );
        let monitor = Server::with(|request| Reply::text(404, request.target.clone()));
        let run = setup.run().args(["-vv"]).env("DATAMETRICS_PING_URL", format!("{}/ping/s3same", monitor.url()));
        assert_none_leaked(&run, &run.run());
        let pings = monitor.requests();
        let end = pings.last().unwrap();
        assert!(end.method == "POST" && end.text().lines().count() > 5, "{end:?}");
        leak::assert_none_in(&SECRETS, "the ping", end.text());
    }
}
