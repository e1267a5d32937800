//! Grafana's template variables, with which the user of the dashboard chooses symbols
//! (<https://grafana.com/docs/grafana/latest/dashboards/variables/>).

use super::query::{Queries, placeholder, variable_name};
use crate::fetch::Feed;
use crate::market::field::Field;

/// A template variable: its values are what a part of a feed's names is for each symbol.
pub(super) struct TemplateVariable {
    /// The name by which targets refer to it.
    pub(super) name: String,
    /// What the user of the dashboard sees.
    pub(super) label: String,
    /// How Grafana asks Graphite for the texts that hold the values.
    pub(super) query: String,
    /// The regular expression that takes the value out of such a text; empty if the text is the value.
    pub(super) regex: String,
    /// What stands in a target if all values are chosen.
    pub(super) all_value: &'static str,
}

/// The template variables of a feed.
pub(super) fn template_variables(queries: Queries<'_>, feed: &Feed) -> Vec<TemplateVariable> {
    let field = feed.fields.first().map_or("last", Field::as_str);
    let pattern = queries.field_pattern(feed, &[field], false);
    let mut variables: Vec<TemplateVariable> = Vec::new();
    for (index, part) in feed.names.parts().iter().enumerate() {
        let (Some(name), Some(placeholder)) = (variable_name(feed, part), placeholder(part)) else { continue };
        if variables.iter().any(|variable| variable.name == name) {
            continue;
        }
        let label = format!("{} {placeholder}", feed.name);
        // The first part of the pattern is the prefix.
        let index = index + 1;
        variables.push(if queries.metrics.tags.is_empty() {
            let (query, regex) = pattern.node_search(index);
            TemplateVariable { name, label, query, regex, all_value: "*" }
        } else {
            let query = format!("tag_values(name,name=~^{}$,{})", pattern.tag_regex(), queries.metrics.tags.join(","));
            TemplateVariable { name, label, query, regex: pattern.capture_regex(index), all_value: "[^.]+" }
        });
    }
    variables
}
