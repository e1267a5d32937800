//! The trading hours of the New York stock exchanges.
//!
//! The exchange publishes its holidays three years ahead,
//! <https://www.nyse.com/markets/hours-calendars>. Here they are computed from the rules behind that
//! list, so no table runs out. These are today's rules; except for Juneteenth (since 2022) they have
//! held since 2010. Days on which the exchange is closed for a storm or a funeral follow no rule: future
//! ones are passed to [`MarketHours::closure`].

use crate::util::suggest::must_be_one_of;
use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday, time};
use jiff::tz::TimeZone;
use std::fmt;

/// The time zone of New York since 2007: summer time lasts from the second Sunday of March to the first
/// Sunday of November. Written out like this it needs no time zone database on the machine.
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

/// When a feed is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MarketHours {
    /// At any time.
    #[default]
    Any,
    /// From 09:30 to 16:00 in New York; to 13:00 on days with an early close.
    Regular,
    /// From 04:00 to 20:00 in New York; to 17:00 on days with an early close. The notes under NYSE's
    /// list of holidays say that the late session of its markets ends then.
    Extended,
}

/// The error for a text that names no market hours.
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
    /// Why the exchange is closed at `now`; `None` within these hours. The time of the close itself is not
    /// within them. `closed` are the days in New York on which the exchange is closed beside its holidays;
    /// [`MarketHours::Any`] ignores them.
    #[must_use]
    pub(crate) fn closure(self, now: Timestamp, closed: &[Date]) -> Option<Closure> {
        let (open, close, early_close) = match self {
            Self::Any => return None,
            Self::Regular => (time(9, 30, 0, 0), time(16, 0, 0, 0), time(13, 0, 0, 0)),
            Self::Extended => (time(4, 0, 0, 0), time(20, 0, 0, 0), time(17, 0, 0, 0)),
        };
        // A needless request is better than a feed that is never due. But it cannot happen, as the text is a
        // constant.
        let new_york = TimeZone::posix(NEW_YORK).ok()?;
        let local = new_york.to_datetime(now);
        let close = match TradingDay::of(local.date()) {
            _ if closed.contains(&local.date()) => return Some(Closure::Configured),
            TradingDay::Closed(closure) => return Some(closure),
            TradingDay::EarlyClose => early_close,
            TradingDay::Full => close,
        };
        if local.time() < open {
            Some(Closure::Until(open))
        } else if local.time() >= close {
            Some(Closure::Since(close))
        } else {
            None
        }
    }
}

/// Why the exchange is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closure {
    /// The day is in the `closed` of the feed.
    Configured,
    /// It is Saturday or Sunday.
    Weekend,
    /// A holiday of the exchange.
    Holiday(&'static str),
    /// It opens at this time of the day.
    Until(Time),
    /// It closed at this time of the day.
    Since(Time),
}

impl fmt::Display for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |time: &Time| time.strftime("%H:%M").to_string();
        match self {
            Self::Configured => f.write_str("a day of its `closed`"),
            Self::Weekend => f.write_str("weekend"),
            Self::Holiday(name) => f.write_str(name),
            Self::Until(open) => write!(f, "it opens at {} in New York", clock(open)),
            Self::Since(close) => write!(f, "since {} in New York", clock(close)),
        }
    }
}

/// Whether the exchange trades on a day.
#[derive(Debug, PartialEq, Eq)]
enum TradingDay {
    Closed(Closure),
    /// It closes three hours earlier than usual.
    EarlyClose,
    Full,
}

impl TradingDay {
    fn of(date: Date) -> Self {
        let weekday = date.weekday();
        if matches!(weekday, Weekday::Saturday | Weekday::Sunday) {
            return Self::Closed(Closure::Weekend);
        }
        if let Some(name) = holiday(date) {
            return Self::Closed(Closure::Holiday(name));
        }
        match (date.month(), date.day()) {
            // The days before Independence Day and Christmas, unless the holiday is observed on them.
            (7, 3) | (12, 24) => Self::EarlyClose,
            // The day after Thanksgiving.
            (11, 23..=29) if weekday == Weekday::Friday => Self::EarlyClose,
            _ => Self::Full,
        }
    }
}

