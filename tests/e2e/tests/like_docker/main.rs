//! The same calls to Docker and to us: the same statuses, keys and kinds.
//!
//! What Docker 20.10 (API 1.41) answers is recorded in `docker-1.41.json`:
//! statuses, keys and kinds, no values. With `BULKHEAD_PEER_DOCKER` set to the
//! socket of a Docker daemon that has `busybox:latest`, the test asks it and
//! writes the file anew. Ours is compared with the file on every machine.

mod images;
mod kinds;
mod scenario;
mod volumes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bulkhead_test_support::Daemon;
use kinds::Answer;

/// Differences that are meant: a glob over `call: difference`, and why.
const MEANT: &[(&str, &str)] = &[
    (
        "*: extra *.DNSNames*",
        "of API 1.44; newer Docker sends it to old clients, too",
    ),
    (
        "*: extra *.GwPriority",
        "of API 1.48; newer Docker sends it to old clients, too",
    ),
    (
        "network*: extra *.EnableIPv4",
        "of API 1.47; newer Docker sends it to old clients, too",
    ),
    (
        "network*: extra *.IPAM.Config.*.Gateway",
        "the test gives its daemon the bridge's address; Docker then shows it as well",
    ),
    (
        "network with a container: kind of .IPAM.Options: *",
        "no options are shown as an empty map, as Docker shows those of its own client",
    ),
    (
        "inspect *: kind of .HostConfig.*: null, ours list of nothing",
        "an absent list is shown as an empty one, which is what Docker's own client sends",
    ),
    (
        "inspect *: kind of .HostConfig.PortBindings: null, ours map of nothing",
        "the same for a map",
    ),
    (
        "inspect *: kind of .HostConfig.*Paths: list, ours null",
        "absent means the runtime's own paths, which are more than Docker's",
    ),
    (
        "image*: kind of *Config.*: null, ours *",
        "the recorded image was imported without a configuration",
    ),
    (
        "*mage*: kind of *.Labels: null*, ours map of nothing*",
        "the same",
    ),
    (
        "df: kind of .Images.*.Labels: null, ours map of nothing",
        "the same",
    ),
    (
        "images *: kind of *.RepoDigests: null, ours list of nothing",
        "newer Docker has a list",
    ),
    (
        "*: kind of *.RepoDigests: *, ours list",
        "the recorded image never had a registry's digest",
    ),
    (
        "image *: missing .Container",
        "no container made an image here; gone in API 1.45",
    ),
    (
        "image: missing .Container",
        "no container made an image here; gone in API 1.45",
    ),
    (
        "image *: kind of .GraphDriver.Data: *",
        "a storage plugin says nothing of images",
    ),
    (
        "image: kind of .GraphDriver.Data: *",
        "a storage plugin says nothing of images",
    ),
    (
        "archive head: content type *",
        "HEAD says what its GET would say",
    ),
    (
        "logs: content type *",
        "Docker names the stream since API 1.42; older clients do not look",
    ),
    (
        "wait: missing .Error",
        "Docker leaves it out since API 1.42",
    ),
    (
        "df: kind of .BuildCache: null, ours list of nothing",
        "newer Docker has a list",
    ),
    (
        "* bad *: status 500, ours 400",
        "what a client sends wrong is 400, as in newer Docker",
    ),
    ("import of no archive: status 500, ours 400", "the same"),
    ("images by a bad pattern: status 500, ours 400", "the same"),
    ("prune images until never: status 500, ours 400", "the same"),
    (
        "pull*: missing .progress",
        "clients draw the bar; newer Docker leaves it out, too",
    ),
    (
        "volume create without a name: kind of .Labels: null, ours object",
        "labelled as anonymous, as in newer Docker",
    ),
    (
        "df: kind of .Containers.[].*: *",
        "other containers of the recorded daemon",
    ),
];

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/like_docker/docker-1.41.json")
}

#[test]
fn answers_have_dockers_statuses_keys_and_kinds() {
    if let Some(peer) = std::env::var_os("BULKHEAD_PEER_DOCKER") {
        let answers = scenario::run(Path::new(&peer));
        let text = serde_json::to_string_pretty(&kinds::to_json(&answers)).unwrap();
        std::fs::write(recording(), text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(recording()).unwrap();
    let theirs = kinds::from_json(&serde_json::from_str(&text).unwrap());
    let daemon = Daemon::start();
    daemon.load("busybox:latest", &bulkhead_test_support::images::busybox());
    let ours = scenario::run(&daemon.socket());
    let differences = differences(&theirs, &ours);
    let unexpected: Vec<_> = differences
        .iter()
        .filter(|difference| !MEANT.iter().any(|(glob, _)| matches(glob, difference)))
        .collect();
    assert!(
        unexpected.is_empty(),
        "{} differences from Docker:\n{}",
        unexpected.len(),
        unexpected
            .iter()
            .map(|d| d.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn differences(theirs: &BTreeMap<String, Answer>, ours: &BTreeMap<String, Answer>) -> Vec<String> {
    theirs
        .keys()
        .flat_map(|name| {
            match ours.get(name) {
                Some(answer) => theirs[name].differences(answer),
                None => vec!["not asked".to_owned()],
            }
            .into_iter()
            .map(move |difference| format!("{name}: {difference}"))
        })
        .collect()
}

/// `*` stands for anything.
fn matches(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.into_iter().any(|at| matches(tail, &rest[at..]))
        }),
    }
}
