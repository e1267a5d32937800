//! tinyproxy, which makes tunnels to the ports of `https` alone, as Debian sets it up.

use crate::{
    networks::{CONFIG, provider},
    support::{
        Datametrics, Dialect, Ingest, Tls,
        intermediary::{Intermediary, Program},
        journal::Journal,
        lines, port,
        tls::Certificate,
    },
};
use std::fs;

/// A proxy that does not pass on what goes to `forbidden.test`, with these further lines.
fn start(further: &str) -> Intermediary {
    Intermediary::start(Program::Tinyproxy, |port, folder| {
        let filter = folder.join("filter");
        fs::write(&filter, "forbidden\n").expect("a file");
        format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nFilter \"{}\"\n{further}\n",
            filter.display()
        )
    })
}

/// A run that reaches a provider and Graphite only through the proxy.
fn run(scheme: &str, provider: &str, graphite: u16, proxy: &str) -> Datametrics {
    Datametrics::new()
        .config(&format!("graphite.allow_plaintext_credentials = true\n{CONFIG}"))
        .args(["crypto", "--retries", "0"])
        .env("DATAMETRICS_OWN_BASE_URL", format!("{scheme}://{provider}"))
        .env("GRAPHITE_URL", format!("{scheme}://graphite.test:{graphite}/graphite/metrics"))
        .env("GRAPHITE_USER", crate::support::graphite::USER)
        .env("GRAPHITE_PASSWORD", crate::support::graphite::PASSWORD)
        .env("HTTPS_PROXY", proxy)
        .env("HTTP_PROXY", proxy)
}

#[test]
fn http_goes_through_tinyproxy() {
    if !Program::Tinyproxy.is_available() {
        return;
    }
    for (further, credentials) in [("ConnectPort 443", ""), ("BasicAuth user s3same", "user:s3same@")] {
        let (provider, ingest, proxy) = (provider(), Ingest::start(Dialect::WriteProxy), start(further));
        let at = format!("provider.test:{}", provider.address().port());
        let url = format!("http://{credentials}{}", proxy.authority());
        let output = run("http", &at, ingest.server().address().port(), &url).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{further}: {output}");
        assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("64210.10"));
    }
}

#[test]
fn https_goes_through_a_tunnel_of_tinyproxy() {
    if !Program::Tinyproxy.is_available() {
        return;
    }
    for (further, credentials) in [("", ""), ("BasicAuth user s3same", "user:s3same@")] {
        let (provider, ingest) = (provider(), Ingest::start(Dialect::WriteProxy));
        let [of_provider, of_ingest] =
            [provider.address(), ingest.server().address()].map(|server| Tls::before(server, Certificate::Good));
        let [provider_port, ingest_port] = [&of_provider, &of_ingest].map(|tls| tls.address().port());
        let proxy = start(&format!("ConnectPort {provider_port}\nConnectPort {ingest_port}\n{further}"));
        let at = format!("provider.test:{provider_port}");
        let run = run("https", &at, ingest_port, &format!("http://{credentials}{}", proxy.authority()));
        fs::write(run.home().join("roots.pem"), lines([of_provider.roots(), of_ingest.roots()])).expect("a file");
        let output = run.env("SSL_CERT_FILE", "roots.pem").run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{further}: {output}");
        assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("64210.10"));
    }
}

#[test]
fn a_refusal_of_tinyproxy_is_named_as_such() {
    if !Program::Tinyproxy.is_available() {
        return;
    }
    let (open, closed) = (start("ConnectPort 443"), start("BasicAuth user s3same"));
    let forbids = "HTTP 403; its rules forbid this host or this port";
    for (proxy, credentials, scheme, provider, message) in [
        (&open, "", "http", "forbidden.test", forbids),
        (&open, "", "https", "forbidden.test", forbids),
        (&open, "", "https", "provider.test:8443", forbids),
        (&closed, "", "http", "provider.test", "HTTP 407; it wants a user and a password: write HTTP_PROXY as"),
        (&closed, "", "https", "provider.test", "HTTP 407; it wants a user and a password: write HTTPS_PROXY as"),
        (&closed, "user:wr0ng@", "http", "provider.test", "the user and the password in HTTP_PROXY right?"),
        (&closed, "user:wr0ng@", "https", "provider.test", "the user and the password in HTTPS_PROXY right?"),
    ] {
        let url = format!("http://{credentials}{}", proxy.authority());
        let output = run(scheme, provider, 443, &url).args(["--dry-run", "-q"]).run();
        let host = provider.split(':').next().unwrap_or_default();
        let begin = format!(
            "error: crypto: own: BTC/USD: the proxy http://{} does not pass requests on to {host}: ",
            proxy.authority()
        );
        assert_eq!(output.code, Some(69), "{output}");
        assert!(output.stderr.starts_with(&begin) && output.stderr.contains(message), "{output}");
        assert!(!output.stderr.contains("wr0ng"), "{output}");
    }
}

/// The proxy answers in the place of a Graphite that is gone.
#[test]
fn points_wait_while_nothing_is_behind_tinyproxy() {
    if !Program::Tinyproxy.is_available() {
        return;
    }
    let dead = port::unused();
    let proxy = start(&format!("ConnectPort {dead}"));
    for scheme in ["http", "https"] {
        let provider = provider();
        let run = run(scheme, "unused.test", dead, &format!("http://{}", proxy.authority()))
            .env("DATAMETRICS_OWN_BASE_URL", provider.url());
        let output = run.run();
        assert_eq!(output.code, Some(75), "{output}");
        assert!(output.stderr.contains("HTTP 50") && output.stderr.contains("in the journal"), "{output}");
        assert!(Journal::of(&run).values().keys().any(|(name, _)| name == "crypto.BTC-USD.last"));
    }
}
