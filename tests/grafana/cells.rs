//! What a person reads on the dashboard: Grafana's own code formats what a real Graphite answers.

use super::{
    queries::{array, panels, str, variables, with_values},
    setups::{Setup, provider, setups},
};
use crate::support::{
    now, npm,
    real_graphite::{RealGraphite, available},
};
use serde_json::{Value, json};
use std::{fmt::Write as _, fs, io::Write as _, net::TcpStream, path::Path, thread};

/// Prices at the begin and at the end of the time that is shown. All other symbols have the last row.
const PRICES: [(&str, f64, f64); 7] = [
    ("BTC", 63_250.0, 64_210.1),
    ("ETH", 3_122.0, 3_050.25),
    ("BAT", 0.000_008_40, 0.000_008_33),
    ("AMZN", 201.0, 204.04),
    ("NFLX", 1_085.5, 1_085.5),
    ("AAPL", 231.2, 228.0),
    ("", 10.5, 10.605),
];

/// Some of the rows that must be there, whatever is recorded: all digits of a price at any size, changes up and
/// down, a colour on the change alone, and the worst minute of the time that is shown.
const ROWS: [(&str, &str); 4] = [
    (
        "default",
        "BTC-USD | 64,210.1 | drawn
        BAT-USD | 0.00000833 | drawn
        BTC-USD | 64,210.1 | 1.52% [green]
        ETH-USD | 3,050.25 | -2.30% [red]
        BAT-USD | 0.00000833 | -0.83% [red]
        AMZN | 204.04 | 1.51% [green]
        NFLX | 1,085.5 | 0.00% [text]
        AAPL | -1.38% [red]
        BTC-USD high | 64,852.201 | 64,852.201 | 70,631.11
        all crypto fetched | 3 | 2 | 3
        all kraken | 200 | 200 | 503
        all kraken no answer | 0 | 0 | 0 | points, red
        all kraken | 59 | 7 | 59
        all | 0 | 0 | 55",
    ),
    (
        "own",
        "south | -2 | -2 | -2
        all cellar | 200 | 200 | 503
        all cellar no answer | 0 | 0 | 0 | points, red",
    ),
    (
        "fields",
        "attic temperature | 21.5 °C | 21.5 °C | 21.5 °C
        heater cellar | 55 °C | 55 °C | 55 °C
        attic humidity | 41.5% | 41.5% | 41.5%
        power attic | 1.50 kW | 1.50 kW | 1.50 kW
        attic disk | 1.25 GB | 1.25 GB | 1.25 GB
        load attic | 0.12345678 | 0.12345678 | 0.12345678
        USD/BTC | 19,263,030 | 18,975,000 | 19,263,030
        USD/BTC | 57.3% | 57.3% | 57.3%",
    ),
    ("many", "C100-USD | 10.605 | 1.00% [green]"),
];

/// The value of a metric in the minute `index` of `count`. In one minute in the middle everything is at its
/// worst.
fn value(name: &str, index: usize, count: usize) -> f64 {
    let name = name.split(';').next().unwrap();
    let has = |part: &str| name.split(['.', '-', '/']).any(|node| node == part);
    let is_bad = index == count / 2;
    let at_worst = |bad: f64, usual: f64| if is_bad { bad } else { usual };
    if has("metrics") {
        return match name.rsplit('.').next().unwrap() {
            "status_code" if index == count / 3 => 0.0,
            "status_code" => at_worst(503.0, 200.0),
            "time" => at_worst(4.5, 0.12),
            "expected" => 3.0,
            "fetched" => at_worst(2.0, 3.0),
            "requests" => at_worst(3.0, 1.0),
            "retries" => at_worst(2.0, 0.0),
            "remaining" => at_worst(7.0, 59.0),
            "duration" => at_worst(12.5, 0.35),
            "journal" => at_worst(55.0, 0.0),
            "points" => 55.0,
            other => panic!("{other}"),
        };
    }
    let (_, first, last) = PRICES.into_iter().find(|(symbol, ..)| name.contains(symbol)).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    // The first of the drawn points stands for several minutes, in which the price does not change yet.
    let part = index.saturating_sub(8) as f64 / (count - 1) as f64;
    let price = if index + 1 == count { last } else { first + (last - first) * part };
    let fields: [(&str, f64); 21] = [
        ("last", price),
        ("bid", price * 0.9995),
        ("ask", price),
        ("open", first),
        ("previous_close", first),
        ("high", at_worst(1.1, 1.01) * last),
        ("low", at_worst(0.9, 0.99) * last),
        ("vwap", f64::midpoint(first, last)),
        ("volume", at_worst(2.0, 1.0) * 1_234.567_8),
        ("change_percent", (last / first - 1.0) * 100.0),
        ("age", at_worst(900.0, 12.0)),
        ("depth", if has("south") { -2.0 } else { 12.5 }),
        ("temperature", 21.456),
        ("heater", 55.0),
        ("humidity", 41.5),
        ("power", 1_500.0),
        ("disk", 1.25e9),
        ("load", 0.123_456_78),
        ("draught", 3.0),
        ("supply", price * 300.0),
        ("share", 57.25),
    ];
    fields.into_iter().find(|(field, _)| has(field)).unwrap_or_else(|| panic!("{name}")).1
}

/// The metrics of a setup, with their tags.
fn metrics(setup: &Setup, url: &str) -> Vec<String> {
    let output = setup.run(&provider(&setup.crypto), url).args(["--dry-run"]).run();
    assert_eq!(output.code, Some(0), "{output}");
    let mut names: Vec<String> = output.stdout.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    // Only runs that push have these.
    let duration = names.iter().find(|name| name.contains(".duration")).unwrap().clone();
    let push = ["journal", "graphite.response.time", "graphite.response.status_code"];
    let of_mirror = ["mirror.cellar.journal", "mirror.cellar.response.time", "mirror.cellar.response.status_code"];
    let has_mirror = setup.config.contains("[mirrors.cellar]");
    for other in push.iter().chain(of_mirror.iter().filter(|_| has_mirror)) {
        names.push(duration.replace("duration", other));
    }
    names
}

