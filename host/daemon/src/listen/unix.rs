//! Unix sockets.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use tokio::net::UnixListener;

/// The group that may use sockets when none was named.
const USUAL_GROUP: &str = "bulkhead";

/// Binds one socket, mode 0660, for root and the group. What is left of a
/// dead daemon is replaced; a living one's is not.
pub(super) fn bind(path: &Path, group: Option<&str>) -> anyhow::Result<UnixListener> {
    let group = group_id(group)?;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("creating {}", parent.display()))?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => {
            bail!("{} exists and is not a socket", path.display())
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            bail!(
                "{} is in use: another daemon listens there; stop it or choose another -H",
                path.display()
            )
        }
        Ok(_) => std::fs::remove_file(path)
            .with_context(|| format!("removing the stale {}", path.display()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("binding {}", path.display()))?;
    // The group first: until then, only root may.
    std::os::unix::fs::chown(path, None, group)
        .with_context(|| format!("giving {} to its group", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("chmod {}", path.display()))?;
    Ok(listener)
}

/// A group by name or number: the one named must exist, the usual one may.
fn group_id(name: Option<&str>) -> anyhow::Result<Option<u32>> {
    let find = |name: &str| nix::unistd::Group::from_name(name).ok().flatten();
    match name {
        None => Ok(find(USUAL_GROUP).map(|group| group.gid.as_raw())),
        Some(name) => match find(name)
            .map(|group| group.gid.as_raw())
            .or(name.parse().ok())
        {
            Some(gid) => Ok(Some(gid)),
            None => bail!(
                "no group {name:?} on this machine: make it with groupadd, or choose another --group"
            ),
        },
    }
}
