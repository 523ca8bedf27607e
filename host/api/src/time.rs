//! Moments as users and clients write them: seconds since the epoch, a
//! duration before now (Go's `time.ParseDuration`), a date, a date and time.
//! Source: Docker's `api/types/time`.

use std::time::Duration;

/// The text is no moment.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to parse value as time or duration: {0:?}")]
pub struct InvalidMoment(String);

/// Nanoseconds since the epoch of what `text` means at `now` (also nanoseconds
/// since the epoch). A date without a zone is in UTC.
pub fn moment(text: &str, now: u64) -> Result<u64, InvalidMoment> {
    let invalid = || InvalidMoment(text.chars().take(100).collect());
    if let Some(before) = duration(text) {
        return Ok(now.saturating_sub(nanos(before)));
    }
    if let Some(after) = text.strip_prefix('-').and_then(duration) {
        return Ok(now.saturating_add(nanos(after)));
    }
    date(text).or_else(|| epoch(text)).ok_or_else(invalid)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration as Go writes one: `1h30m`, `1.5s`, `300ms`, `0`.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut sum = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let seconds = number.parse::<f64>().ok()? * unit_seconds(unit)?;
        sum = sum.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = next;
    }
    Some(sum)
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

/// `seconds[.fraction]`, cut to nanoseconds. Before the epoch is the epoch.
fn epoch(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = seconds.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let below: u64 = format!("{:0<9}", fraction.get(..9).unwrap_or(fraction))
        .parse()
        .ok()?;
    let whole = u64::try_from(seconds).unwrap_or(0);
    Some(whole.saturating_mul(1_000_000_000).saturating_add(below))
}

/// `2026-11-22[T10[:20[:30[.4]]]][Z|+01:00]`
fn date(text: &str) -> Option<u64> {
    let (day, rest) = (text.get(..10)?, &text[10..]);
    let mut numbers = day.split('-');
    let year: i64 = four(numbers.next()?)?;
    let (month, day) = (two(numbers.next()?)?, two(numbers.next()?)?);
    if numbers.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, offset) = zone(rest)?;
    let (seconds, below) = match clock.strip_prefix('T') {
        Some(clock) => time_of_day(clock)?,
        None if clock.is_empty() => (0, 0),
        None => return None,
    };
    let seconds = days_from_epoch(year, month, day) * 86_400 + seconds - offset;
    let whole = u64::try_from(seconds).unwrap_or(0);
    Some(whole.saturating_mul(1_000_000_000).saturating_add(below))
}

/// What comes before the zone, and the zone in seconds east.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return Some((text, 0));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let east = two(hours)? * 3600 + two(minutes)? * 60;
    let sign = if text.as_bytes()[at] == b'-' { -1 } else { 1 };
    Some((&text[..at], sign * east))
}

fn time_of_day(clock: &str) -> Option<(i64, u64)> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let hours = two(parts.next()?)?;
    let minutes = parts.next().map_or(Some(0), two)?;
    let seconds = parts.next().map_or(Some(0), two)?;
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let below = epoch(&format!("0.{fraction}"))?;
    Some((hours * 3600 + minutes * 60 + seconds, below))
}

fn two(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn four(text: &str) -> Option<i64> {
    (text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 in the Gregorian calendar: years are counted from
/// March, so that the day that leaps is the last one.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 306 + 5) / 10 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000_000_000;

    #[test]
    fn a_moment_has_many_forms() {
        for (text, seconds) in [
            ("1136073600", 1_136_073_600.0),
            ("1136073600.5", 1_136_073_600.5),
            ("10m", 1_799_999_400.0),
            ("1h30m", 1_799_994_600.0),
            ("1.5s", 1_799_999_998.5),
            ("-10s", 1_800_000_010.0),
            ("0", 1_800_000_000.0),
            ("2006-01-02", 1_136_160_000.0),
            ("2006-01-02Z", 1_136_160_000.0),
            ("2006-01-02T15:04", 1_136_214_240.0),
            ("2006-01-02T15:04:05", 1_136_214_245.0),
            ("2006-01-02T15:04:05.5Z", 1_136_214_245.5),
            ("2006-01-02T15:04:05+07:00", 1_136_189_045.0),
            ("2006-01-02T15:04:05-07:00", 1_136_239_445.0),
            ("2024-02-29", 1_709_164_800.0),
            ("1960-01-01", 0.0),
        ] {
            let found = moment(text, NOW).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(found, (seconds * 1e9) as u64, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "soon",
            "10",
            "1x",
            ".",
            "1.2.3",
            "2006-13-01",
            "2006-1-2",
            "2006-01-02T25:00",
            "é",
            "1136073600.x",
            "NaN",
            "1e9",
            "infs",
            "9999999999999999999999h",
        ] {
            match (text, moment(text, NOW)) {
                ("10", Ok(found)) => assert_eq!(found, 10_000_000_000),
                (text, found) => assert!(found.is_err(), "{text}: {found:?}"),
            }
        }
    }
}
