//! A dashboard and alert rules for Grafana, generated from the settings of a run. The same settings
//! give the same text.

mod alerts;
mod dashboard;
mod json;
mod panel;
mod pattern;
mod query;
mod rule;
mod variable;

pub(crate) use alerts::AlertRules;
pub(crate) use dashboard::dashboard;
pub(crate) use query::Queries;
