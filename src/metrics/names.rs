//! Names of metrics, made from a template.

use crate::market::symbol::{Symbol, push_node};
use crate::util::placeholder::{Segment, split};
use crate::util::suggest::did_you_mean;

/// How the metrics of a feed are named, for example `{feed}.{symbol}.{field}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NameTemplate {
    parts: Vec<NamePart>,
    /// The index of the one part that is the field.
    field: usize,
}

/// A part of a metric name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NamePart {
    /// Text of the template itself.
    Text(String),
    /// The feed, as one node.
    Feed,
    /// The symbol, as one node.
    Symbol,
    /// The base of a pair, as one node.
    Base,
    /// The quote of a pair, as one node.
    Quote,
    /// The field.
    Field,
}

impl NameTemplate {
    /// The template of feeds that have none of their own.
    pub(crate) const DEFAULT: &str = "{feed}.{symbol}.{field}";

    /// Reads a template. Its own characters go into names as they are, so they must be fit for
    /// Graphite.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let part = |segment| match segment {
            Segment::Text(text) => Ok(NamePart::Text(text.to_owned())),
            Segment::Placeholder("feed") => Ok(NamePart::Feed),
            Segment::Placeholder("symbol") => Ok(NamePart::Symbol),
            Segment::Placeholder("base") => Ok(NamePart::Base),
            Segment::Placeholder("quote") => Ok(NamePart::Quote),
            Segment::Placeholder("field") => Ok(NamePart::Field),
            Segment::Placeholder(name) => {
                let suggestion = did_you_mean(name, ["feed", "symbol", "base", "quote", "field"]);
                Err(format!("placeholder {{{name}}} is not known{suggestion}"))
            }
        };
        let parts = split(text)?.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        let mut fields = (0..parts.len()).filter(|index| parts[*index] == NamePart::Field);
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err("must have {field} once".into());
        };
        // A placeholder becomes a word.
        let word = |part: &NamePart| match part {
            NamePart::Text(text) => text.clone(),
            _ => "x".to_owned(),
        };
        let literal: String = parts.iter().map(word).collect();
        check_literal(&literal)?;
        if literal.starts_with("metrics.") {
            return Err("must not begin with \"metrics.\", where the run's own health goes".into());
        }
        Ok(Self { parts, field })
    }

    /// The parts of a name, in order.
    pub(crate) fn parts(&self) -> &[NamePart] {
        &self.parts
    }

    /// Whether names have a `/`, of which Carbon makes a directory.
    pub(crate) fn has_slash(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, NamePart::Text(text) if text.contains('/')))
    }

    /// Whether names hold the quote of a symbol, so that every symbol needs one.
    pub(crate) fn has_quote(&self) -> bool {
        self.parts.contains(&NamePart::Quote)
    }

    /// The name of one metric.
    pub(crate) fn name(&self, prefix: &str, feed: &str, symbol: &Symbol, field: &str) -> String {
        let mut name = prefix.to_owned();
        push_parts(&mut name, &self.parts[..self.field], feed, symbol);
        name.push_str(field);
        push_parts(&mut name, &self.parts[self.field + 1..], feed, symbol);
        name
    }

    /// What the names of a feed have in common.
    pub(crate) fn of_feed(&self, prefix: &str, feed: &str) -> FeedNames {
        let prefix = NamePart::Text(prefix.to_owned());
        let before = with_text(std::iter::once(&prefix).chain(&self.parts[..self.field]), feed);
        FeedNames { before, after: with_text(&self.parts[self.field + 1..], feed) }
    }

    /// The names of all symbols of a feed, without their fields.
    pub(crate) fn affixes(&self, prefix: &str, feed: &str, symbols: &[Symbol]) -> NameAffixes {
        let names = self.of_feed(prefix, feed);
        let mut affixes = NameAffixes { text: String::new(), ends: Vec::with_capacity(symbols.len()) };
        for symbol in symbols {
            let prefix_end = names.push(&mut affixes.text, symbol);
            affixes.ends.push((prefix_end, affixes.text.len()));
        }
        affixes
    }
}

/// The parts of a feed's names. Prefix and feed are the same in every name, so they are put together once.
pub(crate) struct FeedNames {
    /// What stands before the field.
    before: Vec<NamePart>,
    /// What stands after it.
    after: Vec<NamePart>,
}

impl FeedNames {
    /// Appends a symbol's name without the field. Returns where the field belongs.
    pub(crate) fn push(&self, text: &mut String, symbol: &Symbol) -> usize {
        // The feed is a text by now.
        push_parts(text, &self.before, "", symbol);
        let field = text.len();
        push_parts(text, &self.after, "", symbol);
        field
    }
}

