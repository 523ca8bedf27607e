//! The calls: method and path, without the version prefix.

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
    /// `GET /containers/json`
    ContainerList,
    /// `POST /containers/create`
    ContainerCreate,
    /// `GET /containers/{id}/json`
    ContainerInspect(String),
    /// `POST /containers/{id}/start`
    ContainerStart(String),
    /// `POST /containers/{id}/stop`
    ContainerStop(String),
    /// `POST /containers/{id}/restart`
    ContainerRestart(String),
    /// `POST /containers/{id}/kill`
    ContainerKill(String),
    /// `POST /containers/{id}/wait`
    ContainerWait(String),
    /// `POST /containers/{id}/attach`
    ContainerAttach(String),
    /// `POST /containers/{id}/resize`
    ContainerResize(String),
    /// `GET /containers/{id}/logs`
    ContainerLogs(String),
    /// `DELETE /containers/{id}`
    ContainerRemove(String),
    /// `GET /images/json`
    ImageList,
    /// `POST /images/create`
    ImagePull,
    /// `GET /images/{name}/json`; a name has slashes
    ImageInspect(String),
    /// `DELETE /images/{name}`
    ImageRemove(String),
}

impl Method {
    /// The method's name as HTTP has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Delete => "DELETE",
        }
    }

    /// The method of that name, if the API uses it.
    pub fn from_name(name: &str) -> Option<Self> {
        [Method::Get, Method::Head, Method::Post, Method::Delete]
            .into_iter()
            .find(|m| m.as_str() == name)
    }
}

impl Route {
    /// The call that `method` and `path` (after the version) name, `None` if
    /// there is none: Docker answers that with 404 and `page not found`.
    pub fn find(method: Method, path: &str) -> Option<Self> {
        use Method::{Get, Head, Post};
        let fixed = match (method, path) {
            (Get | Head, "/_ping") => Some(Route::Ping),
            (Get, "/version") => Some(Route::Version),
            (Get, "/info") => Some(Route::Info),
            (Get, "/containers/json") => Some(Route::ContainerList),
            (Post, "/containers/create") => Some(Route::ContainerCreate),
            (Get, "/images/json") => Some(Route::ImageList),
            (Post, "/images/create") => Some(Route::ImagePull),
            _ => None,
        };
        fixed.or_else(|| match path.strip_prefix("/containers/") {
            Some(rest) => container_route(method, rest),
            None => image_route(method, path.strip_prefix("/images/")?),
        })
    }

    /// The method a client uses.
    pub fn method(&self) -> Method {
        match self {
            Route::Ping => Method::Head,
            Route::ContainerRemove(_) | Route::ImageRemove(_) => Method::Delete,
            Route::Version | Route::Info | Route::ContainerList | Route::ContainerInspect(_) => {
                Method::Get
            }
            Route::ContainerLogs(_) | Route::ImageList | Route::ImageInspect(_) => Method::Get,
            _ => Method::Post,
        }
    }

    /// The path without the version prefix.
    pub fn path(&self) -> String {
        let container =
            |id: &str, action: &str| format!("/containers/{}{action}", percent_encode(id, b""));
        let image =
            |name: &str, action: &str| format!("/images/{}{action}", percent_encode(name, b"/:@"));
        match self {
            Route::Ping => "/_ping".into(),
            Route::Version => "/version".into(),
            Route::Info => "/info".into(),
            Route::ContainerList => "/containers/json".into(),
            Route::ContainerCreate => "/containers/create".into(),
            Route::ContainerInspect(id) => container(id, "/json"),
            Route::ContainerStart(id) => container(id, "/start"),
            Route::ContainerStop(id) => container(id, "/stop"),
            Route::ContainerRestart(id) => container(id, "/restart"),
            Route::ContainerKill(id) => container(id, "/kill"),
            Route::ContainerWait(id) => container(id, "/wait"),
            Route::ContainerAttach(id) => container(id, "/attach"),
            Route::ContainerResize(id) => container(id, "/resize"),
            Route::ContainerLogs(id) => container(id, "/logs"),
            Route::ContainerRemove(id) => container(id, ""),
            Route::ImageList => "/images/json".into(),
            Route::ImagePull => "/images/create".into(),
            Route::ImageInspect(name) => image(name, "/json"),
            Route::ImageRemove(name) => image(name, ""),
        }
    }
}

fn container_route(method: Method, rest: &str) -> Option<Route> {
    let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
    if id.is_empty() {
        return None;
    }
    let id = percent_decode(id);
    Some(match (method, action) {
        (Method::Get, "json") => Route::ContainerInspect(id),
        (Method::Get, "logs") => Route::ContainerLogs(id),
        (Method::Post, "start") => Route::ContainerStart(id),
        (Method::Post, "stop") => Route::ContainerStop(id),
        (Method::Post, "restart") => Route::ContainerRestart(id),
        (Method::Post, "kill") => Route::ContainerKill(id),
        (Method::Post, "wait") => Route::ContainerWait(id),
        (Method::Post, "attach") => Route::ContainerAttach(id),
        (Method::Post, "resize") => Route::ContainerResize(id),
        (Method::Delete, "") => Route::ContainerRemove(id),
        _ => return None,
    })
}

fn image_route(method: Method, rest: &str) -> Option<Route> {
    match method {
        Method::Get => {
            let name = rest.strip_suffix("/json").filter(|name| !name.is_empty())?;
            Some(Route::ImageInspect(percent_decode(name)))
        }
        Method::Delete if !rest.is_empty() => Some(Route::ImageRemove(percent_decode(rest))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_found_by_its_own_method_and_path() {
        let id = || "web.1".to_owned();
        let image = || "127.0.0.1:5000/library/debian:bookworm@sha256:00".to_owned();
        for route in [
            Route::Ping,
            Route::Version,
            Route::Info,
            Route::ContainerList,
            Route::ContainerCreate,
            Route::ContainerInspect(id()),
            Route::ContainerStart(id()),
            Route::ContainerStop(id()),
            Route::ContainerRestart(id()),
            Route::ContainerKill(id()),
            Route::ContainerWait(id()),
            Route::ContainerAttach(id()),
            Route::ContainerResize(id()),
            Route::ContainerLogs(id()),
            Route::ContainerRemove(id()),
            Route::ImageList,
            Route::ImagePull,
            Route::ImageInspect(image()),
            Route::ImageRemove(image()),
        ] {
            assert_eq!(Route::find(route.method(), &route.path()), Some(route));
        }
    }

    #[test]
    fn other_methods_and_paths_are_no_calls() {
        for (method, path) in [
            (Method::Post, "/containers/json"),
            (Method::Get, "/containers//json"),
            (Method::Get, "/containers/a/b/json"),
            (Method::Delete, "/images/"),
            (Method::Get, "/"),
        ] {
            assert_eq!(Route::find(method, path), None, "{path}");
        }
    }

    #[test]
    fn a_hostile_id_stays_one_segment() {
        let route = Route::ContainerInspect("../images/x?a=b".into());
        assert_eq!(route.path(), "/containers/..%2Fimages%2Fx%3Fa%3Db/json");
        assert_eq!(Route::find(Method::Get, &route.path()), Some(route));
    }
}
