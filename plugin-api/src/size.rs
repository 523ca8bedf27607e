//! Sizes as users write them.

/// Bytes of `text`, a number, perhaps with a fraction, and a unit of 1024, as
/// Docker reads options: `10G`, `1.5 GB`, `512MiB`. `None` when it is none, or
/// beyond 2^53, where a double counts no single bytes.
///
/// ```
/// assert_eq!(bulkhead_plugin_api::size::parse("1.5g"), Some(3 << 29));
/// ```
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let unit = unit.trim();
    let unit = unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * (1u64 << shift) as f64;
    (bytes < (1u64 << 53) as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("10b", 10),
            ("10k", 10 << 10),
            ("10 MB", 10 << 20),
            ("512MiB", 512 << 20),
            ("10gib", 10 << 30),
            ("1.5G", 3 << 29),
            ("2t", 2 << 40),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for bad in [
            "",
            "G",
            "-1",
            "1x",
            "1e9",
            "99999999p",
            "1.2.3",
            "NaN",
            "b",
            "ü",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
