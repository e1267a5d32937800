//! The headers of a destination: they go with every push, and their secrets nowhere else.

use crate::support::{Datametrics, Received, Reply, Server, leak, prices};
use std::fs;

const TOKEN: &str = "glc_own/s3same+x";

/// An ingest that takes everything.
fn ingest() -> Server {
    Server::with(|request| {
        let points: Vec<serde_json::Value> = serde_json::from_slice(&request.body).expect("points");
        Reply::json(format!(r#"{{"published":{}}}"#, points.len()))
    })
}

/// A run with one price for this ingest.
fn run(provider: &Server, ingest: &Server, headers: &str) -> Datametrics {
    let config = format!("[graphite]\nurl = '{}/metrics'\nheaders = {{ {headers} }}\n", ingest.url());
    prices::run(provider, &config)
}

fn header_of(requests: &[Received], name: &str) -> Vec<Option<String>> {
    requests.iter().map(|request| request.header(name).map(str::to_owned)).collect()
}

#[test]
fn headers_go_with_every_push() {
    let (provider, ingest) = (prices::provider(&[("BTC", "5")]), ingest());
    let run = run(&provider, &ingest, "X-Scope-OrgID = 'home', Authorization = 'Bearer {secret:MIMIR_TOKEN}'");
    run.clone().env("MIMIR_TOKEN", TOKEN).check();
    fs::write(run.home().join("token"), format!("{TOKEN}\n")).unwrap();
    run.clone().env("MIMIR_TOKEN_FILE", "token").check();
    fs::create_dir(run.home().join("credentials")).unwrap();
    fs::rename(run.home().join("token"), run.home().join("credentials/mimir_token")).unwrap();
    run.env("CREDENTIALS_DIRECTORY", "credentials").check();

    let pushes = ingest.requests();
    let three = |value: &str| vec![Some(value.to_owned()); 3];
    assert_eq!(header_of(&pushes, "X-Scope-OrgID"), three("home"));
    assert_eq!(header_of(&pushes, "Authorization"), three(&format!("Bearer {TOKEN}")));
    assert_eq!(header_of(&pushes, "Content-Type"), three("application/json"));
    let fetches = provider.requests();
    assert_eq!(header_of(&fetches, "Authorization"), [None, None, None], "a provider");
    assert_eq!(header_of(&fetches, "X-Scope-OrgID"), [None, None, None], "a provider");
}

#[test]
fn optional_header_is_left_out_where_its_secret_is_not_set() {
    let (provider, ingest) = (prices::provider(&[("BTC", "5")]), ingest());
    let run = run(&provider, &ingest, "X-Token = '{secret?:MIMIR_TOKEN}', X-Pair = '{secret:PAIR:base64}'");
    run.env("PAIR", "a:b").check();
    assert_eq!(header_of(&ingest.requests(), "X-Token"), [None]);
    assert_eq!(header_of(&ingest.requests(), "X-Pair"), [Some("YTpi".to_owned())]);
}

#[test]
fn header_that_cannot_be_sent_is_refused_before_any_request() {
    let https = "https://h.example/metrics";
    let reserved = "is set by datametrics: leave it out";
    let connection = "belongs to the connection: leave it out";
    let both = "stands in the place of user and password, and these are set too: remove one of both";
    let only_http = "cannot be sent, as only https:// and http:// have headers: remove it";
    let is_no_header = "is no header: a name has letters, digits and -, a value no line break";
    let misplaced = "placeholder {option:x} is for definitions of providers";
    let unknown = "placeholder {symbol} is not known here; known: option:NAME, secret:NAME, secret?:NAME";
    for (url, headers, message) in [
        (https, "Content-Type = 'text/plain'", format!("3: graphite.headers.Content-Type: {reserved}")),
        (https, "HOST = 'x'", format!("3: graphite.headers.HOST: {reserved}")),
        (https, "content-length = '1'", format!("3: graphite.headers.content-length: {connection}")),
        (https, "'A B' = 'x'", format!("3: graphite.headers.A B: {is_no_header}")),
        (https, "A = \"x\\ny\"", format!("3: graphite.headers.A: {is_no_header}")),
        (https, "A = 5", "3: graphite.headers.A: must be a text, not a number".to_owned()),
        (https, "A = 'x', a = 'y'", "3: graphite.headers.a: is the same header as A: remove one".to_owned()),
        (https, "A = '{option:x}'", format!("3: graphite.headers.A: {misplaced}")),
        (https, "A = '{symbol}'", format!("3: graphite.headers.A: {unknown}")),
        ("tcp://h.example", "A = 'x'", format!("3: graphite.headers.A: {only_http}")),
        ("pickle://h.example", "A = 'x'", format!("3: graphite.headers.A: {only_http}")),
        (
            "https://u:p@h.example/metrics",
            "authorization = 'Bearer x'",
            format!("3: graphite.headers.authorization: {both}"),
        ),
    ] {
        let config = format!("[graphite]\nurl = '{url}'\nheaders = {{ {headers} }}\n");
        let run = Datametrics::new().config(&config).args(["crypto", "--dry-run"]);
        run.stderr(format!("error: config.toml:{message}\n")).exit(78).check();
    }
    let config = "[graphite]\nurl = 'https://h.example/metrics'\nheaders = { A = '{secret:MIMIR_TOKEN}' }\n";
    let run = Datametrics::new().config(config).args(["crypto"]);
    let message = "error: MIMIR_TOKEN: is not set, and graphite needs it (or MIMIR_TOKEN_FILE)\n";
    run.stderr(message).exit(78).check();
}

#[test]
fn secret_header_is_not_sent_over_plain_http() {
    let headers = |headers: &str, more: &str, arg: &str| {
        let url = "http://graphite.example/metrics";
        let config = format!("[graphite]\nurl = '{url}'\nheaders = {{ {headers} }}\n{more}");
        let run = Datametrics::new().config(&config).env("MIMIR_TOKEN", TOKEN);
        // No symbol falls in this shard, so nobody is asked.
        run.args(["crypto", "--shard", "0/1000000", "--timeout", "3", "--retries", "0", arg])
    };
    let secret = "Authorization = 'Bearer {secret:MIMIR_TOKEN}'";
    let message = "error: config.toml:2: graphite.url: would send a secret of the headers in the clear: use https, or \
                   set allow_plaintext_credentials = true in [graphite]\n";
    headers(secret, "", "-v").stderr(message).exit(78).check();
    let allowed = headers(secret, "allow_plaintext_credentials = true\n", "-v").run();
    assert!(allowed.code == Some(75) && allowed.stderr.contains("graphite.example does not resolve"), "{allowed}");
    let literal = headers("X-Api-Key = 'abc', X-Scope-OrgID = 'home'", "", "--dry-run").run();
    let warning = "graphite: the header X-Api-Key goes in the clear: use https";
    assert!(literal.code == Some(0) && literal.stderr.contains(warning), "{literal}");
    assert!(!literal.stderr.contains("OrgID"), "{literal}");
}

#[test]
fn grafana_cloud_takes_a_token_in_a_header() {
    let config = "[graphite]\nurl = 'https://graphite-nobody.grafana.net/graphite/metrics'\n\
                  headers = { Authorization = 'Bearer {secret:MIMIR_TOKEN}' }\n";
    let run = Datametrics::new().config(config).env("MIMIR_TOKEN", TOKEN).env("HTTPS_PROXY", "http://127.0.0.1:9");
    let output = run.args(["crypto", "--shard", "0/1000000", "--retries", "0"]).run();
    assert!(
        output.code == Some(75) && output.stderr.contains("graphite: no connection to graphite-nobody"),
        "{output}"
    );
}

#[test]
fn secret_of_a_header_is_in_no_output() {
    let provider = prices::provider(&[("BTC", "5")]);
    let echo = Server::with(|request| {
        let headers: Vec<&str> = request.headers.iter().map(|(_, value)| value.as_str()).collect();
        Reply::text(401, format!("no: {} {}", headers.join(" "), leak::forms(("", TOKEN)).join(" ")))
    });
    let secrets = [("", TOKEN)];
    for header in ["Authorization = 'Bearer {secret:T}'", "X-Token = '{secret:T:base64}'", &format!("K = '{TOKEN}'")] {
        let run = run(&provider, &echo, header).env("T", TOKEN);
        let output = run.clone().args(["-vv"]).run();
        assert_eq!(output.code, Some(77), "{output}");
        leak::assert_none_in_run(&secrets, &run, &output);
        let check = Datametrics::new().config(&fs::read_to_string(run.home().join("config.toml")).unwrap());
        let check = check.env("T", TOKEN).args(["check", "--retries", "0", "-v"]).provider("kraken", &provider);
        let check = ["coinbase", "yahoo", "cnbc"].into_iter().fold(check, |run, name| run.provider(name, &provider));
        let output = check.run();
        assert!(output.stdout.contains("FAILED  graphite: 127.0.0.1 refused the credentials"), "{output}");
        leak::assert_none_in_run(&secrets, &check, &output);
    }
}

#[test]
fn check_lists_headers_and_hides_what_may_be_secret() {
    let config = "[graphite]\nheaders = { X-Scope-OrgID = 'home', A = 'abc', B = '{secret:MIMIR_TOKEN}' }\n";
    let run = Datametrics::new().config(config).env("MIMIR_TOKEN", TOKEN).env("HTTPS_PROXY", "http://127.0.0.1:9");
    let output = run.args(["check", "--retries", "0"]).run();
    let rows: Vec<String> =
        output.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let row = "graphite.headers A set, B set, X-Scope-OrgID = home config.toml:2";
    assert!(rows.iter().any(|line| line == row), "{output}");
    assert!(rows.iter().any(|line| line == "MIMIR_TOKEN set MIMIR_TOKEN"), "{output}");
}

#[test]
fn refused_header_is_named() {
    let provider = prices::provider(&[("BTC", "5")]);
    let refusing = Server::with(|_| Reply::text(401, "who are you"));
    let output = run(&provider, &refusing, "Authorization = 'Bearer {secret:T}'").env("T", TOKEN).run();
    let question = "is the header Authorization of [graphite] that of the Graphite instance, with metrics:write?";
    assert!(output.code == Some(77) && output.stderr.contains(question), "{output}");
}

/// A server may quote what it has decoded, or the part of a header that stands beside a secret.
#[test]
fn what_is_written_into_a_header_as_it_is_is_in_no_message() {
    for (header, quoted) in [
        // user:literal-sesame
        ("Authorization = 'Basic dXNlcjpsaXRlcmFsLXNlc2FtZQ=='", "literal-sesame"),
        ("X-Mix = 'literal-sesame-{secret:MIMIR_TOKEN}'", "literal-sesame"),
    ] {
        let provider = prices::provider(&[("BTC", "5")]);
        let graphite = Server::with(|_| Reply::text(401, "no literal-sesame here"));
        let run = run(&provider, &graphite, header).env("MIMIR_TOKEN", TOKEN).args(["-vv"]);
        let output = run.run();
        assert_eq!(output.code, Some(77), "{output}");
        assert!(output.stderr.contains("no *** here"), "{header}: {output}");
        assert!(!output.stderr.contains(quoted), "{header}: {output}");
    }
}
