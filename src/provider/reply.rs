//! From the body of a reply to quotes.

use super::definition::{Endpoint, RowsShape};
use super::error_text::{ErrorText, error_text};
use super::found_rows::FoundRows;
use super::json::{JsonError, JsonReader};
use super::layout::Layout;
use super::pointer::Pointer;
use super::pointer_trie::PointerTrie;
use super::request::{Plan, Query};
use super::row_reader::{Detail, RowReader};
use super::rows::read_rows;
use crate::market::table::Table;
use crate::util::pluralize::pluralize;

/// What was read from a reply.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The values: a row for each symbol of the query, a column for each column of the plan.
    pub(crate) values: Table,
    /// The API's error texts about single symbols. Each has the index of its symbol in the feed.
    pub(crate) row_errors: Vec<(usize, String)>,
    /// The API's error text about the whole request. It is only read if a symbol has no values.
    pub(crate) error: Option<ErrorText>,
    /// For each symbol of the query whether there is a row, whatever is in it.
    pub(crate) has_row: Vec<bool>,
    /// The rows that the reply has, whatever their symbols.
    pub(crate) found: FoundRows,
    /// Why symbols that have a row have no value of the first column. Each has the index of its symbol in
    /// the feed.
    pub(crate) valueless: Vec<(usize, String)>,
}

/// Why nothing in a reply can be used. All texts from outside are sanitized.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum ReplyError {
    /// There is no body, or only white space.
    #[error("the reply is empty")]
    Empty,
    /// The body is a page for a browser: the error of a gateway, a login or a captcha.
    #[error("the reply is HTML, not JSON: {0}")]
    Html(String),
    /// The body is XML.
    #[error("the reply is XML, not JSON: {0}")]
    Xml(String),
    /// The body is truncated, or has another format.
    #[error("the reply is not JSON ({reason}): {start}")]
    NotJson {
        /// What is wrong.
        reason: JsonError,
        /// The beginning of the body.
        start: String,
    },
    /// The body is JSON and has nothing where the rows should be.
    #[error("the reply has no rows at {pointer:?}: {start}")]
    NoRows {
        /// The pointer to the rows.
        pointer: String,
        /// The beginning of the body.
        start: String,
    },
    /// The body is a list of symbols, and none of its rows has one.
    #[error("no symbol was found in {}: {start}", pluralize(*rows, "row"))]
    NoSymbols {
        /// How many rows there are.
        rows: usize,
        /// The beginning of the body.
        start: String,
    },
    /// The body has an error text of the API instead of rows.
    #[error("{0}")]
    ApiError(ErrorText),
}

impl Plan<'_> {
    /// Reads the body of a reply to `query` whose status is no error. `received` is when the reply
    /// arrived, in Unix seconds.
    ///
    /// # Errors
    /// When nothing in it can be used.
    pub(crate) fn read(&self, query: &Query<'_>, body: &str, received: f64) -> Result<Reply, ReplyError> {
        let start = || query.request.excerpt(body);
        query.check_body(body)?;
        let Some(layout) = Layout::new(self, query) else {
            let values = Table::new(query.symbols.len(), self.columns.len());
            let (row_errors, valueless, found) = (Vec::new(), Vec::new(), FoundRows::default());
            let has_row = vec![false; query.symbols.len()];
            return Ok(Reply { values, row_errors, error: None, has_row, found, valueless });
        };
        let mut reader = RowReader::new(self, query, &layout, received);
        let mut json = JsonReader::new(body);
        read_rows(&mut json, &layout.rows, &mut reader)
            .and_then(|()| json.end())
            .map_err(|reason| ReplyError::NotJson { reason, start: start() })?;
        let valueless = reader.take_valueless();
        let RowReader { found_rows, has_row, mut found, table: values, row_errors, error, .. } = reader;
        let filled = values.filled();
        if !has_row.contains(&true) {
            found.explain(start(), self.is_document(query, body, received));
        }
        let error = if filled < query.symbols.len() { self.error_text(query, body).or(error) } else { error };
        match error {
            Some(error) if filled == 0 && row_errors.is_empty() => Err(ReplyError::ApiError(error)),
            None if !found_rows => {
                Err(ReplyError::NoRows { pointer: query.endpoint.rows.as_str().to_owned(), start: start() })
            }
            error => Ok(Reply { values, row_errors, error, has_row, found, valueless }),
        }
    }

    /// Whether the body has values where a definition with `document = true` would look for them.
    fn is_document(&self, query: &Query<'_>, body: &str, received: f64) -> bool {
        if query.endpoint.is_document() || query.symbols.is_empty() {
            return false;
        }
        let endpoint = Endpoint { shape: RowsShape::Document, key: None, ..query.endpoint.clone() };
        let (symbols, spelled) = (query.symbols[..1].to_vec(), query.spelled[..1].to_vec());
        let query = Query { endpoint: &endpoint, symbols, spelled, request: query.request.clone() };
        let Some(layout) = Layout::new(self, &query) else { return false };
        let mut reader = RowReader::new(self, &query, &layout, received);
        reader.detail = Detail::Nothing;
        let is_read = read_rows(&mut JsonReader::new(body), &layout.rows, &mut reader).is_ok();
        is_read && reader.table.filled() > 0
    }

    /// The error text of a reply whose status is an error: the API's own text, or the beginning of the
    /// body.
    pub(crate) fn read_error(&self, query: &Query<'_>, body: &str) -> ErrorText {
        self.error_text(query, body).unwrap_or_else(|| ErrorText::new(&query.request, body))
    }

    /// The texts at the endpoint's `error` pointers.
    pub(super) fn error_text(&self, query: &Query<'_>, body: &str) -> Option<ErrorText> {
        // A list of symbols is about none, and its pointers have no placeholders.
        let symbol = query.symbols.first().map(|index| &self.symbols[*index]);
        let steps = |pointer: &Pointer| match symbol {
            Some(symbol) => pointer.steps(&self.definition.spelling, symbol),
            None => Some(pointer.literal_steps()),
        };
        let mut trie = PointerTrie::default();
        for (slot, pointer) in query.endpoint.error.iter().enumerate() {
            trie.insert(&steps(pointer)?, slot);
        }
        let mut slots = vec![None; query.endpoint.error.len()];
        trie.extract(&mut JsonReader::new(body), &mut slots, None).ok()?;
        let found = slots.into_iter().flatten();
        ErrorText::join(found.filter_map(|json| error_text(&query.request, json)))
    }
}

