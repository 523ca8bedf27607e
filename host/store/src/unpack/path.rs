//! Names in an archive.

/// The prefix of whiteout files (image-spec `layer.md`, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS: &[u8] = b".wh..wh.";

/// What an entry's name asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// An entry of that name.
    Entry,
    /// What is below of this name is hidden.
    Whiteout(&'a [u8]),
    /// Everything below of the parent directory is hidden.
    Opaque,
    /// Bookkeeping of aufs (`.wh..wh.plnk`), of no use to anyone else.
    Ignore,
}

/// Cleans a name lexically, as Docker does before it joins it to the root:
/// no leading slash, no `.` and `..`. The root itself becomes the empty name.
pub(super) fn clean(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.is_empty() {
        return Err("its name is empty");
    }
    if name.contains(&0) {
        return Err("its name contains NUL");
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or("its name leads outside of the root")?;
            }
            part if part.len() > 255 => {
                return Err("a component of its name is longer than 255 bytes");
            }
            part => parts.push(part),
        }
    }
    let clean = parts.join(&b'/');
    // PATH_MAX is 4096 with the NUL.
    if clean.len() > 4095 {
        Err("its name is longer than 4095 bytes")
    } else {
        Ok(clean)
    }
}

/// A clean name's directory and last component.
pub(super) fn split(clean: &[u8]) -> (&[u8], &[u8]) {
    match clean.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&clean[..slash], &clean[slash + 1..]),
        None => (b"", clean),
    }
}

/// What a clean name means in a layer.
pub(super) fn meaning(clean: &[u8]) -> Result<Meaning<'_>, &'static str> {
    let (parent, name) = split(clean);
    let mut above = parent.split(|b| *b == b'/');
    if above.clone().any(|part| part.starts_with(AUFS)) {
        return Ok(Meaning::Ignore);
    }
    if above.any(|part| part.starts_with(WHITEOUT)) {
        return Err("a directory cannot have the reserved prefix .wh.");
    }
    match name.strip_prefix(WHITEOUT) {
        None => Ok(Meaning::Entry),
        Some(_) if name == OPAQUE => Ok(Meaning::Opaque),
        Some(_) if name.starts_with(AUFS) => Ok(Meaning::Ignore),
        Some(b"" | b"." | b"..") => Err("a whiteout must name something"),
        Some(hidden) => Ok(Meaning::Whiteout(hidden)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_never_climb_out() {
        let cleaned = |name: &[u8]| clean(name).map(|c| String::from_utf8(c).unwrap());
        assert_eq!(cleaned(b"./a//b/../c/"), Ok("a/c".into()));
        assert_eq!(cleaned(b"/etc/passwd"), Ok("etc/passwd".into()));
        assert_eq!(cleaned(b"./"), Ok(String::new()));
        for bad in [&b""[..], b"..", b"../a", b"a/../../b", b"/..", b"a\0b"] {
            assert!(clean(bad).is_err(), "{bad:?}");
        }
        assert!(clean(&b"a/".repeat(2100)).is_err());
        assert!(clean(&[b'a'; 256]).is_err());
    }

    #[test]
    fn reserved_names_are_told_apart() {
        assert_eq!(meaning(b"a/.wh.b"), Ok(Meaning::Whiteout(b"b")));
        assert_eq!(meaning(b".wh..wh..opq"), Ok(Meaning::Opaque));
        assert_eq!(meaning(b".wh..wh.plnk/1.2"), Ok(Meaning::Ignore));
        assert_eq!(meaning(b".wh..wh.aufs"), Ok(Meaning::Ignore));
        assert_eq!(meaning(b"a/b.wh.c"), Ok(Meaning::Entry));
        for bad in [&b".wh."[..], b".wh..", b".wh...", b".wh.d/x"] {
            assert!(meaning(bad).is_err(), "{bad:?}");
        }
    }
}
