//! Is the New York stock market open at this instant?
//!
//! The days are computed from the rules behind the list the exchange publishes three years ahead,
//! <https://www.nyse.com/markets/hours-calendars>, so no table runs out. They are today's rules;
//! Juneteenth aside (from 2022) they held back to 2010. The days the exchange stayed shut for a
//! storm or a funeral follow no rule: those to come are passed to [`MarketHours::is_open`].

use crate::util::suggest::must_be_one_of;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday, time};
use jiff::tz::TimeZone;

/// New York's clock since 2007: summer time from the second Sunday in March to the first in
/// November. Spelled out, it needs no time zone database on the machine.
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

/// When a feed is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MarketHours {
    /// Always.
    #[default]
    Any,
    /// 09:30 to 16:00 New York, to 13:00 on days of an early close.
    Regular,
    /// 04:00 to 20:00 New York, to 17:00 on days of an early close: that is when NYSE's markets
    /// end their late session then, by the notes under the list of holidays.
    Extended,
}

/// A text that names no market hours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", must_be_one_of(.0, &["any", "regular", "extended"]))]
pub(crate) struct MarketHoursError(String);

impl std::str::FromStr for MarketHours {
    type Err = MarketHoursError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "regular" => Ok(Self::Regular),
            "extended" => Ok(Self::Extended),
            _ => Err(MarketHoursError(text.to_owned())),
        }
    }
}

impl MarketHours {
    /// Whether `now` is within these hours; the minute of the close is not. `closed` are the days
    /// (New York's) the exchange adds to its holidays; they do not touch [`MarketHours::Any`].
    #[must_use]
    pub(crate) fn is_open(self, now: Timestamp, closed: &[Date]) -> bool {
        let (open, close, early_close) = match self {
            Self::Any => return true,
            Self::Regular => (time(9, 30, 0, 0), time(16, 0, 0, 0), time(13, 0, 0, 0)),
            Self::Extended => (time(4, 0, 0, 0), time(20, 0, 0, 0), time(17, 0, 0, 0)),
        };
        let Ok(new_york) = TimeZone::posix(NEW_YORK) else {
            // Cannot be, the text is a constant; but a request too many beats a feed that is
            // silent for ever.
            return true;
        };
        let local = new_york.to_datetime(now);
        let close = match Day::of(local.date()) {
            _ if closed.contains(&local.date()) => return false,
            Day::Closed => return false,
            Day::Early => early_close,
            Day::Full => close,
        };
        (open..close).contains(&local.time())
    }
}

/// What a day is to the exchange.
#[derive(Debug, PartialEq, Eq)]
enum Day {
    Closed,
    Early,
    Full,
}

impl Day {
    fn of(date: Date) -> Self {
        let weekday = date.weekday();
        if matches!(weekday, Weekday::Saturday | Weekday::Sunday) || is_holiday(date) {
            return Self::Closed;
        }
        match (date.month(), date.day()) {
            // The eves of Independence Day and Christmas, where they are not the holiday itself.
            (7, 3) | (12, 24) => Self::Early,
            // The day after Thanksgiving.
            (11, 23..=29) if weekday == Weekday::Friday => Self::Early,
            _ => Self::Full,
        }
    }
}

/// Whether the exchange keeps a holiday on this day, which is none of a weekend.
fn is_holiday(date: Date) -> bool {
    let (month, day, weekday) = (date.month(), date.day(), date.weekday());
    let monday = weekday == Weekday::Monday;
    // A holiday on a Saturday is kept on the Friday before, one on a Sunday on the Monday after.
    let kept = |on: i8| day == on || (day == on - 1 && weekday == Weekday::Friday) || (day == on + 1 && monday);
    match month {
        // New Year, which on a Saturday is not kept at all: that Friday ends the year's accounts
        // (NYSE Rule 7.2). Martin Luther King's day is the third Monday.
        1 => day == 1 || (monday && matches!(day, 2 | 15..=21)),
        // Washington's Birthday, the third Monday.
        2 => monday && matches!(day, 15..=21),
        3 => i16::from(day) == good_friday(date.year()),
        4 => i16::from(day) + 31 == good_friday(date.year()),
        // Memorial Day, the last Monday.
        5 => monday && day >= 25,
        // Juneteenth.
        6 => date.year() >= 2022 && kept(19),
        // Independence Day.
        7 => kept(4),
        // Labor Day, the first Monday.
        9 => monday && day <= 7,
        // Thanksgiving, the fourth Thursday.
        11 => weekday == Weekday::Thursday && matches!(day, 22..=28),
        // Christmas.
        12 => kept(25),
        _ => false,
    }
}

