//! A provider's reply.
//!
//! The first line says under which definition it is read: `@kraken BTC/USD,ETH/USD` is a built-in
//! one and the symbols asked for, anything else are the choices from which one is made. What
//! follows is the body; after a `~` it is the choices from which JSON is made.

use super::arbitrary::{Result, Unstructured};
use super::{SECRET, assert_harmless, first_line};
use crate::config::{Document, Section};
use crate::http::body::Body;
use crate::market::number::Number;
use crate::market::symbol::Symbol;
use crate::provider::{Definition, Plan, Query, Reply, built_in};
use crate::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub(super) fn check(data: &[u8]) {
    let (line, body) = first_line(data);
    let (definition, symbols) = if let Some(named) = line.strip_prefix('@') {
        let (name, symbols) = named.split_once(' ').unwrap_or((named, "BTC/USD"));
        (built_in(name).map(str::to_owned), symbols.to_owned())
    } else {
        let choices = &data[..data.len() - body.len()];
        (any_definition(&mut Unstructured::new(choices)).ok(), "AB/CD,ab,BTC/USD,a.b".to_owned())
    };
    let Some(text) = definition else { return };
    let document = Document::new("definition.toml", text);
    let table = document.parse().expect("the definition is TOML");
    let Ok(definition) = Definition::read("p", &Section::root(&document, &table)) else { return };
    let symbols: Vec<Symbol> = symbols.split(',').take(20).filter_map(|text| Symbol::new(text).ok()).collect();
    let made = body.strip_prefix(b"~").map(|choices| {
        let mut json = String::new();
        // Where the choices end, so does the reply: cut replies are wanted too.
        let _ = any_json(&mut Unstructured::new(choices), &mut json, 0);
        json.into_bytes()
    });
    read(&definition, &symbols, &Body::from(made.unwrap_or_else(|| body.to_vec())));
}

fn read(definition: &Definition, symbols: &[Symbol], body: &str) {
    let fields = definition.fields();
    let wanted = vec![true; fields.len()];
    let secrets: BTreeMap<String, Secret> =
        definition.secrets().keys().map(|name| ((*name).to_owned(), Secret::new(SECRET))).collect();
    let plan = Plan::new(definition, symbols, &fields, &wanted, &secrets);
    let all: Vec<usize> = (0..symbols.len()).collect();
    for query in plan.queries(&all).iter().take(6) {
        if !secrets.is_empty() {
            assert_harmless(&plan.read_error(query, body));
        }
        match plan.read(query, body, 1_785_182_401.0) {
            Ok(reply) => check_reply(&plan, query, &reply, body),
            Err(error) if !secrets.is_empty() => assert_harmless(&error.to_string()),
            Err(_) => {}
        }
    }
}

fn check_reply(plan: &Plan<'_>, query: &Query<'_>, reply: &Reply, body: &str) {
    let asked: BTreeSet<usize> = query.symbols.iter().copied().collect();
    let numbers = Numbers::of(body);
    assert_eq!(reply.values.len(), query.symbols.len());
    for (symbol, values) in query.symbols.iter().zip(reply.values.iter()) {
        check_values(plan, query, *symbol, values, &numbers);
    }
    for (symbol, _) in &reply.row_errors {
        assert!(asked.contains(symbol), "nobody asked for {}", plan.symbols[*symbol]);
    }
    if !query.request.secrets.is_empty() {
        reply.row_errors.iter().map(|(_, said)| said).chain(&reply.error).for_each(|said| assert_harmless(said));
    }
}

fn check_values(plan: &Plan<'_>, query: &Query<'_>, symbol: usize, values: &[Option<Number>], numbers: &Numbers) {
    assert_eq!(values.len(), plan.columns.len());
    let said = plan.columns.iter().zip(values).filter_map(|(field, value)| Some((field, (*value)?)));
    for (field, value) in said {
        check_number(value);
        if let Some(spec) = query.endpoint.fields.iter().find(|spec| spec.field == *field) {
            assert!(!spec.price || value.to_f64() >= 0.0, "{field} is a price of {value}");
            assert!(numbers.hold(value, spec.exponent), "{value} of {field} is not in the reply");
        }
    }
    let mut complete = values.to_vec();
    plan.complete(&plan.symbols[symbol], &mut complete);
    complete.into_iter().flatten().for_each(check_number);
}

/// Every number is finite, and one to JSON and to Rust.
fn check_number(value: Number) {
    assert!(value.to_f64().is_finite(), "{value}");
    assert!(serde_json::from_str::<&serde_json::value::RawValue>(value.as_str()).is_ok(), "{value} is no JSON");
    assert_eq!(Number::parse(value.as_str()), Some(value));
}

/// The numbers that stand anywhere in a reply.
struct Numbers {
    found: Vec<Number>,
    /// They may be spelled in more ways than are looked for.
    unclear: bool,
}

