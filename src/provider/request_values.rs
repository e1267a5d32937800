//! What the placeholders of one request stand for.

use super::spelling::{Case, Format, Spelling, SymbolPart};
use super::template::{Template, TemplatePart};
use crate::market::symbol::Symbol;
use crate::secret::{MASK, Secret, URL_VALUE};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;
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

/// The same in a date, whose `+` of a time zone would be a space in a query.
const DATE: &AsciiSet = &LITERAL.add(b'+');

/// What the placeholders of one request stand for.
#[derive(Debug)]
pub(crate) struct RequestValues<'a> {
    /// The symbols of the request.
    pub(crate) symbols: &'a [&'a Symbol],
    /// The spellings of these symbols.
    pub(crate) spelled: &'a [Cow<'a, str>],
    /// The codes and characters that the API spells in another way.
    pub(crate) spelling: &'a Spelling,
    /// The text between two symbols.
    pub(crate) join: &'a str,
    /// What a list of symbols is searched for.
    pub(crate) search_text: &'a str,
    /// The secrets that are set, by their names.
    pub(crate) secrets: &'a BTreeMap<String, Secret>,
    /// When the run started.
    pub(crate) now: Timestamp,
    /// Whose day `{date}` is.
    pub(crate) time_zone: &'a TimeZone,
}

impl RequestValues<'_> {
    /// The path of a request, and the same path with its secrets masked. All values are percent-encoded.
    pub(crate) fn path(&self, template: &Template) -> (String, String) {
        let (mut path, mut redacted) = (String::new(), String::new());
        for part in template.parts() {
            let value = match part {
                TemplatePart::Text(text) => utf8_percent_encode(text, LITERAL).to_string(),
                TemplatePart::Date(format) => utf8_percent_encode(&self.date(format), DATE).to_string(),
                TemplatePart::Option { value, .. } => encoded(value),
                TemplatePart::SearchText => encoded(self.search_text),
                TemplatePart::Symbols { format, json: true } => encoded(&self.array(format.case).to_string()),
                TemplatePart::Symbols { format, json: false } => self.joined(format.case),
                TemplatePart::Symbol { part, format } => encoded(&self.part_of_first(*part, *format)),
                TemplatePart::Secret { name, encoding, .. } => {
                    let value = self.secrets.get(name).map(|secret| encoding.apply(secret));
                    path.extend(utf8_percent_encode(value.as_ref().map_or("", Secret::expose), URL_VALUE));
                    redacted.push_str(MASK);
                    continue;
                }
            };
            path.push_str(&value);
            redacted.push_str(&value);
        }
        (path, redacted)
    }

    /// The value of one placeholder, or of a text without any, in a JSON body.
    pub(crate) fn json(&self, template: &Template) -> Value {
        match template.parts() {
            [TemplatePart::Symbols { format, .. }] => self.array(format.case),
            [part] => Value::from(match part {
                TemplatePart::Text(text) | TemplatePart::Option { value: text, .. } => text.clone(),
                TemplatePart::Date(format) => self.date(format),
                TemplatePart::Symbol { part, format } => self.part_of_first(*part, *format),
                TemplatePart::Secret { name, encoding, .. } => {
                    let value = self.secrets.get(name).map(|secret| encoding.apply(secret));
                    value.as_ref().map_or("", Secret::expose).to_owned()
                }
                TemplatePart::Symbols { .. } | TemplatePart::SearchText => String::new(),
            }),
            _ => Value::from(""),
        }
    }

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

    /// All symbols as a JSON array.
    fn array(&self, case: Case) -> Value {
        self.spelled.iter().map(|spelled| Value::from(case.apply(spelled))).collect()
    }

    /// A part of the first symbol. All symbols of a request have this part in common.
    fn part_of_first(&self, part: SymbolPart, format: Format) -> String {
        let mut value = String::new();
        if part == SymbolPart::Whole {
            value.push_str(&format.case.apply(self.spelled.first().map_or("", Cow::as_ref)));
        } else if let Some(symbol) = self.symbols.first() {
            // A symbol that lacks the part is never in a request that has it.
            let _ = self.spelling.push_spelled(&mut value, symbol, part, format);
        }
        value
    }

    /// The day on which the run started, in this format, which was checked when the definition was read.
    fn date(&self, format: &str) -> String {
        jiff::fmt::strtime::format(format, &self.now.to_zoned_datetime(self.time_zone.clone())).unwrap_or_default()
    }
}

