//! Time as Docker's log writes it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos() as u64)
}

/// RFC 3339 in UTC with nanoseconds, as Go's `RFC3339Nano` without its cut
/// zeros: readers parse both.
pub(crate) fn rfc3339(nanos: u64) -> [u8; 30] {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    // A formatter would be code and tables in the memory of every shim.
    for (place, value) in [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, hour),
        (14..16, minute),
        (17..19, second),
        (20..29, fraction),
    ] {
        write_digits(value, &mut text[place]);
    }
    text
}

/// The last digits of a number, as many as there is room for.
fn write_digits(mut value: u64, room: &mut [u8]) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// The Gregorian date of a day since the epoch. Years are counted from March,
/// so that the leap day comes last, in eras of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_EPOCH: u64 = 719_468;
    const ERA: u64 = 146_097;
    let days = days + DAYS_TO_EPOCH;
    let (era, of_era) = (days / ERA, days % ERA);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_calendars_get_wrong_are_right() {
        let text = |nanos: u64| String::from_utf8(rfc3339(nanos).to_vec()).unwrap();
        let day = |seconds: u64| text(seconds * 1_000_000_000);
        assert_eq!(day(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(day(951_782_400), "2000-02-29T00:00:00.000000000Z");
        assert_eq!(day(951_868_800), "2000-03-01T00:00:00.000000000Z");
        assert_eq!(day(4_107_542_399), "2100-02-28T23:59:59.000000000Z");
        assert_eq!(day(4_107_542_400), "2100-03-01T00:00:00.000000000Z");
        assert_eq!(
            text(1_735_689_599_000_000_007),
            "2024-12-31T23:59:59.000000007Z"
        );
    }
}
