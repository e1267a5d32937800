//! An alert rule as JSON, for a file of Grafana's provisioning
//! (<https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/>),
//! or for its HTTP API
//! (<https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/>).

use super::json::GRAPHITE;
use crate::cli::AlertFormat;
use serde_json::{Value, json};

/// How often Grafana evaluates the rules, in seconds.
pub(super) const EVALUATION: u32 = 60;

/// The group of the rules, and the title and uid of their folder.
const GROUP: &str = "datametrics";

/// Grafana's name for expressions that it evaluates itself.
const EXPRESSION: &str = "__expr__";

/// An alert rule. Each series of its target is an alert of its own.
pub(super) struct Rule<'a> {
    /// The uid.
    pub(super) uid: String,
    /// What is wrong, in one word: the label `kind`.
    pub(super) kind: &'static str,
    /// The label `feed`; empty if the rule is about no feed.
    pub(super) feed: &'a str,
    /// The title.
    pub(super) title: String,
    /// The expression that Graphite evaluates.
    pub(super) target: String,
    /// When a series is bad.
    pub(super) condition: Condition,
    /// How many seconds the query looks back.
    pub(super) lookback: u32,
    /// For how many seconds the series must be bad before the alert fires.
    pub(super) pending: u32,
    /// For how many seconds the alert goes on after the value has become good. Grafana before version 12 does
    /// not know this, and ignores it.
    pub(super) keep_firing: u32,
    /// Whether the alert fires if there is no series at all.
    pub(super) fires_on_no_data: bool,
    /// The title of the panel that shows the values.
    pub(super) panel: String,
    /// What is wrong, as a sentence.
    pub(super) summary: String,
    /// What that means.
    pub(super) description: String,
    /// What to do about it.
    pub(super) runbook: String,
}

/// The dashboard to which rules link.
pub(super) struct Links {
    /// Its uid.
    pub(super) dashboard: String,
    /// Its panels as JSON.
    pub(super) panels: Vec<Value>,
}

impl Links {
    /// The id of the panel with this title.
    fn panel(&self, title: &str) -> Option<u64> {
        self.panels.iter().find(|panel| panel["type"] != "row" && panel["title"] == title)?["id"].as_u64()
    }
}

/// Where the README says what to do when something fails.
const RUNBOOK_URL: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "#when-something-fails");

/// When a series is bad.
pub(super) enum Condition {
    /// What Grafana's function of this name makes of its values is bad.
    Reduced(&'static str, Evaluator),
    /// It has two values at least, one a run, and all of them are bad. So one run may have a hiccup, also if it is
    /// the last one before the market closes.
    EachRun(Evaluator),
}

/// When a value is bad.
#[derive(Clone, Copy)]
pub(super) enum Evaluator {
    /// The value is greater.
    Above(f64),
    /// The value is less.
    Below(f64),
    /// The value is less than the first or greater than the second.
    OutsideRange(f64, f64),
}

impl Evaluator {
    fn to_json(self) -> Value {
        match self {
            Self::Above(bound) => json!({ "type": "gt", "params": [bound] }),
            Self::Below(bound) => json!({ "type": "lt", "params": [bound] }),
            Self::OutsideRange(low, high) => json!({ "type": "outside_range", "params": [low, high] }),
        }
    }

