//! Points as JSON, and what either of Grafana Cloud's two servers answers.
//!
//! The older server (tsdb-gw) answers `{"Invalid":0,"Published":2,"ValidationErrors":{}}` and takes
//! the good points of a batch; the current one (the write proxy of
//! <https://github.com/grafana/mimir-graphite>) answers `{"published":2}` and refuses a batch whole.

use crate::metrics::batch::{Batch, Point};
use crate::util::sanitize::excerpt;
use serde_json::Value;
use std::ops::Range;

/// Points in a request at most: as many as carbon-relay-ng, Grafana's own client, sends
/// (<https://github.com/grafana/carbon-relay-ng>).
pub(super) const MAX_POINTS: usize = 5_000;
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
    let interval = format!("\",\"interval\":{},\"value\":", batch.interval);
    let mut ending = (None, String::new());
    for Point { name, value, time } in batch.range(range.start..range.start + most) {
        let before = json.len();
        if ending.0 != Some(time) {
            // Nearly all points of a batch have one time.
            ending = (Some(time), format!(",\"time\":{time}{tags}}}{NEXT}"));
        }
        for part in [name.as_bytes(), interval.as_bytes(), value.as_bytes(), ending.1.as_bytes()] {
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

/// What an ingest says it did with a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Published {
    /// How many points it took.
    pub(crate) count: usize,
    /// Points it refused: the index in the request, if it tells, and why.
    pub(crate) refused: Vec<(Option<usize>, String)>,
}

/// Reads a reply with a good status. `None` if it is not the reply of an ingest, whatever its status
/// says.
pub(super) fn read(body: &[u8]) -> Option<Published> {
    let reply: Value = serde_json::from_slice(body).ok()?;
    let count = usize::try_from(member(&reply, "published")?.as_u64()?).ok()?;
    let mut published = Published { count, refused: Vec::new() };
    let errors = member(&reply, "validationerrors").and_then(Value::as_object);
    for (reason, error) in errors.into_iter().flatten() {
        let examples: Vec<usize> = member(error, "exampleids")
            .and_then(Value::as_array)
            .map(|ids| ids.iter().filter_map(|id| usize::try_from(id.as_u64()?).ok()).collect())
            .unwrap_or_default();
        let of_them = member(error, "count").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        let unnamed = of_them.unwrap_or(examples.len()).min(MAX_POINTS).saturating_sub(examples.len());
        let reason = excerpt(reason);
        published.refused.extend(examples.into_iter().map(|id| (Some(id), reason.clone())));
        published.refused.extend((0..unnamed).map(|_| (None, reason.clone())));
    }
    Some(published)
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The whole batch as a dry run prints it: the body of each request, one a line.
pub(in crate::delivery::graphite) fn render(batch: &Batch) -> String {
    let mut out = String::new();
    let mut next = 0;
    while next < batch.len() {
        let (json, count) = encode(batch, next..batch.len());
        out.push_str(&String::from_utf8_lossy(&json));
        out.push('\n');
        next += count;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!(read(br#"{"published":3}"#), Some(Published { count: 3, refused: vec![] }));
        let reply =
            br#"{"Invalid":2,"Published":1,"ValidationErrors":{"name cannot be empty":{"Count":2,"ExampleIds":[4]}}}"#;
        let reason = "name cannot be empty".to_owned();
        let refused = vec![(Some(4), reason.clone()), (None, reason)];
        assert_eq!(read(reply), Some(Published { count: 1, refused }));
    }

    #[test]
    fn any_other_reply_of_an_ingest_is_no_success() {
        for body in
            ["", "<html>", "[]", "{}", "null", r#"{"published":"3"}"#, r#"{"published":-1}"#, r#"{"status":"ok"}"#]
        {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
    }
}
