//! Text from outside, made safe to show in a message.

/// The length of an [`excerpt`], in characters.
pub(crate) const EXCERPT_CHARS: usize = 200;

/// The first 200 characters of a text from outside, as [`sanitize`] makes them safe to show.
pub(crate) fn excerpt(text: &str) -> String {
    sanitize(text, EXCERPT_CHARS)
}

/// A text from outside, made safe to show on one line of a terminal: line breaks and tabs become
/// spaces, and characters that are unsafe for a terminal are escaped. White space at both ends is
/// removed. Of a text longer than `max_chars` characters the beginning is kept, followed by `…`.
pub(crate) fn sanitize(text: &str, max_chars: usize) -> String {
    let mut sanitized = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        match c {
            _ if count == max_chars => {
                sanitized.push('…');
                break;
            }
            '\n' | '\r' | '\t' => sanitized.push(' '),
            _ if is_unsafe_for_terminal(c) => sanitized.extend(c.escape_unicode()),
            _ => sanitized.push(c),
        }
    }
    sanitized
}

/// A text with `...` for each place where a word stands alone in it, in upper or lower case.
pub(crate) fn without_word(text: &str, word: &str) -> String {
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let ends_word = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let (mut out, mut copied) = (String::with_capacity(text.len()), 0);
    for (begin, _) in lower.match_indices(&word).filter(|_| !word.is_empty()) {
        let end = begin + word.len();
        if ends_word(lower[..begin].chars().next_back()) && ends_word(lower[end..].chars().next()) {
            out.push_str(&text[copied..begin]);
            out.push_str("...");
            copied = end;
        }
    }
    out + &text[copied..]
}

/// Whether a character can control a terminal, cannot be seen, or changes how the text beside it looks: control and
/// format characters (Cc and Cf, with those of the direction of writing and the tags), separators of lines, characters
/// for private use, and all that Unicode calls ignorable by default, assigned or not, such as variation selectors
/// (<https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>).
pub(crate) fn is_unsafe_for_terminal(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{e000}'..='\u{f8ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitize_escapes_exactly_the_characters_that_are_unsafe_for_a_terminal() {
        let unsafe_ranges = [
            // Control characters, without the tab and the line breaks.
            "\0\u{8}",
            "\u{b}\u{c}",
            "\u{e}\u{1f}",
            "\u{7f}\u{9f}",
            // Format characters.
            "\u{ad}\u{ad}",
            "\u{600}\u{605}",
            "\u{61c}\u{61c}",
            "\u{6dd}\u{6dd}",
            "\u{70f}\u{70f}",
            "\u{890}\u{891}",
            "\u{8e2}\u{8e2}",
            "\u{180e}\u{180e}",
            "\u{200b}\u{200f}",
            "\u{202a}\u{202e}",
            "\u{2060}\u{206f}",
            "\u{feff}\u{feff}",
            "\u{fff9}\u{fffb}",
            "\u{110bd}\u{110bd}",
            "\u{110cd}\u{110cd}",
            "\u{13430}\u{1343f}",
            "\u{1bca0}\u{1bca3}",
            "\u{1d173}\u{1d17a}",
            "\u{e0000}\u{e0fff}",
            // Separators of lines and paragraphs.
            "\u{2028}\u{2029}",
            // What is ignorable beside format characters: joiners, fillers, vowels that are not seen, selectors.
            "\u{34f}\u{34f}",
            "\u{115f}\u{1160}",
            "\u{17b4}\u{17b5}",
            "\u{180b}\u{180f}",
            "\u{3164}\u{3164}",
            "\u{fe00}\u{fe0f}",
            "\u{ffa0}\u{ffa0}",
            "\u{fff0}\u{fff8}",
            // Private use.
            "\u{e000}\u{f8ff}",
            "\u{f0000}\u{10ffff}",
        ];
        let is_in = |range: &&str, c: char| {
            let (begin, end) = (range.chars().next(), range.chars().last());
            begin <= Some(c) && Some(c) <= end
        };
        for c in '\0'..=char::MAX {
            let expected = match c {
                '\t' | '\n' | '\r' => "a b".to_owned(),
                _ if unsafe_ranges.iter().any(|range| is_in(range, c)) => format!("a\\u{{{:x}}}b", u32::from(c)),
                _ => format!("a{c}b"),
            };
            assert_eq!(sanitize(&format!("a{c}b"), 9), expected);
        }
    }

    #[test]
    fn sanitize_cuts_a_text_that_is_longer_than_its_limit() {
        assert_eq!(sanitize("äbc", 3), "äbc");
        assert_eq!(sanitize("äbc", 2), "äb…");
        assert_eq!(sanitize("a\u{1b}b", 2), "a\\u{1b}…");
        assert_eq!(excerpt(&"x".repeat(200)), "x".repeat(200));
        assert_eq!(excerpt(&"x".repeat(201)), "x".repeat(200) + "…");
    }

    #[test]
    fn sanitize_removes_white_space_at_both_ends() {
        assert_eq!(sanitize(" \n a b\t\r\n", 3), "a b");
    }

    #[test]
    fn a_word_is_replaced_where_it_stands_alone() {
        let text = "Symbol BRK.B (brk.b) is not brk.bx; A at ALPACA, a";
        assert_eq!(without_word(text, "BRK.B"), "Symbol ... (...) is not brk.bx; A at ALPACA, a");
        assert_eq!(without_word(text, "A"), "Symbol BRK.B (brk.b) is not brk.bx; ... at ALPACA, ...");
        assert_eq!(without_word("é A é", "é"), "... A ...");
        assert_eq!(without_word(text, ""), text);
    }
}
