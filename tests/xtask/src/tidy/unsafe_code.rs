//! `unsafe` stands in one crate, and in one file that maps native code.

use super::{Finding, Source};

/// Prefixes of paths where `unsafe` may stand. A hostile guest is allowed all
/// that a stranger's is.
const ALLOWED: [&str; 3] = ["host/sys/src/", "host/sandbox/src/load.rs", "tests/guests/"];

pub(super) fn check(source: &Source, code: &str) -> Vec<Finding> {
    if ALLOWED.iter().any(|prefix| source.path.starts_with(prefix)) {
        return Vec::new();
    }
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let holds = |line: &str| {
        line.split(|letter| !is_word(letter))
            .any(|word| word == "unsafe")
    };
    let lines = code.lines().enumerate().filter(|(_, line)| holds(line));
    lines
        .map(|(number, _)| source.error(number + 1, "`unsafe` outside of host/sys"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&source(path, text), text).len()
    }

    #[test]
    fn unsafe_is_refused_outside_of_its_place() {
        assert_eq!(
            findings("host/engine/src/a.rs", "let a = unsafe { *p };"),
            1
        );
        assert_eq!(findings("host/sys/src/a.rs", "let a = unsafe { *p };"), 0);
        assert_eq!(findings("host/engine/src/a.rs", "#![deny(unsafe_code)]"), 0);
    }
}
