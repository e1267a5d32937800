//! The panels of a dashboard as JSON, and their places on Grafana's grid.

use super::json::GRAPHITE;
use serde_json::{Value, json};

/// How many columns Grafana's grid has.
const COLUMNS: u32 = 24;

/// How many panels that are repeated stand side by side.
const PANELS_PER_LINE: u32 = 3;

/// The height of every panel, in rows of the grid.
const PANEL_HEIGHT: u32 = 9;

/// What all kinds of panels have in common.
pub(super) struct Panel<'a> {
    /// The title.
    pub(super) title: &'a str,
    /// The text behind the panel's info icon.
    pub(super) description: &'a str,
    /// What its numbers are.
    pub(super) unit: Unit,
    /// The expressions that Graphite evaluates.
    pub(super) targets: Vec<String>,
    /// The template variable for each value of which the panel is repeated.
    pub(super) repeat: Option<String>,
    /// The width in columns of the grid. A panel that is repeated has a line of its own.
    pub(super) width: u32,
}

/// What the numbers of a panel are, which decides how they are written.
#[derive(Clone, Debug)]
pub(super) enum Unit {
    /// A number of which all digits count, such as a price.
    Exact,
    /// Percent.
    Percent,
    /// Seconds.
    Seconds,
    /// A large number of which the first digits are enough.
    Short,
    /// A count.
    Count,
    /// Grafana's name of a unit, or any other word, which Grafana writes after the number.
    Named(String),
}

impl Unit {
    /// Grafana's name of the unit, and how many decimals are written at most.
    fn options(&self) -> Value {
        match self {
            // Grafana's units of currencies cut prices: $64.2K.
            Self::Exact => json!({ "unit": "locale", "decimals": 8 }),
            Self::Percent => json!({ "unit": "percent", "decimals": 2 }),
            Self::Seconds => json!({ "unit": "s" }),
            Self::Short => json!({ "unit": "short" }),
            Self::Count => json!({ "unit": "none" }),
            Self::Named(name) => json!({ "unit": name }),
        }
    }
}

/// A column of a table that has one row for each series.
pub(super) struct TableColumn {
    /// Grafana's name of the function that reduces a series to one value.
    pub(super) reducer: &'static str,
    /// The name that Grafana gives to the column.
    pub(super) grafana_name: &'static str,
    /// The name that the user of the dashboard sees.
    pub(super) name: &'static str,
}

impl TableColumn {
    /// The last value.
    pub(super) const fn last(name: &'static str) -> Self {
        Self { reducer: "lastNotNull", grafana_name: "Last *", name }
    }

    /// By how many percent the last value differs from the first. Before Grafana 11.2 this was a fraction.
    pub(super) const CHANGE: Self = Self { reducer: "diffperc", grafana_name: "Difference percent", name: "Change" };
}

/// Panels, placed from left to right and from top to bottom.
#[derive(Default)]
pub(super) struct PanelGrid {
    panels: Vec<Value>,
    /// Where the next panel begins, in columns and rows of the grid.
    x: u32,
    y: u32,
}

/// The data source of all panels, which the user of the dashboard chooses.
pub(super) fn datasource() -> Value {
    json!({ "type": GRAPHITE, "uid": "${datasource}" })
}

impl PanelGrid {
    /// All panels as JSON.
    pub(super) fn into_panels(self) -> Vec<Value> {
        self.panels
    }

    /// Adds a heading, below which the following panels stand.
    pub(super) fn add_row(&mut self, title: &str) {
        self.break_line();
        let id = self.next_id();
        self.panels.push(json!({
            "type": "row", "id": id, "title": title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": self.y, "w": COLUMNS, "h": 1 },
        }));
        self.y += 1;
    }

    /// Adds a panel with a line for each series.
    pub(super) fn add_time_series(&mut self, panel: &Panel<'_>) {
        self.add_lines(panel, &[]);
    }

    /// Adds a panel with a line for each series. Those whose legend matches one of these regular expressions have its
    /// unit.
    pub(super) fn add_time_series_of_units(&mut self, panel: &Panel<'_>, units: &[(String, Unit)]) {
        let of_unit = |(legend, unit): &(String, Unit)| {
            let options = unit.options();
            // Without decimals of its own a unit has those that Grafana gives it.
            json!({ "matcher": { "id": "byRegexp", "options": legend }, "properties": [
                { "id": "unit", "value": options["unit"] }, { "id": "decimals", "value": options["decimals"] },
            ] })
        };
        self.add_lines(panel, &units.iter().map(of_unit).collect::<Vec<_>>());
    }

    /// Adds a panel with a line for each series of the first target, and red dots for those of the second.
    pub(super) fn add_lines_and_dots(&mut self, panel: &Panel<'_>) {
        let dots = json!({ "matcher": { "id": "byFrameRefID", "options": "B" }, "properties": [
            { "id": "custom.drawStyle", "value": "points" },
            { "id": "custom.pointSize", "value": 8 },
            { "id": "color", "value": { "mode": "fixed", "fixedColor": "red" } },
        ] });
        self.add_lines(panel, &[dots]);
    }

