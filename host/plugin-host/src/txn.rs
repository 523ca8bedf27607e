//! Transactions: every order of a plugin is judged here and nowhere else.

pub mod fault;
pub mod network;
pub mod storage;
pub mod volume;

pub use fault::{Refusal, Stopped};
pub use network::NetworkTxn;
pub use storage::{Scope, StorageTxn};
pub use volume::VolumeTxn;

/// Effects that one call may order.
pub const MAX_STEPS: usize = 1000;
