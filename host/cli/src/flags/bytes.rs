//! Sizes such as `64m`: steps of 1024, with or without `b`, `ib`.

use super::{InvalidValue, invalid};

/// Bytes from `512`, `64m`, `1.5g`, `10MiB`.
pub(crate) fn parse_size(text: &str) -> Result<i64, InvalidValue> {
    let error = || invalid(format!("invalid size: '{text}'"));
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(error()),
    };
    let number: f64 = number.parse().map_err(|_| error())?;
    let bytes = number * (1u64 << shift) as f64;
    // 2^63 as f64 is exact; what is not below it does not fit.
    if bytes < 9_223_372_036_854_775_808.0 {
        Ok(bytes as i64)
    } else {
        Err(error())
    }
}

/// As [`parse_size`], or -1 for unlimited.
pub(crate) fn parse_swap(text: &str) -> Result<i64, InvalidValue> {
    if text == "-1" {
        Ok(-1)
    } else {
        parse_size(text)
    }
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
            ("1.5g", 3 << 29),
            ("10MiB", 10 << 20),
            ("2KB", 2048),
            ("1b", 1),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in [
            "", "abc", "-1", "1x", "m", "1.2.3", "9999999p", "1kk", "nan", "inf",
        ] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_swap("-1"), Ok(-1));
    }
}
