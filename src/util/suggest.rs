//! Suggestions for messages about unknown words.

use std::collections::HashSet;

/// How similar a word must be to be suggested, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.75;

/// A clause for the end of a message about an unknown word. It suggests the most similar of the known
/// words, or lists all of them if none is similar. It is empty if no word is known.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    let mut seen = HashSet::new();
    known.retain(|word| seen.insert(*word));
    let suggestion = suggest_similar(unknown, &known);
    if suggestion.is_empty() && !known.is_empty() {
        return format!("; known: {}", known.join(", "));
    }
    suggestion
}

/// A message about an unknown word: it lists all of the known words and suggests the most similar one.
pub(crate) fn must_be_one_of(unknown: &str, known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|word| format!("{word:?}")).collect();
    let choices = match &quoted[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        single => single.concat(),
    };
    format!("must be {choices}, not {unknown:?}{}", suggest_similar(unknown, known))
}

/// A clause that suggests the most similar of the known words; empty if none is similar.
fn suggest_similar(unknown: &str, known: &[&str]) -> String {
    let similarity = |word: &str| strsim::jaro_winkler(&unknown.to_lowercase(), &word.to_lowercase());
    let scored = known.iter().map(|word| (similarity(word), word));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((similarity, word)) if similarity > MIN_SIMILARITY => format!("; did you mean {word:?}?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn did_you_mean_suggests_a_similar_word_or_lists_all() {
        let known = ["last", "high", "last"];
        assert_eq!(did_you_mean("lst", known), "; did you mean \"last\"?");
        assert_eq!(did_you_mean("xyz", known), "; known: last, high");
        assert_eq!(did_you_mean("xyz", []), "");
    }

    #[test]
    fn must_be_one_of_lists_all_words_and_suggests_a_similar_one() {
        assert_eq!(
            must_be_one_of("Hihg", &["last", "high"]),
            "must be \"last\" or \"high\", not \"Hihg\"; did you mean \"high\"?"
        );
        assert_eq!(must_be_one_of("x", &["last"]), "must be \"last\", not \"x\"");
        assert_eq!(must_be_one_of("x", &["a", "b", "c"]), "must be \"a\", \"b\" or \"c\", not \"x\"");
    }
}
