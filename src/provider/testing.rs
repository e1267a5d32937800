//! What the unit tests of this folder share.
#![cfg(test)]

use super::{Definition, Plan, Reply, ReplyError};
use crate::config::{Document, Section};
use crate::market::number::Number;
use crate::market::symbol::Symbol;
use std::collections::BTreeMap;

/// When the replies of [`read_reply`] arrive, in Unix seconds.
pub(super) const RECEIVED: f64 = 1_785_182_401.0;

/// The definition with these keys, and a market and an address.
pub(super) fn definition(text: &str) -> Definition {
    let document = Document::new("p.toml", format!("market = 'crypto'\nbase_url = 'https://h'\n{text}"));
    let table = document.parse().unwrap();
    Definition::read("p", &Section::root(&document, &table)).unwrap()
}

pub(super) fn symbols(texts: &[&str]) -> Vec<Symbol> {
    texts.iter().map(|text| Symbol::new(text).unwrap()).collect()
}

/// Reads `body` as the reply to the first request that a definition with these keys makes for these
/// symbols and all its fields.
pub(super) fn read_reply(text: &str, names: &[&str], body: &str) -> Result<Reply, ReplyError> {
    let (definition, symbols, secrets) = (definition(text), symbols(names), BTreeMap::new());
    let fields = definition.fields();
    let plan = Plan::new(&definition, &symbols, &fields, &vec![true; fields.len()], &secrets, 0);
    let indexes: Vec<usize> = (0..symbols.len()).collect();
    plan.read(&plan.queries(&indexes)[0], body, RECEIVED)
}

/// The rows of a reply, a text per symbol: its values separated by spaces, `-` for no value.
pub(super) fn rows(reply: &Reply) -> Vec<String> {
    let value = |value: &Option<Number>| value.map_or("-".to_owned(), |value| value.to_string());
    reply.values.iter().map(|row| row.iter().map(value).collect::<Vec<_>>().join(" ")).collect()
}
