//! Texts with `{placeholders}`: the one reader for metric names, paths, headers and pointers.

/// A part of such a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Characters that stay as they are.
    Text(&'a str),
    /// What stands between `{` and `}`.
    Placeholder(&'a str),
}

/// Splits `text` at its placeholders; `{{` and `}}` are a brace each.
///
/// # Errors
/// When a brace has no partner.
pub(crate) fn split(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        if from.starts_with("{{") || from.starts_with("}}") {
            pieces.push(Piece::Text(&from[..1]));
            rest = &from[2..];
            continue;
        }
        let unbalanced = || format!("a brace without its partner in {text:?}; one that is meant is written twice");
        let end = from.find('}').filter(|_| from.starts_with('{')).ok_or_else(unbalanced)?;
        pieces.push(Piece::Placeholder(&from[1..end]));
        rest = &from[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::Piece::{Placeholder, Text};
    use super::*;

    #[test]
    fn a_text_is_split_at_its_placeholders() {
        assert_eq!(split("a{b}.{c}d"), Ok(vec![Text("a"), Placeholder("b"), Text("."), Placeholder("c"), Text("d")]));
        assert_eq!(split("{{x}}"), Ok(vec![Text("{"), Text("x"), Text("}")]));
        assert_eq!(split(""), Ok(vec![]));
    }

    #[test]
    fn lone_braces_are_refused() {
        assert!(split("a{b").is_err());
        assert!(split("a}b").is_err());
    }
}