fn encoded(value: &str) -> String {
    utf8_percent_encode(value, URL_VALUE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::template::TemplateKind;
    use crate::provider::testing::symbols;

    /// Calls `read` with the values of a request for these symbols, late on 26 November 2026 in UTC.
    fn with_values<T>(names: &[&str], read: impl FnOnce(&RequestValues<'_>) -> T) -> T {
        let spelling = Spelling { rename: [("BTC".into(), "XBT".into())].into(), ..Spelling::default() };
        let symbols = symbols(names);
        let symbols: Vec<&Symbol> = symbols.iter().collect();
        let spelled: Vec<Cow<'_, str>> = symbols.iter().map(|symbol| symbol.as_str().into()).collect();
        read(&RequestValues {
            symbols: &symbols,
            spelled: &spelled,
            spelling: &spelling,
            join: ",",
            search_text: "",
            secrets: &BTreeMap::from([("KEY".to_owned(), Secret::new("s/3"))]),
            now: "2026-11-26T23:30:00Z".parse().unwrap(),
            time_zone: &TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        })
    }

    fn path(template: &str, names: &[&str]) -> (String, String) {
        let template = Template::parse(template, TemplateKind::Path).unwrap();
        with_values(names, |values| values.path(&template))
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
    fn a_secret_in_a_path_is_masked_in_the_redacted_path() {
        assert_eq!(path("/t?auth={secret:KEY:base64}&{secret?:NONE}", &["A"]).0, "/t?auth=cy8z&");
        let (path, redacted) = path("/t?key={secret:KEY}", &["A"]);
        assert_eq!((path.as_str(), redacted.as_str()), ("/t?key=s%2F3", "/t?key=***"));
    }

    #[test]
    fn the_value_of_an_option_cannot_change_the_path() {
        let mut template = Template::parse("/t?feed={option:feed}&x=1", TemplateKind::Path).unwrap();
        assert_eq!(template.options(), ["feed"]);
        template.set_option("feed", "a&b=c d");
        assert_eq!(with_values(&[], |values| values.path(&template)).0, "/t?feed=a%26b%3Dc%20d&x=1");
    }

    #[test]
    fn the_date_is_that_of_the_time_zone() {
        assert_eq!(path("/{date}", &[]).0, "/2026-11-27");
        assert_eq!(
            path("/prices/{date:%Y/%m-%d}_NO1.json?at={date:%H:%M %b}", &[]).0,
            "/prices/2026/11-27_NO1.json?at=00:30%20Nov"
        );
        assert_eq!(path("/?since={date:%H:%M%:z}", &[]).0, "/?since=00:30%2B01:00");
    }

    #[test]
    fn a_text_of_a_body_stands_for_one_json_value() {
        let json =
            |text: &str| with_values(&["BTC/USD", "A\"b"], |values| values.json(&Template::parse_body(text).unwrap()));
        for (text, expected) in [
            ("{symbols}", r#"["BTC/USD","A\"b"]"#),
            ("{symbol:lower}", r#""btc/usd""#),
            ("{base}", r#""XBT""#),
            ("{date}", r#""2026-11-27""#),
            ("{secret:KEY}", r#""s/3""#),
            ("{secret?:NONE}", r#""""#),
            ("{ viewer { login } }", r#""{ viewer { login } }""#),
            ("is {symbol}", r#""is {symbol}""#),
        ] {
            assert_eq!(json(text).to_string(), expected, "{text}");
        }
    }
}
