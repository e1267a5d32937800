//! The texts in the source that a user may see: every string literal of two words or more, outside comments
//! and tests.
//!
//! Nobody has to maintain a list of errors: a new literal is found by itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Code before a literal that is only searched for, or that only programmers see.
const NOT_SAID: [&str; 6] = ["contains(", "split(", "strip_prefix(", "reason = ", "must_use = ", "unreachable!("];

/// A text of the source.
pub(crate) struct Text {
    /// File and line, as an editor accepts them.
    pub(crate) location: String,
    /// The parts between its placeholders.
    parts: Vec<String>,
}

impl Text {
    /// Whether the message may come from this text.
    pub(crate) fn is_in(&self, message: &str) -> bool {
        let Some((first, rest)) = self.parts.split_first() else { return true };
        message.match_indices(first.as_str()).any(|(at, _)| {
            let end = at + first.len();
            is_edge(message, at) && (!rest.is_empty() || is_edge(message, end)) && follow(message, end, rest)
        })
    }

    pub(crate) fn text(&self) -> String {
        self.parts.join("…")
    }
}

/// Whether the parts follow in this order behind `at`, the last one up to the end of a word.
fn follow(message: &str, at: usize, parts: &[String]) -> bool {
    let Some((first, rest)) = parts.split_first() else { return true };
    message[at..].match_indices(first.as_str()).any(|(from, _)| {
        let end = at + from + first.len();
        (!rest.is_empty() || is_edge(message, end)) && follow(message, end, rest)
    })
}

/// Whether a word begins or ends there.
fn is_edge(text: &str, at: usize) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !(is_word(text[..at].chars().next_back()) && is_word(text[at..].chars().next()))
}

/// All texts below a folder, sorted by file.
pub(crate) fn texts(folder: &Path) -> Vec<Text> {
    let mut files = files(folder);
    files.sort();
    files.iter().flat_map(|file| texts_of(file)).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let all = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn texts_of(file: &Path) -> Vec<Text> {
    let source = fs::read_to_string(file).expect("a source");
    let code =
        source.split("\n#[cfg(test)]\n").next().filter(|code| !code.contains("\n#![cfg(test)]\n")).unwrap_or_default();
    let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(file).display().to_string();
    let of = |(at, literal): (usize, String)| {
        let line = code[..at].matches('\n').count() + 1;
        let parts = parts(&literal);
        let is_said = !NOT_SAID.iter().any(|before| code[..at].ends_with(before));
        let words = parts.iter().flat_map(|part| part.split_whitespace());
        let is_word = |word: &&str| word.trim_start_matches(['(', '`']).starts_with(char::is_alphabetic);
        let is_prose = words.filter(is_word).count() > 1;
        (is_said && is_prose).then(|| Text { location: format!("{name}:{line}"), parts })
    };
    literals(code).into_iter().filter_map(of).collect()
}

/// The string literals of a source, without escapes, and where each begins.
fn literals(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\") {
            // An escaped character; its quote would begin a text.
            3 + rest[3..].find('\'').unwrap_or(0)
        } else if let Some(text) = rest.strip_prefix("r#\"") {
            let len = text.find("\"#").expect("an end");
            found.push((at, text[..len].to_owned()));
            len + 5
        } else if let Some(text) = rest.strip_prefix('"') {
            let (literal, len) = read(text);
            found.push((at, literal));
            len + 1
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
    }
    found
}

/// Reads a literal up to its closing quote. Returns its text and its length in the source.
fn read(text: &str) -> (String, usize) {
    let mut literal = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (literal, at + 1),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('\n') => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                Some('n' | 'r') => literal.push('\n'),
                Some(escaped) => literal.push(escaped),
                None => {}
            },
            _ => literal.push(c),
        }
    }
    panic!("a text without an end: {literal}")
}

/// The parts between the placeholders of a format string, with single spaces. Literal braces count as
/// placeholders.
fn parts(literal: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in words(literal).chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => parts.last_mut().expect("a part").push(c),
            _ => continue,
        }
        if depth == 1 {
            parts.push(String::new());
        }
    }
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// The text with one space for every sequence of white space.
pub(crate) fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !c.is_whitespace() => out.push(c),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    out
}

#[test]
fn source_texts_are_found_and_compared_with_messages() {
    let code = r##"
        let a = '"'; let b = '\''; // "no text at all"
        say("it is {what} of {}", format!("a \"b\" \
             c {{d}}"), r#"a "raw" one"#);
    "##;
    let found: Vec<String> = literals(code).into_iter().map(|(_, text)| text).collect();
    assert_eq!(found, ["it is {what} of {}", "a \"b\" c {{d}}", "a \"raw\" one"]);
    let text = Text { location: String::new(), parts: parts(&found[0]) };
    assert_eq!(text.parts, ["it is ", " of "]);
    assert!(text.is_in("well, it is 5 of 7") && !text.is_in("bit is 5 of 7") && !text.is_in("it was 5 of 7"));
    assert_eq!(parts(&found[1]), ["a \"b\" c "]);
}
