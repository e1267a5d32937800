//! The number or the time in a JSON value.

use super::definition::{FieldSpec, TimeSpec, TimeUnit};
use super::json_walk::string_or_number;
use crate::market::number::Number;
use serde_json::value::RawValue;

/// The value of a field, or the reason why it has none.
pub(super) fn read_value(spec: &FieldSpec, json: &RawValue) -> Result<Number, &'static str> {
    const NO_NUMBER: &str = "no number";
    let number = if let Some(number) = Number::from_json(json) {
        number
    } else {
        let text = string_or_number(json.get()).ok_or(if json.get() == "null" { "null" } else { NO_NUMBER })?;
        let number = if spec.separators { parse_with_separators(&text) } else { Number::parse(&text) };
        number.ok_or(NO_NUMBER)?
    };
    let number = if spec.exponent == 0 { number } else { number.shifted(spec.exponent).ok_or(NO_NUMBER)? };
    if spec.price && !number.is_positive() { Err("a price that is not above zero") } else { Ok(number) }
}

/// A number that is formatted for people: `5,767.57`, `$12`, `-6.59%`. Commas are only accepted between
/// groups of three digits, as `1,5` may mean 1.5 as well as 15.
fn parse_with_separators(text: &str) -> Option<Number> {
    let text = text.trim().trim_end_matches('%').trim_end();
    let (sign, text) = text.split_at(text.len() - text.trim_start_matches(['+', '-']).len());
    let text = text.trim_start_matches('$');
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    if whole.contains(',') && ((first.is_empty() || first.len() > 3) || groups.any(|group| group.len() != 3)) {
        return None;
    }
    Number::parse(&format!("{sign}{}{fraction}", whole.replace(',', "")))
}

/// The time in a JSON value, in Unix seconds. Many APIs send zero or an empty text for no time.
pub(super) fn unix_seconds(spec: &TimeSpec, json: &str) -> Option<f64> {
    let text = string_or_number(json)?;
    let seconds = match spec.unit {
        TimeUnit::Decimal(digits) => Number::parse(&text)?.to_f64() / 10f64.powi(digits),
        TimeUnit::Rfc3339 => text.parse::<jiff::Timestamp>().ok()?.as_duration().as_secs_f64(),
    };
    (seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::field::Field;

    fn spec() -> FieldSpec {
        let field = Field::new("volume").unwrap();
        FieldSpec { field, pointers: Vec::new(), exponent: 0, price: false, separators: false }
    }

    fn value(spec: &FieldSpec, json: &str) -> Result<String, &'static str> {
        read_value(spec, serde_json::from_str(json).unwrap()).map(|number| number.to_string())
    }

    #[test]
    fn numbers_and_numbers_in_strings_are_values() {
        for (json, number) in [("1.50", "1.50"), ("\"1.50\"", "1.50"), ("-0E-7", "-0E-7"), ("\" +.5\"", "0.5")] {
            assert_eq!(value(&spec(), json).as_deref(), Ok(number), "{json}");
        }
    }

    #[test]
    fn other_json_values_are_no_numbers() {
        assert_eq!(value(&spec(), "null"), Err("null"));
        for json in ["\"\"", "\"N/A\"", "\"NaN\"", "\"1,000\"", "1e999", "true", "[1]", "{\"a\":1}"] {
            assert_eq!(value(&spec(), json), Err("no number"), "{json}");
        }
    }

    #[test]
    fn a_price_must_be_above_zero() {
        let price = FieldSpec { price: true, ..spec() };
        for json in ["0", "0.00", "-1", "\"0\"", "1e-400"] {
            assert_eq!(value(&price, json), Err("a price that is not above zero"), "{json}");
            assert!(value(&spec(), json).is_ok(), "{json}");
        }
        assert_eq!(value(&price, "0.01").as_deref(), Ok("0.01"));
    }

    #[test]
    fn a_value_is_multiplied_by_ten_to_the_power_of_its_exponent() {
        let of_exponent = |exponent| FieldSpec { exponent, ..spec() };
        assert_eq!(value(&of_exponent(2), "-0.0416").as_deref(), Ok("-4.16"));
        assert_eq!(value(&of_exponent(-3), "\"12\"").as_deref(), Ok("0.012"));
        assert_eq!(value(&of_exponent(30), "1e300"), Err("no number"));
    }

    #[test]
    fn separators_are_only_read_if_the_definition_says_so() {
        let separators = FieldSpec { separators: true, ..spec() };
        assert_eq!(value(&separators, "\"5,767.57\"").as_deref(), Ok("5767.57"));
        assert_eq!(value(&separators, "1.5").as_deref(), Ok("1.5"));
        assert_eq!(value(&spec(), "\"5,767.57\""), Err("no number"));
    }

    #[test]
    fn numbers_with_separators_are_read_only_if_they_are_unambiguous() {
        let parse = |text| parse_with_separators(text).map(|number| number.to_string());
        for (text, number) in [
            ("5,767.57", "5767.57"),
            ("1,234,567", "1234567"),
            ("$1,234.50", "1234.50"),
            ("6.59%", "6.59"),
            ("-0.41 %", "-0.41"),
            ("+1.2%", "1.2"),
            ("12", "12"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(number), "{text}");
        }
        for text in ["1,5", "5.767,57", "1,23,456", ",123", "1,2345", "UNCH", "", "%", "1$2", "é,123"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_read_in_its_unit() {
        let seconds = |unit, json: &str| {
            let spec = TimeSpec { pointers: Vec::new(), unit };
            unix_seconds(&spec, json).map(|seconds| seconds.to_string())
        };
        for (digits, json) in [(0, "1785182401"), (0, "\"1785182401.0\""), (3, "1785182401000")] {
            assert_eq!(seconds(TimeUnit::Decimal(digits), json).as_deref(), Some("1785182401"), "{json}");
        }
        assert_eq!(seconds(TimeUnit::Decimal(6), "1785182401500000").as_deref(), Some("1785182401.5"));
        assert_eq!(seconds(TimeUnit::Decimal(9), "\"1785182401500000000\"").as_deref(), Some("1785182401.5"));
        assert_eq!(seconds(TimeUnit::Rfc3339, "\"2026-07-27T20:00:01Z\"").as_deref(), Some("1785182401"));
        assert_eq!(seconds(TimeUnit::Rfc3339, "\"2026-07-27T22:00:01.5+02:00\"").as_deref(), Some("1785182401.5"));
    }

    #[test]
    fn zero_and_texts_that_are_no_time_have_no_time() {
        for unit in [TimeUnit::Decimal(0), TimeUnit::Decimal(3), TimeUnit::Rfc3339] {
            let spec = TimeSpec { pointers: Vec::new(), unit };
            for json in ["0", "\"0\"", "\"\"", "null", "-5", "true", "\"never\"", "\"2026-07-27\"", "[1]"] {
                assert_eq!(unix_seconds(&spec, json), None, "{unit:?} {json}");
            }
        }
    }
}
