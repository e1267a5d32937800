//! Texts with `{placeholders}`. Metric names, paths, headers and pointers are all read here.

/// A segment of such a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// The word between `{` and `}`.
    Placeholder(&'a str),
}

/// Splits `text` at its placeholders. `{{` and `}}` stand for one brace each.
///
/// # Errors
/// When a brace has no match.
pub(crate) fn split(text: &str) -> Result<Vec<Segment<'_>>, String> {
    let mut segments = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            segments.push(Segment::Text(before));
        }
        if from.starts_with("{{") || from.starts_with("}}") {
            segments.push(Segment::Text(&from[..1]));
            rest = &from[2..];
            continue;
        }
        let unmatched = || format!("unmatched brace in {text:?}; write {{{{ or }}}} for a literal one");
        let end = from.find('}').filter(|_| from.starts_with('{')).ok_or_else(unmatched)?;
        segments.push(Segment::Placeholder(&from[1..end]));
        rest = &from[end + 1..];
    }
    if !rest.is_empty() {
        segments.push(Segment::Text(rest));
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::Segment::{Placeholder, Text};
    use super::*;

    #[test]
    fn text_is_split_at_its_placeholders() {
        assert_eq!(split("a{b}.{c}d"), Ok(vec![Text("a"), Placeholder("b"), Text("."), Placeholder("c"), Text("d")]));
        assert_eq!(split("{{x}}"), Ok(vec![Text("{"), Text("x"), Text("}")]));
        assert_eq!(split(""), Ok(vec![]));
    }

    #[test]
    fn unmatched_braces_are_refused() {
        assert!(split("a{b").is_err());
        assert!(split("a}b").is_err());
    }
}
