//! Bringing bytes from registries and to them: the session a registry plugin
//! works with, the download and the upload of blobs.
//!
//! ```text
//! plugin ──request(url)──▶ Session ──▶ grant ─▶ scheme ─▶ address ─▶ credentials ─▶ HTTP
//!                             ▲                                                      │
//!                             └────────────── the same for every redirect hop ◀──────┘
//! ```
//!
//! Invariants: no URL is fetched whose host the grant does not cover, at any
//! hop. Credentials go to the registry the user named (and to the token server
//! that registry names over HTTPS), never to the plugin, never across a
//! redirect to another host. A registry on a public address cannot send us to
//! a private one. Bodies are bounded and time out when they stall. Bytes of
//! blobs are verified by the store as they come.
//!
//! Calls block; they drive a tokio runtime through its handle and must come
//! from a thread that is none of the runtime's workers.

mod address;
mod auth;
mod client;
mod config;
mod download;
mod error;
mod grant;
mod open;
mod refusal;
mod retry;
mod send;
mod session;
mod target;
mod upload;

pub use auth::Credentials;
pub use client::Fetcher;
pub use config::FetchConfig;
pub use error::FetchError;
pub use open::Opened;
pub use refusal::{Refusal, refusal};
pub use session::{Session, SessionRequest};
