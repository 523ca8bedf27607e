//! `/version`, and what is always empty.

use std::sync::Arc;

use bulkhead_api::system::{Version, VersionComponent, VersionPlatform};
use bulkhead_api::usage::BuildPruned;
use bulkhead_api::version::{MAX, MIN};
use hyper::{Response, StatusCode};

use crate::daemon::Daemon;
use crate::machine::{go_arch, kernel_version};
use crate::reply::{self, Body};

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What packagers set while building.
const COMMIT: Option<&str> = option_env!("BULKHEAD_GIT_COMMIT");
const BUILD_TIME: Option<&str> = option_env!("BULKHEAD_BUILD_TIME");
/// Docker has the version of its language here.
const LANGUAGE: &str = concat!("rust", env!("CARGO_PKG_RUST_VERSION"));

/// `GET /version`
pub fn version(daemon: &Arc<Daemon>) -> Response<Body> {
    let engine = component(
        "Engine",
        VERSION,
        &[
            ("ApiVersion", &MAX.to_string()),
            ("MinAPIVersion", &MIN.to_string()),
            ("GitCommit", COMMIT.unwrap_or_default()),
            ("GoVersion", LANGUAGE),
            ("BuildTime", BUILD_TIME.unwrap_or_default()),
            ("Os", "linux"),
            ("Arch", &go_arch()),
            ("KernelVersion", &kernel_version()),
            ("Experimental", "false"),
        ],
    );
    let plugins = daemon.plugins.iter().map(|(name, version)| {
        let (version, digest) = version.split_once(' ').unwrap_or((version, ""));
        let name = name.trim_start_matches("Plugin ");
        component(name, version, &[("GitCommit", digest)])
    });
    let version = Version {
        platform: VersionPlatform {
            name: "bulkhead".to_owned(),
        },
        components: [engine].into_iter().chain(plugins).collect(),
        version: VERSION.to_owned(),
        api_version: MAX.to_string(),
        min_api_version: MIN.to_string(),
        git_commit: COMMIT.unwrap_or_default().to_owned(),
        go_version: LANGUAGE.to_owned(),
        build_time: BUILD_TIME.unwrap_or_default().to_owned(),
        os: "linux".to_owned(),
        arch: go_arch(),
        kernel_version: kernel_version(),
        ..Version::default()
    };
    reply::json(StatusCode::OK, &version)
}

fn component(name: &str, version: &str, details: &[(&str, &str)]) -> VersionComponent {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    VersionComponent {
        name: name.to_owned(),
        version: version.to_owned(),
        details: details.iter().map(owned).collect(),
    }
}

/// `POST /build/prune`: there is no build cache yet.
pub fn build_prune() -> Response<Body> {
    reply::json(StatusCode::OK, &BuildPruned::default())
}
