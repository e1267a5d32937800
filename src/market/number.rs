//! A number as the provider wrote it, and the little arithmetic that is done on it.

use serde_json::value::RawValue;
use std::fmt;
use std::num::NonZeroU8;

/// A finite number that keeps the digits it came with: `0.00007351` and `0E-7` leave as they
/// arrived. The text is always a JSON number, which Carbon reads too.
///
/// A text that does not fit in [`Number::MAX_LEN`] bytes, or that is no JSON number though it is
/// one to a person (`+5`, `.5`, `007`), is kept as the shortest digits of the same `f64`: Graphite
/// stores nothing more precise.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    /// How many digits there are, and [`Self::EXPONENT`].
    len: NonZeroU8,
    digits: [u8; Self::MAX_LEN],
}

impl Number {
    /// Of the length, what says that the number has an exponent.
    const EXPONENT: u8 = 0x80;

    /// Longest text that is kept as it came; longer ones have more digits than an `f64` holds.
    pub(crate) const MAX_LEN: usize = 23;

    /// Reads a decimal number; white space around it is cut. `None` for anything else: an empty
    /// text, `N/A`, `NaN`, infinities, and numbers beyond the range of an `f64`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match Self::keep(text.as_bytes()).filter(|_| is_json_number(text.as_bytes())) {
            Some(number) => Some(number).filter(|number| !number.has_exponent() || number.to_f64().is_finite()),
            None => Self::respelled(text.trim()),
        }
    }

    /// Takes a JSON number as it stands. `None` for other values, and for numbers that
    /// [`parse`](Self::parse) must look at: long ones, and those that may be beyond an `f64`.
    pub(crate) fn from_json(value: &RawValue) -> Option<Self> {
        // That what begins so is a number throughout, the parser has seen to.
        let number = match value.get().as_bytes() {
            text @ [b'-' | b'0'..=b'9', ..] => Self::keep(text)?,
            _ => return None,
        };
        (!number.has_exponent()).then_some(number)
    }

    /// Reads what is no JSON number as it stands.
    fn respelled(text: &str) -> Option<Self> {
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

    /// The shortest digits that read back as `value`; `None` if it is not finite.
    pub(crate) fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let plain = value.to_string();
        if plain.len() <= Self::MAX_LEN {
            return Self::keep(plain.as_bytes());
        }
        // "-1.2345678901234567e-308" is one byte too long; without its point it fits.
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e')?;
        let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let exponent: i32 = exponent.parse().ok()?;
        let decimals = i32::try_from(decimals).ok()?;
        Self::keep(format!("{}e{}", mantissa.replace('.', ""), exponent - decimals).as_bytes())
    }

    fn keep(bytes: &[u8]) -> Option<Self> {
        let (mut digits, mut bits) = ([0; Self::MAX_LEN], 0);
        for (digit, byte) in digits.get_mut(..bytes.len())?.iter_mut().zip(bytes) {
            *digit = *byte;
            bits |= byte;
        }
        // `e` and `E` are the only letters of a number, and letters alone have this bit.
        let exponent = if bits & 0x40 != 0 { Self::EXPONENT } else { 0 };
        Some(Self { len: NonZeroU8::new(u8::try_from(bytes.len()).ok()? | exponent)?, digits })
    }

    /// The digits, a JSON number.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The same as ASCII.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.len.get() & !Self::EXPONENT)]
    }

    /// The nearest `f64`.
    pub(crate) fn to_f64(&self) -> f64 {
        self.as_str().parse().unwrap_or_default()
    }

    /// Whether the value is above zero, as a price must be.
    pub(crate) fn is_positive(&self) -> bool {
        let digits = self.as_bytes();
        let Some(first) = digits.iter().find(|b| matches!(b, b'1'..=b'9' | b'-' | b'e' | b'E')) else { return false };
        // A number with an exponent may be too small for an `f64`.
        first.is_ascii_digit() && (!self.has_exponent() || self.to_f64() > 0.0)
    }

    fn has_exponent(&self) -> bool {
        self.len.get() & Self::EXPONENT != 0
    }

    /// The value times ten to the power of `exponent`, exactly where 38 digits suffice.
    pub(crate) fn shifted(&self, exponent: i32) -> Option<Self> {
        match Decimal::parse(self.as_str()) {
            Some(decimal) => Decimal { exponent: decimal.exponent.checked_add(exponent)?, ..decimal }.to_number(),
            None => Self::from_f64(self.to_f64() * 10f64.powi(exponent)),
        }
    }

    /// `self - from`, exactly where 38 digits suffice.
    pub(crate) fn change(&self, from: &Self) -> Option<Self> {
        let exact = || Decimal::parse(self.as_str())?.minus(Decimal::parse(from.as_str())?)?.to_number();
        exact().or_else(|| Self::from_f64(self.to_f64() - from.to_f64()))
    }

    /// The change from `from` to `self` in percent of `from`, rounded to twelve decimals, where
    /// the noise of binary fractions begins.
    pub(crate) fn change_percent(&self, from: &Self) -> Option<Self> {
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

/// Whether `text` is a number by JSON's grammar (RFC 8259, section 6).
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

/// `mantissa × 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = match text.split_once(['e', 'E']) {
            // No f64 goes further, so no sum of exponents can overflow.
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

    /// Written plainly, without zeros that say nothing; a value that is too long for that as the
    /// shortest digits of its `f64`.
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
    fn digits_stay_as_they_came() {
        for text in ["0.00007351", "0E-7", "49617.507573101621", "1e-08", "-4.2378", "30300.10000", "0", "1785182401"] {
            assert_eq!(number(text).as_str(), text);
        }
    }

    #[test]
    fn other_spellings_become_json_numbers() {
        for (text, kept) in [("+5", "5"), (".5", "0.5"), ("5.", "5"), ("007", "7"), (" 1.5\n", "1.5"), ("-0", "-0")] {
            assert_eq!(number(text).as_str(), kept);
        }
    }

    #[test]
    fn what_is_no_number_is_no_value() {
        for text in
            ["", " ", "N/A", "N/D", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", "1,5", "e5", "--1", "."]
        {
            assert_eq!(Number::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_price_is_above_zero() {
        for (text, positive) in [
            ("0", false),
            ("0E-7", false),
            ("0.000", false),
            ("-1", false),
            ("1e-400", false),
            ("1e-8", true),
            ("0.10", true),
        ] {
            assert_eq!(number(text).is_positive(), positive, "{text}");
        }
    }

    #[test]
    fn changes_are_exact() {
        assert_eq!(number("311.55").change(&number("311")).unwrap().as_str(), "0.55");
        assert_eq!(number("2998.65").change(&number("3128.99")).unwrap().as_str(), "-130.34");
        assert_eq!(number("1.10").change(&number("1.1")).unwrap().as_str(), "0");
        assert_eq!(number("1e-8").change(&number("3E-8")).unwrap().as_str(), "-0.00000002");
        assert_eq!(number("101").change_percent(&number("100")).unwrap().as_str(), "1");
        assert_eq!(number("311.55").change_percent(&number("311")).unwrap().as_str(), "0.176848874598");
        assert_eq!(number("1").change_percent(&number("0")), None);
    }

    #[test]
    fn shifting_moves_the_point() {
        assert_eq!(number("-0.04166").shifted(2).unwrap().as_str(), "-4.166");
        for far in ["1e-2147483647", "1e-2147483648"] {
            assert_eq!(number(far).shifted(-1).unwrap().as_str(), "0");
        }
        assert_eq!(number("12").shifted(-3).unwrap().as_str(), "0.012");
        assert_eq!(number("1.5").shifted(2).unwrap().as_str(), "150");
    }

    #[test]
    fn any_finite_number_reads_back_the_same() {
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
    fn any_text_makes_a_json_number_or_none() {
        arbtest::arbtest(|u| {
            let text: String = (0..u.int_in_range(0..=40)?)
                .map(|_| u.choose(&['0', '1', '9', '.', '-', '+', 'e', 'E', ' ']).copied())
                .collect::<Result<_, _>>()?;
            if let Some(number) = Number::parse(&text) {
                let same: f64 = text.trim().parse().unwrap();
                assert!(is_json_number(number.as_str().as_bytes()));
                assert_eq!(number.to_f64().to_bits(), same.to_bits(), "{text}");
            }
            Ok(())
        });
    }
}
