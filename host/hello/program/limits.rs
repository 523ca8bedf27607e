//! cgroup limits as they are visible inside, version 2 first.

use super::read;

const V2: &str = "/sys/fs/cgroup";
const NOT_VISIBLE: &str = "not visible";
const NO_LIMIT: &str = "no limit";

/// memory.max, memory.limit_in_bytes
pub(crate) fn memory() -> String {
    let text = first(&[
        format!("{V2}/memory.max"),
        format!("{V2}/memory/memory.limit_in_bytes"),
    ]);
    // Version 1 writes "none" as the largest multiple of a page.
    match (text.as_str(), text.parse::<u64>()) {
        ("", _) => NOT_VISIBLE.to_owned(),
        (_, Ok(bytes)) if bytes < 1 << 62 => size(bytes),
        _ => NO_LIMIT.to_owned(),
    }
}

/// cpu.max, or cpu.cfs_quota_us with cpu.cfs_period_us
pub(crate) fn cpu() -> String {
    let v1 = |name: &str| {
        first(&[
            format!("{V2}/cpu/{name}"),
            format!("{V2}/cpu,cpuacct/{name}"),
        ])
    };
    let text = first(&[format!("{V2}/cpu.max")]);
    if text.is_empty() {
        quota(&format!(
            "{} {}",
            v1("cpu.cfs_quota_us"),
            v1("cpu.cfs_period_us")
        ))
    } else {
        quota(&text)
    }
}

/// pids.max
pub(crate) fn processes() -> String {
    match first(&[format!("{V2}/pids.max"), format!("{V2}/pids/pids.max")]).as_str() {
        "" => NOT_VISIBLE.to_owned(),
        "max" => NO_LIMIT.to_owned(),
        limit => format!("at most {limit}"),
    }
}

/// The first file that says something.
fn first(paths: &[String]) -> String {
    let texts = paths.iter().map(|path| read(path).trim().to_owned());
    texts
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// `quota period` in microseconds; `max` and negative quotas are none.
fn quota(text: &str) -> String {
    let (quota, period) = text.split_once(' ').unwrap_or_default();
    match (quota.parse::<f64>(), period.parse::<f64>()) {
        (Ok(quota), Ok(period)) if quota > 0.0 && period > 0.0 => {
            let cpus = format!("{:.2}", quota / period);
            let cpus = cpus.trim_end_matches('0').trim_end_matches('.');
            format!("{cpus} {}", if cpus == "1" { "CPU" } else { "CPUs" })
        }
        (_, Ok(_)) => NO_LIMIT.to_owned(),
        _ => NOT_VISIBLE.to_owned(),
    }
}

/// Whole units where they are whole.
fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let whole = units
        .iter()
        .find(|(_, shift)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    whole.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, shift)| format!("{} {unit}", bytes >> shift),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_told_as_cpus() {
        for (text, expected) in [
            ("150000 100000", "1.5 CPUs"),
            ("100000 100000", "1 CPU"),
            ("max 100000", NO_LIMIT),
            ("-1 100000", NO_LIMIT),
            (" ", NOT_VISIBLE),
        ] {
            assert_eq!(quota(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_told_in_the_largest_whole_unit() {
        assert_eq!(size(512 << 20), "512 MiB");
        assert_eq!(size(2 << 30), "2 GiB");
        assert_eq!(size(1000), "1000 bytes");
    }
}
