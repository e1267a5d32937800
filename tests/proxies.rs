//! Proxies. `intermediaries/` has the same with a real one.

use crate::{
    networks::{CONFIG, provider, run},
    support::{
        Carbon, Datametrics, Dialect, Ingest, Output, Reply, Server, Tls,
        carbon::Behaviour,
        lines,
        mount::can_mount,
        prices::{self, HEALTH_POINTS},
        proxy::Proxy,
        request::Received,
        tls::Certificate,
    },
};

use std::fs;

/// `user:pa ss`, as it is sent.
const ENCODED: &str = "dXNlcjpwYSBzcw==";

/// Only the proxy resolves the name; it does not exist on this machine.
#[test]
fn https_proxy_resolves_and_reaches_the_provider() {
    for (variable, password) in [("HTTPS_PROXY", ""), ("https_proxy", "user:pa%20ss@")] {
        let (provider, proxy) = (provider(), Proxy::start());
        let tls = Tls::before(provider.address(), Certificate::Good);
        let port = tls.address().port();
        let ingest = Ingest::start(Dialect::WriteProxy);
        // Graphite is on loopback and needs no proxy.
        run(&tls)
            .env("DATAMETRICS_OWN_BASE_URL", format!("https://provider.test:{port}"))
            .env(variable, format!("http://{password}{}", proxy.authority()))
            .env("HTTP_PROXY", "http://127.0.0.1:9")
            .graphite(&ingest)
            .check();
        assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("64210.10"));
        let credentials = if password.is_empty() { String::new() } else { format!(" Basic {ENCODED}") };
        assert_eq!(proxy.request_lines(), [format!("CONNECT provider.test:{port}{credentials}")]);
        assert_no_credentials_of_proxy(&provider.requests());
    }
}

#[track_caller]
fn assert_no_credentials_of_proxy(requests: &[Received]) {
    assert!(requests.iter().all(|request| request.header("Proxy-Authorization").is_none()), "{requests:?}");
}

/// A proxy also serves the push.
#[test]
fn points_are_pushed_through_the_proxy() {
    let provider = provider();
    let (ingest, proxy) = (Ingest::start(Dialect::WriteProxy), Proxy::start());
    let tls = Tls::before(ingest.server().address(), Certificate::Good);
    let run = run(&tls)
        .provider("own", &provider)
        .graphite(&ingest)
        .env("GRAPHITE_URL", format!("https://graphite.test:{}/graphite/metrics", tls.address().port()))
        .env("HTTPS_PROXY", format!("http://{}", proxy.authority()));
    run.check();
    assert_eq!(ingest.value("crypto.BTC-USD.last").as_deref(), Some("64210.10"));
    assert_eq!(proxy.request_lines(), [format!("CONNECT graphite.test:{}", tls.address().port())]);
}

/// It is no connection that was kept open, so the run does not open others in its place.
#[test]
fn tunnel_that_is_cut_in_the_handshake_is_asked_for_once() {
    for behaviour in [Behaviour::CloseEarly, Behaviour::Reset] {
        let (proxy, upstream) = (Proxy::start(), Carbon::with(&[behaviour]));
        let server = upstream.authority().replace("127.0.0.1", "provider.test");
        let output = Datametrics::new()
            .config(CONFIG)
            .args(["crypto", "--dry-run", "--retries", "0", "--timeout", "20"])
            .env("DATAMETRICS_OWN_BASE_URL", format!("https://{server}"))
            .env("HTTPS_PROXY", format!("http://{}", proxy.authority()))
            .run();
        assert_eq!(proxy.request_lines(), [format!("CONNECT {server}")]);
        assert!(output.stderr.contains("provider.test") && !output.stderr.contains("in time"), "{output}");
        assert_eq!(output.code, Some(69), "{output}");
    }
}

/// A run of `http` alone: two requests to a provider, and a push, all of them through the proxy of
/// `variable`.
fn run_of_http(provider: &Server, ingest: &Ingest, variable: &str, proxy: &str) -> Datametrics {
    let at = |server: &Server, name: &str| format!("http://{name}:{}", server.address().port());
    let config = "graphite.allow_plaintext_credentials = true\n";
    Datametrics::new()
        .config(
            &format!("{config}{CONFIG}")
                .replace("['BTC']", "['BTC', 'ETH']")
                .replace("base_url", "max_concurrency = 1\nbase_url"),
        )
        .args(["crypto", "--retries", "0"])
        .graphite(ingest)
        .env("DATAMETRICS_OWN_BASE_URL", at(provider, "provider.test"))
        .env("GRAPHITE_URL", at(ingest.server(), "graphite.test") + "/graphite/metrics")
        .env(variable, proxy)
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
}

