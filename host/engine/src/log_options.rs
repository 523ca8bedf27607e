//! Log drivers and their options, refused in Docker's words. Pure.

use std::collections::BTreeMap;

use bulkhead_model::process::{LogConfig, Rotation};
use bulkhead_model::size;
use regex::Regex;

use crate::container::Container;
use crate::spec::ContainerSpec;

const JSON_FILE: Rotation = Rotation {
    max_size: 10 << 20,
    max_files: 3,
    compress: false,
};
const LOCAL: Rotation = Rotation {
    max_size: 20 << 20,
    max_files: 5,
    compress: true,
};

/// What every driver that can be read takes.
const FILE_OPTIONS: [&str; 3] = ["max-size", "max-file", "compress"];
const ATTRIBUTE_OPTIONS: [&str; 5] = ["labels", "labels-regex", "env", "env-regex", "tag"];
/// How output is handed to the driver. Ours never holds a container up for
/// longer than a write takes, whatever the mode.
const MODE_OPTIONS: [&str; 2] = ["mode", "max-buffer-size"];

const FAILED: &str = "failed to initialize logging driver";

/// A driver or an option that nobody has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidLog {
    /// Not a driver.
    #[error("error looking up logging plugin {0}: plugin \"{0}\" not found")]
    Driver(String),
    /// An option that the driver does not know.
    #[error("unknown log opt '{0}' for json-file log driver")]
    UnknownToJsonFile(String),
    /// The same, in the words of another driver.
    #[error("unknown log opt '{0}' for log driver local")]
    UnknownToLocal(String),
    /// Neither `blocking` nor `non-blocking`.
    #[error("logger: logging mode not supported: {0}")]
    Mode(String),
    /// A buffer that nothing goes through.
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    Buffer,
    /// No number of bytes.
    #[error("{FAILED}: invalid size: '{0}'")]
    Size(String),
    /// No number.
    #[error("{FAILED}: strconv.Atoi: parsing {0:?}: invalid syntax")]
    Number(String),
    /// Neither true nor false.
    #[error("{FAILED}: strconv.ParseBool: parsing {0:?}: invalid syntax")]
    Bool(String),
    /// No file at all.
    #[error("{FAILED}: max-file cannot be less than 1")]
    NoFile,
    /// Nothing that could be compressed.
    #[error(
        "{FAILED}: compress cannot be true when max-file is less than 2 or max-size is not set"
    )]
    NothingToCompress,
    /// No regular expression.
    #[error("{FAILED}: error parsing regexp: {0}")]
    Regex(String),
    /// A tag with something in braces that is none of Docker's fields.
    #[error("{FAILED}: template: log-tag: can't evaluate {0}")]
    Tag(String),
}

/// Checks what a container asks for.
///
/// # Errors
/// See [`InvalidLog`].
pub fn check(spec: &ContainerSpec) -> Result<(), InvalidLog> {
    let options = &spec.log_opts;
    rotation_of(spec)?;
    for name in ["labels-regex", "env-regex"] {
        regex(options, name)?;
    }
    let tag = options.get("tag").map(String::as_str).unwrap_or_default();
    expand(tag, |field| FIELDS.contains(&field).then(String::new)).map(drop)
}

/// The log of one container.
///
/// # Errors
/// See [`InvalidLog`].
pub fn config(container: &Container) -> Result<LogConfig, InvalidLog> {
    let rotation = rotation_of(&container.spec)?;
    Ok(match (container.spec.log_driver.as_str(), rotation) {
        (_, None) => LogConfig::None,
        ("local", Some(rotation)) => LogConfig::Local { rotation },
        (_, Some(rotation)) => LogConfig::JsonFile {
            rotation,
            attributes: attributes(container)?,
        },
    })
}

