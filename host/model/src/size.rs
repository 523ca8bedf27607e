//! Sizes as people write them for Docker: steps of 1024.

/// 2^63, which a float holds exactly: Docker's numbers are below it.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// Bytes from `512`, `64m`, `1.5g`, `10 MiB`; `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    let bytes = number * (1u64 << shift) as f64;
    (bytes < LIMIT).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_steps_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64m", 64 << 20),
            ("0.5k", 512),
            ("1.5g", 3 << 29),
            ("10MiB", 10 << 20),
            ("7 MiB", 7 << 20),
            ("2KB", 2048),
            ("1b", 1),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in [
            "", "abc", "-1", "1x", "m", "1.2.3", "9999999p", "1kk", "1e5", "nan", "inf",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
