//! No key and no password is ever shown: every situation below runs with sentinels for all of them,
//! at the most talkative levels, and nothing that the run prints or leaves on disk holds one.

mod support;

use std::{fs, path::Path};
use support::{Datametrics, Reply, Server};

const PASSWORD: &str = "S3ntinel/pass+word";
const USER: &str = "123456";
/// User and password as they are sent.
const PAIR: &str = "MTIzNDU2OlMzbnRpbmVsL3Bhc3Mrd29yZA==";
const KEYS: [(&str, &str); 4] = [
    ("FINNHUB_API_KEY", "S3ntinel-finnhub&key"),
    ("APCA_API_KEY_ID", "S3ntinel alpaca id"),
    ("APCA_API_SECRET_KEY", "S3ntinel=alpaca/secret"),
    ("OWN_KEY", "S3ntinel own?key"),
];

/// A definition of one's own whose key goes into the path.
const OWN: &str = r#"
[providers.own]
market = "stocks"
base_url = "http://127.0.0.1:1"
[[providers.own.quote]]
path = "/quote/{symbol}?key={secret:OWN_KEY}"
error = ["/error"]
[providers.own.quote.fields]
last = "/last"
"#;

/// A server's answer, given what it was sent and so could repeat.
type Answer = fn(&str) -> Reply;

/// What a server was sent, in every form that it could repeat.
fn echo(sent: &[&str]) -> String {
    let forms = sent.iter().map(|secret| format!("{secret} {}", encoded(secret)));
    format!("you sent {}", forms.collect::<Vec<_>>().join(" "))
}

fn answers() -> Vec<(&'static str, Answer)> {
    vec![
        ("a good answer", |_| Reply::json(r#"{"c":1.5,"last":1.5,"AAPL":{"latestTrade":{"p":1.5}}}"#)),
        ("401 with an echo", |echo| Reply::text(401, echo)),
        ("403 with an echo as JSON", |echo| Reply::text(403, as_json(echo))),
        ("an error in a 200", |echo| Reply::json(as_json(echo))),
        ("HTML with an echo", |echo| Reply::text(200, format!("<html>{echo}"))),
        ("an echo that is no JSON", |echo| Reply::text(200, format!("{{{echo}"))),
        ("an echo in a long text", |echo| Reply::text(500, echo.repeat(40))),
        ("a redirect with an echo", |echo| {
            Reply::status(302).header("Location", &format!("https://elsewhere.example/{0}?k={0}", encoded(echo)))
        }),
        ("a cut line", |_| Reply::close()),
    ]
}

fn as_json(text: &str) -> String {
    serde_json::json!({"error": text, "message": text}).to_string()
}

/// Percent-encoded, as it stands in a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// Every form of every secret.
fn forbidden() -> Vec<String> {
    let secrets = KEYS.map(|(_, key)| key).into_iter().chain([PASSWORD]);
    let mut all: Vec<String> = secrets.flat_map(|secret| [secret.to_owned(), encoded(secret)]).collect();
    // base64 of the password, of each key, and of the pair as it is sent.
    all.extend(["UzNudGluZWwvcGFzcyt3b3Jk", "MTIzNDU2OlMzbnRpbmVsL3Bhc3Mrd29yZA"].map(str::to_owned));
    all.extend(["UzNudGluZWwtZmlubmh1YiZrZXk", "UzNudGluZWwgb3duP2tleQ"].map(str::to_owned));
    all
}

fn files_below(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files.extend(files_below(&entry));
        } else {
            let text = String::from_utf8_lossy(&fs::read(&entry).expect("a file")).into_owned();
            files.push((entry.display().to_string(), text));
        }
    }
    files
}

fn assert_hidden(what: &str, command: &Datametrics) {
    let output = command.run();
    let mut places = vec![("stdout".to_owned(), output.stdout), ("stderr".to_owned(), output.stderr)];
    places.extend(files_below(command.home()));
    for (place, text) in places {
        for secret in forbidden() {
            assert!(!text.contains(&secret), "{what}: {place} holds {secret:?}:\n{text}");
        }
    }
}

