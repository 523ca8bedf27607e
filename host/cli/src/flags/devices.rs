//! CPUs, rates of devices and resource limits.

use bulkhead_api::container::{DeviceMapping, DeviceRequest, ThrottleDevice, Ulimit, WeightDevice};

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

/// `host[:container[:rwm]]`; a second word of these letters alone is the mode.
pub(crate) fn parse_device(text: &str) -> Result<DeviceMapping, InvalidValue> {
    let is_mode = |word: &str| {
        (1..=3).contains(&word.len()) && word.chars().all(|c| matches!(c, 'r' | 'w' | 'm'))
    };
    let words: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match words[..] {
        [source] => (source, source, "rwm"),
        [source, mode] if is_mode(mode) => (source, source, mode),
        [source, target] => (source, target, "rwm"),
        [source, target, mode] if is_mode(mode) => (source, target, mode),
        [_, _, mode] => return Err(invalid(format!("bad mode specified: {mode}"))),
        _ => return Err(invalid(format!("invalid device specification: {text}"))),
    };
    for path in [source, target] {
        if !path.starts_with('/') {
            return Err(invalid(format!("{path} is not an absolute path")));
        }
    }
    Ok(DeviceMapping {
        path_on_host: source.to_owned(),
        path_in_container: target.to_owned(),
        cgroup_permissions: mode.to_owned(),
    })
}

/// `all`, a number, or `device=…`; which driver serves it is the daemon's to say.
pub(crate) fn parse_gpus(text: &str) -> Result<DeviceRequest, InvalidValue> {
    let mut request = DeviceRequest {
        count: -1,
        capabilities: vec![vec!["gpu".to_owned()]],
        ..DeviceRequest::default()
    };
    match text.split_once('=') {
        None if text == "all" => {}
        None => {
            let count = text.parse::<i64>();
            request.count = count.map_err(|_| {
                invalid(format!(
                    "invalid count ({text}): value must be either \"all\" or an integer"
                ))
            })?;
        }
        Some(("device", ids)) => {
            request.count = 0;
            request.device_ids = ids.split(',').map(str::to_owned).collect();
        }
        Some(("driver", name)) => name.clone_into(&mut request.driver),
        Some((key, _)) => return Err(invalid(format!("unexpected key '{key}' in '{text}'"))),
    }
    Ok(request)
}

/// `/dev/sda:500`
pub(crate) fn parse_weight_device(text: &str) -> Result<WeightDevice, InvalidValue> {
    let error = |what: &str| invalid(format!("{what}: {text}"));
    let (path, weight) = text.split_once(':').ok_or_else(|| error("bad format"))?;
    if !path.starts_with("/dev/") {
        return Err(error("bad format for device path"));
    }
    let weight = weight
        .parse()
        .ok()
        .filter(|w| *w == 0 || (10..=1000).contains(w));
    Ok(WeightDevice {
        path: path.to_owned(),
        weight: weight.ok_or_else(|| error("invalid weight for device"))?,
    })
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
    fn devices_have_a_path_inside_and_a_mode() {
        let read = |text: &str| {
            let device = parse_device(text)?;
            Ok((device.path_in_container, device.cgroup_permissions))
        };
        let is = |path: &str, mode: &str| Ok::<_, InvalidValue>((path.to_owned(), mode.to_owned()));
        assert_eq!(read("/dev/fuse"), is("/dev/fuse", "rwm"));
        assert_eq!(read("/dev/fuse:r"), is("/dev/fuse", "r"));
        assert_eq!(read("/dev/fuse:/dev/x:rw"), is("/dev/x", "rw"));
        for bad in ["fuse", "/dev/a:b", "/dev/a:/b:q", "/a:/b:r:w"] {
            assert!(parse_device(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_weight_device("/dev/sda:500").unwrap().weight, 500);
        assert!(parse_weight_device("/dev/sda:5").is_err());
        assert_eq!(parse_gpus("2").unwrap().count, 2);
        assert!(parse_gpus("some").is_err());
    }

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