    /// The same for the expression `math` of Grafana, which makes 1 of each bad value of A and 0 of each other one.
    fn to_math(self) -> String {
        match self {
            Self::Above(bound) => format!("$A > {bound}"),
            Self::Below(bound) => format!("$A < {bound}"),
            Self::OutsideRange(low, high) => format!("$A < {low} || $A > {high}"),
        }
    }
}

/// One group of rules in one of the two formats. `datasource` is the uid of the Graphite data source.
pub(super) fn group_json(rules: &[Rule<'_>], datasource: &str, format: AlertFormat, links: &Links) -> Value {
    let json = rules.iter().map(|rule| (rule.to_json(datasource, links), rule));
    match format {
        AlertFormat::File => {
            let of_file = |(mut json, rule): (Value, &Rule<'_>)| {
                // The file format has fields for the link.
                if let Some(panel) = links.panel(&rule.panel) {
                    json["dashboardUid"] = json!(links.dashboard);
                    json["panelId"] = json!(panel);
                }
                if rule.keep_firing > 0 {
                    json["keepFiringFor"] = json!(format!("{}s", rule.keep_firing));
                }
                json
            };
            let rules: Vec<Value> = json.map(of_file).collect();
            let interval = format!("{EVALUATION}s");
            let group = json!({ "orgId": 1, "name": GROUP, "folder": GROUP, "interval": interval, "rules": rules });
            let mut file = json!({ "apiVersion": 1, "groups": [group] });
            escape_dollars(&mut file);
            file
        }
        AlertFormat::Api => {
            let of_api = |(mut json, rule): (Value, &Rule<'_>)| {
                json["orgID"] = json!(1);
                json["folderUID"] = json!(GROUP);
                json["ruleGroup"] = json!(GROUP);
                if rule.keep_firing > 0 {
                    json["keep_firing_for"] = json!(format!("{}s", rule.keep_firing));
                }
                json
            };
            let rules: Vec<Value> = json.map(of_api).collect();
            json!({ "title": GROUP, "folderUid": GROUP, "interval": EVALUATION, "rules": rules })
        }
    }
}

/// Grafana replaces `$NAME` in the strings of a provisioning file by a variable of its environment, and `$$` by `$`. It
/// takes models and annotations as they stand there: a `$$A` or `$$labels` in them would be a rule that it cannot evaluate
/// (`Raw` in <https://github.com/grafana/grafana/blob/main/pkg/services/provisioning/alerting/rules_types.go>).
fn escape_dollars(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('$', "$$"),
        Value::Array(values) => values.iter_mut().for_each(escape_dollars),
        Value::Object(map) => {
            let escaped = map.iter_mut().filter(|(key, _)| !matches!(key.as_str(), "annotations" | "model"));
            escaped.for_each(|(_, value)| escape_dollars(value));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Rule<'_> {
    /// What both formats have in common.
    fn to_json(&self, datasource: &str, links: &Links) -> Value {
        let mut labels = json!({ "source": "datametrics", "kind": self.kind });
        if !self.feed.is_empty() {
            labels["feed"] = json!(self.feed);
        }
        let mut annotations = json!({
            "summary": self.summary, "description": self.description, "runbook": self.runbook,
            "runbook_url": RUNBOOK_URL,
        });
        if let Some(panel) = links.panel(&self.panel) {
            annotations["__dashboardUid__"] = json!(links.dashboard);
            annotations["__panelId__"] = json!(panel.to_string());
        }
        json!({
            "uid": self.uid, "title": self.title, "condition": "C", "data": self.queries(datasource),
            // A closed market sends no data, and nothing is wrong with that.
            "noDataState": if self.fires_on_no_data { "Alerting" } else { "OK" },
            "execErrState": "Error",
            "for": format!("{}s", self.pending), "isPaused": false, "labels": labels, "annotations": annotations,
        })
    }

    /// The steps of the rule: A asks Graphite for series, B reduces each of them to one value, which the summary
    /// names, and C is the condition. If it is about each run, D says of each value whether it is bad, E whether
    /// all are, and F counts them.
    fn queries(&self, datasource: &str) -> Value {
        let query = graphite_query("A", &self.target, self.lookback, datasource);
        match self.condition {
            Condition::Reduced(reducer, evaluator) => {
                let conditions = json!([{ "evaluator": evaluator.to_json() }]);
                let threshold = json!({ "type": "threshold", "expression": "B", "conditions": conditions });
                json!([query, reduce("B", "A", reducer), expression("C", &threshold)])
            }
            Condition::EachRun(evaluator) => json!([
                query,
                reduce("B", "A", "last"),
                math("D", &evaluator.to_math()),
                reduce("E", "D", "min"),
                reduce("F", "D", "count"),
                math("C", "$F > 1 && $E > 0"),
            ]),
        }
    }
}

/// A step that asks Graphite for series.
fn graphite_query(ref_id: &str, target: &str, lookback: u32, datasource: &str) -> Value {
    json!({
        "refId": ref_id, "queryType": "", "relativeTimeRange": { "from": lookback, "to": 0 },
        "datasourceUid": datasource,
        "model": {
            "refId": ref_id, "target": target, "textEditor": true, "intervalMs": 1000,
            // Grafana takes 500 at most, so every target says what is made of several points.
            "maxDataPoints": 500,
            "datasource": { "type": GRAPHITE, "uid": datasource },
        },
    })
}

/// A step that reduces each series of another step to one value.
fn reduce(ref_id: &str, of: &str, reducer: &str) -> Value {
    let settings = json!({ "mode": "dropNN" });
    expression(ref_id, &json!({ "type": "reduce", "expression": of, "reducer": reducer, "settings": settings }))
}

/// A step that calculates.
fn math(ref_id: &str, text: &str) -> Value {
    expression(ref_id, &json!({ "type": "math", "expression": text }))
}

/// A step that Grafana evaluates itself.
fn expression(ref_id: &str, model: &Value) -> Value {
    let mut model = model.clone();
    model["refId"] = json!(ref_id);
    model["datasource"] = json!({ "type": EXPRESSION, "uid": EXPRESSION });
    json!({
        "refId": ref_id, "queryType": "", "relativeTimeRange": { "from": 0, "to": 0 }, "datasourceUid": EXPRESSION,
        "model": model,
    })
}
