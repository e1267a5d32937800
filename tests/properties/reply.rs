//! A provider's reply. Every value that is read from it is a number that stands in it, for a symbol that
//! was asked for, and no message shows the secret.
//!
//! Input: a line that tells the definition, and the body. The line is `@kraken BTC/USD,ETH/USD` for a
//! built-in definition and the symbols that are asked for; otherwise its bytes are the choices from which
//! a definition is generated. If the body begins with `~`, its other bytes are the choices from which
//! JSON is generated.

use super::arbitrary::{Result, Unstructured};
use super::{SECRET, assert_safe_to_print, split_first_line};
use crate::config::{Document, Section};
use crate::http::body::Body;
use crate::market::number::Number;
use crate::market::symbol::Symbol;
use crate::provider::{Definition, ErrorText, FieldSpec, Plan, Query, Reply, built_in};
use crate::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

pub(super) fn check(data: &[u8]) {
    let (line, body) = split_first_line(data);
    let (definition, symbols) = if let Some(line) = line.strip_prefix('@') {
        let (name, symbols) = line.split_once(' ').unwrap_or((line, "BTC/USD"));
        (built_in(name).map(str::to_owned), symbols.to_owned())
    } else {
        let choices = &data[..data.len() - body.len()];
        (generate_definition(&mut Unstructured::new(choices)).ok(), "AB/CD,ab,BTC/USD,a.b".to_owned())
    };
    let Some(text) = definition else { return };
    let document = Document::new("definition.toml", text);
    let table = document.parse().expect("the definition is TOML");
    let Ok(definition) = Definition::read("p", &Section::root(&document, &table)) else { return };
    let symbols: Vec<Symbol> = symbols.split(',').take(20).filter_map(|text| Symbol::new(text).ok()).collect();
    let generated = body.strip_prefix(b"~").map(|choices| {
        let mut json = String::new();
        // If the choices come to their end, so does the JSON: that tests incomplete replies.
        let _ = generate_json(&mut Unstructured::new(choices), &mut json, 0);
        json.into_bytes()
    });
    check_body(&definition, &symbols, &Body::from(generated.unwrap_or_else(|| body.to_vec())));
}

/// Reads a body as the list of the provider's symbols. What is listed are symbols, each once.
fn check_list(plan: &Plan<'_>, body: &str, has_secrets: bool) {
    let Some(list) = &plan.definition.symbol_list else { return };
    let listed = match plan.read_symbols(list, &plan.list_query(&list.endpoint, "btc"), body, &[]) {
        Ok(listed) => listed,
        Err(error) if has_secrets => return assert_safe_to_print(&error.to_string()),
        Err(_) => return,
    };
    for row in &listed {
        assert!(Symbol::with_spaces(&row.symbol).is_ok_and(|symbol| symbol.as_str() == row.symbol), "{row:?}");
        if has_secrets {
            for text in [&row.symbol, &row.spelled, &row.name] {
                assert_safe_to_print(text);
            }
        }
    }
    let different: BTreeSet<&str> = listed.iter().map(|row| row.symbol.as_str()).collect();
    assert_eq!(different.len(), listed.len());
}

/// Reads a body as the reply to each of the first requests for the symbols.
fn check_body(definition: &Definition, symbols: &[Symbol], body: &str) {
    let fields = definition.fields();
    let is_requested = vec![true; fields.len()];
    let secrets: BTreeMap<String, Secret> =
        definition.secrets().keys().map(|name| ((*name).to_owned(), Secret::new(SECRET))).collect();
    let plan = Plan::new(definition, symbols, &fields, &is_requested, &secrets, 0);
    let indexes: Vec<usize> = (0..symbols.len()).collect();
    check_list(&plan, body, !secrets.is_empty());
    for query in plan.queries(&indexes).iter().take(6) {
        // Only the secrets of the request are masked. Without one, a body may say what it likes.
        if !secrets.is_empty() {
            assert_safe_to_print(plan.read_error(query, body).shown());
        }
        match plan.read(query, body, 1_785_182_401.0) {
            Ok(reply) => check_reply(&plan, query, &reply, body),
            Err(error) if !secrets.is_empty() => assert_safe_to_print(&error.to_string()),
            Err(_) => {}
        }
    }
}

fn check_reply(plan: &Plan<'_>, query: &Query<'_>, reply: &Reply, body: &str) {
    let requested: BTreeSet<usize> = query.symbols.iter().copied().collect();
    let numbers = Numbers::of(body);
    assert_eq!(reply.values.len(), query.symbols.len());
    for (symbol, values) in query.symbols.iter().zip(reply.values.iter()) {
        check_values(plan, query, *symbol, values, &numbers);
    }
    for (symbol, _) in &reply.row_errors {
        assert!(requested.contains(symbol), "{} was not asked for", plan.symbols[*symbol]);
    }
    if query.request.secrets.iter().next().is_some() {
        let messages = reply.row_errors.iter().map(|(_, message)| message.as_str());
        messages.chain(reply.error.as_ref().map(ErrorText::shown)).for_each(assert_safe_to_print);
    }
}

fn check_values(plan: &Plan<'_>, query: &Query<'_>, symbol: usize, values: &[Option<Number>], numbers: &Numbers) {
    assert_eq!(values.len(), plan.columns.len());
    let present = plan.columns.iter().zip(values).filter_map(|(field, value)| Some((field, (*value)?)));
    for (field, value) in present {
        check_number(value);
        if let Some(spec) = query.endpoint.fields.iter().find(|spec| spec.field == *field) {
            // What the definition gives for words is taken as it is.
            if spec.values.iter().any(|(_, listed)| *listed == value) {
                continue;
            }
            assert!(!spec.price || value.to_f64() >= 0.0, "{field} is a price of {value}");
            assert!(numbers.contain(value, spec), "{value} of {field} is not in the reply");
        }
    }
    let mut complete = values.to_vec();
    plan.complete(&plan.symbols[symbol], &mut complete);
    complete.into_iter().flatten().for_each(check_number);
}

