//! Ports and subnets that no other test on this machine holds.

use std::fs::File;
use std::net::TcpListener;

/// Moves the calling thread, and what it starts from now on, into a network
/// namespace of its own with nothing but a loopback link.
#[track_caller]
pub fn own_network() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("unshare the network");
    let up = std::process::Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.is_ok_and(|status| status.success()), "bring lo up");
}

/// Gives the calling thread, and what it starts from now on, a resolv.conf of
/// its own: the file at `path`, as it is at any time.
#[track_caller]
pub fn own_resolv_conf(path: &std::path::Path) {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("unshare the mounts");
    for arguments in [
        &["--make-rprivate".as_ref(), "/".as_ref()][..],
        &[
            "--bind".as_ref(),
            path.as_os_str(),
            "/etc/resolv.conf".as_ref(),
        ],
    ] {
        let mounted = std::process::Command::new("mount").args(arguments).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mount it");
    }
}

/// A TCP port of the loopback address that was free a moment ago.
pub(crate) fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind a free port");
    listener.local_addr().expect("address of a listener").port()
}

/// A /24 for a daemon's bridge, held by a lock as long as this lives: tests
/// run in processes of their own.
pub(crate) struct Subnet {
    number: u8,
    _lock: File,
}

impl Subnet {
    pub(crate) fn take() -> Self {
        let folder = std::env::temp_dir().join("bulkhead-subnets");
        std::fs::create_dir_all(&folder).expect("create the folder of subnet locks");
        for number in 0..=255 {
            let file = File::create(folder.join(number.to_string())).expect("create a subnet lock");
            if file.try_lock().is_ok() {
                return Subnet {
                    number,
                    _lock: file,
                };
            }
        }
        panic!("256 daemons at once");
    }

    /// The bridge's own address, as `--bip` takes it.
    pub(crate) fn bridge_address(&self) -> String {
        format!("10.213.{}.1/24", self.number)
    }
}
