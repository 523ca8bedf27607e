//! `/images`, `/commit` and `/distribution`; a name has slashes.

use super::Method::{self, Delete, Get, Post};
use super::{Route, before};

pub(super) fn find(method: Method, rest: &str) -> Option<Route> {
    match (method, rest) {
        (Get, "json") => return Some(Route::ImageList),
        (Get, "search") => return Some(Route::ImageSearch),
        (Get, "get") => return Some(Route::ImagesSave),
        (Post, "create") => return Some(Route::ImageCreate),
        (Post, "prune") => return Some(Route::ImagePrune),
        (Post, "load") => return Some(Route::ImageLoad),
        _ => {}
    }
    let of = |action: &str| before(rest, action);
    match method {
        Get => (of("/json").map(Route::ImageInspect))
            .or_else(|| of("/history").map(Route::ImageHistory))
            .or_else(|| of("/get").map(Route::ImageSave)),
        Post => (of("/tag").map(Route::ImageTag)).or_else(|| of("/push").map(Route::ImagePush)),
        Delete => of("").map(Route::ImageRemove),
        _ => None,
    }
}
