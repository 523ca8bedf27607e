//! The Dockerfile instructions that change an image's configuration alone:
//! `commit --change` and `import --change`. Words, quotes and variables are
//! those of Docker's builder, and so are the refusals.

mod words;

use std::time::Duration;

use bulkhead_model::health::HealthOptions;
use bulkhead_model::image::ImageConfig;

/// Why a change was refused, in Docker's words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)] // The texts say what each is.
pub enum InvalidChange {
    #[error("file with no instructions")]
    Nothing,
    #[error("{0} is not a valid change command")]
    NotAChange(String),
    #[error("{0} requires at least one argument")]
    AtLeastOne(&'static str),
    #[error("{0} requires exactly one argument")]
    ExactlyOne(&'static str),
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    #[error("Invalid containerPort: {0}")]
    Port(String),
    #[error("Invalid proto: {0}")]
    Protocol(String),
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthType(String),
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthCommand,
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthNone,
    #[error("Unknown flag: {0}")]
    Flag(String),
    #[error("Interval {0:?} cannot be less than 1ms")]
    ShortInterval(&'static str),
    #[error("invalid value {value:?} for --{flag}")]
    FlagValue { flag: &'static str, value: String },
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(String),
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    Chained,
    #[error("failed to process {0:?}: {1}")]
    Word(String, &'static str),
}

/// Applies `changes`, each one or more lines of a Dockerfile, in turn.
pub fn apply(config: &mut ImageConfig, changes: &[String]) -> Result<(), InvalidChange> {
    if changes.is_empty() {
        return Ok(());
    }
    let lines = logical_lines(&changes.join("\n"));
    if lines.is_empty() {
        return Err(InvalidChange::Nothing);
    }
    let mut cmd_set = false;
    lines
        .iter()
        .try_for_each(|line| instruction(config, line, &mut cmd_set))
}

/// Lines without comments, those that end in a backslash joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') || (open.is_empty() && trimmed.is_empty()) {
            continue;
        }
        match line.trim_end().strip_suffix('\\') {
            Some(begun) => open.push_str(begun),
            None => {
                open.push_str(line);
                lines.push(std::mem::take(&mut open).trim().to_owned());
            }
        }
    }
    if !open.trim().is_empty() {
        lines.push(open.trim().to_owned());
    }
    lines
}

fn instruction(
    config: &mut ImageConfig,
    line: &str,
    cmd_set: &mut bool,
) -> Result<(), InvalidChange> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match name.to_ascii_uppercase().as_str() {
        "CMD" => {
            *cmd_set = true;
            config.cmd = Some(command(config, rest));
        }
        "ENTRYPOINT" => {
            config.entrypoint = Some(command(config, rest)).filter(|words| !words.is_empty());
            if !*cmd_set {
                config.cmd = None;
            }
        }
        "ENV" => {
            for (key, value) in pairs("ENV", config, rest)? {
                set_env(&mut config.env, &key, &value);
            }
        }
        "LABEL" => config.labels.extend(pairs("LABEL", config, rest)?),
        "EXPOSE" => expose(config, rest)?,
        "VOLUME" => volume(config, rest)?,
        "USER" => config.user = words::expand(one("USER", rest)?, &config.env)?,
        "WORKDIR" => {
            let wanted = words::expand(one("WORKDIR", rest)?, &config.env)?;
            config.working_dir = directory(&config.working_dir, &wanted);
        }
        "HEALTHCHECK" => config.health = Some(health(rest)?),
        "ONBUILD" => config.on_build.push(trigger(rest)?),
        _ => return Err(InvalidChange::NotAChange(name.to_ascii_lowercase())),
    }
    Ok(())
}

fn one<'a>(name: &'static str, rest: &'a str) -> Result<&'a str, InvalidChange> {
    match rest {
        "" => Err(InvalidChange::ExactlyOne(name)),
        rest => Ok(rest),
    }
}

/// A JSON list of strings; anything else is no list.
fn list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[')
        .then(|| serde_json::from_str(text).ok())?
}

/// The exec form as it is, the shell form behind the image's shell.
fn command(config: &ImageConfig, rest: &str) -> Vec<String> {
    if let Some(words) = list(rest) {
        return words;
    }
    let shell = match config.shell.as_slice() {
        [] => vec!["/bin/sh".to_owned(), "-c".to_owned()],
        shell => shell.to_vec(),
    };
    let rest = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
    shell.into_iter().chain(rest).collect()
}

/// `a=b c="d e"`, or the older `a b c`, which means `a` is `b c`.
fn pairs(
    name: &'static str,
    config: &ImageConfig,
    rest: &str,
) -> Result<Vec<(String, String)>, InvalidChange> {
    let words = words::split(rest);
    let Some(first) = words.first() else {
        return Err(InvalidChange::AtLeastOne(name));
    };
    let mut raw = Vec::new();
    if first.contains('=') {
        for word in &words {
            let pair = word.split_once('=');
            raw.push(pair.ok_or_else(|| InvalidChange::NoEquals(word.clone()))?);
        }
    } else {
        let pair = rest.split_once(char::is_whitespace);
        let (key, value) = pair.ok_or(InvalidChange::TwoArguments(name))?;
        raw.push((key, value.trim()));
    }
    let expanded = |(key, value): (&str, &str)| {
        let key = words::expand(key, &config.env)?;
        if key.is_empty() {
            return Err(InvalidChange::BlankName(name));
        }
        Ok((key, words::expand(value, &config.env)?))
    };
    raw.into_iter().map(expanded).collect()
}

fn set_env(env: &mut Vec<String>, key: &str, value: &str) {
    let entry = format!("{key}={value}");
    let known = env.iter_mut().find(|e| e.split('=').next() == Some(key));
    match known {
        Some(known) => *known = entry,
        None => env.push(entry),
    }
}

/// Words of a list that may be JSON.
fn arguments(name: &'static str, rest: &str) -> Result<Vec<String>, InvalidChange> {
    let words = list(rest).unwrap_or_else(|| words::split(rest));
    if words.is_empty() {
        return Err(InvalidChange::AtLeastOne(name));
    }
    Ok(words)
}

fn expose(config: &mut ImageConfig, rest: &str) -> Result<(), InvalidChange> {
    for word in arguments("EXPOSE", rest)? {
        let spec = words::expand(&word, &config.env)?;
        let (range, protocol) = spec.split_once('/').unwrap_or((&spec, "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(InvalidChange::Protocol(protocol));
        }
        // What the host would bind is Docker's to refuse elsewhere, not here.
        let range = range.rsplit(':').next().unwrap_or(range);
        let port = |text: &str| {
            let port = text.parse::<u16>();
            port.map_err(|_| InvalidChange::Port(range.to_owned()))
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(InvalidChange::Port(range.to_owned()));
        }
        for port in first..=last {
            insert(&mut config.exposed_ports, format!("{port}/{protocol}"));
        }
    }
    Ok(())
}

fn volume(config: &mut ImageConfig, rest: &str) -> Result<(), InvalidChange> {
    for word in arguments("VOLUME", rest)? {
        let path = words::expand(&word, &config.env)?;
        let path = path.trim();
        if path.is_empty() {
            return Err(InvalidChange::EmptyVolume);
        }
        insert(&mut config.volumes, path.to_owned());
    }
    Ok(())
}

/// Sets are kept as sorted lists.
fn insert(set: &mut Vec<String>, value: String) {
    if let Err(at) = set.binary_search(&value) {
        set.insert(at, value);
    }
}

/// A relative directory is one below the directory so far.
fn directory(now: &str, wanted: &str) -> String {
    if wanted.starts_with('/') {
        return wanted.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in now.split('/').chain(wanted.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn trigger(rest: &str) -> Result<String, InvalidChange> {
    let name = rest.split_whitespace().next();
    match name.map(str::to_ascii_uppercase).as_deref() {
        None => Err(InvalidChange::AtLeastOne("ONBUILD")),
        Some("ONBUILD") => Err(InvalidChange::Chained),
        Some(name @ ("FROM" | "MAINTAINER")) => Err(InvalidChange::Trigger(name.to_owned())),
        Some(_) => Ok(rest.to_owned()),
    }
}

fn health(mut rest: &str) -> Result<HealthOptions, InvalidChange> {
    let mut options = HealthOptions::default();
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        match name {
            "interval" => options.interval = interval("interval", value)?,
            "timeout" => options.timeout = interval("timeout", value)?,
            "start-period" => options.start_period = interval("start-period", value)?,
            "start-interval" => options.start_interval = interval("start-interval", value)?,
            "retries" => {
                options.retries = value.parse().map_err(|_| InvalidChange::FlagValue {
                    flag: "retries",
                    value: value.to_owned(),
                })?;
            }
            name => return Err(InvalidChange::Flag(name.to_owned())),
        }
        rest = after.trim_start();
    }
    let (kind, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let rest = rest.trim();
    options.test = match kind.to_ascii_uppercase().as_str() {
        "" => return Err(InvalidChange::AtLeastOne("HEALTHCHECK")),
        "NONE" if rest.is_empty() => vec!["NONE".to_owned()],
        "NONE" => return Err(InvalidChange::HealthNone),
        "CMD" => match list(rest) {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None => ["CMD-SHELL", rest].map(str::to_owned).to_vec(),
        },
        other => return Err(InvalidChange::HealthType(other.to_owned())),
    };
    if options.test.get(1).is_none_or(String::is_empty) && options.test[0] != "NONE" {
        return Err(InvalidChange::HealthCommand);
    }
    Ok(options)
}

/// Go's `1h2m3.5s`.
fn interval(flag: &'static str, text: &str) -> Result<Duration, InvalidChange> {
    let invalid = || InvalidChange::FlagValue {
        flag,
        value: text.to_owned(),
    };
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'));
        let (number, after) = rest.split_at(digits.ok_or_else(invalid)?);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(invalid()),
        };
        total += number.parse::<f64>().map_err(|_| invalid())? * seconds;
        rest = after;
    }
    let time = Duration::try_from_secs_f64(total).map_err(|_| invalid())?;
    if time != Duration::ZERO && time < Duration::from_millis(1) {
        return Err(InvalidChange::ShortInterval(flag));
    }
    Ok(time)
}

#[cfg(test)]
mod tests;
