//! The dashboard and the alert rules: their structure, and whether a real Graphite has data for each query.

mod alarms;
mod cells;
mod days;
mod evaluator;
mod queries;
mod setups;

use crate::support::{
    Carbon, Datametrics, Server, now, npm,
    real_graphite::{RealGraphite, Series, available},
    wait_until,
};
use queries::{Token, array, matched, panels, patterns, str, targets, variables, with_values};
use serde_json::{Value, json};
use setups::{CRYPTO, Setup, provider, setups};
use std::{collections::BTreeSet, fs, io::Write as _, net::TcpStream, path::Path};

/// Sends the points of dry runs to Carbon at other times: some dozens of minutes in the last two hours.
fn push_history(setup: &Setup, provider: &Server, graphite: &RealGraphite, url: &str, runs: i64) {
    let mut stream = TcpStream::connect(("127.0.0.1", graphite.plaintext)).unwrap();
    for run in 0..runs {
        let output = setup.run(provider, url).args(["--dry-run"]).run();
        assert_eq!(output.code, Some(0), "{output}");
        // Half of them are an hour older, for queries that compare with an hour ago.
        let time = now() - (run / 2 + 1) * 60 - if run % 2 == 0 { 0 } else { 3600 };
        for line in output.stdout.lines() {
            let (point, _) = line.rsplit_once(' ').unwrap();
            writeln!(stream, "{point} {time}").unwrap();
        }
    }
}

/// Two runs that push, at least a second apart: the second pushes status and time of the first push, at the
/// time of the first.
fn push_twice(setup: &Setup, provider: &Server, url: &str) {
    let run = setup.run(provider, url);
    assert_eq!(run.run().code, Some(0), "{}", setup.name);
    let first = now();
    wait_until("the next second", || now() > first);
    assert_eq!(run.run().code, Some(0), "{}", setup.name);
}

/// Every query of every setup, after some dozens of runs.
#[test]
fn real_graphite_has_data_for_every_query_of_dashboard_and_alerts() {
    if !available() {
        return;
    }
    let graphite = RealGraphite::start();
    let url = format!("tcp://127.0.0.1:{}", graphite.plaintext);
    for setup in setups() {
        let provider = provider(&setup.crypto);
        push_history(&setup, &provider, &graphite, &url, if setup.name == "many" { 4 } else { 30 });
        // Only runs that push have points about the journal and about the push before.
        push_twice(&setup, &provider, &url);
        let dashboard = setup.print(&url, &["dashboard"]);
        let pushed = |all: &Vec<Series>| all.iter().any(|series| !series.points.is_empty());
        let last = targets(&dashboard).into_iter().find(|target| target.contains("journal")).unwrap();
        graphite.wait_for(setup.name, || Some(graphite.render(last, "-10min")).filter(pushed));
        let variables = variables(&graphite, &dashboard);
        for all in [true, false] {
            for panel in panels(&dashboard) {
                let target = with_values(str(&panel["targets"][0]["target"]), &variables, all);
                for other in array(&panel["targets"]).iter().skip(1).map(|target| str(&target["target"])) {
                    let other = with_values(other, &variables, all);
                    // Everything was answered.
                    let is_empty = other.contains("removeEmptySeries");
                    assert!(is_empty || !graphite.wait_for_points(&other, "-3h").is_empty(), "{other}");
                }
                let drawn = graphite.wait_for_points(&target, "-3h");
                let noisy = |series: &&Series| series.target.contains(['(', ';', '.', '\\']);
                assert_eq!(drawn.iter().find(noisy), None, "{}: {target}", setup.name);
                if str(&panel["title"]).starts_with("crypto: price of ${") {
                    let legend: BTreeSet<&str> = drawn.iter().map(|series| series.target.as_str()).collect();
                    assert_eq!(legend, setup.crypto.iter().map(String::as_str).collect(), "{}: {target}", setup.name);
                    assert!(drawn.iter().all(|series| series.points.len() > 2), "{drawn:?}");
                }
                if panel["title"] == "crypto: spread" {
                    assert_eq!(drawn.len(), setup.crypto.len(), "{target}");
                    // Until Carbon has written both prices of a run, the difference is one of them.
                    let zero = |all: &Vec<Series>| {
                        all.iter().flat_map(|series| &series.points).all(|(_, value)| is(*value, 0))
                    };
                    graphite.wait_for(&target, || Some(graphite.render(&target, "-3h")).filter(zero));
                }
            }
        }
        draw_alerts(&setup, &graphite, &url);
    }
}

