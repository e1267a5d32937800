//! Texts of a definition with placeholders: `{symbol}`, `{base:lower}`, `{secret:NAME}`.

use super::spelling::{Case, Format, Spelling, SymbolPart};
use crate::market::symbol::Symbol;
use crate::secret::{MASK, Secret, URL_VALUE};
use crate::util::placeholder::{Segment, split};
use crate::util::suggest::did_you_mean;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The characters that are percent-encoded in the text of a template itself: those that must not be in a
/// request, and `#`, as a client does not send what follows it.
const LITERAL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What a template is for. Each kind allows other placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TemplateKind {
    /// The path of a request. It may have symbols and secrets.
    Path,
    /// The value of a header. It may have secrets.
    Header,
    /// The keys `symbol` and `keys`. They may have one symbol.
    Spelling,
    /// A pointer. It may have one symbol.
    Pointer,
}

impl TemplateKind {
    /// The placeholders that this kind allows.
    fn placeholders(self) -> &'static [&'static str] {
        match self {
            Self::Path => &["symbols", "symbol", "base", "quote", "option:NAME", "secret:NAME", "secret?:NAME"],
            Self::Header => &["option:NAME", "secret:NAME", "secret?:NAME"],
            Self::Spelling | Self::Pointer => &["symbol", "base", "quote"],
        }
    }
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq)]
enum TemplatePart {
    Text(String),
    /// All symbols of a request, as a JSON array or separated by the `join` of the endpoint.
    Symbols {
        format: Format,
        json: bool,
    },
    /// A part of one symbol.
    Symbol {
        part: SymbolPart,
        format: Format,
    },
    Secret {
        name: String,
        optional: bool,
    },
    /// A value that the user may set. The value is empty until it is known.
    Option {
        name: String,
        value: String,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A text that says which brace has no match, or which placeholder this kind does not allow.
    pub(crate) fn parse(text: &str, kind: TemplateKind) -> Result<Self, String> {
        let part = |segment| match segment {
            Segment::Text(text) => Ok(TemplatePart::Text(text.to_owned())),
            Segment::Placeholder(name) => TemplatePart::parse(name, kind),
        };
        split(text)?.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// The template `{symbol}`.
    pub(crate) fn whole_symbol() -> Self {
        Self(vec![TemplatePart::Symbol { part: SymbolPart::Whole, format: Format::DEFAULT }])
    }

    /// Whether the template has the placeholder `{symbols}`.
    pub(crate) fn has_symbols(&self) -> bool {
        self.0.iter().any(|part| matches!(part, TemplatePart::Symbols { .. }))
    }

    /// Whether the template has a placeholder for this part of one symbol.
    pub(crate) fn has(&self, symbol_part: SymbolPart) -> bool {
        self.0.iter().any(|part| matches!(part, TemplatePart::Symbol { part, .. } if *part == symbol_part))
    }

    /// Whether the template is the same for all symbols.
    pub(crate) fn is_without_symbols(&self) -> bool {
        let is_symbol =
            |part: &TemplatePart| matches!(part, TemplatePart::Symbols { .. } | TemplatePart::Symbol { .. });
        !self.0.iter().any(is_symbol)
    }

    /// Whether the template has no placeholders.
    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|part| matches!(part, TemplatePart::Text(_)))
    }

    /// The names of the options of the template.
    pub(crate) fn options(&self) -> Vec<String> {
        let name = |part: &TemplatePart| match part {
            TemplatePart::Option { name, .. } => Some(name.clone()),
            _ => None,
        };
        self.0.iter().filter_map(name).collect()
    }

    /// Sets the value of an option.
    pub(crate) fn set_option(&mut self, option: &str, text: &str) {
        for part in &mut self.0 {
            if let TemplatePart::Option { name, value } = part
                && name == option
            {
                text.clone_into(value);
            }
        }
    }

