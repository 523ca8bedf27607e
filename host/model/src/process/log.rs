//! Where and how output is kept.

/// A container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogConfig {
    /// Docker's json-file in the container's state folder.
    JsonFile {
        /// When its files change.
        rotation: Rotation,
        /// What every line says beside its text: labels, variables, a tag.
        attributes: Vec<(String, String)>,
    },
    /// Small binary files (`log_record`) in the same place.
    Local {
        /// When they change.
        rotation: Rotation,
    },
    /// Keep nothing.
    None,
}

/// When a log goes on in a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// When a file reaches this size, bytes; `u64::MAX` for never.
    pub max_size: u64,
    /// This many files are kept, the current one included.
    pub max_files: u32,
    /// All but the current one are compressed.
    pub compress: bool,
}

impl LogConfig {
    /// The name of the current file in the container's state folder; older
    /// ones have `.1`, `.2` and so on behind it, and `.gz` when compressed.
    pub fn file_name(&self, id: &str) -> Option<String> {
        match self {
            LogConfig::JsonFile { .. } => Some(format!("{id}-json.log")),
            LogConfig::Local { .. } => Some("local.log".to_owned()),
            LogConfig::None => None,
        }
    }
}

/// The subfield of a compressed file's gzip header (RFC 1952, 2.3.1.1) that
/// names the inode of the file it was: readers that hold that file find
/// their place among the others by it. A little-endian u64.
pub const INODE_FIELD: [u8; 2] = *b"BI";
