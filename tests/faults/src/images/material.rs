//! What clients bring: images in a registry and in archives, files for volumes.

use std::sync::Arc;

use bulkhead_test_support::{Image, Registry, Tree, digest, images};

use crate::random::Random;

/// Images of each kind, and contents of a volume.
pub(super) const VARIANTS: u64 = 4;
/// Files of one layer.
const FILES: u64 = 120;
/// The container that is committed.
pub(super) const CHANGED: &str = "changed";
/// What it does to its files.
pub(super) const CHANGE: &str = "mkdir /data && cd /data && for n in $(seq 40); do echo $n > f$n; done \
     && cp /bin/busybox . && sha256sum f* busybox > SUMS";
/// Whether as many folders as `$0` says hold the files that their sums are of.
pub(super) const LOOK: &str = "n=0; for s in /data/SUMS /data/*/SUMS; do test -e $s || continue; \
     (cd ${s%/*} && sha256sum -cs SUMS) || exit 1; n=$((n + 1)); done; echo $n; test $n = $0";

#[derive(Clone)]
pub(super) struct Material {
    /// `address/` of the registry.
    pub(super) registry: String,
    archives: Arc<Vec<Vec<u8>>>,
    volumes: Arc<Vec<Vec<u8>>>,
}

impl Material {
    /// Fills the registry: a repository of each client for each variant.
    pub(super) fn make(registry: &Registry, clients: usize) -> Self {
        for variant in 0..VARIANTS {
            let image = image(variant);
            for client in 0..clients {
                registry.push(&format!("v{variant}-c{client}:latest"), &image);
            }
        }
        let archive = |n: u64| {
            let (client, variant) = (n / VARIANTS, n % VARIANTS);
            image(VARIANTS + variant).docker_archive(&format!("l{variant}-c{client}:latest"))
        };
        Self {
            registry: registry.address().to_owned(),
            archives: Arc::new((0..clients as u64 * VARIANTS).map(archive).collect()),
            volumes: Arc::new(
                (0..VARIANTS)
                    .map(|n| files("", 100 + n).into_tar())
                    .collect(),
            ),
        }
    }

    pub(super) fn archive(&self, client: usize, variant: u64) -> &[u8] {
        &self.archives[client * VARIANTS as usize + variant as usize]
    }

    pub(super) fn volume(&self, variant: u64) -> &[u8] {
        &self.volumes[variant as usize]
    }

    /// What a volume with these contents says it holds.
    pub(super) fn mark(variant: u64) -> String {
        format!("{}", 100 + variant)
    }
}

/// Two layers that others share, and one of its own.
fn image(variant: u64) -> Image {
    let shared = 50 + variant / 2;
    let own = Tree::new().dir("data", 0o755).dir("data/own", 0o755);
    images::busybox()
        .layer(fill(
            Tree::new().dir("data", 0o755).dir("data/own", 0o755),
            "data/own/",
            variant,
        ))
        .layer(fill(own.dir("data/shared", 0o755), "data/shared/", shared))
}

fn files(prefix: &str, seed: u64) -> Tree {
    fill(Tree::new(), prefix, seed)
}

fn fill(mut tree: Tree, prefix: &str, seed: u64) -> Tree {
    let mut random = Random::new(seed ^ 0x5eed);
    let mut sums = String::new();
    for n in 0..FILES {
        let words = 16 + random.below(300);
        let bytes: Vec<u8> = (0..words)
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        tree = tree.file(&format!("{prefix}f{n}"), 0o644, &bytes);
        let sum = digest(&bytes);
        sums += &format!("{}  f{n}\n", sum.trim_start_matches("sha256:"));
    }
    tree.file(&format!("{prefix}SUMS"), 0o644, sums.as_bytes())
        .file(&format!("{prefix}mark"), 0o644, seed.to_string().as_bytes())
}
