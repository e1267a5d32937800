//! Queries that ask Graphite for what a run pushes: by paths with wildcards, or by `seriesByTag` where
//! points have tags.
//!
//! An expression that Graphite evaluates is called a target, as in Graphite's render API
//! (<https://graphite.readthedocs.io/en/latest/render_api.html>).

use super::pattern::{Pattern, PatternPart, glob};
use crate::fetch::Feed;
use crate::market::symbol::push_node;
use crate::metrics::MetricsConfig;
use crate::metrics::names::NamePart;
use std::fmt::Write as _;

/// Makes patterns and targets for the metrics of a run.
#[derive(Clone, Copy)]
pub(crate) struct Queries<'a> {
    /// Prefix, tags and interval of the metrics.
    pub(crate) metrics: &'a MetricsConfig,
    /// Whether the metrics are in a Carbon.
    pub(crate) is_carbon: bool,
    /// Whether points go to mirrors too.
    pub(crate) has_mirrors: bool,
}

impl Queries<'_> {
    /// The pattern of a field of all symbols of a feed; with variables, only of the symbols that the user of
    /// the dashboard chose. Its first part is the prefix, the others are those of the feed's
    /// [`NameTemplate`](crate::metrics::names::NameTemplate).
    pub(super) fn field_pattern(&self, feed: &Feed, field: &str, with_variables: bool) -> Pattern {
        self.pattern(feed, &PatternPart::Literal(field.to_owned()), with_variables)
    }

    /// Like [`Queries::field_pattern`], for several fields. The legend has the field, too.
    pub(super) fn fields_pattern(&self, feed: &Feed, fields: &[&str], with_variables: bool) -> Pattern {
        let fields = fields.iter().map(ToString::to_string).collect();
        self.pattern(feed, &PatternPart::OneOf(fields), with_variables)
    }

    /// The pattern of the fields that the user of the dashboard chose.
    pub(super) fn chosen_pattern(&self, feed: &Feed) -> Pattern {
        self.pattern(feed, &PatternPart::Variable(field_variable(feed)), true)
    }

    fn pattern(&self, feed: &Feed, field: &PatternPart, with_variables: bool) -> Pattern {
        let part = |name_part: &NamePart| match name_part {
            NamePart::Text(text) => self.literal(text),
            NamePart::Feed => PatternPart::Literal(node(&feed.name)),
            NamePart::Field => field.clone(),
            NamePart::Symbol | NamePart::Base | NamePart::Quote => {
                let name = variable_name(feed, name_part).filter(|_| with_variables);
                name.map_or(PatternPart::Wildcard, PatternPart::Variable)
            }
        };
        let prefix = self.literal(&self.metrics.prefix);
        let parts: Vec<PatternPart> = std::iter::once(prefix).chain(feed.names.parts().iter().map(part)).collect();
        let legend = legend(feed, &parts[1..]);
        Pattern { parts, legend }
    }

    /// The pattern of points about runs: of all runs, as several may push to one Graphite. A node is `*` for
    /// any text, `a,b` for one of several texts, or the text itself. The legend has all nodes that differ, the
    /// name of the run first, and nodes that are written `+a`.
    pub(super) fn health_pattern(&self, nodes: &[&str]) -> Pattern {
        let mut parts = vec![self.literal(&format!("{}metrics.", self.metrics.prefix)), PatternPart::Wildcard];
        for text in nodes {
            parts.push(PatternPart::Literal(".".to_owned()));
            parts.push(match (*text, text.strip_prefix('+')) {
                ("*", _) => PatternPart::Wildcard,
                (_, Some(text)) => PatternPart::OneOf(vec![text.to_owned()]),
                (text, None) if text.contains(',') => PatternPart::OneOf(text.split(',').map(str::to_owned).collect()),
                (text, None) => PatternPart::Literal(node(text)),
            });
        }
        let count = parts.iter().filter(|part| !matches!(part, PatternPart::Literal(_))).count();
        let legend = (1..=count).map(|number| format!("\\{number}")).collect::<Vec<_>>().join(" ");
        Pattern { parts, legend }
    }

    /// The target that gives one metric.
    pub(super) fn metric_target(&self, name: &str) -> String {
        match &self.metrics.tags[..] {
            [] => self.path(name),
            tags => series_by_tag(&format!("name={name}"), tags),
        }
    }

    /// The target that gives all metrics of a pattern with their legends. Where Graphite draws several points
    /// as one, it takes what `function` makes of them: `last`, `max` or `min`. By default it would take their
    /// average, which nobody has measured
    /// (<https://graphite.readthedocs.io/en/latest/functions.html#graphite.render.functions.consolidateBy>).
    pub(super) fn drawn(&self, pattern: &Pattern, function: &str) -> String {
        pattern.with_legend(&consolidate(&self.target(pattern), function))
    }

    /// The target that gives all metrics of a pattern.
    pub(super) fn target(&self, pattern: &Pattern) -> String {
        match &self.metrics.tags[..] {
            [] => pattern.glob(),
            tags => series_by_tag(&format!("name=~^{}$", pattern.tag_regex()), tags),
        }
    }

    /// The target that combines two fields of each symbol, so that no value of another symbol gets
    /// into the result. `combine` is given the paths of both fields, in which `%` is what the names
    /// of a symbol begin with, and gives the target for one symbol
    /// (<https://graphite.readthedocs.io/en/latest/functions.html#graphite.render.functions.applyByNode>).
    ///
    /// `None` if names do not begin with whole nodes that tell their symbol, or if points have tags.
    pub(super) fn apply_by_symbol(
        &self,
        feed: &Feed,
        [a, b]: [&str; 2],
        combine: impl Fn(&str, &str) -> String,
    ) -> Option<String> {
        let pattern = self.field_pattern(feed, a, true);
        let last = pattern.parts.iter().rposition(|part| matches!(part, PatternPart::Variable(_)))?;
        let ends_node =
            matches!(pattern.parts.get(last + 1), Some(PatternPart::Literal(text)) if text.starts_with('.'));
        if !ends_node || !self.metrics.tags.is_empty() {
            return None;
        }
        let node = glob(&pattern.parts[..=last]).matches('.').count();
        let path = |field| format!("%{}", glob(&self.field_pattern(feed, field, true).parts[last + 1..]));
        Some(format!("applyByNode({}, {node}, '{}')", pattern.glob(), combine(&path(a), &path(b))))
    }

    fn literal(&self, text: &str) -> PatternPart {
        PatternPart::Literal(self.path(text))
    }

    /// A name as Graphite knows it. Carbon makes a directory of what stands before a `/`, so that it
    /// becomes a node; the names of tagged points stay as they are.
    fn path(&self, name: &str) -> String {
        if self.metrics.tags.is_empty() && self.is_carbon { name.replace('/', ".") } else { name.to_owned() }
    }
}

