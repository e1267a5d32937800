//! Masks secrets in texts of servers, which may quote them in any encoding and cut them anywhere.

use super::readings::{MAX_LENGTH, Readings, is_part_of_escape};
use super::{MASK, Secret};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::ops::Range;

/// A shorter secret is not masked. It occurs in so many words that their masks would make a message useless, and
/// would tell the secret to whoever reads it.
const MIN_LENGTH: usize = 4;

/// So many characters in a row from any place of a secret are masked anywhere: a server may have cut it. Fewer would
/// mask words that a key has too, such as the name of its service.
const MIN_FRAGMENT: usize = 8;

/// So many characters of a secret are masked where the text ends after its beginning, or begins before its end:
/// the text may have been cut there.
const MIN_CUT: usize = 4;

/// Masks in `text` the secrets, and parts of them, however they are encoded. Where they overlap, all of it is one
/// mask.
pub(crate) fn mask(text: &str, secrets: &[Secret]) -> String {
    let patterns = Patterns::new(secrets);
    if patterns.chars.is_empty() {
        return text.to_owned();
    }
    let readings = Readings::new(text);
    let mut found = patterns.find(text, &readings);
    found.extend(base64_runs(text, &readings).into_iter().filter(|run| patterns.are_in(run)).map(|run| run.range));
    found.sort_unstable_by_key(|range| range.start);
    let (mut masked, mut copied) = (String::with_capacity(text.len()), 0);
    for range in found {
        // A range that touches the one before belongs to the same mask.
        if range.start > copied || copied == 0 {
            masked.push_str(&text[copied..range.start]);
            masked.push_str(MASK);
        }
        copied = copied.max(range.end);
    }
    masked + &text[copied..]
}

/// The characters of all secrets.
struct Patterns {
    /// Those of the first secret, then those of the second one, and so on.
    chars: Vec<char>,
    /// For each character the range of its secret.
    secrets: Vec<Range<usize>>,
    /// Where each character occurs, in ascending order.
    places: FxHashMap<char, Vec<usize>>,
}

/// Characters of a secret that stand in the text one after the other.
#[derive(Clone, Copy)]
struct Match {
    /// The first of them, as an index in the patterns.
    place: usize,
    /// How many there are.
    length: usize,
    /// Where they end in the text.
    end: usize,
}

impl Patterns {
    fn new(secrets: &[Secret]) -> Self {
        let mut patterns = Self { chars: Vec::new(), secrets: Vec::new(), places: FxHashMap::default() };
        for secret in secrets {
            let (begin, length) = (patterns.chars.len(), secret.expose().chars().count());
            if length >= MIN_LENGTH {
                patterns.chars.extend(secret.expose().chars());
                patterns.secrets.resize(begin + length, begin..begin + length);
            }
        }
        for (place, c) in patterns.chars.iter().enumerate() {
            patterns.places.entry(*c).or_default().push(place);
        }
        patterns
    }

    /// Where secrets or parts of them are in a text.
    ///
    /// It goes from the end to the beginning: the longest match from a place follows from the longest ones after
    /// its first character. So its time is at most that of one step for each place and each character of a secret,
    /// and nearly always one step for each place.
    fn find(&self, text: &str, readings: &Readings<'_>) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        // The matches from each of the places that follow, as far as an escape reaches.
        let mut following: VecDeque<Vec<Match>> = VecDeque::new();
        for at in (0..text.len()).rev() {
            let matches = self.matches_at(readings, at, &following);
            let end = matches.iter().filter_map(|found| self.hit_end(found, at, text)).max();
            found.extend(end.map(|end| at..end));
            following.truncate(MAX_LENGTH);
            following.push_front(matches);
        }
        found
    }

