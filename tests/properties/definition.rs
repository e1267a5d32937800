//! A provider's definition, and the requests that are made from it. A symbol must not change a request
//! beyond the values that stand for it: not the server, the headers, or the structure of the path.
//!
//! Input: a line with symbols, separated by commas; then the definition as TOML.

use super::{SECRET, assert_no_secret, assert_safe_to_print, has_secret, split_first_line};
use crate::config::{ConfigError, Document, Section};
use crate::http::request::Request;
use crate::http::url::Url;
use crate::market::symbol::Symbol;
use crate::provider::{Definition, Plan};
use crate::secret::Secret;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn check(data: &[u8]) {
    let (symbols, text) = split_first_line(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    // What a symbol or the definition itself says, without the variable of a key, is no secret.
    if has_secret(&symbols) || has_secret(text) {
        return;
    }
    let document = Document::new("definition.toml", text);
    // A definition with an empty text may replace a part of a symbol by nothing. Then the dots of the path
    // itself can become a dot segment.
    let replaces_by_nothing = text.contains("\"\"") || text.contains("''");
    match read(&document) {
        Ok(definition) => {
            let symbols = symbols.split(',').take(8).filter_map(|text| Symbol::with_spaces(text).ok());
            symbols.for_each(|symbol| check_requests(&definition, symbol, replaces_by_nothing));
        }
        Err(error) => assert_safe_to_print(&error.to_string()),
    }
}

fn read(document: &Document) -> Result<Definition, ConfigError> {
    let table = document.parse()?;
    Definition::read("p", &Section::root(document, &table))
}

/// Compares the requests for a symbol with those for a symbol of letters.
fn check_requests(definition: &Definition, symbol: Symbol, replaces_by_nothing: bool) {
    let letters = Symbol::new(if symbol.quote().is_some() { "AB/CD" } else { "AB" }).expect("a symbol");
    let base_url = definition.base_url.of(Some(symbol.as_str())).clone();
    if definition.base_url.is_by_symbol() {
        // The letters may have no server, or another one.
        return requests(definition, symbol).iter().for_each(|request| check_request(request, &base_url));
    }
    let (requests, expected) = (requests(definition, symbol), requests(definition, letters));
    assert!(requests.len() <= expected.len());
    // No request is made for a symbol that no URL can carry, such as `..`.
    if requests.len() < expected.len() {
        return;
    }
    for (request, expected) in requests.iter().zip(&expected) {
        let (path, expected_path) = (request.path.expose(), expected.path.expose());
        check_request(request, &base_url);
        assert_eq!(separators(path), separators(expected_path), "{path:?} and {expected_path:?}");
        let has_same_dots = dot_segments(path) == dot_segments(expected_path);
        assert!(replaces_by_nothing || has_same_dots, "{path:?} and {expected_path:?}");
        assert_eq!(request.headers, expected.headers);
        assert_eq!(shape(request.body.as_deref()), shape(expected.body.as_deref()));
    }
}

fn check_request(request: &Request, base_url: &Url) {
    let path = request.path.expose();
    assert_eq!(request.server, base_url.server());
    assert!(path.starts_with(base_url.path.as_str()), "{path:?} leaves {:?}", base_url.path);
    check_url(request);
    assert_no_secret(&request.to_string());
    assert_safe_to_print(&format!("{request:?}"));
}

fn requests(definition: &Definition, symbol: Symbol) -> Vec<Request> {
    let (symbols, fields) = ([symbol], definition.fields());
    let secrets: BTreeMap<String, Secret> =
        definition.secrets().keys().map(|name| ((*name).to_owned(), Secret::new(SECRET))).collect();
    let is_requested = vec![true; fields.len()];
    let plan = Plan::new(definition, &symbols, &fields, &is_requested, &secrets, 0);
    plan.queries(&[0]).into_iter().map(|query| query.request).collect()
}

/// A body whose texts are left out, also those that are names.
fn shape(body: Option<&[u8]>) -> Option<String> {
    fn without_texts(value: &Value) -> Value {
        match value {
            Value::String(_) => Value::from(""),
            Value::Array(elements) => elements.iter().map(without_texts).collect(),
            Value::Object(members) => members.iter().map(|(name, member)| (name, without_texts(member))).collect(),
            _ => value.clone(),
        }
    }
    body.map(|body| without_texts(&serde_json::from_slice(body).expect("JSON")).to_string())
}

/// The characters that separate the parts of a path and a query.
fn separators(path: &str) -> String {
    path.chars().filter(|c| matches!(c, '/' | '?' | '&' | '=' | '#' | ';')).collect()
}

/// How many segments of a path are `.` or `..`.
fn dot_segments(path: &str) -> usize {
    let path = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    path.split('/').filter(|segment| matches!(*segment, "." | "..")).count()
}

/// Checks that the HTTP library reads the URL as it was put together.
fn check_url(request: &Request) {
    let path = request.path.expose();
    if path.len() > 60_000 {
        return;
    }
    let url = format!("{}{path}", request.server);
    let uri: http::Uri = url.parse().unwrap_or_else(|error| panic!("{url:?}: {error}"));
    assert_eq!(uri.path_and_query().map(http::uri::PathAndQuery::as_str), Some(path));
    assert_eq!(uri.host(), Some(request.server.host.as_str()));
}
