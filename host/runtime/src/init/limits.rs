//! Sysctls, the OOM score and resource limits of the child itself.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use bulkhead_sys::directory::{PROC_MAGIC, filesystem_magic};
use bulkhead_sys::path::{OFlag, open_beneath, open_host_dir};
use bulkhead_sys::process::{Resource, rlimit, set_rlimit};

use super::{InitError, warn};
use crate::order::RlimitOrder;

const EPERM: i32 = 1;

/// Writes namespaced sysctls through the container's own procfs. The keys
/// were checked by the daemon's side ([`crate::sysctl`]).
pub(super) fn write_sysctls(proc: &OwnedFd, sysctls: &[(String, String)]) -> Result<(), InitError> {
    for (key, value) in sysctls {
        let failed = |source| InitError::Sysctl {
            key: key.clone(),
            source,
        };
        write_proc(proc, &format!("sys/{key}"), value).map_err(failed)?;
    }
    Ok(())
}

/// Lowering the score needs CAP_SYS_RESOURCE, which some machines withhold.
pub(super) fn adjust_oom_score(
    proc: &OwnedFd,
    score: i32,
    report: &OwnedFd,
) -> Result<(), InitError> {
    if score == 0 {
        return Ok(());
    }
    // Not `self`, which is a symlink; without a pid namespace of its own the
    // process has another number than 1.
    let path = format!("{}/oom_score_adj", std::process::id());
    if let Err(error) = write_proc(proc, &path, &score.to_string()) {
        warn(
            report,
            format!("The OOM score adjustment {score} could not be set: {error}."),
        );
    }
    Ok(())
}

/// As [`adjust_oom_score`], by way of the host's procfs: for a process that has
/// not joined its container yet.
pub(super) fn adjust_oom_score_outside(score: i32, report: &OwnedFd) -> Result<(), InitError> {
    let proc = open_host_dir("/proc")?;
    adjust_oom_score(&proc, score, report)
}

/// The AppArmor profile of the program to be executed
/// (`Documentation/admin-guide/LSM/apparmor.rst`, `aa_change_onexec(2)`).
pub(super) fn change_profile_at_exec(proc: &OwnedFd, profile: &str) -> Result<(), InitError> {
    change_profile(proc, profile, "exec", "exec")
}

/// The same for a process that executes nothing: at once
/// (`aa_change_profile(2)`).
pub(super) fn change_profile_now(proc: &OwnedFd, profile: &str) -> Result<(), InitError> {
    change_profile(proc, profile, "current", "changeprofile")
}

fn change_profile(proc: &OwnedFd, profile: &str, file: &str, how: &str) -> Result<(), InitError> {
    let value = format!("{how} {profile}");
    let attributes = format!("{}/attr", std::process::id());
    // The folder of AppArmor's own is there when several modules are stacked.
    let written = write_proc(proc, &format!("{attributes}/apparmor/{file}"), &value)
        .or_else(|_| write_proc(proc, &format!("{attributes}/{file}"), &value));
    written.map_err(|source| InitError::AppArmor {
        profile: profile.to_owned(),
        source,
    })
}

fn write_proc(proc: &OwnedFd, path: &str, value: &str) -> std::io::Result<()> {
    let file = open_beneath(proc, path, OFlag::O_WRONLY | OFlag::O_NOFOLLOW, 0)?;
    if filesystem_magic(&file)? != PROC_MAGIC {
        return Err(std::io::Error::other("not a file of procfs"));
    }
    File::from(file).write_all(value.as_bytes())
}

/// Limits above what we may set are clamped to the hard limit.
pub(super) fn apply_rlimits(limits: &[RlimitOrder], report: &OwnedFd) -> Result<(), InitError> {
    for limit in limits {
        let resource = Resource::named(&limit.name)
            .ok_or_else(|| InitError::UnknownRlimit(limit.name.clone()))?;
        match set_rlimit(resource, limit.soft, limit.hard) {
            Err(e) if e.errno() == EPERM => {
                let (_, most) = rlimit(resource)?;
                set_rlimit(resource, limit.soft.min(most), limit.hard.min(most))?;
                warn(
                    report,
                    format!(
                        "The limit {} was cut to {most}, this machine's maximum.",
                        limit.name
                    ),
                );
            }
            other => other?,
        }
    }
    Ok(())
}
