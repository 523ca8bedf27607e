//! The names of an archive and what they lead to.

use std::collections::HashMap;

use super::error::ArchiveError;

/// The most entries an archive may have. The largest have a few per layer.
pub(super) const MAX_MEMBERS: usize = 65_536;
/// Bytes of all names and links.
const MAX_NAMES: usize = 16 << 20;
/// As many links as the kernel follows (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// The members of an archive; `T` is where a file's bytes are.
#[derive(Debug)]
pub struct Members<T> {
    nodes: HashMap<String, Node<T>>,
    names: usize,
}

#[derive(Debug)]
enum Node<T> {
    File(T),
    /// What stands in its place, from its own folder.
    SymbolicLink(String),
    /// Another member.
    HardLink(String),
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self {
            nodes: HashMap::new(),
            names: 0,
        }
    }
}

impl<T> Members<T> {
    /// Adds a file in the place of whatever had the name.
    pub(crate) fn file(&mut self, name: &str, content: T) -> Result<(), ArchiveError> {
        self.add(name, "", Node::File(content))
    }

    pub(crate) fn symbolic_link(&mut self, name: &str, target: &str) -> Result<(), ArchiveError> {
        self.add(name, target, Node::SymbolicLink(target.to_owned()))
    }

    pub(crate) fn hard_link(&mut self, name: &str, target: &str) -> Result<(), ArchiveError> {
        self.add(name, target, Node::HardLink(target.to_owned()))
    }

    fn add(&mut self, name: &str, target: &str, node: Node<T>) -> Result<(), ArchiveError> {
        let name = clean(name)?;
        let limit = |what, limit| Err(ArchiveError::Limit { what, limit });
        self.names += name.len() + target.len();
        if self.names > MAX_NAMES {
            return limit("bytes of names", MAX_NAMES);
        }
        self.nodes.insert(name, node);
        if self.nodes.len() > MAX_MEMBERS {
            return limit("members", MAX_MEMBERS);
        }
        Ok(())
    }

    /// Whether the name leads to a file.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// The file that a name leads to, through links if need be.
    pub fn find(&self, name: &str) -> Result<&T, ArchiveError> {
        let outside = || ArchiveError::Outside(shown(name));
        let mut links = 0;
        let mut at = String::new();
        // What is still to walk, the next component last.
        let mut rest = components(name).ok_or_else(outside)?;
        loop {
            let Some(part) = rest.pop() else {
                return Err(ArchiveError::Missing(shown(name)));
            };
            if part == ".." {
                at = parent(&at).ok_or_else(outside)?.to_owned();
                continue;
            }
            let here = match at.as_str() {
                "" => part,
                folder => format!("{folder}/{part}"),
            };
            let target = match self.nodes.get(&here) {
                Some(Node::File(content)) if rest.is_empty() => return Ok(content),
                Some(Node::SymbolicLink(target)) => target,
                Some(Node::HardLink(target)) if rest.is_empty() => {
                    at.clear();
                    target
                }
                _ => {
                    at = here;
                    continue;
                }
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(ArchiveError::Links(shown(name)));
            }
            rest.extend(components(target).ok_or_else(outside)?);
        }
    }
}

/// A name without needless dots and slashes.
fn clean(name: &str) -> Result<String, ArchiveError> {
    let outside = || ArchiveError::Outside(shown(name));
    let mut kept: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop().ok_or_else(outside)?),
            part => kept.push(part),
        }
    }
    Ok(kept.join("/"))
}

/// The components of a relative name, the first last.
fn components(name: &str) -> Option<Vec<String>> {
    let parts = name.split('/').filter(|p| !matches!(*p, "" | "."));
    (!name.starts_with('/')).then(|| parts.rev().map(str::to_owned).collect())
}

fn parent(folder: &str) -> Option<&str> {
    match folder {
        "" => None,
        folder => Some(folder.rsplit_once('/').map_or("", |(parent, _)| parent)),
    }
}

/// A name in an error, not longer than anyone reads.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Members<&'static str> {
        let mut members = Members::default();
        members.file("./a/layer.tar", "layer").unwrap();
        members
            .symbolic_link("b/layer.tar", "../a/layer.tar")
            .unwrap();
        members.hard_link("c/layer.tar", "a/layer.tar").unwrap();
        members.symbolic_link("d", "b").unwrap();
        members
    }

    #[test]
    fn links_lead_from_member_to_member() {
        let members = archive();
        for name in [
            "a/layer.tar",
            "b/layer.tar",
            "c/layer.tar",
            "d/layer.tar",
            "./d/../a//layer.tar",
        ] {
            assert_eq!(*members.find(name).unwrap(), "layer", "{name}");
        }
        let missing = members.find("a/json").unwrap_err();
        assert_eq!(
            missing.to_string(),
            r#""a/json" is not in the image archive"#
        );
    }

    #[test]
    fn no_name_and_no_link_leads_out() {
        let mut members = archive();
        members.symbolic_link("e", "/etc/shadow").unwrap();
        members.symbolic_link("f", "../../etc/shadow").unwrap();
        members.hard_link("g", "/etc/shadow").unwrap();
        for name in ["/a/layer.tar", "../a/layer.tar", "a/../../x", "e", "f", "g"] {
            let error = members.find(name).unwrap_err();
            assert!(matches!(error, ArchiveError::Outside(_)), "{name}: {error}");
        }
        assert!(members.file("x/../../y", "").is_err());
    }

    #[test]
    fn links_in_a_circle_end() {
        let mut members = archive();
        members.symbolic_link("x", "y").unwrap();
        members.symbolic_link("y", "x").unwrap();
        members.symbolic_link("z", "z/z/z").unwrap();
        members.hard_link("h", "h").unwrap();
        for name in ["x", "z", "h"] {
            let error = members.find(name).unwrap_err();
            assert!(matches!(error, ArchiveError::Links(_)), "{name}: {error}");
        }
    }

    #[test]
    fn of_two_members_with_one_name_the_later_counts() {
        let mut members = archive();
        members.file("a/./layer.tar", "other").unwrap();
        assert_eq!(*members.find("b/layer.tar").unwrap(), "other");
    }

    #[test]
    fn members_and_their_names_are_counted() {
        let mut members = Members::default();
        let mut refused = (0..MAX_MEMBERS + 1).map(|n| members.file(&n.to_string(), ()));
        assert!(refused.any(|added| added.is_err()));
        let mut members = Members::<()>::default();
        let long = "x".repeat(1 << 20);
        let mut refused = (0..17).map(|n| members.symbolic_link(&n.to_string(), &long));
        assert!(refused.any(|added| added.is_err()));
    }
}
