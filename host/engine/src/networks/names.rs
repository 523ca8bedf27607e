//! What containers are called on their networks.

use crate::container::{Container, Membership};

/// The names that `container` answers to as `member` of a network, its own
/// first; none on the daemon's own networks, as in Docker.
pub fn of(container: &Container, member: &Membership) -> Vec<String> {
    if matches!(member.name.as_str(), "bridge" | "host" | "none") {
        return Vec::new();
    }
    let hostname = Some(&container.spec.hostname).filter(|h| !h.is_empty());
    let mut names = vec![container.name.clone()];
    names.extend(member.aliases.iter().cloned());
    names.push(container.id.short().to_owned());
    names.extend(hostname.cloned());
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