    /// The longest match from `at` for each place in the patterns, in the order of these places.
    fn matches_at(&self, readings: &Readings<'_>, at: usize, following: &VecDeque<Vec<Match>>) -> Vec<Match> {
        let mut matches = Vec::new();
        for reading in readings.at(at) {
            let next = following.get(reading.end - at - 1);
            for &place in self.places.get(&reading.c).into_iter().flatten() {
                let is_last = place + 1 == self.secrets[place].end;
                let rest = next.filter(|_| !is_last).and_then(|next| {
                    let index = next.binary_search_by_key(&(place + 1), |next| next.place).ok()?;
                    Some(next[index])
                });
                let (length, end) = rest.map_or((1, reading.end), |rest| (rest.length + 1, rest.end));
                matches.push(Match { place, length, end });
            }
        }
        matches.sort_unstable_by_key(|found| (found.place, std::cmp::Reverse((found.length, found.end))));
        matches.dedup_by_key(|found| found.place);
        matches
    }

    /// Where the mask of a match from `at` ends. `None` if it is not enough of a secret to be masked.
    fn hit_end(&self, found: &Match, at: usize, text: &str) -> Option<usize> {
        let Match { place, length, end } = *found;
        let secret = &self.secrets[place];
        let (has_begin, has_end) = (place == secret.start, place + length == secret.end);
        let is_cut_after = has_begin && length >= MIN_CUT && (end == text.len() || is_part_of_escape(&text[end..]));
        let is_cut_before = has_end && length >= MIN_CUT && at == 0;
        let is_hit = length >= MIN_FRAGMENT || has_begin && has_end || is_cut_before;
        if is_cut_after { Some(text.len()) } else { is_hit.then_some(end) }
    }

    /// Whether a secret is in what a run of base64 stands for. The run may begin within another word, so that each
    /// of four places may be its beginning.
    fn are_in(&self, run: &Base64Run) -> bool {
        let decoded = (0..4.min(run.sextets.len())).map(|offset| decode(&run.sextets[offset..]));
        decoded.into_iter().any(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            !self.find(&text, &Readings::new(&text)).is_empty()
        })
    }
}

/// Characters of base64 that follow each other, with line breaks between them or not.
struct Base64Run {
    /// What they stand for, six bits each.
    sextets: Vec<u8>,
    /// Where they are in the text.
    range: Range<usize>,
}

/// All runs of characters of base64, in either alphabet, that are long enough for a secret.
fn base64_runs(text: &str, readings: &Readings<'_>) -> Vec<Base64Run> {
    let mut runs = Vec::new();
    let mut run = Base64Run { sextets: Vec::new(), range: 0..0 };
    let mut at = 0;
    while at < text.len() {
        let sextet = readings.at(at).find_map(|reading| Some((sextet(reading.c)?, reading.end)));
        let line_break = readings.at(at).find(|reading| matches!(reading.c, '\n' | '\r'));
        if let Some((sextet, end)) = sextet {
            if run.sextets.is_empty() {
                run.range.start = at;
            }
            run.sextets.push(sextet);
            run.range.end = end;
            at = end;
        } else if let Some(line_break) = line_break {
            at = line_break.end;
        } else {
            runs.push(std::mem::replace(&mut run, Base64Run { sextets: Vec::new(), range: 0..0 }));
            at = readings.at(at).next().map_or(text.len(), |reading| reading.end);
        }
    }
    runs.push(run);
    runs.retain(|run| run.sextets.len() * 6 / 8 >= MIN_LENGTH);
    runs
}

