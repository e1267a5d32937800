//! The texts of a definition with what is asked put in: `{symbol}`, `{base:lower}`, `{secret:NAME}`.

use crate::placeholder::{Piece, split};
use crate::secret::{MASK, Secret, URL_VALUE};
use crate::suggest::did_you_mean;
use crate::symbol::Symbol;
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
pub enum Place {
    /// `path`: symbols and secrets.
    Path,
    /// A header's value: secrets.
    Header,
    /// `symbol` and `keys`: one symbol.
    Spelling,
    /// A pointer: one symbol.
    Pointer,
}

impl Place {
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
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Symbols { how: How, json: bool },
    One { what: What, how: How },
    Secret { name: String, optional: bool },
}

/// Which part of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// All of it.
    Symbol,
    /// Its base.
    Base,
    /// Its quote.
    Quote,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct How {
    case: Case,
    plain: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Case {
    #[default]
    Kept,
    Lower,
    Upper,
}

impl Template {
    /// Reads a template and checks that its placeholders are known at that place.
    ///
    /// # Errors
    /// A text that says which placeholder or brace is wrong.
    pub fn parse(text: &str, place: Place) -> Result<Self, String> {
        let part = |piece| match piece {
            Piece::Text(text) => Ok(Part::Text(text.to_owned())),
            Piece::Placeholder(name) => Part::parse(name, place),
        };
        split(text)?.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// `{symbol}`: the canonical spelling.
    pub fn whole_symbol() -> Self {
        Self(vec![Part::One { what: What::Symbol, how: How::default() }])
    }

    /// Whether `{symbols}` is in it.
    pub fn has_symbols(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Symbols { .. }))
    }

    /// Whether a placeholder of that part of one symbol is in it.
    pub fn has(&self, wanted: What) -> bool {
        self.0.iter().any(|part| matches!(part, Part::One { what, .. } if *what == wanted))
    }

    /// Whether it is the same for every symbol.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// The secrets it needs: name, and whether it can do without.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret { name, optional } => Some((name.as_str(), *optional)),
            _ => None,
        })
    }

    /// The spelling of `symbol`, or a step of a pointer for it. `None` where the symbol has no
    /// quote and the template wants one.
    pub fn spell<'s>(&self, spelling: &Spelling, symbol: &'s Symbol) -> Option<Cow<'s, str>> {
        if self.is_canonical(spelling) && (symbol.quote().is_some() || !self.has(What::Quote)) {
            return Some(Cow::Borrowed(symbol.as_str()));
        }
        let mut out = String::with_capacity(16);
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::One { what, how } => spelling.push(&mut out, symbol, *what, *how)?,
                Part::Symbols { .. } | Part::Secret { .. } => {}
            }
        }
        Some(Cow::Owned(out))
    }

    /// Whether every symbol that it can spell is spelled as it is here.
    pub fn is_canonical(&self, spelling: &Spelling) -> bool {
        const KEPT: How = How { case: Case::Kept, plain: false };
        spelling.rename.is_empty()
            && spelling.replace.is_empty()
            && match &self.0[..] {
                [Part::One { what: What::Symbol, how: KEPT }] => true,
                [
                    Part::One { what: What::Base, how: KEPT },
                    Part::Text(slash),
                    Part::One { what: What::Quote, how: KEPT },
                ] => slash == "/",
                _ => false,
            }
    }

    /// Whether a value of the symbol would be `.` or `..` in a path: servers take them for steps,
    /// however they are encoded.
    pub fn climbs(&self, spelling: &Spelling, symbol: &Symbol, spelled: &str) -> bool {
        let is_step = |value: &str| matches!(value, "." | "..");
        self.0.iter().any(|part| match part {
            Part::Symbols { .. } | Part::One { what: What::Symbol, .. } => is_step(spelled),
            Part::One { what, how } => {
                let mut value = String::new();
                spelling.push(&mut value, symbol, *what, *how).is_some() && is_step(&value)
            }
            Part::Text(_) | Part::Secret { .. } => false,
        })
    }

    /// A header's value; `None` when a secret it can do without is not set.
    pub fn fill(&self, secrets: &BTreeMap<String, Secret>) -> Option<Secret> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Secret { name, .. } => out.push_str(secrets.get(name)?.expose()),
                Part::One { .. } | Part::Symbols { .. } => {}
            }
        }
        Some(Secret::new(out))
    }

    /// A path for a request, each value encoded: the path itself, and the path to be shown.
    pub fn path(&self, asked: &Asked<'_>, secrets: &BTreeMap<String, Secret>) -> (String, String) {
        let (mut path, mut shown) = (String::new(), String::new());
        for part in &self.0 {
            let value = match part {
                Part::Text(text) => utf8_percent_encode(text, OWN).to_string(),
                Part::Symbols { how, json } => asked.list(*how, *json),
                Part::One { what, how } => asked.one(*what, *how),
                Part::Secret { name, .. } => {
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

impl Part {
    fn parse(name: &str, place: Place) -> Result<Self, String> {
        let unknown_as = |name: &str, known: &[&str]| {
            format!("placeholder {{{name}}} is not known here{}", did_you_mean(name, known.iter().copied()))
        };
        let unknown = || unknown_as(name, place.known());
        if let Some((kind, secret)) = name.split_once(':').filter(|(kind, _)| matches!(*kind, "secret" | "secret?")) {
            let valid = !secret.is_empty() && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return match place {
                Place::Path | Place::Header if valid => {
                    Ok(Self::Secret { name: secret.to_owned(), optional: kind.ends_with('?') })
                }
                _ => Err(unknown()),
            };
        }
        let mut words = name.split(':');
        let head = words.next().unwrap_or_default();
        let (mut how, mut json) = (How::default(), false);
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
            (_, Place::Header) => Err(unknown()),
            ("symbols", Place::Path) => Ok(Self::Symbols { how, json }),
            ("symbol", _) => Ok(Self::One { what: What::Symbol, how }),
            ("base", _) => Ok(Self::One { what: What::Base, how }),
            ("quote", _) => Ok(Self::One { what: What::Quote, how }),
            _ => Err(unknown()),
        }
    }
}

/// What an API calls otherwise: codes and characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spelling {
    /// Codes: `BTC` is `XBT`.
    pub rename: BTreeMap<String, String>,
    /// Characters: `.` is `-`.
    pub replace: Vec<(char, String)>,
}

impl Spelling {
    fn push(&self, out: &mut String, symbol: &Symbol, what: What, how: How) -> Option<()> {
        match what {
            What::Base => self.push_code(out, symbol.base(), how),
            What::Quote => self.push_code(out, symbol.quote()?, how),
            What::Symbol => match symbol.quote() {
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

    fn renames(&self, code: &str, how: How) -> bool {
        !how.plain && self.rename.contains_key(code)
    }

    fn push_code(&self, out: &mut String, code: &str, how: How) {
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
        Case::Kept => out.push_str(text),
        Case::Lower => out.push_str(&text.to_lowercase()),
        Case::Upper => out.push_str(&text.to_uppercase()),
    }
}

/// The symbols of one request, for its path.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The symbols, at least one.
    pub symbols: &'a [&'a Symbol],
    /// Their spellings.
    pub spelled: &'a [Cow<'a, str>],
    /// What the API calls otherwise.
    pub spelling: &'a Spelling,
    /// What stands between two symbols of a batch.
    pub join: &'a str,
}

impl Asked<'_> {
    fn list(&self, how: How, json: bool) -> String {
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

    fn one(&self, what: What, how: How) -> String {
        let mut value = String::new();
        if what == What::Symbol {
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
        Template::parse(template, Place::Spelling).unwrap().spell(&spelling(), &symbol).map(Cow::into_owned)
    }

    fn path(template: &str, symbols: &[&str]) -> (String, String) {
        let symbols: Vec<Symbol> = symbols.iter().map(|text| Symbol::new(text).unwrap()).collect();
        let symbols: Vec<&Symbol> = symbols.iter().collect();
        let spelled: Vec<Cow<'_, str>> = symbols.iter().map(|symbol| symbol.as_str().into()).collect();
        let asked = Asked { symbols: &symbols, spelled: &spelled, spelling: &spelling(), join: "," };
        let secrets = BTreeMap::from([("KEY".to_owned(), Secret::new("s/3"))]);
        Template::parse(template, Place::Path).unwrap().path(&asked, &secrets)
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
        let climbs = |template: &str, symbol: &str| {
            let symbol = Symbol::new(symbol).unwrap();
            let spelling = Spelling { replace: vec![('-', ".".into())], ..Spelling::default() };
            let path = Template::parse(template, Place::Path).unwrap();
            path.climbs(&spelling, &symbol, &Template::whole_symbol().spell(&spelling, &symbol).unwrap())
        };
        assert!(climbs("/{symbol}", "..") && climbs("/{symbol}", ".-") && climbs("/{base}/{quote}", "../USD"));
        assert!(climbs("/{quote}?b={base}", "A/.") && climbs("/{symbols}", "."));
        assert!(!climbs("/{symbol}", "BRK.B") && !climbs("/{symbol}", "../USD") && !climbs("/all", ".."));
    }

    #[test]
    fn a_secret_in_a_path_is_not_shown() {
        let (path, shown) = path("/t?key={secret:KEY}", &["A"]);
        assert_eq!((path.as_str(), shown.as_str()), ("/t?key=s%2F3", "/t?key=***"));
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        for (text, place) in [
            ("{sym}", Place::Path),
            ("{symbol:big}", Place::Path),
            ("{symbols}", Place::Pointer),
            ("{symbol}", Place::Header),
            ("{secret:A B}", Place::Header),
            ("{secret:KEY}", Place::Spelling),
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
            let problem = Template::parse(&format!("{{{name}}}"), Place::Path).unwrap_err();
            assert_eq!(problem, format!("placeholder {{{name}}} is not known here; did you mean {near:?}?"));
        }
    }
}
