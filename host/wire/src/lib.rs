//! Messages between the broker (privileged, no wasm) and the runner
//! (confined, runs components), and the channel they travel on.
//!
//! ```text
//! control socket   broker ── Start ─────────▶ runner    components to load
//!                  broker ◀─ Ready | Failed ─ runner    sealed, or why not
//!
//! call socket      broker ── Call ──────────▶ runner
//!                  broker ◀─ Log ──────────── runner    any number, unanswered
//!                  broker ◀─ Host(order) ──── runner ┐
//!                  broker ── Reply ─────────▶ runner ┘  any number
//!                  broker ◀─ Done(outcome) ── runner
//! ```
//!
//! Descriptors are sent once, with `Start`: see [`control`].
//! Neither side trusts what it reads: a message has a bounded size, decoding
//! never panics, and the broker judges each order anew.

pub mod call;
pub mod channel;
pub mod control;
pub mod network;
pub mod registry;
pub mod storage;
pub mod volume;

pub use call::{
    BrokerMessage, Call, HostCall, HostReply, Limits, Operation, Outcome, PluginFault,
    RunnerMessage, Value,
};
pub use channel::{Channel, ChannelError};
pub use control::World;