fn command(provider: &Server, graphite: &Server) -> Datametrics {
    let command = Datametrics::new()
        .config(OWN)
        .args(["stocks", "AAPL", "--fields", "last", "--retries", "1", "-vv"])
        .env("RUST_LOG", "trace")
        .env("GRAPHITE_URL", format!("{}/graphite/metrics", graphite.url()))
        .env("GRAPHITE_USER", USER)
        .env("GRAPHITE_PASSWORD", PASSWORD);
    let command = KEYS.into_iter().fold(command, |command, (name, value)| command.env(name, value));
    ["finnhub", "alpaca", "own"].into_iter().fold(command, |command, name| command.provider(name, provider))
}

#[test]
fn nothing_a_provider_answers_brings_a_key_out() {
    for (what, answer) in answers() {
        for (provider, sent) in [("finnhub", 0..1), ("alpaca", 1..3), ("own", 3..4)] {
            let echo = echo(&KEYS[sent].iter().map(|(_, key)| *key).collect::<Vec<_>>());
            let server = Server::with(move |_| answer(&echo));
            let graphite = Server::with(|_| Reply::json(r#"{"published":13}"#));
            assert_hidden(what, &command(&server, &graphite).args(["--provider", provider]));
            assert!(!server.requests().is_empty(), "{provider} was not asked");
        }
    }
}

#[test]
fn nothing_graphite_answers_brings_the_password_out() {
    for (what, answer) in answers() {
        let server = Server::with(|_| Reply::json(r#"{"c":1.5}"#));
        let graphite = Server::with(move |_| answer(&format!("{} Basic {PAIR}", echo(&[PASSWORD]))));
        assert_hidden(what, &command(&server, &graphite).args(["--provider", "finnhub"]));
        assert_eq!(graphite.requests()[0].header("Authorization"), Some(&*format!("Basic {PAIR}")));
    }
}

#[test]
fn a_dry_run_and_the_list_of_providers_show_none() {
    let server = Server::with(|_| Reply::json(r#"{"c":1.5}"#));
    let run = command(&server, &server);
    assert_hidden("a dry run", &run.clone().args(["--dry-run"]).args(["--provider", "finnhub"]));
    let list = KEYS.into_iter().fold(Datametrics::new().config(OWN), |command, (name, value)| command.env(name, value));
    assert_hidden("the list", &list.clone().args(["providers"]));
    assert_hidden("a definition", &list.args(["providers", "own"]));
}

#[test]
fn a_wrong_config_is_not_quoted() {
    let configs = [
        format!("[graphite]\npassword = \"{PASSWORD}\nuser = 1\n"),
        format!("[graphite]\nuser = 1\npassword = \"{PASSWORD}\"\n"),
        format!("[graphite]\npasword = \"{PASSWORD}\"\n"),
        format!("[graphite]\nurl = \"https://user:{PASSWORD}@host/\"\n"),
        format!("[graphite]\nurl = \"http://user:{}@example.com/metrics\"\n", encoded(PASSWORD)),
        format!("[graphite]\nurl = \"https://user:{PASSWORD}@ho st/metrics\"\n"),
        format!("[providers.kraken]\nbase_url = \"ftp://user:{}@host\"\n", encoded(PASSWORD)),
    ];
    for config in configs {
        let run = Datametrics::new().config(&config).args(["crypto", "-vv"]);
        assert_eq!(run.run().code, Some(78), "{config}");
        // The config itself is the one file that holds it.
        fs::remove_file(run.home().join("config.toml")).expect("a config");
        let output = Datametrics::new().config(&config).args(["crypto", "-vv"]).run();
        for secret in forbidden() {
            assert!(!output.stderr.contains(&secret), "{}", output.stderr);
        }
    }
}

#[test]
fn a_key_in_the_url_reaches_the_wire_and_nothing_else() {
    let server = Server::start();
    server.on("GET /quote/AAPL?key=S3ntinel%20own%3Fkey").reply(Reply::json(r#"{"last":1.5}"#));
    let graphite = Server::with(|_| Reply::json(r#"{"published":10}"#));
    let output = command(&server, &graphite).args(["--provider", "own"]).run();
    assert!(output.stderr.contains("/quote/AAPL?key=***: HTTP 200"), "{}", output.stderr);
}
