//! Names that are too long for a file.

use super::hash::stable_hash;
use std::borrow::Cow;

/// A name of at most `max` bytes, which must be more than 17. The end of a longer name becomes a hash of the
/// whole one, so that two long names stay different.
pub(crate) fn shorten(name: &str, max: usize) -> Cow<'_, str> {
    if name.len() <= max {
        return name.into();
    }
    let hash = format!("-{:016x}", stable_hash(name.bytes()));
    let mut end = max.saturating_sub(hash.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{hash}", &name[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_name_is_shortened_and_stays_different_from_others() {
        assert_eq!(shorten("twenty-letters-long.", 20), "twenty-letters-long.");
        let (a, b) = (shorten("twenty-one-letters-aa", 20), shorten("twenty-one-letters-ab", 20));
        assert_eq!([a.len(), b.len()], [20, 20]);
        assert!(a != b && a.starts_with("twe-"), "{a} {b}");
        assert!(shorten("ä".repeat(30).as_str(), 20).starts_with("ä-"));
    }
}
