//! Carries out plans: storage, cgroups, network hand-off, and the first
//! process of a container.
//!
//! Invariants: no unsafe; a plan's names never become paths of the host, but
//! are opened beneath the driver's root; every applied step has its undo;
//! nothing is mounted in the host's mount table; a container's program is
//! never our executable file but a sealed copy of it.

pub mod cgroup;
pub mod error;
pub mod exit_record;
mod handoff;
pub mod init;
pub mod layout;
mod mount_options;
pub mod network;
pub mod order;
pub mod passwd;
pub mod runtime;
pub mod seccomp;
pub mod shim_protocol;
mod storage;
pub mod sysctl;
mod undo;
mod user_namespace;

pub use error::RuntimeError;
pub use init::mask::default_protected_paths;
pub use runtime::{Config, Runtime};
pub use storage::Storage;
