//! `--add-host`

use super::{InvalidValue, invalid};

/// `name:address` or `name=address`, as `name:address`; the address may be `host-gateway`.
pub(crate) fn parse_host(text: &str) -> Result<String, InvalidValue> {
    let (name, address) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| {
            invalid(format!(
                "bad format for add-host: {}",
                crate::output::quote(text)
            ))
        })?;
    let bare = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    if bare != "host-gateway" && bare.parse::<std::net::IpAddr>().is_err() {
        return Err(invalid(format!(
            "invalid IP address in add-host: {}",
            crate::output::quote(address)
        )));
    }
    Ok(format!("{name}:{bare}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_and_an_address() {
        assert_eq!(parse_host("db:10.0.0.1"), Ok("db:10.0.0.1".into()));
        assert_eq!(parse_host("db=[::1]"), Ok("db:::1".into()));
        assert_eq!(parse_host("gw:host-gateway"), Ok("gw:host-gateway".into()));
        for bad in ["x", ":1.2.3.4", "db:", "db:nowhere"] {
            assert!(parse_host(bad).is_err(), "{bad}");
        }
    }
}
