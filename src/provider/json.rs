//! Reads JSON text, one value after the other, without building anything.
//!
//! All of it is checked against [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259), also the values that
//! nobody wants, so a body that is truncated or garbled anywhere is an error. What is wanted is given as its
//! JSON text, so no number is rounded, and a number that is beyond the range of an `f64` is no error.
//! Values that are passed over need no stack, however deep they are.

use super::scan::{end_of_digits, end_of_plain};
use std::borrow::Cow;

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum JsonError {
    /// The text ends inside a value, or has none.
    #[error("it is cut off")]
    Truncated,
    /// There is no value where one must be.
    #[error("expected a value")]
    NoValue,
    /// A member of an object has no name.
    #[error("expected a name in quotes")]
    NoName,
    /// There is no colon after a name.
    #[error("expected `:`")]
    NoColon,
    /// There is neither a comma nor a closing bracket after a value.
    #[error("expected `,` or a closing bracket")]
    NoComma,
    /// A number has no digit where one must be.
    #[error("expected a digit")]
    NoDigit,
    /// A string has a backslash and something unknown after it.
    #[error("a string has an unknown escape")]
    UnknownEscape,
    /// A string has a line break, or another character that must be escaped.
    #[error("a string has a control character")]
    ControlCharacter,
    /// There is more after the value.
    #[error("there is more after its end")]
    Trailing,
}

type Result<T> = std::result::Result<T, JsonError>;

/// A place in a JSON text. After an error there is nothing more to read.
pub(super) struct JsonReader<'de> {
    text: &'de str,
    /// The index of the next byte.
    at: usize,
    /// Memory for the brackets of [`end_of`].
    closing: Vec<u8>,
}

impl<'de> JsonReader<'de> {
    /// The beginning of a text.
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0, closing: Vec::new() }
    }

    /// The first byte of what comes next, after white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.at = skip_white(self.text.as_bytes(), self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads a value, and returns its text.
    pub(super) fn value(&mut self) -> Result<&'de str> {
        let start = skip_white(self.text.as_bytes(), self.at);
        self.skip()?;
        Ok(&self.text[start..self.at])
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Result<()> {
        self.at = end_of(self.text.as_bytes(), self.at, &mut self.closing)?;
        Ok(())
    }

    /// Reads an object. `member` is called after each name, reads or skips the value, and says whether it wants to
    /// see the members after it.
    pub(super) fn members(&mut self, mut member: impl FnMut(&mut Self, &str) -> Result<bool>) -> Result<()> {
        let mut has_more = self.enters(b'}');
        while has_more {
            let name = self.name()?;
            let is_next_wanted = member(self, &name)?;
            has_more = self.has_more(b'}')?;
            if has_more && !is_next_wanted {
                // The rest of the object is passed over as if its opening bracket had been seen.
                self.closing.push(b'}');
                return self.skip();
            }
        }
        Ok(())
    }

    /// Reads an array. `element` is called with the index of each element, and reads or skips it.
    pub(super) fn elements(&mut self, mut element: impl FnMut(&mut Self, usize) -> Result<()>) -> Result<()> {
        let (mut has_more, mut index) = (self.enters(b']'), 0);
        while has_more {
            element(self, index)?;
            has_more = self.has_more(b']')?;
            index += 1;
        }
        Ok(())
    }

    /// The end of the text.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(JsonError::Trailing) }
    }

    /// Goes into an array or an object, which `bracket` closes. Returns whether there is anything in it; else it is
    /// passed over.
    fn enters(&mut self, bracket: u8) -> bool {
        self.peek();
        self.at += 1;
        let is_empty = self.peek() == Some(bracket);
        self.at += usize::from(is_empty);
        !is_empty
    }

    /// Passes over the comma after a value, or the closing bracket. Returns whether it is a comma.
    fn has_more(&mut self, bracket: u8) -> Result<bool> {
        let next = self.peek().ok_or(JsonError::Truncated)?;
        self.at += 1;
        if next == b',' || next == bracket { Ok(next == b',') } else { Err(JsonError::NoComma) }
    }

    /// Reads the name of a member and the colon after it.
    fn name(&mut self) -> Result<Cow<'de, str>> {
        let bytes = self.text.as_bytes();
        let start = expect(bytes, self.at, b'"', JsonError::NoName)?;
        let plain = end_of_plain(bytes, start);
        // Most names have no escapes.
        if bytes.get(plain) == Some(&b'"') {
            self.at = expect(bytes, plain + 1, b':', JsonError::NoColon)?;
            return Ok(Cow::Borrowed(&self.text[start..plain]));
        }
        let end = skip_string(bytes, plain)?;
        self.at = expect(bytes, end, b':', JsonError::NoColon)?;
        let quoted = &self.text[start - 1..end];
        Ok(unescaped(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned))
    }
}

// The functions below take the index where something begins, and return the index after it.

