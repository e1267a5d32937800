//! A dashboard in the classic schema, as Grafana imports and exports it
//! (<https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>).

use super::health_panels::add_health;
use super::json::{GRAPHITE, pretty, uid};
use super::panel::{Panel, PanelGrid, TableColumn, Unit, datasource};
use super::query::{Queries, consolidate, field_legends, field_variable};
use super::variable::{TemplateVariable, symbol_variable, template_variables};
use crate::fetch::Feed;
use crate::market::field::Field;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields that share one panel. A field that is in no group has a panel of its own.
struct FieldGroup {
    title: &'static str,
    description: &'static str,
    fields: &'static [&'static str],
    unit: Unit,
    /// Whether each symbol has a panel of its own, as its numbers may be far from those of other symbols.
    by_symbol: bool,
}

const FIELD_GROUPS: [FieldGroup; 5] = [
    FieldGroup {
        title: "bid and ask",
        description: "What buyers offer and what sellers ask.",
        fields: &["bid", "ask"],
        unit: Unit::Exact,
        by_symbol: true,
    },
    FieldGroup {
        title: "range",
        description: "Prices that mark out the period the provider reports, most often the day or the last 24 hours.",
        fields: &["open", "high", "low", "previous_close", "vwap"],
        unit: Unit::Exact,
        by_symbol: true,
    },
    FieldGroup {
        title: "volume",
        description: "What was traded in the period the provider reports; quote_volume counts money, not pieces.",
        fields: &["volume", "quote_volume"],
        unit: Unit::Short,
        by_symbol: true,
    },
    FieldGroup {
        title: "change",
        description: "By how much the price differs from the one the provider compares with.",
        fields: &["change"],
        unit: Unit::Exact,
        by_symbol: true,
    },
    FieldGroup {
        title: "age",
        description: "How old the provider's quote was when it was fetched: high where a market is closed.",
        fields: &["age"],
        unit: Unit::Seconds,
        by_symbol: false,
    },
];

/// The titles of panels to which rules link.
const PRICE: &str = "price";
const CHANGE_PERCENT: &str = "change in percent";

/// What is said of a field that is in no group.
const OTHER_FIELD: &str = "A field of a definition.";

/// Above so many other fields, a template variable chooses which of them are shown.
const MAX_OTHER_FIELDS: usize = 6;

/// The dashboard of these feeds, and of the runs that fetch them, as JSON.
pub(crate) fn dashboard(feeds: &[Feed], queries: Queries<'_>) -> String {
    let mut variables = vec![json!({
        "type": "datasource", "name": "datasource", "label": "Data source", "query": GRAPHITE,
        "description": "The Graphite to which the points go.", "refresh": 1, "options": [], "hide": 0,
    })];
    for feed in feeds {
        variables.extend(template_variables(queries, feed).into_iter().map(variable_json));
        variables.extend(field_variable_json(feed));
    }
    pretty(&json!({
        "uid": dashboard_uid(queries), "title": "datametrics",
        "description": "Prices and other numbers, and how the runs that fetch them are doing. Made by `datametrics grafana dashboard`.",
        "tags": ["datametrics"], "timezone": "browser", "editable": true, "graphTooltip": 1,
        "time": { "from": "now-6h", "to": "now" }, "refresh": "1m", "schemaVersion": 39, "version": 1,
        "annotations": { "list": [] }, "templating": { "list": variables }, "panels": panels(feeds, queries),
        "links": [],
    }))
}

/// The uid of the dashboard, to which alert rules link.
pub(super) fn dashboard_uid(queries: Queries<'_>) -> String {
    uid(queries.metrics, "board", "")
}

/// All panels as JSON.
pub(super) fn panels(feeds: &[Feed], queries: Queries<'_>) -> Vec<Value> {
    let mut builder = DashboardBuilder { queries, grid: PanelGrid::default() };
    for feed in feeds {
        builder.add_feed(feed);
    }
    add_health(&mut builder.grid, queries);
    builder.grid.into_panels()
}

fn variable_json(variable: TemplateVariable) -> Value {
    let TemplateVariable { name, label, query, regex, all_value, first_values } = variable;
    let current = match &first_values[..] {
        [] => json!({ "text": ["All"], "value": ["$__all"] }),
        values => json!({ "text": values, "value": values }),
    };
    json!({
        "type": "query", "name": name, "label": label, "datasource": datasource(),
        "query": query, "regex": regex,
        "multi": true, "includeAll": true, "allValue": all_value, "current": current, "options": [],
        // 2: Grafana asks again whenever the time range changes. 1: alphabetical order.
        "refresh": 2, "sort": 1, "hide": 0,
    })
}

