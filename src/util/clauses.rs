//! Two clauses of a message.

use std::fmt::Display;

/// Adds a clause to what was said: after a semicolon, but as a sentence of its own after a question.
pub(crate) fn add_clause(said: impl Display, clause: &str) -> String {
    let said = said.to_string();
    let mut letters = clause.chars();
    match letters.next() {
        Some(first) if said.ends_with('?') => format!("{said} {}{}", first.to_ascii_uppercase(), letters.as_str()),
        _ => format!("{said}; {clause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_ends_its_sentence() {
        assert_eq!(add_clause("down", "the next run sends it"), "down; the next run sends it");
        assert_eq!(add_clause("is it up?", "the next run sends it"), "is it up? The next run sends it");
    }
}