/// Passes over a value, and over all that follows it up to the last of these brackets, which close the arrays and
/// objects around it. In an object it begins with a name.
fn end_of(bytes: &[u8], mut at: usize, closing: &mut Vec<u8>) -> Result<usize> {
    loop {
        if closing.last() == Some(&b'}') {
            at = skip_name(bytes, at)?;
        }
        at = skip_white(bytes, at);
        let mut has_more = false;
        if let Some(opening @ (b'{' | b'[')) = bytes.get(at) {
            // In ASCII, the closing bracket comes two after the opening one.
            let bracket = opening + 2;
            closing.push(bracket);
            at = skip_white(bytes, at + 1);
            has_more = bytes.get(at) != Some(&bracket);
        } else {
            at = skip_scalar(bytes, at)?;
        }
        while !has_more {
            let Some(&bracket) = closing.last() else { return Ok(at) };
            at = skip_white(bytes, at);
            let next = *bytes.get(at).ok_or(JsonError::Truncated)?;
            at += 1;
            has_more = next == b',';
            if next == bracket {
                closing.pop();
            } else if !has_more {
                return Err(JsonError::NoComma);
            }
        }
    }
}

/// Passes over a value that is neither an array nor an object.
#[inline]
fn skip_scalar(bytes: &[u8], at: usize) -> Result<usize> {
    match bytes.get(at) {
        Some(b'"') => skip_string(bytes, at + 1),
        Some(b'-' | b'0'..=b'9') => skip_number(bytes, at),
        Some(_) => skip_word(bytes, at),
        None => Err(JsonError::Truncated),
    }
}

#[inline]
fn skip_white(bytes: &[u8], at: usize) -> usize {
    // Most replies have none.
    if bytes.get(at).is_some_and(|byte| *byte > b' ') { at } else { end_of_white(bytes, at) }
}

#[cold]
#[inline(never)]
fn end_of_white(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Passes over the name of a member and the colon after it.
#[inline]
fn skip_name(bytes: &[u8], at: usize) -> Result<usize> {
    let at = expect(bytes, at, b'"', JsonError::NoName)?;
    let at = skip_string(bytes, at)?;
    expect(bytes, at, b':', JsonError::NoColon)
}

/// Passes over white space and this byte.
#[inline]
fn expect(bytes: &[u8], at: usize, byte: u8, error: JsonError) -> Result<usize> {
    // In most replies it is the next byte.
    if bytes.get(at) == Some(&byte) {
        return Ok(at + 1);
    }
    let at = skip_white(bytes, at);
    match bytes.get(at) {
        Some(next) if *next == byte => Ok(at + 1),
        Some(_) => Err(error),
        None => Err(JsonError::Truncated),
    }
}

/// Passes over the rest of a string, after its first quote.
#[inline]
fn skip_string(bytes: &[u8], mut at: usize) -> Result<usize> {
    loop {
        at = end_of_plain(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = skip_escape(bytes, at + 1)?,
            Some(_) => return Err(JsonError::ControlCharacter),
            None => return Err(JsonError::Truncated),
        }
    }
}

/// Passes over the rest of an escape, after the backslash.
#[cold]
fn skip_escape(bytes: &[u8], at: usize) -> Result<usize> {
    match bytes.get(at).ok_or(JsonError::Truncated)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 1),
        b'u' => {
            let digits = bytes[at + 1..].iter().take(4);
            if !digits.clone().all(u8::is_ascii_hexdigit) {
                return Err(JsonError::UnknownEscape);
            }
            if digits.len() == 4 { Ok(at + 5) } else { Err(JsonError::Truncated) }
        }
        _ => Err(JsonError::UnknownEscape),
    }
}