/// The template variable with which the user of the dashboard chooses fields, where a feed has many.
fn field_variable_json(feed: &Feed) -> Option<Value> {
    let fields = other_fields(feed);
    let option = |field: &&str| json!({ "text": field, "value": field, "selected": false });
    (fields.len() > MAX_OTHER_FIELDS).then(|| {
        json!({
            "type": "custom", "name": field_variable(feed), "label": format!("{} field", feed.name),
            "query": fields.join(","), "options": fields.iter().map(option).collect::<Vec<_>>(),
            "multi": true, "includeAll": true, "hide": 0,
            "current": { "text": fields[..MAX_OTHER_FIELDS], "value": fields[..MAX_OTHER_FIELDS] },
        })
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
        let has = |field: &str| feed.fields.iter().any(|of_feed| of_feed.as_str() == field);
        if has("last") {
            self.add_price(feed);
        }
        if has("change_percent") {
            self.add_change_percent(feed);
        }
        for group in &FIELD_GROUPS {
            let present = group.present(feed);
            if !present.is_empty() {
                self.add_group(feed, group, &present);
            }
        }
        self.add_other_fields(feed);
    }

    fn add_price(&mut self, feed: &Feed) {
        let target = self.queries.drawn(&self.queries.field_pattern(feed, "last", true), "last");
        self.grid.add_values(&Panel {
            title: &format!("{}: now", feed.name),
            description: "The last price of each symbol chosen above, and its line over the time range shown.",
            unit: unit(feed, &["last"], &Unit::Exact),
            targets: vec![target.clone()],
            repeat: None,
            width: 16,
        });
        self.grid.add_table(
            &Panel {
                title: &format!("{}: change", feed.name),
                description: "The last price of each symbol chosen above, and by how much it differs from the first of the time range shown.",
                unit: unit(feed, &["last"], &Unit::Exact),
                targets: vec![target.clone()],
                repeat: None,
                width: 8,
            },
            &[TableColumn::last("Price"), TableColumn::CHANGE],
        );
        let (title, repeat) = by_symbol(feed, PRICE);
        self.grid.add_time_series(&Panel {
            title: &title,
            description: "The last price; a new symbol appears by itself where all are chosen above.",
            unit: unit(feed, &["last"], &Unit::Exact),
            targets: vec![target],
            repeat,
            width: 24,
        });
    }

    fn add_change_percent(&mut self, feed: &Feed) {
        let target = self.queries.drawn(&self.queries.field_pattern(feed, "change_percent", true), "last");
        self.grid.add_table(
            &Panel {
                title: &titled(feed, CHANGE_PERCENT),
                description: "The change that the provider reports, most often since the previous close.",
                unit: Unit::Percent,
                targets: vec![target],
                repeat: None,
                width: 8,
            },
            &[TableColumn::last("Change")],
        );
    }

    /// Adds a panel with these fields of a group.
    fn add_group(&mut self, feed: &Feed, group: &FieldGroup, fields: &[&str]) {
        let (title, repeat) = group.title(feed, fields);
        self.grid.add_time_series(&Panel {
            title: &title,
            description: group.description,
            unit: unit(feed, fields, &group.unit),
            targets: self.targets(feed, fields),
            repeat,
            width: 8,
        });
        if fields == ["bid", "ask"] {
            self.add_spread(feed);
        }
    }

    /// The targets for some fields of a feed: one for each function that makes one point of several.
    fn targets(&self, feed: &Feed, fields: &[&str]) -> Vec<String> {
        let targets = ["last", "max", "min"].into_iter().filter_map(|function| {
            let of_function: Vec<&str> =
                fields.iter().copied().filter(|field| consolidation(field) == function).collect();
            let pattern = match (fields, &of_function[..]) {
                (_, []) => return None,
                ([field], _) => self.queries.field_pattern(feed, field, true),
                (_, of_function) => self.queries.fields_pattern(feed, of_function, true),
            };
            Some(self.queries.drawn(&pattern, function))
        });
        targets.collect()
    }

    fn add_spread(&mut self, feed: &Feed) {
        let percent = |ratio: &str| format!("offset(scale({ratio}, -100), 100)");
        let by_symbol = self
            .queries
            .apply_by_symbol(feed, ["bid", "ask"], |bid, ask| percent(&format!("divideSeries({bid}, {ask})")));
        let [bid, ask] = ["bid", "ask"].map(|field| self.queries.field_pattern(feed, field, true));
        // divideSeriesLists pairs series by their order, and fails if one list is longer. So it is used
        // only if symbols cannot be divided one by one.
        let by_order = || {
            let [bid, ask] = [&bid, &ask].map(|pattern| format!("sortByName({})", self.queries.target(pattern)));
            percent(&format!("divideSeriesLists({bid}, {ask})"))
        };
        let target = ask.with_legend(&consolidate(&by_symbol.unwrap_or_else(by_order), "max"));
        self.grid.add_time_series(&Panel {
            title: &format!("{}: spread", feed.name),
            description: "How far the bid is below the ask, in percent of the ask: small where much is traded.",
            unit: Unit::Percent,
            targets: vec![target],
            repeat: None,
            width: 8,
        });
    }

    /// Adds a panel for each field that is in no group, or one for each of those that are chosen.
    fn add_other_fields(&mut self, feed: &Feed) {
        let fields = other_fields(feed);
        if fields.len() > MAX_OTHER_FIELDS {
            return self.add_chosen_fields(feed, &fields);
        }
        for field in fields {
            let (title, repeat) = other_title(feed, field);
            self.grid.add_time_series(&Panel {
                title: &title,
                description: OTHER_FIELD,
                unit: unit(feed, &[field], &Unit::Exact),
                targets: self.targets(feed, &[field]),
                repeat,
                width: 8,
            });
        }
    }

    /// Adds a panel for each of these fields that is chosen. It is one panel, which Grafana repeats, so each unit is
    /// given to the fields that have it by their legends.
    fn add_chosen_fields(&mut self, feed: &Feed, fields: &[&str]) {
        let mut of_units: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for field in fields {
            if let Some(unit) = named_unit(feed, field) {
                of_units.entry(unit).or_default().push(field);
            }
        }
        let units: Vec<(String, Unit)> = of_units
            .into_iter()
            .map(|(unit, fields)| (field_legends(feed, &fields), Unit::Named(unit.to_owned())))
            .collect();
        let variable = field_variable(feed);
        let panel = Panel {
            title: &titled(feed, &format!("${{{variable}}}")),
            description: OTHER_FIELD,
            unit: Unit::Exact,
            targets: vec![self.queries.drawn(&self.queries.chosen_pattern(feed), "last")],
            repeat: Some(variable),
            width: 24,
        };
        self.grid.add_time_series_of_units(&panel, &units);
    }
}

impl FieldGroup {
    /// The fields of the group that the feed has.
    fn present(&self, feed: &Feed) -> Vec<&'static str> {
        let has = |field: &&str| feed.fields.iter().any(|of_feed| of_feed.as_str() == *field);
        self.fields.iter().copied().filter(has).collect()
    }

    /// The title of the panel with these fields of the group, and the variable for each value of which it is
    /// repeated.
    fn title(&self, feed: &Feed, fields: &[&str]) -> (String, Option<String>) {
        let title = if let [field] = fields { field_title(field) } else { self.title.to_owned() };
        if self.by_symbol { by_symbol(feed, &title) } else { (titled(feed, &title), None) }
    }
}

