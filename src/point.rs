//! Points: names, values, times; and the batch of a run.

use crate::number::Number;
use crate::placeholder::{Piece, split};
use crate::suggest::did_you_mean;
use crate::symbol::{Symbol, push_node};
use std::ops::Range;

/// How a metric is named: `{feed}.{symbol}.{field}` with other words, order or separators.
#[derive(Clone, Debug, PartialEq)]
pub struct Names(Vec<Part>);

/// A part of a metric name.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Stands as it is.
    Text(String),
    /// The feed, as one node.
    Feed,
    /// The symbol, as one node.
    Symbol,
    /// The base of a pair.
    Base,
    /// The quote of a pair.
    Quote,
    /// The field.
    Field,
}

impl Names {
    /// How metrics are named unless somebody says otherwise.
    pub const DEFAULT: &str = "{feed}.{symbol}.{field}";

    /// Reads a template of names. Its own characters are kept, so they must be fit for Graphite.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let part = |piece| match piece {
            Piece::Text(text) => Ok(Part::Text(text.to_owned())),
            Piece::Placeholder("feed") => Ok(Part::Feed),
            Piece::Placeholder("symbol") => Ok(Part::Symbol),
            Piece::Placeholder("base") => Ok(Part::Base),
            Piece::Placeholder("quote") => Ok(Part::Quote),
            Piece::Placeholder("field") => Ok(Part::Field),
            Piece::Placeholder(name) => {
                let near = did_you_mean(name, ["feed", "symbol", "base", "quote", "field"]);
                Err(format!("placeholder {{{name}}} is not known{near}"))
            }
        };
        let parts = split(text)?.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        if parts.iter().filter(|part| **part == Part::Field).count() != 1 {
            return Err("must have {field} once".into());
        }
        check_own_characters(&text.replace(['{', '}'], ""))?;
        if text.starts_with("metrics.") {
            return Err("must not begin with \"metrics.\", where the run's own health goes".into());
        }
        Ok(Self(parts))
    }

    /// Whether a name holds a `/`, which Carbon makes a directory of.
    pub fn has_slash(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Text(text) if text.contains('/')))
    }

    /// What a name consists of.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Whether a symbol's quote stands in a name, so that it needs one.
    pub fn has_quote(&self) -> bool {
        self.0.contains(&Part::Quote)
    }

    /// The names of all symbols of a feed, with what stands before every name.
    pub fn stems(&self, prefix: &str, feed: &str, symbols: &[Symbol]) -> Stems {
        let names = self.of_feed(prefix, feed);
        let mut stems = Stems { text: String::new(), ends: Vec::with_capacity(symbols.len()) };
        let mut after = String::new();
        for symbol in symbols {
            after.clear();
            names.around(&mut stems.text, &mut after, feed, symbol);
            let before_ends = stems.text.len();
            stems.text.push_str(&after);
            stems.ends.push((before_ends, stems.text.len()));
        }
        stems
    }

    /// These names with a prefix and the feed as text, so that both are put together only once.
    fn of_feed(&self, prefix: &str, feed: &str) -> Self {
        let mut node = String::new();
        push_node(&mut node, feed);
        let mut parts = vec![Part::Text(prefix.to_owned())];
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => text,
                Part::Feed => &node,
                other => {
                    parts.push(other.clone());
                    continue;
                }
            };
            match parts.last_mut() {
                Some(Part::Text(before)) => before.push_str(text),
                _ => parts.push(Part::Text(text.clone())),
            }
        }
        Self(parts)
    }

    /// Appends what stands before and after the field in the names of a symbol.
    pub fn around(&self, before: &mut String, after: &mut String, feed: &str, symbol: &Symbol) {
        let mut out = before;
        let mut after = Some(after);
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Feed => push_node(out, feed),
                Part::Symbol => symbol.push_node(out),
                Part::Base => push_node(out, symbol.base()),
                Part::Quote => push_node(out, symbol.quote().unwrap_or_default()),
                Part::Field => out = after.take().unwrap_or(out),
            }
        }
    }
}

/// The names of a feed's metrics, but for their fields. They lie in one text one after the other.
#[derive(Clone, Debug)]
pub struct Stems {
    text: String,
    /// For each symbol, where what stands before the field ends, and what stands after it.
    ends: Vec<(usize, usize)>,
}

impl Stems {
    /// What stands before and after the field in the names of the symbol at this index.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(&self, at: usize) -> (&str, &str) {
        let begins = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
        let (before_ends, ends) = self.ends[at];
        (&self.text[begins..before_ends], &self.text[before_ends..ends])
    }
}

/// Checks what a person puts into metric names: a prefix, or the text between placeholders.
///
/// # Errors
/// A text that says which character cannot stand there, or that a node is empty.
pub fn check_own_characters(text: &str) -> Result<(), String> {
    if let Some(bad) = text
        .chars()
        .find(|c| !c.is_ascii_graphic() || matches!(c, ';' | '"' | '\\' | '*' | '?' | '[' | ']' | '{' | '}'))
    {
        return Err(format!("{bad:?} cannot stand in a metric name"));
    }
    if text.starts_with('.') || text.ends_with('.') || text.contains("..") {
        return Err("must not begin or end with a dot, or have two in a row".into());
    }
    Ok(())
}