#[inline]
fn skip_number(bytes: &[u8], mut at: usize) -> Result<usize> {
    at += usize::from(bytes[at] == b'-');
    // A zero in front of other digits is not allowed.
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { skip_digits(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = skip_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) { skip_exponent(bytes, at + 1) } else { Ok(at) }
}

/// Passes over what comes after the `e` of a number.
#[cold]
fn skip_exponent(bytes: &[u8], at: usize) -> Result<usize> {
    let is_signed = matches!(bytes.get(at), Some(b'+' | b'-'));
    skip_digits(bytes, at + usize::from(is_signed))
}

/// Passes over one digit or more.
#[inline]
fn skip_digits(bytes: &[u8], at: usize) -> Result<usize> {
    let end = end_of_digits(bytes, at);
    match bytes.get(at) {
        _ if end > at => Ok(end),
        Some(_) => Err(JsonError::NoDigit),
        None => Err(JsonError::Truncated),
    }
}

fn skip_word(bytes: &[u8], at: usize) -> Result<usize> {
    let rest = &bytes[at..];
    for word in [&b"true"[..], b"false", b"null"] {
        if rest.starts_with(word) {
            return Ok(at + word.len());
        }
        if word.starts_with(rest) {
            return Err(JsonError::Truncated);
        }
    }
    Err(JsonError::NoValue)
}

/// Most bytes that are read of a string with escapes, which must be copied. No name, number or error
/// text that is shown is longer.
const MAX_ESCAPED: usize = 64 << 10;

/// The text of a JSON string, or of a number as it is written. `None` for any other JSON value.
pub(super) fn string_or_number(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes() {
        [b'-' | b'0'..=b'9', ..] => Some(Cow::Borrowed(json)),
        _ => string(json),
    }
}

/// The text of a JSON string.
fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') { unescaped(json).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

fn unescaped(json: &str) -> Option<String> {
    if json.len() <= MAX_ESCAPED {
        return serde_json::from_str(json).ok();
    }
    // A cut inside an escape is an error. The longest escape is a pair of surrogates, twelve bytes, so
    // one of these cuts is not inside an escape.
    let cut = |less| serde_json::from_str(&format!("{}\"", json.get(..MAX_ESCAPED - less)?)).ok();
    (0..=12).find_map(cut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

    fn read(text: &str) -> Result<&str> {
        let mut reader = JsonReader::new(text);
        let value = reader.value()?;
        reader.end().map(|()| value)
    }

    #[test]
    fn a_value_is_given_as_it_is_written() {
        for json in [r#"{"a":[{},[ ],"\u00e9\n",-0.5E+7,1e999],"b" : null}"#, "[true,false]", "\"é\"", "0"] {
            assert_eq!(read(&format!(" \r\n\t{json} ")), Ok(json));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (r#"{"a":1,"b":[1,2"#, "it is cut off"),
            ("", "it is cut off"),
            ("tru", "it is cut off"),
            (r#""\u00e"#, "it is cut off"),
            ("1 x", "there is more after its end"),
            ("Service unavailable", "expected a value"),
            ("{a:1}", "expected a name in quotes"),
            ("{\"a\" 1}", "expected `:`"),
            ("{\"a\":1]", "expected `,` or a closing bracket"),
            ("[1}", "expected `,` or a closing bracket"),
            ("[1,]", "expected a value"),
            ("01", "there is more after its end"),
            ("-x", "expected a digit"),
            ("\"a\nb\"", "a string has a control character"),
            (r#""\x""#, "a string has an unknown escape"),
            (r#""\u00g0""#, "a string has an unknown escape"),
        ];
        for (text, message) in cases {
            assert_eq!(read(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    /// Every text that differs from JSON in a byte, or ends early, is read or refused as serde_json does.
    #[test]
    fn a_text_is_json_if_another_reader_says_so() {
        let json = r#"{"a\"\u00e9":[-0.5e+7,10,{"":"x\/"},[],{}],"b":[true,false,null]}"#;
        let check = |text: &str| {
            assert_eq!(read(text).is_ok(), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text}");
        };
        for at in 0..json.len() {
            check(&json[..at]);
            check(&json[at..]);
            for byte in 0..0x80_u8 {
                let changed = [&json.as_bytes()[..at], &[byte], &json.as_bytes()[at + 1..]].concat();
                check(str::from_utf8(&changed).unwrap());
                let longer = [&json.as_bytes()[..at], &[byte], &json.as_bytes()[at..]].concat();
                check(str::from_utf8(&longer).unwrap());
            }
        }
    }

    #[test]
    fn members_and_elements_are_read_one_after_the_other() {
        let mut json = JsonReader::new(r#" { "a" : [] , "b\"\u00e9" : {} , "":[ 1,"c" ]}"#);
        let mut found = Vec::new();
        json.members(|json, name| {
            found.push(name.to_owned());
            if json.peek() == Some(b'[') {
                json.elements(|json, index| json.value().map(|value| found.push(format!("{index} {value}"))))?;
            } else {
                json.members(|_, _| panic!("there is no member"))?;
            }
            Ok(true)
        })
        .unwrap();
        assert_eq!(found, ["a", "b\"é", "", "0 1", "1 \"c\""]);
        assert_eq!(json.end(), Ok(()));
    }

    #[test]
    fn members_that_are_not_wanted_are_checked_all_the_same() {
        let read = |text| {
            let mut json = JsonReader::new(text);
            json.members(|json, _| json.skip().map(|()| false)).and_then(|()| json.end())
        };
        assert_eq!(read(r#"{"a":1,"b":{"c":[2]},"d":3} "#), Ok(()));
        assert_eq!(read(r#"{"a":1,"b":{"c":[2},"d":3}"#), Err(JsonError::NoComma));
        assert_eq!(read(r#"{"a":1,"b":2"#), Err(JsonError::Truncated));
    }

    #[test]
    fn depth_needs_no_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read(&deep), Ok(deep.as_str()));
        assert_eq!(read(&deep[1..]), Err(JsonError::Trailing));
    }

    #[test]
    fn strings_and_numbers_have_a_text() {
        assert_eq!(string_or_number(r#""BTC\/USD""#).as_deref(), Some("BTC/USD"));
        assert_eq!(string_or_number("12.5").as_deref(), Some("12.5"));
        assert_eq!(string_or_number("null"), None);
        assert_eq!(string_or_number("{}"), None);
    }

    #[test]
    fn a_long_string_is_not_cut_inside_an_escape() {
        for before in 0..12 {
            let long = format!("\"{}{}\"", "x".repeat(before), r"\ud83d\ude00".repeat(10_000));
            let cut = string_or_number(&long).unwrap();
            assert!(cut.len() > 20_000 && cut.len() < MAX_ESCAPED && cut.ends_with('😀'), "{before}");
        }
    }
}
