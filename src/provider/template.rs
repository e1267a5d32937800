//! Texts of a definition with placeholders: `{symbol}`, `{base:lower}`, `{secret:NAME}`.

use super::spelling::{Case, Format, Spelling, SymbolPart};
use crate::market::symbol::Symbol;
use crate::secret::Secret;
use crate::util::placeholder::{Segment, split};
use crate::util::suggest::did_you_mean;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a template is for. Each kind allows other placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TemplateKind {
    /// The path of a request. It may have symbols, the date and secrets.
    Path,
    /// A text in the body of a request: one of the placeholders of a path, or none.
    Body,
    /// The path of a request for a list of symbols. It may have the text to search for.
    List,
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
            Self::Path | Self::Body => {
                &["symbols", "symbol", "base", "quote", "date", "option:NAME", "secret:NAME", "secret?:NAME"]
            }
            Self::List => &["text", "date", "option:NAME", "secret:NAME", "secret?:NAME"],
            Self::Header => &["option:NAME", "secret:NAME", "secret?:NAME"],
            Self::Spelling | Self::Pointer => &["symbol", "base", "quote"],
        }
    }
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<TemplatePart>);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TemplatePart {
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
    /// The day of the run, in this format of strftime.
    Date(String),
    /// What a list of symbols is searched for.
    SearchText,
    Secret {
        name: String,
        optional: bool,
        encoding: SecretEncoding,
    },
    /// A value that the user may set. The value is empty until it is known.
    Option {
        name: String,
        value: String,
    },
}

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum SecretEncoding {
    Plain,
    Base64,
}

impl SecretEncoding {
    /// The secret, written like this.
    pub(super) fn apply(self, secret: &Secret) -> Secret {
        match self {
            Self::Plain => secret.clone(),
            Self::Base64 => Secret::new(BASE64_STANDARD.encode(secret.expose())),
        }
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A text that says which brace has no match, or which placeholder this kind does not allow.
    pub(crate) fn parse(text: &str, kind: TemplateKind) -> Result<Self, String> {
        let mut is_after_dollar = false;
        let part = |segment| match segment {
            Segment::Text(text) => {
                is_after_dollar = text.ends_with('$');
                Ok(TemplatePart::Text(text.to_owned()))
            }
            Segment::Placeholder(name) if std::mem::take(&mut is_after_dollar) && is_name(name) => {
                Err(format!("${{{name}}} is no placeholder: write {{secret:{name}}} for the value of that variable"))
            }
            Segment::Placeholder(name) => TemplatePart::parse(name, kind),
        };
        split(text)?.into_iter().map(part).collect::<Result<_, _>>().map(Self)
    }

    /// Reads a text of a body: a placeholder if it is one as a whole, or else a literal text, which may be a
    /// query with braces of its own.
    ///
    /// # Errors
    /// A text that says which placeholder is not known.
    pub(crate) fn parse_body(text: &str) -> Result<Self, String> {
        let is_word = |c: char| !c.is_whitespace() && !matches!(c, '{' | '}' | '"');
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(word) if !word.is_empty() && word.chars().all(is_word) => Self::parse(text, TemplateKind::Body),
            _ => Ok(Self(vec![TemplatePart::Text(text.to_owned())])),
        }
    }

