//! The texts of a definition with what is asked put in: `{symbol}`, `{base:lower}`, `{secret:NAME}`.

use crate::market::symbol::Symbol;
use crate::secret::{MASK, Secret, URL_VALUE};
use crate::util::placeholder::{Segment, split};
use crate::util::suggest::did_you_mean;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What the definition's own text is encoded by: only what may not stand in a request at all. What
/// follows a `#` would not be sent.
const OWN: &AsciiSet = &CONTROLS
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

/// Where a template stands, and so which placeholders it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TemplateKind {
    /// `path`: symbols and secrets.
    Path,
    /// A header's value: secrets.
    Header,
    /// `symbol` and `keys`: one symbol.
    Spelling,
    /// A pointer: one symbol.
    Pointer,
}

impl TemplateKind {
    /// The placeholders that there are.
    fn known(self) -> &'static [&'static str] {
        match self {
            Self::Path => &["symbols", "symbol", "base", "quote", "secret:NAME", "secret?:NAME"],
            Self::Header => &["secret:NAME", "secret?:NAME"],
            Self::Spelling | Self::Pointer => &["symbol", "base", "quote"],
        }
    }
}

/// A text of a definition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq)]
enum TemplatePart {
    Text(String),
    Symbols { how: Format, json: bool },
    One { what: SymbolPart, how: Format },
    Secret { name: String, optional: bool },
}

/// Which part of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SymbolPart {
    /// All of it.
    Symbol,
    /// Its base.
    Base,
    /// Its quote.
    Quote,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Format {
    case: Case,
    plain: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Case {
    #[default]
    EntryContents,
    Lower,
    Upper,
}

impl Template {
    /// Reads a template and checks that its placeholders are known at that place.
    ///
    /// # Errors
    /// A text that says which placeholder or brace is wrong.
    pub(crate) fn parse(text: &str, place: TemplateKind) -> Result<Self, String> {
        let part = |piece| match piece {
            Segment::Text(text) => Ok(TemplatePart::Text(text.to_owned())),
            Segment::Placeholder(name) => TemplatePart::parse(name, place),
        };
        split(text)?.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// `{symbol}`: the canonical spelling.
    pub(crate) fn whole_symbol() -> Self {
        Self(vec![TemplatePart::One { what: SymbolPart::Symbol, how: Format::default() }])
    }

    /// Whether `{symbols}` is in it.
    pub(crate) fn has_symbols(&self) -> bool {
        self.0.iter().any(|part| matches!(part, TemplatePart::Symbols { .. }))
    }

    /// Whether a placeholder of that part of one symbol is in it.
    pub(crate) fn has(&self, wanted: SymbolPart) -> bool {
        self.0.iter().any(|part| matches!(part, TemplatePart::One { what, .. } if *what == wanted))
    }

    /// Whether it is the same for every symbol.
    pub(crate) fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, TemplatePart::Text(_)))
    }

    /// The secrets it needs: name, and whether it can do without.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().filter_map(|part| match part {
            TemplatePart::Secret { name, optional } => Some((name.as_str(), *optional)),
            _ => None,
        })
    }

    /// The spelling of `symbol`, or a step of a pointer for it. `None` where the symbol has no
    /// quote and the template wants one.
    pub(crate) fn spell<'s>(&self, spelling: &Spelling, symbol: &'s Symbol) -> Option<Cow<'s, str>> {
        if self.is_canonical(spelling) && (symbol.quote().is_some() || !self.has(SymbolPart::Quote)) {
            return Some(Cow::Borrowed(symbol.as_str()));
        }
        let mut out = String::with_capacity(16);
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::One { what, how } => spelling.push(&mut out, symbol, *what, *how)?,
                TemplatePart::Symbols { .. } | TemplatePart::Secret { .. } => {}
            }
        }
        Some(Cow::Owned(out))
    }

    /// Whether every symbol that it can spell is spelled as it is here.
    pub(crate) fn is_canonical(&self, spelling: &Spelling) -> bool {
        const KEPT: Format = Format { case: Case::EntryContents, plain: false };
        spelling.rename.is_empty()
            && spelling.replace.is_empty()
            && match &self.0[..] {
                [TemplatePart::One { what: SymbolPart::Symbol, how: KEPT }] => true,
                [
                    TemplatePart::One { what: SymbolPart::Base, how: KEPT },
                    TemplatePart::Text(slash),
                    TemplatePart::One { what: SymbolPart::Quote, how: KEPT },
                ] => slash == "/",
                _ => false,
            }
    }

    /// Whether a value of the symbol would be `.` or `..` in a path: servers take them for steps,
    /// however they are encoded.
    pub(crate) fn has_dot_segment(&self, spelling: &Spelling, symbol: &Symbol, spelled: &str) -> bool {
        let is_step = |value: &str| matches!(value, "." | "..");
        self.0.iter().any(|part| match part {
            TemplatePart::Symbols { .. } | TemplatePart::One { what: SymbolPart::Symbol, .. } => is_step(spelled),
            TemplatePart::One { what, how } => {
                let mut value = String::new();
                spelling.push(&mut value, symbol, *what, *how).is_some() && is_step(&value)
            }
            TemplatePart::Text(_) | TemplatePart::Secret { .. } => false,
        })
    }

    /// A header's value; `None` when a secret it can do without is not set.
    pub(crate) fn fill(&self, secrets: &BTreeMap<String, Secret>) -> Option<Secret> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) => out.push_str(text),
                TemplatePart::Secret { name, .. } => out.push_str(secrets.get(name)?.expose()),
                TemplatePart::One { .. } | TemplatePart::Symbols { .. } => {}
            }
        }
        Some(Secret::new(out))
    }

    /// A path for a request, each value encoded: the path itself, and the path to be shown.
    pub(crate) fn path(&self, asked: &Asked<'_>, secrets: &BTreeMap<String, Secret>) -> (String, String) {
        let (mut path, mut shown) = (String::new(), String::new());
        for part in &self.0 {
            let value = match part {
                TemplatePart::Text(text) => utf8_percent_encode(text, OWN).to_string(),
                TemplatePart::Symbols { how, json } => asked.list(*how, *json),
                TemplatePart::One { what, how } => asked.one(*what, *how),
                TemplatePart::Secret { name, .. } => {
                    let value = secrets.get(name).map_or("", Secret::expose);
                    path.extend(utf8_percent_encode(value, URL_VALUE));
                    shown.push_str(MASK);
                    continue;
                }
            };
            path.push_str(&value);
            shown.push_str(&value);
        }
        (path, shown)
    }
}

