//! The names by which a user says that an image is on this host:
//! `oci-layout:/directory[:tag]` and `docker-archive:/file[:name[:tag]]`.

use bulkhead_engine::Origin;

const LAYOUT: &str = "oci-layout:";
const ARCHIVE: &str = "docker-archive:";

/// Whether a name leads to a directory or a file of this host.
pub(super) fn is_local(name: &str) -> bool {
    name.starts_with(LAYOUT) || name.starts_with(ARCHIVE)
}

/// Where an image is, and by what name. `tag` is the call's own parameter, a
/// tag or a digest.
pub(super) fn of(name: &str, tag: &str) -> (Origin, String) {
    if let Some(text) = name.strip_prefix(LAYOUT) {
        let (path, own) = layout_path(text);
        let tag = if tag.is_empty() { own } else { tag };
        let name = format!("{}:{tag}", last_part(path));
        return (Origin::Layout(path.into()), name);
    }
    if let Some(text) = name.strip_prefix(ARCHIVE) {
        // As with skopeo a path has no colon: names have some.
        let (path, own) = text.split_once(':').unwrap_or((text, ""));
        let (is_named, repository) = match own {
            "" => (false, repository(path)),
            own => (true, own.to_owned()),
        };
        let path = path.into();
        return (
            Origin::Archive { path, is_named },
            with_tag(repository, tag),
        );
    }
    (Origin::Registry, with_tag(name.to_owned(), tag))
}

fn with_tag(name: String, tag: &str) -> String {
    match tag {
        "" => name,
        digest if digest.contains(':') => format!("{name}@{digest}"),
        tag => format!("{name}:{tag}"),
    }
}

/// A directory and the tag after its last colon.
fn layout_path(text: &str) -> (&str, &str) {
    match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (text, "latest"),
    }
}

/// The repository an archive's only image is called by: the file's name.
fn repository(path: &str) -> String {
    let name = last_part(path);
    name.strip_suffix(".tar").unwrap_or(&name).to_owned()
}

/// What an image of a directory is called by: the directory's name.
fn last_part(path: &str) -> String {
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    last.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(path: &str, is_named: bool) -> Origin {
        let path = path.into();
        Origin::Archive { path, is_named }
    }

    #[test]
    fn directories_and_archives_are_told_from_registries() {
        let layout = |path: &str| Origin::Layout(path.into());
        let cases = [
            ("busybox", "1", Origin::Registry, "busybox:1"),
            ("a/b", "sha256:0", Origin::Registry, "a/b@sha256:0"),
            ("oci-layout:/d/Box", "", layout("/d/Box"), "box:latest"),
            ("oci-layout:/d/box:1", "", layout("/d/box"), "box:1"),
            ("oci-layout:/d/box:1", "2", layout("/d/box"), "box:2"),
            (
                "docker-archive:/d/Box.tar",
                "",
                archive("/d/Box.tar", false),
                "box",
            ),
            (
                "docker-archive:/d/x.tar:host:5000/a:1",
                "",
                archive("/d/x.tar", true),
                "host:5000/a:1",
            ),
            (
                "docker-archive:/d/x.tar:a",
                "2",
                archive("/d/x.tar", true),
                "a:2",
            ),
        ];
        for (name, tag, origin, reference) in cases {
            assert_eq!(of(name, tag), (origin, reference.to_owned()), "{name}");
        }
        assert!(is_local("docker-archive:/x") && !is_local("docker-archive/x"));
    }
}
