//! What a call may name, and whose it is.

use std::collections::BTreeSet;

use bulkhead_model::SnapshotKey;
use bulkhead_model::storage::{DirName, DirPath, Purpose};

use super::Judged;
use crate::txn::fault::Refusal;

/// What the call is for; it decides what may be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing may be ordered.
    Probe,
    /// A new snapshot and its mount.
    Prepare(Purpose),
    /// The mount alone.
    Mounts(Purpose),
    /// The own snapshot gets this name.
    Commit(SnapshotKey),
    /// The own snapshot goes.
    Remove,
    /// Nothing may be ordered.
    Usage,
    /// Everything but these may go.
    Gc(BTreeSet<String>),
    /// Nothing may be ordered.
    Status,
}

impl Scope {
    pub(super) fn changes(&self) -> bool {
        !matches!(
            self,
            Self::Probe | Self::Usage | Self::Status | Self::Mounts(_)
        )
    }

    pub(super) fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Prepare(purpose) | Self::Mounts(purpose) => Some(*purpose),
            _ => None,
        }
    }
}

/// Whose directory it is, as far as this call is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Own,
    Parent,
    CommitName,
    Garbage,
    Live,
}

/// A handle that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) owner: Owner,
    pub(super) path: DirPath,
}

impl Place {
    pub(super) fn depth(&self) -> usize {
        self.path.0.len()
    }

    /// Whether one is the other or lies in it.
    pub(super) fn overlaps(&self, other: &Place) -> bool {
        let shorter = self.depth().min(other.depth());
        self.path.0[..shorter] == other.path.0[..shorter]
    }
}

pub(super) fn component(name: &str) -> Judged<DirName> {
    DirName::new(name).ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        Refusal::Invalid(format!("{shown:?} is not a name of one component"))
    })
}
