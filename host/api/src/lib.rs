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
//! | [`container`] | create, list, inspect, wait |
//! | [`image`] | list, inspect, delete |
//! | [`network`] | endpoints and ports |
//! | [`progress`] | the JSON lines of a pull |
//! | [`auth`] | registry credentials in a header |
//! | [`system`] | ping, version, info |
//! | [`error`] | the error body |

pub mod auth;
pub mod container;
pub mod error;
pub mod filters;
pub mod image;
pub mod json;
pub mod network;
pub mod progress;
pub mod query;
pub mod route;
pub mod status;
pub mod stream;
pub mod system;
pub mod version;

pub use error::ErrorBody;
pub use filters::Filters;
pub use version::ApiVersion;
