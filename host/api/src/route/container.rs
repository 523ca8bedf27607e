//! `/containers` and `/exec`.

use super::Method::{self, Delete, Get, Head, Post, Put};
use super::{Route, named};

pub(super) fn find(method: Method, rest: &str) -> Option<Route> {
    match (method, rest) {
        (Get, "json") => return Some(Route::ContainerList),
        (Post, "create") => return Some(Route::ContainerCreate),
        (Post, "prune") => return Some(Route::ContainerPrune),
        _ => {}
    }
    let (id, action) = named(rest)?;
    Some(match (method, action) {
        (Get, "json") => Route::ContainerInspect(id),
        (Get, "top") => Route::ContainerTop(id),
        (Get, "trace") => Route::ContainerTrace(id),
        (Get, "logs") => Route::ContainerLogs(id),
        (Get, "changes") => Route::ContainerChanges(id),
        (Get, "export") => Route::ContainerExport(id),
        (Get, "stats") => Route::ContainerStats(id),
        (Get, "attach/ws") => Route::ContainerAttachWebsocket(id),
        (Get, "archive") => Route::ArchiveGet(id),
        (Head, "archive") => Route::ArchiveStat(id),
        (Put, "archive") => Route::ArchivePut(id),
        (Post, "resize") => Route::ContainerResize(id),
        (Post, "start") => Route::ContainerStart(id),
        (Post, "stop") => Route::ContainerStop(id),
        (Post, "restart") => Route::ContainerRestart(id),
        (Post, "kill") => Route::ContainerKill(id),
        (Post, "update") => Route::ContainerUpdate(id),
        (Post, "rename") => Route::ContainerRename(id),
        (Post, "pause") => Route::ContainerPause(id),
        (Post, "unpause") => Route::ContainerUnpause(id),
        (Post, "attach") => Route::ContainerAttach(id),
        (Post, "wait") => Route::ContainerWait(id),
        (Post, "exec") => Route::ExecCreate(id),
        (Delete, "") => Route::ContainerRemove(id),
        _ => return None,
    })
}

pub(super) fn find_exec(method: Method, rest: &str) -> Option<Route> {
    let (id, action) = named(rest)?;
    Some(match (method, action) {
        (Get, "json") => Route::ExecInspect(id),
        (Post, "start") => Route::ExecStart(id),
        (Post, "resize") => Route::ExecResize(id),
        _ => return None,
    })
}