/// `None` for a driver that keeps nothing.
fn rotation_of(spec: &ContainerSpec) -> Result<Option<Rotation>, InvalidLog> {
    let options = &spec.log_opts;
    type Refuse = fn(String) -> InvalidLog;
    let json_file: Refuse = InvalidLog::UnknownToJsonFile;
    let local: Refuse = InvalidLog::UnknownToLocal;
    let (unknown, attributes, defaults): (_, &[&str], _) = match spec.log_driver.as_str() {
        "" | "json-file" => (json_file, &ATTRIBUTE_OPTIONS, JSON_FILE),
        "local" => (local, &[], LOCAL),
        "none" => return Ok(None),
        other => return Err(InvalidLog::Driver(other.to_owned())),
    };
    let known = |name: &str| {
        let lists: [&[&str]; 3] = [&FILE_OPTIONS, &MODE_OPTIONS, attributes];
        lists.iter().any(|list| list.contains(&name))
    };
    if let Some(option) = options.keys().find(|name| !known(name)) {
        return Err(unknown(option.clone()));
    }
    check_mode(options)?;
    rotation(options, defaults).map(Some)
}

fn check_mode(options: &BTreeMap<String, String>) -> Result<(), InvalidLog> {
    let mode = options.get("mode").map(String::as_str).unwrap_or_default();
    if !matches!(mode, "" | "blocking" | "non-blocking") {
        return Err(InvalidLog::Mode(mode.to_owned()));
    }
    match options.get("max-buffer-size") {
        Some(_) if mode != "non-blocking" => Err(InvalidLog::Buffer),
        Some(size) => parse_size(size).map(drop),
        None => Ok(()),
    }
}

fn rotation(
    options: &BTreeMap<String, String>,
    defaults: Rotation,
) -> Result<Rotation, InvalidLog> {
    let mut rotation = defaults;
    if let Some(text) = options.get("max-size") {
        rotation.max_size = parse_size(text)?;
    }
    if let Some(text) = options.get("max-file") {
        let files: i64 = (text.parse()).map_err(|_| InvalidLog::Number(text.clone()))?;
        rotation.max_files = u32::try_from(files).map_err(|_| InvalidLog::NoFile)?;
    }
    if rotation.max_files == 0 {
        return Err(InvalidLog::NoFile);
    }
    match options.get("compress").map(|text| parse_bool(text)) {
        None => rotation.compress &= rotation.max_files > 1,
        Some(Ok(true)) if rotation.max_files < 2 || rotation.max_size == u64::MAX => {
            return Err(InvalidLog::NothingToCompress);
        }
        Some(compress) => rotation.compress = compress?,
    }
    Ok(rotation)
}

/// A file's size; -1 is unlimited. One of no bytes would be rotated for ever.
fn parse_size(text: &str) -> Result<u64, InvalidLog> {
    if text == "-1" {
        return Ok(u64::MAX);
    }
    let bytes = size::parse(text).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| InvalidLog::Size(text.to_owned()))
}

/// What Go's `strconv.ParseBool` takes.
fn parse_bool(text: &str) -> Result<bool, InvalidLog> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(InvalidLog::Bool(text.to_owned())),
    }
}

fn regex(options: &BTreeMap<String, String>, name: &str) -> Result<Option<Regex>, InvalidLog> {
    let Some(text) = options.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let regex = Regex::new(text).map_err(|_| InvalidLog::Regex(text.clone()))?;
    Ok(Some(regex))
}

