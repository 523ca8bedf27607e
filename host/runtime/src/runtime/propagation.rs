//! Whether a mount can be propagated as asked (`mount_namespaces(7)`,
//! "Shared subtrees").

use std::os::fd::{AsRawFd, OwnedFd};

use bulkhead_model::process::{BindMount, Propagation as Wanted};

use crate::error::RuntimeError;
use crate::order::Propagation;

/// What the mount of `source` allows. A copy of a private mount is private,
/// whatever was asked for: Docker refuses such a request, and so do we.
pub(super) fn check(bind: &BindMount, source: &OwnedFd) -> Result<Propagation, RuntimeError> {
    let (wanted, kinds): (_, &[&str]) = match bind.propagation {
        Wanted::Private => return Ok(Propagation::Private),
        Wanted::Slave => (Propagation::Slave, &["shared:", "master:"]),
        Wanted::Shared => (Propagation::Shared, &["shared:"]),
    };
    let failed = |source| RuntimeError::State {
        path: "/proc/thread-self/mountinfo".into(),
        source,
    };
    let id = mount_id(source).map_err(failed)?;
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").map_err(failed)?;
    let Some((place, tags)) = find(&table, id) else {
        return Err(RuntimeError::Propagation {
            path: bind.source.clone(),
            mount: "/".to_owned(),
            kind: "known",
        });
    };
    if tags
        .iter()
        .any(|tag| kinds.iter().any(|k| tag.starts_with(k)))
    {
        return Ok(wanted);
    }
    Err(RuntimeError::Propagation {
        path: bind.source.clone(),
        mount: place.to_owned(),
        kind: match wanted {
            Propagation::Shared => "shared",
            _ => "shared or slave",
        },
    })
}

/// `proc_pid_fdinfo(5)`
fn mount_id(file: &OwnedFd) -> std::io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", file.as_raw_fd()))?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    id.and_then(|id| id.trim().parse().ok())
        .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// Mount point and optional fields of a mount (`proc_pid_mountinfo(5)`).
fn find(table: &str, id: u64) -> Option<(&str, Vec<&str>)> {
    let fields = |line: &str| line.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    let line = table.lines().find(|line| fields(line) == Some(id))?;
    let front = line.split_once(" - ")?.0;
    let mut words = front.split(' ').skip(4);
    let place = words.next()?;
    Some((place, words.skip(1).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_optional_fields_of_the_right_mount_are_read() {
        let table = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/a rw\n\
            30 22 0:5 / /mnt rw master:3 propagate_from:1 - tmpfs none rw\n\
            31 22 0:6 / /private rw - tmpfs none rw\n";
        assert_eq!(find(table, 22), Some(("/", vec!["shared:1"])));
        assert_eq!(
            find(table, 30),
            Some(("/mnt", vec!["master:3", "propagate_from:1"]))
        );
        assert_eq!(find(table, 31), Some(("/private", vec![])));
        assert_eq!(find(table, 3), None);
    }
}
