//! `COMPARISON.md` describes this client.

use std::collections::BTreeSet;
use std::path::Path;

use crate::scripted::bulkhead;

const PAGE: &str = include_str!("../../COMPARISON.md");

/// `-f, --force` between backticks, up to the cell's or the line's end.
fn flags(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The flags of a command's own help.
fn offered(words: &[&str]) -> BTreeSet<String> {
    let shown = bulkhead(
        Path::new("/nonexistent/sock"),
        &[words, &["--help"]].concat(),
    );
    assert_eq!(shown.code, 0, "{words:?}: {}", shown.stderr);
    let flag = |line: &str| {
        let rest = line.strip_prefix("  ")?;
        let (short, long) = match rest.strip_prefix("    --") {
            Some(rest) => (String::new(), rest),
            None => {
                let (short, rest) = rest.strip_prefix('-')?.split_once(", --")?;
                (format!("-{short}, "), rest)
            }
        };
        Some(format!("{short}--{}", long.split_whitespace().next()?))
    };
    shown.stdout.lines().filter_map(flag).collect()
}

#[test]
fn the_page_lists_the_flags_that_each_command_has() {
    let sections = PAGE.split("\n## ").skip(1);
    let mut seen = 0;
    for section in sections {
        let (title, body) = section.split_once('\n').unwrap();
        let words: Vec<&str> = title.split(' ').skip(1).collect();
        if body.contains("\nMissing: ") || body.contains("\nDocker has no such command.") {
            continue;
        }
        let lines = |start: &'static str| {
            body.lines()
                .filter(move |line| line.starts_with(start))
                .flat_map(flags)
        };
        let there: BTreeSet<String> = lines("Same: ")
            .chain(lines("More than docker's: "))
            .collect();
        assert_eq!(
            there,
            offered(&words),
            "{title}: run `cargo xtask compare-cli`"
        );
        seen += 1;
    }
    assert!(seen > 40, "{seen} commands");
}