/// The title of the panel that draws a field over time, or of the table where it has no such panel.
pub(super) fn field_panel(feed: &Feed, field: &str) -> String {
    match (field, FIELD_GROUPS.iter().find(|group| group.fields.contains(&field))) {
        ("last", _) => by_symbol(feed, PRICE).0,
        ("change_percent", _) => titled(feed, CHANGE_PERCENT),
        (_, Some(group)) => group.title(feed, &group.present(feed)).0,
        _ if other_fields(feed).len() > MAX_OTHER_FIELDS => titled(feed, &format!("${{{}}}", field_variable(feed))),
        _ => other_title(feed, field).0,
    }
}

/// The title of a feed's panel.
fn titled(feed: &Feed, title: &str) -> String {
    format!("{}: {title}", feed.name)
}

/// The title and the variable of a panel that is repeated for each symbol. If no variable tells the symbol,
/// the panel is not repeated.
fn by_symbol(feed: &Feed, title: &str) -> (String, Option<String>) {
    let variable = symbol_variable(feed);
    let of_symbol = variable.as_ref().map_or_else(String::new, |variable| format!(" of ${{{variable}}}"));
    (format!("{}: {title}{of_symbol}", feed.name), variable)
}

/// The title and the variable of the panel of a field that is in no group. Beside prices it is a number of the same
/// kind, as far from those of other symbols as the prices are. Where it has a unit, symbols can be compared.
fn other_title(feed: &Feed, field: &str) -> (String, Option<String>) {
    let has_prices = feed.fields.iter().any(|field| field.as_str() == "last");
    if has_prices && named_unit(feed, field).is_none() {
        by_symbol(feed, &field_title(field))
    } else {
        (titled(feed, &field_title(field)), None)
    }
}

/// The unit of some fields of a feed: `usual`, unless a definition names another.
fn unit(feed: &Feed, fields: &[&str], usual: &Unit) -> Unit {
    let named = fields.iter().find_map(|field| named_unit(feed, field));
    named.map_or_else(|| usual.clone(), |name| Unit::Named(name.to_owned()))
}

/// The unit that a definition names for a field.
fn named_unit<'a>(feed: &'a Feed, field: &str) -> Option<&'a str> {
    feed.unit(&Field::new(field)?)
}

/// What Graphite makes of several values of a field that it draws as one.
fn consolidation(field: &str) -> &'static str {
    match field {
        "high" | "age" => "max",
        "low" => "min",
        _ => "last",
    }
}

/// The fields of a feed that are on no panel of their own kind and in no group.
fn other_fields(feed: &Feed) -> Vec<&str> {
    let has_panel = |field: &&str| {
        matches!(*field, "last" | "change_percent") || FIELD_GROUPS.iter().any(|group| group.fields.contains(field))
    };
    feed.fields.iter().map(Field::as_str).filter(|field| !has_panel(field)).collect()
}

fn field_title(field: &str) -> String {
    field.replace('_', " ")
}
