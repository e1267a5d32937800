//! How an API spells the parts of a symbol.

use crate::market::symbol::{Symbol, share_class_dot};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A part of a symbol that a placeholder can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SymbolPart {
    /// The whole symbol, `BTC/USD`.
    Whole,
    /// The base of a pair, `BTC`; of other symbols the whole symbol.
    Base,
    /// The quote of a pair, `USD`.
    Quote,
}

impl SymbolPart {
    /// All parts.
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Base, Self::Quote];
}

/// How a placeholder formats a part of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) case: Case,
    /// Whether the renames of the definition are left out: `:plain`.
    pub(super) plain: bool,
}

impl Format {
    /// The format of a placeholder without options.
    pub(super) const DEFAULT: Self = Self { case: Case::Unchanged, plain: false };
}

/// The case of the letters in a placeholder's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Unchanged,
    Lower,
    Upper,
}

impl Case {
    /// The text in this case.
    pub(super) fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Unchanged => Cow::Borrowed(text),
            Self::Lower => Cow::Owned(text.to_lowercase()),
            Self::Upper => Cow::Owned(text.to_uppercase()),
        }
    }
}

/// The codes and characters that an API spells in another way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spelling {
    /// The API's names of bases, quotes and whole symbols: `XBT` for `BTC`.
    pub(crate) rename: BTreeMap<String, String>,
    /// What the API writes for single characters: `-` for `.`. Renamed codes are not touched.
    pub(crate) replace: Vec<(char, String)>,
    /// What the API writes for the `.` before the class of a share: `-` for `BRK.B`. Renamed codes are not
    /// touched.
    pub(crate) share_class: Option<String>,
}

impl Spelling {
    /// Whether the API spells every symbol as it is here.
    pub(super) fn is_canonical(&self) -> bool {
        self.rename.is_empty() && self.replace.is_empty() && self.share_class.is_none()
    }

    /// Appends a part of a symbol. `None` if the symbol does not have this part.
    pub(super) fn push_spelled(
        &self,
        out: &mut String,
        symbol: &Symbol,
        part: SymbolPart,
        format: Format,
    ) -> Option<()> {
        match part {
            SymbolPart::Base => self.append_code(out, symbol.base(), format),
            SymbolPart::Quote => self.append_code(out, symbol.quote()?, format),
            SymbolPart::Whole => match symbol.quote() {
                Some(quote) if self.renamed(symbol.as_str(), format).is_none() => {
                    self.append_code(out, symbol.base(), format);
                    self.append_replaced(out, "/", format.case);
                    self.append_code(out, quote, format);
                }
                _ => self.append_code(out, symbol.as_str(), format),
            },
        }
        Some(())
    }

    /// Whether the API calls another coin or share by this code.
    pub(super) fn is_of_another(&self, code: &str) -> bool {
        self.rename.iter().any(|(of, name)| name == code && of != code)
    }

    /// The code that the API writes in this way: the inverse of [`append_code`](Self::append_code). `None` if it
    /// writes none so. With `ignores_case` it is written in either case.
    pub(super) fn unspelled(&self, written: &str, ignores_case: bool) -> Option<String> {
        let is_same = |a: &str| if ignores_case { a.eq_ignore_ascii_case(written) } else { a == written };
        let renamed = self.rename.iter().find(|(code, name)| is_same(name) && !is_same(code));
        let spelled = |code: &String| {
            let mut out = String::new();
            self.append_code(&mut out, code, Format::DEFAULT);
            out
        };
        let candidates = [renamed.map(|(code, _)| code.clone()), Some(self.unreplaced(written))];
        candidates.into_iter().flatten().find(|code| is_same(&spelled(code)))
    }

    /// The code, as far as the API writes only characters and the classes of shares in another way.
    fn unreplaced(&self, written: &str) -> String {
        let mut code = written.to_owned();
        for (from, to) in self.replace.iter().filter(|(_, to)| !to.is_empty()) {
            code = code.replace(to, from.encode_utf8(&mut [0; 4]));
        }
        let Some(class) = self.share_class.as_ref().filter(|class| !class.is_empty()) else { return code };
        let with_dot = |(at, _): (usize, &str)| {
            let dotted = format!("{}.{}", &code[..at], &code[at + class.len()..]);
            (share_class_dot(&dotted) == Some(at)).then_some(dotted)
        };
        code.match_indices(class.as_str()).find_map(with_dot).unwrap_or_else(|| code.clone())
    }

    /// The API's own name of a base, a quote or a whole symbol.
    fn renamed(&self, code: &str, format: Format) -> Option<&str> {
        if format.plain { None } else { self.rename.get(code).map(String::as_str) }
    }

    fn append_code(&self, out: &mut String, code: &str, format: Format) {
        if let Some(name) = self.renamed(code, format) {
            return out.push_str(&format.case.apply(name));
        }
        let class = self.share_class.as_ref().and_then(|written| Some((share_class_dot(code)?, written)));
        let Some((dot, written)) = class else { return self.append_replaced(out, code, format.case) };
        self.append_replaced(out, &code[..dot], format.case);
        out.push_str(&format.case.apply(written));
        self.append_replaced(out, &code[dot + 1..], format.case);
    }

