//! The calls: method and path, without the version prefix.
//!
//! `POST /session` and `POST /grpc` (BuildKit's) are no calls: docker's client
//! takes their 404 for a daemon without them.

mod container;
mod image;
mod network;
mod system;
mod volume;

use crate::query::{percent_decode, percent_encode};

/// Methods the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

/// A call, with the name or id from its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET|HEAD /_ping`
    Ping,
    /// `GET /version`
    Version,
    /// `GET /info`
    Info,
    /// `GET /events`
    Events,
    /// `GET /system/df`
    DiskUsage,
    /// `POST /system/check`; not Docker's.
    SystemCheck,
    /// `GET /system/firewall`, ours alone.
    SystemFirewall,
    /// `POST /auth`
    Auth,
    /// `POST /commit`
    Commit,
    /// `POST /build/prune`
    BuildPrune,
    /// `GET /plugins`: Docker's plugins, of which there are none
    PluginList,
    /// `GET /plugins/{name}/json`; a name has slashes
    PluginInspect(String),
    /// Anything under `/swarm`, `/nodes`, `/services`, `/tasks`, `/secrets`
    /// and `/configs`: no node of ours is in a swarm.
    Swarm,

    /// `GET /containers/json`
    ContainerList,
    /// `POST /containers/create`
    ContainerCreate,
    /// `POST /containers/prune`
    ContainerPrune,
    /// `GET /containers/{id}/json`
    ContainerInspect(String),
    /// `GET /containers/{id}/top`
    ContainerTop(String),
    /// `GET /containers/{id}/trace`, ours alone.
    ContainerTrace(String),
    /// `GET /containers/{id}/logs`
    ContainerLogs(String),
    /// `GET /containers/{id}/changes`
    ContainerChanges(String),
    /// `GET /containers/{id}/export`
    ContainerExport(String),
    /// `GET /containers/{id}/stats`
    ContainerStats(String),
    /// `POST /containers/{id}/resize`
    ContainerResize(String),
    /// `POST /containers/{id}/start`
    ContainerStart(String),
    /// `POST /containers/{id}/stop`
    ContainerStop(String),
    /// `POST /containers/{id}/restart`
    ContainerRestart(String),
    /// `POST /containers/{id}/kill`
    ContainerKill(String),
    /// `POST /containers/{id}/update`
    ContainerUpdate(String),
    /// `POST /containers/{id}/rename`
    ContainerRename(String),
    /// `POST /containers/{id}/pause`
    ContainerPause(String),
    /// `POST /containers/{id}/unpause`
    ContainerUnpause(String),
    /// `POST /containers/{id}/attach`
    ContainerAttach(String),
    /// `GET /containers/{id}/attach/ws`
    ContainerAttachWebsocket(String),
    /// `POST /containers/{id}/wait`
    ContainerWait(String),
    /// `DELETE /containers/{id}`
    ContainerRemove(String),
    /// `HEAD /containers/{id}/archive`
    ArchiveStat(String),
    /// `GET /containers/{id}/archive`
    ArchiveGet(String),
    /// `PUT /containers/{id}/archive`
    ArchivePut(String),

    /// `POST /containers/{id}/exec`
    ExecCreate(String),
    /// `POST /exec/{id}/start`
    ExecStart(String),
    /// `POST /exec/{id}/resize`
    ExecResize(String),
    /// `GET /exec/{id}/json`
    ExecInspect(String),

    /// `GET /images/json`
    ImageList,
    /// `POST /images/create`: pull, or import
    ImageCreate,
    /// `POST /images/prune`
    ImagePrune,
    /// `GET /images/{name}/json`; a name has slashes
    ImageInspect(String),
    /// `GET /images/{name}/history`
    ImageHistory(String),
    /// `POST /images/{name}/tag`
    ImageTag(String),
    /// `POST /images/{name}/push`
    ImagePush(String),
    /// `DELETE /images/{name}`
    ImageRemove(String),
    /// `GET /images/{name}/get`
    ImageSave(String),
    /// `GET /images/get`: several images
    ImagesSave,
    /// `POST /images/load`
    ImageLoad,
    /// `GET /images/search`
    ImageSearch,
    /// `GET /distribution/{name}/json`; a name has slashes
    DistributionInspect(String),
    /// Ours: `GET /distribution/{name}/manifest`, the registry's document
    DistributionManifest(String),
    /// Ours: `GET /distribution/{name}/referrers`
    DistributionReferrers(String),

    /// `GET /networks`
    NetworkList,
    /// `POST /networks/create`
    NetworkCreate,
    /// `POST /networks/prune`
    NetworkPrune,
    /// `GET /networks/{id}`
    NetworkInspect(String),
    /// `POST /networks/{id}/connect`
    NetworkConnect(String),
    /// `POST /networks/{id}/disconnect`
    NetworkDisconnect(String),
    /// `DELETE /networks/{id}`
    NetworkRemove(String),

    /// `GET /volumes`
    VolumeList,
    /// `POST /volumes/create`
    VolumeCreate,
    /// `POST /volumes/prune`
    VolumePrune,
    /// `GET /volumes/{name}`
    VolumeInspect(String),
    /// `PUT /volumes/{name}`
    VolumeUpdate(String),
    /// `DELETE /volumes/{name}`
    VolumeRemove(String),
    /// `GET /volumes/{name}/archive`; not Docker's.
    VolumeBackup(String),
    /// `PUT /volumes/{name}/archive`; not Docker's.
    VolumeRestore(String),
}

