//! What `GET|HEAD /containers/{id}/archive` says of the path, in a header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The header's name.
pub const HEADER: &str = "X-Docker-Container-Path-Stat";
/// The content type of archives.
pub const TAR: &str = "application/x-tar";

/// A file in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStat {
    /// The last part of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Go's `fs.FileMode`; see [`go_mode`].
    pub mode: u32,
    /// RFC 3339.
    pub mtime: String,
    /// Where a symbolic link points to, resolved in the container; or empty.
    #[serde(rename = "linkTarget")]
    pub link_target: String,
}

/// The header is not base64 of a JSON object.
#[derive(Debug, thiserror::Error)]
#[error("invalid {HEADER} header")]
pub struct InvalidPathStat;

impl PathStat {
    /// The header's value.
    pub fn to_header(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).expect("strings and numbers always serialize"))
    }

    /// Reads a header's value.
    pub fn from_header(value: &str) -> Result<Self, InvalidPathStat> {
        let bytes = STANDARD.decode(value).map_err(|_| InvalidPathStat)?;
        crate::json::decode(&bytes).map_err(|_| InvalidPathStat)
    }

    /// Whether the path is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & GO_DIR != 0
    }

    /// Whether the path is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.mode & GO_SYMLINK != 0
    }
}

const GO_DIR: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;

/// Go's `fs.FileMode` of a `st_mode` (inode(7)): permissions in the low nine
/// bits, the rest of the kernel's bits as Go's own from the top (`io/fs`).
pub fn go_mode(st_mode: u32) -> u32 {
    let kind = match st_mode & 0o170_000 {
        0o040_000 => GO_DIR,
        0o120_000 => GO_SYMLINK,
        0o060_000 => 1 << 26,
        0o010_000 => 1 << 25,
        0o140_000 => 1 << 24,
        0o020_000 => 1 << 26 | 1 << 21,
        _ => 0,
    };
    let bit = |kernel: u32, go: u32| if st_mode & kernel == 0 { 0 } else { 1 << go };
    kind | bit(0o4000, 23) | bit(0o2000, 22) | bit(0o1000, 20) | st_mode & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        assert_eq!(go_mode(0o100_644), 0o644);
        assert_eq!(go_mode(0o041_777), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(go_mode(0o104_755), 1 << 23 | 0o755);
        assert_eq!(go_mode(0o020_666), 1 << 26 | 1 << 21 | 0o666);
    }

    #[test]
    fn the_header_is_what_docker_sends() {
        // Of `HEAD /containers/x/archive?path=/etc` of Docker 20.10.
        let header = "eyJuYW1lIjoiZXRjIiwic2l6ZSI6NDA5NiwibW9kZSI6MjE0NzQ4NDE0MSwibXRpbWUiOiIyMDI2LTExLTIyVDAzOjAwOjAwWiIsImxpbmtUYXJnZXQiOiIifQ==";
        let stat = PathStat::from_header(header).unwrap();
        assert_eq!((stat.name.as_str(), stat.is_dir()), ("etc", true));
        assert_eq!(stat.to_header(), header);
        assert!(PathStat::from_header("%").is_err());
    }
}
