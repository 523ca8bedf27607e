//! Where a container's cgroups hang.

use std::fmt;
use std::str::FromStr;

/// The longest path, bytes; the kernel's limit for one name is 255.
const MAX_PATH: usize = 1024;
const MAX_NAME: usize = 255;

/// A path below each hierarchy's root: names that are joined by `/`, none of
/// them `.` or `..`, and none at all for the root itself.
///
/// A systemd slice says by its dashes where it is (`systemd.slice(5)`):
/// `a-b.slice` is `a.slice/a-b.slice`, and `-.slice` the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupParent(String);

/// A text that names no cgroup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid cgroup parent {0:?}: expected a path without '..' or a systemd slice")]
pub struct InvalidCgroupParent(String);

impl CgroupParent {
    /// The path without a slash at its ends; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CgroupParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CgroupParent {
    type Err = InvalidCgroupParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidCgroupParent(text.chars().take(64).collect());
        let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
        if text.is_empty() || text.len() > MAX_PATH || !names.iter().all(|name| is_name(name)) {
            return Err(invalid());
        }
        let path = match names.as_slice() {
            [name] if name.ends_with(".slice") => expand_slice(name).ok_or_else(invalid)?,
            names => names.join("/"),
        };
        match path.len() > MAX_PATH {
            true => Err(invalid()),
            false => Ok(Self(path)),
        }
    }
}

/// Version 1 refuses a line feed; a note of ours is lines, too.
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME && name != "." && name != ".." && !name.chars().any(char::is_control)
}

fn expand_slice(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".slice")?;
    if stem == "-" {
        return Some(String::new());
    }
    let parts: Vec<&str> = stem.split('-').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    let slice = |count| format!("{}.slice", parts[..count].join("-"));
    Some((1..=parts.len()).map(slice).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        text.parse().ok().map(|parent: CgroupParent| parent.0)
    }

    #[test]
    fn paths_hang_below_the_root_and_slices_below_one_another() {
        for (text, path) in [
            ("a", "a"),
            ("/a//b/", "a/b"),
            ("/", ""),
            ("a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice"),
            ("/user.slice", "user.slice"),
            ("-.slice", ""),
            ("x/a-b.slice", "x/a-b.slice"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(path), "{text}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_parent() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(600);
        let slices = format!("{}a.slice", "a-".repeat(100));
        for text in [
            "",
            ".",
            "..",
            "../../..",
            "/a/../b",
            "a/./b",
            "a\nb",
            "a\0b",
            "-a.slice",
            "a-.slice",
            "a--b.slice",
            ".slice",
            &long,
            &deep,
            &slices,
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
