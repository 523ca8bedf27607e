//! What a daemon's links, tables and cgroups are called, so that several
//! daemons share a machine without touching each other.

use std::path::Path;

use bulkhead_model::network::IfName;
use bulkhead_store::manifest::digest_of;

const DEFAULT_EXEC_ROOT: &str = "/run/bulkhead";

/// The names of one daemon's things in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The default network's bridge.
    pub bridge: IfName,
    /// The packet filter's table.
    pub nft_table: String,
    /// The cgroup above all containers, in every hierarchy.
    pub cgroup_parent: String,
}

impl Names {
    /// The daemon with the default exec root has the plain names; every other
    /// one's carry a digest of its exec root.
    pub fn of(exec_root: &Path) -> Self {
        if exec_root == Path::new(DEFAULT_EXEC_ROOT) {
            return Self::made("bulkhead0", "bulkhead".to_owned());
        }
        let digest = digest_of(exec_root.as_os_str().as_encoded_bytes());
        let mark = &digest.hex()[..8];
        Self::made(&format!("bh-{mark}"), format!("bulkhead-{mark}"))
    }

    fn made(bridge: &str, name: String) -> Self {
        let bridge = IfName::new(bridge).expect("at most eleven plain characters");
        Self {
            bridge,
            nft_table: name.clone(),
            cgroup_parent: name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_with_other_exec_roots_have_other_names() {
        let default = Names::of(Path::new("/run/bulkhead"));
        let (a, b) = (
            Names::of(Path::new("/run/a")),
            Names::of(Path::new("/run/b")),
        );
        assert_eq!(default.bridge.as_str(), "bulkhead0");
        assert!(a != b && a != default && a == Names::of(Path::new("/run/a")));
    }
}
