//! Everything that can go wrong with a provider, and what a run makes of it. The table that comes of
//! it is `fire.txt`, to be read at a glance.
//!
//! Every fault is met twice by the built program: beside a feed that is well, whose points must land,
//! and alone, with keys and passwords in use and everything said that can be said, none of which may
//! be a key or a password.

#[path = "support/own.rs"]
mod own;
mod support;

use flate2::{Compression, write::GzEncoder};
use rcgen::{BasicConstraints, IsCa, date_time_ymd};
use std::{
    any::Any,
    fmt::Write as _,
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};
use support::{
    Datametrics, Dialect, Gate, Ingest, Output, Reply, Server, Verdict, graphite,
    sentinel::assert_absent,
    tls::{Authority, Certificate, Tls},
};

/// One provider with a key in its path and one in a header, and an own name for what is watched.
const CONFIG: &str = "
[providers.own]
market = 'crypto'
base_url = 'http://127.0.0.1:9'
symbol = '{base}'
headers = { X-Key = '{secret:OWN_KEY}' }
bad_symbol = { text = ['no such symbol'] }

[[providers.own.quote]]
path = '/{symbols}?token={secret:OWN_TOKEN}'
rows = '/rows'
key = '/symbol'
error = ['/error']
fields = { last = '/last' }
";
const WELL: &str = r#"{"rows":[{"symbol":"BTC","last":64210.10},{"symbol":"ETH","last":3120.55}]}"#;
const YAHOO: &str = r#"{"spark":{"result":[{"symbol":"AAPL","response":[{"meta":{"regularMarketPrice":204.5}}]}]}}"#;

/// What nobody may see: the key, the token, and the password of Graphite with its user.
const SECRETS: [(&str, &str); 3] =
    [("", "key/s3same+x"), ("", "token/s3same=&x"), (graphite::USER, graphite::PASSWORD)];

/// The longest that a run may take after its deadline.
const GRACE: Duration = Duration::from_secs(2);
/// The most memory, in KiB, that a run may have had.
const MEMORY: u64 = 64 << 10;

/// A provider that fails.
struct Place {
    url: String,
    /// Variables that the run has besides.
    env: Vec<(&'static str, String)>,
    /// Files in its home.
    files: Vec<(&'static str, String)>,
    /// The time of the run, in seconds.
    timeout: u64,
    /// Whether the provider's name has the addresses of the file `hosts`.
    hosts: bool,
    /// What it lives by.
    lives_by: Vec<Box<dyn Any + Send>>,
}

impl Place {
    fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), env: Vec::new(), files: Vec::new(), timeout: 30, hosts: false, lives_by: Vec::new() }
    }

    fn keep(mut self, what: impl Any + Send) -> Self {
        self.lives_by.push(Box::new(what));
        self
    }

    fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    fn server(server: Server) -> Self {
        Self::at(server.url()).keep(server)
    }

    fn reply(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Self {
        Self::server(Server::with(move |_| reply()))
    }

    /// HTTPS at loopback with this certificate, where only `trusted` is trusted.
    fn tls(certificate: &Certificate, trusted: String) -> Self {
        let server = Tls::start("127.0.0.1", certificate, WELL);
        let mut place = Self::at(format!("https://127.0.0.1:{}", server.port())).keep(server);
        place.files.push(("roots.pem", trusted));
        place.env.push(("SSL_CERT_FILE", "roots.pem".to_owned()));
        place
    }
}

