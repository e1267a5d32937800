//! The points of a run.

use crate::market::number::Number;
use std::ops::Range;

/// The points of a run. They share one interval and the same tags, and nearly all have one time.
///
/// All names lie in one text, one after the other, so that a point needs no allocation of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Batch {
    /// Seconds between two points of a metric, as Graphite is told.
    pub(crate) interval: u32,
    /// The tags of every point, `key=value` each.
    pub(crate) tags: Vec<String>,
    names: String,
    points: Vec<Record>,
    /// The times, each with the index of the first point that has it.
    times: Vec<(usize, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    value: Number,
    name_ends: usize,
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
}

impl Batch {
    /// An empty batch.
    pub(crate) fn new(interval: u32, tags: Vec<String>) -> Self {
        Self { interval, tags, ..Self::default() }
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
        if self.times.last().is_none_or(|(_, last)| *last != time) {
            self.times.push((self.points.len(), time));
        }
        self.points.push(Record { value, name_ends: self.names.len() });
    }

    /// A batch of the points of these ranges.
    ///
    /// # Panics
    /// When a range is outside the batch.
    #[must_use]
    pub(crate) fn part(&self, ranges: &[Range<usize>]) -> Self {
        let mut part = Self::new(self.interval, self.tags.clone());
        for point in ranges.iter().cloned().flat_map(|range| self.range(range)) {
            part.push(|out| out.push_str(point.name), point.value, point.time);
        }
        part
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
        Point { name, value: record.value, time: self.time(index).0 }
    }

    fn name_begins(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.points[before].name_ends)
    }

    /// The time of the point at `index`, and the index of the first later point with another time.
    fn time(&self, index: usize) -> (i64, usize) {
        let next = self.times.partition_point(|(first, _)| *first <= index);
        (self.times[next - 1].1, self.times.get(next).map_or(self.len(), |(first, _)| *first))
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
