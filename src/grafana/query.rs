//! How Graphite is asked for what a run pushes: by globs, or by tags where points have some.

use crate::point::{Names, Part};
use crate::settings::{Feed, Settings, is_carbon};
use crate::symbol::push_node;
use std::fmt::Write as _;

/// A place in a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// Anything within a node, or the values of this variable of the dashboard; the legend shows it.
    Any(Option<String>),
    /// One of these.
    OneOf(Vec<String>),
}

/// The names of metrics that belong together.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pieces: Vec<Piece>,
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
            [one] => Piece::Text((*one).to_owned()),
            several => Piece::OneOf(several.iter().map(ToString::to_string).collect()),
        };
        let mut pieces = vec![self.text(&self.settings.graphite.prefix)];
        let (mut legend, mut marks, mut after_field) = (String::new(), 0, false);
        for part in feed.names.parts() {
            let any = |word| Piece::Any(with_variables.then(|| variable_name(&feed.name, word)));
            let piece = match part {
                Part::Text(text) => self.text(text),
                Part::Feed => Piece::Text(safe(&feed.name)),
                Part::Symbol => any("symbol"),
                Part::Base => any("base"),
                Part::Quote => any("quote"),
                Part::Field => field.clone(),
            };
            if !matches!(piece, Piece::Text(_)) {
                marks += 1;
                let is_field = *part == Part::Field;
                let separator = match (legend.is_empty(), is_field || after_field) {
                    (true, _) => "",
                    (false, true) => " ",
                    (false, false) => "/",
                };
                let _ = write!(legend, "{separator}\\{marks}");
                after_field = is_field;
            }
            pieces.push(piece);
        }
        if legend.is_empty() {
            legend.push_str(&feed.name);
        }
        Pattern { pieces, legend }
    }

    /// Points about runs: of any run, as several may push to one Graphite. A `*` stands for any node.
    pub(super) fn health(&self, nodes: &[&str], legend: &str) -> Pattern {
        let mut pieces = vec![self.text(&format!("{}metrics.", self.settings.graphite.prefix)), Piece::Any(None)];
        for node in nodes {
            pieces.push(Piece::Text(".".to_owned()));
            pieces.push(match *node {
                "*" => Piece::Any(None),
                node if node.contains(',') => Piece::OneOf(node.split(',').map(str::to_owned).collect()),
                node => Piece::Text(safe(node)),
            });
        }
        Pattern { pieces, legend: legend.to_owned() }
    }

    /// How many nodes stand before `metrics`.
    pub(super) fn prefix_nodes(&self) -> usize {
        self.slashed(&self.settings.graphite.prefix).matches('.').count()
    }

    /// One metric.
    pub(super) fn one(&self, name: &str) -> String {
        match &self.settings.graphite.tags[..] {
            [] => self.slashed(name),
            tags => by_tag(&format!("name={name}"), tags),
        }
    }

    /// The expression that gives all metrics of a pattern.
    pub(super) fn all(&self, pattern: &Pattern) -> String {
        match &self.settings.graphite.tags[..] {
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
        let last = first.pieces.iter().rposition(|piece| matches!(piece, Piece::Any(_)))?;
        let is_apart = matches!(first.pieces.get(last + 1), Some(Piece::Text(text)) if text.starts_with('.'));
        if !is_apart || !self.settings.graphite.tags.is_empty() {
            return None;
        }
        let of = |pieces: &[Piece]| Pattern { pieces: pieces.to_vec(), legend: String::new() }.glob();
        let node = of(&first.pieces[..=last]).matches('.').count();
        let rest = |field| format!("%{}", of(&self.field(feed, &[field], true).pieces[last + 1..]));
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
        let tags = &self.settings.graphite.tags;
        let places = pattern.pieces.iter().enumerate().filter(|(_, piece)| **piece == Piece::Any(None));
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

    fn text(&self, text: &str) -> Piece {
        Piece::Text(self.slashed(text))
    }

    /// Carbon makes a directory of what stands before a `/`, so that it is a node of its own; where
    /// points have tags it does not.
    fn slashed(&self, text: &str) -> String {
        let graphite = &self.settings.graphite;
        if graphite.tags.is_empty() && is_carbon(graphite.destination.as_ref()) {
            text.replace('/', ".")
        } else {
            text.to_owned()
        }
    }
}

impl Pattern {
    fn glob(&self) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Any(None) => out.push('*'),
                Piece::Any(Some(variable)) => _ = write!(out, "${{{variable}}}"),
                Piece::OneOf(words) => _ = write!(out, "{{{}}}", words.join(",")),
            }
        }
        out
    }

    /// As a regular expression, in which `any` stands for what differs, or a variable in this format.
    fn regex(&self, any: &str, format: &str, is_capturing: bool) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(&escaped(text)),
                Piece::Any(_) if is_capturing => _ = write!(out, "({any})"),
                Piece::Any(None) => out.push_str(any),
                Piece::Any(Some(variable)) => _ = write!(out, "${{{variable}{format}}}"),
                Piece::OneOf(words) => _ = write!(out, "({})", words.join("|")),
            }
        }
        out
    }

    /// What finds the nodes in which this piece stands, and a regular expression that takes it out of
    /// such a node.
    fn find(&self, place: usize) -> (String, String) {
        let before = Self { pieces: self.pieces[..place].to_vec(), legend: String::new() }.glob();
        // The node begins after the last dot before the piece, and ends at the first one after it.
        let begins =
            self.pieces[..place].iter().rposition(|piece| matches!(piece, Piece::Text(text) if text.contains('.')));
        let ends =
            self.pieces[place..].iter().position(|piece| matches!(piece, Piece::Text(text) if text.contains('.')));
        let (mut query, mut node) = (before, self.clone());
        let last = ends.map_or(self.pieces.len(), |ends| place + ends + 1);
        node.pieces.truncate(last);
        if let (Some(_), Some(Piece::Text(text))) = (ends, node.pieces.last_mut()) {
            text.truncate(text.find('.').unwrap_or(text.len()));
        }
        query.push_str(&Self { pieces: node.pieces[place..].to_vec(), legend: String::new() }.glob());
        let first = begins.unwrap_or(0);
        if let (Some(_), Piece::Text(text)) = (begins, &mut node.pieces[first]) {
            *text = text[text.rfind('.').map_or(0, |at| at + 1)..].to_owned();
        }
        let is_alone = node.pieces[first..].iter().all(|piece| !matches!(piece, Piece::Text(text) if !text.is_empty()));
        let is_only = node.pieces[first..].iter().filter(|piece| !matches!(piece, Piece::Text(_))).count() == 1;
        (query, if is_alone && is_only { String::new() } else { node.capture(place, first) })
    }

    /// A regular expression of JavaScript whose one group is the piece at `place`; the pieces from
    /// `first` on are what it is matched with.
    fn capture(&self, place: usize, first: usize) -> String {
        let mut out = String::from("/^");
        for (at, piece) in self.pieces.iter().enumerate().skip(first) {
            match piece {
                Piece::Text(text) => out.push_str(&escaped(text).replace('/', "\\/")),
                Piece::Any(_) if at == place => out.push_str("([^.]+)"),
                Piece::Any(_) => out.push_str("[^.]+"),
                Piece::OneOf(words) => _ = write!(out, "(?:{})", words.join("|")),
            }
        }
        out + "$/"
    }
}

/// The words of the pieces that differ from symbol to symbol, in their order.
fn words(names: &Names) -> Vec<&'static str> {
    let word = |part: &Part| match part {
        Part::Symbol => Some("symbol"),
        Part::Base => Some("base"),
        Part::Quote => Some("quote"),
        Part::Text(_) | Part::Feed | Part::Field => None,
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
