//! A volume driver's calls.

use serde::{Deserialize, Serialize};

/// What the driver may read without asking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The volume's name.
    pub name: String,
    /// The user's options, by name.
    pub options: Vec<(String, String)>,
    /// What the host can do.
    pub facts: Vec<String>,
}

/// An order to the volume transaction; the answer is unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// `mount(fstype, source, options)`
    Mount(String, String, Vec<String>),
    /// `bind(source, options)`
    Bind(String, Vec<String>),
    /// `limit(bytes)`
    Limit(u64),
}