/// Whether the value is exactly that integer.
fn is(value: f64, integer: i32) -> bool {
    value.total_cmp(&f64::from(integer)).is_eq()
}

fn draw_alerts(setup: &Setup, graphite: &RealGraphite, url: &str) {
    let alerts = setup.print(url, &["alerts", "--datasource", "uid", "--format", "api"]);
    for rule in array(&alerts["rules"]) {
        let query = &rule["data"][0];
        let target = str(&query["model"]["target"]);
        let from = format!("-{}s", query["relativeTimeRange"]["from"]);
        let drawn = graphite.wait_for_points(target, &from);
        let last: Vec<f64> = drawn.iter().filter_map(|series| Some(series.points.last()?.1)).collect();
        // Grafana distinguishes alerts by their labels: the tags, which include the target as
        // `name` in newer versions.
        let names: BTreeSet<&str> = drawn.iter().map(|series| series.target.as_str()).collect();
        assert!(names.iter().all(|name| !name.contains(['(', ';', '\\'])), "{names:?}");
        let tags: BTreeSet<&str> = drawn.iter().map(|series| series.tags.as_str()).collect();
        assert_eq!((names.len(), tags.len()), (drawn.len(), drawn.len()), "two alerts of one name: {drawn:?}");
        match str(&rule["labels"]["kind"]) {
            "missing" => assert!(last.iter().all(|value| is(*value, 0)), "{drawn:?}"),
            // The run of this minute may be missing; one run within the window is enough.
            "norun" => {
                assert!(drawn.iter().flat_map(|series| &series.points).any(|(_, value)| is(*value, 1)), "{drawn:?}");
            }
            "price" => assert!(last.iter().all(|value| is(*value, 1)), "{drawn:?}"),
            // The depth is above its threshold and below the other one.
            "above" | "below" if rule["labels"]["feed"] == "water-levels" => {
                assert!(last.len() == 1 && is(last[0], -2), "{drawn:?}");
            }
            "above" if setup.name == "fields" => assert!(last.len() == 1 && is(last[0], 1500), "{drawn:?}"),
            "above" if setup.name != "many" => {
                assert!(last.len() == 2 && last[0] >= 1000.0 && last[1] < -1e90, "{drawn:?}");
            }
            "above" => assert!(last.len() == 200 && last.iter().all(|value| *value >= 1000.0), "{drawn:?}"),
            "limit" => assert!(last.iter().all(|left| (left - 59.0 / 0.6).abs() < 1e-6), "{drawn:?}"),
            "provider" | "push" => assert!(last.iter().all(|value| is(*value, 200)), "{drawn:?}"),
            _ => {}
        }
    }
}

/// Every point is visible on the dashboard.
#[test]
fn every_pushed_point_is_on_a_dashboard_panel() {
    for setup in setups() {
        let provider = provider(&setup.crypto);
        let carbon = Carbon::start();
        push_twice(&setup, &provider, &carbon.url());
        let dashboard = setup.print(&carbon.url(), &["dashboard"]);
        let patterns: Vec<Vec<Token>> = targets(&dashboard).into_iter().flat_map(patterns).collect();
        let is_tagged = setup.name == "tags";
        let names: BTreeSet<String> = carbon.points().into_iter().map(|point| point.name).collect();
        assert!(names.iter().any(|name| name.contains("graphite.response.time")), "{names:?}");
        for name in names {
            // Carbon treats `/` like a dot, unless there are tags.
            let name = if is_tagged { name } else { name.replace('/', ".") };
            assert!(
                patterns.iter().any(|tokens| matched(tokens, &name).is_some()),
                "{}: {name} is on no panel",
                setup.name
            );
        }
    }
}

