//! What stands at a pointer into a number or a time.

use super::definition::{FieldSpec, TimeSpec, TimeUnit};
use super::json_walk::text;
use crate::market::number::Number;
use serde_json::value::RawValue;

/// A number as it is written for people: `5,767.57`, `$12`, `-6.59%`. Commas count only between groups
/// of three digits: of `1,5` nobody knows what it says.
fn without_separators(text: &str) -> Option<Number> {
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

/// The value of a field, or why it is none.
pub(super) fn read_value(form: &FieldSpec, raw: &RawValue) -> Result<Number, &'static str> {
    const NONE: &str = "no number";
    let number = if let Some(number) = Number::from_json(raw) {
        number
    } else {
        let text = text(raw.get()).ok_or(if raw.get() == "null" { "null" } else { NONE })?;
        let number = if form.separators { without_separators(&text) } else { Number::parse(&text) };
        number.ok_or(NONE)?
    };
    let number = if form.exponent == 0 { number } else { number.shifted(form.exponent).ok_or(NONE)? };
    if form.price && !number.is_positive() { Err("a price that is not above zero") } else { Ok(number) }
}

pub(super) fn unix_seconds(form: &TimeSpec, raw: &str) -> Option<f64> {
    let text = text(raw)?;
    let seconds = match form.unit {
        TimeUnit::Decimal(digits) => Number::parse(&text)?.to_f64() / 10f64.powi(digits),
        TimeUnit::Rfc3339 => text.parse::<jiff::Timestamp>().ok()?.as_duration().as_secs_f64(),
    };
    (seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people_are_read_and_never_guessed() {
        let read = |text| without_separators(text).map(|number| number.to_string());
        for (text, number) in [
            ("5,767.57", "5767.57"),
            ("1,234,567", "1234567"),
            ("$1,234.50", "1234.50"),
            ("6.59%", "6.59"),
            ("-0.41 %", "-0.41"),
            ("+1.2%", "1.2"),
            ("12", "12"),
        ] {
            assert_eq!(read(text).as_deref(), Some(number), "{text}");
        }
        for text in ["1,5", "5.767,57", "1,23,456", ",123", "1,2345", "UNCH", "", "%", "1$2", "é,123"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