/// Many proxies allow tunnels for `https` alone.
#[test]
fn http_goes_to_the_proxy_without_a_tunnel() {
    for (variable, scheme, password) in [("HTTP_PROXY", "", ""), ("http_proxy", "http://", "user:pa%20ss@")] {
        let (provider, ingest, proxy) = (provider(), Ingest::start(Dialect::WriteProxy), Proxy::start());
        provider.on("GET /ETH").reply(Reply::json(r#"{"last":3120.55}"#));
        run_of_http(&provider, &ingest, variable, &format!("{scheme}{password}{}", proxy.authority())).check();
        assert_eq!(ingest.value("crypto.ETH-USD.last").as_deref(), Some("3120.55"));

        let (of_provider, of_ingest) = (provider.address().port(), ingest.server().address().port());
        let credentials = if password.is_empty() { String::new() } else { format!(" Basic {ENCODED}") };
        assert_eq!(
            proxy.request_lines(),
            [
                format!("GET http://provider.test:{of_provider}/BTC{credentials}"),
                format!("GET http://provider.test:{of_provider}/ETH{credentials}"),
                format!("POST http://graphite.test:{of_ingest}/graphite/metrics{credentials}"),
            ]
        );
        let [first, second, _] = &proxy.requests()[..] else { panic!("three requests") };
        assert_eq!(first.connection, second.connection, "a connection to a proxy is kept");
        assert_eq!(first.header("Host"), Some(&*format!("provider.test:{of_provider}")));
        assert_eq!(first.header("User-Agent"), second.header("User-Agent"));
        assert_no_credentials_of_proxy(&provider.requests());
    }
}

/// The way to the proxy has TLS of its own.
#[test]
fn a_proxy_may_be_reached_by_https() {
    for (scheme, variable) in [("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY")] {
        let (provider, proxy) = (provider(), Proxy::start());
        let address = proxy.authority().parse().expect("an address");
        let [to_proxy, to_provider] = [address, provider.address()].map(|at| Tls::before(at, Certificate::Good));
        let server = if scheme == "http" { provider.address() } else { to_provider.address() };
        let run = fetch(scheme, variable, &format!("https://user:pa%20ss@{}", to_proxy.address()))
            .env("DATAMETRICS_OWN_BASE_URL", format!("{scheme}://provider.test:{}", server.port()))
            .env("SSL_CERT_FILE", "roots.pem");
        fs::write(run.home().join("roots.pem"), lines([to_proxy.roots(), to_provider.roots()])).expect("a file");
        let output = run.run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{scheme}: {output}");
        let [request] = &proxy.request_lines()[..] else { panic!("one request") };
        assert!(request.ends_with(&format!(" Basic {ENCODED}")), "{request}");
        assert_no_credentials_of_proxy(&provider.requests());
    }
}

/// A body that is longer than the buffer in which a request begins.
#[test]
fn a_long_push_goes_through_the_proxy_of_http() {
    let names: Vec<String> = (0..3000).map(|number| format!("C{number}")).collect();
    let quotes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1.5")).collect();
    let (provider, ingest, proxy) = (prices::provider(&quotes), Ingest::start(Dialect::WriteProxy), Proxy::start());
    prices::run_without_symbols(&provider, "graphite.allow_plaintext_credentials = true\n")
        .args(["--symbols", &names.join(",")])
        .graphite(&ingest)
        .env("GRAPHITE_URL", format!("http://graphite.test:{}/graphite/metrics", ingest.server().address().port()))
        .env("HTTP_PROXY", proxy.authority())
        .check();
    assert_eq!(ingest.points().len(), 3000 + HEALTH_POINTS);
    assert_eq!(proxy.requests().len(), 1);
}

#[test]
fn proxy_that_cannot_be_reached_is_named_in_the_error() {
    for (proxy, message) in [
        (
            "http://127.0.0.1:9",
            "no connection to provider.test by the proxy http://127.0.0.1:9: Connection refused (os error 111); is it up, and may this machine reach it?",
        ),
        (
            "http://no-such-proxy.invalid",
            "the name of the proxy http://no-such-proxy.invalid does not resolve: is it right, and does DNS work here?",
        ),
    ] {
        for (scheme, variable) in [("https", "HTTPS_PROXY"), ("http", "HTTP_PROXY")] {
            let output = fetch(scheme, variable, proxy).run();
            assert_eq!(output.stderr, format!("error: crypto: own: BTC/USD: {message}\n"), "{scheme}");
        }
    }
}

/// A run that fetches from a provider that only a proxy knows.
fn fetch(scheme: &str, variable: &str, proxy: &str) -> Datametrics {
    fetch_with_retries("0", scheme, variable, proxy)
}

fn fetch_with_retries(retries: &str, scheme: &str, variable: &str, proxy: &str) -> Datametrics {
    Datametrics::new()
        .config(CONFIG)
        .args(["crypto", "--dry-run", "-q", "--retries", retries])
        .env("DATAMETRICS_OWN_BASE_URL", format!("{scheme}://provider.test"))
        .env(variable, proxy)
}

/// In a tunnel and without one.
#[test]
fn a_refusal_of_the_proxy_is_named_as_such() {
    for (status, credentials, advice) in [
        (407, "", "it wants a user and a password: write VARIABLE as http://user:password@host:port"),
        (407, "user:pa%20ss@", "are the user and the password in VARIABLE right?"),
        (403, "user:pa%20ss@", "its rules forbid this host or this port"),
    ] {
        for (scheme, variable) in [("https", "HTTPS_PROXY"), ("http", "HTTP_PROXY")] {
            let refusal = move || Reply::text(status, format!("user:pa ss {ENCODED}"));
            let proxy = Server::with(move |_| refusal().header("X-Squid-Error", "ERR_ACCESS_DENIED 0"));
            let output = fetch(scheme, variable, &format!("http://{credentials}{}", proxy.address())).run();
            let advice = advice.replace("VARIABLE", variable);
            let expected = format!(
                "error: crypto: own: BTC/USD: the proxy {} does not pass requests on to provider.test: HTTP {status}; \
                 {advice}\n",
                proxy.url()
            );
            assert_eq!((output.code, output.stderr.as_str()), (Some(69), expected.as_str()), "{scheme}");
            assert_eq!(proxy.requests().len(), 1, "such a refusal lasts");
        }
    }
}

/// A proxy that is in trouble itself may be better at the next attempt.
#[test]
fn a_proxy_in_trouble_is_asked_again() {
    let proxy = Server::with(|_| Reply::status(502));
    let output = fetch_with_retries("1", "https", "HTTPS_PROXY", &proxy.url()).run();
    let expected = format!(
        "error: crypto: own: BTC/USD: the proxy {} does not pass requests on to provider.test: HTTP 502; can it reach \
         the server?\n",
        proxy.url()
    );
    assert_eq!(output.stderr, expected);
    assert_eq!(proxy.requests().len(), 2);
}

#[test]
fn a_403_that_a_proxy_passes_on_is_the_servers() {
    for (headers, is_of_proxy) in [
        (&[("Via", "1.1 proxy")][..], false),
        (&[], false),
        (&[("Server", "tinyproxy/1.11.1")], true),
        (&[("Via", "1.1 squid"), ("X-Squid-Error", "ERR_ACCESS_DENIED 0")], true),
    ] {
        let proxy = Server::with(move |_| {
            headers.iter().fold(Reply::text(403, "no"), |reply, (name, value)| reply.header(name, value))
        });
        let output = fetch("http", "HTTP_PROXY", &proxy.url()).run();
        assert_eq!(output.stderr.contains("the proxy"), is_of_proxy, "{output}");
        assert_eq!(output.stderr.contains("HTTP 403: no"), !is_of_proxy, "{output}");
    }
}

/// Not even when the proxy says them in an error.
#[test]
fn credentials_of_the_proxy_are_never_shown() {
    for (scheme, variable) in [("https", "HTTPS_PROXY"), ("http", "HTTP_PROXY")] {
        for status in [400, 403, 407, 500] {
            let proxy = Server::with(move |_| Reply::text(status, format!("no pa ss, pa%20ss, {ENCODED}")));
            let run =
                fetch(scheme, variable, &format!("http://user:pa%20ss@{}", proxy.address())).env("RUST_LOG", "trace");
            let Output { stdout, stderr, .. } = run.run();
            assert!(stderr.contains(&format!("HTTP {status}")), "{scheme}: {stderr}");
            for secret in ["pa ss", "pa%20ss", ENCODED.trim_end_matches('=')] {
                assert!(!stdout.contains(secret) && !stderr.contains(secret), "{scheme} {status}: {stderr}");
            }
        }
    }
}

/// The proxy cannot be reached, so the run fails if it uses the proxy.
#[test]
fn no_proxy_hosts_are_reached_directly() {
    if !can_mount() {
        return;
    }
    for none in ["provider.test", ".test", "other.example, *", "other.example  provider.test"] {
        let provider = provider();
        let tls = Tls::before(provider.address(), Certificate::Good);
        let run = run(&tls).args(["--dry-run"]).hosts("127.0.0.1 provider.test\n");
        let output = run
            .env("DATAMETRICS_OWN_BASE_URL", format!("https://provider.test:{}", tls.address().port()))
            .env("HTTPS_PROXY", "http://user:pass@127.0.0.1:9")
            .env("NO_PROXY", none)
            .run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{none}: {output}");
        assert_no_credentials_of_proxy(&provider.requests());
    }
}