/// The same parts with the feed as text, and neighbouring texts joined.
fn with_text<'a>(parts: impl IntoIterator<Item = &'a NamePart>, feed: &str) -> Vec<NamePart> {
    let mut joined: Vec<NamePart> = Vec::new();
    for part in parts {
        let text = match part {
            NamePart::Text(text) => text.clone(),
            NamePart::Feed => {
                let mut node = String::new();
                push_node(&mut node, feed);
                node
            }
            other => {
                joined.push(other.clone());
                continue;
            }
        };
        match joined.last_mut() {
            Some(NamePart::Text(before)) => before.push_str(&text),
            _ => joined.push(NamePart::Text(text)),
        }
    }
    joined
}

/// Appends what stands before the field in a name, or after it.
fn push_parts(name: &mut String, parts: &[NamePart], feed: &str, symbol: &Symbol) {
    for part in parts {
        match part {
            NamePart::Text(text) => name.push_str(text),
            NamePart::Feed => push_node(name, feed),
            NamePart::Symbol => symbol.push_node(name),
            NamePart::Base => push_node(name, symbol.base()),
            NamePart::Quote => push_node(name, symbol.quote().unwrap_or_default()),
            NamePart::Field => {}
        }
    }
}

/// The names of a feed's metrics without their fields: what stands before the field, and what stands
/// after it. All of them lie in one text, one after the other, as there may be many.
#[derive(Clone, Debug)]
pub(crate) struct NameAffixes {
    text: String,
    /// For each symbol, where the prefix of its names ends, and where their suffix ends.
    ends: Vec<(usize, usize)>,
}

impl NameAffixes {
    /// Prefix and suffix of the names of the symbol at `index`.
    ///
    /// # Panics
    /// When there is no such symbol.
    pub(crate) fn get(&self, index: usize) -> (&str, &str) {
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (prefix_end, end) = self.ends[index];
        (&self.text[begin..prefix_end], &self.text[prefix_end..end])
    }
}

/// Checks what a person puts into metric names: a prefix, or the text between placeholders. Graphite stores any character,
/// but not all can be asked for: [graphite-web](https://github.com/graphite-project/graphite-web/blob/master/webapp/graphite/render/grammar.py)
/// and [Grafana Cloud](https://github.com/go-graphite/carbonapi/blob/main/pkg/parser/parser.go) each leave some out.
///
/// # Errors
/// A text that says which character cannot stand there, or that a node is empty.
pub(crate) fn check_literal(text: &str) -> Result<(), String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-:#%@+&$^<>/".contains(c);
    if let Some(bad) = text.chars().find(|c| !is_fit(*c)) {
        return Err(format!("{bad:?} cannot stand in a metric name"));
    }
    if text.starts_with('.') || text.ends_with('.') || text.contains("..") {
        return Err("must not begin or end with a dot, or have two in a row".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(template: &str, symbol: &str) -> String {
        NameTemplate::parse(template).unwrap().name("", "crypto", &Symbol::new(symbol).unwrap(), "last")
    }

    #[test]
    fn names_follow_their_template() {
        assert_eq!(name(NameTemplate::DEFAULT, "BTC/USD"), "crypto.BTC-USD.last");
        assert_eq!(name("{feed}.{base}/{quote}-{field}", "BTC/USD"), "crypto.BTC/USD-last");
        assert_eq!(name("x.{quote}.{base}.{field}", "BRK.B"), "x..BRK-B.last");
        assert_eq!(name("{field}.{symbol}", "BRK.B"), "last.BRK-B");
    }

    #[test]
    fn what_names_need_is_known() {
        let template = |text: &str| NameTemplate::parse(text).unwrap();
        assert!(template("a/{field}").has_slash() && !template("{symbol}.{field}").has_slash());
        assert!(template("{quote}.{field}").has_quote() && !template("{symbol}.{field}").has_quote());
    }

    #[test]
    fn affixes_are_names_without_the_field() {
        let symbols = ["BTC/USD", "BRK.B"].map(|text| Symbol::new(text).unwrap());
        let affixes = NameTemplate::parse("{feed}.{field}-{symbol}").unwrap().affixes("p.", "a.b", &symbols);
        assert_eq!((affixes.get(0), affixes.get(1)), (("p.a-b.", "-BTC-USD"), ("p.a-b.", "-BRK-B")));
    }

    #[test]
    fn templates_that_break_names_are_refused() {
        for text in [
            "{feed}.{symbol}",
            "{sym}.{field}",
            "{feed} {field}",
            "{feed};{field}",
            ".{field}",
            "{field}.",
            "{feed}..{field}",
            "{field",
            "metrics.{field}",
            "{field}{field}",
            "{{x}}.{field}",
        ] {
            assert!(NameTemplate::parse(text).is_err(), "{text}");
        }
    }
}