/// The holiday that the exchange observes on this day, which must not be in a weekend.
fn holiday(date: Date) -> Option<&'static str> {
    let (month, day, weekday) = (date.month(), date.day(), date.weekday());
    let is_monday = weekday == Weekday::Monday;
    let is_friday = weekday == Weekday::Friday;
    // A holiday on a Saturday is observed on the Friday before, one on a Sunday on the Monday after.
    let is_observed =
        |holiday: i8| day == holiday || (day == holiday - 1 && is_friday) || (day == holiday + 1 && is_monday);
    match month {
        // New Year. On a Saturday it is not observed at all, as that Friday ends the accounting year
        // (NYSE Rule 7.2).
        1 if day == 1 || (is_monday && day == 2) => Some("New Year's Day"),
        // The third Monday.
        1 if is_monday && matches!(day, 15..=21) => Some("Martin Luther King Jr. Day"),
        // The third Monday.
        2 if is_monday && matches!(day, 15..=21) => Some("Washington's Birthday"),
        3 if i16::from(day) == good_friday(date.year()) => Some("Good Friday"),
        4 if i16::from(day) + 31 == good_friday(date.year()) => Some("Good Friday"),
        // The last Monday.
        5 if is_monday && day >= 25 => Some("Memorial Day"),
        6 if date.year() >= 2022 && is_observed(19) => Some("Juneteenth"),
        7 if is_observed(4) => Some("Independence Day"),
        // The first Monday.
        9 if is_monday && day <= 7 => Some("Labor Day"),
        // The fourth Thursday.
        11 if weekday == Weekday::Thursday && matches!(day, 22..=28) => Some("Thanksgiving"),
        12 if is_observed(25) => Some("Christmas"),
        _ => None,
    }
}

