//! Numbers as providers write them, and the arithmetic that is done with them.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU8;

/// A finite number that keeps the text it came with: `0.00007351` and `0E-7` are passed on as they
/// arrived. The text is always a JSON number, which Carbon can read too.
///
/// A text that is longer than [`Number::MAX_LEN`] bytes, or that people read as a number but JSON does
/// not (`+5`, `.5`, `007`), is replaced by the shortest text for the same `f64`. Nothing is lost by
/// that, as Graphite stores an `f64`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    format: TextFormat,
    text: [u8; Self::MAX_LEN],
}

/// A run keeps a value for each field of each symbol, so the size matters: with 24 bytes a value is as
/// large as an empty `String`, without the allocation of its text.
const _: () = assert!(size_of::<Option<Number>>() == 24);

/// The length of a number's text, and whether it has an exponent, in one byte: the low seven bits are
/// the length, the high bit says that there is an exponent. As the byte is never zero, zero can stand for
/// the `None` of an `Option<Number>`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TextFormat(NonZeroU8);

impl TextFormat {
    const EXPONENT: u8 = 0x80;

    /// `None` if the length is 0 or has more than seven bits.
    fn new(len: usize, has_exponent: bool) -> Option<Self> {
        let len = u8::try_from(len).ok().filter(|len| (1..Self::EXPONENT).contains(len))?;
        NonZeroU8::new(if has_exponent { len | Self::EXPONENT } else { len }).map(Self)
    }

    fn len(self) -> usize {
        usize::from(self.0.get() & !Self::EXPONENT)
    }

    fn has_exponent(self) -> bool {
        self.0.get() & Self::EXPONENT != 0
    }
}

impl Number {
    /// Most bytes of a text that is kept as it came. A longer text has more digits than an `f64` holds.
    pub(crate) const MAX_LEN: usize = 23;

    /// Reads a decimal number. White space at both ends is cut. `None` for any other text, such as an
    /// empty one, `N/A`, `NaN` and infinities, and for numbers beyond the range of an `f64`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match Self::verbatim(text.as_bytes()).filter(|_| is_json_number(text.as_bytes())) {
            Some(number) => Some(number).filter(|number| !number.has_exponent() || number.to_f64().is_finite()),
            None => Self::normalized(text.trim()),
        }
    }

    /// Reads a JSON value that is a number, and keeps it as it is written. `None` for other values, and for numbers that
    /// need [`parse`](Self::parse): long ones, and ones with an exponent, which may be beyond the range of an `f64`.
    pub(crate) fn from_json(json: &str) -> Option<Self> {
        let number = match json.as_bytes() {
            // The reader of the JSON has checked the rest.
            text @ [b'-' | b'0'..=b'9', ..] => Self::verbatim(text)?,
            _ => return None,
        };
        (!number.has_exponent()).then_some(number)
    }

    /// Reads a text that cannot be kept as it is.
    fn normalized(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !bytes.iter().any(u8::is_ascii_digit)
            || !bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        {
            return None;
        }
        if is_json_number(bytes) && bytes.len() <= Self::MAX_LEN {
            return Self::parse(text);
        }
        text.parse().ok().and_then(Self::from_f64)
    }

    /// The shortest text that reads back as `value`. `None` if it is not finite.
    pub(crate) fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let plain = value.to_string();
        if plain.len() <= Self::MAX_LEN {
            return Self::verbatim(plain.as_bytes());
        }
        // "-1.2345678901234567e-308" is one byte too long. Without its decimal point it fits.
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e')?;
        let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let exponent: i32 = exponent.parse().ok()?;
        let decimals = i32::try_from(decimals).ok()?;
        Self::verbatim(format!("{}e{}", mantissa.replace('.', ""), exponent - decimals).as_bytes())
    }

    /// Keeps a text as it is. `None` if it is empty or too long. The caller checks that it is a number.
    fn verbatim(number: &[u8]) -> Option<Self> {
        let mut text = [0; Self::MAX_LEN];
        text.get_mut(..number.len())?.copy_from_slice(number);
        Some(Self { format: TextFormat::new(number.len(), has_exponent(&text))?, text })
    }

    /// The number as text, which is a JSON number.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text as ASCII bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.format.len()]
    }

    /// The nearest `f64`.
    pub(crate) fn to_f64(self) -> f64 {
        self.as_str().parse().unwrap_or_default()
    }

    /// Whether both are the same number, as `1.0` and `1` are.
    pub(crate) fn has_same_value(self, other: Self) -> bool {
        self == other || self.to_f64().partial_cmp(&other.to_f64()) == Some(Ordering::Equal)
    }

    /// Whether the number is above zero, as a price must be. Every price is tested, so this looks at the
    /// text instead of parsing it.
    pub(crate) fn is_positive(&self) -> bool {
        let decisive = |b: &&u8| matches!(b, b'1'..=b'9' | b'-' | b'e' | b'E');
        let Some(first) = self.as_bytes().iter().find(decisive) else { return false };
        // With an exponent, a number that is not zero may still be zero as an `f64`.
        first.is_ascii_digit() && (!self.has_exponent() || self.to_f64() > 0.0)
    }

    fn has_exponent(&self) -> bool {
        self.format.has_exponent()
    }

    /// The number times ten to the power of `exponent`: exact if 38 digits are enough, else computed with
    /// `f64`.
    pub(crate) fn shifted(self, exponent: i32) -> Option<Self> {
        match Decimal::parse(self.as_str()) {
            Some(decimal) => Decimal { exponent: decimal.exponent.checked_add(exponent)?, ..decimal }.to_number(),
            None => Self::from_f64(self.to_f64() * 10f64.powi(exponent)),
        }
    }

    /// `self - from`: exact if 38 digits are enough, else computed with `f64`.
    pub(crate) fn change(self, from: Self) -> Option<Self> {
        let exact = || Decimal::parse(self.as_str())?.minus(Decimal::parse(from.as_str())?)?.to_number();
        exact().or_else(|| Self::from_f64(self.to_f64() - from.to_f64()))
    }

    /// The change from `from` to `self` in percent of `from`. It is rounded to twelve decimals, as the
    /// decimals after that are only the error of binary fractions.
    pub(crate) fn change_percent(self, from: Self) -> Option<Self> {
        let percent = self.change(from)?.to_f64() / from.to_f64() * 100.0;
        let rounded: f64 = format!("{percent:.12}").parse().ok()?;
        Self::from_f64(rounded)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a number has an exponent. Zeros follow its text.
fn has_exponent(text: &[u8; Number::MAX_LEN]) -> bool {
    // Of the bytes of a number only `e` and `E` have this bit.
    const LETTERS: u128 = u128::from_ne_bytes([0x40; 16]);
    // Every price is tested, so this looks at sixteen bytes at once. The two words overlap.
    const _: () = assert!(Number::MAX_LEN >= 16 && Number::MAX_LEN <= 32);
    let words = [text.first_chunk(), text.last_chunk()];
    words.into_iter().flatten().any(|word| u128::from_ne_bytes(*word) & LETTERS != 0)
}

/// Whether `text` is a number in the grammar of JSON
/// (<https://www.rfc-editor.org/rfc/rfc8259#section-6>).
fn is_json_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let decimals = digits(fraction);
        if decimals == 0 {
            return false;
        }
        rest = &fraction[decimals..];
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let len = digits(exponent);
        return len > 0 && len == exponent.len();
    }
    rest.is_empty()
}

