//! A user with subordinate ids, for one daemon: this machine's own files stay
//! as they are.

use std::path::Path;
use std::process::Command;

/// Has the user subordinate ids, and nobody else.
pub(crate) const USER: &str = "remapped";

/// The first of 65536 host ids that stand for a remapped container's.
pub const FIRST_SUBORDINATE_ID: u32 = 400_000;

/// A command that executes another, whose program and arguments follow, in
/// place: in a mount namespace where `/etc` has the user's ids (`subuid(5)`).
pub(crate) fn with_user(folder: &Path) -> Command {
    let etc = folder.join("etc");
    std::fs::create_dir_all(&etc).expect("create a folder for /etc");
    for name in ["subuid", "subgid"] {
        let line = format!("{USER}:{FIRST_SUBORDINATE_ID}:65536\n");
        std::fs::write(etc.join(name), line).expect("write the ranges");
    }
    let script = r#"mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@""#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
    command.arg(etc);
    command
}
