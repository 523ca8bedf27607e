//! `--security-opt`.

use bulkhead_model::process::SeccompProfile;

use crate::error::EngineError;
use crate::seccomp;

/// What the options say together; of several of a kind the last counts.
#[derive(Debug, Default)]
pub struct SecurityOptions {
    /// PR_SET_NO_NEW_PRIVS
    pub no_new_privileges: bool,
    /// The system call filter.
    pub seccomp: SeccompProfile,
    /// The AppArmor profile; absent: none is asked for.
    pub apparmor: Option<String>,
}

/// Reads options, each `name=value`, or `name:value` as it was written once.
pub fn parse(options: &[String]) -> Result<SecurityOptions, EngineError> {
    let mut parsed = SecurityOptions::default();
    for option in options {
        let refused = || EngineError::SecurityOption(option.chars().take(200).collect());
        let (key, value) = match option.split_once(['=', ':']) {
            Some(pair) => pair,
            None if option == "no-new-privileges" => (option.as_str(), "true"),
            None if option == "disable" => ("label", "disable"),
            None => return Err(refused()),
        };
        match (key, value) {
            ("no-new-privileges", "true") => parsed.no_new_privileges = true,
            ("no-new-privileges", "false") => parsed.no_new_privileges = false,
            ("seccomp", "unconfined") => parsed.seccomp = SeccompProfile::Unconfined,
            ("seccomp", "builtin" | "default") => parsed.seccomp = SeccompProfile::Default,
            ("seccomp", json) => parsed.seccomp = seccomp::parse(json, &kernel())?,
            ("apparmor", "unconfined" | "") => parsed.apparmor = None,
            ("apparmor", profile) if is_profile(profile) => {
                parsed.apparmor = Some(profile.to_owned());
            }
            ("label", "disable") => {}
            ("label", _) => return Err(EngineError::SelinuxLabel(value.to_owned())),
            _ => return Err(refused()),
        }
    }
    Ok(parsed)
}

/// A profile's name goes into a line of the kernel's.
fn is_profile(name: &str) -> bool {
    name.len() <= 255 && !name.bytes().any(|b| b.is_ascii_control() || b == b' ')
}

/// `uname(2)`'s release.
fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(option: &str) -> Result<SecurityOptions, EngineError> {
        parse(&[option.to_owned()])
    }

    #[test]
    fn both_spellings_are_read() {
        assert!(one("no-new-privileges:true").unwrap().no_new_privileges);
        assert!(one("no-new-privileges").unwrap().no_new_privileges);
        assert_eq!(
            one("seccomp:unconfined").unwrap().seccomp,
            SeccompProfile::Unconfined
        );
        let profile = r#"seccomp={"defaultAction":"SCMP_ACT_ALLOW"}"#;
        assert!(matches!(
            one(profile).unwrap().seccomp,
            SeccompProfile::Custom(_)
        ));
        assert_eq!(one("apparmor=mine").unwrap().apparmor.unwrap(), "mine");
        assert!(one("label=disable").is_ok());
    }

    #[test]
    fn an_unknown_option_is_refused_by_name() {
        for bad in [
            "seccomp=/x.json",
            "what",
            "no-new-privileges=maybe",
            "apparmor=a b",
            "apparmor=a\nb",
            "label=user:x",
            "systempaths=unconfined",
            "",
        ] {
            assert!(one(bad).is_err(), "{bad}");
        }
        let told = one("what=ever").unwrap_err().to_string();
        assert!(told.contains("what=ever"), "{told}");
    }
}