    /// The parts of the template, in their order.
    pub(super) fn parts(&self) -> &[TemplatePart] {
        &self.0
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

    /// Whether the template has the placeholder `{text}`.
    pub(crate) fn has_search_text(&self) -> bool {
        self.0.contains(&TemplatePart::SearchText)
    }

    /// Whether the template changes the case of a symbol, so that either case is understood.
    pub(super) fn changes_case(&self) -> bool {
        let changes =
            |part: &TemplatePart| matches!(part, TemplatePart::Symbol { format, .. } if format.case != Case::Unchanged);
        self.0.iter().any(changes)
    }

    /// The text of a template without placeholders.
    pub(super) fn literal_text(&self) -> String {
        let text = |part: &TemplatePart| if let TemplatePart::Text(text) = part { text.clone() } else { String::new() };
        self.0.iter().map(text).collect()
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
            TemplatePart::Secret { name, optional, .. } => Some((name.as_str(), *optional)),
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
                TemplatePart::Symbols { .. }
                | TemplatePart::Date(_)
                | TemplatePart::SearchText
                | TemplatePart::Secret { .. }
                | TemplatePart::Option { .. } => {}
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
            TemplatePart::Text(_)
            | TemplatePart::Date(_)
            | TemplatePart::SearchText
            | TemplatePart::Secret { .. }
            | TemplatePart::Option { .. } => false,
        })
    }

    /// The value of a header. `None` if a secret of it is not set.
    pub(crate) fn header_value(&self, secrets: &BTreeMap<String, Secret>) -> Option<Secret> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                TemplatePart::Text(text) | TemplatePart::Option { value: text, .. } => out.push_str(text),
                TemplatePart::Secret { name, encoding, .. } => {
                    out.push_str(encoding.apply(secrets.get(name)?).expose());
                }
                TemplatePart::Symbol { .. }
                | TemplatePart::Symbols { .. }
                | TemplatePart::Date(_)
                | TemplatePart::SearchText => {}
            }
        }
        Some(Secret::new(out))
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
        if name == "date" && kind.placeholders().contains(&"date") {
            return Self::parse_date(placeholder.strip_prefix("date:").unwrap_or("%Y-%m-%d"));
        }
        let (mut format, mut json) = (Format::DEFAULT, false);
        for option in words {
            match option {
                "lower" => format.case = Case::Lower,
                "upper" => format.case = Case::Upper,
                "plain" => format.plain = true,
                "json" if name == "symbols" && kind == TemplateKind::Path => json = true,
                _ if !kind.placeholders().contains(&name) => return Err(unknown()),
                _ => return Err(unknown_option(placeholder, name)),
            }
        }
        let is_spelled =
            matches!(name, "symbol" | "symbols") && matches!(kind, TemplateKind::Path | TemplateKind::Body);
        if format.plain && is_spelled {
            return Err(format!(
                "placeholder {{{placeholder}}} is not known here: `symbol` of the definition says how symbols are spelled, \
                 and may have {{base:plain}}"
            ));
        }
        match (name, kind) {
            ("text", TemplateKind::List) if placeholder == name => Ok(Self::SearchText),
            (_, TemplateKind::Header | TemplateKind::List) => Err(unknown()),
            ("symbols", TemplateKind::Path | TemplateKind::Body) => Ok(Self::Symbols { format, json }),
            ("symbol", _) => Ok(Self::Symbol { part: SymbolPart::Whole, format }),
            ("base", _) => Ok(Self::Symbol { part: SymbolPart::Base, format }),
            ("quote", _) => Ok(Self::Symbol { part: SymbolPart::Quote, format }),
            _ => Err(unknown()),
        }
    }

    /// `None` if this is no name of a secret, or the kind of template allows none.
    fn parse_secret(text: &str, optional: bool, kind: TemplateKind) -> Option<Self> {
        let (name, encoding) = match text.strip_suffix(":base64") {
            Some(name) => (name, SecretEncoding::Base64),
            None => (text, SecretEncoding::Plain),
        };
        let is_allowed = kind.placeholders().contains(&"secret:NAME");
        (is_name(name) && is_allowed).then(|| Self::Secret { name: name.to_owned(), optional, encoding })
    }

    fn parse_date(format: &str) -> Result<Self, String> {
        let any_time = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        let is_known = jiff::fmt::strtime::format(format, &any_time).is_ok();
        let problem = || format!("placeholder {{date:{format}}} is no date: use formats such as %Y, %m and %d");
        is_known.then(|| Self::Date(format.to_owned())).ok_or_else(problem)
    }
}

/// Whether this may be the name of a secret or an option.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn unknown_placeholder(placeholder: &str, known: &[&str]) -> String {
    let is_of_another_language = |c: char| matches!(c, '=' | '"' | '\'' | ',' | '(' | '[' | '<' | '\n');
    if placeholder.trim() != placeholder || placeholder.contains(is_of_another_language) {
        return format!("{{{placeholder}}} is no placeholder: write {{{{ and }}}} for braces that are sent");
    }
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

    #[test]
    fn symbols_are_spelled_as_the_template_says() {
        assert_eq!(spell("{base}{quote}", "BTC/USD").as_deref(), Some("XBTUSD"));
        assert_eq!(spell("{base:plain:lower}-{quote:lower}", "BTC/USD").as_deref(), Some("btc-usd"));
        assert_eq!(spell("{symbol}", "BRK.B").as_deref(), Some("BRK-B"));
        assert_eq!(spell("{symbol:lower}", "BTC/USD").as_deref(), Some("xbt/usd"));
        assert_eq!(spell("{base}{quote}", "AAPL"), None);
        // Where nothing is renamed too.
        let spell = |template: &str, symbol: &str| {
            let (template, symbol) = (Template::parse(template, TemplateKind::Spelling), Symbol::new(symbol).unwrap());
            template.unwrap().spell(&Spelling::default(), &symbol).map(Cow::into_owned)
        };
        assert_eq!(spell("{base}/{quote}", "BTC/USD").as_deref(), Some("BTC/USD"));
        assert_eq!(spell("{base}-{quote}", "BTC/USD").as_deref(), Some("BTC-USD"));
        assert_eq!(spell("{base}/{quote}", "AAPL"), None);
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
            ("{text:upper}", TemplateKind::List),
        ] {
            assert!(Template::parse(text, kind).is_err(), "{text}");
        }
    }

    #[test]
    fn what_other_programs_write_in_braces_is_explained() {
        for (text, hint) in [
            ("/?q=up{job=\"node\"}", "write {{ and }}"),
            ("/?key=${TOKEN}", "write {secret:TOKEN}"),
            ("/{date:%&}", "use formats such as %Y"),
        ] {
            let problem = Template::parse(text, TemplateKind::Path).unwrap_err();
            assert!(problem.contains(hint), "{problem}");
        }
        assert!(Template::parse("/${symbol}", TemplateKind::Path).is_err());
    }

    #[test]
    fn a_text_of_a_body_is_a_placeholder_only_as_a_whole() {
        let is_literal = |text: &str| Template::parse_body(text).unwrap().is_literal();
        for text in ["{ viewer { login } }", "id={symbol}", "{}", "{{symbol}}", "{a{b}}", "", "{"] {
            assert!(is_literal(text), "{text}");
        }
        for text in ["{symbol}", "{symbols:lower}", "{secret?:KEY}", "{date:%Y-%m-%d}"] {
            assert!(!is_literal(text), "{text}");
        }
        for text in ["{symbl}", "{symbols:json}", "{date:%&}"] {
            assert!(Template::parse_body(text).is_err(), "{text}");
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
