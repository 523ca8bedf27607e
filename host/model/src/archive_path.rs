//! Docker's rules for paths in `cp` and the archive calls. They are text
//! alone, as Go's `path/filepath` has them; a trailing slash or `/.` that
//! cleaning takes away is put back, because it asks for a directory.
//!
//! ```
//! use bulkhead_model::archive_path::absolute;
//! assert_eq!(absolute("a//b/../c/"), "/a/c/");
//! assert_eq!(absolute("."), "/.");
//! ```

/// The shortest path that means the same, by text: no `.`, no double slashes,
/// `..` taken back where something precedes it. Empty becomes `.`.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if matches!(parts.last(), Some(last) if *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

/// The last component: `/` of slashes alone, `.` of nothing.
pub fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

/// What is before the last slash, that slash included, and what is after it.
pub fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

/// The directory of a path, cleaned.
pub fn parent(path: &str) -> String {
    clean(split(path).0)
}

/// Whether a path ends in a slash.
pub fn has_trailing_slash(path: &str) -> bool {
    path.ends_with('/')
}

/// Whether a path's last component is `.`: the content of a directory.
pub fn is_content(path: &str) -> bool {
    base(path) == "."
}

/// Whether a path can only mean a directory.
pub fn asserts_directory(path: &str) -> bool {
    has_trailing_slash(path) || is_content(path)
}

/// Gives a cleaned path the `/.` or slash at the end that `original` has.
pub fn preserve_end(mut cleaned: String, original: &str) -> String {
    if !is_content(&cleaned) && is_content(original) {
        if !has_trailing_slash(&cleaned) {
            cleaned.push('/');
        }
        cleaned.push('.');
    }
    if !has_trailing_slash(&cleaned) && has_trailing_slash(original) {
        cleaned.push('/');
    }
    cleaned
}

/// A path in a container from its root, cleaned but for its end.
pub fn absolute(path: &str) -> String {
    preserve_end(clean(&format!("/{path}")), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in [
            ("", "."),
            ("/", "/"),
            ("/..", "/"),
            ("..", ".."),
            ("a/../..", ".."),
            ("../../a", "../../a"),
            ("a/./b//c/", "a/b/c"),
            ("/a/../../b", "/b"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), cleaned, "{path:?}");
        }
    }

    #[test]
    fn a_base_is_never_empty() {
        for (path, expected) in [
            ("", "."),
            ("/", "/"),
            ("//", "/"),
            ("a/", "a"),
            ("a/.", "."),
            ("/a/b", "b"),
        ] {
            assert_eq!(base(path), expected, "{path:?}");
        }
    }

    #[test]
    fn an_end_that_asks_for_a_directory_stays() {
        for (path, expected) in [
            ("tmp/d", "/tmp/d"),
            ("/tmp/../tmp/d/", "/tmp/d/"),
            ("/tmp/d/.", "/tmp/d/."),
            ("/tmp/./", "/tmp/./"),
            ("/", "/"),
            ("/.", "/."),
            (".", "/."),
            ("..", "/"),
        ] {
            assert_eq!(absolute(path), expected, "{path:?}");
        }
    }
}
