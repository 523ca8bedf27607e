//! Words that mean a thing is not finished, or belongs to one machine.

use std::path::Path;

use super::{Finding, Source};

/// Split so that this file does not break its own rule.
const BANNED: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimplement", "ed!("),
    concat!("db", "g!("),
    concat!("#[ign", "ore"),
    concat!("FIX", "ME"),
];

pub(super) fn check(source: &Source, root: &Path) -> Vec<Finding> {
    let checkout = root.display().to_string();
    let mut findings = Vec::new();
    for (number, line) in source.text.lines().enumerate() {
        let banned = BANNED.into_iter().find(|word| line.contains(word));
        findings.extend(banned.map(|word| source.error(number + 1, format!("`{word}`"))));
        if is_machine_path(line, &checkout) {
            findings.push(source.error(number + 1, "a path of one person's machine"));
        }
    }
    findings
}

/// The checkout's own place, unless that is as short as a mount point.
fn is_machine_path(line: &str, checkout: &str) -> bool {
    checkout.matches('/').count() > 1 && line.contains(checkout)
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn findings(text: &str) -> usize {
        check(&source("a.rs", text), Path::new("/srv/ann/checkout")).len()
    }

    #[test]
    fn unfinished_work_is_refused() {
        assert_eq!(findings(&format!("fn a() {{ {}) }}", BANNED[0])), 1);
        assert_eq!(findings(&format!("{}]\nfn a() {{}}", BANNED[3])), 1);
        assert_eq!(findings("the todo list is ignored"), 0);
    }

    #[test]
    fn the_path_of_a_checkout_is_refused() {
        assert_eq!(findings("include!(\"/srv/ann/checkout/a\")"), 1);
    }
}