/// The examples are copied by users, so they must equal the output of the program.
#[test]
fn grafana_examples_equal_the_printed_output() {
    for (name, arguments) in
        [("dashboard.json", &["dashboard"][..]), ("alerts.json", &["alerts", "--datasource", "YOUR-DATA-SOURCE"])]
    {
        let printed = Datametrics::new().args(["grafana"]).args(arguments).run().stdout;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grafana").join(name);
        if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
            fs::write(&path, &printed).unwrap();
        }
        let example = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(example == printed, "{name} is not what is printed; SNAPSHOTS=overwrite writes it");
    }
}

#[test]
fn dashboard_has_unique_ids_and_no_overlapping_panels() {
    for setup in setups() {
        let dashboard = setup.print("tcp://127.0.0.1:9", &["dashboard"]);
        assert_eq!(dashboard, setup.print("tcp://127.0.0.1:9", &["dashboard"]), "the same settings");
        assert!(str(&dashboard["uid"]).len() <= 40);
        let ids: Vec<u64> = array(&dashboard["panels"]).iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        let titles: Vec<&str> = panels(&dashboard).map(|panel| str(&panel["title"])).collect();
        assert_eq!(titles.iter().collect::<BTreeSet<_>>().len(), titles.len(), "{titles:?}");
        let mut taken = BTreeSet::new();
        for panel in array(&dashboard["panels"]) {
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(x + w <= 24);
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{panel} overlaps");
            }
        }
        for panel in panels(&dashboard) {
            assert!(!str(&panel["title"]).is_empty() && !str(&panel["description"]).is_empty());
            assert!(!str(&panel["fieldConfig"]["defaults"]["unit"]).is_empty());
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            if panel["title"] == "Status of answers" {
                // The dots of the second target.
                assert_eq!(panel["fieldConfig"]["overrides"][0]["matcher"]["options"], "B");
                let dots = str(&panel["targets"][1]["target"]);
                assert!(dots.starts_with("removeEmptySeries("), "{dots}");
                assert_eq!(dots.contains("mirror"), setup.config.contains("[mirrors."), "{dots}");
            }
            for (target, ref_id) in array(&panel["targets"]).iter().zip(["A", "B", "C"]) {
                assert_eq!(target["datasource"]["uid"], "${datasource}");
                assert_eq!(target["refId"], ref_id);
            }
            if panel["type"] == "timeseries" {
                assert_eq!(panel["fieldConfig"]["defaults"]["custom"]["spanNulls"], true);
            }
        }
        let size = dashboard.to_string().len();
        assert!(size < 64 << 10, "{size} bytes");
    }
}

#[test]
fn alert_rules_are_equal_in_file_and_api_format() {
    for setup in setups() {
        let [file, api] = ["file", "api"]
            .map(|format| setup.print("tcp://127.0.0.1:9", &["alerts", "--datasource", "the-uid", "--format", format]));
        let (in_file, in_api) = (array(&file["groups"][0]["rules"]), array(&api["rules"]));
        assert_eq!(in_file.len(), in_api.len());
        assert!(in_file.len() < 100, "what a free account has");
        let uids: BTreeSet<&str> = in_api.iter().map(|rule| str(&rule["uid"])).collect();
        assert_eq!(uids.len(), in_api.len());
        assert!(uids.iter().all(|uid| uid.len() <= 40), "{uids:?}");
        for (one, other) in in_file.iter().zip(in_api) {
            assert_eq!((&one["uid"], &one["title"]), (&other["uid"], &other["title"]));
            // Grafana takes both as they stand in a file: a `$$` would stay one.
            assert_eq!(one["data"].to_string(), other["data"].to_string());
            assert_eq!(one["annotations"].to_string(), other["annotations"].to_string());
            assert_eq!(one["keepFiringFor"], other["keep_firing_for"]);
            assert_eq!(one["dashboardUid"], other["annotations"]["__dashboardUid__"]);
            assert_eq!(one["panelId"].to_string(), str(&other["annotations"]["__panelId__"]));
            for text in ["summary", "description", "runbook", "runbook_url"] {
                assert!(!str(&other["annotations"][text]).is_empty(), "{other}");
            }
            assert_eq!(other["data"][0]["datasourceUid"], "the-uid");
            assert_eq!(other["condition"], array(&other["data"]).last().unwrap()["refId"]);
            let silence = if other["labels"]["kind"] == "norun" { "Alerting" } else { "OK" };
            assert_eq!(other["noDataState"], silence);
            assert_eq!(other["folderUID"], api["folderUid"]);
        }
    }
}