/// A decimal number for exact arithmetic: `mantissa × 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            // No `f64` has a larger exponent. With this bound no sum of exponents can overflow.
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|e| e.unsigned_abs() <= 400)?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mantissa = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { mantissa, exponent: exponent.checked_sub(i32::try_from(fraction.len()).ok()?)? })
    }

    fn minus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |d: Self| {
            let shift = u32::try_from(d.exponent.checked_sub(exponent)?).ok()?;
            d.mantissa.checked_mul(10i128.checked_pow(shift)?)
        };
        Some(Self { mantissa: scaled(self)?.checked_sub(scaled(other)?)?, exponent })
    }

    /// Writes the number without an exponent and without zeros at the end of its fraction. A number that
    /// would be too long is written as the shortest text for its `f64`.
    fn to_number(self) -> Option<Number> {
        if self.mantissa == 0 {
            return Number::parse("0");
        }
        if self.exponent.abs() > 40 {
            return Number::from_f64(format!("{}e{}", self.mantissa, self.exponent).parse().ok()?);
        }
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let mut digits = self.mantissa.unsigned_abs().to_string();
        let decimals = usize::try_from(-self.exponent).unwrap_or(0);
        digits.extend(std::iter::repeat_n('0', usize::try_from(self.exponent).unwrap_or(0)));
        if digits.len() <= decimals {
            digits.insert_str(0, &"0".repeat(decimals + 1 - digits.len()));
        }
        if decimals > 0 {
            digits.insert(digits.len() - decimals, '.');
            digits.truncate(digits.trim_end_matches('0').trim_end_matches('.').len());
        }
        Number::parse(&format!("{sign}{digits}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn a_number_keeps_the_text_it_came_with() {
        for text in ["0.00007351", "0E-7", "49617.507573101621", "1e-08", "-4.2378", "30300.10000", "0", "1785182401"] {
            assert_eq!(number(text).as_str(), text);
        }
    }

    #[test]
    fn other_spellings_of_numbers_become_json_numbers() {
        for (text, expected) in [("+5", "5"), (".5", "0.5"), ("5.", "5"), ("007", "7"), (" 1.5\n", "1.5"), ("-0", "-0")]
        {
            assert_eq!(number(text).as_str(), expected);
        }
    }

    #[test]
    fn a_text_that_is_no_finite_number_is_refused() {
        for text in [
            "",
            " ",
            "N/A",
            "N/D",
            "NaN",
            "inf",
            "-Infinity",
            "1e999",
            "123456789012345678e999",
            "0x10",
            "1_000",
            "1,5",
            "e5",
            "1e",
            "1e+",
            "--1",
            ".",
        ] {
            assert_eq!(Number::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn zero_and_less_are_not_positive() {
        for (text, is_positive) in [
            ("0", false),
            ("0E-7", false),
            ("0.000", false),
            ("-1", false),
            ("1e-400", false),
            ("1e-8", true),
            ("0.10", true),
        ] {
            assert_eq!(number(text).is_positive(), is_positive, "{text}");
        }
    }

    #[test]
    fn changes_are_computed_exactly() {
        assert_eq!(number("311.55").change(number("311")).unwrap().as_str(), "0.55");
        assert_eq!(number("2998.65").change(number("3128.99")).unwrap().as_str(), "-130.34");
        assert_eq!(number("1.10").change(number("1.1")).unwrap().as_str(), "0");
        assert_eq!(number("1e-8").change(number("3E-8")).unwrap().as_str(), "-0.00000002");
        assert_eq!(number("101").change_percent(number("100")).unwrap().as_str(), "1");
        assert_eq!(number("311.55").change_percent(number("311")).unwrap().as_str(), "0.176848874598");
        assert_eq!(number("1").change_percent(number("0")), None);
    }

    #[test]
    fn a_text_of_more_than_23_bytes_becomes_the_shortest_one_of_its_f64() {
        assert_eq!(number("1234567890123456789.0123").as_str(), "1234567890123456800");
        assert_eq!(number("-1.2345678901234567e-308").as_str(), "-12345678901234567e-324");
        assert_eq!(number(&"0".repeat(400)).as_str(), "0");
    }

    #[test]
    fn only_json_numbers_without_an_exponent_are_taken_without_parsing() {
        let from_json = Number::from_json;
        assert_eq!(from_json("-0.50"), Number::parse("-0.50"));
        for text in ["1e5", "1.2345678901234567e-30", "\"1\"", "null", "true", "[1]", "{}", &"1".repeat(24)] {
            assert_eq!(from_json(text), None, "{text}");
        }
    }

    #[test]
    fn shifting_moves_the_decimal_point() {
        assert_eq!(number("-0.04166").shifted(2).unwrap().as_str(), "-4.166");
        for tiny in ["1e-2147483647", "1e-2147483648"] {
            assert_eq!(number(tiny).shifted(-1).unwrap().as_str(), "0");
        }
        assert_eq!(number("12").shifted(-3).unwrap().as_str(), "0.012");
        assert_eq!(number("1.5").shifted(2).unwrap().as_str(), "150");
        // More digits than an `f64` holds.
        let long = number("1234567890123456.78901").shifted(2).unwrap();
        assert_eq!(long.as_str(), "123456789012345678.901");
        let long = number("0.1234567890123456789").shifted(-1).unwrap();
        assert_eq!(long.as_str(), "0.01234567890123456789");
    }

    #[test]
    fn numbers_have_the_same_value_however_they_are_written() {
        for (one, other) in [("1", "1"), ("1.0", "1"), ("1e2", "100"), ("-0", "0")] {
            assert!(number(one).has_same_value(number(other)), "{one} {other}");
        }
        assert!(!number("1").has_same_value(number("1.01")));
    }

    #[test]
    fn any_finite_f64_reads_back_the_same() {
        arbtest::arbtest(|u| {
            let value = f64::from_bits(u.arbitrary()?);
            match Number::from_f64(value) {
                Some(number) => assert_eq!(number.to_f64().to_bits(), value.to_bits()),
                None => assert!(!value.is_finite()),
            }
            Ok(())
        });
    }

    #[test]
    fn any_text_becomes_a_json_number_or_none() {
        arbtest::arbtest(|u| {
            let text: String = (0..u.int_in_range(0..=40)?)
                .map(|_| u.choose(&['0', '1', '9', '.', '-', '+', 'e', 'E', ' ']).copied())
                .collect::<Result<_, _>>()?;
            if let Some(number) = Number::parse(&text) {
                let expected: f64 = text.trim().parse().unwrap();
                assert!(is_json_number(number.as_str().as_bytes()));
                assert_eq!(number.to_f64().to_bits(), expected.to_bits(), "{text}");
            }
            Ok(())
        });
    }
}
