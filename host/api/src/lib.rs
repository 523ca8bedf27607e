//! The Docker Engine API as data: bodies, queries, versions and stream
//! framing, shared by the daemon and the command line client.
//!
//! Invariants: nothing here does I/O, and nothing of ours is imported. Keys
//! are spelled as in Docker's API description (`docker/api/docs`, v1.50);
//! `tests/spelling.rs` compares every key with the description's own types.
//!
//! | Module | What it holds |
//! |---|---|
//! | [`version`] | negotiation, the `/v1.41/` path prefix |
//! | [`route`] | paths, as the client builds them and the server matches them |
//! | [`query`] | the query string of each call |
//! | [`filters`] | the `filters` parameter in both of its encodings |
//! | [`json`] | decoding that treats `null` as absent and names a bad field |
//! | [`status`] | `Up 2 hours` and the like |
//! | [`stream`] | the framing of attach and logs without a terminal |
//! | [`time`] | moments as users write them: `10m`, `2026-11-22`, seconds |
//! | [`container`] | create, list, inspect, wait, top, changes, update |
//! | [`exec`] | processes in a running container |
//! | [`stats`] | what a container uses |
//! | [`archive`] | the header that describes a path in a container |
//! | [`image`] | list, inspect, history, delete, search |
//! | [`network`] | networks, endpoints and ports |
//! | [`volume`] | volumes |
//! | [`progress`] | the JSON lines of a pull |
//! | [`auth`] | registry credentials in a header, and the login |
//! | [`event`] | the JSON lines of events |
//! | [`usage`] | what is stored, and what a prune removed |
//! | [`system`] | ping, version, info |
//! | [`error`] | the error body |

pub mod archive;
pub mod auth;
pub mod check;
pub mod container;
pub mod error;
pub mod event;
pub mod exec;
pub mod filters;
pub mod firewall;
pub mod image;
pub mod json;
pub mod network;
pub mod progress;
pub mod query;
pub mod route;
pub mod stats;
pub mod status;
pub mod stream;
pub mod system;
pub mod time;
pub mod trace;
pub mod usage;
pub mod version;
pub mod volume;

pub use error::ErrorBody;
pub use filters::Filters;
pub use version::ApiVersion;
