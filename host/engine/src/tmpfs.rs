//! `--tmpfs` and tmpfs mounts: Docker's list of options, each of which is
//! either known or refused. None reaches the kernel as it was written but
//! numbers.

use bulkhead_model::process::{TmpfsMount, TmpfsSetting};

use crate::spec::TmpfsSpec;

/// An option nobody knows, in Docker's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid tmpfs option [{0:?}]")]
pub struct InvalidOption(pub String);

/// Options without a value that change nothing here: defaults, and times,
/// which tmpfs keeps as it likes.
const WITHOUT_EFFECT: [&str; 18] = [
    "defaults",
    "rw",
    "async",
    "sync",
    "dirsync",
    "nomand",
    "mand",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "private",
    "rprivate",
    "",
];

/// Reads options. Without any, nothing can be executed, set-user-id bits
/// and device files do not count.
pub fn parse(spec: &TmpfsSpec) -> Result<TmpfsMount, InvalidOption> {
    let mut mount = TmpfsMount {
        target: spec.target.clone().into(),
        ..TmpfsMount::default()
    };
    for option in &spec.options {
        let invalid = || InvalidOption(option.clone());
        match option.split_once('=') {
            Some((key, value)) => set(&mut mount, key, value).ok_or_else(invalid)?,
            None => flag(&mut mount, option).ok_or_else(invalid)?,
        }
    }
    Ok(mount)
}

fn flag(mount: &mut TmpfsMount, option: &str) -> Option<()> {
    match option {
        "ro" => mount.read_only = true,
        "rw" => mount.read_only = false,
        "exec" => mount.exec = true,
        "noexec" => mount.exec = false,
        "suid" => mount.suid = true,
        "nosuid" => mount.suid = false,
        "dev" => mount.dev = true,
        "nodev" => mount.dev = false,
        other if WITHOUT_EFFECT.contains(&other) => {}
        _ => return None,
    }
    Some(())
}

fn set(mount: &mut TmpfsMount, key: &str, value: &str) -> Option<()> {
    let setting = match key {
        "size" => TmpfsSetting::Size,
        "nr_blocks" => TmpfsSetting::Blocks,
        "nr_inodes" => TmpfsSetting::Inodes,
        "mode" => TmpfsSetting::Mode,
        "uid" => return value.parse().ok().map(|id| mount.uid = Some(id)),
        "gid" => return value.parse().ok().map(|id| mount.gid = Some(id)),
        _ => return None,
    };
    let fits = match setting {
        TmpfsSetting::Mode => u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777),
        TmpfsSetting::Size => is_number(value, &['k', 'm', 'g', 'K', 'M', 'G', '%']),
        _ => is_number(value, &['k', 'm', 'g', 'K', 'M', 'G']),
    };
    fits.then(|| {
        mount.settings.retain(|(other, _)| *other != setting);
        mount.settings.push((setting, value.to_owned()));
    })
}

fn is_number(text: &str, suffixes: &[char]) -> bool {
    let digits = text.strip_suffix(suffixes).unwrap_or(text);
    digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &str) -> Result<TmpfsMount, InvalidOption> {
        parse(&TmpfsSpec {
            target: "/t".into(),
            options: options.split(',').map(str::to_owned).collect(),
        })
    }

    #[test]
    fn dockers_options_are_read_and_the_last_one_counts() {
        let mount = read("rw,size=64m,mode=1770,uid=5,exec,size=1g").unwrap();
        assert_eq!(
            mount.settings,
            [
                (TmpfsSetting::Mode, "1770".to_owned()),
                (TmpfsSetting::Size, "1g".to_owned())
            ]
        );
        assert_eq!((mount.uid, mount.exec, mount.suid), (Some(5), true, false));
        assert!(!read("").unwrap().exec);
    }

    #[test]
    fn nothing_else_reaches_the_kernel() {
        for bad in [
            "size=1\nexec",
            "size=",
            "size=-1",
            "mode=9",
            "mode=77777",
            "uid=-1",
            "uid=x",
            "huge=always",
            "bind",
            "remount",
            "shared",
            "nr_inodes=5%",
            "source=x",
            "exec=1",
            "size=1;exec",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            read("nope").unwrap_err().to_string(),
            "invalid tmpfs option [\"nope\"]"
        );
    }
}
