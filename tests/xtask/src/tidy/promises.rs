//! What the README promises is kept by a test that it names: each item below
//! its heading `## Promises` ends in "(test: `function`)".

use super::{Finding, Source};

const HEADING: &str = "## Promises";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let Some(readme) = sources.iter().find(|source| source.path == "README.md") else {
        return Vec::new();
    };
    items(&readme.text)
        .into_iter()
        .filter_map(|(line, item)| {
            broken(&item, sources).map(|message| readme.error(line, message))
        })
        .collect()
}

/// The list items of the section, each with its line and its continuation lines.
fn items(text: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let lines = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != HEADING)
        .skip(1);
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with("## ")) {
        match (line.strip_prefix("- "), items.last_mut()) {
            (Some(item), _) => items.push((number + 1, item.to_owned())),
            (None, Some((_, item))) => item.push_str(line),
            (None, None) => {}
        }
    }
    items
}

fn broken(item: &str, sources: &[Source]) -> Option<String> {
    let Some((_, rest)) = item.split_once("(test: `") else {
        return Some("a promise that names no test".to_owned());
    };
    let name = rest.split('`').next().unwrap_or_default();
    let declaration = format!("fn {name}(");
    let exists = sources
        .iter()
        .any(|source| source.is_rust() && source.text.contains(&declaration));
    (!exists).then(|| format!("a promise kept by `{name}`, which is no test"))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn findings(readme: &str) -> usize {
        let test = source(
            "tests/a.rs",
            concat!("#[test]\nf", "n a_layer_survives() {}"),
        );
        check(&[source("README.md", readme), test]).len()
    }

    #[test]
    fn a_promise_without_a_test_is_refused() {
        assert_eq!(
            findings("## Promises\n\n- Fast.\n- Lasting\n  (test: `a_layer_survives`).\n"),
            1
        );
        assert_eq!(
            findings("## Promises\n\n- Lasting (test: `a_layer_lives`).\n"),
            1
        );
        assert_eq!(findings("## Other\n\n- Fast.\n"), 0);
    }
}
