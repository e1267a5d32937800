//! Failures of a provider, and reasons for making no request.

use super::scene::{Observed, Scene, typed};
use crate::faults::target::{CONFIG, Peer, Target, Trusted, play, run};
use crate::support::{
    Datametrics, Dialect, Ingest, Output, Received, Reply, Server, holidays, prices, tls::Certificate,
};
use Scene::Played;

/// A run that requests two symbols from such a provider, with these further arguments.
fn with_arguments(line: &str, peer: &Peer, timeout: u64) -> Observed {
    let (target, ingest) = (Target::of(peer, |_| rows("")), Ingest::start(Dialect::WriteProxy));
    let run = target.reached_by(run(target.scheme, &target.authority)).graphite(&ingest);
    let mut output: Output = play(&typed(run, line), &target.authority, timeout, |_| 0).into();
    output.stderr = output.stderr.replace(&ingest.server().address().to_string(), "GRAPHITE");
    Observed::of_output(&output)
}

fn reaching(peer: &Peer) -> Observed {
    with_arguments("--retries 0", peer, 40)
}

/// The provider replies with `answer`.
fn answer(answer: fn(&Received) -> Reply) -> Observed {
    reaching(&Peer::Answers(answer))
}

/// A reply with these rows.
fn rows(rows: &str) -> Reply {
    Reply::json(format!(r#"{{"rows":{{{rows}}}}}"#))
}

/// A fault that lasts until the timeout.
fn until_timeout(peer: &Peer) -> Observed {
    with_arguments("--retries 0", peer, 3)
}

pub(crate) const WAYS: &[Scene] = &[
    Played("no path can hold the symbol", || {
        let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['..']\n[providers.own]\nmarket = 'other'\n\
            base_url = 'https://own.example'\n[[providers.own.quote]]\npath = '/{symbol}'\nfields = { last = '/l' }\n";
        Observed::of_run(&typed(Datametrics::new().config(config), "--feed x --dry-run"))
    }),
    Played("its name does not resolve", || reaching(&Peer::HasNoName)),
    Played("nobody listens", || reaching(&Peer::Refuses)),
    Played("a proxy where nobody listens", || {
        let observed = "HTTPS_PROXY=http://127.0.0.1:9 crypto BTC --provider kraken --dry-run --retries 0";
        Observed::of_run(&typed(Datametrics::new(), observed))
    }),
    Played("a proxy whose name does not resolve", || {
        let observed = "HTTPS_PROXY=http://proxy.invalid crypto BTC --provider kraken --dry-run --retries 0";
        Observed::of_run(&typed(Datametrics::new(), observed))
    }),
    Played("a proxy that forbids it", || {
        let proxy = Server::with(|_| Reply::status(403));
        let run = Datametrics::new().env("HTTPS_PROXY", proxy.url()).hide(proxy.address().to_string(), "PROXY");
        Observed::of_run(&typed(run, "crypto BTC --provider kraken --dry-run --retries 0"))
    }),
    Played("a proxy that wants credentials", || reaching(&Peer::IsBehindProxy(|_| Reply::status(407)))),
    Played("a proxy that refuses its credentials", || {
        let proxy = Server::with(|_| Reply::status(407));
        let url = format!("http://user:password@{}", proxy.address());
        let run = Datametrics::new().env("HTTPS_PROXY", url).hide(proxy.address().to_string(), "PROXY");
        Observed::of_run(&typed(run, "crypto BTC --provider kraken --dry-run --retries 0"))
    }),
    Played("a proxy in trouble", || reaching(&Peer::IsBehindProxy(|_| Reply::status(502)))),
    Played("a proxy that closes", || reaching(&Peer::IsBehindProxy(|_| Reply::close()))),
    Played("a proxy in TLS that is none", || {
        let observed = "HTTPS_PROXY=https://127.0.0.1:9 crypto BTC --provider kraken --dry-run --retries 0";
        Observed::of_run(&typed(Datametrics::new(), observed))
    }),
    Played("nothing comes back", || until_timeout(&Peer::Swallows)),
    Played("it is silent", || until_timeout(&Peer::Answers(|_| Reply::hang()))),
    Played("it is silent at the first of two symbols", || {
        let slow = Server::with(|_| Reply::hang());
        let run = Datametrics::new().provider("coinbase", &slow).config("[providers.coinbase]\nmax_concurrency = 1");
        Observed::of_run(&typed(run, "crypto BTC ETH --provider coinbase --dry-run --retries 0 --timeout 1"))
    }),
    Played("it closes before its reply", || answer(|_| Reply::close())),
    Played("TLS: an authority nobody knows", || reaching(&Peer::Tls(Certificate::Good, Trusted::No))),
    Played("TLS: an authority that is its own server", || reaching(&Peer::Tls(Certificate::Authority, Trusted::Yes))),
    Played("TLS: an authority that is not in SSL_CERT_FILE", || {
        reaching(&Peer::Tls(Certificate::Good, Trusted::Another))
    }),
    Played("TLS: expired", || reaching(&Peer::Tls(Certificate::Expired, Trusted::Yes))),
    Played("TLS: for another host", || reaching(&Peer::Tls(Certificate::OfAnother, Trusted::Yes))),
    Played("TLS: it speaks plain HTTP", || reaching(&Peer::SpeaksPlain)),
    Played("its body is too long", || {
        answer(|_| Reply::json(vec![b' '; 1 << 16]).header("Content-Length", &(64 << 20).to_string()).over(1 << 10))
    }),
    Played("no HTTP", || answer(|_| Reply::raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"))),
    Played("130 headers", || {
        answer(|_| (0..130).fold(rows(""), |reply, number| reply.header(&format!("X-{number}"), "")))
    }),
    Played("a path of more than 16 KiB", || {
        let symbols: Vec<_> = (0..1000).map(|number| format!("{number:S>30}")).collect();
        let (target, ingest) = (Target::of(&Peer::Refuses, |_| rows("")), Ingest::start(Dialect::WriteProxy));
        let run = run(target.scheme, &target.authority)
            .graphite(&ingest)
            .env("DATAMETRICS_CRYPTO_SYMBOLS", symbols.join(","))
            .hide(&target.authority, "HOST");
        let config = CONFIG.replace("[[providers.own.quote]]", "[[providers.own.quote]]\nbatch = 0");
        std::fs::write(run.home().join("config.toml"), config).expect("a file");
        Observed::of_run(&typed(run, "--retries 0"))
    }),
    Played("headers of 1 MB", || {
        answer(|_| Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))))
    }),
    Played("gzip that is none", || answer(|_| Reply::json("no gzip").header("Content-Encoding", "gzip"))),
    Played("an encoding that is not read", || answer(|_| Reply::json("br").header("Content-Encoding", "br"))),
    Played("a redirect loop", || answer(|_| Reply::status(301).header("Location", "/quotes"))),
    Played("a failure, and it is tried again", || {
        with_arguments("--retries 1 -v", &Peer::Answers(|_| Reply::status(503)), 40)
    }),
];

pub(crate) const STATUSES: &[Scene] = &[
    Played("301 to another host", || {
        answer(|_| Reply::status(301).header("Location", "https://elsewhere.example/login?from=us"))
    }),
    Played("301 to nowhere", || answer(|_| Reply::status(301).header("Location", "https://else where.example/"))),
    Played("400", || answer(|_| Reply::text(400, "what?"))),
    Played("401, with a key", || answer(|_| Reply::status(401).body(r#"{"error":"invalid key"}"#))),
    Played("403, without a key", || {
        let server = Server::with(|_| Reply::status(403));
        let run = Datametrics::new().provider("kraken", &server);
        Observed::of_run(&typed(run, "crypto BTC --provider kraken --dry-run"))
    }),
    Played("404", || answer(|_| Reply::text(404, "not found"))),
    Played("429, and its limits are known", || answer(|_| Reply::text(429, "slow down"))),
    Played("429, and its limits are not known", || {
        let server = Server::with(|_| Reply::status(429));
        let run = prices::run_without_symbols(&server, "").args(["--dry-run", "--symbols", "BTC", "--retries", "0"]);
        Observed::of_run(&run)
    }),
    Played("503, and it asks for a pause that is longer than the run; two runs later", || {
        let (server, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
        server.on("GET /products/BTC-USD/ticker").reply(Reply::status(503).header("Retry-After", "86400"));
        let run = Datametrics::new().provider("coinbase", &server).graphite(&ingest);
        let run = typed(run, "crypto BTC --provider coinbase --fields bid --retries 0");
        let first = Observed::of_run(&run);
        let mut other = Observed::of_run(&typed(run, "--shard 0/1 -v"));
        other.messages.splice(0..0, first.messages);
        other
    }),
    Played("403, and it was sent no key", || {
        let server = Server::with(|_| Reply::text(403, "no"));
        let config = format!("{OWN}headers = {{ X-Key = '{{secret?:OWN_KEY}}' }}\n{OWN_QUOTE}");
        Observed::of_run(&typed(Datametrics::new().config(&config).provider("own", &server), "--feed x --dry-run"))
    }),
    Played("451", || answer(|_| Reply::status(451))),
    Played("503", || answer(|_| Reply::text(503, "ill"))),
];

/// The head of a definition, and a feed that uses it.
const OWN: &str = "[feeds.x]\nproviders = ['own']\nsymbols = ['A']\n[providers.own]\nmarket = 'other'\n\
                   base_url = 'https://own.example'\n";
/// The quote of that definition.
const OWN_QUOTE: &str = "[[providers.own.quote]]\npath = '/all'\nbatch = 0\nkey = '/s'\nerror = '/error'\n\
                         fields = { last = '/l' }";

pub(crate) const REPLIES: &[Scene] = &[
    Played("nothing", || answer(|_| Reply::json(""))),
    Played("HTML", || answer(|_| Reply::text(200, "<!DOCTYPE html><title>Just a moment...</title>"))),
    Played("XML", || answer(|_| Reply::text(200, "<?xml version='1.0'?><rates/>"))),
    Played("a document", || of_one_symbol("", r#"{"now":{"l":5}}"#)),
    Played("rows of other hours only", || {
        of_one_symbol(
            "pick = 'now'\ntime = { at = '/t', unit = 's' }\ndocument = true",
            r#"{"now":{"l":5,"t":99000000000}}"#,
        )
    }),
    Played("a quote older than `max_age`", || {
        of_one_symbol(
            "document = true\ntime = { at = '/t', unit = 's' }\nmax_age = 60",
            r#"{"now":{"l":5,"t":1700000000}}"#,
        )
    }),
    Played("no JSON", || answer(|_| Reply::json("Service unavailable"))),
    Played("it ends in the middle", || answer(|_| Reply::json(r#"{"rows":{"BTC":"#))),
    Played("there is more after it", || answer(|_| Reply::json(r#"{"rows":{}}}"#))),
    Played("a name without quotes", || answer(|_| Reply::json("{rows:{}}"))),
    Played("no comma", || answer(|_| Reply::json(r#"{"rows":{} "error":""}"#))),
    Played("no colon", || answer(|_| Reply::json(r#"{"rows"}"#))),
    Played("no number", || answer(|_| Reply::json(r#"{"rows":-}"#))),
    Played("an unknown escape", || answer(|_| Reply::json(r#"{"rows":"\q"}"#))),
    Played("a line break in a string", || answer(|_| Reply::json("{\"rows\":\"a\nb\"}"))),
    Played("no rows", || answer(|_| Reply::json(r#"{"result":{}}"#))),
    Played("its own words", || answer(|_| Reply::json(r#"{"error":"under maintenance"}"#))),
    Played("one symbol alone", || answer(|_| rows(r#""BTC":{"last":5}"#))),
    Played("words about a symbol", || answer(|_| rows(r#""BTC":{"oops":"delisted"},"ETH":{"last":5}"#))),
    Played("a field that was named is missing", || {
        let server = Server::with(|_| Reply::json(r#"{"price":"5"}"#));
        let run = Datametrics::new().provider("coinbase", &server);
        Observed::of_run(&typed(run, "crypto BTC --provider coinbase --fields last,bid --dry-run"))
    }),
    Played("a default field is gone that an earlier run got", || {
        let (server, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
        let run = Datametrics::new().provider("coinbase", &server).graphite(&ingest);
        let run = typed(run, "crypto BTC --provider coinbase");
        server.on("GET /products/BTC-USD/stats").reply(Reply::json(r#"{"last":"5","high":"6"}"#));
        assert_eq!(run.run().code, Some(0));
        server.on("GET /products/BTC-USD/stats").reply(Reply::json(r#"{"last":"5"}"#));
        Observed::of_run(&run)
    }),
    Played("a symbol that no provider can spell", || {
        let server = Server::with(|_| rows(""));
        let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['A']\n[providers.own]\nmarket = 'other'\n\
                      base_url = 'https://own.example'\nsymbol = '{base}{quote}'\n[[providers.own.quote]]\n\
                      path = '/{symbol}'\nfields = { last = '/last' }";
        Observed::of_run(&typed(Datametrics::new().config(config).provider("own", &server), "--feed x --dry-run"))
    }),
    Played("rows of one symbol that contradict each other", || {
        answer(|_| rows(r#""BTC":{"last":5},"BTC":{"last":6},"ETH":{"last":5}"#))
    }),
    Played("a limit, told in a 200", || {
        let server = Server::with(|_| Reply::json(r#"{"error":"call frequency exceeded"}"#));
        let limit = "limit = { text = 'call frequency' }\nlimits = '5 a minute'\ncovers = 'a few coins'";
        let definition = format!("{OWN}{limit}\n{OWN_QUOTE}");
        Observed::of_run(&typed(Datametrics::new().config(&definition).provider("own", &server), "--feed x --dry-run"))
    }),
    Played("no row, and the definition says what there is", || {
        let server = Server::with(|_| Reply::json(r#"[{"s":"B","l":1},{"s":"C","l":1}]"#));
        let definition = format!("{OWN}covers = 'a few coins'\n{OWN_QUOTE}");
        Observed::of_run(&typed(Datametrics::new().config(&definition).provider("own", &server), "--feed x --dry-run"))
    }),
    Played("an unknown symbol in the run before, for another run", || {
        let (server, ingest) = (Server::start(), Ingest::start(Dialect::WriteProxy));
        let no_pair = || Reply::json(r#"{"error":["EQuery:Unknown asset pair"]}"#);
        server.on("GET /0/public/Ticker?pair=XBTUSD,XUSD").reply(no_pair());
        let all = r#"{"error":[],"result":{"XXBTZUSD":{"c":["5","1"]}}}"#;
        server.on("GET /0/public/Ticker?assetVersion=1").reply(Reply::json(all));
        server.on("GET /0/public/Ticker?pair=XBTUSD").reply(Reply::json(all));
        let run = Datametrics::new().provider("kraken", &server).graphite(&ingest);
        let run = run.config("[providers.kraken]\nper_second = 1000");
        let run = typed(run, "crypto BTC X --provider kraken --fields last");
        assert_eq!(run.run().code, Some(1));
        Observed::of_run(&run.args(["--shard", "0/1"]))
    }),
    Played("every symbol of a batch is rejected", || {
        let server = Server::with(|_| Reply::json(r#"{"error":["EQuery:Unknown asset pair"]}"#));
        let symbols: Vec<String> = (0..40).map(|reaching| format!("X{reaching}")).collect();
        let run = Datametrics::new().provider("kraken", &server).config("[providers.kraken]\nper_second = 1000");
        let run = run.args(["crypto", "--provider", "kraken", "--dry-run"]).args(symbols);
        Observed::of_run(&run)
    }),
];

pub(crate) const SKIPPED: &[Scene] = &[
    Played("no symbol is in the shard", || {
        let ingest = Ingest::start(Dialect::WriteProxy);
        Observed::of_run(&typed(Datametrics::new().graphite(&ingest), "crypto BTC --shard 0/1000000 -v"))
    }),
    Played("the market is closed", || {
        let run = Datametrics::new().config(&format!("[stocks]\nmarket_hours = 'regular'\nclosed = {}", holidays()));
        Observed::of_run(&typed(run, "stocks --dry-run -v"))
    }),
    Played("the last call was a moment ago", || {
        let (server, ingest) = (Server::with(|_| Reply::json(r#"{"price":"5"}"#)), Ingest::start(Dialect::WriteProxy));
        let run = Datametrics::new().config("[providers.coinbase]\nmin_interval = 3600").provider("coinbase", &server);
        let run = typed(run.graphite(&ingest), "crypto BTC --provider coinbase --fields last");
        assert_eq!(run.run().code, Some(0));
        Observed::of_run(&run.args(["-v"]))
    }),
    Played("the interval of the feed is not over", || {
        let (server, ingest) = (Server::with(|_| Reply::json(r#"{"price":"5"}"#)), Ingest::start(Dialect::WriteProxy));
        let config = "[crypto]\nproviders = ['coinbase']\nsymbols = ['BTC']\nfields = ['last']\ninterval = 3600";
        let run = Datametrics::new().config(config).provider("coinbase", &server).graphite(&ingest).args(["crypto"]);
        assert_eq!(run.run().code, Some(0));
        Observed::of_run(&run.args(["-v"]))
    }),
];

/// The explanation of a reply by `-vv`.
/// A reply to a request for one symbol, with these keys of its quote.
fn of_one_symbol(keys: &str, body: &'static str) -> Observed {
    let server = Server::with(move |_| Reply::json(body));
    let config = format!(
        "[providers.own]\nmarket = 'other'\nbase_url = 'https://own.example'\n[[providers.own.quote]]\n\
         path = '/all'\nrows = '/now'\n{keys}\nfields = {{ l = '/l' }}\n\
         [feeds.x]\nproviders = ['own']\nsymbols = ['a']\n"
    );
    let run = Datametrics::new().config(&config).provider("own", &server);
    Observed::of_run(&typed(run, "--feed x --dry-run"))
}

fn explained(body: &'static str, line: &str) -> Observed {
    let server = Server::with(move |_| Reply::json(body));
    let config = "[providers.own]\nmarket = 'crypto'\nbase_url = 'https://own.example'\nsymbol = '{base}'\n\
                  [[providers.own.quote]]\npath = '/{symbol}'\ntime = { at = '/time', unit = 's' }\n\
                  fields = { last = ['/last', '/price'], open = '/open', state = { at = '/state', values = { on = 1 } } }\n";
    let run = Datametrics::new().config(config).provider("own", &server);
    let run = typed(run, &format!("crypto BTC --provider own --retries 0 --dry-run -vv {line}"));
    let mut output = run.normalise(&run.run());
    // The age depends on the clock.
    if let Some(((head, rest), (_, tail))) =
        output.stderr.split_once("age: ").zip(output.stderr.split_once(" from the"))
        && rest.starts_with(|c: char| c.is_ascii_digit())
    {
        output.stderr = format!("{head}age: AGE from the{tail}");
    }
    Observed::of_output(&output)
}

pub(crate) const EXPLAINED: &[Scene] = &[
    Played("all is well", || explained(r#"{"last":5,"open":4,"time":1700000000}"#, "--fields last,age,change")),
    Played("words and digits of other kinds", || explained(r#"{"last":"on","open":"1,200"}"#, "--fields last,open")),
    Played("a word that is not listed", || explained(r#"{"state":"idle"}"#, "--fields state")),
    Played("hexadecimal digits", || explained(r#"{"last":"0x4a"}"#, "--fields last")),
    Played("values that are none", || explained(r#"{"last":0,"price":"n/a"}"#, "--fields last,open,age")),
];
