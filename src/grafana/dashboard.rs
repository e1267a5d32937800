//! A dashboard in the classic schema, as Grafana imports and exports it
//! (<https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>).

use super::query::{Pattern, Queries};
use super::{GRAPHITE, text, uid};
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::market::symbol::Symbol;
use crate::settings::Settings;
use serde_json::{Value, json};

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;

/// Fields that are looked at together; what is in none of these groups has a panel of its own.
struct Group {
    title: &'static str,
    description: &'static str,
    fields: &'static [&'static str],
    unit: Unit,
}

enum Unit {
    Currency,
    Fixed(&'static str),
}

const GROUPS: [Group; 5] = [
    Group {
        title: "bid and ask",
        description: "What buyers offer and what sellers ask.",
        fields: &["bid", "ask"],
        unit: Unit::Currency,
    },
    Group {
        title: "range",
        description: "Prices that mark out the period the provider reports, most often the day or the last 24 hours.",
        fields: &["open", "high", "low", "previous_close", "vwap"],
        unit: Unit::Currency,
    },
    Group {
        title: "volume",
        description: "What was traded in the period the provider reports; quote_volume counts money, not pieces.",
        fields: &["volume", "quote_volume"],
        unit: Unit::Fixed("short"),
    },
    Group {
        title: "change",
        description: "By how much the price differs from the one the provider compares with.",
        fields: &["change"],
        unit: Unit::Currency,
    },
    Group {
        title: "age",
        description: "How old the provider's quote was when it was fetched: high where a market is closed.",
        fields: &["age"],
        unit: Unit::Fixed("s"),
    },
];

/// The dashboard of these settings as JSON.
pub(crate) fn dashboard(settings: &Settings) -> String {
    let mut board = Board { queries: Queries::new(settings), panels: Vec::new(), x: 0, y: 0, height: 0 };
    for feed in &settings.fetch.feeds {
        board.feed(feed);
    }
    board.health();
    let mut variables = vec![json!({
        "type": "datasource", "name": "datasource", "label": "Data source", "query": GRAPHITE,
        "description": "The Graphite to which the points go.", "refresh": 1, "options": [], "hide": 0,
    })];
    variables.extend(settings.fetch.feeds.iter().flat_map(|feed| board.queries.variables(feed)).map(|variable| {
        json!({
            "type": "query", "name": variable.name, "label": variable.label, "datasource": source(),
            "query": variable.query, "definition": variable.query, "regex": variable.regex,
            "multi": true, "includeAll": true, "allValue": variable.all,
            "current": { "text": ["All"], "value": ["$__all"] }, "options": [],
            // On every change of the time range, alphabetically.
            "refresh": 2, "sort": 1, "hide": 0,
        })
    }));
    text(&json!({
        "uid": uid(settings, "board", ""), "title": "datametrics",
        "description": "Prices and other numbers, and how the runs that fetch them are doing. Made by `datametrics grafana dashboard`.",
        "tags": ["datametrics"], "timezone": "browser", "editable": true, "graphTooltip": 1,
        "time": { "from": "now-6h", "to": "now" }, "refresh": "1m", "schemaVersion": 39, "version": 1,
        "annotations": { "list": [] }, "templating": { "list": variables }, "panels": board.panels, "links": [],
    }))
}

fn source() -> Value {
    json!({ "type": GRAPHITE, "uid": "${datasource}" })
}

/// Panels, laid out from left to right and from top to bottom.
struct Board<'a> {
    queries: Queries<'a>,
    panels: Vec<Value>,
    x: u32,
    y: u32,
    /// Of the highest panel in this line.
    height: u32,
}

/// What the kinds of panels have in common.
struct Panel<'a> {
    title: &'a str,
    description: &'a str,
    unit: &'a str,
    target: String,
    width: u32,
}

