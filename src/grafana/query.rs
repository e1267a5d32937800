//! How Graphite is asked for what a run pushes: by globs, or by tags where points have some.

use crate::delivery::graphite::Destination;
use crate::fetch::Feed;
use crate::market::symbol::push_node;
use crate::metrics::names::{NamePart, NameTemplate};
use crate::settings::Settings;
use std::fmt::Write as _;

/// A place in a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PatternPart {
    Text(String),
    /// Anything within a node, or the values of this variable of the dashboard; the legend shows it.
    Any(Option<String>),
    /// One of these.
    OneOf(Vec<String>),
}

/// The names of metrics that belong together.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<PatternPart>,
    /// What the legend says, `\1` for the first thing that differs and so on.
    legend: String,
}

/// A variable of the dashboard: a part of a feed's names that differs from symbol to symbol.
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) query: String,
    pub(super) regex: String,
    /// What stands for all values.
    pub(super) all: &'static str,
}

/// Asks for what the runs of these settings push.
pub(super) struct Queries<'a> {
    settings: &'a Settings,
}

impl<'a> Queries<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings }
    }

    /// A field of all symbols of a feed, or of those that the dashboard's variables hold.
    pub(super) fn field(&self, feed: &Feed, fields: &[&str], with_variables: bool) -> Pattern {
        let field = match fields {
            [one] => PatternPart::Text((*one).to_owned()),
            several => PatternPart::OneOf(several.iter().map(ToString::to_string).collect()),
        };
        let mut parts = vec![self.text(&self.settings.metrics.prefix)];
        let (mut legend, mut marks, mut after_field) = (String::new(), 0, false);
        for name_part in feed.names.parts() {
            let any = |word| PatternPart::Any(with_variables.then(|| variable_name(&feed.name, word)));
            let part = match name_part {
                NamePart::Text(text) => self.text(text),
                NamePart::Feed => PatternPart::Text(safe(&feed.name)),
                NamePart::Symbol => any("symbol"),
                NamePart::Base => any("base"),
                NamePart::Quote => any("quote"),
                NamePart::Field => field.clone(),
            };
            if !matches!(part, PatternPart::Text(_)) {
                marks += 1;
                let is_field = *name_part == NamePart::Field;
                let separator = match (legend.is_empty(), is_field || after_field) {
                    (true, _) => "",
                    (false, true) => " ",
                    (false, false) => "/",
                };
                let _ = write!(legend, "{separator}\\{marks}");
                after_field = is_field;
            }
            parts.push(part);
        }
        if legend.is_empty() {
            legend.push_str(&feed.name);
        }
        Pattern { parts, legend }
    }

    /// Points about runs: of any run, as several may push to one Graphite. A `*` stands for any node.
    pub(super) fn health(&self, nodes: &[&str], legend: &str) -> Pattern {
        let mut parts = vec![self.text(&format!("{}metrics.", self.settings.metrics.prefix)), PatternPart::Any(None)];
        for node in nodes {
            parts.push(PatternPart::Text(".".to_owned()));
            parts.push(match *node {
                "*" => PatternPart::Any(None),
                node if node.contains(',') => PatternPart::OneOf(node.split(',').map(str::to_owned).collect()),
                node => PatternPart::Text(safe(node)),
            });
        }
        Pattern { parts, legend: legend.to_owned() }
    }

    /// How many nodes stand before `metrics`.
    pub(super) fn prefix_nodes(&self) -> usize {
        self.slashed(&self.settings.metrics.prefix).matches('.').count()
    }

    /// One metric.
    pub(super) fn one(&self, name: &str) -> String {
        match &self.settings.metrics.tags[..] {
            [] => self.slashed(name),
            tags => by_tag(&format!("name={name}"), tags),
        }
    }

    /// The expression that gives all metrics of a pattern.
    pub(super) fn all(&self, pattern: &Pattern) -> String {
        match &self.settings.metrics.tags[..] {
            [] => pattern.glob(),
            tags => by_tag(&format!("name=~^{}$", pattern.regex("[^.]+", ":regex", false)), tags),
        }
    }

    /// What two fields of a symbol make together, `%` for what both names begin with: of each symbol by
    /// itself, so that no other's value gets into it. `None` where the names do not part behind the
    /// symbol, or where points have tags.
    pub(super) fn by_symbol(
        &self,
        feed: &Feed,
        [a, b]: [&str; 2],
        make: impl Fn(&str, &str) -> String,
    ) -> Option<String> {
        let first = self.field(feed, &[a], true);
        let last = first.parts.iter().rposition(|part| matches!(part, PatternPart::Any(_)))?;
        let is_apart = matches!(first.parts.get(last + 1), Some(PatternPart::Text(text)) if text.starts_with('.'));
        if !is_apart || !self.settings.metrics.tags.is_empty() {
            return None;
        }
        let of = |parts: &[PatternPart]| Pattern { parts: parts.to_vec(), legend: String::new() }.glob();
        let node = of(&first.parts[..=last]).matches('.').count();
        let rest = |field| format!("%{}", of(&self.field(feed, &[field], true).parts[last + 1..]));
        Some(format!("applyByNode({}, {node}, '{}')", first.glob(), make(&rest(a), &rest(b))))
    }

    /// Gives what an expression made of a pattern's metrics the names that a legend should show.
    #[allow(clippy::unused_self, reason = "reads as a pair with `all`")]
    pub(super) fn named(&self, pattern: &Pattern, expression: &str) -> String {
        // What functions were applied stands around the name, and tags behind it.
        let name = pattern.regex("[^.,;() ]+", "", true);
        format!("aliasSub({expression}, '^(?:.*[(,])?{name}.*', '{}')", pattern.legend)
    }

    /// The variables of a feed.
    pub(super) fn variables(&self, feed: &Feed) -> Vec<Variable> {
        let pattern = self.field(feed, &[feed.fields.first().map_or("last", |field| field.as_str())], false);
        let words = words(&feed.names);
        let tags = &self.settings.metrics.tags;
        let places = pattern.parts.iter().enumerate().filter(|(_, part)| **part == PatternPart::Any(None));
        let mut variables: Vec<Variable> = Vec::new();
        for ((place, _), word) in places.zip(words) {
            let name = variable_name(&feed.name, word);
            if variables.iter().any(|variable| variable.name == name) {
                continue;
            }
            let label = format!("{} {word}", feed.name);
            variables.push(if tags.is_empty() {
                let (query, regex) = pattern.find(place);
                Variable { name, label, query, regex, all: "*" }
            } else {
                let whole = pattern.regex("[^.]+", "", false);
                let filters = tags.join(",");
                let query = format!("tag_values(name,name=~^{whole}$,{filters})");
                Variable { name, label, query, regex: pattern.capture(place, 0), all: "[^.]+" }
            });
        }
        variables
    }

    fn text(&self, text: &str) -> PatternPart {
        PatternPart::Text(self.slashed(text))
    }

    /// Carbon makes a directory of what stands before a `/`, so that it is a node of its own; where
    /// points have tags it does not.
    fn slashed(&self, text: &str) -> String {
        let is_carbon = self.settings.destination.as_ref().is_some_and(Destination::is_carbon);
        if self.settings.metrics.tags.is_empty() && is_carbon { text.replace('/', ".") } else { text.to_owned() }
    }
}

