//! Which user a container's process becomes: Docker's `-u` rules over the
//! container's own `/etc/passwd` and `/etc/group`. Pure: the files' text comes in.
//!
//! | given | uid | gid | supplementary |
//! |---|---|---|---|
//! | nothing | 0 | passwd's for uid 0, or 0 | groups that list the user |
//! | `name` | passwd's | passwd's | groups that list the name |
//! | `1000`, in passwd | 1000 | passwd's | groups that list its name |
//! | `1000`, not in passwd | 1000 | 0 | none |
//! | `user:group` | as above | the group's, or the number | none |

/// Linux uids and gids reach the kernel as u32, where all ones means "leave";
/// Docker, like runc, takes 0 to 2^31 - 1.
const MAX_ID: u64 = i32::MAX as u64;

/// Who a process becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// All three uids.
    pub uid: u32,
    /// All three gids.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The home directory; `/` when passwd knows none.
    pub home: String,
}

/// The user does not exist or is not allowed; Docker's words.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserError {
    /// A name that passwd does not have.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    NoUser(String),
    /// A name that group does not have.
    #[error("unable to find group {0}: no matching entries in group file")]
    NoGroup(String),
    /// A supplementary group that group does not have; Docker has a capital here.
    #[error("Unable to find group {0}: no matching entries in group file")]
    NoAddedGroup(String),
    /// A number out of range.
    #[error("uids and gids must be in range 0-{MAX_ID}")]
    Range,
    /// `:group` without a user, or more than two parts.
    #[error("invalid user {0:?}: expected name|uid[:group|gid]")]
    Malformed(String),
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Finds out who `user` is.
///
/// # Errors
/// An unknown name, a number out of range, no user before a colon.
pub fn resolve(user: &str, passwd: &str, group: &str) -> Result<Identity, UserError> {
    let (user_part, group_part) = match user.split_once(':') {
        Some((u, g)) if u.is_empty() || g.contains(':') => {
            return Err(UserError::Malformed(user.to_owned()));
        }
        // Docker takes `1000:` for `1000`.
        Some((u, "")) => (u, None),
        Some((u, g)) => (u, Some(g)),
        None => (if user.is_empty() { "0" } else { user }, None),
    };
    let mut identity = find_user(user_part, passwd)?;
    match group_part {
        Some(wanted) => identity.1.gid = find_group(wanted, group)?,
        None => identity.1.groups = memberships(identity.0, group),
    }
    Ok(identity.1)
}

/// The user's name, if passwd has one, and who that is.
fn find_user<'a>(wanted: &str, passwd: &'a str) -> Result<(Option<&'a str>, Identity), UserError> {
    let number = number(wanted)?;
    // A name that looks like a number is first looked up as a name.
    let by_name = users(passwd).find(|u| u.name == wanted);
    let found = by_name.or_else(|| users(passwd).find(|u| Some(u.uid) == number));
    match (found, number) {
        (Some(user), _) => {
            let home = if user.home.is_empty() { "/" } else { user.home };
            let identity = Identity {
                uid: user.uid,
                gid: user.gid,
                groups: Vec::new(),
                home: home.to_owned(),
            };
            Ok((Some(user.name), identity))
        }
        (None, Some(uid)) => Ok((
            None,
            Identity {
                uid,
                home: "/".to_owned(),
                ..Identity::default()
            },
        )),
        (None, None) => Err(UserError::NoUser(wanted.to_owned())),
    }
}

fn find_group(wanted: &str, group: &str) -> Result<u32, UserError> {
    let number = number(wanted)?;
    let by_name = groups(group).find(|g| g.name == wanted).map(|g| g.gid);
    by_name
        .or(number)
        .ok_or_else(|| UserError::NoGroup(wanted.to_owned()))
}

/// The numbers of groups given by name or number (`--group-add`).
///
/// # Errors
/// An unknown name, a number out of range.
pub fn groups_named(wanted: &[String], group: &str) -> Result<Vec<u32>, UserError> {
    let find = |name| match find_group(name, group) {
        Err(UserError::NoGroup(name)) => Err(UserError::NoAddedGroup(name)),
        other => other,
    };
    wanted.iter().map(|name| find(name)).collect()
}

