//! Proxies, custom certificate authorities, and hosts that only have IPv6.

use crate::support::{
    Datametrics, Dialect, Ingest, Reply, Server, Tls, lines, listener::Listener, mount::can_mount, tls::Certificate,
};
use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A provider whose host name does not exist.
const CONFIG: &str = "
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

fn provider() -> Server {
    let server = Server::start();
    server.on("GET /BTC").reply(Reply::json(r#"{"last":64210.10}"#));
    server
}

/// A run that trusts the certificate of this server.
fn run(tls: &Tls) -> Datametrics {
    let run = Datametrics::new().config(CONFIG).args(["crypto", "--retries", "0"]);
    std::fs::write(run.home().join("roots.pem"), tls.roots()).expect("a file");
    run.env("SSL_CERT_FILE", "roots.pem")
}

/// A proxy that connects every request to the same port on loopback.
struct Proxy {
    listener: Listener,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let requests = Arc::new(Mutex::default());
        let heads = Arc::clone(&requests);
        // An error shows in the client as well.
        let serve = move |stream, _| drop(connect(stream, &heads));
        Self { listener: Listener::start("127.0.0.1", serve), requests }
    }

    fn authority(&self) -> String {
        self.listener.address().to_string()
    }

    /// The first line of each request and its proxy credentials.
    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic in there").clone()
    }
}

/// Reads `CONNECT host:port`, connects to that port on loopback, and copies in both directions.
fn connect(mut client: TcpStream, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (line, headers) = head.split_once("\r\n").expect("a line");
    let of_proxy = headers.lines().find(|header| header.to_lowercase().starts_with("proxy-authorization"));
    heads.lock().expect("no panic in there").push([line, of_proxy.unwrap_or_default()].join(" ").trim().to_owned());
    let port = line.split([' ', ':']).nth(2).and_then(|port| port.parse().ok());
    let Some(port) = port.filter(|_| line.starts_with("CONNECT ")) else {
        return client.write_all(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n");
    };
    let mut server = TcpStream::connect(("127.0.0.1", port))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        to_server.shutdown(Shutdown::Write)
    });
    let _ = io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    up.join().expect("no panic").or(Ok(()))
}

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
        let credentials = if password.is_empty() { "" } else { " Proxy-Authorization: Basic dXNlcjpwYSBzcw==" };
        assert_eq!(proxy.requests(), [format!("CONNECT provider.test:{port} HTTP/1.1{credentials}")]);
    }
}

/// A proxy also serves the push, and the requests to providers without TLS.
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
    assert_eq!(proxy.requests(), [format!("CONNECT graphite.test:{} HTTP/1.1", tls.address().port())]);
}

#[test]
fn http_proxy_is_used_for_http_urls() {
    let (provider, proxy) = (provider(), Proxy::start());
    let port = provider.address().port();
    let output = Datametrics::new()
        .config(CONFIG)
        .args(["crypto", "--retries", "0", "--dry-run"])
        .env("DATAMETRICS_OWN_BASE_URL", format!("http://provider.test:{port}"))
        .env("HTTP_PROXY", proxy.authority())
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    assert_eq!(proxy.requests(), [format!("CONNECT provider.test:{port} HTTP/1.1")]);
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
            "the name provider.test by the proxy http://no-such-proxy.invalid does not resolve: is it right, and does DNS work here?",
        ),
    ] {
        let run = Datametrics::new().config(CONFIG).args(["crypto", "--retries", "0", "--dry-run", "-q"]);
        let output = run.env("HTTPS_PROXY", proxy).run();
        assert_eq!(output.stderr, format!("error: crypto: own: BTC/USD: {message}\n"));
    }
}

/// The proxy cannot be reached, so the run fails if it uses the proxy.
#[test]
fn no_proxy_hosts_are_reached_directly() {
    if !can_mount() {
        return;
    }
    for none in ["provider.test", ".test", "other.example, *"] {
        let provider = provider();
        let tls = Tls::before(provider.address(), Certificate::Good);
        let run = run(&tls).args(["--dry-run"]).hosts("127.0.0.1 provider.test\n");
        let output = run
            .env("DATAMETRICS_OWN_BASE_URL", format!("https://provider.test:{}", tls.address().port()))
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .env("NO_PROXY", none)
            .run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{none}: {output}");
    }
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
    assert!(output.code == Some(69) && output.stderr.contains("SSL_CERT_FILE"), "{output}");
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