/// Labels and variables that were asked for, and the tag.
fn attributes(container: &Container) -> Result<Vec<(String, String)>, InvalidLog> {
    let options = &container.spec.log_opts;
    let mut out = BTreeMap::new();
    let mut take = |list: &str, pattern: &str, all: &mut dyn Iterator<Item = (&str, &str)>| {
        let names = options.get(list).map(String::as_str).unwrap_or_default();
        let pattern = regex(options, pattern)?;
        for (name, value) in all {
            let listed = names.split(',').any(|wanted| wanted == name);
            if listed || pattern.as_ref().is_some_and(|p| p.is_match(name)) {
                out.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    };
    let labels = &container.spec.labels;
    let mut labels = labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    take("labels", "labels-regex", &mut labels)?;
    let mut variables = container.env.iter().filter_map(|pair| pair.split_once('='));
    take("env", "env-regex", &mut variables)?;
    if let Some(tag) = options.get("tag").filter(|tag| !tag.is_empty()) {
        out.insert("tag".to_owned(), expand(tag, |f| field(container, f))?);
    }
    Ok(out.into_iter().collect())
}

/// Docker's fields of a log's tag.
const FIELDS: [&str; 8] = [
    ".ID",
    ".FullID",
    ".Name",
    ".ImageID",
    ".ImageFullID",
    ".ImageName",
    ".Command",
    ".DaemonName",
];

fn field(container: &Container, name: &str) -> Option<String> {
    let short = |id: &str| id.chars().take(12).collect();
    let image = container.image_id.trim_start_matches("sha256:");
    Some(match name {
        ".ID" => container.id.short().to_owned(),
        ".FullID" => container.id.as_str().to_owned(),
        ".Name" => container.name.clone(),
        ".ImageID" => short(image),
        ".ImageFullID" => container.image_id.clone(),
        ".ImageName" => container.spec.image.clone(),
        ".Command" => container.args.join(" "),
        ".DaemonName" => "docker".to_owned(),
        _ => return None,
    })
}

fn expand(tag: &str, field: impl Fn(&str) -> Option<String>) -> Result<String, InvalidLog> {
    let mut out = String::new();
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once("{{") {
        let invalid = || InvalidLog::Tag(after.to_owned());
        let (name, behind) = after.split_once("}}").ok_or_else(invalid)?;
        out.push_str(before);
        let unknown = || InvalidLog::Tag(name.trim().to_owned());
        out.push_str(&field(name.trim()).ok_or_else(unknown)?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(driver: &str, options: &[(&str, &str)]) -> ContainerSpec {
        let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        ContainerSpec {
            log_driver: driver.into(),
            log_opts: options.iter().map(owned).collect(),
            ..ContainerSpec::default()
        }
    }

    #[test]
    fn what_docker_refuses_is_refused_in_its_words() {
        for (driver, option, value, text) in [
            (
                "foo",
                "a",
                "b",
                "error looking up logging plugin foo: plugin \"foo\" not found",
            ),
            (
                "",
                "foo",
                "1",
                "unknown log opt 'foo' for json-file log driver",
            ),
            (
                "local",
                "labels",
                "x",
                "unknown log opt 'labels' for log driver local",
            ),
            (
                "json-file",
                "max-size",
                "abc",
                "failed to initialize logging driver: invalid size: 'abc'",
            ),
            (
                "",
                "max-file",
                "0",
                "failed to initialize logging driver: max-file cannot be less than 1",
            ),
            (
                "",
                "max-file",
                "x",
                "failed to initialize logging driver: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (
                "",
                "compress",
                "maybe",
                "failed to initialize logging driver: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
            (
                "",
                "mode",
                "weird",
                "logger: logging mode not supported: weird",
            ),
            (
                "",
                "max-buffer-size",
                "1m",
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
            ),
        ] {
            let error = check(&spec(driver, &[(option, value)])).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
        for (option, value) in [
            ("labels-regex", "("),
            ("tag", "{{.Nope}}"),
            ("tag", "{{.ID"),
        ] {
            assert!(
                check(&spec("", &[(option, value)])).is_err(),
                "{option}={value}"
            );
        }
    }

    #[test]
    fn a_file_holds_something_or_everything() {
        assert_eq!(parse_size("10m"), Ok(10 << 20));
        assert_eq!(parse_size("-1"), Ok(u64::MAX));
        for bad in ["", "0", "-2", "0.1", "1x"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_driver_rotates_by_itself() {
        let rotation = |driver, options: &[_]| rotation_of(&spec(driver, options)).unwrap();
        assert_eq!(rotation("", &[]), Some(JSON_FILE));
        assert_eq!(rotation("local", &[]), Some(LOCAL));
        assert_eq!(rotation("none", &[("whatever", "")]), None);
        let one = rotation("local", &[("max-file", "1")]).unwrap();
        assert!(!one.compress);
        let compressed = rotation("", &[("compress", "true")]).unwrap();
        assert!(compressed.compress);
    }

    #[test]
    fn a_tag_is_filled_in() {
        let fill = |f: &str| Some(format!("<{f}>"));
        assert_eq!(
            expand("a/{{ .Name }}/{{.ID}}b", fill).unwrap(),
            "a/<.Name>/<.ID>b"
        );
        assert_eq!(expand("plain", |_| None).unwrap(), "plain");
    }
}
