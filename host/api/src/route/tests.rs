use super::*;

fn every() -> Vec<Route> {
    let id = || "web.1".to_owned();
    let image = || "127.0.0.1:5000/library/debian:bookworm@sha256:00".to_owned();
    let of_id: [fn(String) -> Route; 37] = [
        Route::ContainerInspect,
        Route::ContainerTop,
        Route::ContainerTrace,
        Route::ContainerLogs,
        Route::ContainerChanges,
        Route::ContainerExport,
        Route::ContainerStats,
        Route::ContainerResize,
        Route::ContainerStart,
        Route::ContainerStop,
        Route::ContainerRestart,
        Route::ContainerKill,
        Route::ContainerUpdate,
        Route::ContainerRename,
        Route::ContainerPause,
        Route::ContainerUnpause,
        Route::ContainerAttach,
        Route::ContainerAttachWebsocket,
        Route::ContainerWait,
        Route::ContainerRemove,
        Route::ArchiveStat,
        Route::ArchiveGet,
        Route::ArchivePut,
        Route::ExecCreate,
        Route::ExecStart,
        Route::ExecResize,
        Route::ExecInspect,
        Route::NetworkInspect,
        Route::NetworkConnect,
        Route::NetworkDisconnect,
        Route::NetworkRemove,
        Route::VolumeInspect,
        Route::VolumeRemove,
        Route::VolumeUpdate,
        Route::VolumeBackup,
        Route::VolumeRestore,
        Route::PluginInspect,
    ];
    let mut every = vec![
        Route::Ping,
        Route::Version,
        Route::Info,
        Route::Events,
        Route::DiskUsage,
        Route::SystemCheck,
        Route::SystemFirewall,
        Route::Auth,
        Route::BuildPrune,
        Route::PluginList,
        Route::Swarm,
        Route::ContainerList,
        Route::ContainerCreate,
        Route::ContainerPrune,
        Route::ImageList,
        Route::ImageCreate,
        Route::ImagesSave,
        Route::ImageLoad,
        Route::ImageSearch,
        Route::Commit,
        Route::ImagePrune,
        Route::ImageInspect(image()),
        Route::ImageHistory(image()),
        Route::ImageTag(image()),
        Route::ImagePush(image()),
        Route::ImageRemove(image()),
        Route::ImageSave(image()),
        Route::DistributionInspect(image()),
        Route::DistributionManifest(image()),
        Route::DistributionReferrers(image()),
        Route::NetworkList,
        Route::NetworkCreate,
        Route::NetworkPrune,
        Route::VolumeList,
        Route::VolumeCreate,
        Route::VolumePrune,
    ];
    every.extend(of_id.into_iter().map(|route| route(id())));
    every
}

#[test]
fn every_call_is_found_by_its_own_method_and_path() {
    for route in every() {
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
        (Method::Get, ""),
        (Method::Get, "é"),
        (Method::Post, "/session"),
        (Method::Post, "/grpc"),
        (Method::Head, "/containers/a/json"),
        (Method::Get, "/exec/a/start"),
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

#[test]
fn what_is_a_name_and_what_is_an_action() {
    let found = |path| Route::find(Method::Get, path);
    assert_eq!(
        found("/containers/json/json"),
        Some(Route::ContainerInspect("json".into()))
    );
    assert_eq!(found("/networks/"), Some(Route::NetworkList));
    assert_eq!(
        found("/networks/prune"),
        Some(Route::NetworkInspect("prune".into()))
    );
    assert_eq!(
        found("/images/a/json/json"),
        Some(Route::ImageInspect("a/json".into()))
    );
}