    fn add_lines(&mut self, panel: &Panel<'_>, overrides: &[Value]) {
        let options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        let mut defaults = panel.unit.options();
        defaults["color"] = json!({ "mode": "palette-classic-by-name" });
        // A late run leaves one of Graphite's intervals empty. The line goes on across it.
        defaults["custom"] =
            json!({ "drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto", "spanNulls": true });
        self.push("timeseries", panel, &options, &json!({ "defaults": defaults, "overrides": overrides }), &json!([]));
    }

    /// Adds a panel with the last value of each series in large digits, above its line.
    pub(super) fn add_values(&mut self, panel: &Panel<'_>) {
        let options = json!({
            "reduceOptions": { "values": false, "calcs": ["lastNotNull"], "fields": "" },
            "orientation": "auto", "textMode": "value_and_name", "colorMode": "none", "graphMode": "area",
            "justifyMode": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
        });
        let mut defaults = panel.unit.options();
        defaults["color"] = json!({ "mode": "palette-classic-by-name" });
        self.push("stat", panel, &options, &json!({ "defaults": defaults, "overrides": [] }), &json!([]));
    }

    /// Adds a table with a row for each series. The values of the last column are percentages: those above
    /// zero are green and those below it red.
    pub(super) fn add_table(&mut self, panel: &Panel<'_>, columns: &[TableColumn]) {
        let mut names = json!({ "Field": "Symbol" });
        for column in columns {
            names[column.grafana_name] = json!(column.name);
        }
        let reducers: Vec<&str> = columns.iter().map(|column| column.reducer).collect();
        let transformations = json!([
            { "id": "reduce", "options": { "mode": "seriesToRows", "reducers": reducers } },
            { "id": "organize", "options": { "renameByName": names, "excludeByName": {}, "indexByName": {} } },
        ]);
        let options = json!({
            "frameIndex": 0, "showHeader": true, "cellHeight": "sm", "sortBy": [{ "displayName": "Symbol", "desc": false }],
        });
        let mut defaults = panel.unit.options();
        defaults["custom"] = json!({ "align": "auto", "inspect": false });
        // Only here: a colour among the defaults would paint the column of the symbols too.
        let override_of_last = columns.last().map(|column| {
            let percent = Unit::Percent.options();
            json!({ "matcher": { "id": "byName", "options": column.name }, "properties": [
                { "id": "unit", "value": percent["unit"] },
                { "id": "decimals", "value": percent["decimals"] },
                { "id": "color", "value": { "mode": "thresholds" } },
                { "id": "thresholds", "value": { "mode": "absolute", "steps": [
                    { "value": null, "color": "red" }, { "value": 0, "color": "text" }, { "value": 1e-9, "color": "green" },
                ] } },
                { "id": "custom.cellOptions", "value": { "type": "color-text" } },
            ] })
        });
        let overrides: Vec<Value> = override_of_last.into_iter().collect();
        self.push("table", panel, &options, &json!({ "defaults": defaults, "overrides": overrides }), &transformations);
    }

    fn push(&mut self, kind: &str, panel: &Panel<'_>, options: &Value, field_config: &Value, transformations: &Value) {
        let width = if panel.repeat.is_some() { COLUMNS } else { panel.width };
        if self.x + width > COLUMNS {
            self.break_line();
        }
        let target = |(index, target): (usize, &String)| {
            let ref_id = char::from(b'A' + u8::try_from(index).unwrap_or_default()).to_string();
            // The query editor of Grafana cannot show all of these targets, so they are edited as text.
            json!({ "refId": ref_id, "datasource": datasource(), "target": target, "textEditor": true })
        };
        let targets: Vec<Value> = panel.targets.iter().enumerate().map(target).collect();
        let id = self.next_id();
        let mut json = json!({
            "type": kind, "id": id, "title": panel.title, "description": panel.description, "datasource": datasource(),
            "targets": targets, "options": options, "fieldConfig": field_config, "transformations": transformations,
            "gridPos": { "x": self.x, "y": self.y, "w": width, "h": PANEL_HEIGHT },
        });
        if let Some(variable) = &panel.repeat {
            json["repeat"] = json!(variable);
            json["repeatDirection"] = json!("h");
            json["maxPerRow"] = json!(PANELS_PER_LINE);
        }
        self.panels.push(json);
        self.x += width;
    }

    /// Lets the next panel begin in a new line, unless it does already.
    fn break_line(&mut self) {
        if self.x > 0 {
            (self.x, self.y) = (0, self.y + PANEL_HEIGHT);
        }
    }

    fn next_id(&self) -> usize {
        self.panels.len() + 1
    }
}