    /// The secrets of the template: the name of each, and whether it is optional.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Secret { name, optional } => Some((name.as_str(), *optional)),
            _ => None,
        })
    }

    /// The template filled in for one symbol: its spelling, or a step of a pointer. `None` if the
    /// template has `{quote}` and the symbol has no quote.
    pub(crate) fn spell<'s>(&self, spelling: &Spelling, symbol: &'s Symbol) -> Option<Cow<'s, str>> {
        if self.is_canonical(spelling) && (symbol.quote().is_some() || !self.has(SymbolPart::Quote)) {
            return Some(Cow::Borrowed(symbol.as_str()));
        }
        let mut out = String::with_capacity(16);
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::Symbol { part, format } => spelling.push_spelled(&mut out, symbol, *part, *format)?,
                TemplatePart::Symbols { .. } | TemplatePart::Secret { .. } | TemplatePart::Option { .. } => {}
            }
        }
        Some(Cow::Owned(out))
    }

    /// Whether [`spell`](Self::spell) gives a name that the API has for another symbol, as the template leaves
    /// out the renames: `LUNA/USD`, where the API has LUNC/USD under that name.
    pub(crate) fn names_another(&self, spelling: &Spelling, symbol: &Symbol) -> bool {
        self.0.iter().any(|part| match part {
            TemplatePart::Symbol { part, format } if format.plain => {
                let code = match part {
                    SymbolPart::Base => Some(symbol.base()),
                    SymbolPart::Quote => symbol.quote(),
                    SymbolPart::Whole => Some(symbol.as_str()),
                };
                code.is_some_and(|code| spelling.is_of_another(code))
            }
            _ => false,
        })
    }

    /// Whether [`spell`](Self::spell) gives the canonical spelling of every symbol that it can spell.
    pub(crate) fn is_canonical(&self, spelling: &Spelling) -> bool {
        const DEFAULT: Format = Format::DEFAULT;
        spelling.is_canonical()
            && match &self.0[..] {
                [TemplatePart::Symbol { part: SymbolPart::Whole, format: DEFAULT }] => true,
                [
                    TemplatePart::Symbol { part: SymbolPart::Base, format: DEFAULT },
                    TemplatePart::Text(slash),
                    TemplatePart::Symbol { part: SymbolPart::Quote, format: DEFAULT },
                ] => slash == "/",
                _ => false,
            }
    }

    /// Whether a placeholder in a path would become `.` or `..` for this symbol. Servers resolve such dot
    /// segments even when they are percent-encoded. `spelled` is the spelling of the symbol.
    pub(crate) fn has_dot_segment(&self, spelling: &Spelling, symbol: &Symbol, spelled: &str) -> bool {
        let is_dot_segment = |value: &str| matches!(value, "." | "..");
        self.0.iter().any(|part| match part {
            TemplatePart::Symbols { .. } | TemplatePart::Symbol { part: SymbolPart::Whole, .. } => {
                is_dot_segment(spelled)
            }
            TemplatePart::Symbol { part, format } => {
                let mut value = String::new();
                spelling.push_spelled(&mut value, symbol, *part, *format).is_some() && is_dot_segment(&value)
            }
            TemplatePart::Text(_) | TemplatePart::Secret { .. } | TemplatePart::Option { .. } => false,
        })
    }

    /// The value of a header. `None` if a secret of it is not set.
    pub(crate) fn header_value(&self, secrets: &BTreeMap<String, Secret>) -> Option<Secret> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) | TemplatePart::Option { value: text, .. } => out.push_str(text),
                TemplatePart::Secret { name, .. } => out.push_str(secrets.get(name)?.expose()),
                TemplatePart::Symbol { .. } | TemplatePart::Symbols { .. } => {}
            }
        }
        Some(Secret::new(out))
    }

    /// The path of a request, and the same path with its secrets masked. All values are percent-encoded.
    pub(crate) fn path(&self, symbols: &QueriedSymbols<'_>, secrets: &BTreeMap<String, Secret>) -> (String, String) {
        let (mut path, mut redacted) = (String::new(), String::new());
        for part in &self.0 {
            let value = match part {
                TemplatePart::Text(text) => utf8_percent_encode(text, LITERAL).to_string(),
                TemplatePart::Option { value, .. } => utf8_percent_encode(value, URL_VALUE).to_string(),
                TemplatePart::Symbols { format, json: true } => symbols.json_array(format.case),
                TemplatePart::Symbols { format, json: false } => symbols.joined(format.case),
                TemplatePart::Symbol { part, format } => symbols.part_of_first(*part, *format),
                TemplatePart::Secret { name, .. } => {
                    let value = secrets.get(name).map_or("", Secret::expose);
                    path.extend(utf8_percent_encode(value, URL_VALUE));
                    redacted.push_str(MASK);
                    continue;
                }
            };
            path.push_str(&value);
            redacted.push_str(&value);
        }
        (path, redacted)
    }
}

