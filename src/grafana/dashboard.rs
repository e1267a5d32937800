//! A dashboard in the classic schema, as Grafana imports and exports it
//! (<https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>).

use super::json::{GRAPHITE, pretty, uid};
use super::panel::{Panel, PanelGrid, TableColumn, datasource};
use super::pattern::Pattern;
use super::query::Queries;
use super::variable::{TemplateVariable, template_variables};
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::market::symbol::Symbol;
use serde_json::{Value, json};

/// Fields that share one panel. A field that is in no group has a panel of its own.
struct FieldGroup {
    title: &'static str,
    description: &'static str,
    fields: &'static [&'static str],
    unit: Unit,
}

enum Unit {
    /// The currency of the feed's prices.
    Currency,
    /// Grafana's name of a unit.
    Fixed(&'static str),
}

const FIELD_GROUPS: [FieldGroup; 5] = [
    FieldGroup {
        title: "bid and ask",
        description: "What buyers offer and what sellers ask.",
        fields: &["bid", "ask"],
        unit: Unit::Currency,
    },
    FieldGroup {
        title: "range",
        description: "Prices that mark out the period the provider reports, most often the day or the last 24 hours.",
        fields: &["open", "high", "low", "previous_close", "vwap"],
        unit: Unit::Currency,
    },
    FieldGroup {
        title: "volume",
        description: "What was traded in the period the provider reports; quote_volume counts money, not pieces.",
        fields: &["volume", "quote_volume"],
        unit: Unit::Fixed("short"),
    },
    FieldGroup {
        title: "change",
        description: "By how much the price differs from the one the provider compares with.",
        fields: &["change"],
        unit: Unit::Currency,
    },
    FieldGroup {
        title: "age",
        description: "How old the provider's quote was when it was fetched: high where a market is closed.",
        fields: &["age"],
        unit: Unit::Fixed("s"),
    },
];

/// A panel about the runs themselves.
struct HealthPanel {
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    /// See [`Queries::health_pattern`].
    nodes: &'static [&'static str],
}

const HEALTH_PANELS: [HealthPanel; 8] = [
    HealthPanel {
        title: "Symbols expected and fetched",
        description: "Symbols due in a run and those that were fetched, by run and feed; none is due while a market is closed.",
        unit: "none",
        nodes: &["feed", "*", "expected,fetched"],
    },
    HealthPanel {
        title: "Response time",
        description: "The slowest answer of each provider in a run, and of Graphite in the run before.",
        unit: "s",
        nodes: &["*", "response", "time"],
    },
    HealthPanel {
        title: "Status of answers",
        description: "The worst HTTP status of each provider in a run, and of Graphite in the run before; 0 is no answer.",
        unit: "none",
        nodes: &["*", "response", "status_code"],
    },
    HealthPanel {
        title: "Requests and retries",
        description: "Requests to each provider in a run, and those that were tried again.",
        unit: "none",
        nodes: &["*", "requests,retries"],
    },
    HealthPanel {
        title: "Requests left",
        description: "The fewest requests that were left of the limit of a provider in a run, where the provider tells it.",
        unit: "none",
        nodes: &["*", "remaining"],
    },
    HealthPanel {
        title: "Duration of a run",
        description: "From its start until its points were ready to be pushed.",
        unit: "s",
        nodes: &["duration"],
    },
    HealthPanel {
        title: "Points of a run",
        description: "How many points a run pushed, those about itself included.",
        unit: "none",
        nodes: &["points"],
    },
    HealthPanel {
        title: "Points waiting in the journal",
        description: "Points of earlier runs that Graphite has not taken yet; more than none for long means that pushing fails.",
        unit: "none",
        nodes: &["journal"],
    },
];

/// The dashboard of these feeds, and of the runs that fetch them, as JSON.
pub(crate) fn dashboard(feeds: &[Feed], queries: Queries<'_>) -> String {
    let mut builder = DashboardBuilder { queries, grid: PanelGrid::default() };
    for feed in feeds {
        builder.add_feed(feed);
    }
    builder.add_health();
    let mut variables = vec![json!({
        "type": "datasource", "name": "datasource", "label": "Data source", "query": GRAPHITE,
        "description": "The Graphite to which the points go.", "refresh": 1, "options": [], "hide": 0,
    })];
    variables.extend(feeds.iter().flat_map(|feed| template_variables(queries, feed)).map(variable_json));
    pretty(&json!({
        "uid": uid(queries.metrics, "board", ""), "title": "datametrics",
        "description": "Prices and other numbers, and how the runs that fetch them are doing. Made by `datametrics grafana dashboard`.",
        "tags": ["datametrics"], "timezone": "browser", "editable": true, "graphTooltip": 1,
        "time": { "from": "now-6h", "to": "now" }, "refresh": "1m", "schemaVersion": 39, "version": 1,
        "annotations": { "list": [] }, "templating": { "list": variables }, "panels": builder.grid.into_panels(),
        "links": [],
    }))
}

fn variable_json(variable: TemplateVariable) -> Value {
    let TemplateVariable { name, label, query, regex, all_value } = variable;
    json!({
        "type": "query", "name": name, "label": label, "datasource": datasource(),
        "query": query, "definition": query, "regex": regex,
        "multi": true, "includeAll": true, "allValue": all_value,
        "current": { "text": ["All"], "value": ["$__all"] }, "options": [],
        // 2: Grafana asks again whenever the time range changes. 1: alphabetical order.
        "refresh": 2, "sort": 1, "hide": 0,
    })
}

struct DashboardBuilder<'a> {
    queries: Queries<'a>,
    grid: PanelGrid,
}

