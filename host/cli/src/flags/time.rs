//! `--since` and `--until`: `10m` ago, seconds since the epoch, or RFC 3339.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulkhead_api::query::Timestamp;

use super::{InvalidValue, invalid};

/// A moment from any of the three forms.
pub(crate) fn parse_since(text: &str) -> Result<Timestamp, InvalidValue> {
    if let Ok(timestamp) = text.parse() {
        return Ok(timestamp);
    }
    if let Some(ago) = duration(text) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let moment = now.saturating_sub(ago);
        return Ok(Timestamp {
            seconds: moment.as_secs() as i64,
            nanos: moment.subsec_nanos(),
        });
    }
    rfc3339(text).ok_or_else(|| {
        invalid(format!(
            "invalid time {text:?}: use 10m, seconds since the epoch, or 2026-01-02T03:04:05Z"
        ))
    })
}

/// A flag's duration.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, InvalidValue> {
    duration(text).ok_or_else(|| invalid(format!("time: invalid duration {text:?}")))
}

/// Go's durations: `1h30m`, `1.5s`, `10ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T')?;
    let zone_at = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':')?;
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let offset = match zone {
        "Z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let offset = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
            if zone.starts_with('-') {
                -offset
            } else {
                offset
            }
        }
    };
    let fraction: Timestamp = format!("0.{fraction}").parse().ok()?;
    let seconds =
        days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    Some(Timestamp {
        seconds,
        nanos: fraction.nanos,
    })
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parts: Option<Vec<i64>> = text
        .split(separator)
        .map(|part| part.parse::<u16>().ok().map(i64::from))
        .collect();
    parts?.try_into().ok()
}

/// Days from 1970-01-01 in the Gregorian calendar, counted in years that
/// begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_each_form() {
        let seconds = |text: &str| parse_since(text).map(|t| (t.seconds, t.nanos)).ok();
        assert_eq!(seconds("1136073600.5"), Some((1136073600, 500_000_000)));
        assert_eq!(seconds("2006-01-01T00:00:00Z"), Some((1136073600, 0)));
        assert_eq!(
            seconds("2006-01-01T01:00:00.25+01:00"),
            Some((1136073600, 250_000_000))
        );
        assert_eq!(seconds("2024-02-29T12:00:00Z"), Some((1709208000, 0)));
        let ago = unix_seconds() - parse_since("1h30m").unwrap().seconds;
        assert!((5399..=5401).contains(&ago), "{ago}");
        for bad in [
            "soon",
            "1x",
            "2006-01-01T00:00:00",
            "2006-13-01T00:00:00Z",
            "",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    fn unix_seconds() -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64
    }
}