    fn append_replaced(&self, out: &mut String, text: &str, case: Case) {
        if self.replace.is_empty() {
            return out.push_str(&case.apply(text));
        }
        for c in text.chars() {
            match self.replace.iter().find(|(from, _)| *from == c) {
                Some((_, to)) => out.push_str(&case.apply(to)),
                None => out.push_str(&case.apply(c.encode_utf8(&mut [0; 4]))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(symbol: &str, part: SymbolPart, format: Format) -> Option<String> {
        let rename = [("BTC", "XBT"), ("A/B", "pair"), ("BRK.A", "brk.a")];
        let spelling = Spelling {
            rename: rename.map(|(code, name)| (code.to_owned(), name.to_owned())).into(),
            replace: vec![('.', "-".to_owned()), ('/', "_".to_owned())],
            share_class: None,
        };
        let mut out = String::new();
        spelling.push_spelled(&mut out, &Symbol::new(symbol).unwrap(), part, format)?;
        Some(out)
    }

    #[test]
    fn bases_quotes_and_whole_symbols_are_renamed() {
        let spell = |symbol, part| spelled(symbol, part, Format::DEFAULT);
        assert_eq!(spell("BTC/USD", SymbolPart::Base).as_deref(), Some("XBT"));
        assert_eq!(spell("USD/BTC", SymbolPart::Quote).as_deref(), Some("XBT"));
        assert_eq!(spell("BTC/USD", SymbolPart::Whole).as_deref(), Some("XBT_USD"));
        assert_eq!(spell("A/B", SymbolPart::Whole).as_deref(), Some("pair"));
        assert_eq!(spell("A/B", SymbolPart::Base).as_deref(), Some("A"));
        assert_eq!(spell("AAPL", SymbolPart::Base).as_deref(), Some("AAPL"));
        assert_eq!(spell("AAPL", SymbolPart::Quote), None);
    }

    #[test]
    fn a_plain_part_is_not_renamed() {
        let plain = Format { plain: true, ..Format::DEFAULT };
        assert_eq!(spelled("BTC/USD", SymbolPart::Base, plain).as_deref(), Some("BTC"));
        assert_eq!(spelled("A/B", SymbolPart::Whole, plain).as_deref(), Some("A_B"));
    }

    #[test]
    fn characters_are_replaced_except_in_renamed_codes() {
        let spell = |symbol, case| spelled(symbol, SymbolPart::Whole, Format { case, plain: false });
        assert_eq!(spell("BRK.B", Case::Lower).as_deref(), Some("brk-b"));
        assert_eq!(spell("BRK.A", Case::Upper).as_deref(), Some("BRK.A"));
        assert_eq!(spell("BRK.A", Case::Unchanged).as_deref(), Some("brk.a"));
    }

    #[test]
    fn a_code_is_found_by_its_spelling() {
        let rename = [("BTC", "XBT"), ("LUNA", "LUNA2"), ("LUNC", "LUNA"), ("AE", "ae"), ("AET", "AE"), ("ORS", "ors")];
        let spelling = Spelling {
            rename: rename.map(|(code, name)| (code.to_owned(), name.to_owned())).into(),
            replace: vec![('^', "_".to_owned()), ('~', String::new())],
            share_class: Some("-".to_owned()),
        };
        for (written, code) in [
            ("XBT", Some("BTC")),
            ("LUNA", Some("LUNC")),
            ("LUNA2", Some("LUNA")),
            ("AE", Some("AET")),
            // It is another coin, which is spelled in a way that fits nothing.
            ("ORS", None),
            ("BTC", None),
            ("SOL", Some("SOL")),
            ("_VIX", Some("^VIX")),
            ("BRK-B", Some("BRK.B")),
            ("RCI-B.TO", Some("RCI.B.TO")),
            ("X-Y-B", Some("X-Y.B")),
            ("BTC-USD", Some("BTC-USD")),
        ] {
            assert_eq!(spelling.unspelled(written, false).as_deref(), code, "{written}");
        }
        assert_eq!(spelling.unspelled("xbt", true).as_deref(), Some("BTC"));
        assert_eq!(spelling.unspelled("xbt", false).as_deref(), Some("xbt"));
    }

    #[test]
    fn only_the_class_of_a_share_is_spelled_in_the_way_of_the_api() {
        let spelling = Spelling { share_class: Some("-".to_owned()), ..Spelling::default() };
        let spelled = |symbol: &str| {
            let mut out = String::new();
            spelling.push_spelled(&mut out, &Symbol::new(symbol).unwrap(), SymbolPart::Whole, Format::DEFAULT);
            out
        };
        for (symbol, expected) in [
            ("BRK.B", "BRK-B"),
            ("RCI.B.TO", "RCI-B.TO"),
            ("VOD.L", "VOD.L"),
            ("7203.T", "7203.T"),
            ("0700.HK", "0700.HK"),
            ("AAPL", "AAPL"),
        ] {
            assert_eq!(spelled(symbol), expected);
        }
    }
}