type Fault = (&'static str, fn() -> Place);

fn body(text: &'static str) -> Place {
    Place::reply(move || Reply::json(text))
}

fn status(status: u16, body: &'static str) -> Place {
    Place::reply(move || Reply::text(status, body))
}

fn limited(retry_after: &'static str) -> Place {
    Place::reply(move || Reply::text(429, "slow down").header("Retry-After", retry_after))
}

fn moved(status: u16, location: &'static str) -> Place {
    Place::server(Server::with(move |request| {
        if request.target.starts_with("/moved") {
            Reply::json(WELL)
        } else {
            Reply::status(status).header("Location", location)
        }
    }))
}

/// A row for ETH as it should be, and one for BTC that has this as its price.
fn price(text: &str) -> Place {
    let body = format!(r#"{{"rows":[{{"symbol":"BTC","last":{text}}},{{"symbol":"ETH","last":3120.55}}]}}"#);
    Place::reply(move || Reply::json(body.clone()))
}

/// Rows under names that nobody asked for.
fn name(json: &str) -> Place {
    let body = format!(r#"{{"rows":[{{"symbol":{json},"last":1}},{{"symbol":"ETH","last":3120.55}}]}}"#);
    Place::reply(move || Reply::json(body.clone()))
}

fn bomb() -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..256 {
        out.write_all(&zeros).expect("memory takes all");
    }
    out.finish().expect("memory takes all")
}

/// Nobody listens there any more.
fn refused() -> Place {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    Place::at(format!("http://{}", socket.local_addr().expect("an address")))
}

/// A socket that nobody accepts from, with its queue full: what comes next gets no answer.
fn black_hole() -> (SocketAddr, impl Any + Send) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(stream);
    }
    (address, (socket, queue))
}

/// A name of two addresses. Nobody answers at the first.
fn two_addresses() -> Place {
    let authority = Authority::new();
    let certificate = authority.sign("two.test", |_| ());
    let mut place = Place::tls(&certificate, authority.pem());
    place.url = place.url.replace("127.0.0.1", "two.test");
    place.hosts = true;
    place.files.push(("hosts", "127.0.0.2 two.test\n127.0.0.1 two.test\n".to_owned()));
    place
}

