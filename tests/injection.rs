//! Text from outside stays plain text. Wherever a hostile text comes in, it changes no other parameter, path
//! or header of a request, no other metric, and it cannot control a terminal.

use crate::support::{
    Carbon, Datametrics, Dialect, Ingest, Output, Received, Reply, Server, Verdict, in_parallel, panic_text,
};
use percent_encoding::percent_decode_str;
use std::{fmt::Write as _, panic::catch_unwind};

/// Texts with a meaning in URLs, HTTP, Graphite, JSON or terminals.
const HOSTILE: &[&str] = &[
    "A&token=x",
    "A?x=1#f",
    "A/..%2f..%2fadmin",
    "A/../B",
    "..",
    "..\\..",
    "A%0d%0aX-Evil:1",
    "A\r\nX-Evil: 1",
    "A\nmetrics.evil 1 1772485200",
    "A 1 1772485200",
    "A;evil=1",
    "A\",\"evil\":\"1",
    "A\\\",\\u0000",
    "A\0B",
    "A\u{1b}[2J\u{1b}]0;evil\u{7}",
    "A\u{9b}2J\u{85}",
    "A\u{202e}B\u{2066}\u{200f}\u{61c}",
    "A\u{2028}error: evil",
    "A\u{e0041}\u{ad}\u{fe0f}\u{3164}\u{f8ff}B",
    "{secret:OWN_KEY}",
    "{symbol}",
    "*.?[A]",
    "\u{e4}\u{1f4a9}",
];

/// A way in which a text comes in.
struct Way {
    name: &'static str,
    /// The config of the run.
    config: fn(&str) -> String,
    /// The arguments of the run; none if the text cannot be an argument.
    args: fn(&str) -> Option<Vec<String>>,
    /// The standard input of the run.
    stdin: fn(&str) -> String,
    /// The reply of the provider.
    reply: fn(&str) -> Reply,
    /// The reply of Graphite if it does not accept the points.
    error_reply: Option<fn(&str) -> Reply>,
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        write!(quoted, "\\U{:08x}", u32::from(c)).expect("memory");
    }
    quoted + "\""
}

fn definition() -> String {
    "[providers.own]
     market = 'other'
     base_url = 'https://own.example'
     headers = { X-Key = '{secret:OWN_KEY}' }
     [[providers.own.quote]]
     path = '/v1/{symbol}?of={base}&token={secret:OWN_TOKEN}'
     error = ['/error']
     row_error = '/oops'
     fields = { last = '/last' }
     [providers.all]
     market = 'other'
     base_url = 'https://all.example'
     [[providers.all.quote]]
     path = '/v1/all?of=all&token={secret:OWN_TOKEN}'
     batch = 0
     fields = { last = '/last' }\n"
        .to_owned()
}

fn feed(provider: &str, symbol: &str) -> String {
    format!("[feeds.x]\nproviders = ['{provider}']\nsymbols = [{symbol}]\nfields = ['last']\n{}", definition())
}

