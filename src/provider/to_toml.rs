//! Writes definitions as TOML that can be put into a config.

use crate::config::{ConfigError, ConfigValue, Section};
use crate::http::url::Url;
use crate::provider::BaseUrl;
use crate::util::sanitize::is_unsafe_for_terminal;
use std::fmt::Write;

/// The text of a built-in definition with its comments, as it is written in a config: all its tables are
/// put under the table `path`.
pub(crate) fn nest(text: &str, path: &str) -> String {
    let mut out = format!("[{path}]\n");
    for line in text.lines() {
        let nested = match (line.strip_prefix("[["), line.strip_prefix('[')) {
            (Some(rest), _) => format!("[[{path}.{rest}"),
            (None, Some(rest)) => format!("[{path}.{rest}"),
            (None, None) => line.to_owned(),
        };
        out.push_str(&nested);
        out.push('\n');
    }
    out
}

/// The address of an API as a value of TOML, without users and passwords.
pub(crate) fn base_url_literal(base_url: &BaseUrl) -> String {
    let literal = |url: &Url| quoted(&format!("{url}{}", url.path));
    if !base_url.is_by_symbol() {
        return literal(base_url.of(None));
    }
    let url = |symbol| format!("{} = {}", quoted_key(symbol), literal(base_url.of(Some(symbol))));
    format!("{{ {} }}", base_url.symbols().map(url).collect::<Vec<_>>().join(", "))
}

