//! Faults in the body of a complete reply.

use super::fetch::{QUOTES, Row};
use crate::support::Reply;

pub(crate) const HEAD: &str = "\
## Bodies

The same with complete replies whose body is wrong. The readable parts are used.

| fault | message | exit, alone | exit, beside another feed | requests | status | quotes |
| --- | --- | --- | --- | --- | --- | --- |
";

/// A reply with these rows.
fn rows(rows: &str) -> Reply {
    Reply::json(format!(r#"{{"rows":{{{rows}}}}}"#))
}

/// A last price of BTC as it stands in JSON, and a good one of ETH.
fn last(value: &str) -> Reply {
    rows(&format!(r#""BTC":{{"last":{value}}},"ETH":{{"last":3120.55}}"#))
}

fn deep() -> String {
    "[".repeat(100_000) + &"]".repeat(100_000)
}

fn long() -> String {
    "x".repeat(10_000_000)
}

/// A long text that must be decoded because of its first character.
fn turned() -> String {
    format!("\\n{}", "x".repeat(15_000_000))
}

/// A long text of escape sequences only.
fn escaped() -> String {
    "\\u0041".repeat(15_000_000 / 6)
}

/// The longest body that is accepted, filled with bytes that are not UTF-8.
fn no_text(before: &str, after: &str) -> Reply {
    let noise = vec![0xff; (16 << 20) - before.len() - after.len()];
    Reply::json([before.as_bytes(), &noise, after.as_bytes()].concat())
}

pub(crate) const ROWS: &[Row] = &[
    Row::answer("empty", |_| Reply::json("")),
    Row::answer("HTML", |_| Reply::text(200, "<!DOCTYPE html>\n<title>Just a moment...\u{1b}[2J\u{9b}2J</title>")),
    Row::answer("no JSON", |_| Reply::json("Service unavailable")),
    Row::answer("truncated", |_| Reply::json(&QUOTES[..QUOTES.len() - 2])),
    Row::answer("something after the end", |_| Reply::json(format!("{QUOTES}x"))),
    Row::answer("another root", |_| Reply::json("[1,2]")),
    Row::answer("rows that are a number", |_| Reply::json(r#"{"rows":7}"#)),
    Row::answer("no rows", |_| rows("")),
    Row::answer("its own words", |_| {
        Reply::json(r#"{"error":"under maintenance\u001b]0;x\u0007\u202e\u2028","rows":{}}"#)
    }),
    Row::answer("100,000 levels, as root", |_| Reply::json(deep())),
    Row::answer("100,000 levels, as rows", |_| Reply::json(format!(r#"{{"rows":{}}}"#, deep()))),
    Row::answer("100,000 levels, as a row", |_| rows(&format!(r#""BTC":{},"ETH":{{"last":3120.55}}"#, deep()))),
    Row::answer("100,000 levels, as a price", |_| last(&deep())),
    Row::answer("100,000 levels, as words", |_| Reply::json(format!(r#"{{"error":{},"rows":{{}}}}"#, deep()))),
    Row::answer("100,000 levels that do not end", |_| Reply::json("{\"rows\":".repeat(100_000))),
    Row::answer("no UTF-8, beside what counts", |_| {
        Reply::json([&b"{\"\xff\xfe\":\"\xc3\","[..], &QUOTES.as_bytes()[1..]].concat())
    }),
    Row::answer("no UTF-8, as a price", |_| {
        Reply::json(b"{\"rows\":{\"BTC\":{\"last\":\"1\xff\"},\"ETH\":{\"last\":5}}}")
    }),
    Row::answer("no UTF-8, 16 MiB of it", |_| no_text(r#"{"error":""#, r#""}"#)),
    Row::answer("no UTF-8, and nothing else", |_| Reply::json(vec![0xff; 1 << 20])),
    Row::answer("a name that comes twice", |_| rows(r#""BTC":{"last":1,"last":2},"BTC":{"last":3},"ETH":{"last":4}"#)),
    Row::answer("10 MB, as a price", |_| last(&format!("\"{}\"", long()))),
    Row::answer("10 MB, as a number", |_| last(&"9".repeat(10_000_000))),
    Row::answer("10 MB, as a name", |_| {
        rows(&format!(r#""{}":{{"last":1}},"BTC":{{"last":1}},"ETH":{{"last":1}}"#, long()))
    }),
    Row::answer("10 MB, as words", |_| Reply::json(format!(r#"{{"error":"{}","rows":{{}}}}"#, long()))),
    Row::answer("10 MB, as words about a symbol", |_| {
        rows(&format!(r#""BTC":{{"oops":"{}"}},"ETH":{{"last":1}}"#, long()))
    }),
    Row::answer("15 MB after an escape, as a price", |_| last(&format!("\"{}\"", turned()))),
    Row::answer("15 MB after an escape, as a name", |_| {
        rows(&format!(r#""{}":{{"last":1}},"BTC":{{"last":1}},"ETH":{{"last":1}}"#, turned()))
    }),
    Row::answer("15 MB after an escape, as words", |_| {
        Reply::json(format!(r#"{{"error":"{}","rows":{{}}}}"#, turned()))
    }),
    Row::answer("15 MB of escapes, as a price", |_| last(&format!("\"{}\"", escaped()))),
    Row::answer("100,000 rows", |_| {
        let others: Vec<_> = (0..100_000).map(|at| format!("\"{at}\":0")).collect();
        rows(&format!(r#"{},"BTC":{{"last":1}},"ETH":{{"last":1}}"#, others.join(",")))
    }),
    Row::answer("a huge exponent", |_| last("1e999999999999")),
    Row::answer("a huge exponent of another sign", |_| last("1e-999999999999")),
    Row::answer("above what a float holds", |_| last("1e309")),
    Row::answer("NaN as text", |_| last("\"NaN\"")),
    Row::answer("NaN as it is", |_| last("NaN")),
    Row::answer("infinity as it is", |_| last("-Infinity")),
    Row::answer("a byte order mark", |_| Reply::json([b"\xef\xbb\xbf", QUOTES.as_bytes()].concat())),
    Row::answer("16 MiB of rows with an error", |_| {
        let row = format!(r#""BTC":{{"oops":"{}"}},"#, "no ".repeat(100));
        rows(&format!(r#"{}"ETH":{{"last":1}}"#, row.repeat((16 << 20) / row.len() - 2)))
    }),
    Row::answer("infinity as text", |_| last("\"-Infinity\"")),
    Row::answer("zero", |_| last("0.000")),
    Row::answer("below zero", |_| last("-5")),
    Row::answer("null", |_| last("null")),
    Row::answer("an empty text", |_| last("\"\"")),
    Row::answer("an object", |_| last("{}")),
    Row::answer("names with a newline, `;`, NUL and `../`", |_| {
        rows(r#""BTC\n":{"last":1},"BTC;a=b":{"last":2},"BTC\u0000":{"last":3},"../BTC":{"last":4},"ETH":{"last":5}"#)
    }),
    Row::answer("words with a newline, `;`, NUL and `../`", |_| {
        rows(r#""BTC":{"oops":"a\n\r;b=\"c\" 5\u0000../\u001b[31m\u009b\u202e\u2028"},"ETH":{"last":5}"#)
    }),
];