impl TemplatePart {
    /// Reads the text between two braces: a name and its options, separated by colons.
    fn parse(placeholder: &str, kind: TemplateKind) -> Result<Self, String> {
        let unknown = || unknown_placeholder(placeholder, kind.placeholders());
        let mut words = placeholder.split(':');
        let name = words.next().unwrap_or_default();
        if let Some((name @ ("secret" | "secret?"), secret)) = placeholder.split_once(':') {
            return Self::parse_secret(secret, name == "secret?", kind).ok_or_else(unknown);
        }
        if let Some(("option", option)) = placeholder.split_once(':') {
            let is_allowed = kind.placeholders().contains(&"option:NAME") && is_name(option);
            let part = Self::Option { name: option.to_owned(), value: String::new() };
            return is_allowed.then_some(part).ok_or_else(unknown);
        }
        let (mut format, mut json) = (Format::DEFAULT, false);
        for option in words {
            match option {
                "lower" => format.case = Case::Lower,
                "upper" => format.case = Case::Upper,
                "plain" => format.plain = true,
                "json" if name == "symbols" => json = true,
                _ if !kind.placeholders().contains(&name) => return Err(unknown()),
                _ => return Err(unknown_option(placeholder, name)),
            }
        }
        match (name, kind) {
            (_, TemplateKind::Header) => Err(unknown()),
            ("symbols", TemplateKind::Path) => Ok(Self::Symbols { format, json }),
            ("symbol", _) => Ok(Self::Symbol { part: SymbolPart::Whole, format }),
            ("base", _) => Ok(Self::Symbol { part: SymbolPart::Base, format }),
            ("quote", _) => Ok(Self::Symbol { part: SymbolPart::Quote, format }),
            _ => Err(unknown()),
        }
    }

    /// `None` if this is no name of a secret, or the kind of template allows none.
    fn parse_secret(name: &str, optional: bool, kind: TemplateKind) -> Option<Self> {
        let is_valid = is_name(name);
        let is_allowed = matches!(kind, TemplateKind::Path | TemplateKind::Header);
        (is_valid && is_allowed).then(|| Self::Secret { name: name.to_owned(), optional })
    }
}

/// Whether this may be the name of a secret or an option.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn unknown_placeholder(placeholder: &str, known: &[&str]) -> String {
    let suggestion = did_you_mean(placeholder, known.iter().copied());
    format!("placeholder {{{placeholder}}} is not known here{suggestion}")
}

/// The error for a placeholder whose name is known and whose option is not.
fn unknown_option(placeholder: &str, name: &str) -> String {
    let json = Some("json").filter(|_| name == "symbols");
    let options = ["lower", "upper", "plain"].into_iter().chain(json);
    let known: Vec<String> = options.map(|option| format!("{name}:{option}")).collect();
    unknown_placeholder(placeholder, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The symbols of one request, for its path.
#[derive(Debug)]
pub(crate) struct QueriedSymbols<'a> {
    /// The symbols, at least one.
    pub(crate) symbols: &'a [&'a Symbol],
    /// The spellings of these symbols.
    pub(crate) spelled: &'a [Cow<'a, str>],
    /// The codes and characters that the API spells in another way.
    pub(crate) spelling: &'a Spelling,
    /// The text between two symbols.
    pub(crate) join: &'a str,
}

