//! Paths and changes as Docker writes them.

use bulkhead_api::archive::{PathStat, go_mode};
use bulkhead_api::container::{Change, ChangeKind};
use bulkhead_store::changes;

/// Seconds since the epoch at the end of the year 9999, after which RFC 3339
/// has no words; a container may give its files any time.
const LAST_SECOND: u64 = 253_402_300_799;

/// What a header says of a path.
pub fn path_stat(stat: &bulkhead_store::root::PathStat) -> PathStat {
    let (seconds, nanos) = stat.mtime;
    let since = match u64::try_from(seconds) {
        Ok(seconds) if seconds <= LAST_SECOND => std::time::Duration::new(seconds, nanos),
        Ok(_) => std::time::Duration::from_secs(LAST_SECOND),
        Err(_) => std::time::Duration::ZERO,
    };
    let text = humantime::format_rfc3339_nanos(std::time::UNIX_EPOCH + since).to_string();
    // Go writes no zeros at a fraction's end.
    let text = text.trim_end_matches('Z').trim_end_matches('0');
    PathStat {
        name: stat.name.clone(),
        size: i64::try_from(stat.size).unwrap_or(i64::MAX),
        mode: go_mode(stat.mode),
        mtime: format!("{}Z", text.trim_end_matches('.')),
        link_target: stat.link_target.clone(),
    }
}

/// One line of `diff`.
pub fn change(change: &changes::Change) -> Change {
    Change {
        path: String::from_utf8_lossy(&change.path).into_owned(),
        kind: match change.kind {
            changes::ChangeKind::Modified => ChangeKind::Modified,
            changes::ChangeKind::Added => ChangeKind::Added,
            changes::ChangeKind::Deleted => ChangeKind::Deleted,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos_and_none_is_too_far() {
        let text = |mtime| {
            let stat = bulkhead_store::root::PathStat {
                name: String::new(),
                size: 0,
                mode: 0,
                mtime,
                link_target: String::new(),
            };
            path_stat(&stat).mtime
        };
        assert_eq!(text((0, 0)), "1970-01-01T00:00:00Z");
        assert_eq!(text((10, 120_000_000)), "1970-01-01T00:00:10.12Z");
        assert_eq!(text((i64::MAX, 5)), "9999-12-31T23:59:59Z");
        assert_eq!(text((i64::MIN, 5)), "1970-01-01T00:00:00Z");
    }
}