impl TemplatePart {
    fn parse(name: &str, place: TemplateKind) -> Result<Self, String> {
        let unknown_as = |name: &str, known: &[&str]| {
            format!("placeholder {{{name}}} is not known here{}", did_you_mean(name, known.iter().copied()))
        };
        let unknown = || unknown_as(name, place.known());
        if let Some((kind, secret)) = name.split_once(':').filter(|(kind, _)| matches!(*kind, "secret" | "secret?")) {
            let valid = !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return match place {
                TemplateKind::Path | TemplateKind::Header if valid => {
                    Ok(Self::Secret { name: secret.to_owned(), optional: kind.ends_with('?') })
                }
                _ => Err(unknown()),
            };
        }
        let mut words = name.split(':');
        let head = words.next().unwrap_or_default();
        let (mut how, mut json) = (Format::default(), false);
        for word in words {
            match word {
                "lower" => how.case = Case::Lower,
                "upper" => how.case = Case::Upper,
                "plain" => how.plain = true,
                "json" if head == "symbols" => json = true,
                _ if !place.known().contains(&head) => return Err(unknown()),
                _ => {
                    let json = Some("json").filter(|_| head == "symbols");
                    let words = ["lower", "upper", "plain"].into_iter().chain(json);
                    let known: Vec<String> = words.map(|word| format!("{head}:{word}")).collect();
                    return Err(unknown_as(name, &known.iter().map(String::as_str).collect::<Vec<_>>()));
                }
            }
        }
        match (head, place) {
            (_, TemplateKind::Header) => Err(unknown()),
            ("symbols", TemplateKind::Path) => Ok(Self::Symbols { how, json }),
            ("symbol", _) => Ok(Self::One { what: SymbolPart::Symbol, how }),
            ("base", _) => Ok(Self::One { what: SymbolPart::Base, how }),
            ("quote", _) => Ok(Self::One { what: SymbolPart::Quote, how }),
            _ => Err(unknown()),
        }
    }
}