impl QueriedSymbols<'_> {
    /// All symbols, encoded, with the joining text between them.
    fn joined(&self, case: Case) -> String {
        let join = utf8_percent_encode(self.join, LITERAL).to_string();
        let mut out = String::with_capacity(self.spelled.len() * 8);
        for (index, spelled) in self.spelled.iter().enumerate() {
            if index > 0 {
                out.push_str(&join);
            }
            let _ = write!(out, "{}", utf8_percent_encode(&case.apply(spelled), URL_VALUE));
        }
        out
    }

    /// All symbols as a JSON array, encoded.
    fn json_array(&self, case: Case) -> String {
        let strings: Vec<_> = self.spelled.iter().map(|spelled| serde_json::Value::from(case.apply(spelled))).collect();
        utf8_percent_encode(&serde_json::Value::from(strings).to_string(), URL_VALUE).to_string()
    }

    /// A part of the first symbol, encoded. All symbols of a request have this part in common.
    fn part_of_first(&self, part: SymbolPart, format: Format) -> String {
        let mut value = String::new();
        if part == SymbolPart::Whole {
            value.push_str(&format.case.apply(self.spelled.first().map_or("", Cow::as_ref)));
        } else if let Some(symbol) = self.symbols.first() {
            // A symbol that lacks the part is never in a request whose path has it.
            let _ = self.spelling.push_spelled(&mut value, symbol, part, format);
        }
        utf8_percent_encode(&value, URL_VALUE).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelling() -> Spelling {
        let rename = [("BTC".into(), "XBT".into())].into();
        Spelling { rename, replace: vec![('.', "-".into())], share_class: None }
    }

    fn spell(template: &str, symbol: &str) -> Option<String> {
        let symbol = Symbol::new(symbol).unwrap();
        Template::parse(template, TemplateKind::Spelling).unwrap().spell(&spelling(), &symbol).map(Cow::into_owned)
    }

    fn path(template: &str, symbols: &[&str]) -> (String, String) {
        let symbols: Vec<Symbol> = symbols.iter().map(|text| Symbol::new(text).unwrap()).collect();
        let symbols: Vec<&Symbol> = symbols.iter().collect();
        let spelled: Vec<Cow<'_, str>> = symbols.iter().map(|symbol| symbol.as_str().into()).collect();
        let queried = QueriedSymbols { symbols: &symbols, spelled: &spelled, spelling: &spelling(), join: "," };
        let secrets = BTreeMap::from([("KEY".to_owned(), Secret::new("s/3"))]);
        Template::parse(template, TemplateKind::Path).unwrap().path(&queried, &secrets)
    }

    #[test]
    fn symbols_are_spelled_as_the_template_says() {
        assert_eq!(spell("{base}{quote}", "BTC/USD").as_deref(), Some("XBTUSD"));
        assert_eq!(spell("{base:plain:lower}-{quote:lower}", "BTC/USD").as_deref(), Some("btc-usd"));
        assert_eq!(spell("{symbol}", "BRK.B").as_deref(), Some("BRK-B"));
        assert_eq!(spell("{symbol:lower}", "BTC/USD").as_deref(), Some("xbt/usd"));
        assert_eq!(spell("{base}{quote}", "AAPL"), None);
    }

    #[test]
    fn values_in_a_path_are_percent_encoded() {
        assert_eq!(path("/t?s={symbols}&x=1", &["BTC/USD", "A&b=c"]).0, "/t?s=BTC%2FUSD,A%26b%3Dc&x=1");
        assert_eq!(path("/t?s={symbols:json}", &["A", "B"]).0, "/t?s=%5B%22A%22%2C%22B%22%5D");
        assert_eq!(path("/{symbol}/q", &["../x"]).0, "/..%2Fx/q");
        assert_eq!(path("/#1?s={symbols}", &["A"]).0, "/%231?s=A");
        assert_eq!(path("/{base:lower}", &["BTC/USD"]).0, "/xbt");
        assert_eq!(path("/{symbols:lower}", &["A", "B"]).0, "/a,b");
    }

    #[test]
    fn symbols_that_would_be_dot_segments_of_a_path_are_found() {
        let has_dot_segment = |template: &str, symbol: &str| {
            let symbol = Symbol::new(symbol).unwrap();
            let spelling = Spelling { replace: vec![('-', ".".into())], ..Spelling::default() };
            let path = Template::parse(template, TemplateKind::Path).unwrap();
            path.has_dot_segment(&spelling, &symbol, &Template::whole_symbol().spell(&spelling, &symbol).unwrap())
        };
        for (template, symbol) in [
            ("/{symbol}", ".."),
            ("/{symbol}", ".-"),
            ("/{base}/{quote}", "../USD"),
            ("/{quote}?b={base}", "A/."),
            ("/{symbols}", "."),
        ] {
            assert!(has_dot_segment(template, symbol), "{template} with {symbol}");
        }
        for (template, symbol) in [("/{symbol}", "BRK.B"), ("/{symbol}", "../USD"), ("/all", "..")] {
            assert!(!has_dot_segment(template, symbol), "{template} with {symbol}");
        }
    }

    #[test]
    fn a_secret_in_a_path_is_masked_in_the_redacted_path() {
        let (path, redacted) = path("/t?key={secret:KEY}", &["A"]);
        assert_eq!((path.as_str(), redacted.as_str()), ("/t?key=s%2F3", "/t?key=***"));
    }

    #[test]
    fn the_value_of_an_option_cannot_change_the_path() {
        let mut template = Template::parse("/t?feed={option:feed}&x=1", TemplateKind::Path).unwrap();
        assert_eq!(template.options(), ["feed"]);
        template.set_option("feed", "a&b=c d");
        let queried = QueriedSymbols { symbols: &[], spelled: &[], spelling: &spelling(), join: "," };
        assert_eq!(template.path(&queried, &BTreeMap::new()).0, "/t?feed=a%26b%3Dc%20d&x=1");
    }

    #[test]
    fn a_header_without_its_optional_secret_has_no_value() {
        let template = Template::parse("Token {secret?:KEY}", TemplateKind::Header).unwrap();
        assert_eq!(template.secrets().collect::<Vec<_>>(), [("KEY", true)]);
        assert_eq!(template.header_value(&BTreeMap::new()), None);
        let secrets = BTreeMap::from([("KEY".to_owned(), Secret::new("k"))]);
        assert_eq!(template.header_value(&secrets), Some(Secret::new("Token k")));
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        for (text, kind) in [
            ("{sym}", TemplateKind::Path),
            ("{symbol:big}", TemplateKind::Path),
            ("{symbols}", TemplateKind::Pointer),
            ("{symbol}", TemplateKind::Header),
            ("{secret:A B}", TemplateKind::Header),
            ("{secret:KEY}", TemplateKind::Spelling),
            ("{option:feed}", TemplateKind::Pointer),
            ("{option:}", TemplateKind::Path),
        ] {
            assert!(Template::parse(text, kind).is_err(), "{text}");
        }
    }

    #[test]
    fn the_nearest_known_placeholder_is_suggested() {
        for (placeholder, suggestion) in [
            ("secrt:KEY", "secret:NAME"),
            ("bas", "base"),
            ("base:lowr", "base:lower"),
            ("optn:feed", "option:NAME"),
            ("symbols:jsn", "symbols:json"),
        ] {
            let problem = Template::parse(&format!("{{{placeholder}}}"), TemplateKind::Path).unwrap_err();
            assert_eq!(
                problem,
                format!("placeholder {{{placeholder}}} is not known here; did you mean {suggestion:?}?")
            );
        }
    }
}
