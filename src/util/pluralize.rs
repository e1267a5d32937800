//! Counts with their nouns.

/// A count with its noun, such as `1 point` or `2 points`.
pub(crate) fn pluralize(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pluralize_adds_an_s_unless_there_is_one() {
        assert_eq!([0, 1, 2].map(|count| pluralize(count, "point")), ["0 points", "1 point", "2 points"]);
    }
}
