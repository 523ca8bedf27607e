//! `/volumes`.

use super::Method::{self, Delete, Get, Post, Put};
use super::{Route, before};

pub(super) fn find(method: Method, rest: &str) -> Option<Route> {
    match (method, rest) {
        (Get, "") => Some(Route::VolumeList),
        (Post, "create") => Some(Route::VolumeCreate),
        (Post, "prune") => Some(Route::VolumePrune),
        (Get, _) if rest.ends_with("/archive") => before(rest, "/archive").map(Route::VolumeBackup),
        (Put, _) if rest.ends_with("/archive") => {
            before(rest, "/archive").map(Route::VolumeRestore)
        }
        (Get, _) => before(rest, "").map(Route::VolumeInspect),
        (Put, _) => before(rest, "").map(Route::VolumeUpdate),
        (Delete, _) => before(rest, "").map(Route::VolumeRemove),
        _ => None,
    }
}
