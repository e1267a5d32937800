//! Symbols: what is watched, in one canonical spelling.

use std::fmt;

/// What is watched, in its canonical spelling: a pair of base and quote such as `BTC/USD`, or a single
/// name such as `AAPL` or `BRK.B`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    text: Box<str>,
    /// Where the `/` of a pair is.
    slash: Option<usize>,
}

/// Why a text is no symbol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SymbolError {
    /// The text is empty or only white space.
    #[error("a symbol is empty")]
    Empty,
    /// It is longer than [`Symbol::MAX_LEN`] bytes.
    #[error("symbol {:?}… is longer than {} bytes", .0.chars().take(20).collect::<String>(), Symbol::MAX_LEN)]
    TooLong(String),
    /// It has white space or a control character, which could reach a terminal or a line of Carbon's
    /// text protocol.
    #[error("symbol {0:?} holds white space or a control character")]
    BadCharacter(String),
    /// It has a control character, or white space other than a space.
    #[error("symbol {0:?} holds a line break, a tab or another control character")]
    ControlCharacter(String),
    /// It has a quotation mark or a semicolon, as of a list in another language.
    #[error("symbol {0:?} holds a quotation mark or a semicolon: several symbols have commas or spaces between them")]
    Punctuation(String),
    /// It has a `/`, but not one base and one quote: `/USD`, `BTC/`, `A/B/C`.
    #[error("symbol {0:?} is not BASE/QUOTE")]
    NotAPair(String),
    /// It is probably another spelling of this symbol.
    #[error(
        "symbol {typed:?} is not BASE/QUOTE; did you mean {probable:?}? `datametrics symbols {}` lists others",
        base_of(probable)
    )]
    Misspelled {
        /// What the user typed.
        typed: String,
        /// What the user probably means.
        probable: String,
    },
}

impl Symbol {
    /// Most bytes of a symbol. Graphite makes a file name of each node of a metric name, so a node must
    /// stay well below 255 bytes.
    pub(crate) const MAX_LEN: usize = 100;

    /// Reads a symbol. White space at both ends is cut.
    ///
    /// # Errors
    /// [`SymbolError`] says what is wrong with the text.
    pub(crate) fn new(text: &str) -> Result<Self, SymbolError> {
        match Self::with_spaces(text) {
            Ok(symbol) if symbol.text.bytes().any(|byte| byte == b' ') => {
                Err(SymbolError::BadCharacter(symbol.text.into()))
            }
            Err(SymbolError::ControlCharacter(text)) => Err(SymbolError::BadCharacter(text)),
            result => result,
        }
    }

    /// Reads a symbol that may have spaces in it, as the names of places do.
    ///
    /// # Errors
    /// [`SymbolError`] says what is wrong with the text.
    pub(crate) fn with_spaces(text: &str) -> Result<Self, SymbolError> {
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
        // Most symbols are plain, and trimming reads characters instead of bytes.
        let text = if is_plain { text } else { text.trim() };
        if text.is_empty() {
            return Err(SymbolError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(SymbolError::TooLong(text.to_owned()));
        }
        if !is_plain && text.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ')) {
            return Err(SymbolError::ControlCharacter(text.to_owned()));
        }
        let slash = text.bytes().position(|b| b == b'/');
        if let Some(base_len) = slash {
            let quote = &text.as_bytes()[base_len + 1..];
            if base_len == 0 || quote.is_empty() || quote.contains(&b'/') {
                return Err(SymbolError::NotAPair(text.to_owned()));
            }
        }
        Ok(Self { text: text.into(), slash })
    }

    /// The canonical spelling.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The base of a pair: `BTC` of `BTC/USD`. For other symbols, the whole symbol.
    pub(crate) fn base(&self) -> &str {
        &self.text[..self.slash.unwrap_or(self.text.len())]
    }

    /// The quote of a pair: `USD` of `BTC/USD`. `None` for other symbols.
    pub(crate) fn quote(&self) -> Option<&str> {
        self.slash.map(|base_len| &self.text[base_len + 1..])
    }

