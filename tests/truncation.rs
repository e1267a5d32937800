//! A body without a length ends with its connection. If the connection was cut, nothing of the body counts.

use crate::support::{Datametrics, Reply, Server, Tls, tls::Certificate};

/// A provider whose whole body is a number: any beginning of it is one too.
const CONFIG: &str = "
[feeds.price]
providers = ['own']
symbols = ['A']
[providers.own]
market = 'other'
base_url = 'https://own.example'
[[providers.own.quote]]
path = '/{symbol}'
fields = { last = '' }
";

/// A dry run that asks this server over TLS.
fn run(tls: &Tls) -> Datametrics {
    let run = Datametrics::new()
        .config(CONFIG)
        .args(["--feed", "price", "--dry-run", "--retries", "0"])
        .args(["--graphite-url", "tcp://graphite.example:2003"])
        .env("DATAMETRICS_OWN_BASE_URL", format!("https://{}", tls.address()))
        .env("SSL_CERT_FILE", "roots.pem");
    std::fs::write(run.home().join("roots.pem"), tls.roots()).expect("a file");
    run
}

/// The first bytes of `64210.10`, and the end of the connection.
fn server() -> Server {
    Server::with(|_| Reply::raw("HTTP/1.1 200 OK\r\n\r\n642"))
}

#[test]
fn a_body_that_ends_without_close_notify_is_truncated() {
    let server = server();
    let output = run(&Tls::cutting(server.address())).run();
    let message =
        "error: price: own: A: 127.0.0.1 cut the connection before its reply was whole; the next run asks again\n";
    assert_eq!((output.stderr.as_str(), output.code), (message, Some(69)));
    assert!(!output.stdout.contains("price.A.last"), "{output}");
}

/// The status says what is wrong, and what to do.
#[test]
fn the_status_of_an_error_counts_though_its_body_is_truncated() {
    let server = Server::with(|_| Reply::raw("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\n\r\nslow do"));
    let output = run(&Tls::cutting(server.address())).run();
    let message = "error: price: own: A: HTTP 429: slow do; ask less often; it asks for 3600 s without requests\n";
    assert_eq!((output.stderr.as_str(), output.code), (message, Some(69)));
}

#[test]
fn a_body_that_ends_with_close_notify_is_whole() {
    let server = server();
    let output = run(&Tls::before(server.address(), Certificate::Good)).run();
    assert_eq!((output.stderr.as_str(), output.code), ("", Some(0)));
    assert!(output.stdout.starts_with("price.A.last 642 "), "{output}");
}
