//! Texts as a person is shown them.

/// The beginning of a text from outside, fit to be shown: 200 characters, control characters and
/// those that turn the direction of writing escaped.
pub(crate) fn excerpt(text: &str) -> String {
    sanitize(text, 200)
}

/// The same with another number of characters.
pub(crate) fn sanitize(text: &str, characters: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        match c {
            _ if count == characters => {
                out.push('…');
                break;
            }
            '\n' | '\r' | '\t' => out.push(' '),
            _ if moves(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a terminal would do anything but show it: control characters, line ends, those without a
/// width, and those that turn the direction of writing.
fn moves(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    turns || c.is_control() || c == '\u{feff}'
}

/// A number of things, with the noun for one of them.
pub(crate) fn pluralize(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt(" a\nb\u{1b}[2J\u{9b}c\u{202e}\u{61c} "), "a b\\u{1b}[2J\\u{9b}c\\u{202e}\\u{61c}");
        assert_eq!(excerpt(&"x".repeat(300)).chars().count(), 201);
    }
}