/// A method, and a path's parts: before the name, the name, after it.
type Call<'a> = (Method, &'static str, &'a str, &'static str);

fn fixed(method: Method, path: &'static str) -> Call<'static> {
    (method, path, "", "")
}

fn container<'a>(method: Method, id: &'a str, action: &'static str) -> Call<'a> {
    (method, "/containers/", id, action)
}

fn exec<'a>(method: Method, id: &'a str, action: &'static str) -> Call<'a> {
    (method, "/exec/", id, action)
}

impl Method {
    /// The method's name as HTTP has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    /// The method of that name, if the API uses it.
    pub fn from_name(name: &str) -> Option<Self> {
        use Method::{Delete, Get, Head, Post, Put};
        [Get, Head, Post, Put, Delete]
            .into_iter()
            .find(|m| m.as_str() == name)
    }
}

impl Route {
    /// The call that `method` and `path` (after the version) name, `None` if
    /// there is none: Docker answers that with 404 and `page not found`.
    pub fn find(method: Method, path: &str) -> Option<Self> {
        let (object, rest) = match path.strip_prefix('/')?.split_once('/') {
            Some((object, rest)) => (object, rest),
            None => (&path[1..], ""),
        };
        match object {
            "containers" => container::find(method, rest),
            "exec" => container::find_exec(method, rest),
            "images" => image::find(method, rest),
            "networks" => network::find(method, rest),
            "volumes" => volume::find(method, rest),
            _ => system::find(method, object, rest),
        }
    }

    /// The method a client uses.
    pub fn method(&self) -> Method {
        self.call().0
    }

    /// The path without the version prefix.
    pub fn path(&self) -> String {
        let (_, folder, name, action) = self.call();
        // A name with slashes keeps them where Docker's own routes do.
        let kept: &[u8] = match folder {
            "/images/" | "/plugins/" | "/distribution/" => b"/:@",
            _ => b"",
        };
        format!("{folder}{}{action}", percent_encode(name, kept))
    }

    fn call(&self) -> Call<'_> {
        use Method::{Delete, Get, Head, Post, Put};
        match self {
            Route::Ping => fixed(Head, "/_ping"),
            Route::Version => fixed(Get, "/version"),
            Route::Info => fixed(Get, "/info"),
            Route::Events => fixed(Get, "/events"),
            Route::DiskUsage => fixed(Get, "/system/df"),
            Route::SystemCheck => fixed(Post, "/system/check"),
            Route::SystemFirewall => fixed(Get, "/system/firewall"),
            Route::Auth => fixed(Post, "/auth"),
            Route::Commit => fixed(Post, "/commit"),
            Route::BuildPrune => fixed(Post, "/build/prune"),
            Route::PluginList => fixed(Get, "/plugins"),
            Route::PluginInspect(name) => (Get, "/plugins/", name, "/json"),
            Route::Swarm => fixed(Get, "/swarm"),
            Route::ContainerList => fixed(Get, "/containers/json"),
            Route::ContainerCreate => fixed(Post, "/containers/create"),
            Route::ContainerPrune => fixed(Post, "/containers/prune"),
            Route::ContainerInspect(id) => container(Get, id, "/json"),
            Route::ContainerTop(id) => container(Get, id, "/top"),
            Route::ContainerTrace(id) => container(Get, id, "/trace"),
            Route::ContainerLogs(id) => container(Get, id, "/logs"),
            Route::ContainerChanges(id) => container(Get, id, "/changes"),
            Route::ContainerExport(id) => container(Get, id, "/export"),
            Route::ContainerStats(id) => container(Get, id, "/stats"),
            Route::ContainerResize(id) => container(Post, id, "/resize"),
            Route::ContainerStart(id) => container(Post, id, "/start"),
            Route::ContainerStop(id) => container(Post, id, "/stop"),
            Route::ContainerRestart(id) => container(Post, id, "/restart"),
            Route::ContainerKill(id) => container(Post, id, "/kill"),
            Route::ContainerUpdate(id) => container(Post, id, "/update"),
            Route::ContainerRename(id) => container(Post, id, "/rename"),
            Route::ContainerPause(id) => container(Post, id, "/pause"),
            Route::ContainerUnpause(id) => container(Post, id, "/unpause"),
            Route::ContainerAttach(id) => container(Post, id, "/attach"),
            Route::ContainerAttachWebsocket(id) => container(Get, id, "/attach/ws"),
            Route::ContainerWait(id) => container(Post, id, "/wait"),
            Route::ContainerRemove(id) => container(Delete, id, ""),
            Route::ArchiveStat(id) => container(Head, id, "/archive"),
            Route::ArchiveGet(id) => container(Get, id, "/archive"),
            Route::ArchivePut(id) => container(Put, id, "/archive"),
            Route::ExecCreate(id) => container(Post, id, "/exec"),
            Route::ExecStart(id) => exec(Post, id, "/start"),
            Route::ExecResize(id) => exec(Post, id, "/resize"),
            Route::ExecInspect(id) => exec(Get, id, "/json"),
            Route::ImageList => fixed(Get, "/images/json"),
            Route::ImageCreate => fixed(Post, "/images/create"),
            Route::ImagePrune => fixed(Post, "/images/prune"),
            Route::ImageInspect(name) => (Get, "/images/", name, "/json"),
            Route::ImageHistory(name) => (Get, "/images/", name, "/history"),
            Route::ImageTag(name) => (Post, "/images/", name, "/tag"),
            Route::ImagePush(name) => (Post, "/images/", name, "/push"),
            Route::ImageRemove(name) => (Delete, "/images/", name, ""),
            Route::ImageSave(name) => (Get, "/images/", name, "/get"),
            Route::ImagesSave => fixed(Get, "/images/get"),
            Route::ImageLoad => fixed(Post, "/images/load"),
            Route::ImageSearch => fixed(Get, "/images/search"),
            Route::DistributionInspect(name) => (Get, "/distribution/", name, "/json"),
            Route::DistributionManifest(name) => (Get, "/distribution/", name, "/manifest"),
            Route::DistributionReferrers(name) => (Get, "/distribution/", name, "/referrers"),
            Route::NetworkList => fixed(Get, "/networks"),
            Route::NetworkCreate => fixed(Post, "/networks/create"),
            Route::NetworkPrune => fixed(Post, "/networks/prune"),
            Route::NetworkInspect(id) => (Get, "/networks/", id, ""),
            Route::NetworkConnect(id) => (Post, "/networks/", id, "/connect"),
            Route::NetworkDisconnect(id) => (Post, "/networks/", id, "/disconnect"),
            Route::NetworkRemove(id) => (Delete, "/networks/", id, ""),
            Route::VolumeList => fixed(Get, "/volumes"),
            Route::VolumeCreate => fixed(Post, "/volumes/create"),
            Route::VolumePrune => fixed(Post, "/volumes/prune"),
            Route::VolumeInspect(name) => (Get, "/volumes/", name, ""),
            Route::VolumeUpdate(name) => (Put, "/volumes/", name, ""),
            Route::VolumeRemove(name) => (Delete, "/volumes/", name, ""),
            Route::VolumeBackup(name) => (Get, "/volumes/", name, "/archive"),
            Route::VolumeRestore(name) => (Put, "/volumes/", name, "/archive"),
        }
    }
}

/// Splits `{id}/action`; the id is never empty, the action is when there is none.
fn named(rest: &str) -> Option<(String, &str)> {
    let (name, action) = rest.split_once('/').unwrap_or((rest, ""));
    (!name.is_empty()).then(|| (percent_decode(name), action))
}

/// The name before `suffix`; it may have slashes and is never empty.
fn before(rest: &str, suffix: &str) -> Option<String> {
    let name = rest.strip_suffix(suffix)?;
    (!name.is_empty()).then(|| percent_decode(name))
}

#[cfg(test)]
mod tests;