/// What an API calls otherwise: codes and characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spelling {
    /// Codes: `BTC` is `XBT`.
    pub(crate) rename: BTreeMap<String, String>,
    /// Characters: `.` is `-`.
    pub(crate) replace: Vec<(char, String)>,
}

impl Spelling {
    fn push(&self, out: &mut String, symbol: &Symbol, what: SymbolPart, how: Format) -> Option<()> {
        match what {
            SymbolPart::Base => self.push_code(out, symbol.base(), how),
            SymbolPart::Quote => self.push_code(out, symbol.quote()?, how),
            SymbolPart::Symbol => match symbol.quote() {
                Some(quote) if !self.renames(symbol.as_str(), how) => {
                    self.push_code(out, symbol.base(), how);
                    self.push_replaced(out, "/", how.case);
                    self.push_code(out, quote, how);
                }
                _ => self.push_code(out, symbol.as_str(), how),
            },
        }
        Some(())
    }

    fn renames(&self, code: &str, how: Format) -> bool {
        !how.plain && self.rename.contains_key(code)
    }

    fn push_code(&self, out: &mut String, code: &str, how: Format) {
        let renamed = if how.plain { None } else { self.rename.get(code) };
        match renamed {
            Some(name) => push_cased(out, name, how.case),
            None => self.push_replaced(out, code, how.case),
        }
    }

    fn push_replaced(&self, out: &mut String, text: &str, case: Case) {
        if self.replace.is_empty() {
            return push_cased(out, text, case);
        }
        for c in text.chars() {
            match self.replace.iter().find(|(from, _)| *from == c) {
                Some((_, to)) => push_cased(out, to, case),
                None => push_cased(out, c.encode_utf8(&mut [0; 4]), case),
            }
        }
    }
}

fn push_cased(out: &mut String, text: &str, case: Case) {
    match case {
        Case::EntryContents => out.push_str(text),
        Case::Lower => out.push_str(&text.to_lowercase()),
        Case::Upper => out.push_str(&text.to_uppercase()),
    }
}

/// The symbols of one request, for its path.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The symbols, at least one.
    pub(crate) symbols: &'a [&'a Symbol],
    /// Their spellings.
    pub(crate) spelled: &'a [Cow<'a, str>],
    /// What the API calls otherwise.
    pub(crate) spelling: &'a Spelling,
    /// What stands between two symbols of a batch.
    pub(crate) join: &'a str,
}

