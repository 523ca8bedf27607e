//! Sizes as people write and read them.

/// Bytes of `10G`, `512m` or `1024` (powers of 1024, as in Docker's options).
pub(crate) fn parse(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let text = text.strip_suffix('i').unwrap_or(text);
    let shift = match text.as_bytes().last()? {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        b't' => 40,
        _ => 0,
    };
    let digits = if shift == 0 {
        text
    } else {
        text[..text.len() - 1].trim_end()
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift)
}

/// `10.74GB`: four digits and powers of 1000, as Docker shows sizes.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = match value {
        v if unit == 0 || v >= 999.95 => 0,
        v if v >= 99.995 => 1,
        v if v >= 9.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let shown = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{shown}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("1024", 1024),
            ("10G", 10 << 30),
            ("10GB", 10 << 30),
            ("10gib", 10 << 30),
            ("512 m", 512 << 20),
            ("3t", 3 << 40),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in ["", "G", "-1", "1.5G", "10x", "99999999999t", "b", "ü"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_shown_with_four_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (65_536, "65.54kB"),
            (10 << 30, "10.74GB"),
            (1_000_000, "1MB"),
            (107_374_182_400, "107.4GB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
