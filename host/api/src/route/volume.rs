//! `/volumes`.

use super::Method::{self, Delete, Get, Post};
use super::{Route, before};

pub(super) fn find(method: Method, rest: &str) -> Option<Route> {
    match (method, rest) {
        (Get, "") => Some(Route::VolumeList),
        (Post, "create") => Some(Route::VolumeCreate),
        (Post, "prune") => Some(Route::VolumePrune),
        (Get, _) => before(rest, "").map(Route::VolumeInspect),
        (Delete, _) => before(rest, "").map(Route::VolumeRemove),
        _ => None,
    }
}
