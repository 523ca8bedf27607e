//! Which sysctls a container may set: those its own namespaces hold
//! (`ipc_namespaces(7)`, `network_namespaces(7)`).

/// A sysctl was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSysctl {
    /// Characters that have no place in a key, or none at all.
    #[error("invalid sysctl {0:?}: expected letters, digits, '_', '-', '.' and '/'")]
    Malformed(String),
    /// It belongs to the host.
    #[error("sysctl {0:?} is not in a separate kernel namespace")]
    NotNamespaced(String),
    /// It belongs to a namespace that the container shares with the host.
    #[error("sysctl {0:?} is not allowed in the host's namespace")]
    Shared(String),
}

/// Kept by the IPC namespace.
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// Which namespaces are the container's own.
#[derive(Clone, Copy, Debug)]
pub struct Private {
    /// IPC.
    pub ipc: bool,
    /// Network.
    pub network: bool,
}

/// Checks a dotted key and value and gives the path below /proc/sys. As
/// sysctl(8) has it, the first separator decides: `net/ipv4/conf/eth0.1/x`
/// names an interface with a dot.
///
/// # Errors
/// Malformed, or not the container's own.
pub fn normalise(
    key: &str,
    value: &str,
    private: Private,
) -> Result<(String, String), InvalidSysctl> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let malformed = || InvalidSysctl::Malformed(key.chars().take(100).collect());
    if !key.chars().all(plain) || value.contains(['\n', '\0']) {
        return Err(malformed());
    }
    let dotted = key
        .find(['.', '/'])
        .is_none_or(|at| key.as_bytes()[at] == b'.');
    let path: String = if dotted {
        key.chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect()
    } else {
        key.to_owned()
    };
    if path
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(malformed());
    }
    let own = if IPC.contains(&path.as_str()) || path.starts_with("fs/mqueue/") {
        private.ipc
    } else if path.starts_with("net/") {
        private.network
    } else {
        return Err(InvalidSysctl::NotNamespaced(key.to_owned()));
    };
    if own {
        Ok((path, value.to_owned()))
    } else {
        Err(InvalidSysctl::Shared(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Private = Private {
        ipc: true,
        network: true,
    };

    #[test]
    fn namespaced_keys_become_paths() {
        let path = |key| normalise(key, "1", OWN).map(|(path, _)| path);
        assert_eq!(path("net.ipv4.ip_forward").unwrap(), "net/ipv4/ip_forward");
        assert_eq!(
            path("net.ipv4.conf.eth0/1.x").unwrap(),
            "net/ipv4/conf/eth0.1/x"
        );
        assert_eq!(
            path("net/ipv4/conf/eth0.1/x").unwrap(),
            "net/ipv4/conf/eth0.1/x"
        );
        assert_eq!(path("kernel.shmmax").unwrap(), "kernel/shmmax");
        assert_eq!(path("fs.mqueue.msg_max").unwrap(), "fs/mqueue/msg_max");
    }

    #[test]
    fn the_hosts_keys_and_injections_are_refused() {
        for key in [
            "kernel.core_pattern",
            "vm.swappiness",
            "kernel.shm_rmid_forced+kernel.core_pattern=x",
            "a\nb",
            "",
            "net",
            "net..x",
            "net.ipv4.//.//kernel",
            "net/../kernel/core_pattern",
        ] {
            assert!(normalise(key, "1", OWN).is_err(), "{key:?}");
        }
        assert!(normalise("kernel.sem", "1\n2", OWN).is_err());
        let shared = Private {
            ipc: false,
            network: false,
        };
        assert!(matches!(
            normalise("net.core.somaxconn", "1", shared),
            Err(InvalidSysctl::Shared(_))
        ));
        assert!(matches!(
            normalise("kernel.sem", "1", shared),
            Err(InvalidSysctl::Shared(_))
        ));
    }
}
