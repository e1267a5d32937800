//! Texts with `{placeholders}`: the templates of metric names, paths, headers and pointers.

/// A segment of a text with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// Literal text.
    Text(&'a str),
    /// The word between `{` and `}`.
    Placeholder(&'a str),
}

/// Splits a text at its placeholders. `{{` and `}}` stand for one literal brace each.
///
/// # Errors
/// When a brace has no match. The error is a message that quotes the text.
pub(crate) fn split(text: &str) -> Result<Vec<Segment<'_>>, String> {
    let mut segments = Vec::new();
    let mut remaining = text;
    while let Some(brace) = remaining.find(['{', '}']) {
        let (before, from_brace) = remaining.split_at(brace);
        if !before.is_empty() {
            segments.push(Segment::Text(before));
        }
        if from_brace.starts_with("{{") || from_brace.starts_with("}}") {
            segments.push(Segment::Text(&from_brace[..1]));
            remaining = &from_brace[2..];
            continue;
        }
        let unmatched = || format!("unmatched brace in {text:?}; write {{{{ or }}}} for a literal one");
        let end = from_brace.find('}').filter(|_| from_brace.starts_with('{')).ok_or_else(unmatched)?;
        segments.push(Segment::Placeholder(&from_brace[1..end]));
        remaining = &from_brace[end + 1..];
    }
    if !remaining.is_empty() {
        segments.push(Segment::Text(remaining));
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::Segment::{Placeholder, Text};
    use super::*;

    #[test]
    fn split_separates_text_and_placeholders() {
        assert_eq!(split("a{b}.{c}d"), Ok(vec![Text("a"), Placeholder("b"), Text("."), Placeholder("c"), Text("d")]));
        assert_eq!(split("{{x}}"), Ok(vec![Text("{"), Text("x"), Text("}")]));
        assert_eq!(split(""), Ok(vec![]));
    }

    #[test]
    fn split_refuses_a_brace_without_a_match() {
        let message = |text: &str| format!("unmatched brace in {text:?}; write {{{{ or }}}} for a literal one");
        for text in ["a{b", "a}b", "{{a}", "a{"] {
            assert_eq!(split(text), Err(message(text)));
        }
    }
}
