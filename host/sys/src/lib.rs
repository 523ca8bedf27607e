//! System calls: descriptors in, `OwnedFd` out, under the kernel's own names.
//!
//! Invariants: this is the only crate of the host's that holds `unsafe`
//! (beside one deserialisation in the sandbox); no structure keeps a raw
//! descriptor; every descriptor made here is close-on-exec; an error names the
//! call and its arguments and carries the errno. Where the crate `nix` has a
//! safe wrapper, it is used; `unsafe` is for what it lacks.

#![allow(unsafe_code)]

pub mod error;
pub mod memfd;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod socket;

pub use error::{Error, Result};
