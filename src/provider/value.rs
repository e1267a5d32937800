//! The number or the time in a JSON value.

use super::definition::{FieldSpec, TimeSpec, TimeUnit};
use super::json::string_or_number;
use crate::market::number::Number;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Most bytes of a text that is no number for which a way to read it is looked for.
const MAX_HINTED: usize = 100;

/// Why a JSON value gives a field no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    Null,
    NoNumber,
    NotPositive,
}

/// The value of a field, or the reason why it has none.
pub(super) fn read_value(spec: &FieldSpec, json: &str) -> Result<Number, NoValue> {
    if !spec.values.is_empty()
        && let Some(number) = listed(spec, json)
    {
        return Ok(number);
    }
    let number = if let Some(number) = Number::from_json(json) {
        number
    } else {
        let no_text = if json == "null" { NoValue::Null } else { NoValue::NoNumber };
        let text = string_or_number(json).ok_or(no_text)?;
        parse(spec, json, &text).ok_or(NoValue::NoNumber)?
    };
    let number = if spec.exponent == 0 { number } else { number.shifted(spec.exponent).ok_or(NoValue::NoNumber)? };
    if spec.price && !number.is_positive() { Err(NoValue::NotPositive) } else { Ok(number) }
}

/// The number that the definition gives for a word, `true`, `false` or `null`.
fn listed(spec: &FieldSpec, json: &str) -> Option<Number> {
    let word = string_or_number(json);
    let word = word.as_deref().unwrap_or(json);
    spec.values.iter().find(|(known, _)| known == word).map(|(_, number)| *number)
}

fn parse(spec: &FieldSpec, json: &str, text: &str) -> Option<Number> {
    if spec.hex && json.starts_with('"') {
        parse_hex(text)
    } else if spec.separators {
        parse_with_separators(text)
    } else {
        Number::parse(text)
    }
}

/// A whole number in hexadecimal digits, as Ethereum's nodes write it: `0x4a817c800`.
fn parse_hex(text: &str) -> Option<Number> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let values: Vec<u32> = digits.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if values.is_empty() {
        return None;
    }
    match u128::from_str_radix(digits, 16) {
        Ok(number) => Number::parse(&number.to_string()),
        // More digits than an `f64` holds.
        Err(_) => Number::from_f64(values.iter().fold(0.0, |number, digit| number * 16.0 + f64::from(*digit))),
    }
}

/// The options of a field that read a JSON value as a number, as the rest of a table of TOML. `None` if none do.
pub(super) fn way_to_read(json: &str) -> Option<&'static str> {
    let text = string_or_number(json)?;
    if Number::parse(&text).is_some() {
        Some("")
    } else if text.starts_with("0x") && parse_hex(&text).is_some() {
        Some("hex = true")
    } else {
        parse_with_separators(&text).map(|_| "separators = true")
    }
}

