//! Between the wire's types and the engine's.

pub mod archive;
pub mod bad_request;
pub mod commit;
pub mod create;
pub mod events;
pub mod filters;
pub mod health;
pub mod image_filters;
pub mod images;
pub mod inspect;
mod limits;
pub mod list;
pub mod load;
mod modes;
mod mounts;
pub mod networks;
mod ports;
pub mod pull;
pub mod push;
pub mod restart;
pub mod select;
pub mod stats;
pub mod update;
pub mod volumes;
pub mod warnings;

/// Nanoseconds since the epoch as RFC 3339; 0 is Go's zero time.
pub fn rfc3339(nanos: u64) -> String {
    if nanos == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    humantime::format_rfc3339_nanos(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos))
        .to_string()
}

/// Nanoseconds since the epoch.
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}
