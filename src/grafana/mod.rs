//! A dashboard and alert rules for Grafana, generated from the settings of a run. The same settings
//! give the same text.

mod alert_group;
mod alert_rules;
mod dashboard;
mod health_panels;
mod json;
mod mirror_rules;
mod panel;
mod pattern;
mod query;
mod rule_json;
mod threshold_rules;
mod variable;

pub(crate) use alert_rules::AlertRules;
pub(crate) use dashboard::dashboard;
pub(crate) use query::Queries;
