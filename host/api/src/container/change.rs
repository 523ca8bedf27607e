use serde::{Deserialize, Serialize};

/// One entry of `GET /containers/{id}/changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Change {
    pub path: String,
    pub kind: ChangeKind,
}

/// What happened to a path; a number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ChangeKind {
    /// 0
    Modified,
    /// 1
    Added,
    /// 2
    Deleted,
}

/// The number is none of the three.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown kind of change: {0}")]
pub struct UnknownChange(u8);

impl From<ChangeKind> for u8 {
    fn from(kind: ChangeKind) -> u8 {
        kind as u8
    }
}

impl TryFrom<u8> for ChangeKind {
    type Error = UnknownChange;

    fn try_from(number: u8) -> Result<Self, UnknownChange> {
        match number {
            0 => Ok(Self::Modified),
            1 => Ok(Self::Added),
            2 => Ok(Self::Deleted),
            other => Err(UnknownChange(other)),
        }
    }
}