impl Pattern {
    fn glob(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                PatternPart::Text(text) => out.push_str(text),
                PatternPart::Any(None) => out.push('*'),
                PatternPart::Any(Some(variable)) => _ = write!(out, "${{{variable}}}"),
                PatternPart::OneOf(words) => _ = write!(out, "{{{}}}", words.join(",")),
            }
        }
        out
    }

    /// As a regular expression, in which `any` stands for what differs, or a variable in this format.
    fn regex(&self, any: &str, format: &str, is_capturing: bool) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                PatternPart::Text(text) => out.push_str(&escaped(text)),
                PatternPart::Any(_) if is_capturing => _ = write!(out, "({any})"),
                PatternPart::Any(None) => out.push_str(any),
                PatternPart::Any(Some(variable)) => _ = write!(out, "${{{variable}{format}}}"),
                PatternPart::OneOf(words) => _ = write!(out, "({})", words.join("|")),
            }
        }
        out
    }

    /// What finds the nodes in which this part stands, and a regular expression that takes it out of
    /// such a node.
    fn find(&self, place: usize) -> (String, String) {
        let before = Self { parts: self.parts[..place].to_vec(), legend: String::new() }.glob();
        // The node begins after the last dot before the part, and ends at the first one after it.
        let begins =
            self.parts[..place].iter().rposition(|part| matches!(part, PatternPart::Text(text) if text.contains('.')));
        let ends =
            self.parts[place..].iter().position(|part| matches!(part, PatternPart::Text(text) if text.contains('.')));
        let (mut query, mut node) = (before, self.clone());
        let last = ends.map_or(self.parts.len(), |ends| place + ends + 1);
        node.parts.truncate(last);
        if let (Some(_), Some(PatternPart::Text(text))) = (ends, node.parts.last_mut()) {
            text.truncate(text.find('.').unwrap_or(text.len()));
        }
        query.push_str(&Self { parts: node.parts[place..].to_vec(), legend: String::new() }.glob());
        let first = begins.unwrap_or(0);
        if let (Some(_), PatternPart::Text(text)) = (begins, &mut node.parts[first]) {
            *text = text[text.rfind('.').map_or(0, |at| at + 1)..].to_owned();
        }
        let is_alone =
            node.parts[first..].iter().all(|part| !matches!(part, PatternPart::Text(text) if !text.is_empty()));
        let is_only = node.parts[first..].iter().filter(|part| !matches!(part, PatternPart::Text(_))).count() == 1;
        (query, if is_alone && is_only { String::new() } else { node.capture(place, first) })
    }

    /// A regular expression of JavaScript whose one group is the part at `place`; the parts from
    /// `first` on are what it is matched with.
    fn capture(&self, place: usize, first: usize) -> String {
        let mut out = String::from("/^");
        for (at, part) in self.parts.iter().enumerate().skip(first) {
            match part {
                PatternPart::Text(text) => out.push_str(&escaped(text).replace('/', "\\/")),
                PatternPart::Any(_) if at == place => out.push_str("([^.]+)"),
                PatternPart::Any(_) => out.push_str("[^.]+"),
                PatternPart::OneOf(words) => _ = write!(out, "(?:{})", words.join("|")),
            }
        }
        out + "$/"
    }
}

/// The words of the parts that differ from symbol to symbol, in their order.
fn words(names: &NameTemplate) -> Vec<&'static str> {
    let word = |part: &NamePart| match part {
        NamePart::Symbol => Some("symbol"),
        NamePart::Base => Some("base"),
        NamePart::Quote => Some("quote"),
        NamePart::Text(_) | NamePart::Feed | NamePart::Field => None,
    };
    names.parts().iter().filter_map(word).collect()
}

/// A variable's name has letters, digits and `_` only.
fn variable_name(feed: &str, word: &str) -> String {
    format!("{}_{word}", feed.replace('-', "__"))
}

/// A node of a name.
pub(super) fn safe(text: &str) -> String {
    let mut node = String::new();
    push_node(&mut node, text);
    node
}

fn by_tag(name: &str, tags: &[String]) -> String {
    let filters = std::iter::once(name).chain(tags.iter().map(String::as_str)).map(|filter| {
        // Graphite's strings have no escapes, but two kinds of quotation marks.
        if filter.contains('\'') { format!("\"{filter}\"") } else { format!("'{filter}'") }
    });
    format!("seriesByTag({})", filters.collect::<Vec<_>>().join(", "))
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '/') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
