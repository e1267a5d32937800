//! The clauses of a message.

use std::fmt::Display;

/// Adds a clause to what was said: after a semicolon, but as a sentence of its own after a question.
pub(crate) fn add_clause(said: impl Display, clause: &str) -> String {
    let said = said.to_string();
    let mut letters = clause.chars();
    match letters.next() {
        None => said,
        Some(first) if ends_sentence(&said) => format!("{said} {}{}", first.to_ascii_uppercase(), letters.as_str()),
        Some(_) => format!("{}; {clause}", without_full_stop(&said)),
    }
}

/// Clauses one after the other, each in its own spelling, as it may begin with a name.
pub(crate) fn join_clauses(clauses: impl IntoIterator<Item = String>) -> String {
    let join = |said: String, clause: String| {
        let gap = if ends_sentence(&said) { "" } else { ";" };
        format!("{}{gap} {clause}", without_full_stop(&said))
    };
    clauses.into_iter().reduce(join).unwrap_or_default()
}

fn ends_sentence(said: &str) -> bool {
    said.ends_with(['?', '!'])
}

/// The words of a server often end in a full stop, and three of them stand for what was left out.
fn without_full_stop(said: &str) -> &str {
    said.strip_suffix('.').filter(|rest| !rest.ends_with('.')).unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_follow_by_what_was_said() {
        for (said, clause, expected) in [
            ("down", "the next run sends it", "down; the next run sends it"),
            ("is it up?", "the next run sends it", "is it up? The next run sends it"),
            ("Invalid token.", "check KEY", "Invalid token; check KEY"),
            ("not found: ...", "check it", "not found: ...; check it"),
            ("Try later.", "", "Try later."),
        ] {
            assert_eq!(add_clause(said, clause), expected);
        }
    }

    #[test]
    fn joined_clauses_keep_names_as_they_are() {
        let join = |clauses: &[&str]| join_clauses(clauses.iter().map(|clause| (*clause).to_owned()));
        assert_eq!(join(&["a: down.", "b: is it up?", "c: no"]), "a: down; b: is it up? c: no");
        assert_eq!(join(&[]), "");
    }
}
