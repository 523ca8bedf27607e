//! A distribution's image from a registry on the loopback address.

use std::process::Command;

use anyhow::Result;
use bulkhead_test_support::{Compression, Daemon, Registry, images};

use crate::Options;
use crate::measure::{Contender, in_turn, succeed};
use crate::peers::Docker;
use crate::table;

/// `skopeo copy`, then `tar` of its one layer.
const SKOPEO: &str = r#"
set -e
skopeo copy --quiet --src-tls-verify=false "docker://$1" "dir:$2/image"
mkdir "$2/root"
for layer in $(sed -n 's/.*"layers":\[{"digest":"sha256:\([0-9a-f]*\)".*/\1/p' "$2/image/manifest.json"); do
    tar -C "$2/root" -xf "$2/image/$layer"
done
test -e "$2/root/etc/os-release"
"#;

pub(crate) fn run(options: &Options) -> Result<()> {
    let registry = Registry::start();
    let image = images::debian();
    let gzip = registry.push("debian:gzip", &image);
    let zstd = registry.push("debian:zstd", &image.compression(Compression::Zstd));
    let daemon = Daemon::start();
    let docker = Docker::start()?;
    let scratch = tempfile::tempdir()?;
    let ours = |name: &'static str, reference: &str| {
        let pulled = reference.to_owned();
        let removed = reference.to_owned();
        let daemon = &daemon;
        Contender::new(name, move || {
            succeed(&mut daemon.bulkhead_command(&["pull", &pulled]))
        })
        .reset_by(move || succeed(&mut daemon.bulkhead_command(&["rmi", "--force", &removed])))
        .served_by(vec![daemon.pid()])
    };
    let contenders = vec![
        ours("bulkhead pull, gzip", &gzip),
        Contender::new("docker pull, gzip", || {
            docker.run(&["pull", "--quiet", &gzip])
        })
        .reset_by(|| docker.run(&["rmi", "--force", &gzip]))
        .served_by(vec![docker.pid()]),
        Contender::new("skopeo copy and tar, gzip", || {
            succeed(
                Command::new("sh")
                    .args(["-c", SKOPEO, "sh", &gzip])
                    .arg(scratch.path()),
            )
        })
        .reset_by(|| {
            succeed(
                Command::new("sh")
                    .args(["-c", "rm -rf \"$0\"/*"])
                    .arg(scratch.path()),
            )
        }),
        ours("bulkhead pull, zstd", &zstd),
    ];
    table::print(&in_turn(contenders, options.runs.min(7))?);
    Ok(())
}
