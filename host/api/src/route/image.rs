//! `/images`; a name has slashes.

use super::Method::{self, Delete, Get, Post};
use super::{Route, before};

pub(super) fn find(method: Method, rest: &str) -> Option<Route> {
    match (method, rest) {
        (Get, "json") => Some(Route::ImageList),
        (Post, "create") => Some(Route::ImagePull),
        (Post, "prune") => Some(Route::ImagePrune),
        (Get, _) => before(rest, "/json").map(Route::ImageInspect),
        (Delete, _) => before(rest, "").map(Route::ImageRemove),
        _ => None,
    }
}
