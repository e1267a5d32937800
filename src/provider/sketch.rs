//! A definition to start from, made of one reply.

use super::to_toml::{quoted, quoted_key};
use super::value::way_to_read;
use crate::market::symbol::Symbol;
use crate::util::sanitize::sanitize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Most fields of a sketch.
const MAX_FIELDS: usize = 50;
/// Most symbols of a sketch.
const MAX_SYMBOLS: usize = 3;
/// So many levels of a row are looked at.
const MAX_DEPTH: usize = 6;

/// A place in a reply that holds a number, or what can be one.
struct Found {
    pointer: String,
    /// What is there.
    json: String,
    /// How it is read, as the rest of a table of TOML.
    options: &'static str,
}

/// The rows of a reply: where they are, where the symbol is in each, and the first symbols.
struct Rows<'v> {
    pointer: String,
    key: Option<String>,
    symbols: Vec<&'v str>,
    first: &'v Value,
}

/// A list of values, which have names if the list is an object.
type List<'v> = Vec<(Option<&'v str>, &'v Value)>;

/// Writes the pointers in a reply that hold numbers as a config with a provider and a feed of this name.
///
/// # Errors
/// When the reply is not JSON.
pub(crate) fn sketch(name: &str, body: &str) -> serde_json::Result<String> {
    let reply: Value = serde_json::from_str(body)?;
    let rows = find_rows(&reply);
    let mut found = Vec::new();
    find_numbers(rows.as_ref().map_or(&reply, |rows| rows.first), String::new(), 0, &mut found);
    let path = format!("providers.{name}");
    let mut out = format!(
        "# A definition to start from: write the URL of the API into it, and leave out what you do not need.\n\
         [{path}]\nmarket = \"other\"\nbase_url = \"https://api.example.com\"\n\n[[{path}.quote]]\n\
         path = \"/the/rest/of/the/URL\"\n"
    );
    match &rows {
        Some(Rows { pointer, key, .. }) => {
            let _ = writeln!(out, "batch = 0\nrows = {}", quoted(pointer));
            if let Some(key) = key {
                let _ = writeln!(out, "key = {}", quoted(key));
            }
        }
        None => out.push_str("document = true\n"),
    }
    let _ = writeln!(out, "\n[{path}.quote.fields]");
    write_fields(&mut out, &found);
    let _ = writeln!(out, "\n[feeds.{name}]\nproviders = [{}]", quoted(name));
    if let Some(Rows { symbols, .. }) = &rows {
        let symbols: Vec<String> = symbols.iter().map(|symbol| quoted(symbol)).collect();
        let _ = writeln!(out, "symbols = [{}]", symbols.join(", "));
    }
    Ok(out)
}

fn write_fields(out: &mut String, found: &[Found]) {
    if found.is_empty() {
        out.push_str("# No number is in the reply. Words can be numbers too:\n# state = { at = \"/state\", values = { on = 1, off = 0 } }\n");
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    for Found { pointer, json, options } in found.iter().take(MAX_FIELDS) {
        let name = field_name(pointer);
        let mut candidates = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}_{number}")));
        let Some(name) = candidates.find(|name| !names.contains(name)) else { continue };
        names.insert(name.clone());
        let at = quoted(pointer);
        let value = if options.is_empty() { at } else { format!("{{ at = {at}, {options} }}") };
        let _ = writeln!(out, "{} = {value} # {}", quoted_key(&name), sanitize(json, 40));
    }
    if found.len() > MAX_FIELDS {
        let _ = writeln!(out, "# and {} more", found.len() - MAX_FIELDS);
    }
}

/// The name of a field for the value at a pointer: its last steps that are no indexes.
fn field_name(pointer: &str) -> String {
    if pointer.is_empty() {
        return "last".to_owned();
    }
    let steps: Vec<&str> = pointer.split('/').filter(|step| step.parse::<usize>().is_err()).collect();
    let steps = steps[steps.len().saturating_sub(2)..].join("_").replace("~1", "_").replace("~0", "_");
    let words = steps.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("_").to_ascii_lowercase();
    let name = if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("value_{name}") };
    name.chars().take(60).collect::<String>().trim_end_matches('_').to_owned()
}