impl Numbers {
    fn of(text: &str) -> Self {
        let is_part = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let bare = text.replace([',', '$', '%'], "");
        let words = text.split(|c| !is_part(c)).chain(bare.split(|c| !is_part(c)));
        // Without its separators, `-$5` is `-5`, and `1,2` was two numbers and is one.
        Self { found: words.filter_map(Number::parse).collect(), unclear: text.contains('\\') }
    }

    fn hold(&self, value: Number, exponent: i32) -> bool {
        let is_it = |number: &Number| *number == value || number.shifted(exponent) == Some(value);
        self.unclear || self.found.iter().any(is_it)
    }
}

const STEPS: [&str; 14] =
    ["a", "b", "0", "1", "last", "ABCD", "AB/CD", "ab", "error", "time", "", "-", "{base}", "{quote:lower}"];

fn pointer(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=3)? {
        text = text + "/" + &u.choose(&STEPS)?.replace('/', "~1");
    }
    Ok(super::quoted(&text))
}

fn pointers(u: &mut Unstructured<'_>) -> Result<String> {
    let count = u.int_in_range(1..=3)?;
    Ok((0..count).map(|_| pointer(u)).collect::<Result<Vec<_>>>()?.join(", "))
}

/// A definition whose words are those of [`any_json`].
fn any_definition(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = "market = \"other\"\nbase_url = \"https://h/v1\"\nheaders = { K = \"{secret:KEY}\" }\n".to_owned();
    let symbol = u.choose(&["{symbol}", "{base}{quote}", "{base:lower}-{quote}", "{symbol:upper}"])?;
    let change = u.choose(&["none", "open", "previous_close"])?;
    let _ = writeln!(text, "symbol = \"{symbol}\"\nchange_from = \"{change}\"");
    for _ in 0..u.int_in_range(1..=2)? {
        let path =
            u.choose(&["/q?s={symbols}", "/q/{symbol}", "/{base}/{quote}", "/all", "/{quote}?s={symbols:json}"])?;
        let _ = writeln!(text, "[[quote]]\npath = \"{path}\"\nbatch = {}", u.int_in_range(0..=3)?);
        for key in ["rows", "key", "row_error"] {
            if u.arbitrary()? {
                let _ = writeln!(text, "{key} = {}", pointer(u)?);
            }
        }
        for key in ["ignore_case", "unwrapped_single"] {
            let _ = writeln!(text, "{key} = {}", u.arbitrary::<bool>()?);
        }
        let _ = writeln!(text, "keys = [\"{{base}}/{{quote}}\", \"a\"]\nerror = [{}]", pointers(u)?);
        if u.arbitrary()? {
            let unit = u.choose(&["s", "ms", "ns", "rfc3339"])?;
            let _ = writeln!(text, "time = {{ at = [{}], unit = \"{unit}\" }}", pointers(u)?);
        }
        text.push_str("[quote.fields]\n");
        for name in ["last", "volume", "open", "previous_close", "change", "other"] {
            if u.arbitrary()? {
                let (at, exponent) = (pointers(u)?, u.int_in_range(-3..=3)?);
                let (price, separators): (bool, bool) = (u.arbitrary()?, u.arbitrary()?);
                let form = format!("exponent = {exponent}, price = {price}, separators = {separators}");
                let _ = writeln!(text, "{name} = {{ at = [{at}], {form} }}");
            }
        }
    }
    Ok(text)
}

const LEAVES: [&str; 20] = [
    "null",
    "true",
    "1",
    "-2.50",
    "0E-7",
    "1e999",
    "49617.507573101621",
    "1234567890123456789012345678901234567890",
    "-0",
    "1e-400",
    "\"0.00007351\"",
    "\"5,767.57\"",
    "\"-$6.59%\"",
    "\"NaN\"",
    "\" 7 \"",
    "\"AB/CD\"",
    "\"ab\"",
    "\"bad s3ntinel/K+y\\n\\u001b[2J\"",
    "\"2026-11-24T05:24:17Z\"",
    "\"\"",
];

fn any_json(u: &mut Unstructured<'_>, out: &mut String, depth: usize) -> Result<()> {
    let kind = if depth > 5 { 0 } else { u.int_in_range(0..=3)? };
    let (open, close) = match kind {
        0 => {
            out.push_str(u.choose(&LEAVES)?);
            return Ok(());
        }
        1 => ('[', ']'),
        _ => ('{', '}'),
    };
    out.push(open);
    for index in 0..u.int_in_range(0..=4)? {
        if index > 0 {
            out.push(',');
        }
        if open == '{' {
            let name = u.choose(&STEPS)?;
            let _ = write!(out, "\"{name}\":");
        }
        any_json(u, out, depth + 1)?;
    }
    out.push(close);
    Ok(())
}
