//! What the error texts of an API mean.

/// How an API rejects a request for a symbol that it does not know.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BadSymbol {
    /// HTTP statuses that mean this.
    pub(crate) statuses: Vec<u16>,
    /// Error texts that mean this.
    pub(crate) texts: ErrorTexts,
    /// How an error text names the symbol.
    pub(crate) named: Option<NamedSymbol>,
}

impl BadSymbol {
    /// Whether a reply with this status and this error text means that a symbol is unknown.
    pub(crate) fn matches(&self, status: u16, error: &str) -> bool {
        // These are about the client, whatever the text.
        let is_refusal = matches!(status, 401 | 418 | 429 | 451);
        self.statuses.contains(&status) || (!is_refusal && self.texts.matches(error))
    }
}

/// Parts of error texts that all mean the same.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ErrorTexts(Vec<String>);

impl ErrorTexts {
    /// These parts, which are compared without regard to case.
    pub(crate) fn new(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(texts.into_iter().map(|text| text.as_ref().to_lowercase()).collect())
    }

    /// Whether an error text has one of these parts.
    pub(crate) fn matches(&self, error: &str) -> bool {
        !self.0.is_empty() && {
            let error = error.to_lowercase();
            self.0.iter().any(|text| error.contains(text.as_str()))
        }
    }
}

/// The text around the name of a symbol in an error text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedSymbol {
    before: String,
    after: String,
}

impl NamedSymbol {
    const PLACEHOLDER: &'static str = "{symbol}";

    /// Reads `invalid symbol: {symbol}`. `None` if the placeholder is not there once, with a text before it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once(Self::PLACEHOLDER)?;
        let is_valid = !before.trim().is_empty() && !after.contains(Self::PLACEHOLDER);
        is_valid.then(|| Self { before: before.to_lowercase(), after: after.to_lowercase() })
    }

    /// Which of these spellings an error text names, as their positions: one, or several with commas between
    /// them.
    pub(crate) fn find<'s>(&self, error: &str, spelled: &(impl Iterator<Item = &'s str> + Clone)) -> Vec<usize> {
        let error = error.to_lowercase();
        let Some((_, mut rest)) = error.split_once(self.before.as_str()) else { return Vec::new() };
        let mut found = Vec::new();
        while let Some((position, len)) = longest_prefix(rest, spelled.clone()) {
            found.push(position);
            rest = rest[len..].trim_start_matches([',', ' ']);
        }
        if rest.starts_with(self.after.as_str()) || self.after.trim().is_empty() { found } else { Vec::new() }
    }
}

/// The longest of these spellings with which the text begins as a whole word: its position and its length
/// in the text.
fn longest_prefix<'s>(text: &str, spelled: impl Iterator<Item = &'s str>) -> Option<(usize, usize)> {
    let length = |name: &str| {
        let name = name.to_lowercase();
        let rest = text.strip_prefix(name.as_str()).filter(|_| !name.is_empty())?;
        let mut after = rest.chars();
        // A full stop may end the sentence, and is in names such as BRK.B.
        let ends = match after.next() {
            Some('.') => !after.next().is_some_and(char::is_alphanumeric),
            next => !next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/')),
        };
        ends.then_some(name.len())
    };
    spelled.enumerate().filter_map(|(position, name)| Some((position, length(name)?))).max_by_key(|(_, len)| *len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_symbol_is_known_by_status_or_text_in_any_case() {
        let texts = ErrorTexts::new(["unknown pair"]);
        let bad_symbol = BadSymbol { statuses: vec![404], texts, named: None };
        assert!(bad_symbol.matches(404, "") && bad_symbol.matches(200, "Error: Unknown Pair XY"));
        assert!(!bad_symbol.matches(400, "unknown") && !bad_symbol.matches(429, "unknown pair"));
        assert!(!BadSymbol::default().matches(400, "unknown"));
    }

    #[test]
    fn an_error_text_may_name_symbols() {
        let find = |named: &str, error: &str| {
            NamedSymbol::parse(named).unwrap().find(error, &["BRK", "BRK.B", "A", "AA", "B-C"].into_iter())
        };
        let named = "Invalid symbol: {symbol}";
        assert_eq!(find(named, "code=400, message=invalid symbol: BRK.B"), [1]);
        assert_eq!(find(named, "invalid symbol: brk."), [0]);
        assert_eq!(find(named, "invalid symbol: aa, B-C,A; try others"), [3, 4, 2]);
        for error in ["invalid symbol: BRK.BX", "invalid symbol: ", "symbol A", "invalid symbol: B-CD"] {
            assert_eq!(find(named, error), Vec::<usize>::new(), "{error}");
        }
        assert_eq!(find("symbol \"{symbol}\" is", "no: symbol \"AA\" is unknown"), [3]);
        assert_eq!(find("symbol \"{symbol}\" is", "no: symbol \"AA\" was"), Vec::<usize>::new());
        for text in ["{symbol}", "invalid", "a {symbol} {symbol}"] {
            assert_eq!(NamedSymbol::parse(text), None, "{text}");
        }
    }
}
