//! The image behind `bulkhead run hello`: one static program that prints what
//! a container looks like from inside. It is an OCI image layout in memory,
//! so that a fresh machine without a registry has something to run, and it
//! takes the way of every image: a registry plugin resolves it, a storage
//! plugin lays it out.
//!
//! The engine tells this image alone, by environment, which plugins made its
//! surroundings: [`ROOTFS_PLUGIN`] and [`NETWORK_PLUGIN`], each
//! `name version digest`.

mod files {
    include!(concat!(env!("OUT_DIR"), "/layout.rs"));
}

/// The reference under which the image is known.
pub const REFERENCE: &str = "docker.io/library/hello:latest";

/// The variable that names the storage plugin.
pub const ROOTFS_PLUGIN: &str = "BULKHEAD_ROOTFS_PLUGIN";

/// The variable that names the network plugin.
pub const NETWORK_PLUGIN: &str = "BULKHEAD_NETWORK_PLUGIN";

/// The layout's files: relative path and bytes. `oci-layout`, `index.json`
/// and blobs beneath `blobs/sha256`.
pub fn layout() -> &'static [(&'static str, &'static [u8])] {
    files::FILES
}

#[cfg(test)]
mod tests;

#[cfg(test)]
#[allow(dead_code)]
#[path = "../program/main.rs"]
mod program;
