//! The devices of the host that a plan names.

use std::io::ErrorKind::NotFound;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bulkhead_model::process::{ContainerPlan, DeviceAccess, DeviceKind};
use bulkhead_sys::device_bpf::DeviceRule;
use bulkhead_sys::directory::{entries, file_type, split_device, stat_fd};
use bulkhead_sys::path::{OFlag, open_beneath, open_host};

use crate::cgroup::Access;
use crate::error::RuntimeError;
use crate::order::DeviceFile;

const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFDIR: u32 = 0o040_000;

/// A folder deeper than this is nobody's.
const MOST_LEVELS: usize = 5;

/// The files to make, and which devices can be used.
pub(super) fn resolve(plan: &ContainerPlan) -> Result<(Vec<DeviceFile>, Access), RuntimeError> {
    let (mut files, mut rules) = (Vec::new(), Vec::new());
    for mapping in &plan.devices {
        let failed = |why: String| RuntimeError::Device {
            path: mapping.source.clone(),
            why,
        };
        let found =
            open_host(&mapping.source, OFlag::O_PATH, 0).map_err(|e| match e.io_kind() {
                NotFound => failed("no such file or directory".to_owned()),
                _ => failed(e.source.to_string()),
            })?;
        let before = files.len();
        add(found, &mapping.target, 0, &mut files).map_err(|e| failed(e.source.to_string()))?;
        if files.len() == before {
            return Err(failed("not a device node".to_owned()));
        }
        rules.extend(files[before..].iter().map(|f| rule_of(f, mapping.access)));
    }
    rules.extend(plan.device_rules.iter().map(|rule| DeviceRule {
        character: rule.kind.map(|kind| kind == DeviceKind::Character),
        major: rule.major,
        minor: rule.minor,
        mknod: rule.access.mknod,
        read: rule.access.read,
        write: rule.access.write,
    }));
    match plan.privileged {
        true => Ok((files, Access::Everything)),
        false => Ok((files, Access::Beside(rules))),
    }
}

/// A device, or all devices in a folder; no symlink in it is followed.
fn add(
    found: OwnedFd,
    target: &Path,
    level: usize,
    out: &mut Vec<DeviceFile>,
) -> bulkhead_sys::Result<()> {
    let stat = stat_fd(&found)?;
    match file_type(&stat) {
        S_IFCHR | S_IFBLK => out.push(DeviceFile {
            path: target.as_os_str().as_bytes().to_vec(),
            mode: stat.st_mode,
            device: stat.st_rdev,
            owner: (stat.st_uid, stat.st_gid),
        }),
        S_IFDIR if level < MOST_LEVELS => {
            let dir = open_beneath(&found, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
            for name in entries(&dir)? {
                let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
                // It may go while we look.
                if let Ok(child) = open_beneath(&dir, &name, flags, 0) {
                    add(child, &target.join(&name), level + 1, out)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn rule_of(file: &DeviceFile, access: DeviceAccess) -> DeviceRule {
    let (major, minor) = split_device(file.device);
    DeviceRule {
        character: Some(file.mode & 0o170_000 == S_IFCHR),
        major: u32::try_from(major).ok(),
        minor: u32::try_from(minor).ok(),
        mknod: access.mknod,
        read: access.read,
        write: access.write,
    }
}
