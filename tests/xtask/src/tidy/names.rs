//! A module is called after what it does; these names say only that somebody
//! did not know where to put it.

use super::{Finding, Source};

const BANNED: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "stuff", "shared",
];

pub(super) fn check(source: &Source) -> Option<Finding> {
    let path = source.path.trim_end_matches(".rs");
    let name = path.split('/').find(|part| BANNED.contains(part))?;
    Some(source.error(1, format!("a module called `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn a_module_for_anything_is_refused_as_file_and_as_folder() {
        assert!(check(&source("host/engine/src/utils.rs", "")).is_some());
        assert!(check(&source("host/engine/src/common/time.rs", "")).is_some());
        assert!(check(&source("host/engine/src/commons_parser.rs", "")).is_none());
    }
}