impl Query<'_> {
    /// Refuses a body that is plainly no JSON.
    ///
    /// # Errors
    /// What it is instead.
    pub(super) fn check_body(&self, body: &str) -> Result<(), ReplyError> {
        let start = || self.request.excerpt(body);
        match body.trim_ascii_start().as_bytes().first() {
            None => Err(ReplyError::Empty),
            Some(b'<') if is_xml(body) => Err(ReplyError::Xml(start())),
            Some(b'<') => Err(ReplyError::Html(start())),
            Some(_) => Ok(()),
        }
    }
}

/// Whether a body that begins with `<` is XML and no page for a browser, which may be XML too.
fn is_xml(body: &str) -> bool {
    let head: String = body.trim_ascii_start().chars().take(500).collect::<String>().to_ascii_lowercase();
    let is_page = head.contains("<html") || head.contains("<!doctype html");
    let parts =
        ["<!doctype", "<!--", "<head", "<title", "<body", "<h1", "<h2", "<p>", "<div", "<center", "<pre", "<script"];
    !is_page && !parts.iter().any(|start| head.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::{read_reply, rows};

    const ENDPOINT: &str =
        "[[quote]]\npath = '/?s={symbols}'\nrows = '/data'\nerror = ['/error', '/detail']\nfields = { last = '/l' }\n";

    fn read(body: &str) -> Result<Reply, ReplyError> {
        read_reply(ENDPOINT, &["A", "B"], body)
    }

    #[test]
    fn a_body_that_is_empty_or_html_is_an_error() {
        assert_eq!(read(" \r\n").unwrap_err(), ReplyError::Empty);
        for page in [" <html>", "<h1>no</h1>", "<?xml version='1.0'?><!DOCTYPE html><html>"] {
            assert_eq!(read(page).unwrap_err(), ReplyError::Html(page.trim().to_owned()));
        }
        for xml in ["<?xml version='1.0'?><rates/>", "<rss version='2.0'>"] {
            assert_eq!(read(xml).unwrap_err(), ReplyError::Xml(xml.to_owned()));
        }
    }

    #[test]
    fn a_truncated_body_is_an_error_without_its_position() {
        let error = read(r#"{"data":{"A":{"l":1}"#).unwrap_err().to_string();
        assert_eq!(error, r#"the reply is not JSON (it is cut off): {"data":{"A":{"l":1}"#);
    }

    #[test]
    fn a_reply_without_rows_is_an_error() {
        let no_rows = |start: &str| ReplyError::NoRows { pointer: "/data".to_owned(), start: start.to_owned() };
        for body in ["{}", r#"{"data":null}"#, r#"{"data":1}"#, "[]", "1"] {
            assert_eq!(read(body).unwrap_err(), no_rows(body));
        }
        assert_eq!(rows(&read(r#"{"data":{}}"#).unwrap()), ["-", "-"]);
        assert_eq!(rows(&read(r#"{"data":[]}"#).unwrap()), ["-", "-"]);
    }

    #[test]
    fn an_error_text_is_read_if_a_symbol_is_missing() {
        let error = read(r#"{"data":{},"error":"busy","detail":"try later"}"#).unwrap_err();
        assert_eq!(error.to_string(), "busy; try later");
        let reply = read(r#"{"data":{"A":{"l":1}},"error":"unknown B"}"#).unwrap();
        assert_eq!(
            (rows(&reply), reply.error.as_ref().map(ErrorText::shown)),
            (vec!["1".into(), "-".into()], Some("unknown B"))
        );
        let reply = read(r#"{"data":{"A":{"l":1},"B":{"l":2}},"error":"deprecated"}"#).unwrap();
        assert_eq!(reply.error, None);
    }

    #[test]
    fn an_error_that_is_no_text_or_empty_does_not_count() {
        for error in ["\"\"", "\" \"", "null", "0", "false", "[]", "{}"] {
            let reply = read(&format!(r#"{{"data":{{"A":{{"l":1}}}},"error":{error}}}"#)).unwrap();
            assert_eq!(reply.error, None, "{error}");
        }
    }
}
