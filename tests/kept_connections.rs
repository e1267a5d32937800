//! Connections that a server has kept open. It may close one of them at any time, also while the next request is on
//! its way: that is no failure of the request.

use crate::support::{Datametrics, Reply, Server, Tls, lock, tls::Certificate};
use std::{collections::BTreeSet, sync::Mutex};

/// A provider that is asked for one symbol after the other, over one connection.
const CONFIG: &str = "
[crypto]
providers = ['own']
symbols = ['BTC', 'ETH', 'BAT']
fields = ['last']
[providers.own]
market = 'crypto'
base_url = 'https://provider.test'
max_concurrency = 1
symbol = '{base}'
quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
";

/// A server that does this with the second request of a connection, in the place of a reply.
fn provider(end: fn() -> Reply) -> Server {
    let connections = Mutex::new(BTreeSet::new());
    Server::with(move |request| {
        let is_first = lock(&connections).insert(request.connection);
        if is_first { Reply::json(r#"{"last":64210.10}"#) } else { end() }
    })
}

fn run() -> Datametrics {
    Datametrics::new().config(CONFIG).args(["crypto", "--retries", "0", "--dry-run"])
}

#[test]
fn a_kept_connection_that_closes_before_the_reply_costs_no_attempt() {
    for end in [Reply::close, Reply::reset] {
        let provider = provider(end);
        let output = run().provider("own", &provider).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
        // Every symbol but the first was asked for twice: on the connection that closed, and on a new one.
        let asked: Vec<_> = provider.requests().iter().map(|request| (request.connection, request.line())).collect();
        let line = |connection, symbol: &str| (connection, format!("GET /{symbol}"));
        let expected = [line(1, "BTC"), line(1, "ETH"), line(2, "ETH"), line(2, "BAT"), line(3, "BAT")];
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_kept_connection_in_tls_that_closes_before_the_reply_costs_no_attempt() {
    let provider = provider(Reply::close);
    let tls = Tls::before(provider.address(), Certificate::Good);
    let run = run().env("DATAMETRICS_OWN_BASE_URL", format!("https://{}", tls.address()));
    std::fs::write(run.home().join("roots.pem"), tls.roots()).expect("a file");
    let output = run.env("SSL_CERT_FILE", "roots.pem").run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!(provider.requests().len(), 5);
}

/// The request may be what makes the server close a new connection.
#[test]
fn a_new_connection_that_closes_before_the_reply_is_a_failure() {
    for end in [Reply::close, Reply::reset] {
        let provider = Server::with(move |_| end());
        let output = run().provider("own", &provider).args(["--symbols", "BTC"]).run();
        assert_eq!(output.code, Some(69), "{output}");
        assert_eq!(provider.requests().len(), 1);
    }
}
