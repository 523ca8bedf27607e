//! Names and links that lead astray.

use super::super::archives::Tar;

/// What, the archive, a word of the refusal.
pub(super) fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    [climbing(), links(), shapes()].concat()
}

fn climbing() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        (
            "a name that climbs",
            Tar::new().file("../evil", "x").end(),
            "outside",
        ),
        (
            "a name that climbs later",
            Tar::new().file("a/../../evil", "x").end(),
            "outside",
        ),
        (
            "an absolute name that climbs",
            Tar::new().file("/../evil", "x").end(),
            "outside",
        ),
        (
            "a directory that climbs",
            Tar::new().dir("..").end(),
            "outside",
        ),
        (
            "a pax name that climbs",
            Tar::new().pax(&[("path", b"../evil")]).file("x", "x").end(),
            "outside",
        ),
        (
            "a hard link that climbs",
            Tar::new().hard_link("x", "../outside/passwd").end(),
            "outside",
        ),
        (
            "a pax link that climbs",
            Tar::new()
                .pax(&[("linkpath", b"../canary")])
                .hard_link("x", "y")
                .end(),
            "outside",
        ),
    ]
}

fn links() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        (
            "a hard link to nothing",
            Tar::new().hard_link("x", "missing").end(),
            "not in the layer",
        ),
        (
            "a hard link to an absolute path",
            Tar::new().hard_link("x", "/etc/passwd").end(),
            "not in the layer",
        ),
        (
            "a hard link to itself",
            Tar::new().file("x", "").hard_link("x", "x").end(),
            "no file for a target",
        ),
        (
            "a hard link to the root",
            Tar::new().hard_link("x", "/").end(),
            "no file for a target",
        ),
        (
            "a hard link without a target",
            Tar::new().hard_link("x", "").end(),
            "no target",
        ),
        (
            "a hard link to a directory",
            Tar::new().dir("d").hard_link("x", "d").end(),
            "link",
        ),
        (
            "a symlink without a target",
            Tar::new().symlink("x", "").end(),
            "empty",
        ),
        ("the root as a file", Tar::new().file("./", "x").end(), ""),
        (
            "the root as a symlink",
            Tar::new().symlink(".", "/etc").end(),
            "only be a directory",
        ),
        ("an empty name", Tar::new().file("", "x").end(), "empty"),
    ]
}

fn shapes() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let long = "a/".repeat(2500);
    let nul: &[u8] = b"a\0b";
    vec![
        (
            "a name with NUL",
            Tar::new().pax(&[("path", nul)]).file("x", "x").end(),
            "NUL",
        ),
        (
            "a name that is too long",
            Tar::new()
                .pax(&[("path", long.as_bytes())])
                .file("x", "")
                .end(),
            "4095",
        ),
        (
            "a component that is too long",
            Tar::new()
                .pax(&[("path", &[b'a'; 300])])
                .file("x", "")
                .end(),
            "255",
        ),
        (
            "a file below a file",
            Tar::new().file("f", "x").file("f/below", "x").end(),
            "open directory",
        ),
        (
            "a file below a dangling link",
            Tar::new().symlink("l", "gone").file("l/x", "x").end(),
            "open directory",
        ),
        (
            "a loop of links",
            Tar::new()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/x", "x")
                .end(),
            "open directory",
        ),
        (
            "a whiteout of nothing",
            Tar::new().file(".wh.", "").end(),
            "must name something",
        ),
        (
            "a whiteout of the directory",
            Tar::new().file("d/.wh..", "").end(),
            "must name something",
        ),
        (
            "a whiteout of the parent",
            Tar::new().file("d/.wh...", "").end(),
            "must name something",
        ),
        (
            "a directory called as a whiteout",
            Tar::new().file(".wh.d/x", "").end(),
            "reserved",
        ),
    ]
}
