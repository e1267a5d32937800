//! Patterns of metric names: as a glob for Graphite, and as regular expressions for Graphite's tags,
//! for legends, and for Grafana's template variables.

use std::fmt::Write as _;

/// A part of the metric names that a pattern matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PatternPart {
    /// This text, which may have dots.
    Literal(String),
    /// Any text without a dot.
    Wildcard,
    /// The values that the user of the dashboard chose for the template variable of this name.
    Variable(String),
    /// One of these texts. If there is only one, it is in the legend all the same.
    OneOf(Vec<String>),
}

/// A pattern that matches the names of metrics that belong together.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The parts in their order.
    pub(super) parts: Vec<PatternPart>,
    /// The legend of each series: the replacement text of `aliasSub`, in which `\1` is the text of the
    /// first part that is not literal, `\2` that of the second, and so on.
    pub(super) legend: String,
}

impl Pattern {
    /// The pattern as a path with wildcards: `crypto.*.{bid,ask}`
    /// (<https://graphite.readthedocs.io/en/latest/render_api.html#paths-and-wildcards>).
    pub(super) fn glob(&self) -> String {
        glob(&self.parts)
    }

    /// The pattern as a regular expression for the tag `name` of tagged series:
    /// `crypto\.[^.]+\.(bid|ask)`. Grafana escapes the values of variables that are written
    /// `${variable:regex}`.
    pub(super) fn tag_regex(&self) -> String {
        let text = |part: &PatternPart| match part {
            PatternPart::Literal(text) => escape_regex(text),
            PatternPart::Wildcard => "[^.]+".to_owned(),
            PatternPart::Variable(name) => format!("${{{name}:regex}}"),
            PatternPart::OneOf(texts) => format!("({})", texts.join("|")),
        };
        self.parts.iter().map(text).collect()
    }

    /// The target that gives the series of `target` their legends. `target` is made from the metrics of
    /// this pattern
    /// (<https://graphite.readthedocs.io/en/latest/functions.html#graphite.render.functions.aliasSub>).
    pub(super) fn with_legend(&self, target: &str) -> String {
        let text = |part: &PatternPart| match part {
            PatternPart::Literal(text) => escape_regex(text),
            PatternPart::Wildcard | PatternPart::Variable(_) => "([^.,;() ]+)".to_owned(),
            PatternPart::OneOf(texts) => format!("({})", texts.join("|")),
        };
        let name: String = self.parts.iter().map(text).collect();
        // Graphite puts functions around the name, and tags after it.
        format!("aliasSub({target}, '^(?:.*[(,])?{name}.*', '{}')", self.legend)
    }

    /// How the values of the part at `index` are found by a search of nodes: the glob of the node that
    /// holds the part, and the regular expression that takes the part out of the node's text. The
    /// regular expression is empty if the part is the whole node.
    pub(super) fn node_search(&self, index: usize) -> (String, String) {
        let has_dot = |part: &PatternPart| matches!(part, PatternPart::Literal(text) if text.contains('.'));
        // The node begins after the last dot before the part, and ends at the first dot after it.
        let first = self.parts[..index].iter().rposition(has_dot);
        let last = self.parts[index..].iter().position(has_dot).map(|offset| index + offset);
        let mut parts = self.parts[..last.map_or(self.parts.len(), |last| last + 1)].to_vec();
        if let Some(PatternPart::Literal(text)) = last.and_then(|last| parts.get_mut(last)) {
            text.truncate(text.find('.').unwrap_or(text.len()));
        }
        let search = glob(&parts);
        let mut node = parts.split_off(first.unwrap_or(0));
        if let (Some(_), Some(PatternPart::Literal(text))) = (first, node.first_mut()) {
            *text = text.rsplit('.').next().unwrap_or_default().to_owned();
        }
        let is_whole_node = node.iter().filter(|part| **part != PatternPart::Literal(String::new())).count() == 1;
        let regex = if is_whole_node { String::new() } else { capture_regex(&node, index - first.unwrap_or(0)) };
        (search, regex)
    }

