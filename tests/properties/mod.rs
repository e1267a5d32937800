//! What must hold of every input that comes from outside, whatever is in it. `fuzz/` looks for an
//! input of which it does not, and `tests/fuzz_seeds.rs` tries the seeds of that search.
//!
//! An input is bytes, and a text as far as possible, so that a seed can be written by hand: what
//! one looks like is said at each property.

mod carbon;
mod config;
mod definition;
mod journal;
mod names;
mod push;
mod reply;

/// A property: it panics when it does not hold.
pub(crate) type Property = fn(&[u8]);

/// All of them, by the names of their fuzz targets.
pub(crate) const ALL: [(&str, Property); 7] = [
    ("carbon", carbon::check),
    ("config", config::check),
    ("definition", definition::check),
    ("journal", journal::check),
    ("names", names::check),
    ("push", push::check),
    ("reply", reply::check),
];

/// A key that must never be shown. Percent-encoding, JSON and base64 spell it in other ways.
const SECRET: &str = "s3ntinel/K+y";
/// The other ways.
const SECRET_SPELLED: [&str; 3] = ["s3ntinel%2FK%2By", "s3ntinel\\/K+y", "czNudGluZWwvSyt5"];

/// Checks that a text can be shown to anybody at any terminal.
fn assert_harmless(message: &str) {
    let bad = message.chars().find(|c| c.is_control());
    assert!(bad.is_none(), "{bad:?} in {message:?}");
    assert_hidden(message);
}

/// Checks that the secret is not in a text.
fn assert_hidden(text: &str) {
    let shown = [SECRET].iter().chain(&SECRET_SPELLED).any(|spelling| text.contains(spelling));
    assert!(!shown, "the secret is in {text:?}");
}

/// The first line of an input, and the rest. What is no UTF-8 in the line is replaced.
fn first_line(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    (String::from_utf8_lossy(&data[..end]).into_owned(), data.get(end + 1..).unwrap_or_default())
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