/// Grafana expands variables in the strings of a file, but in models and annotations none.
#[test]
fn a_dollar_is_escaped_in_a_file_only_where_grafana_expands_variables() {
    let setup = &setups()[0];
    let query = |format: &str| {
        let arguments = ["alerts", "--datasource", "a$b", "--format", format];
        let printed = setup.print("tcp://127.0.0.1:9", &arguments);
        let rules = if format == "file" { &printed["groups"][0]["rules"] } else { &printed["rules"] };
        rules[0]["data"][0].clone()
    };
    let uids = |query: &Value| [&query["datasourceUid"], &query["model"]["datasource"]["uid"]].map(Value::to_string);
    assert_eq!(uids(&query("file")), [r#""a$$b""#, r#""a$b""#]);
    assert_eq!(uids(&query("api")), [r#""a$b""#, r#""a$b""#]);
}

/// Otherwise the whole rule is an error in Grafana: "has duplicate results".
#[test]
fn alerts_that_mean_the_same_are_one_series() {
    let alert = |symbol: &str| format!("[[alert]]\nsymbol = '{symbol}'\nbelow = 50000\nchange_percent_1h = 5\n");
    let target = |alerts: &[&str]| {
        let config: String = alerts.iter().map(|symbol| alert(symbol)).collect();
        let arguments = ["grafana", "alerts", "--datasource", "uid"];
        let printed = Datametrics::new().config(&format!("{CRYPTO}{config}")).args(arguments).run().stdout;
        let rules: Value = serde_json::from_str(&printed).unwrap();
        let rules = array(&rules["groups"][0]["rules"]).to_vec();
        rules
            .into_iter()
            .filter(|rule| ["below", "rise", "fall"].iter().any(|kind| rule["labels"]["kind"] == *kind))
            .map(|rule| str(&rule["data"][0]["model"]["target"]).to_owned())
            .collect::<Vec<_>>()
    };
    let once = target(&["BTC/USD"]);
    assert_eq!(once.len(), 3, "{once:?}");
    assert_eq!(target(&["BTC", "BTC/USD", "BTC/USD"]), once);
    assert_ne!(target(&["BTC/USD", "ETH/USD"]), once);
}

/// A definition has `of` for a header with what is left, and `limit` for one with what is used: never both.
#[test]
fn the_runbook_of_the_limit_names_both_keys_that_a_definition_may_have() {
    let alerts = Datametrics::new()
        .config("[crypto]\nproviders = ['binance']\nsymbols = ['BTC/USDT']\n")
        .args(["grafana", "alerts", "--datasource", "uid"])
        .run()
        .stdout;
    let alerts: Value = serde_json::from_str(&alerts).unwrap();
    let rules = array(&alerts["groups"][0]["rules"]);
    let runbook = str(&rules.iter().find(|rule| rule["labels"]["kind"] == "limit").unwrap()["annotations"]["runbook"]);
    assert!(runbook.contains("remaining = { of = … }") && runbook.contains("remaining = { limit = … }"), "{runbook}");
}

#[test]
fn each_rule_links_to_the_panel_that_draws_its_values() {
    let panels_of_rules = [
        ("own", "missing crypto", "Symbols expected and fetched"),
        ("own", "norun crypto", "Symbols expected and fetched"),
        ("own", "provider", "Status of answers"),
        ("own", "limit", "Requests left"),
        ("own", "push", "Status of answers"),
        ("own", "journal", "Points waiting in the journal"),
        ("own", "price crypto", "crypto: price of ${crypto_symbol}"),
        ("own", "rise crypto", "crypto: price of ${crypto_symbol}"),
        ("own", "below water-levels", "water-levels: depth"),
        ("fields", "price crypto", "crypto: bid of ${crypto_symbol}"),
        ("fields", "above coins", "coins: supply of ${coins_base}"),
        ("fields", "above house", "house: ${house_field}"),
    ];
    let setups = setups();
    for (setup, rule, title) in panels_of_rules {
        let setup = setups.iter().find(|of_list| of_list.name == setup).unwrap();
        let url = "tcp://127.0.0.1:9";
        let (dashboard, alerts) =
            (setup.print(url, &["dashboard"]), setup.print(url, &["alerts", "--datasource", "uid", "--format", "api"]));
        let of_name = |json: &&Value| {
            let feed = json["labels"]["feed"].as_str().unwrap_or_default();
            format!("{} {feed}", str(&json["labels"]["kind"])).trim() == rule
        };
        let linked = str(&array(&alerts["rules"]).iter().find(of_name).unwrap()["annotations"]["__panelId__"]);
        let linked: u64 = linked.parse().unwrap();
        let panel = panels(&dashboard).find(|panel| panel["id"].as_u64() == Some(linked)).unwrap();
        assert_eq!(panel["title"], title, "{rule}");
        assert_eq!(panel["type"], "timeseries", "{rule}");
    }
}

/// Nothing is sent, so keys and passwords may be elsewhere.
#[test]
fn grafana_command_needs_no_secret() {
    let config = "[graphite]\nurl = 'https://graphite-prod-01-eu-west-0.grafana.net/graphite/metrics'\nuser = '1'\n\
                  password_file = '/nonexistent'\n[stocks]\nproviders = ['finnhub']\n";
    for arguments in [&["dashboard"][..], &["alerts", "--datasource", "uid"]] {
        let output = Datametrics::new().config(config).args(["grafana"]).args(arguments).run();
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output}");
    }
}

/// By Grafana's own types, also of the options of each kind of panel.
#[test]
fn dashboards_are_of_the_types_that_grafana_publishes() {
    if !npm::available() {
        return;
    }
    let dashboards: Vec<Value> =
        setups().iter().map(|setup| setup.print("tcp://127.0.0.1:9", &["dashboard"])).collect();
    let mut wrong = dashboards[0].clone();
    wrong["panels"][1]["options"]["graphMode"] = "curve".into();
    for version in ["11", "12", "13"] {
        let problems = |dashboards: &[Value]| npm::node(&["schema.cjs", version], &json!(dashboards).to_string());
        assert_eq!(problems(&dashboards), "[]", "Grafana {version}");
        assert!(problems(std::slice::from_ref(&wrong)).contains("curve"), "the types tell nothing");
    }
}

#[test]
fn grafana_command_reports_what_it_cannot_build() {
    let run = Datametrics::new().args(["grafana", "alerts"]).run();
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    assert!(run.stderr.contains("--datasource <UID>"), "{run}");
    let run = Datametrics::new().args(["grafana", "alerts", "--datasource", "a", "--format", "yaml"]).run();
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    let alert = |config: &str| Datametrics::new().config(config).args(["grafana", "alerts", "--datasource", "a"]);
    alert("[[alert]]\nsymbol = 'DOGE/USD'\nabove = 1\n")
        .stderr("error: config.toml:2: alert.symbol: DOGE/USD is a symbol of no feed: add it to one\n")
        .exit(78)
        .check();
    alert("[stocks]\nfields = ['volume']\n[[alert]]\nsymbol = 'AAPL'\nabove = 1\n")
        .stderr("error: config.toml:4: alert.symbol: AAPL has no last, as feed stocks does not fetch last: add it to the fields\n")
        .exit(78)
        .check();
    // A feed without symbols is left out, as in a run.
    let output = Datametrics::new().config("[stocks]\nsymbols = []\n").args(["grafana", "dashboard"]).run();
    assert!(!output.stdout.contains("stocks"), "{output}");
}
