//! Grafana's template variables, with which the user of the dashboard chooses symbols
//! (<https://grafana.com/docs/grafana/latest/dashboards/variables/>).

use super::query::{Queries, node, placeholder, variable_name};
use crate::fetch::Feed;
use crate::market::field::Field;
use crate::metrics::names::NamePart;

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
    /// The values that are chosen at first; none stands for all, also for those that come later.
    pub(super) first_values: Vec<String>,
}

/// So many symbols are shown at first, if there are more. Many panels are repeated for each of them.
const MAX_FIRST_VALUES: usize = 6;

/// The template variables of a feed.
pub(super) fn template_variables(queries: Queries<'_>, feed: &Feed) -> Vec<TemplateVariable> {
    let field = feed.fields.first().map_or("last", Field::as_str);
    let pattern = queries.field_pattern(feed, field, false);
    let mut variables: Vec<TemplateVariable> = Vec::new();
    for (index, part) in feed.names.parts().iter().enumerate() {
        let (Some(name), Some(placeholder)) = (variable_name(feed, part), placeholder(part)) else { continue };
        if variables.iter().any(|variable| variable.name == name) {
            continue;
        }
        let label = format!("{} {placeholder}", feed.name);
        let first_values = first_values(feed, part);
        // The first part of the pattern is the prefix.
        let index = index + 1;
        variables.push(if queries.metrics.tags.is_empty() {
            let (query, regex) = pattern.node_search(index);
            TemplateVariable { name, label, query, regex, all_value: "*", first_values }
        } else {
            let query = format!("tag_values(name,name=~^{}$,{})", pattern.tag_regex(), queries.metrics.tags.join(","));
            let regex = pattern.capture_regex(index);
            TemplateVariable { name, label, query, regex, all_value: "[^.]+", first_values }
        });
    }
    variables
}

/// The name of the variable that tells the symbols of a feed apart best: it is the symbol, or the base of a pair rather
/// than its quote, which many of them share.
pub(super) fn symbol_variable(feed: &Feed) -> Option<String> {
    let parts = [NamePart::Symbol, NamePart::Base, NamePart::Quote];
    variable_name(feed, parts.iter().find(|part| feed.names.parts().contains(part))?)
}

/// What a part of a feed's names is for its first symbols, if not all are to be shown at first.
fn first_values(feed: &Feed, part: &NamePart) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for symbol in &feed.symbols {
        let text = match part {
            NamePart::Base => symbol.base(),
            NamePart::Quote => symbol.quote().unwrap_or_default(),
            _ => symbol.as_str(),
        };
        let value = node(text);
        if !values.contains(&value) {
            values.push(value);
        }
        if values.len() > MAX_FIRST_VALUES {
            values.pop();
            return values;
        }
    }
    Vec::new()
}
