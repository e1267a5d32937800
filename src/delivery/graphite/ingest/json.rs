//! Points as JSON, and what either of Grafana Cloud's two servers answers.
//!
//! The older server (tsdb-gw) answers `{"Invalid":0,"Published":2,"ValidationErrors":{}}` and takes
//! the good points of a batch; the current one (the write proxy of
//! <https://github.com/grafana/mimir-graphite>) answers `{"published":2}` and refuses a batch whole.

use crate::metrics::batch::{Batch, Point};
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Range;

/// Points in a request at most: as many as carbon-relay-ng, Grafana's own client, sends
/// (<https://github.com/grafana/carbon-relay-ng>).
pub(in crate::delivery::graphite) const MAX_POINTS: usize = 5_000;
/// Bytes in a request at most.
const MAX_BYTES: usize = 1 << 20;

/// The text between a point and the name of the next one.
const NEXT: &str = ",{\"name\":\"";

/// The first points of `range` as a JSON array, as many as fit in one request. Also returns how many
/// that is, at least one.
///
/// Time and interval are integers and the value is a finite number: both servers refuse a batch whole
/// for anything else, and store a null as zero. Names hold nothing that JSON would escape, which was
/// checked where they were read.
pub(super) fn encode(batch: &Batch, range: Range<usize>) -> (Vec<u8>, usize) {
    let tags =
        if batch.tags.is_empty() { String::new() } else { format!(",\"tags\":{}", Value::from(batch.tags.clone())) };
    // Requests of equal size need the least memory.
    let most = range.len().div_ceil(range.len().div_ceil(MAX_POINTS).max(1));
    let mut json = Vec::with_capacity((most * (100 + tags.len())).min(MAX_BYTES + 4096));
    json.extend_from_slice(b"[{\"name\":\"");
    let mut count = 0;
    // Nearly all points of a batch have one time and one interval.
    let (mut last, mut middle, mut ending) = (None, String::new(), String::new());
    for Point { name, value, time, interval } in batch.range(range.start..range.start + most) {
        let before = json.len();
        if last != Some((time, interval)) {
            last = Some((time, interval));
            middle = format!("\",\"interval\":{interval},\"value\":");
            ending = format!(",\"time\":{time}{tags}}}{NEXT}");
        }
        for part in [name.as_bytes(), middle.as_bytes(), value.as_bytes(), ending.as_bytes()] {
            json.extend_from_slice(part);
        }
        if json.len() > MAX_BYTES && count > 0 {
            json.truncate(before);
            break;
        }
        count += 1;
    }
    // The text that would begin another point.
    json.truncate(if count > 0 { json.len() - NEXT.len() } else { 1 });
    json.push(b']');
    (json, count)
}

/// Where the group of points ends that is cut into the next requests, of `most` points each. If the first time in `range`
/// has many points, they are the group, as requests of one time can go side by side. Else all of the range is.
pub(super) fn end_of_group(batch: &Batch, range: &Range<usize>, most: usize) -> usize {
    let end = batch.end_of_time(range.start).min(range.end);
    // Nearly every run has a few points of another time, which take a request of their own then. Two requests side by
    // side do not make up for it, as one of them has to open its connection.
    if end - range.start > 2 * most { end } else { range.end }
}

/// What an ingest says it did with a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Published {
    /// How many points it took.
    pub(crate) count: usize,
    /// Points that it names as refused: the index in the request, and why.
    pub(crate) refused: Vec<(usize, String)>,
}

/// Reads the reply to a request with this many points, if its status is good. `None` if it is not the reply
/// of an ingest, whatever its status says. `show` makes words of it fit for a message.
///
/// Of a reply nothing is built but what is asked for, and of that no more than there are points: a few bytes
/// can claim any number of errors.
pub(super) fn read(body: &str, points: usize, show: impl Fn(&str) -> String) -> Option<Published> {
    let (mut count, mut refused) = (None, Vec::new());
    for_each_member(body, |name, value| match name.to_ascii_lowercase().as_str() {
        "published" => count = value.parse().ok(),
        "validationerrors" => {
            let _ = for_each_member(value, |reason, error| add_refused(&mut refused, || show(&reason), error, points));
        }
        _ => {}
    })?;
    Some(Published { count: count?, refused })
}

/// Adds the points of one validation error: `{"Count":2,"ExampleIds":[4]}`. Those that are not among the
/// examples stay unknown.
fn add_refused(refused: &mut Vec<(usize, String)>, reason: impl Fn() -> String, error: &str, points: usize) {
    let _ = for_each_member(error, |name, value| {
        if name.eq_ignore_ascii_case("exampleids") {
            let left = points.saturating_sub(refused.len());
            let ids = value.trim_matches(['[', ']']).split(',').filter_map(|id| id.trim().parse().ok());
            let ids: Vec<usize> = ids.take(left).collect();
            if !ids.is_empty() {
                let reason = reason();
                refused.extend(ids.into_iter().map(|id| (id, reason.clone())));
            }
        }
    });
}

