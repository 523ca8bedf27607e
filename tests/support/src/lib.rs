//! What every test of the whole engine needs: a daemon of its own, a registry
//! to pull from, images, clients bounded in time, and a terminal to type at.
//!
//! ```no_run
//! use bulkhead_test_support::{Daemon, Registry, images};
//!
//! let daemon = Daemon::start();
//! let registry = Registry::start();
//! let busybox = registry.push("busybox:latest", &images::busybox());
//! let output = daemon.bulkhead(&["run", "--rm", &busybox, "echo", "hi"]);
//! assert_eq!((output.status, output.stdout.as_str()), (Some(0), "hi\n"));
//! // Dropping the daemon removes its containers, stops it, and fails the test
//! // when a mount or process of it stays behind.
//! ```
//!
//! Set-up that fails panics with its cause: a test can do nothing with it.

mod binaries;
mod client;
mod daemon;
mod disk;
mod dockerd;
mod free;
mod http;
mod image;
pub mod images;
mod leftovers;
mod postgres;
mod privilege;
mod pty;
mod python;
mod registry;
pub mod scripted;
mod secured;
mod subordinate;
mod tree;

pub use binaries::{binary, cache_dir, release_dir};
pub use client::{Output, run, run_with_input, wait_until};
pub use daemon::{Daemon, DaemonBuilder};
pub use disk::{Disk, Filesystem};
pub use dockerd::Dockerd;
pub use free::{own_network, own_resolv_conf};
pub use http::{Response, call, call_with};
pub use image::{Compression, Image, ManifestFormat, digest};
pub use postgres::postgres_tar;
pub use privilege::{privileged, skip};
pub use pty::Terminal;
pub use python::python;
pub use registry::Registry;
pub use scripted::ScriptedRegistry;
pub use secured::SecuredRegistry;
pub use subordinate::FIRST_SUBORDINATE_ID;
pub use tree::Tree;
