//! Numbers in tar headers (POSIX.1-2017 `pax`, "ustar Interchange Format";
//! GNU tar manual, "Basic Tar Format": base-256).

/// An octal number padded with blanks or NULs, or, with the top bit of the
/// first byte set, a big-endian two's complement one.
pub(super) fn header(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        return base256(field);
    }
    let text = field.trim_ascii_start();
    let padding = |b: &u8| matches!(b, b' ' | 0);
    let start = text.iter().position(|b| !padding(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !padding(b))
        .map_or(start, |last| last + 1);
    text[start..end]
        .iter()
        .try_fold(0_i64, |value, digit| match digit {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
            _ => None,
        })
}

fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    // The marker bit is not part of the number: replace it by the sign.
    let first = if negative {
        field[0] | 0x80
    } else {
        field[0] & 0x7f
    };
    let start = if negative { -1_i64 } else { 0 };
    std::iter::once(&first)
        .chain(&field[1..])
        .try_fold(start, |value, byte| {
            value.checked_mul(256)?.checked_add(i64::from(*byte))
        })
}

/// A decimal number of an extended header, not negative.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(text).ok()?.parse().ok())
        .flatten()
}

/// Seconds with a fraction, such as `-1.25`, as whole seconds and the
/// nanoseconds after them (so -2 and 750,000,000).
pub(super) fn time(text: &[u8]) -> Option<(i64, i64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanos: i64 = digits.parse().ok()?;
    if whole.starts_with('-') && nanos > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos));
    }
    Some((seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_base256_numbers_are_read() {
        assert_eq!(header(b"0000644\0"), Some(0o644));
        assert_eq!(header(b"   644 \0"), Some(0o644));
        assert_eq!(header(&[0; 8]), Some(0));
        assert_eq!(header(b"12x4\0\0\0\0"), None);
        assert_eq!(header(b"7777777777777777777777777\0"), None);
        assert_eq!(header(&[0x80, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(header(&[0xff; 12]), Some(-1));
        assert_eq!(
            header(&[
                0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ]),
            None
        );
    }

    #[test]
    fn times_before_the_epoch_count_backwards() {
        assert_eq!(time(b"1.5"), Some((1, 500_000_000)));
        assert_eq!(time(b"-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time(b"7"), Some((7, 0)));
        assert_eq!(time(b"1.x"), None);
        assert_eq!(time(b""), None);
    }
}