fn step(pointer: &str, name: &str) -> String {
    // Braces begin placeholders in pointers.
    let name = name.replace('~', "~0").replace('/', "~1").replace('{', "{{").replace('}', "}}");
    format!("{pointer}/{name}")
}

/// Finds all values that are numbers, or can be read as numbers.
fn find_numbers(value: &Value, pointer: String, depth: usize, found: &mut Vec<Found>) {
    match value {
        Value::Object(members) if depth < MAX_DEPTH => {
            members.iter().for_each(|(name, member)| find_numbers(member, step(&pointer, name), depth + 1, found));
        }
        Value::Array(elements) if depth < MAX_DEPTH => {
            // The first of many like it shows what is there.
            let elements = elements.iter().enumerate().take(if depth == 0 { 20 } else { 3 });
            elements.for_each(|(index, element)| find_numbers(element, format!("{pointer}/{index}"), depth + 1, found));
        }
        Value::Bool(_) => {
            found.push(Found { pointer, json: value.to_string(), options: "values = { true = 1, false = 0 }" });
        }
        Value::Number(_) | Value::String(_) => {
            let json = value.to_string();
            if let Some(options) = way_to_read(&json) {
                found.push(Found { pointer, json, options });
            }
        }
        _ => {}
    }
}

/// The rows of a reply that is about several things: the list with the most numbers in it, if it has most of
/// the numbers, and if its rows have names.
fn find_rows(reply: &Value) -> Option<Rows<'_>> {
    let mut lists = Vec::new();
    find_lists(reply, String::new(), 0, &mut lists);
    let numbers = |value: &Value| {
        let mut found = Vec::new();
        find_numbers(value, String::new(), 0, &mut found);
        found.len()
    };
    let weight = |(_, elements): &&(String, List<'_>)| {
        // In the whole reply only arrays are cut short.
        let most = if elements.iter().any(|(name, _)| name.is_some()) { usize::MAX } else { 20 };
        elements.iter().take(most).map(|(_, element)| numbers(element)).sum::<usize>()
    };
    let (pointer, elements) = lists.iter().max_by_key(weight)?;
    let (_, first) = *elements.first()?;
    let total: usize = numbers(reply);
    if numbers(first) == 0 || (total > weight(&lists.iter().find(|(of, _)| of == pointer)?) * 2) {
        return None;
    }
    let (key, names): (Option<String>, Vec<&str>) = match elements.first()? {
        (Some(_), _) => (None, elements.iter().filter_map(|(name, _)| *name).collect()),
        (None, first) => {
            let key = first.as_object()?.iter().find(|(name, _)| names_rows(elements, name))?.0;
            (Some(step("", key)), elements.iter().filter_map(|(_, row)| row.get(key)?.as_str()).collect())
        }
    };
    let symbols: Vec<&str> = names.into_iter().filter(|name| is_symbol(name)).take(MAX_SYMBOLS).collect();
    (!symbols.is_empty()).then(|| Rows { pointer: pointer.clone(), key, symbols, first })
}

fn is_symbol(name: &str) -> bool {
    Symbol::with_spaces(name).is_ok_and(|symbol| symbol.as_str() == name)
}

/// Whether each row has another text under this name.
fn names_rows(elements: &[(Option<&str>, &Value)], name: &str) -> bool {
    let mut texts: Vec<&str> = elements.iter().filter_map(|(_, row)| row.get(name)?.as_str()).collect();
    let is_number = |text: &&str| text.parse::<f64>().is_ok();
    if texts.len() < elements.len() || texts.iter().any(is_number) || !texts.iter().all(|text| is_symbol(text)) {
        return false;
    }
    texts.sort_unstable();
    texts.dedup();
    texts.len() == elements.len()
}

/// Whether these are prices by symbol, such as `{"EUR": 1.08, ...}`.
fn are_prices(elements: &[(Option<&str>, &Value)]) -> bool {
    let is_price = |(name, value): &(Option<&str>, &Value)| {
        let is_upper = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase()) && name.to_uppercase() == name;
        let is_leaf = matches!(value, Value::Number(_) | Value::String(_));
        is_leaf
            && way_to_read(&value.to_string()).is_some()
            && name.is_some_and(|name| is_upper(name) && is_symbol(name))
    };
    elements.len() > 2 && elements.iter().all(is_price)
}