/// The target whose points Graphite draws as one by this function.
pub(super) fn consolidate(target: &str, function: &str) -> String {
    format!("consolidateBy({target}, '{function}')")
}

/// The legend of a feed's series: the parts of their names that differ, for example `BTC/USD last`. A
/// space separates the field from other parts, and a `/` separates these from each other.
fn legend(feed: &Feed, parts: &[PatternPart]) -> String {
    let (mut legend, mut count, mut is_after_field) = (String::new(), 0, false);
    for (name_part, part) in feed.names.parts().iter().zip(parts) {
        if matches!(part, PatternPart::Literal(_)) {
            continue;
        }
        count += 1;
        let is_field = *name_part == NamePart::Field;
        let separator = match (count, is_field || is_after_field) {
            (1, _) => "",
            (_, true) => " ",
            (_, false) => "/",
        };
        let _ = write!(legend, "{separator}\\{count}");
        is_after_field = is_field;
    }
    if legend.is_empty() { feed.name.clone() } else { legend }
}

/// A regular expression of Grafana for the legends of these fields, where the legend has the field: as
/// [`legend`] writes it, the field is a word of its own.
pub(super) fn field_legends(feed: &Feed, fields: &[&str]) -> String {
    let is_in_legend = |part: &&NamePart| **part == NamePart::Field || placeholder(part).is_some();
    let in_legend: Vec<&NamePart> = feed.names.parts().iter().filter(is_in_legend).collect();
    let is_field = |part: Option<&&NamePart>| part.is_some_and(|part| **part == NamePart::Field);
    let begin = if is_field(in_legend.first()) { "^" } else { " " };
    let end = if is_field(in_legend.last()) { "$" } else { " " };
    format!("/{begin}({}){end}/", fields.join("|"))
}

/// The name of the template variable for this part of a feed's names; `None` if the part is the same for
/// all symbols. Grafana takes letters, digits and `_`.
pub(super) fn variable_name(feed: &Feed, part: &NamePart) -> Option<String> {
    Some(format!("{}_{}", feed.name.replace('-', "__"), placeholder(part)?))
}

/// The name of the template variable for the fields of a feed.
pub(super) fn field_variable(feed: &Feed) -> String {
    format!("{}_field", feed.name.replace('-', "__"))
}

/// The placeholder of a part that differs from symbol to symbol.
pub(super) fn placeholder(part: &NamePart) -> Option<&'static str> {
    match part {
        NamePart::Symbol => Some("symbol"),
        NamePart::Base => Some("base"),
        NamePart::Quote => Some("quote"),
        NamePart::Text(_) | NamePart::Feed | NamePart::Field => None,
    }
}

/// A text as a node of a metric name.
pub(super) fn node(text: &str) -> String {
    let mut node = String::new();
    push_node(&mut node, text);
    node
}

/// The target that gives the series with all of these tags
/// (<https://graphite.readthedocs.io/en/latest/tags.html#querying>).
fn series_by_tag(name: &str, tags: &[String]) -> String {
    let filters = std::iter::once(name).chain(tags.iter().map(String::as_str)).map(|filter| {
        // A string in a target has no escapes, but it may have either kind of quotation marks.
        if filter.contains('\'') { format!("\"{filter}\"") } else { format!("'{filter}'") }
    });
    format!("seriesByTag({})", filters.collect::<Vec<_>>().join(", "))
}
