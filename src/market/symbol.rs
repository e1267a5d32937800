//! The canonical spelling of what is watched, and what follows from it.

use std::fmt;

/// A symbol in its canonical spelling: `BTC/USD` (base and quote), `AAPL`, `BRK.B`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    text: Box<str>,
    slash: Option<usize>,
}

/// Why a text is no symbol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SymbolError {
    /// Nothing, or nothing but white space.
    #[error("a symbol is empty")]
    Empty,
    /// More than [`Symbol::MAX_LEN`] bytes.
    #[error("symbol {:?}… is longer than {} bytes", .0.chars().take(20).collect::<String>(), Symbol::MAX_LEN)]
    TooLong(String),
    /// Control characters and white space could reach a terminal or a metric line.
    #[error("symbol {0:?} holds white space or a control character")]
    BadCharacter(String),
    /// `/USD`, `BTC/` or `A/B/C`.
    #[error("symbol {0:?} is not BASE/QUOTE")]
    NotAPair(String),
}

impl Symbol {
    /// Longest spelling accepted, in bytes: a node of a metric name must stay well below the
    /// 255 bytes of a file name, as Graphite makes a file of it.
    pub(crate) const MAX_LEN: usize = 100;

    /// Reads a symbol as it stands, white space at the ends cut.
    ///
    /// # Errors
    /// [`SymbolError`] says what is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, SymbolError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SymbolError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(SymbolError::TooLong(text.to_owned()));
        }
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
        if !is_plain && text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(SymbolError::BadCharacter(text.to_owned()));
        }
        let slash = text.bytes().position(|b| b == b'/');
        if let Some(at) = slash {
            let quote = &text.as_bytes()[at + 1..];
            if at == 0 || quote.is_empty() || quote.contains(&b'/') {
                return Err(SymbolError::NotAPair(text.to_owned()));
            }
        }
        Ok(Self { text: text.into(), slash })
    }

    /// The canonical spelling.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// `BTC` of `BTC/USD`; all of `AAPL`.
    pub(crate) fn base(&self) -> &str {
        &self.text[..self.slash.unwrap_or(self.text.len())]
    }

    /// `USD` of `BTC/USD`; nothing of `AAPL`.
    pub(crate) fn quote(&self) -> Option<&str> {
        self.slash.map(|at| &self.text[at + 1..])
    }

    /// Appends the symbol as one node of a metric name, see [`push_node`].
    pub(crate) fn push_node(&self, name: &mut String) {
        push_node(name, &self.text);
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Symbols as a person reads them: not more than ten by name.
pub(crate) fn join_names<'a>(symbols: impl ExactSizeIterator<Item = &'a Symbol>) -> String {
    const SHOWN: usize = 10;
    let more = symbols.len().saturating_sub(SHOWN);
    let names = symbols.take(SHOWN).map(Symbol::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// Whether a byte may stand in a node: a table, as every byte of every name is looked at.
const IS_SAFE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        byte += 1;
    }
    table
};

/// Appends `text` as one node of a metric name: `/` and `.` become `-`, any other character
/// outside `[A-Za-z0-9_-]` becomes `_`. That is the set every Graphite stores, finds and renders
/// (graphite-web cannot render names with quotes, braces or non-ASCII letters).
pub(crate) fn push_node(name: &mut String, text: &str) {
    let mut rest = text;
    // No byte of a longer character is safe, so this stops where one begins.
    while let Some(at) = rest.bytes().position(|b| !IS_SAFE[usize::from(b)]) {
        name.push_str(&rest[..at]);
        let mut unsafe_part = rest[at..].chars();
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
    fn a_pair_has_a_base_and_a_quote() {
        let symbol = Symbol::new(" BTC/USD ").unwrap();
        assert_eq!((symbol.base(), symbol.quote()), ("BTC", Some("USD")));
        let symbol = Symbol::new("BRK.B").unwrap();
        assert_eq!((symbol.base(), symbol.quote()), ("BRK.B", None));
    }

    #[test]
    fn what_is_no_symbol_is_refused() {
        let bad = |text: &str| Symbol::new(text).unwrap_err();
        assert_eq!(bad("  "), SymbolError::Empty);
        assert_eq!(bad("A\nB"), SymbolError::BadCharacter("A\nB".into()));
        assert_eq!(bad("A\u{1b}[2J"), SymbolError::BadCharacter("A\u{1b}[2J".into()));
        assert_eq!(bad("BTC/"), SymbolError::NotAPair("BTC/".into()));
        assert_eq!(bad("A/B/C"), SymbolError::NotAPair("A/B/C".into()));
        assert_eq!(bad(&"A".repeat(101)), SymbolError::TooLong("A".repeat(101)));
    }

    #[test]
    fn a_node_has_safe_characters_only() {
        assert_eq!(node("BTC/USD"), "BTC-USD");
        assert_eq!(node("BRK.B"), "BRK-B");
        assert_eq!(node("^GSPC"), "_GSPC");
        assert_eq!(node("a;b=ü"), "a_b__");
    }

    #[test]
    fn any_symbol_makes_a_safe_node() {
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
