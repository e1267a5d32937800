//! The ways in which a text can be read, if parts of it are encoded: percent-encoding, the escapes of strings
//! in JSON and in programs, and character references of HTML.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::str;

/// The longest escape that is read, in bytes of the text.
pub(super) const MAX_LENGTH: usize = 128;

/// So many encodings may lie in each other: a JSON string in a URL in a JSON string.
const MAX_DEPTH: usize = 3;

/// The names of ASCII characters in HTML (<https://html.spec.whatwg.org/#named-character-references>).
const NAMES: [(&str, char); 40] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("AMP", '&'),
    ("LT", '<'),
    ("GT", '>'),
    ("QUOT", '"'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("hyphen", '-'),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("vert", '|'),
    ("rcub", '}'),
    ("rbrace", '}'),
];

/// A character that the text at some place can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The character.
    pub(super) c: char,
    /// Where the next character begins.
    pub(super) end: usize,
}

/// Whether a text that ends here may end within an escape.
pub(super) fn is_part_of_escape(rest: &str) -> bool {
    let mut chars = rest.chars();
    matches!(chars.next(), Some('%' | '\\' | '&'))
        && rest.len() <= MAX_LENGTH
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '%' | '\\' | '&' | '#'))
}

/// The readings of a text, from its end to its beginning: an escape that lies in others is known before them. They are
/// kept only as far as an escape reaches. An escape begins with one of three characters however deep it lies, so that
/// most places have one reading only.
pub(super) struct Readings<'a> {
    text: &'a str,
    /// The place that was read last.
    at: usize,
    /// For this place and those that follow: what can be read there beside the character itself, with so many
    /// encodings in each other.
    escapes: VecDeque<[Vec<Reading>; MAX_DEPTH + 1]>,
}

