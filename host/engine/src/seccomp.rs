//! Docker's format of seccomp profiles, as users keep them in files.
//!
//! ```json
//! {"defaultAction": "SCMP_ACT_ERRNO", "archMap": [{"architecture": "SCMP_ARCH_X86_64",
//!  "subArchitectures": ["SCMP_ARCH_X86"]}], "syscalls": [{"names": ["mkdir"],
//!  "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
//!  "includes": {"caps": ["CAP_SYS_ADMIN"]}, "excludes": {}}]}
//! ```

use std::str::FromStr;
use std::sync::Arc;

use bulkhead_model::process::{
    SeccompAction, SeccompComparison, SeccompCondition, SeccompProfile, SeccompRule, SeccompRules,
};
use serde::Deserialize;

/// Longest profile, bytes; Docker's own has 13 kB.
const MOST_BYTES: usize = 1 << 20;
const MOST_RULES: usize = 4096;
const MOST_NAMES: usize = 16_384;

/// A profile that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidProfile {
    /// Not JSON, or not of this shape; Docker's words.
    #[error("Decoding seccomp profile failed")]
    Decode(#[source] serde_json::Error),
    /// Too long, or too many rules or names.
    #[error("the seccomp profile is too large: {0}")]
    TooLarge(&'static str),
    /// Both fields say the same.
    #[error("'{0}' and '{1}' were specified in the seccomp profile, use either '{0}' or '{1}'")]
    Both(&'static str, &'static str),
    /// A word that libseccomp does not have.
    #[error("seccomp profile: unknown {0} {1:?}")]
    Unknown(&'static str, String),
    /// A call's arguments are numbered 0 to 5.
    #[error("seccomp profile: no system call has an argument {0}")]
    Argument(u64),
    /// A listener would have to be told of each call.
    #[error("seccomp profile: SCMP_ACT_NOTIFY is not supported")]
    Notify,
    /// Kernels take 0 to 4095.
    #[error("seccomp profile: errno {0} is out of range")]
    Errno(u64),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u64>,
    #[serde(default, deserialize_with = "null_is_empty")]
    architectures: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    arch_map: Vec<ArchitectureMap>,
    #[serde(default, deserialize_with = "null_is_empty")]
    syscalls: Vec<Syscall>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchitectureMap {
    architecture: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    sub_architectures: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Syscall {
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    names: Vec<String>,
    action: String,
    errno_ret: Option<u64>,
    #[serde(default, deserialize_with = "null_is_empty")]
    args: Vec<Argument>,
    #[serde(default, deserialize_with = "null_is_empty")]
    includes: Filter,
    #[serde(default, deserialize_with = "null_is_empty")]
    excludes: Filter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u64,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default, deserialize_with = "null_is_empty")]
    caps: Vec<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    arches: Vec<String>,
    min_kernel: Option<String>,
}

fn null_is_empty<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

/// Reads a profile for this machine; `kernel` is its release, such as `6.1.0-13`.
pub fn parse(json: &str, kernel: &str) -> Result<SeccompProfile, InvalidProfile> {
    if json.len() > MOST_BYTES {
        return Err(InvalidProfile::TooLarge("more than 1 MiB"));
    }
    let profile: Profile = serde_json::from_str(json).map_err(InvalidProfile::Decode)?;
    if profile.syscalls.len() > MOST_RULES {
        return Err(InvalidProfile::TooLarge("more than 4096 rules"));
    }
    let names = profile.syscalls.iter().map(|call| call.names.len() + 1);
    if names.sum::<usize>() > MOST_NAMES {
        return Err(InvalidProfile::TooLarge("more than 16384 names"));
    }
    let mut rules = Vec::new();
    let otherwise = action(&profile.default_action, profile.default_errno_ret)?;
    for call in &profile.syscalls {
        let rule = rule(call)?;
        // As runc: a rule that says what happens anyway is none.
        if rule.action != otherwise && applies(call, kernel)? {
            rules.push(rule);
        }
    }
    Ok(SeccompProfile::Custom(Arc::new(SeccompRules {
        otherwise,
        compat: compat(&profile)?,
        rules,
    })))
}

/// The ABIs beside the processor's own.
fn compat(profile: &Profile) -> Result<Vec<String>, InvalidProfile> {
    if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
        return Err(InvalidProfile::Both("architectures", "archMap"));
    }
    let native = format!("SCMP_ARCH_{}", std::env::consts::ARCH.to_ascii_uppercase());
    let mapped = profile
        .arch_map
        .iter()
        .filter(|map| map.architecture == native)
        .flat_map(|map| &map.sub_architectures);
    let all = profile.architectures.iter().chain(mapped);
    all.map(|name| {
        let known = name
            .strip_prefix("SCMP_ARCH_")
            .filter(|rest| !rest.is_empty());
        known
            .map(str::to_ascii_lowercase)
            .ok_or_else(|| InvalidProfile::Unknown("architecture", name.clone()))
    })
    .collect()
}

fn rule(call: &Syscall) -> Result<SeccompRule, InvalidProfile> {
    if !call.name.is_empty() && !call.names.is_empty() {
        return Err(InvalidProfile::Both("name", "names"));
    }
    let single = Some(&call.name).filter(|name| !name.is_empty());
    Ok(SeccompRule {
        names: call.names.iter().chain(single).cloned().collect(),
        action: action(&call.action, call.errno_ret)?,
        arguments: call.args.iter().map(condition).collect::<Result<_, _>>()?,
        with_capabilities: capabilities(&call.includes.caps)?,
        without_capabilities: capabilities(&call.excludes.caps)?,
    })
}

fn condition(argument: &Argument) -> Result<SeccompCondition, InvalidProfile> {
    use SeccompComparison as C;
    // For a masked comparison libseccomp has the mask first.
    let (comparison, value) = match argument.op.as_str() {
        "SCMP_CMP_EQ" => (C::Equal, argument.value),
        "SCMP_CMP_NE" => (C::NotEqual, argument.value),
        "SCMP_CMP_LT" => (C::Less, argument.value),
        "SCMP_CMP_LE" => (C::LessOrEqual, argument.value),
        "SCMP_CMP_GT" => (C::Greater, argument.value),
        "SCMP_CMP_GE" => (C::GreaterOrEqual, argument.value),
        "SCMP_CMP_MASKED_EQ" => {
            let mask = argument.value;
            (C::MaskedEqual { mask }, argument.value_two)
        }
        other => return Err(InvalidProfile::Unknown("operator", other.to_owned())),
    };
    let index = u8::try_from(argument.index).ok().filter(|index| *index < 6);
    Ok(SeccompCondition {
        argument: index.ok_or(InvalidProfile::Argument(argument.index))?,
        comparison,
        value,
    })
}

fn action(name: &str, errno: Option<u64>) -> Result<SeccompAction, InvalidProfile> {
    const EPERM: u16 = 1;
    let errno = match errno {
        None => EPERM,
        Some(errno) => u16::try_from(errno)
            .ok()
            .filter(|errno| *errno <= 4095)
            .ok_or(InvalidProfile::Errno(errno))?,
    };
    Ok(match name {
        "SCMP_ACT_ALLOW" => SeccompAction::Allow,
        "SCMP_ACT_LOG" => SeccompAction::Log,
        "SCMP_ACT_ERRNO" => SeccompAction::Errno(errno),
        "SCMP_ACT_TRACE" => SeccompAction::Trace(errno),
        "SCMP_ACT_TRAP" => SeccompAction::Trap,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => SeccompAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => SeccompAction::KillProcess,
        "SCMP_ACT_NOTIFY" => return Err(InvalidProfile::Notify),
        other => return Err(InvalidProfile::Unknown("action", other.to_owned())),
    })
}

fn capabilities(names: &[String]) -> Result<u64, InvalidProfile> {
    names.iter().try_fold(0, |set, name| {
        let found = caps::Capability::from_str(name);
        let unknown = |_| InvalidProfile::Unknown("capability", name.clone());
        found.map(|c| set | c.bitmask()).map_err(unknown)
    })
}

/// Architecture and kernel; capabilities are known when the filter is made.
fn applies(call: &Syscall, kernel: &str) -> Result<bool, InvalidProfile> {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let listed = |arches: &[String]| arches.iter().any(|arch| arch == here);
    let at_least = |minimum: &Option<String>| match minimum {
        None => Ok(None),
        Some(text) => match (version(text), version(kernel)) {
            (Some(least), Some(this)) => Ok(Some(this >= least)),
            _ => Err(InvalidProfile::Unknown("kernel version", text.clone())),
        },
    };
    let included = (call.includes.arches.is_empty() || listed(&call.includes.arches))
        && at_least(&call.includes.min_kernel)?.unwrap_or(true);
    let excluded =
        listed(&call.excludes.arches) || at_least(&call.excludes.min_kernel)?.unwrap_or(false);
    Ok(included && !excluded)
}

/// Major and minor of `6.1.0-13-amd64`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Arc<SeccompRules> {
        match parse(json, "6.1.0-13-amd64").unwrap() {
            SeccompProfile::Custom(rules) => rules,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_profile_is_read_with_its_conditions() {
        let read = rules(
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
                {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38,
                 "includes":{"caps":["CAP_CHOWN"]},"excludes":{"minKernel":"9.0"},
                 "args":[{"index":1,"value":4,"valueTwo":4,"op":"SCMP_CMP_MASKED_EQ"}]},
                {"name":"chmod","action":"SCMP_ACT_KILL","includes":{"minKernel":"7.0"}},
                {"name":"open","action":"SCMP_ACT_ALLOW"}]}"#,
        );
        assert_eq!(read.otherwise, SeccompAction::Allow);
        assert_eq!(read.rules.len(), 1, "{read:?}");
        let rule = &read.rules[0];
        assert_eq!(rule.action, SeccompAction::Errno(38));
        assert_eq!((rule.names.len(), rule.with_capabilities), (2, 1));
        let masked = SeccompComparison::MaskedEqual { mask: 4 };
        assert_eq!(
            (rule.arguments[0].comparison, rule.arguments[0].value),
            (masked, 4)
        );
    }

    #[test]
    fn an_operator_of_its_own_is_not_guessed() {
        for bad in [
            "{}",
            "[]",
            "",
            r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
            r#"{"defaultAction":"ALLOW"}"#,
            r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["x86"]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_KILL"}]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","args":[{"index":1,"value":0,"op":"="}]}]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","includes":{"caps":["CAP_X"]}}]}"#,
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","action":"SCMP_ACT_KILL","includes":{"minKernel":"new"}}]}"#,
        ] {
            assert!(parse(bad, "6.1").is_err(), "{bad}");
        }
        let absurd = format!(r#"{{"defaultAction":"{}"}}"#, "a".repeat(MOST_BYTES));
        assert!(matches!(
            parse(&absurd, "6.1"),
            Err(InvalidProfile::TooLarge(_))
        ));
    }
}
