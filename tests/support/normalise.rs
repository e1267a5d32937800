//! Removes from output what differs from run to run.

/// The units of durations; a unit comes before its own suffixes.
const UNITS: [&str; 5] = ["ns", "us", "µs", "ms", "s"];

/// Replacements for texts that only one run has: a port, a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Normaliser {
    words: Vec<(String, String)>,
}

impl Normaliser {
    /// Replaces `text` by `word`.
    pub(crate) fn hide(&mut self, text: impl Into<String>, word: &str) {
        self.words.push((text.into(), word.to_owned()));
    }

    /// The text after all replacements. The longest comes first, as one port may begin another.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_by_key(|(hidden, _)| std::cmp::Reverse(hidden.len()));
        words.into_iter().fold(text.to_owned(), |text, (hidden, word)| text.replace(hidden, word))
    }
}

/// Replaces durations such as `0.123 s` and `12ms` by `<time>`.
pub(crate) fn times(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = plain.ends_with(|before: char| before.is_alphanumeric() || "._".contains(before));
        if !inside && let Some(length) = duration(rest) {
            plain += "<time>";
            rest = &rest[length..];
        } else {
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    plain
}

/// The length of the duration at the start of a text.
fn duration(text: &str) -> Option<usize> {
    let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if number.len() == text.len() {
        return None;
    }
    let number = match number.strip_prefix('.') {
        Some(decimals) => decimals.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => number,
    };
    let unit = number.strip_prefix(' ').unwrap_or(number);
    let rest = UNITS.iter().find_map(|name| unit.strip_prefix(name))?;
    (!rest.starts_with(char::is_alphanumeric)).then_some(text.len() - rest.len())
}