impl<'a> Readings<'a> {
    /// Begins at the end of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: text.len(), escapes: VecDeque::new() }
    }

    /// All ways to read the character at the place before: first as it is written there, then what it stands for in
    /// an encoding. None within a character, and at the beginning of the text.
    pub(super) fn step_back(&mut self) -> Vec<Reading> {
        let Some(at) = self.at.checked_sub(1) else { return Vec::new() };
        self.at = at;
        self.escapes.truncate(MAX_LENGTH);
        self.escapes.push_front([const { Vec::new() }; MAX_DEPTH + 1]);
        if matches!(self.text.as_bytes()[at], b'%' | b'\\' | b'&') {
            for depth in 1..=MAX_DEPTH {
                self.escapes[0][depth] = self.escapes_at(at, depth);
            }
        }
        self.all(at, MAX_DEPTH).collect()
    }

    fn all(&self, at: usize, depth: usize) -> impl Iterator<Item = Reading> {
        let c = self.text.get(at..).and_then(|rest| rest.chars().next());
        let written = c.map(|c| Reading { c, end: at + c.len_utf8() });
        let space = written.filter(|written| written.c == '+').map(|plus| Reading { c: ' ', ..plus });
        let escapes = self.escapes.get(at - self.at).map_or(&[][..], |levels| &levels[depth]);
        written.into_iter().chain(space).chain(escapes.iter().copied())
    }

    /// The escapes at a place, if those with less depth there and all those after it are known.
    fn escapes_at(&self, at: usize, depth: usize) -> Vec<Reading> {
        let mut found: Vec<Reading> = Vec::new();
        for lead in self.all(at, depth - 1) {
            let escaped = match lead.c {
                '%' => self.percent(lead.end, depth - 1),
                '\\' => self.backslash(lead.end, depth - 1),
                '&' => self.reference(lead.end, depth - 1),
                _ => Vec::new(),
            };
            let is_written = lead.end == at + 1;
            for reading in escaped.into_iter().chain(Some(lead).filter(|_| !is_written)) {
                if reading.end - at <= MAX_LENGTH && !found.contains(&reading) {
                    found.push(reading);
                }
            }
        }
        found
    }

    /// After a `%`: two digits for each byte of a character in UTF-8, or `u` and four digits.
    fn percent(&self, at: usize, depth: usize) -> Vec<Reading> {
        let mut found = self.utf16(at, depth);
        let Some((first, mut end)) = self.hex(at, 2, depth) else { return found };
        let mut bytes = vec![u8::try_from(first).unwrap_or_default()];
        loop {
            match str::from_utf8(&bytes) {
                Ok(character) => {
                    found.extend(character.chars().map(|c| Reading { c, end }));
                    return found;
                }
                Err(_) if bytes.len() == 4 => return found,
                Err(_) => {
                    let next = self.one(end, depth, |c| c == '%').and_then(|sign| self.hex(sign.end, 2, depth));
                    let Some((byte, next_end)) = next else { return found };
                    bytes.push(u8::try_from(byte).unwrap_or_default());
                    end = next_end;
                }
            }
        }
    }

    /// After a `\`: a code in hexadecimal digits, a letter for a control character, or a sign that stands for
    /// itself.
    fn backslash(&self, at: usize, depth: usize) -> Vec<Reading> {
        let mut found = self.utf16(at, depth);
        for kind in self.all(at, depth) {
            let c = match kind.c {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'x' => {
                    found.extend(self.hex(kind.end, 2, depth).and_then(|(code, end)| reading(code, end)));
                    continue;
                }
                'U' => {
                    found.extend(self.hex(kind.end, 8, depth).and_then(|(code, end)| reading(code, end)));
                    continue;
                }
                c if c.is_ascii_punctuation() => c,
                _ => continue,
            };
            found.push(Reading { c, end: kind.end });
        }
        found
    }

    /// `u` and four digits, twice for a character beyond 0xFFFF.
    fn utf16(&self, at: usize, depth: usize) -> Vec<Reading> {
        let unit = |at| self.one(at, depth, |c| c == 'u').and_then(|letter| self.hex(letter.end, 4, depth));
        let Some((high, end)) = unit(at) else { return Vec::new() };
        if let Some(reading) = reading(high, end) {
            return vec![reading];
        }
        let second = self.one(end, depth, |c| matches!(c, '\\' | '%')).and_then(|lead| unit(lead.end));
        let Some((low, end)) = second else { return Vec::new() };
        let units = [high, low].map(|unit| u16::try_from(unit).unwrap_or_default());
        char::decode_utf16(units).next().and_then(Result::ok).map(|c| Reading { c, end }).into_iter().collect()
    }

    /// After a `&`: `#` and a number, or a name. Browsers do without the semicolon too.
    fn reference(&self, at: usize, depth: usize) -> Vec<Reading> {
        let mut found = Vec::new();
        if let Some(sign) = self.one(at, depth, |c| c == '#') {
            let letter = self.one(sign.end, depth, |c| matches!(c, 'x' | 'X'));
            let (begin, radix) = letter.map_or((sign.end, 10), |letter| (letter.end, 16));
            let code = self.number(begin, 1..=8, radix, depth);
            found.extend(code.and_then(|(code, end)| reading(code, end)));
        }
        for (name, c) in NAMES {
            let letter = |end, letter| self.one(end, depth, |c| c == letter).map(|reading| reading.end);
            found.extend(name.chars().try_fold(at, letter).map(|end| Reading { c, end }));
        }
        let semicolons: Vec<Reading> = found
            .iter()
            .filter_map(|reading| Some(Reading { end: self.one(reading.end, depth, |c| c == ';')?.end, ..*reading }))
            .collect();
        [semicolons, found].concat()
    }

    /// A number of exactly so many hexadecimal digits.
    fn hex(&self, at: usize, digits: usize, depth: usize) -> Option<(u32, usize)> {
        self.number(at, digits..=digits, 16, depth)
    }

    /// A number of so many digits, and where it ends.
    fn number(&self, mut at: usize, digits: RangeInclusive<usize>, radix: u32, depth: usize) -> Option<(u32, usize)> {
        let (mut number, mut count) = (0_u32, 0);
        while count < *digits.end()
            && let Some(digit) = self.one(at, depth, |c| c.is_digit(radix))
        {
            number = number.checked_mul(radix)?.checked_add(digit.c.to_digit(radix)?)?;
            (at, count) = (digit.end, count + 1);
        }
        digits.contains(&count).then_some((number, at))
    }

    /// The first reading at a place that is such a character.
    fn one(&self, at: usize, depth: usize, is_wanted: impl Fn(char) -> bool) -> Option<Reading> {
        self.all(at, depth).find(|reading| is_wanted(reading.c))
    }
}

