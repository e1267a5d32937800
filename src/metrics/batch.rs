//! The points of a run.

use crate::market::number::Number;
use std::ops::Range;

/// The points of a run. They have the same tags, and nearly all have one time and one interval.
///
/// All names lie in one text, one after the other, so that a point needs no allocation of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// The tags of every point, `key=value` each.
    pub(crate) tags: Vec<String>,
    /// The interval of the points that are added next.
    interval: u32,
    names: String,
    points: Vec<Record>,
    /// The times and intervals, each pair with the index of the first point that has it.
    spans: Vec<Span>,
    /// How many earlier runs saw a point refused alone, for the points of which there is one. Sorted.
    refusals: Vec<(usize, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    value: Number,
    name_ends: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    first: usize,
    time: i64,
    interval: u32,
}

/// A point of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point<'a> {
    /// The metric's name.
    pub(crate) name: &'a str,
    /// Its value.
    pub(crate) value: Number,
    /// Unix seconds.
    pub(crate) time: i64,
    /// Seconds between two points of the metric, as Graphite is told.
    pub(crate) interval: u32,
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.tags == other.tags && self.refusals == other.refusals && self.iter().eq(other.iter())
    }
}

impl Batch {
    /// An empty batch. `interval` is that of the points that are added next.
    pub(crate) fn new(interval: u32, tags: Vec<String>) -> Self {
        Self { tags, interval, ..Self::default() }
    }

    /// Sets the interval of the points that are added next.
    pub(crate) fn set_interval(&mut self, interval: u32) {
        self.interval = interval;
    }

    /// Reserves memory for this many more points.
    pub(crate) fn reserve(&mut self, points: usize) {
        const USUAL_NAME: usize = 32;
        self.points.reserve(points);
        self.names.reserve(points * USUAL_NAME);
    }

    /// Adds a point. `push_name` appends its name to the text of all names. `time` is in Unix seconds.
    pub(crate) fn push(&mut self, push_name: impl FnOnce(&mut String), value: Number, time: i64) {
        push_name(&mut self.names);
        if self.spans.last().is_none_or(|span| (span.time, span.interval) != (time, self.interval)) {
            self.spans.push(Span { first: self.points.len(), time, interval: self.interval });
        }
        self.points.push(Record { value, name_ends: self.names.len() });
    }

    /// How many earlier runs saw the point at `index` refused alone.
    pub(crate) fn refusals(&self, index: usize) -> u32 {
        let found = self.refusals.binary_search_by_key(&index, |(index, _)| *index);
        found.map_or(0, |found| self.refusals[found].1)
    }

