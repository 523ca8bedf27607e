//! Why an image archive was refused.

use bulkhead_model::Digest;
use bulkhead_model::error::{ErrorKind, Kind};

use crate::error::StoreError;
use crate::manifest::ManifestError;
use crate::unpack::UnpackError;

/// An error of reading or writing an image archive. Names are the archive's.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The stream breaks off, does not decompress or is no tar.
    #[error("read the image archive")]
    Read(#[from] UnpackError),
    /// What came could not be kept, or what is kept not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document of the archive makes no sense.
    #[error(transparent)]
    Document(#[from] ManifestError),
    /// It cannot be read in place.
    #[error("the image archive is compressed with {0}: decompress it, or load it")]
    Compressed(&'static str),
    /// Neither format.
    #[error(
        "unrecognized image format: the archive has neither manifest.json nor oci-layout with index.json nor repositories"
    )]
    NoImage,
    /// A document names what is not there.
    #[error("{0:?} is not in the image archive")]
    Missing(String),
    /// A name or a link points elsewhere.
    #[error("{0:?} leads out of the image archive")]
    Outside(String),
    /// Links that lead to links, in a circle perhaps.
    #[error("{0:?} leads through too many links of the image archive")]
    Links(String),
    /// A member that cannot be part of an image.
    #[error("image archive: member {name:?} {reason}")]
    Member {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A member is not what its name or a descriptor says.
    #[error("image archive: {name} has digest {actual}, not {expected}")]
    Digest {
        /// The member's name.
        name: String,
        /// What it should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A member has another size than its descriptor says.
    #[error("image archive: {name} has {actual} bytes, not {expected}")]
    Size {
        /// The member's name.
        name: String,
        /// What it should have.
        expected: u64,
        /// What it has.
        actual: u64,
    },
    /// A tag that is none. Docker's words.
    #[error("invalid tag {0:?}")]
    Tag(String),
    /// More than is reasonable.
    #[error("image archive exceeds the limit of {limit} {what}")]
    Limit {
        /// `members`, `images`, …
        what: &'static str,
        /// How many.
        limit: usize,
    },
    /// An index without the wanted machine.
    #[error("no image for platform {0} in the archive")]
    Platform(String),
    /// An image is for another machine than the one asked for. Docker's words.
    #[error(
        "image with reference {image} was found but its platform ({actual}) does not match the specified platform ({wanted})"
    )]
    OtherPlatform {
        /// What the user called it.
        image: String,
        /// What it is for.
        actual: String,
        /// What was asked for.
        wanted: String,
    },
    /// Layers of the old format that lead to each other.
    #[error("image archive: the parents of layer {0} lead in a circle")]
    Parents(String),
    /// Whoever wanted the archive went away.
    #[error("write the image archive")]
    Write(#[source] std::io::Error),
}

impl Kind for ArchiveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Document(error) => error.kind(),
            Self::Limit { .. } => ErrorKind::ResourceExhausted,
            Self::Platform(_) | Self::OtherPlatform { .. } => ErrorKind::NotFound,
            Self::Write(_) => ErrorKind::Unavailable,
            Self::Compressed(_)
            | Self::NoImage
            | Self::Missing(_)
            | Self::Outside(_)
            | Self::Links(_)
            | Self::Member { .. }
            | Self::Digest { .. }
            | Self::Size { .. }
            | Self::Tag(_)
            | Self::Parents(_) => ErrorKind::InvalidArgument,
        }
    }
}
