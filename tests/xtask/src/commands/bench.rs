//! `cargo xtask bench [NAME] [--runs N]`.

use std::time::Duration;

use anyhow::Result;

use crate::commands::build;
use crate::packages::{self, Need};
use crate::{cache, process, workspace};

const NEEDS: [Need; 5] = [
    Need {
        file: "dockerd",
        package: "docker.io",
    },
    Need {
        file: "runc",
        package: "runc",
    },
    Need {
        file: "skopeo",
        package: "skopeo",
    },
    Need {
        file: "docker-registry",
        package: "docker-registry",
    },
    Need {
        file: "debootstrap",
        package: "debootstrap",
    },
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    packages::install(&NEEDS)?;
    build::run()?;
    let limit = Duration::from_secs(3600);
    if workspace::root()
        .join("host/plugin-host/examples/op-bench.rs")
        .exists()
    {
        let example = [
            "build",
            "--release",
            "-p",
            "bulkhead-plugin-host",
            "--example",
            "op-bench",
        ];
        process::run(&mut workspace::cargo(&example), limit)?;
    }
    let mut cargo =
        workspace::cargo(&["run", "--quiet", "--release", "-p", "bulkhead-bench", "--"]);
    cargo
        .args(args)
        .env("BULKHEAD_BIN_DIR", workspace::release_dir())
        .env("BULKHEAD_CACHE", cache::dir()?);
    process::run(&mut cargo, limit)
}
