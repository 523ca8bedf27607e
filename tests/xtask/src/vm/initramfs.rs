//! The machine's first file system: busybox, the modules it needs, its init,
//! and in an archive of its own behind that the command. The kernel unpacks
//! archives one after the other (Documentation/driver-api/early-userspace).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::kernel::Kernel;
use crate::{cache, process};

const MODULES: [&str; 41] = [
    "virtio_pci",
    "virtio_blk",
    "9p",
    "9pnet_virtio",
    "overlay",
    "ext4",
    "xfs",
    "quota_v2",
    "btrfs",
    "fuse",
    "loop",
    "squashfs",
    "erofs",
    "dm_mod",
    "dm_thin_pool",
    "dm_snapshot",
    "dm_flakey",
    "dm_log_writes",
    "veth",
    "bridge",
    "br_netfilter",
    "vxlan",
    "ipvlan",
    "macvlan",
    "tun",
    "dummy",
    "nf_tables",
    "nft_chain_nat",
    "nft_masq",
    "nft_nat",
    "nft_ct",
    "nft_fib_inet",
    "nft_compat",
    "nf_nat",
    "nf_conntrack",
    "xt_MASQUERADE",
    "xt_addrtype",
    "xt_conntrack",
    "xt_comment",
    "iptable_nat",
    "iptable_filter",
];

const INIT: &[u8] = include_bytes!("init");

/// What `init` calls before the host's userland is there.
const APPLETS: [&str; 12] = [
    "sh",
    "mount",
    "mkdir",
    "modprobe",
    "cp",
    "cat",
    "grep",
    "ip",
    "echo",
    "switch_root",
    "ln",
    "sleep",
];

const LIMIT: Duration = Duration::from_secs(120);

/// Writes `folder/initrd`.
pub(super) fn write(kernel: &Kernel, command: &str, folder: &Path) -> Result<()> {
    let mut archive = fs::read(base(kernel)?).context("read the initramfs")?;
    let tree = folder.join("tree");
    fs::create_dir_all(&tree)?;
    fs::write(tree.join("command"), format!("{command}\n"))?;
    archive.extend(packed(&tree)?);
    fs::write(folder.join("initrd"), archive).context("write the initramfs")
}

/// The part that is the same for every command, made once per kernel and init.
fn base(kernel: &Kernel) -> Result<PathBuf> {
    let file = cache::dir()?.join(format!("initramfs-{}", kernel.release));
    let used = cache::dir()?.join(format!("initramfs-{}.init", kernel.release));
    let parts = [INIT, MODULES.join(" ").as_bytes()].concat();
    if file.exists() && fs::read(&used).is_ok_and(|old| old == parts) {
        return Ok(file);
    }
    let tree = cache::dir()?.join(format!("initramfs-tree-{}", std::process::id()));
    let made = fill(&tree, kernel).and_then(|()| packed(&tree));
    fs::remove_dir_all(&tree).with_context(|| format!("remove {}", tree.display()))?;
    fs::write(&file, made?).with_context(|| format!("write {}", file.display()))?;
    fs::write(&used, parts).with_context(|| format!("write {}", used.display()))?;
    Ok(file)
}

fn fill(tree: &Path, kernel: &Kernel) -> Result<()> {
    for dir in ["bin", "dev", "proc", "sys"] {
        fs::create_dir_all(tree.join(dir))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox")).context("copy busybox")?;
    for applet in APPLETS {
        symlink("busybox", tree.join("bin").join(applet))?;
    }
    fs::write(tree.join("init"), INIT)?;
    let script = fs::Permissions::from_mode(0o755);
    fs::set_permissions(tree.join("init"), script)?;
    copy_modules(tree, kernel)
}

fn copy_modules(tree: &Path, kernel: &Kernel) -> Result<()> {
    for file in module_files(kernel)? {
        let inside = tree.join(file.strip_prefix(&kernel.prefix)?);
        fs::create_dir_all(inside.parent().context("a module without a folder")?)?;
        fs::copy(&file, &inside).with_context(|| format!("copy {}", file.display()))?;
    }
    let modules = Path::new("lib/modules").join(&kernel.release);
    for list in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        let from = kernel.prefix.join(&modules).join(list);
        fs::copy(&from, tree.join(&modules).join(list))
            .with_context(|| format!("copy {}", from.display()))?;
    }
    let mut depmod = Command::new("/usr/sbin/depmod");
    process::quiet(depmod.arg("-b").arg(tree).arg(&kernel.release), LIMIT)
}

/// The modules with what they need. A module that this kernel does not have,
/// or has built in, has no file.
fn module_files(kernel: &Kernel) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for module in MODULES {
        let mut modprobe = Command::new("/usr/sbin/modprobe");
        modprobe.arg("-d").arg(&kernel.prefix).args([
            "-S",
            &kernel.release,
            "--show-depends",
            module,
        ]);
        let listed = process::output(&mut modprobe, LIMIT)?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        // Behind the file stand parameters from this machine's modprobe.d.
        let lines = listed
            .lines()
            .filter_map(|line| line.strip_prefix("insmod "));
        files.extend(
            lines
                .filter_map(|line| line.split(' ').next())
                .map(PathBuf::from),
        );
    }
    Ok(files)
}

/// `tree` as a cpio archive of the one format that the kernel reads.
fn packed(tree: &Path) -> Result<Vec<u8>> {
    let mut cpio = Command::new("sh");
    cpio.args(["-c", "find . | cpio --create --format=newc --quiet"])
        .current_dir(tree);
    Ok(process::output(&mut cpio, LIMIT)?.stdout)
}
