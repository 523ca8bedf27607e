//! Sizes as people read them.

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
