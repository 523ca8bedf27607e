//! `/networks`.

use super::Method::{self, Delete, Get, Post};
use super::{Route, named};

pub(super) fn find(method: Method, rest: &str) -> Option<Route> {
    match (method, rest) {
        (Get, "") => return Some(Route::NetworkList),
        (Post, "create") => return Some(Route::NetworkCreate),
        (Post, "prune") => return Some(Route::NetworkPrune),
        _ => {}
    }
    let (id, action) = named(rest)?;
    Some(match (method, action) {
        (Get, "") => Route::NetworkInspect(id),
        (Post, "connect") => Route::NetworkConnect(id),
        (Post, "disconnect") => Route::NetworkDisconnect(id),
        (Delete, "") => Route::NetworkRemove(id),
        _ => return None,
    })
}
