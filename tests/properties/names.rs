//! Metric names, and the batches that carry them. Whatever a name is made from, each point can be read
//! from the JSON, from the line and from the pickle that are sent.
//!
//! Input: six lines with the prefix, the template, the tags (`k=v,k=v`), the feed, the symbols
//! (separated by commas), and the values (separated by commas).

use super::{assert_safe_to_print, toml_string};
use crate::cli::Cli;
use crate::config::Document;
use crate::delivery::graphite::{CarbonTarget, Destination, Protocol, pickle as encode_pickle, render};
use crate::market::number::Number;
use crate::metrics::batch::Batch;
use crate::settings::Settings;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

#[path = "../support/pickle.rs"]
mod pickle;

const DEFINITION: &str = "[providers.p]\nmarket = \"other\"\nbase_url = \"https://h\"\n[[providers.p.quote]]\n\
                          path = \"/{symbol}\"\n[providers.p.quote.fields]\nlast = \"/l\"\nvolume = \"/v\"\n";

pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n').map(str::to_owned);
    let mut line = || lines.next().unwrap_or_default();
    let (prefix, names, tags, feed, symbols, values) = (line(), line(), line(), line(), line(), line());
    let tags: Vec<String> = tags
        .split(',')
        .filter_map(|tag| tag.split_once('='))
        .map(|(key, value)| format!("{} = {}\n", toml_string(key), toml_string(value)))
        .collect();
    let symbols: Vec<String> = symbols.split(',').map(toml_string).collect();
    let config = format!(
        "[graphite]\nprefix = {}\nnames = {}\n[graphite.tags]\n{}[feeds.{}]\nproviders = [\"p\"]\nsymbols = [{}]\n\
         fields = [\"last\", \"volume\"]\n{DEFINITION}",
        toml_string(&prefix),
        toml_string(&names),
        tags.concat(),
        toml_string(&feed),
        symbols.join(", "),
    );
    let Ok(cli) = Cli::from_args(["datametrics", "--dry-run", &format!("--feed={feed}")]) else { return };
    match Settings::from_config(&cli, &|_| None, &Document::new("config.toml", config), &b""[..]) {
        Ok(settings) => check_names(&settings, &values),
        Err(error) => assert_safe_to_print(&error.to_string()),
    }
}

fn check_names(settings: &Settings, values: &str) {
    let mut values: Vec<Number> = values.split(',').filter_map(Number::parse).collect();
    values.extend(Number::parse("0E-7"));
    let mut batch = Batch::new(settings.metrics.interval, settings.metrics.tags.clone());
    let mut names = BTreeSet::new();
    for feed in &settings.fetch.feeds {
        for symbol in &feed.symbols {
            let mut node = String::new();
            symbol.push_node(&mut node);
            let is_node_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            assert!(!node.is_empty() && node.bytes().all(is_node_byte), "{symbol} is {node:?}");
            for field in &feed.fields {
                let name = feed.names.name(&settings.metrics.prefix, &feed.name, symbol, field.as_str());
                assert!(name.split('.').all(|node| !node.is_empty()), "a node of {name:?} is empty");
                assert!(names.insert(name.clone()), "{name:?} is there twice");
                let time = i64::try_from(batch.len()).expect("a small number") * 1_000_000_000;
                batch.push(|out| out.push_str(&name), values[names.len() % values.len()], time);
            }
        }
    }
    check_json(&batch);
    check_plaintext(&batch);
    check_pickle(&batch);
}

/// Checks that the JSON for an ingest has an object for each point, with the same content.
fn check_json(batch: &Batch) {
    let printed = render(None, batch);
    assert_eq!(printed.lines().count(), 1);
    let json: Vec<Value> = serde_json::from_str(&printed).expect("an array");
    assert_eq!(json.len(), batch.len());
    for (point, json) in batch.iter().zip(&json) {
        assert_eq!((json["name"].as_str(), json["time"].as_i64()), (Some(point.name), Some(point.time)));
        assert_eq!(json["interval"].as_u64(), Some(point.interval.into()));
        let tags: Vec<&str> = json["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(tags, batch.tags);
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(if tags.is_empty() { 4 } else { 5 }));
    }
    // The digits are compared as text, because serde_json would round them.
    assert!(batch.iter().all(|point| printed.contains(&format!("\"value\":{},\"time\"", point.value))));
}

/// Checks that the plaintext for Carbon has a line for each point: name and tags, value, time.
fn check_plaintext(batch: &Batch) {
    let carbon = Destination::Carbon(CarbonTarget {
        protocol: Protocol::Plaintext,
        host: String::new(),
        port: 1,
        linger: Duration::ZERO,
        tls: None,
        url_setting: String::new(),
    });
    let printed = render(Some(&carbon), batch);
    let tags: String = batch.tags.iter().flat_map(|tag| [";", tag]).collect();
    assert_eq!(printed.split_terminator('\n').count(), batch.len());
    for (point, line) in batch.iter().zip(printed.split_terminator('\n')) {
        assert_eq!(line, format!("{}{tags} {} {}", point.name, point.value, point.time));
        assert_eq!(line.split_whitespace().count(), 3, "{line:?}");
        assert_eq!(line.split(';').count(), 1 + batch.tags.len(), "{line:?}");
    }
}

/// Checks that the pickle for Carbon has a tuple for each point, with the same content.
fn check_pickle(batch: &Batch) {
    let tags: String = batch.tags.iter().flat_map(|tag| [";", tag]).collect();
    let frames = pickle::frames(&encode_pickle(batch).bytes).expect("whole frames");
    let pickled: Vec<pickle::Pickled> =
        frames.iter().flat_map(|frame| pickle::points(frame).expect("a list of points")).collect();
    let expected = batch.iter().map(|point| pickle::Pickled {
        name: format!("{}{tags}", point.name),
        time: point.time,
        value: point.value.to_f64(),
    });
    assert!(pickled.into_iter().eq(expected));
}
