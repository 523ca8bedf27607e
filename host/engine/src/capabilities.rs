//! The capabilities a container gets (`capabilities(7)`).

use std::str::FromStr;

use caps::Capability;

/// Docker's default set of fourteen.
pub const DEFAULT: u64 = 0xa804_25fb;

/// Every capability the kernel headers name.
pub fn all() -> u64 {
    caps::all()
        .into_iter()
        .fold(0, |set, capability| set | capability.bitmask())
}

/// A name nobody knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid {option}: unknown capability: \"{name}\"")]
pub struct UnknownCapability {
    /// `CapAdd` or `CapDrop`.
    pub option: &'static str,
    /// The name, with its prefix.
    pub name: String,
}

/// The set after `--privileged`, `--cap-add` and `--cap-drop`. As in Docker,
/// `ALL` in one list leaves the other list's names to be taken out of, or
/// added to, everything or nothing.
pub fn effective_set(
    privileged: bool,
    add: &[String],
    drop: &[String],
) -> Result<u64, UnknownCapability> {
    let added = parse("CapAdd", add)?;
    let dropped = parse("CapDrop", drop)?;
    if privileged {
        return Ok(all());
    }
    Ok(match (added.all, dropped.all) {
        (true, _) => all() & !dropped.named,
        (false, true) => added.named,
        (false, false) => (DEFAULT & !dropped.named) | added.named,
    })
}

struct Parsed {
    all: bool,
    named: u64,
}

fn parse(option: &'static str, names: &[String]) -> Result<Parsed, UnknownCapability> {
    let mut parsed = Parsed {
        all: false,
        named: 0,
    };
    for name in names {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if bare == "ALL" {
            parsed.all = true;
            continue;
        }
        let name = format!("CAP_{bare}");
        let capability =
            Capability::from_str(&name).map_err(|_| UnknownCapability { option, name })?;
        parsed.named |= capability.bitmask();
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(add: &[&str], drop: &[&str]) -> u64 {
        let own = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        effective_set(false, &own(add), &own(drop)).unwrap()
    }

    #[test]
    fn the_default_is_dockers_fourteen() {
        assert_eq!(set(&[], &[]).count_ones(), 14);
    }

    #[test]
    fn names_are_added_and_dropped_with_or_without_prefix() {
        assert_eq!(set(&["net_admin"], &[]) & (1 << 12), 1 << 12);
        assert_eq!(set(&[], &["CAP_NET_RAW"]) & (1 << 13), 0);
        assert_eq!(set(&["CHOWN"], &["ALL"]), 1);
        assert_eq!(set(&["ALL"], &["CHOWN"]), all() & !1);
    }

    #[test]
    fn an_unknown_name_is_refused_in_dockers_words() {
        let error = effective_set(false, &["FOO".into()], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid CapAdd: unknown capability: \"CAP_FOO\""
        );
    }
}
