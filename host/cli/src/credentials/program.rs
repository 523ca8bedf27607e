//! `docker-credential-NAME`: a program that keeps secrets. It reads a request
//! from its input and writes its answer to its output
//! (the protocol of docker-credential-helpers).

use std::io::{self, Write};
use std::process::{Command, Stdio};

use bulkhead_api::auth::AuthConfig;
use serde_json::{Value, json};

/// The user name under which a helper keeps an identity token.
const TOKEN: &str = "<token>";

/// A helper that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelperError {
    #[error("{0:?} is no name of a credential helper")]
    Name(String),
    #[error("cannot run docker-credential-{name}: {source}")]
    Run { name: String, source: io::Error },
    #[error("docker-credential-{name}: {message}")]
    Refused { name: String, message: String },
}

pub(super) fn get(name: &str, server: &str) -> Result<Option<AuthConfig>, HelperError> {
    let answer = match run(name, "get", server.as_bytes()) {
        Err(HelperError::Refused { .. }) => return Ok(None),
        other => other?,
    };
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    let (username, secret) = (text("Username"), text("Secret"));
    let mut auth = AuthConfig {
        server_address: server.to_owned(),
        ..AuthConfig::default()
    };
    match username.as_str() {
        TOKEN => auth.identity_token = secret,
        _ => (auth.username, auth.password) = (username, secret),
    }
    Ok(Some(auth))
}

pub(super) fn store(name: &str, auth: &AuthConfig) -> Result<(), HelperError> {
    let (username, secret) = match auth.identity_token.is_empty() {
        true => (auth.username.as_str(), &auth.password),
        false => (TOKEN, &auth.identity_token),
    };
    let request = json!({"ServerURL": auth.server_address, "Username": username, "Secret": secret});
    run(name, "store", request.to_string().as_bytes()).map(drop)
}

pub(super) fn erase(name: &str, server: &str) -> Result<(), HelperError> {
    match run(name, "erase", server.as_bytes()) {
        // It had none.
        Err(HelperError::Refused { .. }) => Ok(()),
        other => other.map(drop),
    }
}

fn run(name: &str, action: &str, input: &[u8]) -> Result<Vec<u8>, HelperError> {
    if name.contains('/') {
        return Err(HelperError::Name(name.to_owned()));
    }
    let broken = |source| HelperError::Run {
        name: name.to_owned(),
        source,
    };
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(broken)?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input) {
            // It need not read all to refuse.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(broken(error)),
            _ => {}
        }
    }
    let output = child.wait_with_output().map_err(broken)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(HelperError::Refused {
            name: name.to_owned(),
            message: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        }),
    }
}
