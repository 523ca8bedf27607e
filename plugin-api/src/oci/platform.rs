//! Which entry of an index fits a machine.

use super::Descriptor;
use crate::registry::Platform;

/// The entry that fits `wanted` best, `None` when none does. A processor runs
/// code of the older variants of its line: arm v7 runs v6 and v5, amd64 v3
/// runs v2 and v1; the newest that runs is best. Entries that name no
/// platform come last.
pub fn best_match<'a>(entries: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    let ranked = entries
        .iter()
        .filter_map(|entry| Some((rank(entry.platform.as_ref(), wanted)?, entry)));
    // Of equals the first one counts: `max_by_key` would take the last.
    ranked
        .rev()
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry)
}

/// Higher is better; (0, 0) is for an entry that does not say.
fn rank(offered: Option<&Platform>, wanted: &Platform) -> Option<(u32, u32)> {
    let Some(offered) = offered.filter(|platform| !platform.os.is_empty()) else {
        return Some((0, 0));
    };
    let architecture = normalised(&wanted.architecture);
    if offered.os != wanted.os || normalised(&offered.architecture) != architecture {
        return None;
    }
    if !matches!(architecture, "arm" | "arm64" | "amd64") {
        return (offered.variant == wanted.variant).then_some((1, 0));
    }
    let runs = level(architecture, wanted.variant.as_deref())?;
    let needs = level(architecture, offered.variant.as_deref())?;
    (needs <= runs).then_some(needs)
}

/// Names by which some builders call the same architecture.
fn normalised(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i686" => "386",
        "armhf" | "armv7l" => "arm",
        other => other,
    }
}

/// `v7` is (7, 0) and `v8.1` is (8, 1); a missing variant is the line's usual
/// one (containerd's `platforms/database.go` has the same defaults).
fn level(architecture: &str, variant: Option<&str>) -> Option<(u32, u32)> {
    let Some(variant) = variant else {
        return Some(match architecture {
            "arm" => (7, 0),
            "arm64" => (8, 0),
            _ => (1, 0),
        });
    };
    let digits = variant.strip_prefix('v')?;
    let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        let entry = |(size, text): (usize, &&str)| Descriptor {
            media_type: String::new(),
            digest: format!("sha256:{}", "0".repeat(64))
                .parse::<Digest>()
                .unwrap(),
            size: size as u64,
            platform: text.parse().ok(),
            ref_name: None,
        };
        platforms.iter().enumerate().map(entry).collect()
    }

    fn chosen(wanted: &str, platforms: &[&str]) -> Option<String> {
        let entries = index(platforms);
        let entry = best_match(&entries, &wanted.parse().unwrap())?;
        Some(platforms[entry.size as usize].to_owned())
    }

    #[test]
    fn the_exact_platform_is_chosen() {
        let all = [
            "linux/amd64",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
            "linux/386",
            "linux/s390x",
            "windows/amd64",
        ];
        for (wanted, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/386", "linux/386"),
            ("linux/s390x", "linux/s390x"),
        ] {
            assert_eq!(chosen(wanted, &all).as_deref(), Some(expected), "{wanted}");
        }
    }

    #[test]
    fn older_variants_of_the_same_line_run_and_newer_ones_do_not() {
        for (wanted, offered, expected) in [
            (
                "linux/arm/v7",
                &["linux/arm/v5", "linux/arm/v6"][..],
                Some("linux/arm/v6"),
            ),
            ("linux/arm/v6", &["linux/arm/v7"], None),
            (
                "linux/amd64/v3",
                &["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"],
                Some("linux/amd64/v2"),
            ),
            ("linux/amd64", &["linux/amd64/v2"], None),
            ("linux/amd64", &["linux/amd64/v1"], Some("linux/amd64/v1")),
            ("linux/arm64/v8", &["linux/arm64"], Some("linux/arm64")),
            (
                "linux/arm64/v9",
                &["linux/arm64/v8"],
                Some("linux/arm64/v8"),
            ),
            ("linux/arm64", &["linux/arm64/v8.1"], None),
            ("linux/arm64", &["linux/arm/v7"], None),
            ("linux/ppc64le", &["linux/amd64"], None),
        ] {
            assert_eq!(
                chosen(wanted, offered).as_deref(),
                expected,
                "{wanted} of {offered:?}"
            );
        }
    }

    #[test]
    fn attestations_are_never_chosen_and_silent_entries_only_as_the_last_resort() {
        assert_eq!(chosen("linux/amd64", &["unknown/unknown"]), None);
        assert_eq!(
            chosen("linux/amd64", &["?", "linux/amd64"]).as_deref(),
            Some("linux/amd64")
        );
        assert_eq!(
            chosen("linux/amd64", &["linux/arm64", "?"]).as_deref(),
            Some("?")
        );
    }

    #[test]
    fn of_equal_entries_the_first_counts_and_other_spellings_match() {
        assert_eq!(
            chosen("linux/amd64", &["linux/x86_64", "linux/amd64"]).as_deref(),
            Some("linux/x86_64")
        );
    }

    #[test]
    fn odd_variants_are_passed_over_without_a_panic() {
        for odd in [
            "linux/arm/v",
            "linux/arm/é",
            "linux/arm/v99999999999",
            "linux/arm/7",
            "linux/amd64/vv",
        ] {
            assert_eq!(chosen("linux/arm/v7", &[odd]), None, "{odd}");
        }
    }
}
