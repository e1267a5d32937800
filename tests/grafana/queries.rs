//! What is in a dashboard: panels, targets, patterns of names, and variables.

use crate::support::real_graphite::RealGraphite;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no array: {value}"))
}

pub(super) fn str(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

pub(super) fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    array(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row")
}

pub(super) fn targets(dashboard: &Value) -> Vec<&str> {
    panels(dashboard).flat_map(|panel| array(&panel["targets"])).map(|target| str(&target["target"])).collect()
}

/// A part of a glob or of a regular expression.
#[derive(Clone, Debug)]
pub(super) enum Token {
    Char(char),
    Any { is_group: bool },
    OneOf(Vec<String>),
}

/// Reads `*`, `{a,b}` and `${variable}`; or `[^.]+`, `([^.]+)`, `(a|b)`, `(?:a|b)`, `${variable:regex}` and `\.`.
pub(super) fn tokens(text: &str, is_regex: bool) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let group = |open: &str, separator: char| {
            let inner = rest.strip_prefix(open)?;
            let end = inner.find([')', '}'])?;
            let words = inner[..end].split(separator).map(str::to_owned).collect();
            Some((Token::OneOf(words), open.len() + end + 1))
        };
        let (token, length) = if rest.starts_with("${") {
            (Token::Any { is_group: false }, rest.find('}').unwrap() + 1)
        } else if is_regex && rest.starts_with("([^.]+)") {
            (Token::Any { is_group: true }, 7)
        } else if is_regex && rest.starts_with("[^.]+") {
            (Token::Any { is_group: false }, 5)
        } else if is_regex && c == '(' {
            group("(?:", '|').or_else(|| group("(", '|')).unwrap()
        } else if is_regex && c == '\\' {
            (Token::Char(rest[1..].chars().next().unwrap()), 2)
        } else if !is_regex && c == '{' {
            group("{", ',').unwrap()
        } else if !is_regex && c == '*' {
            (Token::Any { is_group: false }, 1)
        } else {
            (Token::Char(c), c.len_utf8())
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

/// The text that the group matches, if the tokens match the whole text.
pub(super) fn matched(tokens: &[Token], text: &str) -> Option<String> {
    let Some((token, rest)) = tokens.split_first() else { return text.is_empty().then(String::new) };
    match token {
        Token::Char(c) => matched(rest, text.strip_prefix(*c)?),
        Token::OneOf(words) => words.iter().find_map(|word| matched(rest, text.strip_prefix(word.as_str())?)),
        Token::Any { is_group } => {
            let node = text.split('.').next().unwrap();
            (1..=node.len()).rev().find_map(|end| {
                let inner = matched(rest, &text[end..])?;
                Some(if *is_group { text[..end].to_owned() } else { inner })
            })
        }
    }
}

/// The patterns of metric names in a target.
pub(super) fn patterns(target: &str) -> Vec<Vec<Token>> {
    if target.contains("seriesByTag(") {
        let regexes = target.split("'name=~^").skip(1).map(|rest| rest.split("$'").next().unwrap());
        return regexes.map(|regex| tokens(regex, true)).collect();
    }
    // Quoted texts are not names.
    let bare: String = target.split('\'').step_by(2).collect();
    let mut depth = 0;
    let words = bare.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        matches!(c, '(' | ')' | ' ') || (c == ',' && depth == 0)
    });
    words.filter(|word| word.contains('.')).map(|word| tokens(word, false)).collect()
}

/// Replaces variables by their values, as Grafana does.
pub(super) fn with_values(target: &str, variables: &[(String, Vec<String>, String)], all: bool) -> String {
    let mut target = target.to_owned();
    for (name, values, all_value) in variables {
        let (glob, regex) = if all {
            (all_value.clone(), all_value.clone())
        } else if let [one] = &values[..] {
            (one.clone(), one.clone())
        } else {
            (format!("{{{}}}", values.join(",")), format!("({})", values.join("|")).replace('-', "\\-"))
        };
        target = target.replace(&format!("${{{name}}}"), &glob).replace(&format!("${{{name}:regex}}"), &regex);
    }
    assert!(!target.contains("${"), "{target}");
    target
}

/// The values of the variables, requested from Graphite as Grafana does, and what stands for all of them.
pub(super) fn variables(graphite: &RealGraphite, dashboard: &Value) -> Vec<(String, Vec<String>, String)> {
    let list = array(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] != "datasource");
    let values = |variable: &Value| {
        if variable["type"] == "custom" {
            return str(&variable["query"]).split(',').map(str::to_owned).collect();
        }
        let (query, regex) = (str(&variable["query"]), str(&variable["regex"]));
        let texts: Vec<String> = if let Some(inner) = query.strip_prefix("tag_values(") {
            let mut parts = inner.strip_suffix(')').unwrap().split(',');
            let mut parameters = vec![("tag", parts.next().unwrap()), ("limit", "10000")];
            parameters.extend(parts.map(|part| ("expr", part)));
            let found = graphite.get("/tags/autoComplete/values", &parameters);
            array(&found).iter().map(|value| str(value).to_owned()).collect()
        } else {
            let found = graphite.get("/metrics/find", &[("query", query)]);
            array(&found).iter().map(|node| str(&node["text"]).to_owned()).collect()
        };
        let tokens = tokens(regex.trim_start_matches("/^").trim_end_matches("$/"), true);
        let taken =
            texts.iter().filter_map(|text| if regex.is_empty() { Some(text.clone()) } else { matched(&tokens, text) });
        taken.collect::<BTreeSet<String>>().into_iter().collect()
    };
    let all = |values: &Vec<String>| format!("{{{}}}", values.join(","));
    list.map(|variable| {
        let values = values(variable);
        let all_value = variable["allValue"].as_str().map_or_else(|| all(&values), str::to_owned);
        (str(&variable["name"]).to_owned(), values, all_value)
    })
    .collect()
}
