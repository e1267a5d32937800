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
}

impl FoundRows {
    /// Counts a row.
    pub(super) fn count(&mut self) {
        self.count += 1;
    }

    /// Keeps the name of a row of the reply to `request`, if it is one of the first.
    pub(super) fn add_name(&mut self, request: &Request, name: &str) {
        if self.names.len() < MAX_NAMES && self.looks < MAX_LOOKS {
            self.looks += 1;
            let name = request.excerpt(name);
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    /// Adds the rows of another reply.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
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
        format!("{rows} {place}{names}")
    }
}

#[cfg(test)]
mod tests {
    use crate::provider::testing::read_reply;

    fn describe(rows: &str, body: &str) -> String {
        let text = format!("[[quote]]\npath = '/?s={{symbols}}'\n{rows}\nfields = {{ last = '/l' }}\n");
        let pointer = if rows.contains("/data") { "/data" } else { "" };
        read_reply(&text, &["A"], body).unwrap().found.describe(pointer)
    }

    #[test]
    fn rows_are_counted_and_the_first_ones_named() {
        assert_eq!(describe("rows = '/data'", r#"{"data":{}}"#), "no rows at \"/data\"");
        assert_eq!(describe("", r#"{"B":{"l":1}}"#), "none among 1 row in the reply (B)");
        let four = r#"{"B":{"l":1},"C":1,"D":null,"E":{}}"#;
        assert_eq!(describe("", four), "none among 4 rows in the reply (B, C, D, ...)");
        let keyed = r#"[{"s":"B"},{"l":2},{"s":"\u001b[2J"}]"#;
        assert_eq!(describe("key = '/s'", keyed), "none among 3 rows in the reply (B, \\u{1b}[2J, ...)");
    }
}
