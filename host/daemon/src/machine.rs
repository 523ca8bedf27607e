//! What `/info` and `/version` say of this machine, read from the kernel.

use std::path::Path;

use nix::sys::utsname::{UtsName, uname};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Which controllers limit containers.
pub struct Cgroups {
    /// Pure v2.
    pub v2: bool,
    controllers: Vec<String>,
}

impl Cgroups {
    /// Looks at the hierarchies.
    pub fn here() -> Self {
        let unified = std::fs::read_to_string(Path::new(CGROUPS).join("cgroup.controllers"));
        match unified {
            Ok(list) => Self {
                v2: true,
                controllers: list.split_whitespace().map(str::to_owned).collect(),
            },
            Err(_) => Self {
                v2: false,
                controllers: enabled_v1(&read("/proc/cgroups")),
            },
        }
    }

    /// Whether a controller is there.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|known| known == controller)
    }

    /// Whether a v1 controller has a file; v2 always has what it needs.
    pub fn has_file(&self, controller: &str, file: &str) -> bool {
        let path = Path::new(CGROUPS).join(controller).join(file);
        self.has(controller) && (self.v2 || path.exists())
    }

    /// Whether the cgroups right below a controller's root, ours among them,
    /// have a file: the root lacks most.
    pub fn has_below(&self, controller: &str, file: &str) -> bool {
        let root = match self.v2 {
            true => Path::new(CGROUPS).to_owned(),
            false => Path::new(CGROUPS).join(controller),
        };
        let below = std::fs::read_dir(root).into_iter().flatten().flatten();
        below
            .into_iter()
            .any(|entry| entry.path().join(file).exists())
    }
}

/// The enabled ones of cgroups(7), `/proc/cgroups`.
fn enabled_v1(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            match fields[..] {
                [name, _, _, "1"] => Some(name.to_owned()),
                _ => None,
            }
        })
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn kernel(field: impl Fn(&UtsName) -> &std::ffi::OsStr) -> String {
    let names = uname().ok();
    names.map_or_else(String::new, |names| {
        field(&names).to_string_lossy().into_owned()
    })
}

/// `6.18.44`
pub fn kernel_version() -> String {
    kernel(UtsName::release)
}

/// `x86_64`
pub fn architecture() -> String {
    kernel(UtsName::machine)
}

/// Go's name of this architecture: `amd64`.
pub fn go_arch() -> String {
    bulkhead_model::Platform::host().architecture
}

/// The host's name.
pub fn hostname() -> String {
    kernel(UtsName::nodename)
}

/// Whether a sysctl is on.
pub fn sysctl(path: &str) -> bool {
    read(&format!("/proc/sys/{path}")).trim() == "1"
}

/// Bytes of memory.
pub fn memory_total() -> i64 {
    let meminfo = read("/proc/meminfo");
    let kib = meminfo.lines().find_map(|line| {
        let value = line.strip_prefix("MemTotal:")?.trim();
        value.strip_suffix(" kB")?.parse::<i64>().ok()
    });
    kib.unwrap_or(0) * 1024
}

/// One value of os-release(5).
pub fn os_release(key: &str) -> Option<String> {
    let text = read("/etc/os-release");
    let mut lines = text.lines();
    let value = lines.find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

/// Descriptors this process has open.
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_that_are_off_are_left_out() {
        let text =
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t1\t2\t1\nmemory\t0\t1\t0\n";
        assert_eq!(enabled_v1(text), ["cpuset"]);
    }

    #[test]
    fn this_machine_has_a_kernel_and_memory() {
        assert!(!kernel_version().is_empty() && memory_total() > 0);
        assert!(open_descriptors() > 2);
    }
}
