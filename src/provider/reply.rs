//! The bytes of a reply into quotes.

use super::json_walk::{ExtractSeed, PointerTrie, text};
use super::layout::Layout;
use super::request::{Plan, Query};
use super::rows::{Descend, Rows};
use crate::market::table::Table;
use crate::util::sanitize::{excerpt, sanitize};
use serde::de::DeserializeSeed;

/// What a reply says.
#[derive(Debug)]
pub(crate) struct Reply {
    /// A row for each symbol of the query, in the columns of the plan.
    pub(crate) values: Table,
    /// What the API says of single symbols: index in the feed, and text.
    pub(crate) row_errors: Vec<(usize, String)>,
    /// What the API says of the whole request. It is only read if a symbol is missing.
    pub(crate) error: Option<String>,
}

/// Why nothing of a reply can be used. The texts come from outside and are sanitized.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum ReplyError {
    /// No body, or only white space.
    #[error("the reply is empty")]
    Empty,
    /// A page for people: a gateway's error, a login, a captcha.
    #[error("the reply is HTML, not JSON: {0}")]
    Html(String),
    /// Truncated, or another format.
    #[error("the reply is not JSON ({reason}): {start}")]
    NotJson {
        /// What the parser says.
        reason: String,
        /// How the body begins.
        start: String,
    },
    /// JSON that has nothing where the rows should be.
    #[error("the reply has no rows at {pointer:?}: {start}")]
    NoRows {
        /// The definition's `rows`.
        pointer: String,
        /// How the body begins.
        start: String,
    },
    /// The API's own words.
    #[error("{0}")]
    Said(String),
}

impl Plan<'_> {
    /// Reads the body of a good reply to `query` that arrived at `received` (Unix seconds).
    ///
    /// # Errors
    /// When nothing of it can be used.
    pub(crate) fn read(&self, query: &Query<'_>, body: &str, received: f64) -> Result<Reply, ReplyError> {
        match body.trim_ascii_start().as_bytes().first() {
            None => return Err(ReplyError::Empty),
            Some(b'<') => return Err(ReplyError::Html(start(query, body))),
            Some(_) => {}
        }
        let values = Table::new(query.symbols.len(), self.columns.len());
        let reply = Reply { values, row_errors: Vec::new(), error: None };
        let Some(layout) = Layout::new(self, query) else { return Ok(reply) };
        let mut rows = Rows::new(self, query, &layout, received, reply);
        let mut json = serde_json::Deserializer::from_str(body);
        Descend { steps: &layout.rows, rows: &mut rows }
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| ReplyError::NotJson { reason: without_place(&error), start: start(query, body) })?;
        let (found_rows, mut reply) = (rows.found_rows, rows.reply);
        let filled = reply.values.filled();
        if filled < query.symbols.len() {
            reply.error = self.error_text(query, body).or(reply.error);
        }
        match reply.error {
            Some(error) if filled == 0 && reply.row_errors.is_empty() => Err(ReplyError::Said(error)),
            None if !found_rows => {
                Err(ReplyError::NoRows { pointer: query.endpoint.rows.as_str().to_owned(), start: start(query, body) })
            }
            _ => Ok(reply),
        }
    }

    /// What the API says in a reply whose status is an error: its own text, or how the body begins.
    pub(crate) fn read_error(&self, query: &Query<'_>, body: &str) -> String {
        let body_start = || sanitize(&query.request.mask(head(body)), MAX_ERROR_TEXT);
        self.error_text(query, body).unwrap_or_else(body_start)
    }

    fn error_text(&self, query: &Query<'_>, body: &str) -> Option<String> {
        let symbol = &self.symbols[*query.symbols.first()?];
        let mut trie = PointerTrie::default();
        for (slot, pointer) in query.endpoint.error.iter().enumerate() {
            trie.insert(&pointer.steps(&self.definition.spelling, symbol)?, slot);
        }
        let mut slots = vec![None; query.endpoint.error.len()];
        let mut json = serde_json::Deserializer::from_str(body);
        ExtractSeed { trie: &trie, slots: &mut slots, filter: None }.deserialize(&mut json).ok()?;
        let texts: Vec<String> = slots.into_iter().flatten().filter_map(|raw| error_string(query, raw.get())).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

/// Characters of an error text that are kept: enough to find in it what the definition says of a bad
/// symbol. A message shows less.
const MAX_ERROR_TEXT: usize = 4_000;

/// The text of an error. Only a string that is not empty counts, as many APIs always send one.
pub(super) fn error_string(query: &Query<'_>, raw: &str) -> Option<String> {
    let text = text(raw).filter(|text| raw.starts_with('"') && !text.trim().is_empty())?;
    Some(sanitize(&query.request.mask(head(&text)), MAX_ERROR_TEXT))
}

/// How a body begins. It is masked before it is cut, so that no part of a secret stays.
fn start(query: &Query<'_>, body: &str) -> String {
    excerpt(&query.request.mask(head(body)))
}

/// The beginning of a text: as much as may be shown, and enough more that no secret is cut within what
/// is shown.
fn head(text: &str) -> &str {
    let end = (0..=text.len().min(1 << 16)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn without_place(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}