/// Good Friday of a year, as a day of March: 32 is 1 April. This is Oudin's form of the Gregorian
/// computus, see <https://aa.usno.navy.mil/faq/easter>.
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

    /// For each year, the weekdays on which the exchange is closed and the days with an early close.
    /// NYSE has published them up to 2028.
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

    /// Asserts that the exchange opens at the one time and closes at the other, to the nanosecond.
    fn assert_session(hours: MarketHours, open: &str, close: &str) {
        let nanosecond = jiff::SignedDuration::from_nanos(1);
        for (text, opens) in [(open, true), (close, false)] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(hours.closure(time, &[]).is_none(), opens, "{hours:?} at {time}");
            assert_eq!(hours.closure(time - nanosecond, &[]).is_none(), !opens, "{hours:?} just before {time}");
        }
    }

    #[test]
    fn trading_days_are_those_of_the_exchange() {
        for (year, closed, early) in YEARS {
            for day in date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year) {
                let name = day.strftime("%m-%d").to_string();
                let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                let is_closed = is_weekend || closed.contains(&name);
                let is_early = !is_closed && early.contains(&name);
                let found = TradingDay::of(day);
                assert_eq!(matches!(found, TradingDay::Closed(_)), is_closed, "{day}");
                assert_eq!(found == TradingDay::EarlyClose, is_early, "{day}");
            }
        }
    }

    #[test]
    fn juneteenth_is_a_holiday_since_2022() {
        assert_eq!(TradingDay::of(date(2021, 6, 18)), TradingDay::Full);
        assert_eq!(TradingDay::of(date(2022, 6, 20)), TradingDay::Closed(Closure::Holiday("Juneteenth")));
    }

    #[test]
    fn good_friday_is_right_at_the_bounds_and_exceptions_of_the_computus() {
        // The earliest possible Easter, the latest one, and the two exceptions of the computus.
        for (year, friday) in [(1818, 20), (2285, 20), (1943, 54), (2038, 54), (1954, 47), (1981, 48), (2049, 47)] {
            assert_eq!(good_friday(year), friday, "{year}");
        }
    }

    #[test]
    fn trading_hours_follow_the_summer_time_of_new_york() {
        use MarketHours::{Extended, Regular};
        // The Friday before and the Monday after each change of the clocks.
        assert_session(Regular, "2026-03-06T14:30:00Z", "2026-03-06T21:00:00Z");
        assert_session(Regular, "2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z");
        assert_session(Regular, "2026-10-30T13:30:00Z", "2026-10-30T20:00:00Z");
        assert_session(Regular, "2026-11-02T14:30:00Z", "2026-11-02T21:00:00Z");
        // The extended hours of Friday and Monday end on the next day in UTC.
        assert_session(Extended, "2026-03-06T09:00:00Z", "2026-03-07T01:00:00Z");
        assert_session(Extended, "2026-03-09T08:00:00Z", "2026-03-10T00:00:00Z");
    }

    #[test]
    fn an_early_close_ends_regular_and_extended_hours_three_hours_earlier() {
        assert_session(MarketHours::Regular, "2026-11-27T14:30:00Z", "2026-11-27T18:00:00Z");
        assert_session(MarketHours::Extended, "2026-11-27T09:00:00Z", "2026-11-27T22:00:00Z");
        assert_session(MarketHours::Regular, "2028-07-03T13:30:00Z", "2028-07-03T17:00:00Z");
    }

    #[test]
    fn closed_days_apply_to_regular_and_extended_hours_only() {
        let noon: Timestamp = "2027-01-05T17:00:00Z".parse().unwrap();
        // This is Tuesday in UTC but 19:30 on Monday in New York, and the day in New York counts.
        let monday_evening: Timestamp = "2027-01-05T00:30:00Z".parse().unwrap();
        let closed = [date(2027, 1, 5)];
        assert!(MarketHours::Regular.closure(noon, &[]).is_none());
        assert!(MarketHours::Regular.closure(noon, &closed).is_some());
        assert!(MarketHours::Extended.closure(noon, &closed).is_some());
        assert!(MarketHours::Extended.closure(monday_evening, &closed).is_none());
        assert!(MarketHours::Any.closure(noon, &closed).is_none());
    }

    /// The same day by another algorithm, that of Meeus, Jones and Butcher
    /// (<https://en.wikipedia.org/wiki/Date_of_Easter#Anonymous_Gregorian_algorithm>).
    #[test]
    fn good_friday_is_two_days_before_easter() {
        for year in 1583..4100_i16 {
            let (golden, century, rest) = (year % 19, year / 100, year % 100);
            let correction = (century - (century + 8) / 25 + 1) / 3;
            let epact = (19 * golden + century - century / 4 - correction + 15) % 30;
            let weekday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
            let late = (golden + 11 * epact + 22 * weekday) / 451;
            let easter = epact + weekday - 7 * late + 22;
            assert_eq!(good_friday(year), easter - 2, "{year}");
        }
    }

    #[test]
    fn what_closes_the_exchange_is_named() {
        let closed = [date(2027, 1, 5)];
        let why = |time: &str| MarketHours::Regular.closure(time.parse().unwrap(), &closed).unwrap().to_string();
        for (day, name) in [
            ("2027-01-01", "New Year's Day"),
            ("2027-01-18", "Martin Luther King Jr. Day"),
            ("2027-02-15", "Washington's Birthday"),
            ("2027-03-26", "Good Friday"),
            ("2026-04-03", "Good Friday"),
            ("2027-05-31", "Memorial Day"),
            ("2027-06-18", "Juneteenth"),
            ("2027-07-05", "Independence Day"),
            ("2027-09-06", "Labor Day"),
            ("2027-11-25", "Thanksgiving"),
            ("2027-12-24", "Christmas"),
            ("2027-01-09", "weekend"),
            ("2027-01-05", "a day of its `closed`"),
        ] {
            assert_eq!(why(&format!("{day}T17:00:00Z")), name, "{day}");
        }
        let page = include_str!("../../tests/messages/README.md");
        for (time, reason) in [
            ("2027-01-06T14:29:59Z", "it opens at 09:30 in New York"),
            ("2027-01-06T21:00:00Z", "since 16:00 in New York"),
        ] {
            assert_eq!(why(time), reason);
            assert!(page.contains(&format!("stocks: closed ({reason})")), "{reason}");
        }
        assert_eq!(why("2026-11-27T18:00:00Z"), "since 13:00 in New York");
    }

    #[test]
    fn trading_hours_are_computed_for_any_year() {
        for now in [Timestamp::MIN, Timestamp::MAX] {
            assert!(MarketHours::Regular.closure(now, &[]).is_some());
        }
        for year in -9999..=9999 {
            assert!((20..=54).contains(&good_friday(year)), "{year}");
        }
    }

    #[test]
    fn market_hours_are_read_from_their_names() {
        assert_eq!("any".parse(), Ok(MarketHours::Any));
        assert_eq!("regular".parse(), Ok(MarketHours::Regular));
        assert_eq!("extended".parse(), Ok(MarketHours::Extended));
        let error = "Always".parse::<MarketHours>().unwrap_err();
        assert_eq!(error.to_string(), r#"must be "any", "regular" or "extended", not "Always""#);
    }
}
