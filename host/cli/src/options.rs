//! `name=value` options of drivers.

use std::collections::BTreeMap;

/// Options by their names; one without a value has an empty one.
pub(crate) fn option_map(words: &[String]) -> BTreeMap<String, String> {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    };
    words.iter().map(pair).collect()
}