/// A server that answers before it was asked, and not in TLS.
fn plain_http() -> Place {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    // It ends with the second of the two runs.
    thread::spawn(move || {
        for stream in socket.incoming().take(2) {
            let mut stream = stream.expect("a connection");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("a socket takes that");
            // Until the other side has read it.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    Place::at(format!("https://{address}"))
}

/// What a server does, and how it is done here.
const FAULTS: &[Fault] = &[
    // Before there is a connection.
    ("its name does not resolve", || Place::at("https://nobody.invalid")),
    ("it refuses the connection", refused),
    ("a black hole", || {
        let (address, queue) = black_hole();
        Place::at(format!("http://{address}")).keep(queue)
    }),
    ("the first of its two addresses is dead", two_addresses),
    ("TLS: its certificate has expired", || {
        let authority = Authority::new();
        let old = |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
        Place::tls(&authority.sign("127.0.0.1", old), authority.pem())
    }),
    ("TLS: its certificate is another host's", || {
        let authority = Authority::new();
        Place::tls(&authority.sign("other.example", |_| ()), authority.pem())
    }),
    ("TLS: it signs for itself", || Place::tls(&Certificate::own("127.0.0.1", |_| ()), Authority::new().pem())),
    ("TLS: it signs for itself as an authority", || {
        let authority =
            |params: &mut rcgen::CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = Certificate::own("127.0.0.1", authority);
        let trusted = certificate.pem();
        Place::tls(&certificate, trusted)
    }),
    ("TLS: it speaks plain HTTP", plain_http),
    ("TLS: all is well", || {
        let authority = Authority::new();
        Place::tls(&authority.sign("127.0.0.1", |_| ()), authority.pem())
    }),
    // Before there is a whole reply.
    ("silence", || Place::reply(Reply::hang).timeout(3)),
    ("a byte every 100 ms", || Place::reply(|| Reply::json(WELL).drip(Duration::from_millis(100))).timeout(3)),
    ("it closes without an answer", || Place::reply(Reply::close)),
    ("a reset before the answer", || Place::reply(Reply::reset)),
    ("a cut inside the body", || Place::reply(|| Reply::json(WELL).cut_after(20))),
    ("a Content-Length too short", || Place::reply(|| Reply::json(WELL).header("Content-Length", "20"))),
    ("a Content-Length too long", || {
        Place::reply(|| Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{WELL}")))
    }),
    ("chunks that are none", || {
        Place::reply(|| Reply::raw(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{WELL}")))
    }),
    ("a status line that is none", || Place::reply(|| Reply::raw("HELO example.com\r\n\r\n"))),
    ("headers of 1 MB", || {
        Place::reply(|| Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))))
    }),
    ("an endless body", || Place::reply(|| Reply::json(vec![b' '; 1 << 16]).endless())),
    ("an endless error", || Place::reply(|| Reply::text(500, vec![b'x'; 1 << 16]).endless())),
    ("64 MiB", || Place::reply(|| Reply::json(vec![b'['; 64 << 20]))),
    ("256 MiB in 256 KiB of gzip", || Place::reply(|| Reply::json(bomb()).header("Content-Encoding", "gzip"))),
    ("gzip that is none", || Place::reply(|| Reply::json(WELL).header("Content-Encoding", "gzip"))),
    // A status that is no success.
    ("301 to the same host", || moved(301, "/moved")),
    ("301 to the same host, for ever", || moved(301, "/again")),
    ("301 to another host", || moved(301, "https://elsewhere.example/login?from=us")),
    ("302 to plain http", || moved(302, "http://elsewhere.example/\u{7f}")),
    ("400", || status(400, "what?")),
    ("400 for a symbol it does not know", || status(400, "no such symbol")),
    ("401", || status(401, "who?")),
    ("403", || status(403, "")),
    ("404", || status(404, "no")),
    ("408", || status(408, "")),
    ("418", || status(418, "I am a teapot")),
    ("429", || status(429, "slow down")),
    ("429, Retry-After in seconds", || limited("86400")),
    ("429, Retry-After as a date", || limited("Fri, 31 Dec 2100 23:59:59 GMT")),
    ("429, Retry-After absurd", || limited("99999999999999999999999999")),
    ("429, Retry-After negative", || limited("-5")),
    ("451", || status(451, "")),
    ("500", || status(500, "ill")),
    ("502 with HTML", || status(502, "<html><title>502</title>\n Bad\t\u{1b}[31mGateway</html>")),
    ("503", || status(503, "")),
    ("204", || status(204, "")),
    // A body that is no reply.
    ("an empty body", || body("")),
    ("HTML in a 200", || body("<!DOCTYPE html><b>hi</b>")),
    ("truncated JSON", || body(r#"{"rows":[{"symbol":"BTC","last":64210.10},{"symbol":"#)),
    ("more after the JSON", || Place::reply(|| Reply::json(format!("{WELL} x")))),
    ("the wrong root", || body("[1,2]")),
    ("rows of the wrong kind", || body(r#"{"rows":7}"#)),
    ("an error in a 200", || body(r#"{"error":"EService:Busy"}"#)),
    ("an error with an escape sequence", || body(r#"{"error":"a\u001b[2Jb\u0085c\u202ed\ne"}"#)),
    ("100,000 levels deep", || Place::reply(|| Reply::json("[".repeat(100_000)))),
    ("100,000 levels deep, and back", || {
        Place::reply(|| Reply::json(format!(r#"{{"x":{}{},{}"#, "[".repeat(100_000), "]".repeat(100_000), &WELL[1..])))
    }),
    ("invalid UTF-8", || Place::reply(|| Reply::json(b"{\"rows\":[{\"symbol\":\"\xff\xfe\",\"last\":1}]}".to_vec()))),
    ("nothing but invalid UTF-8, 10 MB", || Place::reply(|| Reply::json(vec![0xff; 10_000_000]))),
    ("duplicate keys", || {
        body(r#"{"rows":[{"symbol":"BTC","last":1,"last":2},{"symbol":"BTC","last":3},{"symbol":"ETH","last":4}]}"#)
    }),
    ("a string of 10 MB", || {
        Place::reply(|| {
            Reply::json(format!(
                r#"{{"rows":[{{"symbol":"BTC","last":"{}"}}],"error":"{}"}}"#,
                "9".repeat(10_000_000),
                "x".repeat(4_000_000)
            ))
        })
    }),
    ("a million rows of others", || {
        Place::reply(|| {
            Reply::json(format!(r#"{{"rows":[{}{{"symbol":"ETH","last":2}}]}}"#, r#"{"last":1},"#.repeat(1_000_000)))
        })
    }),
    // A number that is none.
    ("a price of null", || price("null")),
    ("a price of 1e999", || price("1e999")),
    ("a price of 1e99999999999999999999", || price("1e99999999999999999999")),
    ("a price of 0e-99999999999999999999", || price("0e-99999999999999999999")),
    ("a price of \"NaN\"", || price(r#""NaN""#)),
    ("a price of NaN", || price("NaN")),
    ("a price of \"Infinity\"", || price(r#""Infinity""#)),
    ("a price of -5", || price("-5")),
    ("a price of 0", || price("0")),
    ("a price of \"\"", || price(r#""""#)),
    ("a price of {}", || price("{}")),
    // A name that is not one of ours.
    ("a name with a newline", || name(r#""BTC\ncrypto.X.last 1""#)),
    ("a name with ;", || name(r#""BTC;a=b""#)),
    ("a name with NUL", || name(r#""BTC\u0000""#)),
    ("a name with ../", || name(r#""../BTC""#)),
    ("a name that is a number", || name("7")),
];

/// What came of a fault.
struct Met {
    said: String,
    code: Option<i32>,
    alone: Option<i32>,
    values: std::collections::BTreeMap<String, String>,
    peak: Option<u64>,
    late: Option<Duration>,
}

impl Met {
    /// What the table has of it.
    fn rows(&self, what: &str) -> String {
        assert!(self.peak.is_none_or(|peak| peak < MEMORY), "{what}: {:?} KiB", self.peak);
        assert_eq!(self.values.get("stocks.AAPL.last").map(String::as_str), Some("204.5"), "{what}: {}", self.said);
        assert_eq!(self.value("feed.crypto.expected"), "2", "{what}");
        let landed = self.values.keys().filter(|name| name.starts_with("crypto.")).count();
        assert_eq!(self.value("feed.crypto.fetched"), landed.to_string(), "{what}");
        let code = |code: Option<i32>| code.map_or("killed".to_owned(), |code| code.to_string());
        let (status, alone, beside) = (self.value("own.response.status_code"), code(self.alone), code(self.code));
        let mut rows = format!("{status:>6} {alone:>5} {beside:>6} {landed:>3}  {what}\n");
        for line in self.said.lines() {
            // What servers say is cut at 200 characters, which is too long for a glance.
            let cut = line.char_indices().nth(180).map_or(line.to_owned(), |(at, _)| format!("{}…", &line[..at]));
            writeln!(rows, "                            {cut}").expect("memory takes all");
        }
        rows
    }

    fn value(&self, name: &str) -> &str {
        self.values.get(&format!("metrics.crypto-stocks.{name}")).map_or("-", String::as_str)
    }
}

fn command(place: &Place, config: &str) -> Datametrics {
    let mut run = Datametrics::new()
        .config(config)
        .args(["--retries", "0", "--fields", "last", "--timeout", &place.timeout.to_string()])
        .env("DATAMETRICS_OWN_BASE_URL", &place.url)
        .env("OWN_KEY", SECRETS[0].1)
        .env("OWN_TOKEN", SECRETS[1].1)
        .env("DATAMETRICS_CRYPTO_SYMBOLS", "BTC,ETH");
    for (name, text) in &place.files {
        std::fs::write(run.home().join(name), text).expect("a file");
    }
    for (name, value) in &place.env {
        run = run.env(name, value);
    }
    run
}

/// Runs it, with the names of the place's own if it has any. Says how much memory it had when it had
/// fetched everything.
fn start(run: &Datametrics, place: &Place, graphite: &Ingest, pushed: &Gate) -> (Output, Option<u64>, Duration) {
    let begun = Instant::now();
    if place.hosts {
        pushed.open();
        let output = own::mounting(run, "mount --bind hosts /etc/hosts && exec \"$@\"");
        return (output, None, begun.elapsed());
    }
    let running = run.spawn();
    graphite.server().wait_for(1);
    let peak = running.peak_memory();
    pushed.open();
    let output = running.wait();
    (output, peak, begun.elapsed())
}

fn ingest(pushed: &Gate) -> Ingest {
    let pushed = pushed.clone();
    Ingest::deciding(Dialect::WriteProxy, move |_| {
        pushed.wait();
        Verdict::Take
    })
}

/// The fault beside a feed that is well, and alone.
fn meet((what, place): Fault) -> Met {
    let (place, yahoo, pushed) = (place(), Server::start(), Gate::new());
    let graphite = ingest(&pushed);
    yahoo.on("GET /v7/finance/spark?symbols=AAPL&range=1d&interval=5m").reply(Reply::json(YAHOO));
    let run = command(&place, CONFIG)
        .args(["--crypto", "--stocks", "--provider", "own,yahoo"])
        .env("DATAMETRICS_STOCKS_SYMBOLS", "AAPL")
        .provider("yahoo", &yahoo)
        .graphite(&graphite);
    let (output, peak, took) = start(&run, &place, &graphite, &pushed);
    let limit = Duration::from_secs(place.timeout) + GRACE;

    let (alone_pushed, loud) = (Gate::new(), command(&place, CONFIG).args(["crypto", "--provider", "own", "-vv"]));
    let alone_graphite = ingest(&alone_pushed);
    let loud = loud.graphite(&alone_graphite).env("RUST_LOG", "trace");
    let (alone, alone_peak, _) = start(&loud, &place, &alone_graphite, &alone_pushed);
    assert_absent(&SECRETS, &loud, &alone);
    assert!(alone_graphite.value("metrics.crypto.duration").is_some(), "{alone}");
    for line in output.stderr.lines() {
        assert!(alone.stderr.contains(line), "{what}: not {line} in in\n{alone}");
    }
    Met {
        said: output.stderr,
        code: output.code,
        alone: alone.code,
        values: graphite.values(),
        peak: peak.max(alone_peak),
        late: took.checked_sub(limit),
    }
}

/// Meets every fault, a few at a time.
fn meet_all(faults: &[Fault]) -> Vec<Met> {
    let queue = Mutex::new(faults.iter().enumerate());
    let next = || queue.lock().expect("no one panics with it").next();
    let worker = || std::iter::from_fn(next).map(|(at, fault)| (at, meet(*fault))).collect::<Vec<_>>();
    let mut all = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("all are met")).collect::<Vec<_>>()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, met)| met).collect()
}

#[test]
fn every_fault_costs_only_itself_and_is_said() {
    let mounting = own::can_mount();
    let (skipped, faults): (Vec<_>, Vec<_>) =
        FAULTS.iter().partition(|fault| !mounting && fault.0 == "the first of its two addresses is dead");
    let mut table = String::from("status alone beside got  fault\n");
    for (fault, met) in faults.iter().zip(meet_all(&faults)) {
        let (mut late, mut rows) = (met.late, met.rows(fault.0));
        if late.is_some() || !include_str!("fire.txt").contains(&rows) {
            // On a busy machine once more, with nothing beside it.
            let met = meet(*fault);
            (late, rows) = (met.late, met.rows(fault.0));
        }
        assert_eq!(late, None, "{}: too late", fault.0);
        table += &rows;
    }
    if skipped.is_empty() {
        snapbox::Assert::new().action_env("SNAPSHOTS").normalize_paths(false).eq(table, snapbox::file!["fire.txt"]);
    }
}

/// All replies are as long as may be, and come at once.
#[test]
fn long_replies_side_by_side_share_the_memory() {
    let symbols = ["AA", "BB", "CC", "DD", "EE"];
    let (gate, pushed) = (Gate::new(), Gate::new());
    let opened = gate.clone();
    let server = Server::with(move |request| {
        let symbol = &request.target[1..3];
        let spaces = " ".repeat((16 << 20) - 100);
        let reply = Reply::json(format!(r#"{{"rows":[{{"symbol":"{symbol}","last":2}}]{spaces}}}"#)).after(&opened);
        // Half of them do not say how long they are.
        if symbol < "CC" { reply.chunked() } else { reply }
    });
    let graphite = ingest(&pushed);
    let one_each = "quote = [{ path = '/{symbol}?token={secret:OWN_TOKEN}', rows = '/rows', key = '/symbol', fields = { last = '/last' } }]";
    let definition = &CONFIG[..CONFIG.find("[[").expect("a quote")];
    let run = command(&Place::at(server.url()), &format!("{definition}max_concurrency = 5\n{one_each}\n"))
        .args(["crypto", "--provider", "own", "--symbols", &symbols.join(",")])
        .graphite(&graphite);
    let running = run.spawn();
    server.wait_for(symbols.len());
    gate.open();
    graphite.server().wait_for(1);
    let peak = running.peak_memory();
    pushed.open();
    let output = running.wait();
    assert_eq!(output.code, Some(0), "{output}");
    assert_eq!(graphite.value("metrics.crypto.feed.crypto.fetched").as_deref(), Some("5"));
    assert!(peak.is_none_or(|peak| peak < MEMORY), "{peak:?} KiB");
}