/// Checks that a number is finite, and can be read as JSON and as a [`Number`].
fn check_number(value: Number) {
    assert!(value.to_f64().is_finite(), "{value}");
    assert!(serde_json::from_str::<&serde_json::value::RawValue>(value.as_str()).is_ok(), "{value} is no JSON");
    assert_eq!(Number::parse(value.as_str()), Some(value));
}

/// The numbers that stand anywhere in a reply.
struct Numbers {
    numbers: Vec<Number>,
    /// Whether the reply has escapes, in which more numbers may be written.
    has_escapes: bool,
}

impl Numbers {
    fn of(text: &str) -> Self {
        let is_number_char = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        // Without separators `-$5` is `-5`. `1,2` may be two numbers, or one with a separator.
        let without_separators = text.replace([',', '$', '%'], "");
        let words = [text, &without_separators].into_iter().flat_map(|text| text.split(|c| !is_number_char(c)));
        Self { numbers: words.filter_map(Number::parse).collect(), has_escapes: text.contains('\\') }
    }

    /// Whether the reply may have this value, as it is or before it was multiplied by a power of ten.
    fn contain(&self, value: Number, spec: &FieldSpec) -> bool {
        let is_value = |number: &Number| *number == value || number.shifted(spec.exponent) == Some(value);
        // Digits in base 16 are no decimal numbers, so only their being whole is known.
        let is_whole = value.to_f64().fract() == 0.0 || spec.exponent != 0;
        self.has_escapes || self.numbers.iter().any(is_value) || (spec.hex && is_whole)
    }
}

/// The keys of generated JSON, and the steps of generated pointers.
const KEYS: [&str; 14] =
    ["a", "b", "0", "1", "last", "ABCD", "AB/CD", "ab", "error", "time", "", "-", "{base}", "{quote:lower}"];

/// A pointer as a string of TOML.
fn generate_pointer(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..u.int_in_range(0..=3)? {
        text = text + "/" + &u.choose(&KEYS)?.replace('/', "~1");
    }
    Ok(super::toml_string(&text))
}

/// One to three pointers, separated by commas.
fn generate_pointers(u: &mut Unstructured<'_>) -> Result<String> {
    let count = u.int_in_range(1..=3)?;
    Ok((0..count).map(|_| generate_pointer(u)).collect::<Result<Vec<_>>>()?.join(", "))
}

/// A definition whose pointers match the keys of [`generate_json`].
fn generate_definition(u: &mut Unstructured<'_>) -> Result<String> {
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
                let _ = writeln!(text, "{key} = {}", generate_pointer(u)?);
            }
        }
        for key in ["ignore_case", "unwrapped_single", "document"] {
            let _ = writeln!(text, "{key} = {}", u.arbitrary::<bool>()?);
        }
        if u.arbitrary()? {
            let of = u.choose(&["{symbol}", "{base:lower}", "{date}", "{secret:KEY}"])?;
            let _ = writeln!(text, "body = {{ of = \"{of}\", n = [1, true] }}");
        }
        let _ = writeln!(text, "keys = [\"{{base}}/{{quote}}\", \"a\"]\nerror = [{}]", generate_pointers(u)?);
        if u.arbitrary()? {
            let unit = u.choose(&["s", "ms", "ns", "rfc3339", "datetime", "date", "http"])?;
            let pick = u.choose(&["only", "first", "last", "now"])?;
            let _ = writeln!(text, "pick = \"{pick}\"\nmax_age = {}\ntime_zone = \"EST5\"", u.int_in_range(1..=9)?);
            let _ = writeln!(text, "time = {{ at = [{}], unit = \"{unit}\" }}", generate_pointers(u)?);
        }
        text.push_str("[quote.fields]\n");
        for name in ["last", "volume", "open", "previous_close", "change", "other"] {
            if u.arbitrary()? {
                let (at, exponent) = (generate_pointers(u)?, u.int_in_range(-3..=3)?);
                let (price, separators): (bool, bool) = (u.arbitrary()?, u.arbitrary()?);
                let mut options = format!("exponent = {exponent}, price = {price}, separators = {separators}");
                if u.arbitrary()? {
                    options.push_str(", values = { true = 1, null = -2.5, ab = 0 }, unit = \"celsius\"");
                }
                if u.arbitrary()? {
                    options.push_str(", hex = true");
                }
                let _ = writeln!(text, "{name} = {{ at = [{at}], {options} }}");
            }
        }
    }
    Ok(text)
}

/// The values of generated JSON that are no objects or arrays. One of them has the secret.
const SCALARS: [&str; 20] = [
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

/// Appends a JSON value.
fn generate_json(u: &mut Unstructured<'_>, out: &mut String, depth: usize) -> Result<()> {
    let kind = if depth > 5 { 0 } else { u.int_in_range(0..=3)? };
    let (open, close) = match kind {
        0 => {
            out.push_str(u.choose(&SCALARS)?);
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
            let key = u.choose(&KEYS)?;
            let _ = write!(out, "\"{key}\":");
        }
        generate_json(u, out, depth + 1)?;
    }
    out.push(close);
    Ok(())
}
