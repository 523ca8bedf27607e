//! What goes where: docker's rules for the paths of `cp`, as text.

use bulkhead_model::archive_path::{
    asserts_directory, base, clean, has_trailing_slash, is_content, parent,
};

/// One side of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) path: String,
    pub(super) exists: bool,
    pub(super) is_dir: bool,
    /// The name the user gave for what a link led to.
    pub(super) rebase: Option<String>,
}

/// Where an archive is unpacked, and how its names change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) directory: String,
    /// The first text in each name, and what replaces it.
    pub(super) rename: Option<(String, String)>,
}

/// The container and the path, if the argument names a container: `x:` does,
/// `/x:y` and `./x:y` do not.
pub(super) fn split_argument(argument: &str) -> (Option<&str>, &str) {
    match argument.split_once(':') {
        Some((container, path)) if !argument.starts_with(['/', '.']) => (Some(container), path),
        _ => (None, argument),
    }
}

/// A path's directory and its entry there; `/.` at the end is an entry of its own.
pub(super) fn split_entry(path: &str) -> (String, String) {
    let mut cleaned = clean(path);
    if is_content(path) {
        cleaned.push_str("/.");
    }
    (parent(&cleaned), base(&cleaned).to_owned())
}

/// Gives what a link led to the end that the link's path had, and the name
/// the user expects.
pub(super) fn follow(path: &str, mut target: String) -> (String, Option<String>) {
    if is_content(path) && !is_content(&target) {
        target.push_str("/.");
    }
    if has_trailing_slash(path) && !has_trailing_slash(&target) {
        target.push('/');
    }
    let renamed = base(path) != base(&target);
    let name = renamed.then(|| base(path).to_owned());
    (target, name)
}

/// Where to unpack an archive of `source` so that it becomes `destination`.
pub(super) fn plan(source: &Side, destination: &Side) -> Result<Plan, &'static str> {
    let (directory, new) = split_entry(&destination.path);
    let (_, entry) = split_entry(&source.path);
    let old = source.rebase.clone().unwrap_or(entry);
    match (destination.exists, destination.is_dir) {
        (true, true) => Ok(Plan {
            directory: destination.path.clone(),
            rename: None,
        }),
        (true, false) if source.is_dir => Err("cannot copy directory"),
        (false, _) if !source.is_dir && asserts_directory(&destination.path) => {
            Err("no such directory")
        }
        _ => Ok(Plan {
            directory,
            rename: Some((old, new)),
        }),
    }
}

/// A name in an archive with the first `old` replaced.
pub(super) fn renamed(name: &[u8], rename: Option<&(String, String)>) -> Vec<u8> {
    let Some((old, new)) = rename else {
        return name.to_vec();
    };
    // The root's names begin with what stays.
    let old = if old == "/" { "" } else { old };
    let at = match old.len() {
        0 => Some(0),
        length => name.windows(length).position(|w| w == old.as_bytes()),
    };
    match at {
        Some(at) => [&name[..at], new.as_bytes(), &name[at + old.len()..]].concat(),
        None => name.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_names_a_container_unless_it_looks_like_a_path() {
        for (argument, expected) in [
            ("web:/tmp", (Some("web"), "/tmp")),
            ("web:", (Some("web"), "")),
            ("/a:b", (None, "/a:b")),
            ("./a:b", (None, "./a:b")),
            ("file", (None, "file")),
            ("-", (None, "-")),
            ("a:b:c", (Some("a"), "b:c")),
        ] {
            assert_eq!(split_argument(argument), expected, "{argument}");
        }
    }

    fn side(path: &str, exists: bool, is_dir: bool) -> Side {
        Side {
            path: path.into(),
            exists,
            is_dir,
            rebase: None,
        }
    }

    #[test]
    fn each_pair_of_kinds_is_copied_as_docker_copies_it() {
        let rename = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        for (source, destination, directory, renames) in [
            (
                side("/s/f", true, false),
                side("/d", true, true),
                "/d",
                None,
            ),
            (
                side("/s/f", true, false),
                side("/d/g", true, false),
                "/d",
                rename("f", "g"),
            ),
            (
                side("/s/f", true, false),
                side("/d/new", false, false),
                "/d",
                rename("f", "new"),
            ),
            (side("/s", true, true), side("/d", true, true), "/d", None),
            (
                side("/s", true, true),
                side("/d/new", false, false),
                "/d",
                rename("s", "new"),
            ),
            (
                side("/s/.", true, true),
                side("/d/new", false, false),
                "/d",
                rename(".", "new"),
            ),
            (
                side("/s", true, true),
                side("/d/new/", false, false),
                "/d",
                rename("s", "new"),
            ),
        ] {
            let expected = Plan {
                directory: directory.into(),
                rename: renames,
            };
            assert_eq!(plan(&source, &destination), Ok(expected), "{source:?}");
        }
        let refused = |source, destination| plan(&source, &destination).unwrap_err();
        assert_eq!(
            refused(side("/s", true, true), side("/d/f", true, false)),
            "cannot copy directory"
        );
        assert_eq!(
            refused(side("/s/f", true, false), side("/d/new/", false, false)),
            "no such directory"
        );
    }

    #[test]
    fn a_followed_link_keeps_the_name_the_user_gave() {
        assert_eq!(follow("/l", "/t".into()), ("/t".into(), Some("l".into())));
        assert_eq!(follow("/l/", "/t".into()), ("/t/".into(), Some("l".into())));
        assert_eq!(follow("/l/.", "/t".into()), ("/t/.".into(), None));
    }

    #[test]
    fn only_the_first_occurrence_in_a_name_changes() {
        let change = |name: &str, old: &str, new: &str| {
            let rename = (old.to_owned(), new.to_owned());
            String::from_utf8(renamed(name.as_bytes(), Some(&rename))).unwrap()
        };
        assert_eq!(change("s/s/f", "s", "d"), "d/s/f");
        assert_eq!(change("./x", ".", "d"), "d/x");
        assert_eq!(change("/etc/", "/", "d"), "d/etc/");
    }
}
