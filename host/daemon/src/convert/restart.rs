//! `HostConfig.RestartPolicy`, with Docker's refusals.

use bulkhead_model::container::RestartPolicy;

use super::bad_request::BadRequest;

/// The policy a client means.
pub fn policy(wire: &bulkhead_api::container::RestartPolicy) -> Result<RestartPolicy, BadRequest> {
    let (name, retries) = (wire.name.as_str(), wire.maximum_retry_count);
    let refused = |why: String| Err(BadRequest::RestartPolicy(why));
    let policy = match name {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => {
            return match u32::try_from(retries) {
                Ok(retries) => Ok(RestartPolicy::OnFailure { retries }),
                Err(_) => refused("maximum retry count cannot be negative".to_owned()),
            };
        }
        other => {
            return refused(format!(
                "unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            ));
        }
    };
    if retries != 0 && !name.is_empty() {
        let and = if retries < 0 {
            " and cannot be negative"
        } else {
            ""
        };
        return refused(format!(
            "maximum retry count can only be used with 'on-failure'{and}"
        ));
    }
    Ok(policy)
}

/// The policy in force; `asked` keeps its spelling of none.
pub fn wire(
    policy: RestartPolicy,
    asked: &bulkhead_api::container::RestartPolicy,
) -> bulkhead_api::container::RestartPolicy {
    let (name, retries) = match policy {
        RestartPolicy::No if asked.name.is_empty() => ("", 0),
        RestartPolicy::No => ("no", 0),
        RestartPolicy::Always => ("always", 0),
        RestartPolicy::UnlessStopped => ("unless-stopped", 0),
        RestartPolicy::OnFailure { retries } => ("on-failure", retries),
    };
    bulkhead_api::container::RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count: retries.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str, maximum_retry_count: i64) -> bulkhead_api::container::RestartPolicy {
        bulkhead_api::container::RestartPolicy {
            name: name.to_owned(),
            maximum_retry_count,
        }
    }

    #[test]
    fn policies_are_read_as_docker_reads_them() {
        assert_eq!(policy(&wire("", 0)), Ok(RestartPolicy::No));
        let on_failure = RestartPolicy::OnFailure { retries: 3 };
        assert_eq!(policy(&wire("on-failure", 3)), Ok(on_failure));
        for (name, count, why) in [
            (
                "always",
                1,
                "maximum retry count can only be used with 'on-failure'",
            ),
            ("on-failure", -1, "maximum retry count cannot be negative"),
            (
                "sometimes",
                0,
                "unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
            ),
        ] {
            let refused = policy(&wire(name, count)).unwrap_err().to_string();
            assert_eq!(refused, format!("invalid restart policy: {why}"));
        }
    }
}
