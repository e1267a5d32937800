//! A provider's definition: symbols separated by commas in the first line, then its TOML.

use super::{SECRET, assert_harmless, assert_hidden, first_line};
use crate::config::{ConfigError, Document, Section};
use crate::http::request::Request;
use crate::market::symbol::Symbol;
use crate::provider::{Definition, Plan};
use crate::secret::Secret;
use std::collections::BTreeMap;

pub(super) fn check(data: &[u8]) {
    let (symbols, text) = first_line(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let document = Document::new("definition.toml", text);
    // Where a definition makes nothing of a symbol, its own dots could be a step of the path.
    let empties = text.contains("\"\"") || text.contains("''");
    match read(&document) {
        Ok(definition) => {
            let symbols = symbols.split(',').take(8).filter_map(|text| Symbol::new(text).ok());
            symbols.for_each(|symbol| check_requests(&definition, symbol, empties));
        }
        Err(error) => assert_harmless(&error.to_string()),
    }
}

fn read(document: &Document) -> Result<Definition, ConfigError> {
    let table = document.parse()?;
    Definition::read("p", &Section::root(document, &table))
}

/// A symbol changes nothing of a request but the values that stand for it.
fn check_requests(definition: &Definition, symbol: Symbol, empties: bool) {
    let calm = Symbol::new(if symbol.quote().is_some() { "AB/CD" } else { "AB" }).expect("it is one");
    let (hostile, calm) = (requests(definition, symbol), requests(definition, calm));
    assert!(hostile.len() <= calm.len());
    if hostile.len() < calm.len() {
        return; // One that cannot be asked for, such as `..`, is not.
    }
    for (hostile, calm) in hostile.iter().zip(&calm) {
        let (path, calm_path) = (hostile.path.expose(), calm.path.expose());
        assert_eq!(hostile.server, definition.base_url);
        assert!(path.starts_with(definition.base_url.path.as_str()), "{path:?} leaves {:?}", definition.base_url.path);
        assert_eq!(shape(path), shape(calm_path), "{path:?} and {calm_path:?}");
        assert!(empties || climbs(path) == climbs(calm_path), "{path:?} and {calm_path:?}");
        assert_eq!(hostile.headers, calm.headers);
        check_url(hostile);
        assert_hidden(&hostile.to_string());
        assert_harmless(&format!("{hostile:?}"));
    }
}

fn requests(definition: &Definition, symbol: Symbol) -> Vec<Request> {
    let (symbols, fields) = ([symbol], definition.fields());
    let secrets: BTreeMap<String, Secret> =
        definition.secrets().keys().map(|name| ((*name).to_owned(), Secret::new(SECRET))).collect();
    let wanted = vec![true; fields.len()];
    let plan = Plan::new(definition, &symbols, &fields, &wanted, &secrets);
    plan.queries(&[0]).into_iter().map(|query| query.request).collect()
}

/// What divides a path into its parts.
fn shape(path: &str) -> String {
    path.chars().filter(|c| matches!(c, '/' | '?' | '&' | '=' | '#' | ';')).collect()
}

/// How many steps of a path lead nowhere or up.
fn climbs(path: &str) -> usize {
    let path = path.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    path.split('/').filter(|step| matches!(*step, "." | "..")).count()
}

/// What is sent is what was put together.
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
