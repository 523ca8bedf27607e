//! CPUs, rates of devices and resource limits.

use bulkhead_api::container::{ThrottleDevice, Ulimit};

use super::{InvalidValue, invalid, parse_size};

/// Billionths of a CPU from `1.5`.
pub(crate) fn parse_nano_cpus(text: &str) -> Result<i64, InvalidValue> {
    let error = || invalid(format!("failed to parse {text} as a rational number"));
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, text),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(error());
    }
    if fraction.trim_end_matches('0').len() > 9 {
        return Err(invalid("value is too precise"));
    }
    let fraction = format!("{:0<9.9}", fraction);
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| error())?
    };
    let fraction: i64 = fraction.parse().map_err(|_| error())?;
    whole
        .checked_mul(1_000_000_000)
        .and_then(|nanos| nanos.checked_add(fraction))
        .map(|nanos| sign * nanos)
        .ok_or_else(error)
}

/// `name=soft[:hard]`; -1 for unlimited.
pub(crate) fn parse_ulimit(text: &str) -> Result<Ulimit, InvalidValue> {
    let error = || invalid(format!("invalid ulimit argument: {text}"));
    let (name, limits) = text.split_once('=').ok_or_else(error)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let limit = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|n| *n >= -1)
            .ok_or_else(error)
    };
    let (soft, hard) = (limit(soft)?, limit(hard)?);
    const NAMES: &str = "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack";
    if !NAMES.split(' ').any(|known| known == name) {
        return Err(invalid(format!("invalid ulimit type: {name}")));
    }
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(Ulimit {
        name: name.to_owned(),
        hard,
        soft,
    })
}

/// `/dev/sda:1mb`, bytes a second.
pub(crate) fn parse_bps(text: &str) -> Result<ThrottleDevice, InvalidValue> {
    throttle(text, |rate| {
        parse_size(rate)
            .ok()
            .and_then(|rate| u64::try_from(rate).ok())
    })
}

/// `/dev/sda:1000`, operations a second.
pub(crate) fn parse_iops(text: &str) -> Result<ThrottleDevice, InvalidValue> {
    throttle(text, |rate| rate.parse().ok())
}

fn throttle(
    text: &str,
    rate: impl Fn(&str) -> Option<u64>,
) -> Result<ThrottleDevice, InvalidValue> {
    let (path, number) = text
        .split_once(':')
        .ok_or_else(|| invalid(format!("bad format: {text}")))?;
    if !path.starts_with("/dev/") {
        return Err(invalid(format!("bad format for device path: {text}")));
    }
    match rate(number) {
        Some(rate) => Ok(ThrottleDevice {
            path: path.to_owned(),
            rate,
        }),
        None => Err(invalid(format!("invalid rate for device: {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_exact_billionths() {
        assert_eq!(parse_nano_cpus("1.5"), Ok(1_500_000_000));
        assert_eq!(parse_nano_cpus(".000000001"), Ok(1));
        // The daemon refuses it, as Docker's does.
        assert_eq!(parse_nano_cpus("-1"), Ok(-1_000_000_000));
        for bad in [
            "",
            ".",
            "-",
            "x",
            "--1",
            "1e9",
            "99999999999",
            "0.0000000001",
        ] {
            assert!(parse_nano_cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ulimits_have_a_known_name_and_ordered_limits() {
        let limit = parse_ulimit("nofile=10:20").unwrap();
        assert_eq!((limit.soft, limit.hard), (10, 20));
        assert_eq!(parse_ulimit("core=-1").unwrap().hard, -1);
        for bad in [
            "x",
            "nofile",
            "nofile=x",
            "files=1",
            "nofile=20:10",
            "nofile=-1:5",
        ] {
            assert!(parse_ulimit(bad).is_err(), "{bad}");
        }
    }
}