/// The text of a definition with another `base_url`, a value of TOML.
pub(crate) fn with_base_url(text: &str, base_url: &str) -> String {
    let line = |line: &str| match line.strip_prefix("base_url = ") {
        Some(_) => format!("base_url = {base_url}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The section of a definition with all its layers as the table `path`, without comments. `base_url` is a value
/// of TOML.
///
/// # Errors
/// When a value is a date, which no definition has.
pub(crate) fn serialize(section: &Section<'_>, path: &str, base_url: &str) -> Result<String, ConfigError> {
    let mut out = format!("[{path}]\nbase_url = {base_url}\n");
    let entries = section.entries().into_iter().filter(|(key, _)| key != "base_url").collect();
    write_entries(&mut out, section, entries, path)?;
    Ok(out)
}

/// Writes the values of a section before its tables, as everything after the header of a table belongs to
/// that table.
fn write_section(out: &mut String, section: &Section<'_>, path: &str) -> Result<(), ConfigError> {
    write_entries(out, section, section.entries(), path)
}

fn write_entries(
    out: &mut String,
    section: &Section<'_>,
    entries: Vec<(String, ConfigValue<'_>)>,
    path: &str,
) -> Result<(), ConfigError> {
    let (mut tables, mut lists) = (Vec::new(), Vec::new());
    for (key, value) in entries {
        let elements = value.elements().unwrap_or_default();
        if value.is_section() {
            tables.push(key);
        } else if !elements.is_empty() && elements.iter().all(ConfigValue::is_section) {
            lists.push((key, elements));
        } else {
            let _ = writeln!(out, "{} = {}", quoted_key(&key), literal(&value)?);
        }
    }
    for key in tables {
        let path = format!("{path}.{}", quoted_key(&key));
        let _ = writeln!(out, "\n[{path}]");
        let table = section.subsection(&key)?;
        let entries = if key == "headers" { table.entries_of_any_case() } else { table.entries() };
        write_entries(out, &table, entries, &path)?;
    }
    for (key, elements) in lists {
        let path = format!("{path}.{}", quoted_key(&key));
        for element in elements {
            let _ = writeln!(out, "\n[[{path}]]");
            write_section(out, &element.section()?, &path)?;
        }
    }
    Ok(())
}

fn literal(value: &ConfigValue<'_>) -> Result<String, ConfigError> {
    if let Some(elements) = value.elements() {
        let elements = elements.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
        return Ok(format!("[{}]", elements.join(", ")));
    }
    if value.is_section() {
        let entry = |(key, value): (String, _)| Ok(format!("{} = {}", quoted_key(&key), literal(&value)?));
        let entries = value.section()?.entries().into_iter().map(entry).collect::<Result<Vec<_>, ConfigError>>()?;
        return Ok(format!("{{ {} }}", entries.join(", ")));
    }
    match value.literal() {
        Some(literal) => Ok(literal),
        None => value.text().map(quoted),
    }
}

pub(super) fn quoted_key(key: &str) -> String {
    let is_bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A basic string of TOML (<https://toml.io/en/v1.0.0#string>). It is written as a JSON string, as every
/// escape of JSON is one of TOML. What is unsafe to show is escaped too.
pub(crate) fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        c if is_unsafe_for_terminal(c) => format!("\\U{:08x}", u32::from(c)),
        c => c.to_string(),
    };
    serde_json::Value::from(text).to_string().chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Document;

    #[test]
    fn all_tables_of_a_definition_are_nested_under_a_path() {
        let text = "a = 1\n[rename]\nB = \"C\"\n[[quote]]\n[quote.fields]\n";
        let expected = "[providers.x]\na = 1\n[providers.x.rename]\nB = \"C\"\n[[providers.x.quote]]\n[providers.x.quote.fields]\n";
        assert_eq!(nest(text, "providers.x"), expected);
    }

    #[test]
    fn the_base_url_is_replaced() {
        let text = "market = \"crypto\"\nbase_url = \"https://a\" # here\npath = \"/base_url = \"\n";
        let expected = "market = \"crypto\"\nbase_url = \"http://b/v1\"\npath = \"/base_url = \"\n";
        assert_eq!(with_base_url(text, "\"http://b/v1\""), expected);
    }

    #[test]
    fn what_is_unsafe_to_show_is_escaped() {
        assert_eq!(quoted("a\u{1b}\u{7f}\u{202e}\u{e0041}é"), "\"a\\u001b\\U0000007f\\U0000202e\\U000e0041é\"");
    }

    #[test]
    fn a_serialized_section_reads_back_the_same() {
        let text = "[t.u]\n\"a b\" = \"q\\\"\\\\\"\n[t]\nn = 1\nf = 0.5\nb = true\nl = [\"x\", \"y\"]\n[[t.q]]\np = \"/\"\n[t.q.f]\nlast = \"/c\"\n";
        let reserialize = |text: &str| {
            let document = Document::new("c.toml", text);
            let table = document.parse().unwrap();
            serialize(&Section::root(&document, &table).section("t").unwrap(), "t", "\"http://b\"").unwrap()
        };
        let body = "[t]\nbody = { p = [{ a = '0x1', b = { c = 2 } }, 'latest'], q = [[{ a = 1 }]], r = {} }\n";
        let serialized = reserialize(body);
        assert_eq!(reserialize(&serialized), serialized);
        assert!(
            serialized.contains("p = [{ a = \"0x1\", b = { c = 2 } }, \"latest\"]\nq = [[{ a = 1 }]]\n"),
            "{serialized}"
        );
        let (upper, lower) = ("[t.headers]\nuser-agent = 'me'\n", "[t.headers]\nUser-Agent = 'it'\nX = 'y'\n");
        let (upper, lower) = (Document::new("upper", upper), Document::new("lower", lower));
        let (upper_table, lower_table) = (upper.parse().unwrap(), lower.parse().unwrap());
        let root = Section::root(&upper, &upper_table).with_fallback(Section::root(&lower, &lower_table));
        let headers = serialize(&root.section("t").unwrap(), "t", "\"http://b\"").unwrap();
        assert!(headers.ends_with("\n[t.headers]\nX = \"y\"\nuser-agent = \"me\"\n"), "{headers}");
        let serialized = reserialize(text);
        assert_eq!(reserialize(&serialized), serialized);
        assert_eq!(
            serialized,
            "[t]\nbase_url = \"http://b\"\nb = true\nf = 0.5\nl = [\"x\", \"y\"]\nn = 1\n\n[t.u]\n\"a b\" = \"q\\\"\\\\\"\n\n[[t.q]]\np = \"/\"\n\n[t.q.f]\nlast = \"/c\"\n"
        );
    }
}
