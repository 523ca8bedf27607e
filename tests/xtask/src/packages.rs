//! Debian packages: installed when missing, or unpacked beside the system.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

const DOWNLOAD: Duration = Duration::from_secs(600);

/// A file that shows a package is there, and the package.
pub(crate) struct Need {
    pub(crate) file: &'static str,
    pub(crate) package: &'static str,
}

/// Installs the packages whose file is not there.
pub(crate) fn install(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs
        .iter()
        .filter(|need| !present(need.file))
        .map(|need| need.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !process::installed("apt-get") {
        bail!(
            "missing here: {list} (names of Debian's packages; install them by this system's means)"
        );
    }
    if !nix::unistd::Uid::effective().is_root() {
        bail!("missing here: {list}; run `sudo apt-get install {list}`");
    }
    eprintln!("installing {list}");
    refresh_lists()?;
    let mut apt = apt_get();
    apt.args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing);
    process::quiet(&mut apt, DOWNLOAD)
}

/// A program in `PATH` or the system folders, or an absolute file.
fn present(file: &str) -> bool {
    match file.starts_with('/') {
        true => Path::new(file).exists(),
        false => process::installed(file) || Path::new("/usr/sbin").join(file).exists(),
    }
}

/// Fetches the archive's lists of packages. Without root the lists that are
/// there have to do.
pub(crate) fn refresh_lists() -> Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    process::quiet(apt_get().args(["update", "-qq"]), DOWNLOAD).context("apt-get update")
}

/// Downloads `names` and unpacks them into `prefix`; nothing is installed.
pub(crate) fn unpack(names: &[&str], prefix: &Path) -> Result<()> {
    let archives = prefix.join(".archives");
    std::fs::create_dir_all(&archives).with_context(|| format!("create {}", archives.display()))?;
    let mut download = apt_get();
    download
        .args(["download", "-qq"])
        .args(names)
        .current_dir(&archives);
    process::quiet(&mut download, DOWNLOAD)?;
    for archive in std::fs::read_dir(&archives)?.flatten() {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg("-x").arg(archive.path()).arg(prefix);
        process::quiet(&mut dpkg, Duration::from_secs(300))?;
    }
    std::fs::remove_dir_all(&archives).with_context(|| format!("remove {}", archives.display()))
}

/// The dependency of `package` whose name starts with `prefix`.
pub(crate) fn dependency(package: &str, prefix: &str) -> Result<String> {
    let mut query = Command::new("apt-cache");
    let text = process::stdout_of(query.args(["depends", package]), Duration::from_secs(60))?;
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .with_context(|| format!("{package} depends on no {prefix}*"))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
