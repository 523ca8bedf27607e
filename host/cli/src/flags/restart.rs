//! `--restart`

use bulkhead_api::container::RestartPolicy;

use super::{InvalidValue, invalid};

/// `no`, `always`, `unless-stopped`, `on-failure[:N]`; the daemon judges the name.
pub(crate) fn parse_restart(text: &str) -> Result<RestartPolicy, InvalidValue> {
    let (name, count) = match text.split_once(':') {
        None => (text, 0),
        Some((_, count)) if count.contains(':') => {
            return Err(invalid(
                "invalid restart policy format: maximum retry count must be an integer",
            ));
        }
        Some(("", _)) => {
            return Err(invalid(
                "invalid restart policy format: no policy provided before colon",
            ));
        }
        Some((name, count)) => {
            let count = count.parse().map_err(|_| {
                invalid("invalid restart policy format: maximum retry count must be an integer")
            });
            (name, count?)
        }
    };
    Ok(RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count: count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_may_have_a_count() {
        let policy = parse_restart("on-failure:3").unwrap();
        assert_eq!(
            (policy.name.as_str(), policy.maximum_retry_count),
            ("on-failure", 3)
        );
        assert_eq!(parse_restart("").unwrap(), RestartPolicy::default());
        for bad in [":3", "on-failure:x", "a:1:2"] {
            assert!(parse_restart(bad).is_err(), "{bad}");
        }
    }
}
