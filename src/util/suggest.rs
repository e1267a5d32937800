//! What somebody may have meant.

use std::collections::HashSet;

/// The entry of `known` nearest to `unknown`, as a clause to put behind an error; all of them where none
/// is near.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    let mut seen = HashSet::new();
    known.retain(|candidate| seen.insert(*candidate));
    match nearest(unknown, &known) {
        near if !near.is_empty() || known.is_empty() => near,
        _ => format!("; known: {}", known.join(", ")),
    }
}

/// That a text is none of those there are, and which of them is nearest to it.
pub(crate) fn none_of(unknown: &str, known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|one| format!("{one:?}")).collect();
    let all = match &quoted[..] {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        all => all.concat(),
    };
    format!("must be {all}, not {unknown:?}{}", nearest(unknown, known))
}

/// The nearest as a clause; nothing where none is near.
fn nearest(unknown: &str, known: &[&str]) -> String {
    let likeness = |candidate: &str| strsim::jaro_winkler(&unknown.to_lowercase(), &candidate.to_lowercase());
    let best = known.iter().map(|candidate| (likeness(candidate), candidate)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.75).map_or(String::new(), |(_, best)| format!("; did you mean {best:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_suggested_or_all_are_told() {
        let known = ["last", "high", "last"];
        assert_eq!(did_you_mean("lst", known), "; did you mean \"last\"?");
        assert_eq!(did_you_mean("xyz", known), "; known: last, high");
        assert_eq!(did_you_mean("xyz", []), "");
        assert_eq!(
            none_of("Hihg", &["last", "high"]),
            "must be \"last\" or \"high\", not \"Hihg\"; did you mean \"high\"?"
        );
        assert_eq!(none_of("x", &["last"]), "must be \"last\", not \"x\"");
    }
}