impl Board<'_> {
    fn feed(&mut self, feed: &Feed) {
        self.row(&feed.name);
        let fields: Vec<&str> = feed.fields.iter().map(Field::as_str).collect();
        let has = |name| fields.contains(&name);
        let currency = currency(feed);
        if has("last") {
            self.price(feed, &currency);
        }
        if has("change_percent") {
            self.change_percent(feed);
        }
        for group in &GROUPS {
            let shown: Vec<&str> = group.fields.iter().copied().filter(|field| has(field)).collect();
            if shown.is_empty() {
                continue;
            }
            let title = if shown.len() == 1 { readable(shown[0]) } else { group.title.to_owned() };
            let unit = if let Unit::Fixed(unit) = group.unit { unit } else { &currency };
            self.group(feed, &title, group.description, unit, &shown);
            if shown == ["bid", "ask"] {
                self.spread(feed);
            }
        }
        for field in fields.iter().filter(|field| !is_grouped(field)) {
            let description = "A field of a definition; its unit is that of the provider.";
            self.group(feed, &readable(field), description, "short", &[field]);
        }
    }

    fn price(&mut self, feed: &Feed, currency: &str) {
        let target = self.shown(&self.queries.field(feed, &["last"], true));
        self.lines(&Panel {
            title: &format!("{}: price", feed.name),
            description: "The last price of each symbol chosen above; a new symbol appears by itself.",
            unit: currency,
            target: target.clone(),
            width: 16,
        });
        self.table(
            &Panel {
                title: &format!("{}: now", feed.name),
                description: "The last price of each symbol chosen above.",
                unit: currency,
                target: target.clone(),
                width: 4,
            },
            ["lastNotNull", "Last *", "Price"],
            false,
        );
        self.table(
            &Panel {
                title: &format!("{}: change", feed.name),
                description: "The change from the first to the last price of the time range shown.",
                unit: "percentunit",
                target,
                width: 4,
            },
            ["diffperc", "Difference percent", "Change"],
            true,
        );
    }

    fn change_percent(&mut self, feed: &Feed) {
        let target = self.shown(&self.queries.field(feed, &["change_percent"], true));
        self.table(
            &Panel {
                title: &format!("{}: change in percent", feed.name),
                description: "The change that the provider reports, most often since the previous close.",
                unit: "percent",
                target,
                width: 8,
            },
            ["lastNotNull", "Last *", "Change"],
            true,
        );
    }

    /// Lines of fields that have a unit in common.
    fn group(&mut self, feed: &Feed, title: &str, description: &str, unit: &str, fields: &[&str]) {
        let target = self.shown(&self.queries.field(feed, fields, true));
        let title = format!("{}: {title}", feed.name);
        self.lines(&Panel { title: &title, description, unit, target, width: 8 });
    }

    fn spread(&mut self, feed: &Feed) {
        let percent = |ratio: &str| format!("offset(scale({ratio}, -100), 100)");
        let [bid, ask] = ["bid", "ask"].map(|field| self.queries.field(feed, &[field], true));
        let spread = self
            .queries
            .by_symbol(feed, ["bid", "ask"], |bid, ask| percent(&format!("divideSeries({bid}, {ask})")))
            // Lists of different lengths are an error there.
            .unwrap_or_else(|| {
                let [bid, ask] = [bid, ask.clone()].map(|field| format!("sortByName({})", self.queries.all(&field)));
                percent(&format!("divideSeriesLists({bid}, {ask})"))
            });
        let target = self.queries.named(&ask, &spread);
        self.lines(&Panel {
            title: &format!("{}: spread", feed.name),
            description: "How far the bid is below the ask, in percent of the ask: small where much is traded.",
            unit: "percent",
            target,
            width: 8,
        });
    }

    /// How the runs do.
    fn health(&mut self) {
        self.row("Runs");
        for (title, description, unit, nodes, legend) in [
            (
                "Symbols expected and fetched",
                "Symbols due in a run and those of which something was fetched, by run and feed; none is due while a market is closed.",
                "none",
                &["feed", "*", "expected,fetched"][..],
                r"\1 \2 \3",
            ),
            (
                "Response time",
                "The slowest answer of each provider in a run, and of Graphite in the run before.",
                "s",
                &["*", "response", "time"],
                r"\1 \2",
            ),
            (
                "Status of answers",
                "The worst HTTP status of each provider in a run, and of Graphite in the run before; 0 is no answer.",
                "none",
                &["*", "response", "status_code"],
                r"\1 \2",
            ),
            (
                "Requests and retries",
                "Requests to each provider in a run, and those that were tried again.",
                "none",
                &["*", "requests,retries"],
                r"\1 \2 \3",
            ),
            (
                "Duration of a run",
                "From its start until its points were ready to be pushed.",
                "s",
                &["duration"],
                r"\1",
            ),
            (
                "Points of a run",
                "How many points a run pushed, those about itself included.",
                "none",
                &["points"],
                r"\1",
            ),
            (
                "Points waiting in the journal",
                "Points of earlier runs that Graphite has not taken yet; more than none for long means that pushing fails.",
                "none",
                &["journal"],
                r"\1",
            ),
        ] {
            let pattern = self.queries.health(nodes, legend);
            let target = self.shown(&pattern);
            self.lines(&Panel { title, description, unit, target, width: 8 });
        }
    }

    fn shown(&self, pattern: &Pattern) -> String {
        self.queries.named(pattern, &self.queries.all(pattern))
    }

    fn row(&mut self, title: &str) {
        self.break_line();
        let id = self.next_id();
        self.panels.push(json!({
            "type": "row", "id": id, "title": title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": self.y, "w": COLUMNS, "h": 1 },
        }));
        self.y += 1;
    }

    fn lines(&mut self, panel: &Panel<'_>) {
        let options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        let config = json!({
            "defaults": {
                "unit": panel.unit,
                "color": { "mode": "palette-classic-by-name" },
                // A run that came late leaves a slot of Graphite empty.
                "custom": { "drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto", "spanNulls": true },
            },
            "overrides": [],
        });
        self.push("timeseries", panel, &options, &config, &json!([]));
    }

    /// A line for each symbol and a column: its reducer, what Grafana calls it, and what it is called
    /// here; green above zero and red below it if signs matter.
    fn table(&mut self, panel: &Panel<'_>, [reducer, theirs, ours]: [&str; 3], is_signed: bool) {
        let transformations = json!([
            { "id": "reduce", "options": { "mode": "seriesToRows", "reducers": [reducer] } },
            { "id": "organize", "options": { "renameByName": { "Field": "Symbol", theirs: ours }, "excludeByName": {}, "indexByName": {} } },
        ]);
        let options = json!({
            "frameIndex": 0, "showHeader": true, "cellHeight": "sm", "sortBy": [{ "displayName": "Symbol", "desc": false }],
        });
        let mut defaults = json!({ "unit": panel.unit, "custom": { "align": "auto", "inspect": false } });
        if is_signed {
            defaults["color"] = json!({ "mode": "thresholds" });
            defaults["thresholds"] = json!({ "mode": "absolute", "steps": [
                { "value": null, "color": "red" }, { "value": 0, "color": "transparent" }, { "value": 1e-9, "color": "green" },
            ] });
            defaults["custom"]["cellOptions"] =
                json!({ "type": "color-background", "mode": "basic", "applyToRow": false });
        }
        let config = json!({ "defaults": defaults, "overrides": [] });
        self.push("table", panel, &options, &config, &transformations);
    }

    fn push(&mut self, kind: &str, panel: &Panel<'_>, options: &Value, config: &Value, transformations: &Value) {
        let height = 9;
        if self.x + panel.width > COLUMNS {
            self.break_line();
        }
        // The editor of queries cannot show everything that Graphite can be asked.
        let target = json!({ "refId": "A", "datasource": source(), "target": panel.target, "textEditor": true });
        let id = self.next_id();
        self.panels.push(json!({
            "type": kind, "id": id, "title": panel.title, "description": panel.description, "datasource": source(),
            "targets": [target], "options": options, "fieldConfig": config, "transformations": transformations,
            "gridPos": { "x": self.x, "y": self.y, "w": panel.width, "h": height },
        }));
        self.x += panel.width;
        self.height = self.height.max(height);
    }

    fn break_line(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }

    fn next_id(&self) -> usize {
        self.panels.len() + 1
    }
}

fn is_grouped(field: &str) -> bool {
    matches!(field, "last" | "change_percent") || GROUPS.iter().any(|group| group.fields.contains(&field))
}

fn readable(field: &str) -> String {
    field.replace('_', " ")
}

/// Grafana's unit of a feed's prices: that of its symbols if they have one in common. New York trades
/// in dollars.
fn currency(feed: &Feed) -> String {
    if feed.name == "stocks" {
        return "currencyUSD".to_owned();
    }
    let quote = feed.symbols.first().and_then(Symbol::quote);
    match quote.filter(|_| feed.symbols.iter().all(|symbol| symbol.quote() == quote)) {
        None => "none".to_owned(),
        Some(known @ ("USD" | "EUR" | "GBP" | "JPY" | "CHF" | "INR" | "KRW" | "BRL" | "BTC")) => {
            format!("currency{known}")
        }
        Some(other) => format!("suffix: {other}"),
    }
}