/// The points of a run: one time and one interval for all, and the same tags.
///
/// Names lie in one text one after the other, so that a point costs no allocation of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Seconds between two runs.
    pub interval: u32,
    /// `key=value` each.
    pub tags: Vec<String>,
    names: String,
    points: Vec<Record>,
    /// The times, each with the index of the first point that has it: nearly all have one time.
    times: Vec<(usize, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    value: Number,
    name_ends: usize,
}

/// A point of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Its value.
    pub value: Number,
    /// Unix seconds.
    pub time: i64,
}

impl Batch {
    /// A batch without points.
    pub fn new(interval: u32, tags: Vec<String>) -> Self {
        Self { interval, tags, ..Self::default() }
    }

    /// Makes room for so many more points.
    pub fn reserve(&mut self, points: usize) {
        const NAME: usize = 32;
        self.points.reserve(points);
        self.names.reserve(points * NAME);
    }

    /// Adds a point; `name` appends the name to the text it is given.
    pub fn push(&mut self, name: impl FnOnce(&mut String), value: Number, time: i64) {
        name(&mut self.names);
        if self.times.last().is_none_or(|(_, last)| *last != time) {
            self.times.push((self.points.len(), time));
        }
        self.points.push(Record { value, name_ends: self.names.len() });
    }

    /// The points of these ranges.
    ///
    /// # Panics
    /// When a range is not within the batch.
    #[must_use]
    pub fn part(&self, ranges: &[Range<usize>]) -> Self {
        let mut part = Self::new(self.interval, self.tags.clone());
        for point in ranges.iter().cloned().flat_map(|range| self.range(range)) {
            part.push(|out| out.push_str(point.name), point.value, point.time);
        }
        part
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The point at `index`.
    ///
    /// # Panics
    /// When there is none.
    pub fn point(&self, index: usize) -> Point<'_> {
        let record = self.points[index];
        let name = &self.names[self.name_begins(index)..record.name_ends];
        Point { name, value: record.value, time: self.time(index).0 }
    }

    fn name_begins(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.points[before].name_ends)
    }

    /// The time of a point, and the index up to which it is that of the next points too.
    fn time(&self, index: usize) -> (i64, usize) {
        let next = self.times.partition_point(|(first, _)| *first <= index);
        (self.times[next - 1].1, self.times.get(next).map_or(self.len(), |(first, _)| *first))
    }

    /// The points in their order.
    pub fn iter(&self) -> impl Iterator<Item = Point<'_>> {
        self.range(0..self.len())
    }

    /// The points of a range.
    ///
    /// # Panics
    /// When it is not within the batch.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = Point<'_>> {
        let mut begins = self.name_begins(range.start);
        let (mut time, mut time_ends) = (0, range.start);
        self.points[range.clone()].iter().zip(range).map(move |(record, index)| {
            if index == time_ends {
                (time, time_ends) = self.time(index);
            }
            let name = &self.names[begins..record.name_ends];
            begins = record.name_ends;
            Point { name, value: record.value, time }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(template: &str, symbol: &str) -> String {
        let (mut before, mut after) = (String::new(), String::new());
        let symbol = Symbol::new(symbol).unwrap();
        Names::parse(template).unwrap().around(&mut before, &mut after, "crypto", &symbol);
        format!("{before}last{after}")
    }

    #[test]
    fn names_follow_their_template() {
        assert_eq!(name(Names::DEFAULT, "BTC/USD"), "crypto.BTC-USD.last");
        assert_eq!(name("{feed}.{base}/{quote}-{field}", "BTC/USD"), "crypto.BTC/USD-last");
        assert_eq!(name("x.{quote}.{base}.{field}", "BRK.B"), "x..BRK-B.last");
        assert_eq!(name("{field}.{symbol}", "BRK.B"), "last.BRK-B");
        let symbols = ["BTC/USD", "BRK.B"].map(|text| Symbol::new(text).unwrap());
        let stems = Names::parse("{feed}.{field}-{symbol}").unwrap().stems("p.", "a.b", &symbols);
        assert_eq!((stems.of(0), stems.of(1)), (("p.a-b.", "-BTC-USD"), ("p.a-b.", "-BRK-B")));
    }

    #[test]
    fn templates_that_break_names_are_refused() {
        for text in [
            "{feed}.{sym}",
            "{feed} {symbol}",
            "{feed};{field}",
            ".{feed}",
            "{feed}..{field}",
            "{feed",
            "metrics.{symbol}",
            "{field}{field}",
        ] {
            assert!(Names::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_batch_gives_back_its_points() {
        let mut batch = Batch::new(60, vec![]);
        let number = |text| Number::parse(text).unwrap();
        batch.push(|out| out.push_str("a.b"), number("1"), 5);
        batch.push(|out| out.push('c'), number("0E-7"), 6);
        let points: Vec<_> = batch.iter().collect();
        assert_eq!(points[0], Point { name: "a.b", value: number("1"), time: 5 });
        assert_eq!(points[1], Point { name: "c", value: number("0E-7"), time: 6 });
        let ranges: [Range<usize>; 2] = [1..2, 0..1];
        assert_eq!(batch.part(&ranges).iter().map(|point| point.name).collect::<Vec<_>>(), ["c", "a.b"]);
    }
}
