//! `-v [source:]target[:options]`

use std::path::Path;

use super::{InvalidValue, invalid};

/// A volume flag, its relative host path (`./x`) made absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Volume {
    /// A volume without a name at this path.
    Anonymous(String),
    /// `source:target[:options]`, the source a path or a volume's name.
    Bind(String),
}

/// Checks the form; what the options mean is the daemon's to say.
pub(crate) fn parse_volume(text: &str) -> Result<Volume, InvalidValue> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target) = match parts[..] {
        [target] => (None, target),
        [source, target] | [source, target, _] => (Some(source), target),
        _ => return Err(invalid(format!("invalid spec: {text}: too many colons"))),
    };
    if parts.iter().any(|part| part.is_empty()) {
        return Err(invalid(format!(
            "invalid spec: {text}: empty section between colons"
        )));
    }
    if !target.starts_with('/') {
        return Err(invalid(format!(
            "invalid volume specification: '{text}': the path inside must be absolute"
        )));
    }
    if target == "/" {
        return Err(invalid(format!(
            "invalid volume specification: '{text}': destination can't be '/'"
        )));
    }
    match source {
        None => Ok(Volume::Anonymous(text.to_owned())),
        Some(source) => absolute(source)
            .map(|source| Volume::Bind(format!("{source}:{}", parts[1..].join(":")))),
    }
}

fn absolute(source: &str) -> Result<String, InvalidValue> {
    if !source.starts_with('.') && !source.starts_with("~/") {
        return Ok(source.to_owned());
    }
    let path = match source.strip_prefix("~/").zip(std::env::home_dir()) {
        Some((rest, home)) => home.join(rest),
        None => std::path::absolute(source)
            .map_err(|error| invalid(format!("cannot resolve {source}: {error}")))?,
    };
    lexically_clean(&path).ok_or_else(|| invalid(format!("invalid characters in {source}")))
}

/// Takes `..` away as Go's `filepath.Clean` does, without looking at links.
fn lexically_clean(path: &Path) -> Option<String> {
    let mut clean: Vec<&str> = Vec::new();
    for part in path.to_str()?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    Some(format!("/{}", clean.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_names_and_anonymous_volumes_are_told_apart() {
        let bind = |text: &str| Ok(Volume::Bind(text.into()));
        assert_eq!(parse_volume("/a:/b:ro"), bind("/a:/b:ro"));
        assert_eq!(parse_volume("data:/b"), bind("data:/b"));
        assert_eq!(parse_volume("/b"), Ok(Volume::Anonymous("/b".into())));
        let here = std::env::current_dir().unwrap();
        let parent = here.parent().unwrap().display();
        assert_eq!(parse_volume("../x:/b"), bind(&format!("{parent}/x:/b")));
    }

    #[test]
    fn bad_volumes_are_refused() {
        let told = |text: &str| parse_volume(text).unwrap_err().to_string();
        assert_eq!(
            told("/a:/b:/c:d"),
            "invalid spec: /a:/b:/c:d: too many colons"
        );
        assert_eq!(
            told(":/b"),
            "invalid spec: :/b: empty section between colons"
        );
        for bad in ["", "/a:b", "/a:/", "x"] {
            assert!(parse_volume(bad).is_err(), "{bad}");
        }
    }
}