fn healthy(_: &str) -> Reply {
    Reply::json(r#"{"last":5}"#)
}

fn json(key: &str, text: &str) -> Reply {
    Reply::json(serde_json::json!({ key: text }).to_string())
}

/// A run in which the text comes in nowhere.
const USUAL: Way = Way {
    name: "",
    config: |_| feed("own", "'AAA'"),
    args: |_| Some(vec!["--feed".to_owned(), "x".to_owned()]),
    stdin: |_| String::new(),
    reply: healthy,
    error_reply: None,
};

const WAYS: &[Way] = &[
    Way {
        name: "a symbol as an argument",
        args: |text| {
            let all = vec!["--feed".to_owned(), "x".to_owned(), "--symbols".to_owned(), text.to_owned()];
            (!text.contains('\0')).then_some(all)
        },
        ..USUAL
    },
    Way {
        name: "a symbol from standard input",
        args: |_| Some(["--feed", "x", "--symbols", "-"].map(str::to_owned).to_vec()),
        stdin: str::to_owned,
        ..USUAL
    },
    Way { name: "a symbol of the config", config: |text| feed("own", &quoted(text)), ..USUAL },
    Way {
        name: "the name of a feed",
        config: |text| feed("own", "'AAA'").replace("feeds.x", &format!("feeds.{}", quoted(text))),
        args: |text| (!text.contains('\0')).then(|| vec!["--feed".to_owned(), text.to_owned()]),
        ..USUAL
    },
    Way {
        name: "a prefix",
        config: |text| format!("[graphite]\nprefix = {}\n{}", quoted(text), feed("own", "'AAA'")),
        ..USUAL
    },
    Way {
        name: "a tag",
        config: |text| format!("[graphite]\ntags = {{ {0} = {0} }}\n{1}", quoted(text), feed("own", "'AAA'")),
        ..USUAL
    },
    Way {
        name: "the names of metrics",
        config: |text| {
            let names = quoted(&format!("{{feed}}.{text}.{{symbol}}.{{field}}"));
            format!("[graphite]\nnames = {names}\n{}", feed("own", "'AAA'"))
        },
        ..USUAL
    },
    Way {
        name: "a code of a provider",
        config: |text| {
            feed("own", "'AAA'")
                .replace("market = 'other'", &format!("market = 'other'\nrename = {{ AAA = {} }}", quoted(text)))
        },
        ..USUAL
    },
    Way { name: "an error of a reply", reply: |text| json("error", text), ..USUAL },
    Way { name: "an error of a row", reply: |text| json("oops", text), ..USUAL },
    Way { name: "a value", reply: |text| json("last", text), ..USUAL },
    Way {
        name: "a name in a reply",
        config: |_| feed("all", "'AAA'"),
        reply: |text| Reply::json(serde_json::json!({ "AAA": {"last": 1}, text: {"last": 2} }).to_string()),
        ..USUAL
    },
    Way { name: "a body that is none", reply: |text| Reply::text(200, text), ..USUAL },
    Way { name: "a page for people", reply: |text| Reply::text(200, format!("<p>{text}")), ..USUAL },
    Way { name: "the text of a status", reply: |text| Reply::text(404, text), ..USUAL },
    Way {
        name: "a reason",
        reply: |text| Reply::raw(format!("HTTP/1.1 404 {text}\r\nContent-Length: 0\r\n\r\n")),
        ..USUAL
    },
    Way { name: "a redirect", reply: |text| Reply::status(302).header("Location", text), ..USUAL },
    Way {
        name: "a redirect elsewhere",
        reply: |text| Reply::status(302).header("Location", &format!("https://{text}.example/{text}")),
        ..USUAL
    },
    Way { name: "a time to wait", reply: |text| Reply::text(429, "").header("Retry-After", text), ..USUAL },
    Way { name: "what Graphite says", error_reply: Some(|text| Reply::text(400, text)), ..USUAL },
    Way {
        name: "where Graphite sends us",
        error_reply: Some(|text| Reply::status(302).header("Location", text)),
        ..USUAL
    },
    Way {
        name: "why Graphite takes a point not",
        error_reply: Some(|text| {
            let errors = serde_json::json!({ text: { "Count": 1, "ExampleIds": [0] } });
            let count = 9;
            Reply::json(serde_json::json!({ "Invalid": 1, "Published": count, "ValidationErrors": errors }).to_string())
        }),
        ..USUAL
    },
];

const KEY: &str = "a-key";
const TOKEN: &str = "a-token";

impl Way {
    /// Checks everything that is visible from outside.
    fn check(&self, text: &'static str) {
        let reply = self.reply;
        let provider = Server::with(move |_| reply(text));
        let error_reply = self.error_reply;
        let ingest = Ingest::deciding(Dialect::WriteProxy, move |_| match error_reply {
            Some(error_reply) => Verdict::Refuse(error_reply(text)),
            None => Verdict::Take,
        });
        let Some(args) = (self.args)(text) else { return };
        let run = Datametrics::new().config(&(self.config)(text)).args(args).args(["-vv", "--retries", "0"]);
        let run = run.env("OWN_KEY", KEY).env("OWN_TOKEN", TOKEN).provider("own", &provider).provider("all", &provider);
        let run = run.stdin((self.stdin)(text));
        is_harmless(&run.clone().graphite(&ingest).run());
        for request in ingest.server().requests() {
            has_headers(&request, &["authorization", "content-type", "content-length"]);
            assert_eq!(request.target, "/graphite/metrics");
        }
        let names = ingest
            .points()
            .into_iter()
            .map(|point| point.tags.into_iter().fold(point.name, |all, tag| all + ";" + &tag));
        are_metric_names(names);

        let carbon = Carbon::start();
        is_harmless(&run.clone().env("GRAPHITE_URL", carbon.url()).run());
        are_metric_names(
            carbon
                .points()
                .into_iter()
                .map(|point| point.tags.into_iter().fold(point.name, |all, tag| all + ";" + &tag)),
        );
        let carbon = Carbon::start();
        is_harmless(&run.env("GRAPHITE_URL", carbon.pickle_url()).run());
        are_metric_names(carbon.pickled().into_iter().map(|point| point.name));

        for request in provider.requests() {
            has_headers(&request, &["x-key"]);
            // A redirect on the same server may lead anywhere on that server.
            if self.name != "a redirect" {
                is_one_quote_request(&request);
            }
        }
    }
}

/// Whether a character controls a terminal, changes the text beside it, or cannot be seen.
fn is_unsafe(c: char) -> bool {
    let ranges = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{3164}'..='\u{3164}',
        '\u{e000}'..='\u{f8ff}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{feff}'..='\u{feff}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    (c.is_control() && c != '\n') || ranges.iter().any(|range| range.contains(&c))
}

/// No output controls a terminal, and no line looks like another line of output.
#[track_caller]
fn is_harmless(output: &Output) {
    assert_eq!(output.stdout, "");
    assert!(!output.stderr.contains(is_unsafe), "{:?}", output.stderr);
    for line in output.stderr.lines() {
        assert!(!["evil", "metrics.", "X-Evil", "error: evil"].iter().any(|evil| line.starts_with(evil)), "{line}");
    }
    assert!(!output.stderr.contains(KEY) && !output.stderr.contains(TOKEN), "{output}");
    assert!(output.code.is_some_and(|code| code != 70), "{output}");
}

/// A request for one symbol: a path of two segments and two parameters.
#[track_caller]
fn is_one_quote_request(request: &Received) {
    let (path, query) = request.target.split_once('?').expect("a query");
    let Some(symbol) = path.strip_prefix("/v1/") else { panic!("{path}") };
    let decoded = percent_decode_str(symbol).decode_utf8().expect("UTF-8");
    assert!(!symbol.contains(['/', '#', '?', ' ', '\\']) && !matches!(&*decoded, "." | ".."), "{path}");
    let parameters: Vec<_> = query.split('&').map(|pair| pair.split_once('=').expect("a value")).collect();
    let names: Vec<_> = parameters.iter().map(|(name, _)| *name).collect();
    assert_eq!((names, parameters[1].1), (vec!["of", "token"], TOKEN), "{query}");
    let base = percent_decode_str(parameters[0].1).decode_utf8().expect("UTF-8");
    assert!(decoded.starts_with(&*base) || symbol == "all", "{query}");
}

/// These headers, and those that every request has.
#[track_caller]
fn has_headers(request: &Received, own: &[&str]) {
    const USUAL: [&str; 4] = ["host", "user-agent", "accept", "accept-encoding"];
    for (name, value) in &request.headers {
        let name = name.to_lowercase();
        assert!(USUAL.contains(&&*name) || own.contains(&&*name), "{name}: {value}");
        assert!(name != "x-key" || value == KEY, "{value}");
    }
}

/// Each is one metric name with its tags, and not the name of another metric.
#[track_caller]
fn are_metric_names(names: impl Iterator<Item = String>) {
    for name in names {
        let mut parts = name.split(';');
        let path = parts.next().unwrap_or_default();
        let is_path = !path.is_empty() && path.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\;*?[]{}".contains(&b));
        let node = |node: &str| !node.is_empty() && node != "..";
        assert!(is_path && path.split('.').all(node) && !path.starts_with("metrics.evil"), "{name:?}");
        let tags: Vec<_> = parts.collect();
        assert!(tags.len() <= 1 && tags.iter().all(|tag| tag.contains('=')), "{name:?}");
    }
}

#[test]
fn hostile_text_from_any_source_stays_plain_text() {
    let cells: Vec<_> = WAYS.iter().flat_map(|way| HOSTILE.iter().map(move |text| (way, *text))).collect();
    let failures: Vec<_> = in_parallel(&cells, |(way, text)| {
        let result = catch_unwind(|| way.check(text));
        result.err().map(|panic| format!("{} with {text:?}: {}", way.name, panic_text(&*panic)))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cells.len(), failures.join("\n"));
}

/// What a user wrote is not said during a run only: the lists have it too, and errors of the command line.
#[test]
fn hostile_text_is_harmless_in_lists_and_on_the_command_line() {
    for text in HOSTILE.iter().filter(|text| text.contains(is_unsafe)) {
        let text_in_toml = quoted(text);
        let config = format!(
            "[graphite]\nuser = {text_in_toml}\npassword = 'x'\n\
             url = 'tcp://127.0.0.1:9'\n[providers.own]\nmarket = 'other'\nbase_url = 'https://own.example'\n\
             covers = {text_in_toml}\nlimits = {text_in_toml}\nterms = {text_in_toml}\n[[providers.own.quote]]\n\
             path = '/'\nfields = {{ last = '/last' }}\n"
        );
        for args in [["providers"].as_slice(), &["providers", "own"], &["check"]] {
            let output = Datametrics::new().config(&config).args(args).args(["--shard", "0/1000000"]).run();
            let shown = format!("{}{}", output.stdout, output.stderr);
            assert!(!shown.contains(is_unsafe) && shown.contains('A'), "{args:?} with {text:?}: {shown:?}");
            assert!(args[0] != "providers" || output.code == Some(0), "{output}");
        }
        for before in ["", "--", "--interval=", "--config="] {
            if let Some(arg) = Some(format!("{before}{text}")).filter(|arg| !arg.contains('\0')) {
                let output = Datametrics::new().args(["all", &arg]).run();
                assert!(!output.stderr.contains(is_unsafe) && output.code != Some(0), "{arg:?}: {:?}", output.stderr);
            }
        }
    }
}