/// Finds all lists of at least two objects: arrays, and objects whose members have the same names inside. Prices by
/// symbol are such a list too.
fn find_lists<'v>(value: &'v Value, pointer: String, depth: usize, lists: &mut Vec<(String, List<'v>)>) {
    let elements: List<'_> = match value {
        Value::Array(elements) => elements.iter().map(|element| (None, element)).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (Some(name.as_str()), member)).collect(),
        _ => return,
    };
    let is_array = value.is_array();
    if depth < MAX_DEPTH {
        for (name, element) in elements.iter().take(100).filter(|_| !is_array) {
            find_lists(element, step(&pointer, name.unwrap_or_default()), depth + 1, lists);
        }
    }
    let shape = |value: &Value| Some(value.as_object()?.keys().cloned().collect::<Vec<_>>());
    let shapes: Vec<_> = elements.iter().map(|(_, element)| shape(element)).collect();
    let is_list = if is_array {
        shapes.iter().all(Option::is_some)
    } else {
        are_prices(&elements) || shapes.iter().all(|shape| shape.is_some() && *shape == shapes[0])
    };
    if elements.len() > 1 && is_list {
        lists.push((pointer, elements));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that begin with one of these words.
    fn lines(body: &str, words: &[&str]) -> Vec<String> {
        let text = sketch("x", body).unwrap();
        let is_wanted = |line: &&str| words.iter().any(|word| line.starts_with(word));
        text.lines().filter(is_wanted).map(str::to_owned).collect()
    }

    /// The lines of the fields.
    fn fields(body: &str) -> Vec<String> {
        let text = sketch("x", body).unwrap();
        let (_, fields) = text.split_once("[providers.x.quote.fields]\n").unwrap();
        fields.lines().take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Where the rows are, what names them, and some of their names.
    fn rows(body: &str) -> String {
        lines(body, &["rows", "key", "symbols", "document"]).join("; ")
    }

    #[test]
    fn a_field_of_a_sketch_is_named_by_its_last_steps_and_has_an_example() {
        assert_eq!(fields("5"), ["last = \"\" # 5"]);
        assert_eq!(fields(r#"{"a":{"b":{"c":1}}}"#), ["b_c = \"/a/b/c\" # 1"]);
        assert_eq!(fields(r#"{"_x":1,"9 Lives":2}"#), ["value_9_lives = \"/9 Lives\" # 2", "x = \"/_x\" # 1"]);
        assert_eq!(
            fields(r#"{"a/b":{"{c}":1,"d~e":2}}"#),
            ["a_b_d_e = \"/a~1b/d~0e\" # 2", "a_b_c = \"/a~1b/{{c}}\" # 1"]
        );
        let kinds = fields(r#"{"a":true,"b":"1","c":"0x1f","d":"1,000","e":null,"f":"word"}"#);
        assert_eq!(
            kinds,
            [
                "a = { at = \"/a\", values = { true = 1, false = 0 } } # true",
                "b = \"/b\" # \"1\"",
                "c = { at = \"/c\", hex = true } # \"0x1f\"",
                "d = { at = \"/d\", separators = true } # \"1,000\"",
            ]
        );
    }

    #[test]
    fn a_sketch_of_a_long_or_deep_reply_is_short() {
        let members = |count: usize| (0..count).map(|n| format!("\"a{n:03}\":{n}")).collect::<Vec<_>>().join(",");
        assert_eq!(fields(&format!("{{{}}}", members(50))).len(), 50);
        let more = fields(&format!("{{{}}}", members(52)));
        assert_eq!((more.len(), more[50].as_str()), (51, "# and 2 more"));
        assert_eq!(fields(r#"{"a":[1,2,3,4]}"#).len(), 3);
        assert_eq!(fields(&format!("[{}0]", "0,".repeat(30))).len(), 20);
        for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
            let nested = |depth: usize| fields(&format!("{}1{}", open.repeat(depth), close.repeat(depth))).remove(0);
            assert!(nested(6).ends_with(" # 1"), "{}", nested(6));
            assert!(nested(7).starts_with("# No number is in the reply."), "{}", nested(7));
        }
    }

    #[test]
    fn a_sketch_finds_the_rows_of_a_reply_and_what_names_them() {
        for (body, expected) in [
            (r#"[{"s":"A","v":1},{"s":"B","v":2}]"#, r#"rows = ""; key = "/s"; symbols = ["A", "B"]"#),
            (r#"[{"s":"A","v":1}]"#, "document = true"),
            (r#"[{"s":"A","v":1},2]"#, "document = true"),
            (r#"[{"s":"A","v":"x"},{"s":"B","v":2}]"#, "document = true"),
            (r#"{"x":{"y":[{"s":"A","v":1},{"s":"B"}]}}"#, r#"rows = "/x/y"; key = "/s"; symbols = ["A", "B"]"#),
            // What names a row is no number, is in every row, and is not the same in two.
            (
                r#"[{"a":"1","b":"x","c":"A"},{"a":"2","b":"x","c":"B"}]"#,
                r#"rows = ""; key = "/c"; symbols = ["A", "B"]"#,
            ),
            (r#"[{"a":"x","c":"A","v":1},{"c":"B","v":2}]"#, r#"rows = ""; key = "/c"; symbols = ["A", "B"]"#),
            (
                r#"[{"a":"x\ny","c":"A","v":1},{"a":"y","c":"B","v":2}]"#,
                r#"rows = ""; key = "/c"; symbols = ["A", "B"]"#,
            ),
            (r#"[{"c":"A","v":1},{"c":"A","v":2}]"#, "document = true"),
            (r#"{"a":{"v":1},"b":{"v":2}}"#, r#"rows = ""; symbols = ["a", "b"]"#),
            (r#"{"a":{"v":1},"b":{"w":2}}"#, "document = true"),
            (r#"{"A":1,"B":2,"C":3,"D":4}"#, r#"rows = ""; symbols = ["A", "B", "C"]"#),
            (r#"{"A":1,"B":2}"#, "document = true"),
            (r#"{"A":1,"B":2,"Cc":3}"#, "document = true"),
            (r#"{"A":1,"B":2,"C":"x"}"#, "document = true"),
            (r#"{"A":1,"B":2,"C":[3]}"#, "document = true"),
            (r#"{"A":1,"B":2,"C\n":3}"#, "document = true"),
        ] {
            assert_eq!(rows(body), expected, "{body}");
        }
    }

    #[test]
    fn the_rows_of_a_sketch_have_most_of_the_numbers() {
        let reply = |others: usize| {
            let others = (0..others).map(|n| format!("\"o{n}\":{n},")).collect::<Vec<_>>().concat();
            format!(
                "{{{others}\"few\":{{\"x\":{{\"v\":\"w\"}},\"y\":{{\"v\":\"w\"}}}},\"r\":{{\"a\":{{\"v\":1}},\"b\":{{\"v\":2}},\"c\":{{\"v\":3}}}}}}"
            )
        };
        assert_eq!(rows(&reply(3)), r#"rows = "/r"; symbols = ["a", "b", "c"]"#);
        assert_eq!(rows(&reply(4)), "document = true");
        let many = format!(
            "[{}{{\"s\":\"Z\",\"v\":0}}]",
            (0..40).map(|n| format!("{{\"s\":\"A{n}\",\"v\":{n}}},")).collect::<Vec<_>>().concat()
        );
        assert_eq!(rows(&many), r#"rows = ""; key = "/s"; symbols = ["A0", "A1", "A2"]"#);
        let deep = |depth: usize| {
            rows(&format!(
                "{}[{{\"s\":\"A\",\"v\":1}},{{\"s\":\"B\",\"v\":2}}]{}",
                "{\"a\":".repeat(depth),
                "}".repeat(depth)
            ))
        };
        assert_eq!(deep(6), r#"rows = "/a/a/a/a/a/a"; key = "/s"; symbols = ["A", "B"]"#);
        assert_eq!(deep(7), "document = true");
    }
}
