//! The search for unknown symbols that one run cannot end, as the API has a limit or is slow.

use super::{Api, Setup, spreads};
use crate::support::{Datametrics, Dialect, Ingest, Reply, Server};
use std::fs;
use std::sync::{Arc, Mutex};

impl Setup {
    /// The same as `next` for a run of which the API takes so many requests.
    fn next_within(&self, limit: usize) -> (usize, usize) {
        *self.limit.lock().unwrap() = Some((limit, || Reply::text(429, "slow down")));
        self.next()
    }

    /// How many symbols each run fetches under a limit, until all that are known come in one request.
    fn runs_within(&self, limit: usize, known: usize) -> Vec<usize> {
        let mut fetched = Vec::new();
        while fetched.len() < 60 {
            let (count, requests) = self.next_within(limit);
            fetched.push(count);
            if (count, requests) == (known, 1) {
                break;
            }
        }
        fetched
    }

    fn state(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.state_file()).expect("the unknown symbols");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// What has come once comes in each run after that.
#[test]
fn every_known_symbol_comes_after_a_few_runs_under_any_limit() {
    for (api, limit, most_runs) in [
        (Api::NamesNone, 2, 42),
        (Api::NamesNone, 3, 21),
        (Api::NamesNone, 8, 5),
        (Api::NamesOne, 2, 5),
        (Api::NamesOne, 3, 4),
        (Api::HasAll, 2, 2),
    ] {
        for unknown in spreads(3) {
            let setup = Setup::new(api, unknown.clone());
            let fetched = setup.runs_within(limit, 97);
            let case = format!("{api:?}, {limit} requests, without {unknown:?}: {fetched:?}");
            assert!(fetched.is_sorted() && fetched.last() == Some(&97) && fetched.len() <= most_runs, "{case}");
            assert_eq!(setup.state()["suspects"], serde_json::json!([]), "{case}");
        }
    }
}

/// The time of a run ends while it searches.
#[test]
fn every_known_symbol_comes_after_a_few_runs_of_a_slow_api() {
    let mut setup = Setup::of(20, Api::NamesNone, vec![8, 17]);
    setup.run = setup.run.args(["--timeout", "2"]);
    let next = || {
        *setup.limit.lock().unwrap() = Some((6, Reply::hang));
        setup.next()
    };
    let fetched = [next().0, next().0, next().0];
    assert!(fetched.is_sorted() && fetched[2] == 18, "{fetched:?}");
}

/// Most symbols are unknown, so a run may find some without an answer to any other. The next runs must not begin with them.
#[test]
fn known_symbol_among_many_unknown_ones_comes_after_a_few_runs() {
    for (api, known) in [(Api::NamesNone, 0), (Api::NamesNone, 6), (Api::NamesOne, 11)] {
        let setup = Setup::of(12, api, (0..12).filter(|symbol| *symbol != known).collect());
        let fetched = setup.runs_within(2, 1);
        assert!(fetched.is_sorted() && fetched.len() < 40, "{api:?}, S{known} is known: {fetched:?}");
    }
}

/// What rejects everything may have another fault, and may be well a moment later.
#[test]
fn api_that_rejects_everything_under_a_limit_gives_everything_when_it_is_well() {
    for runs in [1, 5, 40] {
        let setup = Setup::of(20, Api::NamesNone, (0..20).collect());
        for _ in 0..runs {
            assert_eq!(setup.next_within(3).0, 0);
        }
        assert_eq!(setup.state()["symbols"], serde_json::json!({}), "none is unknown");
        setup.unknown.lock().unwrap().clear();
        *setup.limit.lock().unwrap() = None;
        assert_eq!(setup.next().0, 20, "after {runs}");
        assert_eq!(setup.next(), (20, 1), "after {runs}");
    }
}

/// Fewer symbols than an API must reject one by one for the search to end early.
#[test]
fn api_that_rejects_the_few_symbols_of_a_feed_leaves_nothing() {
    let setup = Setup::of(6, Api::NamesNone, (0..6).collect());
    assert_eq!(setup.next().0, 0);
    assert!(!setup.state_file().exists());
    // A run under a limit leaves a search, and a run that ends it forgets it.
    assert_eq!((setup.next_within(3).0, setup.state()["suspects"][0]["symbols"].is_array()), (0, true));
    *setup.limit.lock().unwrap() = None;
    assert_eq!((setup.next().0, &setup.state()["suspects"]), (0, &serde_json::json!([])));
}

#[test]
fn search_begins_anew_with_another_definition() {
    let setup = Setup::new(Api::NamesNone, vec![3]);
    setup.next_within(3);
    setup.unknown.lock().unwrap().clear();
    *setup.limit.lock().unwrap() = None;
    let config = setup.run.home().join("config.toml");
    let text = fs::read_to_string(&config).expect("the config");
    fs::write(&config, text.replace("/q?s=", "/q?v=2&s=")).expect("written");
    assert_eq!(setup.next(), (100, 1));
}

/// A day later the unknown symbols are requested again, each alone.
#[test]
fn unknown_symbols_that_a_limit_leaves_are_requested_by_the_next_run() {
    let setup = Setup::new(Api::NamesNone, (0..30).collect());
    assert_eq!(setup.next().0, 70);
    setup.let_a_day_pass();
    let fetched = setup.runs_within(4, 70);
    assert!(fetched.iter().all(|count| *count == 70) && fetched.len() == 11, "{fetched:?}");
}

/// Another request for the same symbols has nothing to be split, and is good.
#[test]
fn request_that_is_the_same_for_all_suspects_is_sent() {
    let limit = Arc::new(Mutex::new(2));
    let server = {
        let limit = limit.clone();
        Server::with(move |request| match request.target.as_str() {
            "/rates?base=EUR" => Reply::json(r#"{"rates":{"USD":1.1,"CHF":0.9,"GBP":0.8,"SEK":11}}"#),
            _ if *limit.lock().unwrap() == 0 => Reply::text(500, "ill"),
            target => {
                *limit.lock().unwrap() -= 1;
                if target.contains("SEK") {
                    return Reply::text(404, r#"{"error":"unknown"}"#);
                }
                Reply::json(r#"{"USD":1,"CHF":2,"GBP":3}"#)
            }
        })
    };
    let ingest = Ingest::start(Dialect::WriteProxy);
    let config = "[feeds.x]\nproviders = ['own']\nsymbols = ['EUR/USD', 'EUR/CHF', 'EUR/GBP', 'EUR/SEK']\n\
                  fields = ['last', 'open']\n[providers.own]\nmarket = 'other'\nbase_url = 'http://x'\nmax_concurrency = 1\n\
                  symbol = '{quote}'\nbad_symbol = { status = 404 }\n[[providers.own.quote]]\n\
                  path = '/rates?base={base}'\nbatch = 0\nrows = '/rates'\nfields = { last = '' }\n\
                  [[providers.own.quote]]\npath = '/q?s={symbols}'\nrows = ''\nfields = { open = '' }\n";
    let run = Datametrics::new().config(config).args(["--feed", "x", "--retries", "0"]);
    let run = run.provider("own", &server).graphite(&ingest);
    for _ in 0..4 {
        *limit.lock().unwrap() = 2;
        run.run();
        assert_eq!(ingest.value("metrics.x.feed.x.fetched").as_deref(), Some("4"));
    }
}
