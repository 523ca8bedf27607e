//! The options of `mount(8)` and `fstab(5)`, as users give them for volumes.

use std::net::{IpAddr, ToSocketAddrs};

use bulkhead_sys::mount::Attributes;

use crate::error::RuntimeError;

/// Options, sorted by what they are options of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// Of the mount.
    pub(crate) attributes: Attributes,
    /// Of the filesystem: a flag, or a key with its value.
    pub(crate) settings: Vec<(String, Option<String>)>,
    /// `rbind`
    pub(crate) recursive: bool,
}

/// Words that ask for what holds anyway, or that only `mount(8)` knows.
const NOTHING: [&str; 12] = [
    "defaults", "rw", "suid", "dev", "exec", "bind", "private", "rprivate", "async", "atime",
    "auto", "_netdev",
];

impl MountOptions {
    /// Sorts the words between the commas.
    ///
    /// # Errors
    /// A word that changes another mount than the one that is made.
    pub(crate) fn parse(words: &[String]) -> Result<Self, RuntimeError> {
        let mut parsed = Self {
            attributes: Attributes::NONE,
            settings: Vec::new(),
            recursive: false,
        };
        for word in words {
            parsed.word(word)?;
        }
        Ok(parsed)
    }

    fn word(&mut self, word: &str) -> Result<(), RuntimeError> {
        let attribute = match word {
            word if NOTHING.contains(&word) => return Ok(()),
            "rbind" => {
                self.recursive = true;
                return Ok(());
            }
            "remount" | "move" | "shared" | "rshared" | "slave" | "rslave" | "unbindable"
            | "runbindable" | "loop" => {
                return Err(RuntimeError::VolumeOption(format!(
                    "option {word:?} is not supported"
                )));
            }
            "ro" => {
                // Of the filesystem too: a device may be mounted elsewhere.
                self.settings.push(("ro".to_owned(), None));
                Attributes::READ_ONLY
            }
            "nosuid" => Attributes::NO_SUID,
            "nodev" => Attributes::NO_DEV,
            "noexec" => Attributes::NO_EXEC,
            "noatime" => Attributes::NO_ATIME,
            "strictatime" => Attributes::STRICT_ATIME,
            "relatime" => Attributes::NONE,
            "nodiratime" => Attributes::NO_DIR_ATIME,
            setting => {
                let (key, value) = match setting.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_owned())),
                    None => (setting, None),
                };
                self.settings.push((key.to_owned(), value));
                return Ok(());
            }
        };
        self.attributes = self.attributes.and(attribute);
        Ok(())
    }

    /// The settings as one text, as `mount(2)` takes them.
    pub(crate) fn data(&self) -> String {
        let text = |(key, value): &(String, Option<String>)| match value {
            Some(value) => format!("{key}={value}"),
            None => key.clone(),
        };
        let all: Vec<String> = self.settings.iter().map(text).collect();
        all.join(",")
    }

    /// Settings as the kernel wants them: NFS and CIFS are told addresses,
    /// where users write names.
    pub(crate) fn for_filesystem(mut self, fstype: &str) -> Result<Self, RuntimeError> {
        if !matches!(fstype, "nfs" | "nfs4" | "cifs" | "smb3") {
            return Ok(self);
        }
        for (key, value) in &mut self.settings {
            if key == "addr"
                && let Some(host) = value
                && host.parse::<IpAddr>().is_err()
            {
                *host = address(host)?;
            }
        }
        Ok(self)
    }
}

fn address(host: &str) -> Result<String, RuntimeError> {
    let found = (host, 0).to_socket_addrs().ok();
    let first = found.and_then(|mut all| all.next());
    first.map(|a| a.ip().to_string()).ok_or_else(|| {
        RuntimeError::VolumeOption(format!(
            "error resolving passed in network volume address: lookup {host}: no such host"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MountOptions, RuntimeError> {
        let words: Vec<String> = text.split(',').map(str::to_owned).collect();
        MountOptions::parse(&words)
    }

    #[test]
    fn options_go_to_the_mount_or_to_the_filesystem() {
        let parsed = parse("ro,nosuid,size=1m,rbind,defaults,noswap").unwrap();
        assert_eq!(
            parsed.attributes,
            Attributes::READ_ONLY.and(Attributes::NO_SUID)
        );
        let setting = |k: &str, v: Option<&str>| (k.to_owned(), v.map(str::to_owned));
        assert_eq!(
            parsed.settings,
            [
                setting("ro", None),
                setting("size", Some("1m")),
                setting("noswap", None)
            ]
        );
        assert!(parsed.recursive);
    }

    #[test]
    fn what_would_change_another_mount_is_refused() {
        for word in ["remount", "shared", "move", "loop"] {
            let error = parse(word).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn servers_are_found_by_name() {
        let addr = |o: MountOptions| o.settings[0].1.clone().unwrap();
        let options = parse("addr=localhost").unwrap();
        let found = addr(options.clone().for_filesystem("nfs4").unwrap());
        assert!(found.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
        assert_eq!(addr(options.for_filesystem("tmpfs").unwrap()), "localhost");
        let bad = parse("addr=nowhere.invalid").unwrap();
        assert!(bad.for_filesystem("nfs").is_err());
    }
}