    /// Whether an earlier run saw one of the points refused alone.
    pub(crate) fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// Sets how many runs saw the point at `index` refused alone.
    pub(crate) fn set_refusals(&mut self, index: usize, refusals: u32) {
        match self.refusals.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(found) => self.refusals[found].1 = refusals,
            Err(place) => self.refusals.insert(place, (index, refusals)),
        }
    }

    /// A batch of the points of these ranges.
    ///
    /// # Panics
    /// When a range is outside the batch.
    #[must_use]
    pub(crate) fn part(&self, ranges: &[Range<usize>]) -> Self {
        let mut part = Self::new(self.interval, self.tags.clone());
        for range in ranges {
            for (index, point) in range.clone().zip(self.range(range.clone())) {
                part.set_interval(point.interval);
                part.push(|out| out.push_str(point.name), point.value, point.time);
                match self.refusals(index) {
                    0 => {}
                    refusals => part.set_refusals(part.len() - 1, refusals),
                }
            }
        }
        part
    }

    /// Adds the points of another batch. They get the tags of this one.
    pub(crate) fn append(&mut self, other: &Self) {
        let (names, points) = (self.names.len(), self.points.len());
        self.names.push_str(&other.names);
        let moved = |record: &Record| Record { name_ends: names + record.name_ends, ..*record };
        self.points.extend(other.points.iter().map(moved));
        self.spans.extend(other.spans.iter().map(|span| Span { first: points + span.first, ..*span }));
        self.refusals.extend(other.refusals.iter().map(|(index, refusals)| (points + index, *refusals)));
        self.interval = other.interval;
    }

    /// How many points there are.
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are no points.
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The point at `index`.
    ///
    /// # Panics
    /// When there is no such point.
    pub(crate) fn point(&self, index: usize) -> Point<'_> {
        let record = self.points[index];
        let name = &self.names[self.name_begins(index)..record.name_ends];
        let (Span { time, interval, .. }, _) = self.span(index);
        Point { name, value: record.value, time, interval }
    }

    fn name_begins(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.points[before].name_ends)
    }

    /// The span of the point at `index`, and the index of the first point after it.
    fn span(&self, index: usize) -> (Span, usize) {
        let next = self.spans.partition_point(|span| span.first <= index);
        (self.spans[next - 1], self.spans.get(next).map_or(self.len(), |span| span.first))
    }

    /// The index after the last of the points that follow the one at `index` without another time between.
    ///
    /// # Panics
    /// When there is no such point.
    pub(crate) fn end_of_time(&self, index: usize) -> usize {
        let next = self.spans.partition_point(|span| span.first <= index);
        let time = self.spans[next - 1].time;
        self.spans[next..].iter().find(|span| span.time != time).map_or(self.len(), |span| span.first)
    }

    /// All points in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Point<'_>> {
        self.range(0..self.len())
    }

    /// The points of a range.
    ///
    /// # Panics
    /// When it is outside the batch.
    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = Point<'_>> {
        let mut begins = self.name_begins(range.start);
        let (mut time, mut interval, mut span_ends) = (0, 0, range.start);
        self.points[range.clone()].iter().zip(range).map(move |(record, index)| {
            if index == span_ends {
                let span;
                (span, span_ends) = self.span(index);
                (time, interval) = (span.time, span.interval);
            }
            let name = &self.names[begins..record.name_ends];
            begins = record.name_ends;
            Point { name, value: record.value, time, interval }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_back_its_points() {
        let mut batch = Batch::new(60, vec![]);
        let number = |text| Number::parse(text).unwrap();
        batch.push(|out| out.push_str("a.b"), number("1"), 5);
        batch.set_interval(300);
        batch.push(|out| out.push('c'), number("0E-7"), 5);
        let points: Vec<_> = batch.iter().collect();
        assert_eq!(points[0], Point { name: "a.b", value: number("1"), time: 5, interval: 60 });
        assert_eq!(points[1], Point { name: "c", value: number("0E-7"), time: 5, interval: 300 });
        let ranges: [Range<usize>; 2] = [1..2, 0..1];
        assert_eq!(batch.part(&ranges).iter().map(|point| point.name).collect::<Vec<_>>(), ["c", "a.b"]);
    }

    #[test]
    fn a_part_of_a_batch_keeps_intervals_and_refusals() {
        let mut batch = Batch::new(60, vec![]);
        for index in 0..4 {
            batch.set_interval(60 + index);
            batch.push(|out| out.push('a'), Number::parse("1").unwrap(), 5);
        }
        batch.set_refusals(2, 1);
        batch.set_refusals(1, 3);
        batch.set_refusals(2, 2);
        let part = batch.part(&[3..4, 1..3]);
        assert_eq!(part.iter().map(|point| point.interval).collect::<Vec<_>>(), [63, 61, 62]);
        assert_eq!([0, 1, 2].map(|index| part.refusals(index)), [0, 3, 2]);
        assert!(part.has_refusals() && !batch.part(&[3..4, 0..1]).has_refusals());
    }

    #[test]
    fn time_ends_where_the_next_one_begins_whatever_the_interval() {
        let mut batch = Batch::new(60, vec![]);
        for (index, time) in [5, 5, 5, 7, 5].into_iter().enumerate() {
            batch.set_interval(if index == 1 { 300 } else { 60 });
            batch.push(|out| out.push('a'), Number::parse("1").unwrap(), time);
        }
        assert_eq!([0, 1, 2, 3, 4].map(|index| batch.end_of_time(index)), [3, 3, 3, 4, 5]);
    }

    #[test]
    fn joined_batches_keep_all_that_belongs_to_their_points() {
        let batch = |first: i64| {
            let mut batch = Batch::new(60, vec![]);
            for index in 0..3 {
                let name = format!("{}", first + index);
                batch.set_interval(u32::try_from(first + index).unwrap());
                batch.push(|out| out.push_str(&name), Number::parse(&name).unwrap(), first + index);
            }
            batch.set_refusals(1, u32::try_from(first).unwrap());
            batch
        };
        let mut joined = batch(10);
        joined.append(&Batch::default());
        joined.append(&batch(20));
        joined.push(|out| out.push_str("30"), Number::parse("30").unwrap(), 22);
        let parts = [0..3, 3..6].map(|range| joined.part(std::slice::from_ref(&range)));
        assert_eq!(parts, [batch(10), batch(20)]);
        let last = joined.point(6);
        assert_eq!((last.name, last.time, last.interval, joined.len()), ("30", 22, 22, 7));
    }
}
