//! Files and functions stay small enough to be read in one go.

use super::{Finding, Source};

const FILE_QUESTION: usize = 500;
const FILE_LIMIT: usize = 800;
const FUNCTION_QUESTION: usize = 60;
const FUNCTION_LIMIT: usize = 120;

pub(super) fn check(source: &Source, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(file(source));
    findings.extend(
        functions(code)
            .iter()
            .filter_map(|function| long(source, function)),
    );
    findings
}

fn file(source: &Source) -> Option<Finding> {
    let lines = source.text.lines().count();
    let message = format!("{lines} lines: is there a seam?");
    match lines {
        lines if lines > FILE_LIMIT => Some(source.error(1, message)),
        lines if lines > FILE_QUESTION => Some(source.warning(1, message)),
        _ => None,
    }
}

fn long(source: &Source, function: &Function) -> Option<Finding> {
    let message = format!("`{}` has {} lines", function.name, function.lines);
    match function.lines {
        lines if lines > FUNCTION_LIMIT => Some(source.error(function.first, message)),
        lines if lines > FUNCTION_QUESTION => Some(source.warning(function.first, message)),
        _ => None,
    }
}

struct Function {
    name: String,
    /// Number of the line with `fn`.
    first: usize,
    /// From there to the closing brace.
    lines: usize,
}

/// Every function with a body in `code`, which has no comments or literals.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let starts_word =
            code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let Some(length) = body_end(&code[at..]) else {
            continue;
        };
        if starts_word {
            continue;
        }
        let is_name = |letter: &char| letter.is_alphanumeric() || *letter == '_';
        found.push(Function {
            name: code[at + 3..].chars().take_while(is_name).collect(),
            first: code[..at].lines().count().max(1),
            lines: code[at..at + length].lines().count(),
        });
    }
    found
}

/// Length up to the brace that closes the body; `None` when there is none, as
/// in a trait or a function pointer.
fn body_end(code: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut nested = 0_usize;
    for (at, letter) in code.char_indices() {
        match letter {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.checked_sub(1)?,
            ';' if braces == 0 && nested == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{Weight, source};
    use super::*;

    fn weights(text: &str) -> Vec<Weight> {
        check(&source("a.rs", text), text)
            .into_iter()
            .map(|finding| finding.weight)
            .collect()
    }

    #[test]
    fn a_long_function_is_a_question_and_a_longer_one_an_error() {
        let function = |lines: usize| {
            format!(
                "fn f<T>(a: T)\nwhere T: X<Y = u8>,\n{{\n{}}}\n",
                "x();\n".repeat(lines)
            )
        };
        assert_eq!(weights(&function(20)), []);
        assert_eq!(weights(&function(70)), [Weight::Warning]);
        assert_eq!(weights(&function(130)), [Weight::Error]);
    }

    #[test]
    fn a_declaration_without_a_body_does_not_swallow_what_follows() {
        let text = format!(
            "trait T {{ fn a(&self, b: u8) -> u8; }}\n{}",
            "x();\n".repeat(200)
        );
        assert_eq!(weights(&text), []);
    }

    #[test]
    fn a_long_file_is_a_question_and_a_longer_one_an_error() {
        assert_eq!(weights(&"\n".repeat(501)), [Weight::Warning]);
        assert_eq!(weights(&"\n".repeat(801)), [Weight::Error]);
    }
}