impl DashboardBuilder<'_> {
    /// Adds the panels of a feed.
    fn add_feed(&mut self, feed: &Feed) {
        self.grid.add_row(&feed.name);
        let fields: Vec<&str> = feed.fields.iter().map(Field::as_str).collect();
        let unit_of = |field: &str| Some(feed.units.get(&Field::new(field)?)?.as_str());
        let currency = unit_of("last").map_or_else(|| currency_unit(feed), str::to_owned);
        if fields.contains(&"last") {
            self.add_price(feed, &currency);
        }
        if fields.contains(&"change_percent") {
            self.add_change_percent(feed);
        }
        for group in &FIELD_GROUPS {
            let present: Vec<&str> = group.fields.iter().copied().filter(|field| fields.contains(field)).collect();
            if present.is_empty() {
                continue;
            }
            let title = if present.len() == 1 { field_title(present[0]) } else { group.title.to_owned() };
            let unit = if let Unit::Fixed(unit) = group.unit { unit } else { &currency };
            let unit = present.iter().find_map(|field| unit_of(field)).unwrap_or(unit);
            self.add_fields(feed, &title, group.description, unit, &present);
            if present == ["bid", "ask"] {
                self.add_spread(feed);
            }
        }
        for field in fields.iter().filter(|field| !has_panel(field)) {
            let description = "A field of a definition; its unit is that of the provider.";
            self.add_fields(feed, &field_title(field), description, unit_of(field).unwrap_or("short"), &[field]);
        }
    }

    fn add_price(&mut self, feed: &Feed, currency: &str) {
        let target = self.target_with_legend(&self.queries.field_pattern(feed, &["last"], true));
        self.grid.add_time_series(&Panel {
            title: &format!("{}: price", feed.name),
            description: "The last price of each symbol chosen above; a new symbol appears by itself.",
            unit: currency,
            target: target.clone(),
            width: 16,
        });
        self.grid.add_table(
            &Panel {
                title: &format!("{}: now", feed.name),
                description: "The last price of each symbol chosen above.",
                unit: currency,
                target: target.clone(),
                width: 4,
            },
            &TableColumn { reducer: "lastNotNull", grafana_name: "Last *", name: "Price", is_signed: false },
        );
        self.grid.add_table(
            &Panel {
                title: &format!("{}: change", feed.name),
                description: "The change from the first to the last price of the time range shown.",
                unit: "percentunit",
                target,
                width: 4,
            },
            &TableColumn { reducer: "diffperc", grafana_name: "Difference percent", name: "Change", is_signed: true },
        );
    }

    fn add_change_percent(&mut self, feed: &Feed) {
        let target = self.target_with_legend(&self.queries.field_pattern(feed, &["change_percent"], true));
        self.grid.add_table(
            &Panel {
                title: &format!("{}: change in percent", feed.name),
                description: "The change that the provider reports, most often since the previous close.",
                unit: "percent",
                target,
                width: 8,
            },
            &TableColumn { reducer: "lastNotNull", grafana_name: "Last *", name: "Change", is_signed: true },
        );
    }

    /// Adds a panel with these fields, which have a unit in common.
    fn add_fields(&mut self, feed: &Feed, title: &str, description: &str, unit: &str, fields: &[&str]) {
        let target = self.target_with_legend(&self.queries.field_pattern(feed, fields, true));
        let title = format!("{}: {title}", feed.name);
        self.grid.add_time_series(&Panel { title: &title, description, unit, target, width: 8 });
    }

    fn add_spread(&mut self, feed: &Feed) {
        let percent = |ratio: &str| format!("offset(scale({ratio}, -100), 100)");
        let by_symbol = self
            .queries
            .apply_by_symbol(feed, ["bid", "ask"], |bid, ask| percent(&format!("divideSeries({bid}, {ask})")));
        let [bid, ask] = ["bid", "ask"].map(|field| self.queries.field_pattern(feed, &[field], true));
        // divideSeriesLists pairs series by their order, and fails if one list is longer. So it is used
        // only if symbols cannot be divided one by one.
        let by_order = || {
            let [bid, ask] = [&bid, &ask].map(|pattern| format!("sortByName({})", self.queries.target(pattern)));
            percent(&format!("divideSeriesLists({bid}, {ask})"))
        };
        let target = ask.with_legend(&by_symbol.unwrap_or_else(by_order));
        self.grid.add_time_series(&Panel {
            title: &format!("{}: spread", feed.name),
            description: "How far the bid is below the ask, in percent of the ask: small where much is traded.",
            unit: "percent",
            target,
            width: 8,
        });
    }

    /// Adds the panels about the runs themselves.
    fn add_health(&mut self) {
        self.grid.add_row("Runs");
        for HealthPanel { title, description, unit, nodes } in HEALTH_PANELS {
            let target = self.target_with_legend(&self.queries.health_pattern(nodes));
            self.grid.add_time_series(&Panel { title, description, unit, target, width: 8 });
        }
    }

    fn target_with_legend(&self, pattern: &Pattern) -> String {
        pattern.with_legend(&self.queries.target(pattern))
    }
}

/// Whether a field is on a panel of its own kind or in a group.
fn has_panel(field: &str) -> bool {
    matches!(field, "last" | "change_percent") || FIELD_GROUPS.iter().any(|group| group.fields.contains(&field))
}

fn field_title(field: &str) -> String {
    field.replace('_', " ")
}

/// Grafana's name of the unit of a feed's prices: the currency in which all its symbols are quoted, if
/// there is one. Stocks are traded in New York, in dollars.
fn currency_unit(feed: &Feed) -> String {
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
