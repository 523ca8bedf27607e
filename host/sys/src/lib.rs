//! System calls: descriptors in, `OwnedFd` out, under the kernel's own names.
//!
//! Invariants: this is the only crate of the host's that holds `unsafe`
//! (beside one deserialisation in the sandbox); no structure keeps a raw
//! descriptor; every descriptor made here is close-on-exec; an error names the
//! call and its arguments and carries the errno. Where the crate `nix` has a
//! safe wrapper, it is used; `unsafe` is for what it lacks.

#![allow(unsafe_code)]

pub mod block_device;
pub mod btrfs;
pub mod clone;
pub mod command_line;
pub mod copy;
pub mod device_bpf;
pub mod device_mapper;
pub mod directory;
pub mod error;
pub mod extents;
pub mod filesystem;
pub mod inotify;
pub mod loop_device;
pub mod memfd;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod nft;
pub mod path;
pub mod pidfd;
pub mod poll;
pub mod process;
pub mod project_quota;
pub mod random;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod tree;
pub mod xattr;

pub use error::{Error, Result};
