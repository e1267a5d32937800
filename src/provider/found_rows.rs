//! What a reply has where its rows should be, for messages about symbols without a row.

use crate::http::request::Request;
use crate::util::pluralize::pluralize;

/// So many names of rows are kept for a message.
const MAX_NAMES: usize = 3;

/// So many names are looked at, as all of millions of rows may have the same one.
const MAX_LOOKS: usize = 100;

/// How many rows a reply has, and the names of the first ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FoundRows {
    count: usize,
    names: Vec<String>,
    looks: usize,
    /// How the body begins, where no name tells what is there.
    start: String,
    /// Whether the body is a row itself.
    is_document: bool,
}

impl FoundRows {
    /// Counts a row.
    pub(super) fn count(&mut self) {
        self.count += 1;
    }

    /// Whether another name would be looked at.
    pub(super) fn wants_names(&self) -> bool {
        self.names.len() < MAX_NAMES && self.looks < MAX_LOOKS
    }

    /// Keeps the name of a row of the reply to `request`, if it is one of the first.
    pub(super) fn add_name(&mut self, request: &Request, name: &str) {
        if self.wants_names() {
            self.looks += 1;
            let name = request.excerpt(name);
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    /// Adds what is there instead of the rows that are wanted.
    pub(super) fn explain(&mut self, start: String, is_document: bool) {
        // An empty object or array says no more than that there are no rows.
        if self.names.is_empty() && start.len() > "{}".len() {
            self.start = start;
        }
        self.is_document = is_document;
    }

    /// Adds the rows of another reply.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        if self.start.is_empty() {
            self.start = other.start;
        }
        self.is_document |= other.is_document;
        self.names.extend(other.names);
        self.names.truncate(MAX_NAMES);
    }

    /// Where the rows were looked for, and what was there.
    pub(crate) fn describe(&self, pointer: &str) -> String {
        let place = if pointer.is_empty() { "in the reply".to_owned() } else { format!("at {pointer:?}") };
        let rows = match self.count {
            0 => "no rows".to_owned(),
            count => format!("none among {}", pluralize(count, "row")),
        };
        let more = if self.names.len() < self.count { ", ..." } else { "" };
        let names = if self.names.is_empty() { String::new() } else { format!(" ({}{more})", self.names.join(", ")) };
        let start = if names.is_empty() && !self.start.is_empty() { format!(": {}", self.start) } else { names };
        let hint = if self.is_document { "; what is there is a row itself: add document = true" } else { "" };
        format!("{rows} {place}{start}{hint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::read_reply;

    fn found(rows: &str, body: &str) -> FoundRows {
        let text = format!("[[quote]]\npath = '/?s={{symbols}}'\n{rows}\nfields = {{ last = '/l' }}\n");
        read_reply(&text, &["A"], body).unwrap().found
    }

    fn describe(rows: &str, body: &str) -> String {
        let pointer = if rows.contains("/data") { "/data" } else { "" };
        found(rows, body).describe(pointer)
    }

    #[test]
    fn rows_are_counted_and_the_first_ones_named() {
        assert_eq!(describe("rows = '/data'", r#"{"data":{}}"#), "no rows at \"/data\": {\"data\":{}}");
        assert_eq!(describe("", r#"{"B":{"l":1}}"#), "none among 1 row in the reply (B)");
        let four = r#"{"B":{"l":1},"C":1,"D":null,"E":{}}"#;
        assert_eq!(describe("", four), "none among 4 rows in the reply (B, C, D, ...)");
        let document = describe("rows = '/data'", r#"{"data":{"l":1,"n":2}}"#);
        let expected = "none among 2 rows at \"/data\" (l, n); what is there is a row itself: add document = true";
        assert_eq!(document, expected);
        assert_eq!(describe("key = '/k'", r#"[{"l":2}]"#), "none among 1 row in the reply: [{\"l\":2}]");
        let keyed = r#"[{"s":"B"},{"l":2},{"s":"\u001b[2J"}]"#;
        assert_eq!(describe("key = '/s'", keyed), "none among 3 rows in the reply (B, \\u{1b}[2J, ...)");
    }

    #[test]
    fn an_empty_reply_is_not_quoted_and_few_of_many_names_are_looked_at() {
        assert_eq!(describe("", "{}"), "no rows in the reply");
        let many = format!("[{}{{\"s\":\"C\"}}]", "{\"s\":\"B\"},".repeat(MAX_LOOKS));
        assert_eq!(describe("key = '/s'", &many), "none among 101 rows in the reply (B, ...)");
    }

    #[test]
    fn the_rows_of_several_replies_are_told_together() {
        let both = |rows: &str, one: &str, other: &str| {
            let mut sum = found(rows, one);
            sum.add(found(rows, other));
            sum.describe("")
        };
        assert_eq!(both("", r#"{"B":1}"#, r#"{"C":1}"#), "none among 2 rows in the reply (B, C)");
        let five = both("", r#"{"B":1,"C":1}"#, r#"{"D":1,"E":1,"F":1}"#);
        assert_eq!(five, "none among 5 rows in the reply (B, C, D, ...)");
        assert_eq!(both("key = '/k'", "[]", r#"[{"l":2}]"#), "none among 1 row in the reply: [{\"l\":2}]");
        assert_eq!(both("key = '/k'", r#"[{"k":"B"}]"#, r#"[{"l":2}]"#), "none among 2 rows in the reply (B, ...)");
        let (row, other) = (r#"{"l":2}"#, r#"{"B":1}"#);
        for (one, other) in [(row, row), (row, other), (other, row)] {
            assert!(both("", one, other).ends_with("; what is there is a row itself: add document = true"));
        }
    }
}