    /// Appends the symbol as one node of a metric name; see [`push_node`].
    pub(crate) fn push_node(&self, name: &mut String) {
        push_node(name, &self.text);
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The part of a pair before its `/`.
fn base_of(pair: &str) -> &str {
    pair.split('/').next().unwrap_or_default()
}

/// The classes that shares have in the spelling of Yahoo, tiingo and others. The letters of exchanges begin
/// at `F` (Frankfurt) and `L` (London), so a class is never taken for an exchange.
pub(super) const SHARE_CLASSES: [u8; 3] = *b"ABC";

/// Where the `.` before the class of a share is: in `BRK.B` and, before the suffix of an exchange, in
/// `RCI.B.TO`. In `VOD.L` there is none.
pub(crate) fn share_class_dot(code: &str) -> Option<usize> {
    let bytes = code.as_bytes();
    let dot = bytes.iter().position(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    let is_class = bytes.get(dot + 1).is_some_and(|class| SHARE_CLASSES.contains(class));
    (is_class && matches!(bytes.get(dot + 2), None | Some(b'.'))).then_some(dot)
}

/// The names of symbols for a message: ten at most, then how many more there are.
pub(crate) fn join_names<'a>(symbols: impl ExactSizeIterator<Item = &'a Symbol>) -> String {
    const MAX_NAMES: usize = 10;
    let more = symbols.len().saturating_sub(MAX_NAMES);
    let names = symbols.take(MAX_NAMES).map(Symbol::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Whether a byte may be in a node. This is a lookup table because every byte of every name is tested.
const IS_SAFE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        byte += 1;
    }
    table
};

/// Appends `text` as one node of a metric name: `/` and `.` become `-`, and any other character
/// outside `[A-Za-z0-9_-]` becomes `_`. Every Graphite can store, find and render these characters;
/// graphite-web cannot render names with quotes, braces or non-ASCII letters.
pub(crate) fn push_node(name: &mut String, text: &str) {
    let mut rest = text;
    // No byte of a multi-byte character is safe, so `safe_len` is always the start of a character.
    while let Some(safe_len) = rest.bytes().position(|b| !IS_SAFE[usize::from(b)]) {
        name.push_str(&rest[..safe_len]);
        let mut unsafe_part = rest[safe_len..].chars();
        name.push(if matches!(unsafe_part.next(), Some('/' | '.')) { '-' } else { '_' });
        rest = unsafe_part.as_str();
    }
    name.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> String {
        let mut name = String::new();
        Symbol::new(text).unwrap().push_node(&mut name);
        name
    }

    #[test]
    fn a_symbol_has_a_greatest_length() {
        assert!(Symbol::new(&"A".repeat(Symbol::MAX_LEN)).is_ok());
        assert!(Symbol::new(&"A".repeat(Symbol::MAX_LEN + 1)).is_err());
    }

    #[test]
    fn the_class_of_a_share_is_found() {
        for (code, dot) in [("BRK.B", Some(3)), ("RCI.B.TO", Some(3)), ("A.B", Some(1)), ("A.A.B", Some(1))] {
            assert_eq!(share_class_dot(code), dot, "{code}");
        }
        for code in ["VOD.L", "7203.T", "BRK.BB", "BRK.", ".B", "BRKB", ""] {
            assert_eq!(share_class_dot(code), None, "{code}");
        }
    }

    #[test]
    fn a_pair_has_a_base_and_a_quote() {
        let symbol = Symbol::new(" BTC/USD ").unwrap();
        assert_eq!((symbol.base(), symbol.quote()), ("BTC", Some("USD")));
        let symbol = Symbol::new("BRK.B").unwrap();
        assert_eq!((symbol.base(), symbol.quote()), ("BRK.B", None));
    }

    #[test]
    fn a_text_that_is_no_symbol_is_refused() {
        let error = |text: &str| Symbol::new(text).unwrap_err();
        assert_eq!(error("  "), SymbolError::Empty);
        assert_eq!(error("A\nB"), SymbolError::BadCharacter("A\nB".into()));
        assert_eq!(error("A\u{1b}[2J"), SymbolError::BadCharacter("A\u{1b}[2J".into()));
        assert_eq!(error("A B"), SymbolError::BadCharacter("A B".into()));
        assert_eq!(error("BTC/"), SymbolError::NotAPair("BTC/".into()));
        assert_eq!(error("A/B/C"), SymbolError::NotAPair("A/B/C".into()));
        assert_eq!(error(&"A".repeat(101)), SymbolError::TooLong("A".repeat(101)));
    }

    #[test]
    fn a_symbol_may_have_spaces_and_no_other_white_space_where_that_is_asked_for() {
        let symbol = Symbol::with_spaces(" New York/US ").unwrap();
        assert_eq!((symbol.as_str(), symbol.base()), ("New York/US", "New York"));
        for text in ["A\tB", "A\nB", "A\u{a0}B", "A \u{2028}B", "A\u{1b}[2J"] {
            assert_eq!(Symbol::with_spaces(text), Err(SymbolError::ControlCharacter(text.into())), "{text:?}");
        }
        let mut name = String::new();
        symbol.push_node(&mut name);
        assert_eq!(name, "New_York-US");
    }

    #[test]
    fn a_node_has_only_safe_characters() {
        assert_eq!(node("BTC/USD"), "BTC-USD");
        assert_eq!(node("BRK.B"), "BRK-B");
        assert_eq!(node("^GSPC"), "_GSPC");
        assert_eq!(node("a;b=ü"), "a_b__");
    }

    #[test]
    fn a_message_names_ten_symbols_at_most() {
        let symbols: Vec<Symbol> = (0..12).map(|n| Symbol::new(&format!("S{n}")).unwrap()).collect();
        assert_eq!(join_names(symbols[..2].iter()), "S0, S1");
        assert_eq!(join_names(symbols.iter()), "S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 and 2 more");
    }

    #[test]
    fn any_symbol_becomes_a_safe_node() {
        arbtest::arbtest(|u| {
            if let Ok(symbol) = Symbol::new(u.arbitrary()?) {
                let mut name = String::new();
                symbol.push_node(&mut name);
                assert!(!name.is_empty());
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            }
            Ok(())
        });
    }
}
