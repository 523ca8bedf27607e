//! The privileged side of plugins: what a plugin may do, whether it keeps to
//! it, and the calls to the runner. There is no wasm in this process.
//!
//! ```text
//! PluginHost ─ install: manifest, imports ─▶ compiler ─▶ cache (signed native code)
//!     │
//!     └─ driver ─ call ─▶ broker ─ pool ─▶ runner (confined process)
//!           │                ◀── orders ──┘
//!           └─ txn: judges each order, collects the plan
//! ```
//!
//! Invariants: a plan leaves this crate only when the export returned ok, and
//! holds nothing the manifest does not grant; all such judgements are made in
//! [`txn`], which needs neither root nor wasm to be tested; the runner's words
//! are never trusted, only judged.

pub mod broker;
pub mod cache;
pub mod compile;
pub mod driver;
pub mod error;
pub mod grant;
pub mod host;
pub mod imports;
pub mod install;
pub mod manifest;
pub mod runner;
pub mod txn;

pub use error::HostError;
pub use host::{Options, PluginHost, PluginInfo};
pub use manifest::Manifest;

/// An error with its causes, in one line.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Some errors repeat their source.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
