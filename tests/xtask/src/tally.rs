//! How many tests passed, as the runners' own summaries say.

use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// The sum of every summary line in `lines`, of cargo-nextest and of
    /// libtest. What a filter left out is not counted.
    pub(crate) fn of(lines: &[String]) -> Self {
        let mut tally = Tally::default();
        for line in lines {
            let plain = without_colours(line);
            if let Some(summary) = plain.trim_start().strip_prefix("Summary [") {
                tally += nextest(summary);
            } else if let Some(summary) = plain.strip_prefix("test result: ") {
                tally += libtest(summary);
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// `   1.2s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
/// Its "skipped" are those that the filter left out: tests are never ignored.
fn nextest(summary: &str) -> Tally {
    let Some((_, counts)) = summary.split_once(" run: ") else {
        return Tally::default();
    };
    let counts: String = without_parentheses(counts);
    Tally {
        passed: count(&counts, "passed"),
        failed: ["failed", "timed out", "exec failed"]
            .iter()
            .map(|word| count(&counts, word))
            .sum(),
        skipped: 0,
    }
}

/// `ok. 16 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.20s`.
fn libtest(summary: &str) -> Tally {
    let counts = summary
        .replace(';', ",")
        .replace("ok. ", "")
        .replace("FAILED. ", "");
    Tally {
        passed: count(&counts, "passed"),
        failed: count(&counts, "failed"),
        skipped: count(&counts, "ignored"),
    }
}

/// The number before `word` in a list separated by commas.
fn count(counts: &str, word: &str) -> usize {
    let numbers = counts
        .split(',')
        .filter_map(|item| item.trim().strip_suffix(word)?.trim().parse::<usize>().ok());
    numbers.sum()
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let kept = |letter: &char| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(kept).collect()
}

/// Without the terminal's colour codes (ECMA-48, CSI ... m).
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Tally {
        Tally::of(&[line.to_owned()])
    }

    #[test]
    fn nextest_failures_of_every_kind_are_counted() {
        let line = "     Summary [   1.203s] 9 tests run: 5 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 4 skipped";
        assert_eq!(
            of(line),
            Tally {
                passed: 5,
                failed: 4,
                skipped: 0
            }
        );
        assert_eq!(
            of("\x1b[32;1m     Summary\x1b[0m [   0.1s] 1 test run: 1 passed, 0 skipped").passed,
            1
        );
    }

    #[test]
    fn libtest_results_are_counted() {
        let line = "test result: FAILED. 16 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.20s";
        assert_eq!(
            of(line),
            Tally {
                passed: 16,
                failed: 2,
                skipped: 1
            }
        );
        assert_eq!(of("running 3 tests"), Tally::default());
    }
}
