//! Custom certificate authorities, and hosts that only have IPv6.

use crate::support::{Datametrics, Dialect, Ingest, Reply, Server, Tls, lines, mount::can_mount, tls::Certificate};

/// A provider whose host name does not exist.
pub(crate) const CONFIG: &str = "
[crypto]
providers = ['own']
symbols = ['BTC']
fields = ['last']
[providers.own]
market = 'crypto'
base_url = 'https://provider.test'
symbol = '{base}'
quote = [{ path = '/{symbol}', fields = { last = '/last' } }]
";

pub(crate) fn provider() -> Server {
    let server = Server::start();
    server.on("GET /BTC").reply(Reply::json(r#"{"last":64210.10}"#));
    server
}

/// A run that trusts the certificate of this server.
pub(crate) fn run(tls: &Tls) -> Datametrics {
    let run = Datametrics::new().config(CONFIG).args(["crypto", "--retries", "0"]);
    std::fs::write(run.home().join("roots.pem"), tls.roots()).expect("a file");
    run.env("SSL_CERT_FILE", "roots.pem")
}

/// Only the authorities of the file are trusted, whichever comes first.
#[test]
fn ssl_cert_file_replaces_the_trusted_authorities() {
    let provider = provider();
    let tls = Tls::before(provider.address(), Certificate::Good);
    let another = Tls::before(provider.address(), Certificate::Good);
    let fetch = |roots: &str| {
        let run = run(&tls).args(["--dry-run", "-q"]);
        std::fs::write(run.home().join("roots.pem"), roots).expect("a file");
        run.env("DATAMETRICS_OWN_BASE_URL", format!("https://{}", tls.address())).run()
    };
    let output = fetch(&lines(["# of one's own", another.roots(), tls.roots()]));
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    let output = fetch(another.roots());
    let message = "error: crypto: own: BTC/USD: TLS error with 127.0.0.1: its certificate is signed by no authority in \
                   the file of SSL_CERT_FILE, and only those are trusted: add its authority to that file\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(69), message), "{output}");
}

#[test]
fn hosts_with_only_ipv6_are_reached() {
    let mut names = vec!["[::1]"];
    if can_mount() {
        names.push("provider.test");
    }
    for name in names {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let tls = Tls::on("::1", provider.address(), Certificate::Good);
        let graphite = Tls::on("::1", ingest.server().address(), Certificate::Good);
        let run = run(&tls);
        std::fs::write(run.home().join("roots.pem"), lines([tls.roots(), graphite.roots()])).expect("a file");
        let run = if name == "[::1]" { run } else { run.hosts("::1 provider.test\n") };
        run.graphite(&ingest)
            .env("DATAMETRICS_OWN_BASE_URL", format!("https://{name}:{}", tls.address().port()))
            .env("GRAPHITE_URL", format!("https://{name}:{}/graphite/metrics", graphite.address().port()))
            .check();
        assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("64210.10"), "{name}");
    }
}
