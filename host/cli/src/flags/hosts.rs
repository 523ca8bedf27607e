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

/// `container` or `container:name`, as `container:name`.
pub(crate) fn parse_link(text: &str) -> Result<String, InvalidValue> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [""] => Err(invalid("empty string specified for links")),
        [container] => Ok(format!("{container}:{container}")),
        [container, name] => Ok(format!("{container}:{name}")),
        _ => Err(invalid(format!("bad format for links: {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_container_and_a_name() {
        assert_eq!(parse_link("db"), Ok("db:db".into()));
        assert_eq!(parse_link("db:store"), Ok("db:store".into()));
        assert!(parse_link("").is_err() && parse_link("a:b:c").is_err());
    }

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