    /// The regular expression that takes the part at `index` out of a whole metric name.
    pub(super) fn capture_regex(&self, index: usize) -> String {
        capture_regex(&self.parts, index)
    }
}

/// Parts of a pattern as a path with wildcards.
pub(super) fn glob(parts: &[PatternPart]) -> String {
    let mut glob = String::new();
    for part in parts {
        match part {
            PatternPart::Literal(text) => glob.push_str(text),
            PatternPart::Wildcard => glob.push('*'),
            PatternPart::Variable(name) => _ = write!(glob, "${{{name}}}"),
            PatternPart::OneOf(texts) if texts.len() == 1 => glob.push_str(&texts[0]),
            PatternPart::OneOf(texts) => _ = write!(glob, "{{{}}}", texts.join(",")),
        }
    }
    glob
}

/// A regular expression as Grafana's variables take it, in JavaScript's notation. Its one group is the
/// part at `index`.
fn capture_regex(parts: &[PatternPart], index: usize) -> String {
    let text = |(position, part): (usize, &PatternPart)| match part {
        PatternPart::Literal(text) => escape_regex(text).replace('/', "\\/"),
        PatternPart::OneOf(texts) => format!("(?:{})", texts.join("|")),
        PatternPart::Wildcard | PatternPart::Variable(_) if position == index => "([^.]+)".to_owned(),
        PatternPart::Wildcard | PatternPart::Variable(_) => "[^.]+".to_owned(),
    };
    format!("/^{}$/", parts.iter().enumerate().map(text).collect::<String>())
}

fn escape_regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '/') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> PatternPart {
        PatternPart::Literal(text.to_owned())
    }

    /// `home.crypto.{base}/{quote}-bid.x`
    fn pair_pattern() -> Pattern {
        let parts = vec![
            literal("home.crypto."),
            PatternPart::Wildcard,
            literal("/"),
            PatternPart::Wildcard,
            literal("-bid.x"),
        ];
        Pattern { parts, legend: r"\1/\2".to_owned() }
    }

    #[test]
    fn a_pattern_is_spelled_as_glob_and_as_tag_regex() {
        let fields = PatternPart::OneOf(vec!["bid".to_owned(), "ask".to_owned()]);
        let variable = PatternPart::Variable("crypto_symbol".to_owned());
        let parts = vec![literal("crypto."), variable, literal("."), PatternPart::Wildcard, literal("."), fields];
        let pattern = Pattern { parts, legend: String::new() };
        assert_eq!(pattern.glob(), "crypto.${crypto_symbol}.*.{bid,ask}");
        assert_eq!(pattern.tag_regex(), r"crypto\.${crypto_symbol:regex}\.[^.]+\.(bid|ask)");
    }

    #[test]
    fn a_legend_is_taken_from_the_parts_that_are_not_literal() {
        let expected = r"aliasSub(a(b), '^(?:.*[(,])?home\.crypto\.([^.,;() ]+)/([^.,;() ]+)-bid\.x.*', '\1/\2')";
        assert_eq!(pair_pattern().with_legend("a(b)"), expected);
    }

    #[test]
    fn a_node_search_takes_a_part_out_of_its_node() {
        let (glob, regex) = pair_pattern().node_search(3);
        assert_eq!((&*glob, &*regex), ("home.crypto.*/*-bid", r"/^[^.]+\/([^.]+)-bid$/"));
        let whole_name = pair_pattern().capture_regex(1);
        assert_eq!(whole_name, r"/^home\.crypto\.([^.]+)\/[^.]+-bid\.x$/");
    }

    #[test]
    fn a_node_search_needs_no_regex_for_a_part_that_is_a_whole_node() {
        let parts = vec![literal("crypto."), PatternPart::Wildcard, literal(".last")];
        let (glob, regex) = Pattern { parts, legend: String::new() }.node_search(1);
        assert_eq!((&*glob, &*regex), ("crypto.*", ""));
    }
}