/// What is there instead of a number, not masked, and what may help. `None` if there is nothing to show.
pub(super) fn instead_of_number<'j>(spec: &FieldSpec, json: &'j str) -> Option<(Cow<'j, str>, &'static str)> {
    let shown = match json.as_bytes() {
        [b'{', ..] => Cow::Borrowed("an object"),
        [b'[', ..] => Cow::Borrowed("an array"),
        // A bare NaN is read as an empty text too.
        b"null" | b"\"\"" => return None,
        _ => string_or_number(json).unwrap_or(Cow::Borrowed(json)),
    };
    let text = if json.starts_with('"') && shown.len() <= MAX_HINTED { &*shown } else { "" };
    let hint = if !spec.values.is_empty() {
        ", which is not in values"
    } else if text.starts_with("0x") && parse_hex(text).is_some() {
        "; hex = true reads it"
    } else if !spec.separators && parse_with_separators(text).is_some() {
        "; separators = true reads it"
    } else {
        ""
    };
    Some((shown, hint))
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
pub(super) fn unix_seconds(spec: &TimeSpec, time_zone: &TimeZone, json: &str) -> Option<f64> {
    let text = string_or_number(json)?;
    let in_zone = |time: DateTime| Some(time_zone.to_timestamp(time).ok()?.as_duration().as_secs_f64());
    let seconds = match spec.unit {
        TimeUnit::Decimal(digits) => Number::parse(&text)?.to_f64() / 10f64.powi(digits),
        TimeUnit::Rfc3339 => text.parse::<jiff::Timestamp>().ok()?.as_duration().as_secs_f64(),
        TimeUnit::DateTime => match text.parse::<jiff::Timestamp>() {
            // It says by itself whose time it is.
            Ok(time) => time.as_duration().as_secs_f64(),
            Err(_) => in_zone(text.parse().ok()?)?,
        },
        TimeUnit::Date => in_zone(text.parse::<Date>().ok()?.to_datetime(Time::midnight()))?,
        TimeUnit::Http => jiff::fmt::rfc2822::parse(&text).ok()?.timestamp().as_duration().as_secs_f64(),
    };
    (seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::field::Field;

    fn spec() -> FieldSpec {
        let field = Field::new("volume").unwrap();
        FieldSpec::new(field, Vec::new())
    }

    fn value(spec: &FieldSpec, json: &str) -> Result<String, NoValue> {
        read_value(spec, json).map(|number| number.to_string())
    }

    #[test]
    fn numbers_and_numbers_in_strings_are_values() {
        for (json, number) in [("1.50", "1.50"), ("\"1.50\"", "1.50"), ("-0E-7", "-0E-7"), ("\" +.5\"", "0.5")] {
            assert_eq!(value(&spec(), json).as_deref(), Ok(number), "{json}");
        }
    }

    #[test]
    fn other_json_values_are_no_numbers() {
        assert_eq!(value(&spec(), "null"), Err(NoValue::Null));
        for json in ["\"\"", "\"N/A\"", "\"NaN\"", "\"1,000\"", "1e999", "true", "[1]", "{\"a\":1}"] {
            assert_eq!(value(&spec(), json), Err(NoValue::NoNumber), "{json}");
        }
    }

    #[test]
    fn a_price_must_be_above_zero() {
        let price = FieldSpec { price: true, ..spec() };
        for json in ["0", "0.00", "-1", "\"0\"", "1e-400"] {
            assert_eq!(value(&price, json), Err(NoValue::NotPositive), "{json}");
            assert!(value(&spec(), json).is_ok(), "{json}");
        }
        assert_eq!(value(&price, "0.01").as_deref(), Ok("0.01"));
    }

    #[test]
    fn a_value_is_multiplied_by_ten_to_the_power_of_its_exponent() {
        let of_exponent = |exponent| FieldSpec { exponent, ..spec() };
        assert_eq!(value(&of_exponent(2), "-0.0416").as_deref(), Ok("-4.16"));
        assert_eq!(value(&of_exponent(-3), "\"12\"").as_deref(), Ok("0.012"));
        assert_eq!(value(&of_exponent(30), "1e300"), Err(NoValue::NoNumber));
    }

    #[test]
    fn separators_are_only_read_if_the_definition_says_so() {
        let separators = FieldSpec { separators: true, ..spec() };
        assert_eq!(value(&separators, "\"5,767.57\"").as_deref(), Ok("5767.57"));
        assert_eq!(value(&separators, "1.5").as_deref(), Ok("1.5"));
        assert_eq!(value(&spec(), "\"5,767.57\""), Err(NoValue::NoNumber));
    }

    #[test]
    fn numbers_with_separators_are_read_only_if_they_are_unambiguous() {
        let parse = |text| parse_with_separators(text).map(|number| number.to_string());
        for (text, number) in [
            ("5,767.57", "5767.57"),
            ("1,234,567", "1234567"),
            ("123,456", "123456"),
            ("$1,234.50", "1234.50"),
            ("6.59%", "6.59"),
            ("-0.41 %", "-0.41"),
            ("+1.2%", "1.2"),
            ("12", "12"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(number), "{text}");
        }
        for text in ["1,5", "5.767,57", "1,23,456", "1234,567", ",123", "1,2345", "UNCH", "", "%", "1$2", "é,123"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn words_booleans_and_null_may_be_listed_as_numbers() {
        let number = |text: &str| Number::parse(text).unwrap();
        let values = [("on", "1"), ("true", "2"), ("null", "0"), ("7", "-1"), ("a\"b", "3")];
        let values = values.map(|(word, text)| (word.to_owned(), number(text))).into();
        let listed = FieldSpec { values, exponent: 2, price: true, ..spec() };
        // What the definition gives is the value, as it is.
        for (json, expected) in [
            ("\"on\"", "1"),
            ("true", "2"),
            ("\"true\"", "2"),
            ("null", "0"),
            ("7", "-1"),
            ("\"a\\\"b\"", "3"),
            ("5", "5e2"),
        ] {
            assert_eq!(
                value(&listed, json).map(|text| number(&text).to_f64()),
                Ok(number(expected).to_f64()),
                "{json}"
            );
        }
        for json in ["\"ON\"", "false", "\"off\"", "[1]"] {
            assert_eq!(value(&listed, json), Err(NoValue::NoNumber), "{json}");
        }
    }

    #[test]
    fn hexadecimal_texts_are_read_if_the_definition_says_so() {
        let hex = FieldSpec { hex: true, ..spec() };
        for (json, number) in [
            ("\"0x4a817c800\"", "20000000000"),
            ("\"0X0\"", "0"),
            ("\"ff\"", "255"),
            ("12", "12"),
            ("\"0x10000000000000000000000000000000000000000\"", "1.461501637330903e48"),
        ] {
            assert_eq!(
                value(&hex, json).map(|text| text.parse::<f64>().unwrap()),
                Ok(number.parse().unwrap()),
                "{json}"
            );
        }
        for json in ["\"\"", "\"0x\"", "\"+ff\"", "\"-0x1\"", "\"0xg\"", "\"0x1.8\"", "\"0x é\""] {
            assert_eq!(value(&hex, json), Err(NoValue::NoNumber), "{json}");
        }
        assert_eq!(value(&FieldSpec { exponent: -9, ..hex }, "\"0x4a817c800\"").as_deref(), Ok("20"));
        assert_eq!(value(&spec(), "\"0x4a817c800\""), Err(NoValue::NoNumber));
    }

    #[test]
    fn what_is_there_instead_of_a_number_is_described() {
        let values = [("on".to_owned(), Number::parse("1").unwrap())].into();
        let listed = FieldSpec { values, ..spec() };
        let describe =
            |spec: &FieldSpec, json| instead_of_number(spec, json).map_or(String::new(), |(a, b)| a.into_owned() + b);
        for (json, expected) in [
            ("true", "true"),
            ("\"N/A\"", "N/A"),
            ("{\"a\":1}", "an object"),
            ("[1]", "an array"),
            ("null", ""),
            ("\"\"", ""),
            ("\"0x4a\"", "0x4a; hex = true reads it"),
            ("\"0xyz\"", "0xyz"),
            ("\"beef\"", "beef"),
            ("\"5,767.57\"", "5,767.57; separators = true reads it"),
        ] {
            assert_eq!(describe(&spec(), json), expected);
        }
        assert_eq!(describe(&listed, "\"off\""), "off, which is not in values");
        let long = format!("1{}", ",000".repeat(MAX_HINTED));
        assert_eq!(describe(&spec(), &format!("\"{long}\"")), long);
    }

    #[test]
    fn a_time_is_read_in_its_unit() {
        let seconds = |unit, json: &str| {
            let spec = TimeSpec { pointers: Vec::new(), unit };
            let time_zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
            unix_seconds(&spec, &time_zone, json).map(|seconds| seconds.to_string())
        };
        for (digits, json) in [(0, "1785182401"), (0, "\"1785182401.0\""), (3, "1785182401000")] {
            assert_eq!(seconds(TimeUnit::Decimal(digits), json).as_deref(), Some("1785182401"), "{json}");
        }
        assert_eq!(seconds(TimeUnit::Decimal(6), "1785182401500000").as_deref(), Some("1785182401.5"));
        assert_eq!(seconds(TimeUnit::Decimal(9), "\"1785182401500000000\"").as_deref(), Some("1785182401.5"));
        assert_eq!(seconds(TimeUnit::Rfc3339, "\"2026-07-27T20:00:01Z\"").as_deref(), Some("1785182401"));
        assert_eq!(seconds(TimeUnit::Rfc3339, "\"2026-07-27T22:00:01.5+02:00\"").as_deref(), Some("1785182401.5"));
        assert_eq!(seconds(TimeUnit::DateTime, "\"2026-07-27 22:00:01\"").as_deref(), Some("1785182401"));
        assert_eq!(seconds(TimeUnit::DateTime, "\"2026-11-26T01:00\"").as_deref(), Some("1795651200"));
        for with_offset in ["\"2026-07-27T20:00:01Z\"", "\"2026-07-28T01:00:01+05:00\""] {
            assert_eq!(seconds(TimeUnit::DateTime, with_offset).as_deref(), Some("1785182401"));
        }
        assert_eq!(seconds(TimeUnit::Date, "\"2026-11-26\"").as_deref(), Some("1795647600"));
        assert_eq!(seconds(TimeUnit::Http, "\"Mon, 27 Jul 2026 20:00:01 GMT\"").as_deref(), Some("1785182401"));
    }

    #[test]
    fn zero_and_texts_that_are_no_time_have_no_time() {
        for (name, unit) in TimeUnit::ALL {
            let spec = TimeSpec { pointers: Vec::new(), unit };
            let date = if name == "date" || name == "datetime" { "false" } else { "\"2026-07-27\"" };
            for json in ["0", "\"0\"", "\"\"", "null", "-5", "true", "\"never\"", date, "[1]"] {
                assert_eq!(unix_seconds(&spec, &TimeZone::UTC, json), None, "{unit:?} {json}");
            }
        }
    }
}
