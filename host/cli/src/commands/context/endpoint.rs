//! `--docker host=…,ca=…,cert=…,key=…,skip-tls-verify=…`

use crate::docker_config::{ConfigDir, Context};
use crate::error::{Error, Result};

/// The names that docker knows.
const NAMES: &[&str] = &["ca", "cert", "from", "host", "key", "skip-tls-verify"];

/// Sets a context's endpoint, and gives its certificates. Empty text is no endpoint.
pub(super) fn set(
    config: &ConfigDir,
    context: &mut Context,
    words: &[String],
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let refused =
        |text: String| Error::Option(format!("unable to create docker endpoint config: {text}"));
    let mut values = Vec::new();
    for word in words.iter().flat_map(|words| words.split(',')) {
        let Some((name, value)) = word.split_once('=') else {
            return Err(refused(format!("{word:?} is not of the form name=value")));
        };
        if !NAMES.contains(&name) {
            return Err(refused(format!("unrecognized config key: {name}")));
        }
        values.push((name, value));
    }
    let value = |name: &str| {
        let found = values.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, value)| *value)
            .filter(|value| !value.is_empty())
    };
    if let Some(other) = value("from") {
        let from = config.context(other)?;
        context.set_endpoint(from.host(), from.skips_verification());
        return Ok(config.read_tls(other)?);
    }
    let skips = match value("skip-tls-verify") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(refused(format!(
                "skip-tls-verify: {other:?} is neither true nor false"
            )));
        }
    };
    let host = value("host").unwrap_or_default();
    crate::client::check_address(host).map_err(|error| refused(error.to_string()))?;
    context.set_endpoint(host, skips);
    let mut files = Vec::new();
    for (name, file) in [("ca", "ca.pem"), ("cert", "cert.pem"), ("key", "key.pem")] {
        if let Some(path) = value(name) {
            let read = std::fs::read(path).map_err(|source| Error::Open {
                path: path.to_owned(),
                source,
            });
            files.push((file, read?));
        }
    }
    Ok(files)
}