fn memberships(name: Option<&str>, group: &str) -> Vec<u32> {
    let Some(name) = name else { return Vec::new() };
    let lists = |g: &Group<'_>| g.members.split(',').any(|m| m == name);
    let mut out: Vec<u32> = groups(group).filter(lists).map(|g| g.gid).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// `None` for what is not a number at all, an error for one out of range.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    let value: u64 = text.parse().map_err(|_| UserError::Range)?;
    if value > MAX_ID {
        Err(UserError::Range)
    } else {
        Ok(Some(value as u32))
    }
}

/// `name:password:uid:gid:comment:home:shell` (`passwd(5)`). A line that does
/// not parse, or has an id out of range, is as good as absent.
fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim_end_matches('\r').split(':');
        let name = fields
            .next()
            .filter(|n| !n.is_empty() && !n.starts_with('#'))?;
        let uid = number(fields.nth(1)?).ok()??;
        let gid = number(fields.next()?).ok()??;
        Some(User {
            name,
            uid,
            gid,
            home: fields.nth(1).unwrap_or(""),
        })
    })
}

/// `name:password:gid:members` (`group(5)`).
fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim_end_matches('\r').split(':');
        let name = fields
            .next()
            .filter(|n| !n.is_empty() && !n.starts_with('#'))?;
        let gid = number(fields.nth(1)?).ok()??;
        Some(Group {
            name,
            gid,
            members: fields.next().unwrap_or(""),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:\n7:x:1007:1007::/seven:\nbad:x:4294967296:0::/:\nneg:x:-1:0::/:\nshort\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,web\nweb:x:33:\nhuge:x:4294967299:web\nextra:x:44:web,root\nextra2:x:44:web\n";

    fn identity(user: &str) -> Result<(u32, u32, Vec<u32>, String), UserError> {
        resolve(user, PASSWD, GROUP).map(|i| (i.uid, i.gid, i.groups, i.home))
    }

    #[test]
    fn the_table_of_dockers_user_option_holds() {
        let ok =
            |uid, gid, groups: &[u32], home: &str| Ok((uid, gid, groups.to_vec(), home.to_owned()));
        assert_eq!(identity(""), ok(0, 0, &[10, 44], "/root"));
        assert_eq!(identity("0"), ok(0, 0, &[10, 44], "/root"));
        assert_eq!(identity("web"), ok(33, 33, &[10, 44], "/var/www"));
        assert_eq!(identity("33"), ok(33, 33, &[10, 44], "/var/www"));
        assert_eq!(identity("1000"), ok(1000, 0, &[], "/"));
        assert_eq!(identity("1000:wheel"), ok(1000, 10, &[], "/"));
        assert_eq!(identity("1000:"), identity("1000"));
        assert_eq!(identity("web:1234"), ok(33, 1234, &[], "/var/www"));
        assert_eq!(identity("7"), ok(1007, 1007, &[], "/seven"));
        assert_eq!(identity("2147483647"), ok(2_147_483_647, 0, &[], "/"));
    }

    #[test]
    fn what_could_wrap_around_to_root_is_refused() {
        for text in [
            "4294967296",
            "2147483648",
            "-1",
            "99999999999999999999999",
            "0:4294967296",
            "0:-1",
        ] {
            assert_eq!(identity(text), Err(UserError::Range), "{text}");
        }
        for text in [":", ":1000", "a:b:c"] {
            assert_eq!(
                identity(text),
                Err(UserError::Malformed(text.into())),
                "{text}"
            );
        }
        for name in ["nobody", "bad", "neg", "short", "0x0", " 0"] {
            assert_eq!(
                identity(name),
                Err(UserError::NoUser(name.into())),
                "{name}"
            );
        }
        assert_eq!(identity("0:huge"), Err(UserError::NoGroup("huge".into())));
    }

    #[test]
    fn an_image_without_the_files_has_root_and_numbers() {
        assert_eq!(
            resolve("", "", "").unwrap(),
            Identity {
                home: "/".into(),
                ..Identity::default()
            }
        );
        assert!(resolve("root", "", "").is_err());
    }
}
