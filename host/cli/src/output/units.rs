//! Sizes, ages, shortened and quoted text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A size in steps of 1000 with `digits` significant ones: `1.98MB`.
pub(crate) fn decimal_size(bytes: i64, digits: usize) -> String {
    scaled(
        bytes,
        1000.0,
        &["B", "kB", "MB", "GB", "TB", "PB", "EB"],
        digits,
    )
}

/// A size in steps of 1024 with four significant digits: `23.54GiB`.
pub(crate) fn binary_size(bytes: i64) -> String {
    scaled(
        bytes,
        1024.0,
        &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
        4,
    )
}

fn scaled(bytes: i64, step: f64, units: &[&str], digits: usize) -> String {
    let mut size = bytes.max(0) as f64;
    let mut unit = 0;
    while size >= step && unit + 1 < units.len() {
        size /= step;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), units[unit])
}

/// `%.{digits}g` for numbers below 10,000, without its exponent.
fn significant(size: f64, digits: usize) -> String {
    let whole = (size.max(1.0).log10().floor() as usize) + 1;
    let text = format!("{size:.*}", digits.saturating_sub(whole));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Seconds since the epoch.
fn unix_now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

/// `2 hours ago`, from seconds since the epoch.
pub(crate) fn ago(created: i64) -> String {
    let elapsed = u64::try_from(unix_now().saturating_sub(created)).unwrap_or(0);
    format!(
        "{} ago",
        bulkhead_api::status::human_duration(Duration::from_secs(elapsed))
    )
}

/// `2026-11-21 23:57:36 +0000 UTC`, from seconds since the epoch.
pub(crate) fn date_time(seconds: i64) -> String {
    let (date, time) = date_and_time(seconds);
    format!("{date} {time} +0000 UTC")
}

/// `2026-11-21T23:57:36Z`, from seconds since the epoch.
pub(crate) fn whole_seconds(seconds: i64) -> String {
    let (date, time) = date_and_time(seconds);
    format!("{date}T{time}Z")
}

/// `2026-11-21T23:57:36.000000001Z`, from nanoseconds since the epoch.
pub(crate) fn timestamp(nanos: i64) -> String {
    let (date, time) = date_and_time(nanos.div_euclid(1_000_000_000));
    format!("{date}T{time}.{:09}Z", nanos.rem_euclid(1_000_000_000))
}

/// `2026-11-22 02:58:38.586259472 +0000 UTC` of a date and time in RFC 3339's
/// UTC; another text stays as it is.
pub(crate) fn moment(text: &str) -> String {
    match text.strip_suffix('Z').and_then(|text| text.split_once('T')) {
        Some((date, time)) => format!("{date} {time} +0000 UTC"),
        None => text.to_owned(),
    }
}

/// `name=value,other=…`
pub(crate) fn label_list(labels: &std::collections::BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

fn date_and_time(seconds: i64) -> (String, String) {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March, so that the leap day comes last, in eras of
    // 400 years, which all have 146,097 days.
    let (era, day) = (
        (days + 719_468).div_euclid(146_097),
        (days + 719_468).rem_euclid(146_097),
    );
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + i64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

/// `sha256:` and all but twelve digits taken away.
pub(crate) fn short_id(id: &str) -> String {
    id.strip_prefix("sha256:")
        .unwrap_or(id)
        .chars()
        .take(12)
        .collect()
}

/// Cuts text to `width` characters, the last of them `…`.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// Text in double quotes, so that no control character reaches the terminal.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1_984_132, "1.98MB"),
            (123_456_789, "123MB"),
            (2_000, "2kB"),
        ] {
            assert_eq!(decimal_size(bytes, 3), text);
        }
        assert_eq!(decimal_size(1_984_132, 4), "1.984MB");
        assert_eq!(binary_size(25_276_514_304), "23.54GiB");
    }

    #[test]
    fn moments_are_dates_in_utc() {
        assert_eq!(date_time(0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(date_time(1_709_208_000), "2024-02-29 12:00:00 +0000 UTC");
        assert_eq!(date_time(1_795_305_456), "2026-11-21 23:57:36 +0000 UTC");
        assert_eq!(date_time(951_868_799), "2000-02-29 23:59:59 +0000 UTC");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(quote("a\x1b[31m\"b\"\n"), r#""a\x1b[31m\"b\"\n""#);
        assert_eq!(
            quote(&shorten("sh -c 'while :; do date; sleep 5; done'", 20)),
            "\"sh -c 'while :; do …\""
        );
    }
}
