//! Container names: Docker's rule, and names made up for those who give none.

/// Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.len() >= 2
        && bytes.len() <= 255
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

const MANNERS: [&str; 32] = [
    "able", "agile", "amber", "brave", "bright", "calm", "clear", "crisp", "deft", "eager", "even",
    "fair", "firm", "gentle", "keen", "kind", "lively", "lucid", "mellow", "merry", "neat",
    "noble", "plain", "quick", "quiet", "sharp", "sober", "solid", "steady", "swift", "warm",
    "wise",
];

const SHIPS: [&str; 32] = [
    "barge", "barque", "brig", "carrack", "catboat", "clipper", "cog", "corvette", "cutter",
    "dhow", "dory", "felucca", "ferry", "frigate", "galleon", "galley", "gig", "junk", "kayak",
    "ketch", "lugger", "packet", "pinnace", "pram", "punt", "schooner", "scow", "skiff", "sloop",
    "trawler", "xebec", "yawl",
];

/// A name out of a container's random id: a manner, a ship and, from the
/// second try on, a number.
pub fn made_up(id: &str, attempt: u32) -> String {
    let number = |at: usize| usize::from_str_radix(&id[at..at + 4], 16).unwrap_or(0);
    let base = format!("{}_{}", MANNERS[number(0) % 32], SHIPS[number(4) % 32]);
    if attempt == 0 {
        base
    } else {
        format!("{base}{}", number(8) % 1000 + attempt as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_rule() {
        assert!(is_valid("web-1.a_b"));
        for bad in ["", "a", "-ab", "a b", "a/b", "ü1"] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn made_up_names_are_valid_and_differ_by_attempt() {
        let id = "0123456789abcdef".repeat(4);
        assert!(is_valid(&made_up(&id, 0)));
        assert_ne!(made_up(&id, 0), made_up(&id, 1));
    }
}
