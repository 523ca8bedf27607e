//! Variables and labels, from flags and from files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{InvalidValue, invalid};
use crate::error::{Error, Result};

/// `NAME=value` or `NAME`, whose value is then the caller's.
pub(crate) fn parse_env(text: &str) -> Result<String, InvalidValue> {
    match text.split('=').next() {
        Some(name) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err(invalid(format!("invalid environment variable: {text}"))),
    }
}

/// The variables of files, then those of flags; a name without a value takes
/// the caller's, and without that is removed from the image's (a lone name
/// from a file is left out).
pub(crate) fn env_list(files: &[PathBuf], flags: &[String]) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for file in files {
        list.extend(
            lines(file)?
                .into_iter()
                .filter_map(|line| with_value(&line).filter(|l| l.contains('='))),
        );
    }
    list.extend(
        flags
            .iter()
            .map(|flag| with_value(flag).unwrap_or_else(|| flag.clone())),
    );
    Ok(list)
}

/// Labels of files, then those of flags.
pub(crate) fn label_map(files: &[PathBuf], flags: &[String]) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut add = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        labels.insert(name.to_owned(), value.to_owned());
    };
    for file in files {
        lines(file)?.iter().for_each(|line| add(line));
    }
    flags.iter().for_each(|flag| add(flag));
    Ok(labels)
}

fn with_value(text: &str) -> Option<String> {
    if text.contains('=') {
        return Some(text.to_owned());
    }
    let value = std::env::var(text).ok()?;
    Some(format!("{text}={value}"))
}

/// The lines of a file that are neither empty nor a comment.
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read(path).map_err(|source| Error::Open {
        path: path.display().to_string(),
        source,
    })?;
    let text = String::from_utf8(text).map_err(|_| {
        Error::Option(format!(
            "env file {} contains invalid utf8 bytes",
            path.display()
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut kept = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() || name.contains(char::is_whitespace) {
            let place = format!("{} line {}", path.display(), number + 1);
            return Err(Error::Option(format!(
                "invalid env file ({place}): variable '{name}' is not a name"
            )));
        }
        kept.push(line.to_owned());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_before_flags_and_comments_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "# comment\n\nA=1 2\n  B=x=y\nSURELY_NOT_SET_HERE\n").unwrap();
        let list = env_list(
            std::slice::from_ref(&file),
            &["A=3".into(), "SURELY_NOT_SET_HERE".into()],
        )
        .unwrap();
        assert_eq!(list, ["A=1 2", "B=x=y", "A=3", "SURELY_NOT_SET_HERE"]);
        std::fs::write(&file, "A=1\nmy var=2\n").unwrap();
        let error = env_list(&[file], &[]).unwrap_err().to_string();
        assert!(
            error.ends_with("line 2): variable 'my var' is not a name"),
            "{error}"
        );
    }

    #[test]
    fn a_variable_needs_a_name() {
        assert_eq!(parse_env("A"), Ok("A".into()));
        assert_eq!(
            parse_env("").unwrap_err().to_string(),
            "invalid environment variable: "
        );
        assert!(parse_env("=x").is_err());
    }
}
