//! An alert rule as JSON, for a file of Grafana's provisioning
//! (<https://grafana.com/docs/grafana/latest/alerting/set-up/provision-alerting-resources/file-provisioning/>),
//! or for its HTTP API
//! (<https://grafana.com/docs/grafana/latest/developers/http_api/alerting_provisioning/>).

use super::json::GRAPHITE;
use crate::cli::AlertFormat;
use serde_json::{Value, json};

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
    /// How Grafana reduces a series to one value.
    pub(super) reducer: &'static str,
    /// When the value is bad.
    pub(super) evaluator: Evaluator,
    /// How many seconds the query looks back.
    pub(super) lookback: u32,
    /// For how many seconds the value must be bad before the alert fires.
    pub(super) pending: u32,
    /// Whether the alert fires if there is no series at all.
    pub(super) fires_on_no_data: bool,
    /// What is wrong, as a sentence.
    pub(super) summary: String,
    /// What to do about it.
    pub(super) description: String,
}

/// A condition on a value.
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
}

/// One group of rules in one of the two formats. `datasource` is the uid of the Graphite data source.
pub(super) fn group_json(rules: &[Rule<'_>], datasource: &str, format: AlertFormat) -> Value {
    let rules = rules.iter().map(|rule| rule.to_json(datasource));
    match format {
        AlertFormat::File => {
            let rules: Vec<Value> = rules.collect();
            let group = json!({ "orgId": 1, "name": GROUP, "folder": GROUP, "interval": "1m", "rules": rules });
            escape_dollars(json!({ "apiVersion": 1, "groups": [group] }))
        }
        AlertFormat::Api => {
            let with_group = |mut rule: Value| {
                rule["orgID"] = json!(1);
                rule["folderUID"] = json!(GROUP);
                rule["ruleGroup"] = json!(GROUP);
                rule
            };
            let rules: Vec<Value> = rules.map(with_group).collect();
            json!({ "title": GROUP, "folderUid": GROUP, "interval": 60, "rules": rules })
        }
    }
}

/// Grafana replaces `$NAME` in a provisioning file by a variable of its environment, and `$$` by `$`.
fn escape_dollars(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(values) => values.into_iter().map(escape_dollars).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, escape_dollars(value))).collect(),
        other => other,
    }
}

impl Rule<'_> {
    /// What both formats have in common.
    fn to_json(&self, datasource: &str) -> Value {
        let mut labels = json!({ "source": "datametrics", "kind": self.kind });
        if !self.feed.is_empty() {
            labels["feed"] = json!(self.feed);
        }
        json!({
            "uid": self.uid, "title": self.title, "condition": "C", "data": self.queries(datasource),
            // A closed market sends no data, and nothing is wrong with that.
            "noDataState": if self.fires_on_no_data { "Alerting" } else { "OK" },
            "execErrState": "Error",
            "for": format!("{}s", self.pending), "isPaused": false, "labels": labels,
            "annotations": { "summary": self.summary, "description": self.description },
        })
    }

    /// The three steps of the rule: A asks Graphite for series, B reduces each of them to one value, C
    /// compares the value.
    fn queries(&self, datasource: &str) -> Value {
        let range = json!({ "from": self.lookback, "to": 0 });
        let expression = json!({ "type": EXPRESSION, "uid": EXPRESSION });
        json!([
            {
                "refId": "A", "queryType": "", "relativeTimeRange": range, "datasourceUid": datasource,
                "model": {
                    "refId": "A", "target": self.target, "textEditor": true, "intervalMs": 1000,
                    // More points than there are, so that Graphite does not consolidate several into one.
                    "maxDataPoints": 43200,
                    "datasource": { "type": GRAPHITE, "uid": datasource },
                },
            },
            {
                "refId": "B", "queryType": "", "relativeTimeRange": range, "datasourceUid": EXPRESSION,
                "model": {
                    "refId": "B", "type": "reduce", "expression": "A", "reducer": self.reducer,
                    "settings": { "mode": "dropNN" }, "datasource": expression,
                },
            },
            {
                "refId": "C", "queryType": "", "relativeTimeRange": range, "datasourceUid": EXPRESSION,
                "model": {
                    "refId": "C", "type": "threshold", "expression": "B", "datasource": expression,
                    "conditions": [{ "evaluator": self.evaluator.to_json() }],
                },
            },
        ])
    }
}
