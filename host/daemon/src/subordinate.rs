//! `--userns-remap`: a user's subordinate ids (`subuid(5)`, `subgid(5)`) as the
//! mapping of containers' user namespaces.

use anyhow::{Context, ensure};
use bulkhead_model::process::IdMap;

/// The user that `default` stands for, as in dockerd.
const DEFAULT_USER: &str = "dockremap";

/// The mapping for `user`, a name or uid, from this machine's files.
pub fn mapping(user: &str) -> anyhow::Result<Vec<IdMap>> {
    let read = |path: &str| {
        std::fs::read_to_string(path).with_context(|| format!("reading {path} for --userns-remap"))
    };
    let user = if user == "default" {
        DEFAULT_USER
    } else {
        user
    };
    let passwd = read("/etc/passwd")?;
    from_files(user, &passwd, &read("/etc/subuid")?, &read("/etc/subgid")?)
}

/// # Errors
/// The user has no ranges, or other ones for groups than for users: a range
/// maps both.
fn from_files(user: &str, passwd: &str, subuid: &str, subgid: &str) -> anyhow::Result<Vec<IdMap>> {
    let owners = owners(user, passwd);
    let users = ranges(subuid, &owners);
    ensure!(
        !users.is_empty(),
        "--userns-remap {user}: /etc/subuid has no range for this user"
    );
    ensure!(
        users == ranges(subgid, &owners),
        "--userns-remap {user}: /etc/subuid and /etc/subgid must have the same ranges for this user"
    );
    stack(&users)
        .with_context(|| format!("--userns-remap {user}: the ranges exceed the highest user id"))
}

/// What a range's first field may be: the user's name or uid.
fn owners<'a>(user: &'a str, passwd: &'a str) -> Vec<&'a str> {
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid) = (fields.next()?, fields.next()?, fields.next()?);
        (name == user || uid == user).then_some([name, uid])
    });
    entry.map_or_else(|| vec![user], Vec::from)
}

/// First id and count of each range; malformed lines are none.
fn ranges(text: &str, owners: &[&str]) -> Vec<(u32, u32)> {
    let range = |line: &str| {
        let [owner, first, count] = line.split(':').collect::<Vec<_>>().try_into().ok()?;
        let (first, count) = (first.parse().ok()?, count.trim_end().parse().ok()?);
        (owners.contains(&owner) && count > 0).then_some((first, count))
    };
    text.lines().filter_map(range).collect()
}

/// One range after the other from 0 on; `None` when ids run out.
fn stack(ranges: &[(u32, u32)]) -> Option<Vec<IdMap>> {
    let mut inside = 0u32;
    let mut out = Vec::with_capacity(ranges.len());
    for &(host, count) in ranges {
        host.checked_add(count)?;
        out.push(IdMap {
            inside,
            host,
            count,
        });
        inside = inside.checked_add(count)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nbox:x:1001:1001::/:/bin/sh\n";

    #[test]
    fn ranges_are_found_by_name_and_by_uid_and_stacked() {
        let text = "other:1:2\nbox:100000:65536\n# box\nbox:x:1\n1001:300000:10\n";
        for user in ["box", "1001"] {
            let map = from_files(user, PASSWD, text, text).unwrap();
            let flat: Vec<_> = map.iter().map(|m| (m.inside, m.host, m.count)).collect();
            assert_eq!(flat, [(0, 100_000, 65_536), (65_536, 300_000, 10)]);
        }
    }

    #[test]
    fn a_user_without_ranges_or_with_different_ones_is_refused() {
        let text = "box:100000:65536\n";
        assert!(from_files("root", PASSWD, text, text).is_err());
        assert!(from_files("box", PASSWD, text, "box:200000:65536\n").is_err());
        assert!(from_files("box", PASSWD, text, "").is_err());
    }

    #[test]
    fn ranges_beyond_the_highest_id_are_refused() {
        for text in ["box:4294967295:2\n", "box:0:4294967295\nbox:9:9\n"] {
            assert!(from_files("box", PASSWD, text, text).is_err(), "{text}");
        }
    }
}
