//! Secrets that are plainly wrong are named before anything is sent, and never shown.

use crate::support::{
    Datametrics, Reply, Server,
    samples::{CRYPTO, kraken},
};
use std::fs;

const QUOTED: &str = "stands between quotation marks: remove them, as they would be sent too";
const ENDS: &str = "begins or ends with white space: remove it";
const INSIDE: &str = "holds white space inside, which no key has: is it the key alone?";
const SCHEME: &str = "begins with a word such as Bearer: leave only the key there";
const WITH_USER: &str = "begins with the user and a colon: leave only the token there";
const EXCHANGED: &str = "is the user, and the user is a token: exchange them";

/// A run that would push to Grafana Cloud.
fn to_cloud(user: &str, password: &str) -> Datametrics {
    let run = Datametrics::new().env("GRAPHITE_URL", "https://graphite-x.grafana.net/graphite/metrics");
    run.env("GRAPHITE_USER", user).env("GRAPHITE_PASSWORD", password).args(["all"])
}

#[test]
fn token_that_is_plainly_wrong_is_named_and_not_shown() {
    for (user, password, message) in [
        ("123456", "\"glc_eyJvsesame\"", format!("GRAPHITE_PASSWORD: {QUOTED}")),
        ("123456", "'glc_eyJvsesame'", format!("GRAPHITE_PASSWORD: {QUOTED}")),
        ("123456", " glc_eyJvsesame", format!("GRAPHITE_PASSWORD: {ENDS}")),
        ("123456", "glc_eyJv sesame", format!("GRAPHITE_PASSWORD: {INSIDE}")),
        ("123456", "Bearer glc_eyJvsesame", format!("GRAPHITE_PASSWORD: {SCHEME}")),
        ("123456", "basic sesame", format!("GRAPHITE_PASSWORD: {SCHEME}")),
        ("123456", "123456:glc_eyJvsesame", format!("GRAPHITE_PASSWORD: {WITH_USER}")),
        ("glc_eyJvsesame", "123456", format!("GRAPHITE_PASSWORD: {EXCHANGED}")),
        ("eyJrIjoi0123sesame", "123456", format!("GRAPHITE_PASSWORD: {EXCHANGED}")),
        ("'123456'", "glc_eyJvsesame", format!("GRAPHITE_USER: {QUOTED}")),
        ("123456 ", "glc_eyJvsesame", format!("GRAPHITE_USER: {ENDS}")),
    ] {
        let run = to_cloud(user, password);
        let output = run.clone().stderr(format!("error: {message}\n")).exit(78).check();
        assert!(!output.stderr.contains("sesame"), "{output}");
        assert!(!run.args(["-vv"]).run().stderr.contains("sesame"));
    }
}

#[test]
fn file_of_a_token_that_is_plainly_wrong_is_named() {
    for (text, message) in [
        ("", "is empty: write the key, token or password into it"),
        ("\n", "is empty: write the key, token or password into it"),
        ("\"glc_eyJvsesame\"\n", QUOTED),
        ("glc_eyJvsesame  \n", ENDS),
    ] {
        let run = to_cloud("1", "").env("GRAPHITE_PASSWORD_FILE", "./token");
        fs::write(run.home().join("token"), text).expect("a file");
        run.stderr(format!("error: ./token: {message}\n")).exit(78).check();
    }
}

/// The message names the place of the text, and no variable that nobody set.
#[test]
fn place_of_a_password_in_the_config_is_named() {
    for (user, password, message) in [
        ("glc_eyJvsesame", "123456", EXCHANGED),
        ("123456", "123456:glc_eyJvsesame", WITH_USER),
        ("123456", "Bearer glc_eyJvsesame", SCHEME),
    ] {
        for (key, place) in [
            (format!("password = '{password}'"), "config.toml:4: graphite.password"),
            ("password_file = './token'".to_owned(), "./token"),
        ] {
            let url = "https://graphite-x.grafana.net/graphite/metrics";
            let run = Datametrics::new().config(&format!("[graphite]\nurl = '{url}'\nuser = '{user}'\n{key}\n"));
            fs::write(run.home().join("token"), password).expect("a file");
            let output = run.args(["all"]).run();
            assert!(output.stderr.ends_with(&format!("error: {place}: {message}\n")), "{output}");
            assert_eq!(output.code, Some(78));
        }
    }
}

#[test]
fn key_of_a_built_in_provider_is_one_word() {
    let finnhub = |key: &str| {
        Datametrics::new().args(["stocks", "--provider", "finnhub", "--dry-run"]).env("FINNHUB_API_KEY", key)
    };
    for (key, message) in [("Token sesame", SCHEME), ("ses ame", INSIDE), ("'sesame'", QUOTED)] {
        finnhub(key).stderr(format!("error: FINNHUB_API_KEY: {message}\n")).exit(78).check();
    }
    let headers = |header: &str| {
        let config = format!("[graphite]\nurl = 'https://mimir.example/metrics'\nheaders = {{ A = '{header}' }}\n");
        Datametrics::new().config(&config).args(["crypto", "--shard", "0/1000000", "-q"]).env("KEY", "Bearer sesame")
    };
    let message =
        "error: config.toml:3: graphite.headers.A: has a word such as Bearer twice: leave only the key in the secret\n";
    headers("Bearer {secret:KEY}").stderr(message).exit(78).check();
    // A header of one's own may be any other text.
    for header in ["{secret:KEY}", "Basic {secret:KEY:base64}"] {
        assert_eq!(headers(header).args(["--dry-run"]).run().code, Some(0));
    }
}

/// Words with blanks between them are a good password of one's own Graphite.
#[test]
fn password_of_ones_own_graphite_may_have_blanks() {
    let (server, own) = (Server::with(|_| kraken(&CRYPTO[..1])), Server::with(|_| Reply::json(r#"{"published":9}"#)));
    let run = Datametrics::new().args(["crypto", "BTC/USD", "--provider", "kraken"]).provider("kraken", &server);
    let run = run.env("GRAPHITE_URL", format!("{}/metrics", own.url()));
    run.env("GRAPHITE_USER", "me").env("GRAPHITE_PASSWORD", "correct horse battery").run();
    let sent = own.requests();
    assert!(!sent.is_empty() && sent[0].header("Authorization").is_some_and(|value| value.starts_with("Basic ")));
}