/// What a character stands for in base64, or in its alphabet for URLs.
fn sextet(c: char) -> Option<u8> {
    let b = u8::try_from(c).ok()?;
    match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// The bytes that sextets stand for. Bits at the end that are no whole byte are left out.
fn decode(sextets: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(sextets.len() * 6 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for sextet in sextets {
        bits = bits << 6 | u32::from(*sextet);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_all(text: &str, secrets: &[&str]) -> String {
        mask(text, &secrets.iter().map(|secret| Secret::new(*secret)).collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_is_masked_in_every_encoding() {
        for text in [
            "a&b/c=\"d",
            "a\\u0026b\\/c\\u003d\\\"d",
            "a\\u0026b/c=\\u0022d",
            "a&amp;b/c=&quot;d",
            "a&#38;b&#x2F;c&#61;&#34;d",
            "a%26b%2Fc%3D%22d",
            "a%26b/c%3d%22d",
            "%61%26%62%2f%63%3D%22%64",
            "a%2526b%252Fc%253D%2522d",
            "a\\u0026amp;b/c=\\u0026quot;d",
            "YSZiL2M9ImQ",
        ] {
            assert_eq!(mask_all(&format!("key {text}, said"), &["a&b/c=\"d"]), "key ***, said", "{text}");
        }
    }

    #[test]
    fn a_space_may_be_a_plus() {
        assert_eq!(mask_all("q=two+words+x", &["two words"]), "q=***+x");
        assert_eq!(mask_all("q=two%20words+x", &["two words"]), "q=***+x");
    }

    #[test]
    fn a_secret_is_masked_in_base64_at_any_offset_and_in_both_alphabets() {
        use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
        for before in ["", "u", "us", "use", "user:"] {
            let text = format!("{before}pass>?>word!");
            for encoded in [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)] {
                for spelled in
                    [encoded.clone(), encoded.replace('/', "\\/").replace('+', "%2B"), encoded.replace('A', "A\r\n")]
                {
                    for said in [format!("Basic {spelled}"), format!("x{spelled}"), format!("xy{spelled}")] {
                        let masked = mask_all(&said, &["pass>?>word"]);
                        assert_eq!(masked.trim_end_matches('=').trim_start_matches("Basic "), "***", "{said}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_encoded_secret_is_masked_in_base64() {
        use base64::prelude::{BASE64_STANDARD, Engine};
        for text in ["/q?key=pa%2Fss%26word", "{\"key\":\"pa\\/ss\\u0026word\"}"] {
            assert_eq!(mask_all(&BASE64_STANDARD.encode(text), &["pa/ss&word"]).trim_end_matches('='), "***");
        }
    }

    #[test]
    fn a_secret_that_is_cut_is_masked() {
        let secret = "glc_abcdefgh&ijkl";
        for (text, masked) in [
            ("token glc_", "token ***"),
            ("token glc", "token glc"),
            ("token glc_abcdefgh%2", "token ***"),
            ("token glc_abcdefgh\\u00", "token ***"),
            ("ijkl is bad", "*** is bad"),
            ("jkl is bad", "jkl is bad"),
            ("the glc_ is bad", "the glc_ is bad"),
            ("token glc_abcd... is bad", "token ***... is bad"),
            ("token glc_abc... is bad", "token glc_abc... is bad"),
            ("token ...cdefgh%26ij is bad", "token ...*** is bad"),
        ] {
            assert_eq!(mask_all(text, &[secret]), masked);
        }
    }

    #[test]
    fn a_secret_within_another_leaves_no_rest() {
        let secrets = ["abcd", "xyabcdzw", "zwabcdefgh"];
        assert_eq!(mask_all("1 xyabcdzw 2 abcd 3 xyabcdzwabcdefgh 4", &secrets), "1 *** 2 *** 3 *** 4");
        assert_eq!(mask_all("abcdabcd, abcd", &secrets), "***, ***");
    }

    #[test]
    fn a_very_short_secret_is_not_masked() {
        assert_eq!(mask_all("b is a bad abc", &["", "b", "abc"]), "b is a bad abc");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = "100% é \\ & &amp; %zz %41 \\u0041 😀 Basic dXNlcjp4 + ";
        assert_eq!(mask_all(text, &["other-secret", "kéy-😀-x"]), text);
        assert_eq!(mask_all("k%C3%A9y-\\ud83d\\ude00-x", &["kéy-😀-x"]), "***");
    }

    /// The worst text: every place may be the beginning of everything.
    #[test]
    fn a_long_text_takes_little_time() {
        let secrets = ["a".repeat(60), "%25".repeat(20), "\\".repeat(40), "&amp;".repeat(12)];
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let begun = std::time::Instant::now();
        for unit in ["a", "%25", "\\", "&amp;", "%2525", "\\\\u0026amp;"] {
            mask_all(&unit.repeat((1 << 13) / unit.len()), &secrets);
        }
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
}
