//! The runner: executes components in a process that can do nothing else.
//!
//! ```text
//! main ─ start ─┬─ confine::enter      own namespaces, root, limits
//!               ├─ load                authenticated native code, from sealed memfds
//!               ├─ confine::drop       uid, capabilities
//!               ├─ connection × n      one thread per call socket, not yet serving
//!               ├─ confine::seal       system call filter for all threads
//!               └─ wait                until the broker closes the control socket
//! ```
//!
//! Invariants: this crate and `bulkhead-compiler` are the only users of
//! wasmtime; the runner is built without a compiler; no guest code runs before
//! the filter is loaded; an instance serves one call. New components mean a
//! new runner: after sealing no page can become executable.

pub mod call;
pub mod confine;
pub mod engine;
pub mod filter;
pub mod load;
pub mod serve;
pub mod start;
pub mod ticker;
pub mod v0_1;
