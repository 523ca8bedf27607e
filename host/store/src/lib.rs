//! What bulkhead keeps on disk: blobs, unpacked layers and the records about
//! images, containers, volumes, networks and plugins.
//!
//! ```text
//! <data root>            0711
//!   lock                 flock'd by the daemon that owns the root; holds its pid
//!   state.db             SQLite in WAL mode, 0600
//!   blobs/sha256/<hex>   content, named by its digest
//!   staging/             downloads and extractions under way; emptied of the unresumable at open
//!   storage/<driver>/    one directory per storage driver
//!   containers/<id>/     one directory per container
//!   volumes/<name>/_data the local volumes
//! ```
//!
//! Invariants: the database is the truth. A blob or a layer without a row is
//! not there, whatever the directories show, and rows about files are written
//! only after `syncfs(2)` has brought those files to the disk
//! ([`Store::put_image`]). SQL and the JSON of records are known to this crate
//! alone. Every call blocks; asynchronous callers use blocking threads.

mod blobs;
pub mod changes;
pub mod compress;
mod compressed_layers;
mod containers;
mod data_root;
mod database;
mod error;
pub mod image_archive;
mod images;
mod layers;
mod leases;
pub mod manifest;
mod networks;
pub mod pack;
mod plugin_state;
pub mod root;
mod store;
pub mod stream;
pub mod unpack;
pub mod upper;
mod volumes;
mod walk;

pub use blobs::{BlobWriter, Blobs, Collected, Held, Ingest, Soundness, SpoolWriter, Spooled};
pub use compressed_layers::CompressedLayer;
pub use containers::ContainerRow;
pub use database::Durability;
pub use error::StoreError;
pub use images::{ImageRecord, NewImage, Orphan, Untagged};
pub use layers::LaidOut;
pub use leases::Lease;
pub use networks::NetworkRow;
pub use store::Store;
pub use volumes::{RESTORE, VolumeRow};