/// Sends the points of the last minutes to Carbon. Returns when the last of them is.
fn push(setup: &Setup, graphite: &RealGraphite, url: &str, minutes: usize) -> i64 {
    // Graphite draws several minutes as one point, from multiples of these minutes on: a full hour is one of all.
    let end = now() / 3600 * 3600;
    let mut lines = String::new();
    let (metrics, files) = (metrics(setup, url), graphite.files());
    for name in &metrics {
        for index in 0..minutes {
            let time = end - 60 * i64::try_from(minutes - 1 - index).unwrap();
            writeln!(lines, "{name} {} {time}", value(name, index, minutes)).unwrap();
        }
    }
    TcpStream::connect(("127.0.0.1", graphite.plaintext)).unwrap().write_all(lines.as_bytes()).unwrap();
    graphite.wait_for(setup.name, || (graphite.files() == files + metrics.len()).then_some(()));
    if setup.name == "tags" {
        let found = || array(&graphite.get("/tags/findSeries", &[("expr", "env=home")])).len();
        graphite.wait_for("tags", || (found() == metrics.len()).then_some(()));
    }
    end
}

/// The panels that a person sees, with the reply of Graphite to each of their targets: a panel that is
/// repeated stands here once for each value of its variable.
fn drawn(setup: &Setup, graphite: &RealGraphite, dashboard: &Value, end: i64, minutes: usize) -> Vec<Value> {
    let all = variables(graphite, dashboard);
    let from = (end - 60 * i64::try_from(minutes).unwrap()).to_string();
    // Four minutes on one point of the drawing, or one where there are few.
    let width = (minutes / 4).max(10).to_string();
    let mut drawn = Vec::new();
    for panel in panels(dashboard) {
        let repeated = all.iter().find(|(name, ..)| panel["repeat"] == **name);
        let values = repeated.map_or(vec![String::new()], |(_, values, _)| values.iter().take(6).cloned().collect());
        for value in values {
            let mut chosen = all.clone();
            let of_panel = |name: &String| repeated.is_some_and(|(repeated, ..)| repeated == name);
            chosen.iter_mut().filter(|(name, ..)| of_panel(name)).for_each(|(_, values, all_value)| {
                *values = vec![value.clone()];
                all_value.clone_from(&value);
            });
            let mut panel = panel.clone();
            panel["title"] = with_values(str(&panel["title"]), &chosen, true).into();
            let reply = |target: &Value| {
                let target_text = with_values(str(&target["target"]), &chosen, true);
                let parameters = [("from", from.as_str()), ("until", &end.to_string()), ("maxDataPoints", &width)];
                let is_complete = |reply: &Value| {
                    let points = array(reply).iter().flat_map(|series| array(&series["datapoints"])).last();
                    points.is_some_and(|point| !point[0].is_null()) || target["refId"] != "A"
                };
                let what = format!("{}: {target_text}", setup.name);
                let reply = graphite
                    .wait_for(&what, || Some(graphite.render_json(&target_text, &parameters)).filter(is_complete));
                (str(&target["refId"]).to_owned(), reply)
            };
            let series: serde_json::Map<String, Value> = array(&panel["targets"]).iter().map(reply).collect();
            drawn.push(json!({ "panel": panel, "series": series }));
        }
    }
    drawn
}

/// The cells as a text: a heading for each panel, and a line for each row.
fn table(panels: &Value) -> String {
    let mut text = String::new();
    for panel in array(panels) {
        writeln!(text, "{}", str(&panel["title"])).unwrap();
        // Of a long list the first rows tell enough.
        for row in array(&panel["cells"]).iter().take(12) {
            writeln!(text, "    {}", array(row).iter().map(str).collect::<Vec<_>>().join(" | ")).unwrap();
        }
    }
    text
}

/// The expected texts are in `tests/grafana-js/cells`, one file a setup.
#[test]
fn grafana_shows_the_expected_texts_in_every_cell() {
    if !available() || !npm::available() {
        return;
    }
    let graphite = RealGraphite::start();
    let url = format!("tcp://127.0.0.1:{}", graphite.plaintext);
    for setup in setups() {
        let minutes = if setup.name == "many" { 30 } else { 360 };
        let end = push(&setup, &graphite, &url, minutes);
        let dashboard = setup.print(&url, &["dashboard"]);
        let input = json!(drawn(&setup, &graphite, &dashboard, end, minutes)).to_string();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/grafana-js/cells/{}.txt", setup.name));
        let read = |version| {
            let cells = table(&serde_json::from_str(&npm::node(&["cells.cjs", version], &input)).unwrap());
            (version, cells)
        };
        let read: Vec<(&str, String)> = thread::scope(|scope| {
            let threads = ["11", "12", "13"].map(|version| scope.spawn(move || read(version)));
            threads.map(|thread| thread.join().unwrap()).into()
        });
        for (version, cells) in read {
            if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") && version == "11" {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &cells).unwrap();
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            assert!(cells == expected, "{}, Grafana {version}: read\n{cells}\nexpected\n{expected}", setup.name);
            for row in ROWS.iter().filter(|(name, _)| *name == setup.name).flat_map(|(_, rows)| rows.lines()) {
                assert!(cells.contains(&format!("    {}\n", row.trim())), "{}: no {row:?} in\n{cells}", setup.name);
            }
        }
    }
}