impl Asked<'_> {
    fn list(&self, how: Format, json: bool) -> String {
        let cased = |text: &str| {
            let mut out = String::new();
            push_cased(&mut out, text, how.case);
            out
        };
        if json {
            let quoted: Vec<_> = self.spelled.iter().map(|text| serde_json::Value::from(cased(text))).collect();
            return utf8_percent_encode(&serde_json::Value::from(quoted).to_string(), URL_VALUE).to_string();
        }
        let join = utf8_percent_encode(self.join, OWN).to_string();
        let mut out = String::with_capacity(self.spelled.len() * 8);
        for (index, text) in self.spelled.iter().enumerate() {
            if index > 0 {
                out.push_str(&join);
            }
            let _ = write!(out, "{}", utf8_percent_encode(&cased(text), URL_VALUE));
        }
        out
    }

    fn one(&self, what: SymbolPart, how: Format) -> String {
        let mut value = String::new();
        if what == SymbolPart::Symbol {
            push_cased(&mut value, self.spelled.first().map_or("", Cow::as_ref), how.case);
        } else if let Some(symbol) = self.symbols.first() {
            // A symbol without the part is in no request that wants it.
            let _ = self.spelling.push(&mut value, symbol, what, how);
        }
        utf8_percent_encode(&value, URL_VALUE).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelling() -> Spelling {
        Spelling { rename: BTreeMap::from([("BTC".into(), "XBT".into())]), replace: vec![('.', "-".into())] }
    }

    fn spell(template: &str, symbol: &str) -> Option<String> {
        let symbol = Symbol::new(symbol).unwrap();
        Template::parse(template, TemplateKind::Spelling).unwrap().spell(&spelling(), &symbol).map(Cow::into_owned)
    }

    fn path(template: &str, symbols: &[&str]) -> (String, String) {
        let symbols: Vec<Symbol> = symbols.iter().map(|text| Symbol::new(text).unwrap()).collect();
        let symbols: Vec<&Symbol> = symbols.iter().collect();
        let spelled: Vec<Cow<'_, str>> = symbols.iter().map(|symbol| symbol.as_str().into()).collect();
        let asked = Asked { symbols: &symbols, spelled: &spelled, spelling: &spelling(), join: "," };
        let secrets = BTreeMap::from([("KEY".to_owned(), Secret::new("s/3"))]);
        Template::parse(template, TemplateKind::Path).unwrap().path(&asked, &secrets)
    }

    #[test]
    fn symbols_are_spelled() {
        assert_eq!(spell("{base}{quote}", "BTC/USD").as_deref(), Some("XBTUSD"));
        assert_eq!(spell("{base:plain:lower}-{quote:lower}", "BTC/USD").as_deref(), Some("btc-usd"));
        assert_eq!(spell("{symbol}", "BRK.B").as_deref(), Some("BRK-B"));
        assert_eq!(spell("{symbol:lower}", "BTC/USD").as_deref(), Some("xbt/usd"));
        assert_eq!(spell("{base}{quote}", "AAPL"), None);
    }

    #[test]
    fn values_of_a_path_are_encoded() {
        assert_eq!(path("/t?s={symbols}&x=1", &["BTC/USD", "A&b=c"]).0, "/t?s=BTC%2FUSD,A%26b%3Dc&x=1");
        assert_eq!(path("/t?s={symbols:json}", &["A", "B"]).0, "/t?s=%5B%22A%22%2C%22B%22%5D");
        assert_eq!(path("/{symbol}/q", &["../x"]).0, "/..%2Fx/q");
        assert_eq!(path("/#1?s={symbols}", &["A"]).0, "/%231?s=A");
        assert_eq!(path("/{base:lower}", &["BTC/USD"]).0, "/xbt");
    }

    #[test]
    fn what_would_climb_in_a_path_is_known() {
        let has_dot_segment = |template: &str, symbol: &str| {
            let symbol = Symbol::new(symbol).unwrap();
            let spelling = Spelling { replace: vec![('-', ".".into())], ..Spelling::default() };
            let path = Template::parse(template, TemplateKind::Path).unwrap();
            path.has_dot_segment(&spelling, &symbol, &Template::whole_symbol().spell(&spelling, &symbol).unwrap())
        };
        assert!(
            has_dot_segment("/{symbol}", "..")
                && has_dot_segment("/{symbol}", ".-")
                && has_dot_segment("/{base}/{quote}", "../USD")
        );
        assert!(has_dot_segment("/{quote}?b={base}", "A/.") && has_dot_segment("/{symbols}", "."));
        assert!(
            !has_dot_segment("/{symbol}", "BRK.B")
                && !has_dot_segment("/{symbol}", "../USD")
                && !has_dot_segment("/all", "..")
        );
    }

    #[test]
    fn a_secret_in_a_path_is_not_shown() {
        let (path, shown) = path("/t?key={secret:KEY}", &["A"]);
        assert_eq!((path.as_str(), shown.as_str()), ("/t?key=s%2F3", "/t?key=***"));
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        for (text, place) in [
            ("{sym}", TemplateKind::Path),
            ("{symbol:big}", TemplateKind::Path),
            ("{symbols}", TemplateKind::Pointer),
            ("{symbol}", TemplateKind::Header),
            ("{secret:A B}", TemplateKind::Header),
            ("{secret:KEY}", TemplateKind::Spelling),
        ] {
            assert!(Template::parse(text, place).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_suggested_exists() {
        for (name, near) in [
            ("secrt:KEY", "secret:NAME"),
            ("bas", "base"),
            ("base:lowr", "base:lower"),
            ("symbols:jsn", "symbols:json"),
        ] {
            let problem = Template::parse(&format!("{{{name}}}"), TemplateKind::Path).unwrap_err();
            assert_eq!(problem, format!("placeholder {{{name}}} is not known here; did you mean {near:?}?"));
        }
    }
}