/// The day of March of Good Friday; 32 is 1 April. Oudin's form of the Gregorian computus, see
/// <https://aa.usno.navy.mil/faq/easter>.
fn good_friday(year: i16) -> i16 {
    let (century, golden) = (year / 100, year.rem_euclid(19));
    let epact = (century - century / 4 - (century - (century - 17) / 25) / 3 + 19 * golden + 15).rem_euclid(30);
    let moon = epact - epact / 28 * (1 - 29 / (epact + 1) * ((21 - golden) / 11));
    let weekday = (year + year / 4 + moon + 2 - century + century / 4).rem_euclid(7);
    moon - weekday + 26
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    /// Every closed weekday and every early close; NYSE has published those up to 2028.
    const YEARS: [(i16, &str, &str); 10] = [
        (2026, "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25", "11-27 12-24"),
        (2027, "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24", "11-26"),
        (2028, "01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25", "07-03 11-24"),
        (2029, "01-01 01-15 02-19 03-30 05-28 06-19 07-04 09-03 11-22 12-25", "07-03 11-23 12-24"),
        (2030, "01-01 01-21 02-18 04-19 05-27 06-19 07-04 09-02 11-28 12-25", "07-03 11-29 12-24"),
        (2031, "01-01 01-20 02-17 04-11 05-26 06-19 07-04 09-01 11-27 12-25", "07-03 11-28 12-24"),
        (2032, "01-01 01-19 02-16 03-26 05-31 06-18 07-05 09-06 11-25 12-24", "11-26"),
        (2033, "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26", "11-25"),
        (2034, "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25", "07-03 11-24"),
        (2035, "01-01 01-15 02-19 03-23 05-28 06-19 07-04 09-03 11-22 12-25", "07-03 11-23 12-24"),
    ];

    /// The hours hold the first instant and lack the second, and the nanoseconds beside them agree.
    fn assert_session(hours: MarketHours, open: &str, close: &str) {
        let nanosecond = jiff::SignedDuration::from_nanos(1);
        for (edge, opens) in [(open, true), (close, false)] {
            let at: Timestamp = edge.parse().unwrap();
            assert_eq!(hours.is_open(at, &[]), opens, "{hours:?} at {at}");
            assert_eq!(hours.is_open(at - nanosecond, &[]), !opens, "{hours:?} just before {at}");
        }
    }

    #[test]
    fn every_day_is_what_the_exchange_says() {
        for (year, closed, early) in YEARS {
            for day in date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year) {
                let name = day.strftime("%m-%d").to_string();
                let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                let expected = if weekend || closed.contains(&name) {
                    Day::Closed
                } else if early.contains(&name) {
                    Day::Early
                } else {
                    Day::Full
                };
                assert_eq!(Day::of(day), expected, "{day}");
            }
        }
    }

    #[test]
    fn juneteenth_begins_in_2022() {
        assert_eq!(Day::of(date(2021, 6, 18)), Day::Full);
        assert_eq!(Day::of(date(2022, 6, 20)), Day::Closed);
    }

    #[test]
    fn good_friday_covers_the_whole_span_of_easter() {
        // The earliest Easter there can be, the latest, and the two exceptions of the computus.
        for (year, friday) in [(1818, 20), (2285, 20), (1943, 54), (2038, 54), (1954, 47), (1981, 48), (2049, 47)] {
            assert_eq!(good_friday(year), friday, "{year}");
        }
    }

    #[test]
    fn sessions_follow_the_clock_of_new_york() {
        use MarketHours::{Extended, Regular};
        // The Friday before and the Monday after each change of the clock.
        assert_session(Regular, "2026-03-06T14:30:00Z", "2026-03-06T21:00:00Z");
        assert_session(Regular, "2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z");
        assert_session(Regular, "2026-10-30T13:30:00Z", "2026-10-30T20:00:00Z");
        assert_session(Regular, "2026-11-02T14:30:00Z", "2026-11-02T21:00:00Z");
        // Late hours end on the next day of UTC and still are Friday's and Monday's.
        assert_session(Extended, "2026-03-06T09:00:00Z", "2026-03-07T01:00:00Z");
        assert_session(Extended, "2026-03-09T08:00:00Z", "2026-03-10T00:00:00Z");
    }

    #[test]
    fn an_early_close_ends_both_sessions_three_hours_sooner() {
        assert_session(MarketHours::Regular, "2026-11-27T14:30:00Z", "2026-11-27T18:00:00Z");
        assert_session(MarketHours::Extended, "2026-11-27T09:00:00Z", "2026-11-27T22:00:00Z");
        assert_session(MarketHours::Regular, "2028-07-03T13:30:00Z", "2028-07-03T17:00:00Z");
    }

    #[test]
    fn added_days_are_closed_and_any_is_always_open() {
        let noon: Timestamp = "2027-01-05T17:00:00Z".parse().unwrap();
        // Tuesday in UTC, but 19:30 on Monday in New York, whose day it is that counts.
        let late: Timestamp = "2027-01-05T00:30:00Z".parse().unwrap();
        let added = [date(2027, 1, 5)];
        assert!(MarketHours::Regular.is_open(noon, &[]));
        assert!(!MarketHours::Regular.is_open(noon, &added));
        assert!(!MarketHours::Extended.is_open(noon, &added));
        assert!(MarketHours::Extended.is_open(late, &added));
        assert!(MarketHours::Any.is_open(noon, &added));
    }

    #[test]
    fn no_instant_is_too_far_away() {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            assert!(!MarketHours::Regular.is_open(now, &[]));
        }
        for year in -9999..=9999 {
            assert!((20..=54).contains(&good_friday(year)), "{year}");
        }
    }

    #[test]
    fn three_words_are_known() {
        assert_eq!("any".parse(), Ok(MarketHours::Any));
        assert_eq!("regular".parse(), Ok(MarketHours::Regular));
        assert_eq!("extended".parse(), Ok(MarketHours::Extended));
        let error = "Always".parse::<MarketHours>().unwrap_err();
        assert_eq!(error.to_string(), r#"must be "any", "regular" or "extended", not "Always""#);
    }
}