/// Calls `visit` with the name and the JSON text of each member of an object. `None` if the text is no object.
fn for_each_member(json: &str, visit: impl FnMut(String, &str)) -> Option<()> {
    struct Members<F>(F);

    impl<'de, F: FnMut(String, &str)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                (self.0)(name, value.get());
            }
            Ok(())
        }
    }

    let mut json = serde_json::Deserializer::from_str(json);
    json.deserialize_map(Members(visit)).ok()?;
    json.end().ok()
}

/// The whole batch as a dry run prints it: the body of each request, one a line.
pub(in crate::delivery::graphite) fn render(batch: &Batch) -> String {
    let mut out = String::new();
    let mut next = 0;
    while next < batch.len() {
        let end = end_of_group(batch, &(next..batch.len()), MAX_POINTS);
        while next < end {
            let (json, count) = encode(batch, next..end);
            out.push_str(&String::from_utf8_lossy(&json));
            out.push('\n');
            next += count;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, points: usize) -> Option<Published> {
        super::read(body, points, str::to_owned)
    }

    use crate::market::number::Number;
    use std::fmt::Write;

    fn batch(count: usize) -> Batch {
        let mut batch = Batch::new(60, vec!["env=ho\"me".into()]);
        for index in 0..count {
            let _ = Number::parse("0E-7")
                .map(|value| batch.push(|out| write!(out, "a.b{index}").unwrap(), value, 1_700_000_000));
        }
        batch
    }

    #[test]
    fn points_are_encoded_as_json() {
        let (json, count) = encode(&batch(2), 0..2);
        let expected = r#"[{"name":"a.b0","interval":60,"value":0E-7,"time":1700000000,"tags":["env=ho\"me"]},{"name":"a.b1","interval":60,"value":0E-7,"time":1700000000,"tags":["env=ho\"me"]}]"#;
        assert_eq!((String::from_utf8(json).unwrap().as_str(), count), (expected, 2));
        assert_eq!(encode(&batch(0), 0..0).0, b"[]");
    }

    #[test]
    fn an_ingest_request_is_bounded_in_points_and_bytes() {
        let batch = batch(12_000);
        assert_eq!([0, 4_000, 11_999].map(|start| encode(&batch, start..12_000).1), [4_000, 4_000, 1]);
        let mut long = Batch::new(60, vec![]);
        for _ in 0..3 {
            let value = Number::parse("1").unwrap();
            long.push(|out| out.push_str(&"n".repeat(600_000)), value, 1);
        }
        let (json, count) = encode(&long, 0..3);
        assert!(count == 1 && json.len() < MAX_BYTES);
        assert_eq!(render(&long).lines().count(), 3);
    }

    #[test]
    fn replies_of_both_ingest_servers_are_read() {
        assert_eq!(read(r#"{"published":3}"#, 3), Some(Published { count: 3, refused: vec![] }));
        let reply =
            r#"{"Invalid":2,"Published":1,"ValidationErrors":{"name cannot be empty":{"Count":2,"ExampleIds":[4]}}}"#;
        let reason = "name cannot be empty".to_owned();
        let refused = vec![(4, reason)];
        assert_eq!(read(reply, 3), Some(Published { count: 1, refused }));
    }

    #[test]
    fn any_other_reply_of_an_ingest_is_no_success() {
        for body in
            ["", "<html>", "[]", "{}", "null", r#"{"published":"3"}"#, r#"{"published":-1}"#, r#"{"status":"ok"}"#]
        {
            assert_eq!(read(body, 1), None, "{body}");
        }
    }

    #[test]
    fn what_is_made_of_a_reply_is_bounded_by_the_request() {
        let errors: Vec<String> = (0..5_000).map(|error| format!(r#""r{error}":{{"count":5000}}"#)).collect();
        let reply = format!(r#"{{"published":0,"validationerrors":{{{}}}}}"#, errors.join(","));
        assert_eq!(read(&reply, 3).unwrap().refused.len(), 0, "none is named");
        let ids = vec!["0"; 100_000].join(",");
        let reply = format!(r#"{{"published":0,"validationerrors":{{"r":{{"exampleids":[{ids}]}}}}}}"#);
        assert_eq!(read(&reply, 3).unwrap().refused.len(), 3);
        let none = r#"{"published":2,"validationerrors":{"r":null,"s":[],"t":{"count":"x","exampleids":{"a":[1]}}}}"#;
        assert_eq!(read(none, 2), Some(Published { count: 2, refused: vec![] }));
    }
}
