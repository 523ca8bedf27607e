//! The start of a runner: which components it holds, and when it is sealed.
//!
//! The control socket is the runner's standard input. The one datagram
//! [`Start`] brings all descriptors by SCM_RIGHTS: first the call sockets,
//! then one sealed memfd per component. Afterwards nothing is sent on it; its
//! end is the broker's end, and the runner's.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::channel::{ChannelError, decode};

/// Raised with every change of a message; both sides must have the same.
pub const PROTOCOL_VERSION: u32 = 1;

/// The user and group id of runner and compiler unless `--uid` says otherwise:
/// in the range that distributions leave to dynamic users, and nobody's on disk.
pub const DEFAULT_UID: u32 = 64988;

/// The largest control message, bytes.
pub const MAX_CONTROL: usize = 64 << 10;

/// Descriptors that one message can bring (`SCM_MAX_FD`, `unix(7)`).
pub const MAX_DESCRIPTORS: usize = 253;

/// A world of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum World {
    /// `storage`
    Storage,
    /// `network`
    Network,
    /// `registry`
    Registry,
    /// `volume`
    Volume,
}

impl World {
    /// The world's name in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            World::Storage => "storage",
            World::Network => "network",
            World::Registry => "registry",
            World::Volume => "volume",
        }
    }
}

/// A component to load, from the descriptor of its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Which imports to link and which export to call.
    pub world: World,
    /// Bytes of native code in the memfd.
    pub len: u64,
}

/// The broker's first and only message on the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// [`PROTOCOL_VERSION`]
    pub version: u32,
    /// Call sockets, each served by a thread.
    pub connections: u32,
    /// Most bytes of memory any call may ask for.
    pub max_memory: u64,
    /// In the order of their descriptors; calls name them by index.
    pub components: Vec<Component>,
}

/// The runner's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Started {
    /// Loaded and sealed; calls are served.
    Ready {
        /// [`PROTOCOL_VERSION`]
        version: u32,
        /// Components that could not be loaded: index and reason.
        refused: Vec<(u32, String)>,
    },
    /// The runner gives up.
    Failed {
        /// [`PROTOCOL_VERSION`]
        version: u32,
        /// Why.
        reason: String,
    },
}

/// A control message's bytes.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, ChannelError> {
    let bytes = postcard::to_extend(message, Vec::new()).map_err(|_| ChannelError::Malformed)?;
    if bytes.len() > MAX_CONTROL {
        return Err(ChannelError::TooLarge);
    }
    Ok(bytes)
}

/// Reads a control message.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ChannelError> {
    decode(bytes)
}
