//! One symbol that a provider does not know costs no other one, however many of them there are.

mod builtin;

use crate::support::{Datametrics, Dialect, Ingest, Reply, Server};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// How an API rejects a request with unknown symbols.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Api {
    /// It does not say which, and has a path for everything.
    HasAll,
    /// It names the first one.
    NamesOne,
    /// It does not say which.
    NamesNone,
    /// It is asked for one symbol at a time.
    Single,
}

impl Api {
    fn definition(self) -> &'static str {
        match self {
            Self::HasAll => {
                "bad_symbol = { text = 'unknown' }\n[[providers.own.quote]]\npath = '/q?s={symbols}'\nall = '/q'"
            }
            Self::NamesOne => {
                "bad_symbol = { text = 'unknown', named = 'unknown: {symbol}' }\n[[providers.own.quote]]\npath = '/q?s={symbols}'"
            }
            Self::NamesNone => "bad_symbol = { text = 'unknown' }\n[[providers.own.quote]]\npath = '/q?s={symbols}'",
            Self::Single => "bad_symbol = { text = 'unknown' }\n[[providers.own.quote]]\npath = '/q?s={symbol}'",
        }
    }

    fn reply(self, target: &str, unknown: &[usize]) -> Reply {
        let rows = |symbols: &[usize]| {
            let rows: Vec<_> =
                symbols.iter().map(|symbol| format!(r#"{{"s":"S{symbol}","l":{}}}"#, symbol + 1)).collect();
            Reply::json(format!(r#"{{"rows":[{}]}}"#, rows.join(",")))
        };
        let Some((_, symbols)) = target.split_once("s=") else {
            return rows(&(0..100).filter(|symbol| !unknown.contains(symbol)).collect::<Vec<_>>());
        };
        let symbols: Vec<usize> = symbols.split(',').map(|symbol| symbol[1..].parse().expect("a number")).collect();
        match symbols.iter().find(|symbol| unknown.contains(symbol)) {
            None => rows(&symbols),
            Some(symbol) if self == Self::NamesOne => {
                Reply::text(400, format!(r#"{{"error":"code=400, unknown: S{symbol}"}}"#))
            }
            Some(_) => Reply::json(r#"{"error":"unknown symbol"}"#),
        }
    }
}

/// A provider of 100 symbols, and runs that ask for all of them.
struct Setup {
    server: Server,
    ingest: Ingest,
    run: Datametrics,
    /// The numbers of the unknown symbols.
    unknown: Arc<Mutex<Vec<usize>>>,
    /// Requests with this symbol fail.
    fails_for: Arc<Mutex<Option<&'static str>>>,
}

impl Setup {
    fn new(api: Api, unknown: Vec<usize>) -> Self {
        let unknown = Arc::new(Mutex::new(unknown));
        let fails_for: Arc<Mutex<Option<&'static str>>> = Arc::default();
        let server = {
            let (unknown, fails_for) = (unknown.clone(), fails_for.clone());
            Server::with(move |request| match *fails_for.lock().unwrap() {
                Some(symbol) if request.target.contains(symbol) => Reply::text(500, "ill"),
                _ => api.reply(&request.target, &unknown.lock().unwrap()),
            })
        };
        let ingest = Ingest::start(Dialect::WriteProxy);
        let symbols: Vec<_> = (0..100).map(|symbol| format!("S{symbol}")).collect();
        let config = Self::config(api, &symbols.iter().map(String::as_str).collect::<Vec<_>>());
        let run = Datametrics::new().config(&config).args(["--feed", "x", "--retries", "0"]);
        let run = run.provider("own", &server).graphite(&ingest);
        Self { server, ingest, run, unknown, fails_for }
    }

    fn config(api: Api, symbols: &[&str]) -> String {
        let definition = api.definition();
        format!(
            "[feeds.x]\nproviders = ['own']\nsymbols = {symbols:?}\n[providers.own]\nmarket = 'other'\nbase_url = 'http://x'\n\
             max_concurrency = 1\n{definition}\nrows = '/rows'\nkey = '/s'\nerror = '/error'\nfields = {{ last = '/l' }}\n"
        )
    }

    /// How many symbols a run fetches, and with how many requests.
    fn next(&self) -> (usize, usize) {
        let before = self.server.requests().len();
        self.run.run();
        let value = self.ingest.value("metrics.x.feed.x.fetched").expect("a health point");
        (value.parse().expect("a number"), self.server.requests().len() - before)
    }

    fn state_file(&self) -> PathBuf {
        self.run.state_dir().join("unknown_symbols/own")
    }

    /// Makes the last request for each unknown symbol older.
    fn let_a_day_pass(&self) {
        let text = fs::read_to_string(self.state_file()).expect("the unknown symbols");
        let mut state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for symbol in state["symbols"].as_object_mut().expect("symbols").values_mut() {
            symbol["asked"] = (symbol["asked"].as_i64().expect("a time") - 86_400).into();
        }
        fs::write(self.state_file(), state.to_string()).expect("written");
    }
}

/// Numbers of symbols, spread in several ways.
fn spreads(count: usize) -> [Vec<usize>; 3] {
    [(0..count).collect(), (100 - count..100).collect(), (0..count).map(|number| number * 37 % 100).collect()]
}

#[test]
fn every_known_symbol_is_fetched_by_the_first_run() {
    for count in [0, 1, 2, 3, 6, 10, 30] {
        for unknown in spreads(count) {
            for (api, first_requests, second_requests) in
                [(Api::HasAll, 1 + usize::from(count > 0), 1), (Api::NamesOne, 1 + count, 1), (Api::Single, 100, 100)]
            {
                let setup = Setup::new(api, unknown.clone());
                assert_eq!(setup.next(), (100 - count, first_requests), "{api:?} without {unknown:?}");
                assert_eq!(setup.next(), (100 - count, second_requests), "{api:?} without {unknown:?}, second");
            }
            let setup = Setup::new(Api::NamesNone, unknown.clone());
            let (fetched, requests) = setup.next();
            // 18 batches may be halved, and then each symbol is asked for alone.
            let most = (1 + 16 * count).min(1 + 2 * 18 + 100);
            assert!(fetched == 100 - count && requests <= most, "{fetched} with {requests}: {unknown:?}");
            assert_eq!(setup.next(), (100 - count, 1), "without {unknown:?}, second");
        }
    }
}

/// Two requests: that for the good symbols, and one for the others.
#[test]
fn unknown_symbols_are_requested_again_after_a_day() {
    let setup = Setup::new(Api::HasAll, vec![3, 5, 8]);
    assert_eq!((setup.next(), setup.next()), ((97, 2), (97, 1)));
    setup.let_a_day_pass();
    assert_eq!((setup.next(), setup.next()), ((97, 2), (97, 1)), "they are still unknown");
    setup.unknown.lock().unwrap().retain(|symbol| *symbol != 5);
    assert_eq!(setup.next(), (97, 1), "not known before the day is over");
    setup.let_a_day_pass();
    assert_eq!((setup.next(), setup.next()), ((98, 2), (98, 1)));
}

/// A symbol that costs no other one is left out only if it is missing in two runs: it may be so for a moment.
#[test]
fn symbol_that_is_requested_alone_is_left_out_after_two_runs() {
    let setup = Setup::new(Api::Single, vec![3, 5, 8]);
    assert_eq!([setup.next(), setup.next(), setup.next()], [(97, 100), (97, 100), (97, 97)]);
    setup.unknown.lock().unwrap().clear();
    setup.let_a_day_pass();
    assert_eq!([setup.next(), setup.next()], [(100, 100), (100, 100)]);
}

/// An API that knows nothing at all has another fault.
#[test]
fn provider_that_rejects_everything_is_asked_again() {
    let setup = Setup::new(Api::NamesNone, (0..100).collect());
    let (fetched, requests) = setup.next();
    assert!(fetched == 0 && requests < 60, "{requests}");
    assert!(!setup.state_file().exists());
    setup.unknown.lock().unwrap().clear();
    assert_eq!(setup.next(), (100, 1));
}

#[test]
fn mended_definition_is_used_at_once() {
    let setup = Setup::new(Api::HasAll, vec![3]);
    assert_eq!((setup.next(), setup.next()), ((99, 2), (99, 1)));
    let config = setup.run.home().join("config.toml");
    let text = fs::read_to_string(&config).expect("the config");
    fs::write(&config, text.replace("/q?s=", "/q?v=2&s=")).expect("written");
    assert_eq!((setup.next(), setup.next()), ((99, 2), (99, 1)));
}

/// Good symbols are not among those that the message names, and it is said once.
#[test]
fn unknown_symbols_are_named_once_and_no_others() {
    let setup = Setup::new(Api::HasAll, vec![3, 5]);
    let message = "x: no quote of S3, S5: own says \"unknown symbol\"\n";
    setup.run.clone().stderr(format!("error: {message}")).exit(1).check();
    setup.run.clone().stderr("").exit(1).check();
    let known = "x: no quote of S3, S5: own said \"unknown symbol\", and is asked for it once a day\n";
    setup.run.clone().args(["-v"]).stderr(format!("[..]\n{known}[..]\npushed [..]\n")).exit(1).check();
    // Of another run it was not said yet.
    let dry = setup.run.clone().args(["--dry-run"]).stderr(format!("error: {message}")).exit(1);
    dry.stdout("...").check();
}

/// Two providers of one feed, of which the second is asked for what the first lacks.
#[test]
fn second_provider_is_asked_once_a_day_for_what_it_does_not_know_either() {
    let first = Server::with(|_| Reply::json(r#"{"rows":[{"s":"A","l":1},{"s":"B","l":2}]}"#));
    let second = Server::with(|request| match request.target.as_str() {
        "/all" => Reply::json(r#"{"rows":[{"s":"Z","l":1}]}"#),
        _ => Reply::json(r#"{"error":"unknown symbol"}"#),
    });
    let ingest = Ingest::start(Dialect::WriteProxy);
    let definition = |name: &str, path: &str| {
        format!(
            "[providers.{name}]\nmarket = 'other'\nbase_url = 'http://x'\nbad_symbol = {{ text = 'unknown' }}\n\
             [[providers.{name}.quote]]\n{path}\nrows = '/rows'\nkey = '/s'\nerror = '/error'\nfields = {{ last = '/l' }}\n"
        )
    };
    let feed = "[feeds.x]\nproviders = ['first', 'second']\nsymbols = ['A', 'B', 'C', 'D']\n";
    let first_definition = definition("first", "path = '/q'\nbatch = 0");
    let second_definition = definition("second", "path = '/q?s={symbols}'\nall = '/all'");
    let run = Datametrics::new().config(&format!("{feed}{first_definition}{second_definition}"));
    let run = run.args(["--feed", "x", "--retries", "0"]).provider("first", &first).provider("second", &second);
    let run = run.graphite(&ingest);
    let next = || {
        let before = second.requests().len();
        run.run();
        second.requests().len() - before
    };
    assert_eq!([next(), next(), next(), next()], [2, 2, 0, 0]);
}

/// An API that rejects a batch once, for a reason that is over a moment later.
#[test]
fn symbol_is_not_unknown_by_inference() {
    let rejected = Mutex::new(true);
    let server = Server::with(move |request| {
        if std::mem::take(&mut *rejected.lock().unwrap()) {
            return Reply::json(r#"{"error":"unknown symbol"}"#);
        }
        Api::NamesNone.reply(&request.target, &[])
    });
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = Setup::config(Api::NamesNone, &["S1", "S2", "S3", "S4"]);
    let run = Datametrics::new().config(&config).args(["--feed", "x"]).provider("own", &server).graphite(&ingest);
    run.clone().exit(0).check();
    assert_eq!(ingest.value("metrics.x.feed.x.fetched").as_deref(), Some("4"));
    assert!(!run.state_dir().join("unknown_symbols/own").exists());
}

/// Batches that are rejected side by side ask for everything once, and a row without a price is a row.
#[test]
fn everything_is_requested_once_for_all_rejected_batches() {
    let server = Server::with(|request| match request.target.as_str() {
        "/q" => Reply::json(r#"{"rows":[{"s":"S1","l":1},{"s":"S2"},{"s":"S3","l":3}]}"#),
        _ => Reply::json(r#"{"error":"unknown symbol"}"#),
    });
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = Setup::config(Api::HasAll, &["S1", "S2", "S3", "S4"]).replace("rows =", "batch = 2\nrows =");
    let run = Datametrics::new().config(&config).args(["--feed", "x"]).provider("own", &server).graphite(&ingest);
    let message = "error: x: no quote of S2: own has nothing at \"/l\"\n\
                   error: x: no quote of S4: own says \"unknown symbol\"\n";
    run.clone().stderr(message).exit(1).check();
    assert_eq!(server.requests().len(), 3);
    let state = fs::read_to_string(run.state_dir().join("unknown_symbols/own")).expect("the unknown symbols");
    assert!(state.contains("\"S4\"") && !state.contains("\"S2\""), "{state}");
}

/// The requests for all symbols of a base are the same, so there is nothing to split.
#[test]
fn unknown_base_costs_one_request_and_no_other_base() {
    let server = Server::with(|request| match request.target.as_str() {
        "/latest?base=EUR" => Reply::json(r#"{"rates":{"USD":1.1,"CHF":0.9}}"#),
        _ => Reply::text(404, r#"{"message":"not found"}"#),
    });
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['EUR/USD', 'EUR/CHF', 'ZZZ/USD', 'ZZZ/CHF']\n\
                  [providers.own]\nmarket = 'other'\nbase_url = 'http://x'\nsymbol = '{quote}'\n\
                  bad_symbol = { status = 404 }\n[[providers.own.quote]]\npath = '/latest?base={base}'\nbatch = 0\n\
                  rows = '/rates'\nfields = { last = '' }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x"]).provider("own", &server).graphite(&ingest);
    let next = || {
        let before = server.requests().len();
        run.run();
        let fetched = ingest.value("metrics.x.feed.x.fetched");
        (fetched.expect("a health point"), server.requests().len() - before)
    };
    // It stands out among no others, so a second run must see it too.
    assert_eq!([next(), next(), next()].map(|(_, requests)| requests), [2, 2, 1]);
    assert_eq!(next().0, "2");
}

/// What was unknown is rejected again, which says nothing of the API.
#[test]
fn unknown_symbols_that_stay_so_are_no_failure_of_the_api() {
    let setup = Setup::new(Api::NamesNone, (0..30).collect());
    assert_eq!(setup.next().0, 70);
    setup.let_a_day_pass();
    *setup.fails_for.lock().unwrap() = Some("S99");
    // The 70 symbols that are known are not answered before those that are not.
    setup.run.clone().stderr("error: x: own: S30, [..]: HTTP 500: ill; the next run asks again\n").exit(69).check();
}

/// One path of an API rejects a symbol that another one has.
#[test]
fn symbol_with_a_price_is_not_unknown() {
    let server = Server::with(|request| match request.target.as_str() {
        "/stats/B" => Reply::text(404, "NotFound"),
        _ => Reply::json(r#"{"last":1,"high":2}"#),
    });
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['A', 'B']\nfields = ['last', 'high']\n[providers.own]\n\
                  market = 'other'\nbase_url = 'http://x'\nbad_symbol = { status = 404 }\n\
                  [[providers.own.quote]]\npath = '/price/{symbol}'\nfields = { last = '/last' }\n\
                  [[providers.own.quote]]\npath = '/stats/{symbol}'\nfields = { high = '/high' }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x"]).provider("own", &server).graphite(&ingest);
    for runs in 1..=3 {
        run.run();
        assert_eq!(server.requests().len(), 4 * runs, "in run {runs}");
    }
}

/// A symbol of two feeds is rejected once in a run, and one that the API has without a price is known.
#[test]
fn one_run_is_one_rejection_and_a_row_without_a_price_is_none() {
    let is_known = Arc::new(Mutex::new(false));
    let server = {
        let is_known = is_known.clone();
        Server::with(move |request| match (request.target.as_str(), *is_known.lock().unwrap()) {
            ("/B", false) => Reply::text(404, "NotFound"),
            ("/B", true) => Reply::json(r#"{"last":null}"#),
            _ => Reply::json(r#"{"last":1}"#),
        })
    };
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['A', 'B']\n[feeds.y]\nproviders = ['own']\n\
                  symbols = ['C', 'B']\n[providers.own]\nmarket = 'other'\nbase_url = 'http://x'\n\
                  bad_symbol = { status = 404 }\n[[providers.own.quote]]\npath = '/{symbol}'\nfields = { last = '/last' }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x", "--feed", "y"]);
    let run = run.provider("own", &server).graphite(&ingest);
    let next = || {
        let before = server.requests().len();
        run.run();
        server.requests().len() - before
    };
    assert_eq!([next(), next(), next()], [3, 3, 2], "B is requested once for both feeds, and rests from the third run");
    let state = run.state_dir().join("unknown_symbols/own");
    let text = fs::read_to_string(&state).expect("the unknown symbols");
    fs::write(&state, text.replace("\"rejections\":2", "\"rejections\":1")).expect("written");
    *is_known.lock().unwrap() = true;
    assert_eq!(next(), 3);
    assert!(!fs::read_to_string(&state).expect("the unknown symbols").contains("\"B\""));
}
