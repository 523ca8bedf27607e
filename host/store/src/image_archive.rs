//! Images in one file, as `save` writes and `load` reads them.
//!
//! Two formats, often both in one archive (Docker writes both since 25):
//!
//! - *docker-archive* (Docker's "Image Specification v1.2"): `manifest.json`
//!   names for each image its configuration, its layers and its tags. Before
//!   Docker 1.10 there was only `repositories`, and a folder per layer with
//!   `VERSION`, `json` and `layer.tar`.
//! - *OCI layout* (OCI image-spec `image-layout.md`): `oci-layout`,
//!   `index.json` and `blobs/sha256/<hex>`.
//!
//! ```text
//! reader ─▶ [thread: decompress] ─▶ [caller: headers ─▶ sha256, staging/<n>.spool per member] ─▶ Members
//! Members ─▶ images(): what each image consists of ─▶ Spooled::publish ─▶ the engine lays out and records
//! ```
//!
//! An archive that an image is pulled from stays where it is ([`InPlace`]): it
//! is read once for names, offsets and digests, then what is wanted of it.
//!
//! A name in an archive is a name in [`Members`] and nothing else: no file of
//! this machine is opened by it. Links lead from member to member. When two
//! members have one name the later counts, as for tar.

mod docker;
mod error;
mod in_place;
mod layout;
mod legacy;
mod members;
mod receive;
mod write;

use bulkhead_model::{Platform, Reference};

use crate::Spooled;
use crate::manifest::MAX_DOCUMENT;

pub use error::ArchiveError;
pub use in_place::InPlace;
pub use members::Members;
pub use receive::{receive, uncompressed};
pub use write::{Exported, write};

/// One image of an archive. That its parts are there is known, not that they
/// fit together.
#[derive(Debug)]
pub struct Found<'m, 'a> {
    /// The configuration.
    pub config: &'m Spooled<'a>,
    /// The layers, lowest first.
    pub layers: Vec<&'m Spooled<'a>>,
    /// The manifest with its media type, when the archive has one.
    pub manifest: Option<(String, &'m Spooled<'a>)>,
    /// What it is called.
    pub names: Vec<Reference>,
}

/// The images of an archive, in its order. Of an image for several platforms
/// the one for `platform` counts, or the one for this machine.
///
/// An archive in both formats is read as an OCI layout, which has the
/// manifests: their digests do not change on the way.
pub fn images<'m, 'a>(
    members: &'m Members<Spooled<'a>>,
    platform: Option<&Platform>,
) -> Result<Vec<Found<'m, 'a>>, ArchiveError> {
    if members.has("oci-layout") && members.has("index.json") {
        return layout::images(members, platform);
    }
    if members.has("manifest.json") {
        return docker::images(members);
    }
    Err(ArchiveError::NoImage)
}

/// A member that is read whole; at most [`MAX_DOCUMENT`] bytes.
pub fn document(name: &'static str, member: &Spooled<'_>) -> Result<Vec<u8>, ArchiveError> {
    use std::io::Read;
    let size = member.size();
    if size > MAX_DOCUMENT as u64 {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let document = name;
        return Err(crate::manifest::ManifestError::TooLarge { document, size }.into());
    }
    let mut bytes = Vec::with_capacity(size as usize);
    let read = member.open()?.read_to_end(&mut bytes);
    read.map_err(|e| crate::StoreError::io("read", name, e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
