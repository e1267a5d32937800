//! The panels of a dashboard as JSON, and their places on Grafana's grid.

use super::json::GRAPHITE;
use serde_json::{Value, json};

/// How many columns Grafana's grid has.
const COLUMNS: u32 = 24;

/// The height of every panel, in rows of the grid.
const PANEL_HEIGHT: u32 = 9;

/// What all kinds of panels have in common.
pub(super) struct Panel<'a> {
    /// The title.
    pub(super) title: &'a str,
    /// The text behind the panel's info icon.
    pub(super) description: &'a str,
    /// Grafana's name of the unit.
    pub(super) unit: &'a str,
    /// The expression that Graphite evaluates.
    pub(super) target: String,
    /// The width in columns of the grid.
    pub(super) width: u32,
}

/// The column of a table that has one row for each series.
pub(super) struct TableColumn {
    /// Grafana's name of the function that reduces a series to one value.
    pub(super) reducer: &'static str,
    /// The name that Grafana gives to the column.
    pub(super) grafana_name: &'static str,
    /// The name that the user of the dashboard sees.
    pub(super) name: &'static str,
    /// Whether values above zero are green and values below it red.
    pub(super) is_signed: bool,
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
        let options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        let field_config = json!({
            "defaults": {
                "unit": panel.unit,
                "color": { "mode": "palette-classic-by-name" },
                // A late run leaves one of Graphite's intervals empty. The line goes on across it.
                "custom": { "drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto", "spanNulls": true },
            },
            "overrides": [],
        });
        self.push("timeseries", panel, &options, &field_config, &json!([]));
    }

    /// Adds a table with a row for each series.
    pub(super) fn add_table(&mut self, panel: &Panel<'_>, column: &TableColumn) {
        let transformations = json!([
            { "id": "reduce", "options": { "mode": "seriesToRows", "reducers": [column.reducer] } },
            { "id": "organize", "options": {
                "renameByName": { "Field": "Symbol", column.grafana_name: column.name },
                "excludeByName": {}, "indexByName": {},
            } },
        ]);
        let options = json!({
            "frameIndex": 0, "showHeader": true, "cellHeight": "sm", "sortBy": [{ "displayName": "Symbol", "desc": false }],
        });
        let mut defaults = json!({ "unit": panel.unit, "custom": { "align": "auto", "inspect": false } });
        if column.is_signed {
            defaults["color"] = json!({ "mode": "thresholds" });
            defaults["thresholds"] = json!({ "mode": "absolute", "steps": [
                { "value": null, "color": "red" }, { "value": 0, "color": "transparent" }, { "value": 1e-9, "color": "green" },
            ] });
            defaults["custom"]["cellOptions"] =
                json!({ "type": "color-background", "mode": "basic", "applyToRow": false });
        }
        let field_config = json!({ "defaults": defaults, "overrides": [] });
        self.push("table", panel, &options, &field_config, &transformations);
    }

    fn push(&mut self, kind: &str, panel: &Panel<'_>, options: &Value, field_config: &Value, transformations: &Value) {
        if self.x + panel.width > COLUMNS {
            self.break_line();
        }
        // The query editor of Grafana cannot show all of these targets, so they are edited as text.
        let target = json!({ "refId": "A", "datasource": datasource(), "target": panel.target, "textEditor": true });
        let id = self.next_id();
        self.panels.push(json!({
            "type": kind, "id": id, "title": panel.title, "description": panel.description, "datasource": datasource(),
            "targets": [target], "options": options, "fieldConfig": field_config, "transformations": transformations,
            "gridPos": { "x": self.x, "y": self.y, "w": panel.width, "h": PANEL_HEIGHT },
        }));
        self.x += panel.width;
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