fn reading(code: u32, end: usize) -> Option<Reading> {
    char::from_u32(code).map(|c| Reading { c, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text that is one escape can stand for.
    fn meanings(text: &str) -> String {
        at_beginning(text).iter().filter(|reading| reading.end == text.len()).map(|reading| reading.c).collect()
    }

    /// What can be read at the beginning of a text.
    fn at_beginning(text: &str) -> Vec<Reading> {
        let mut readings = Readings::new(text);
        (0..text.len()).map(|_| readings.step_back()).last().unwrap_or_default()
    }

    #[test]
    fn every_encoding_of_a_character_is_read() {
        for text in [
            "&",
            "%26",
            "\\u0026",
            "\\U00000026",
            "\\x26",
            "\\&",
            "&amp;",
            "&amp",
            "&AMP;",
            "&#38;",
            "&#38",
            "&#038;",
            "&#x26;",
            "&#X26;",
            "%u0026",
        ] {
            assert_eq!(meanings(text), "&", "{text}");
        }
        for text in ["é", "%C3%A9", "%c3%A9", "\\u00e9", "\\u00E9", "&#233;", "&#xe9;", "%u00e9"] {
            assert_eq!(meanings(text), "é", "{text}");
        }
        for text in ["😀", "%F0%9F%98%80", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\U0001F600", "&#128512;"] {
            assert_eq!(meanings(text), "😀", "{text}");
        }
        assert_eq!(meanings("+"), "+ ");
        assert_eq!([meanings("\\/"), meanings("\\\""), meanings("\\\\"), meanings("\\n")], ["/", "\"", "\\", "\n"]);
    }

    #[test]
    fn encodings_in_each_other_are_read() {
        for text in
            ["%2526", "%252526", "\\u0026amp;", "&amp;#38;", "\\\\u0026", "%26%2338%3B", "%5Cu0026", "%255Cu0026"]
        {
            assert!(meanings(text).contains('&'), "{text}");
        }
        for text in ["\\\\\\/", "%5C%2F", "\\u005c/"] {
            assert!(meanings(text).contains('/'), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in
            ["%", "%2", "%G1", "\\", "\\u00", "\\ud83d", "&", "&#", "&#x;", "&#99999999;", "&nothing;", "a", "%FF"]
        {
            let first = text.chars().next().unwrap();
            assert_eq!(at_beginning(text), [Reading { c: first, end: first.len_utf8() }], "{text}");
        }
        assert_eq!(Readings::new("").step_back(), []);
    }

    #[test]
    fn readings_are_kept_as_far_as_an_escape_reaches() {
        let text = "\\&%5C".repeat(1_000);
        let mut readings = Readings::new(&text);
        let most = (0..text.len()).map(|_| {
            readings.step_back();
            readings.escapes.iter().flatten().map(Vec::len).sum::<usize>()
        });
        let most = most.max().unwrap();
        assert!(readings.escapes.len() == 1 + MAX_LENGTH && most < 4_000, "{most}");
    }

    #[test]
    fn a_text_may_end_within_an_escape() {
        for part in ["%", "%2", "\\", "\\u00", "\\ud83d\\u", "&", "&am", "&#x2"] {
            assert!(is_part_of_escape(part), "{part}");
        }
        for part in ["", "2", "&amp;", "% ", "\\ x"] {
            assert!(!is_part_of_escape(part), "{part}");
        }
    }
}
