//! Finds secrets and parts of them in a text that can be read in several ways.

use super::Secret;
use super::readings::{MAX_LENGTH, Reading, Readings, is_part_of_escape};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::Range;

/// A shorter secret is not masked. It occurs in so many words that their masks would make a message useless, and
/// would tell the secret to whoever reads it.
pub(super) const MIN_LENGTH: usize = 4;

/// So many characters in a row from any place of a secret are masked anywhere: a server may have cut it. Fewer would
/// mask words that a key has too, such as the name of its service.
const MIN_FRAGMENT: usize = 8;

/// So many characters of a secret are masked where the text ends after its beginning, or begins before its end:
/// the text may have been cut there.
const MIN_CUT: usize = 4;

/// All parts of some secrets, up to the length that is masked anywhere. What is longer is found as many such parts
/// that overlap, so the work at a place of a text does not grow with the secrets.
#[derive(Clone)]
pub(super) struct Fragments {
    /// The first of them is empty.
    parts: Vec<Fragment>,
    /// By a part and the character before it: the part of both.
    longer: FxHashMap<(usize, char), usize>,
}

/// What is known of a part of a secret.
#[derive(Clone, Copy, Default)]
struct Fragment {
    length: usize,
    begins_secret: bool,
    ends_secret: bool,
    is_secret: bool,
}

/// A part of a secret that can be read from some place of the text.
#[derive(Clone, Copy)]
struct Found {
    part: usize,
    /// Where it ends in the text: the last such place.
    end: usize,
}

impl Fragments {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let mut fragments = Self { parts: vec![Fragment::default()], longer: FxHashMap::default() };
        for secret in secrets {
            let chars: Vec<char> = secret.expose().chars().collect();
            if chars.len() >= MIN_LENGTH {
                (1..=chars.len()).for_each(|end| fragments.add_parts_before(end, &chars));
            }
        }
        fragments
    }

    /// Whether there is nothing to find.
    pub(super) fn is_empty(&self) -> bool {
        self.longer.is_empty()
    }

    /// Adds the parts of a secret that end at a place.
    fn add_parts_before(&mut self, end: usize, secret: &[char]) {
        let mut part = 0;
        for begin in (end.saturating_sub(MIN_FRAGMENT)..end).rev() {
            part = *self.longer.entry((part, secret[begin])).or_insert(self.parts.len());
            if part == self.parts.len() {
                self.parts.push(Fragment { length: end - begin, ..Fragment::default() });
            }
            let (begins, ends) = (begin == 0, end == secret.len());
            let known = &mut self.parts[part];
            known.begins_secret |= begins;
            known.ends_secret |= ends;
            known.is_secret |= begins && ends;
        }
    }

    /// Where secrets or parts of them are in a text, the last of them first. `see` is given all readings of each
    /// place.
    ///
    /// It goes from the end to the beginning: what can be read from a place follows from what can be read after its
    /// first character.
    pub(super) fn find(&self, text: &str, mut see: impl FnMut(&[Reading])) -> Vec<Range<usize>> {
        let (mut hits, mut readings) = (Vec::new(), Readings::new(text));
        // What was found at each of the places that follow, as far as an escape reaches.
        let mut following: VecDeque<Vec<Found>> = VecDeque::new();
        let mut found = Vec::new();
        for at in (0..text.len()).rev() {
            let here = readings.step_back();
            see(&here);
            self.read(&here, at, &following, &mut found);
            let end = found.iter().filter_map(|found| self.hit_end(found, at, text)).max();
            hits.extend(end.map(|end| at..end));
            following.truncate(MAX_LENGTH);
            // A copy has no more memory than it needs.
            following.push_front(found.clone());
        }
        hits
    }

    /// Finds the parts that can be read from `at`.
    fn read(&self, here: &[Reading], at: usize, following: &VecDeque<Vec<Found>>, found: &mut Vec<Found>) {
        found.clear();
        for reading in here {
            let rests = following.get(reading.end - at - 1).into_iter().flatten();
            for rest in [Found { part: 0, end: reading.end }].iter().chain(rests) {
                let part = self.longer.get(&(rest.part, reading.c));
                found.extend(part.map(|part| Found { part: *part, end: rest.end }));
            }
        }
        found.sort_unstable_by_key(|found| (found.part, Reverse(found.end)));
        found.dedup_by_key(|found| found.part);
    }

    /// Where the mask of a part that begins at `at` ends. `None` if it is not enough of a secret to be masked.
    fn hit_end(&self, found: &Found, at: usize, text: &str) -> Option<usize> {
        let Fragment { length, begins_secret, ends_secret, is_secret } = self.parts[found.part];
        let is_fragment = length >= MIN_FRAGMENT;
        let can_be_cut = is_fragment || begins_secret && length >= MIN_CUT;
        if can_be_cut && (found.end == text.len() || is_part_of_escape(&text[found.end..])) {
            return Some(text.len());
        }
        let is_cut_before = at == 0 && ends_secret && length >= MIN_CUT;
        (is_fragment || is_secret || is_cut_before).then_some(found.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins and ends of what is masked.
    fn find(text: &str, secret: &str) -> Vec<(usize, usize)> {
        let hits = Fragments::new(&[Secret::new(secret)]).find(text, |_| ());
        hits.into_iter().map(|hit| (hit.start, hit.end)).collect()
    }

    #[test]
    fn parts_that_are_alike_are_one() {
        assert_eq!(Fragments::new(&[Secret::new("a".repeat(5_000))]).parts.len(), 1 + MIN_FRAGMENT);
        let two = ["abcd", "xabcdx"].map(Secret::new);
        assert_eq!(Fragments::new(&two).parts.len(), Fragments::new(&two[1..]).parts.len());
    }

    #[test]
    fn what_is_longer_than_a_part_is_found_as_parts_that_overlap() {
        assert_eq!(find("-0123456789-", "0123456789"), [(3, 11), (2, 10), (1, 9)]);
        // The digit in the escape may be meant too.
        assert_eq!(find("-0%3123456789-", "0123456789"), [(5, 13), (4, 12), (2, 12), (1, 11)]);
    }

    #[test]
    fn a_short_part_counts_only_where_the_text_may_be_cut() {
        assert_eq!((find("0123-", "0123456789"), find("-0123", "0123456789")), (vec![], vec![(1, 5)]));
        assert_eq!((find("6789-", "0123456789"), find("-6789", "0123456789")), (vec![(0, 4)], vec![]));
        // The beginning of one secret and the end of another are no secret.
        let two = ["abcdx", "yabcd"].map(Secret::new);
        assert_eq!(Fragments::new(&two).find("-abcd-", |_| ()), []);
    }
}
