//! Registry credentials that `docker login` left in `~/.docker/config.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_api::auth::AuthConfig;
use serde::Deserialize;

/// The file's entry for Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigFile {
    auths: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    /// base64 of `user:password`
    auth: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
}

/// The credentials for a registry, empty if there are none. A file that
/// cannot be read is no reason to refuse an anonymous pull.
pub(crate) fn for_registry(domain: &str) -> AuthConfig {
    let text = path()
        .and_then(|path| std::fs::read(path).ok())
        .unwrap_or_default();
    from_config(&text, domain).unwrap_or_default()
}

fn path() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn from_config(text: &[u8], domain: &str) -> Option<AuthConfig> {
    let file: ConfigFile = bulkhead_api::json::decode(text).ok()?;
    let key = if domain == "docker.io" {
        DOCKER_HUB
    } else {
        domain
    };
    let names = [
        key.to_owned(),
        format!("https://{key}"),
        format!("http://{key}"),
    ];
    let entry = names.iter().find_map(|name| file.auths.get(name))?;
    let decoded = String::from_utf8(STANDARD.decode(&entry.auth).ok()?).ok()?;
    let (username, password) = decoded.split_once(':').unwrap_or_default();
    Some(AuthConfig {
        username: username.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
        server_address: key.to_owned(),
        identity_token: entry.identity_token.clone(),
        ..AuthConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_given_to_their_own_registry_only() {
        let file = br#"{"auths":{"127.0.0.1:5000":{"auth":"dTpwOnc="},"https://index.docker.io/v1/":{"auth":"aDpo"}}}"#;
        let found = from_config(file, "127.0.0.1:5000").unwrap();
        assert_eq!(
            (found.username.as_str(), found.password.as_str()),
            ("u", "p:w")
        );
        assert_eq!(from_config(file, "docker.io").unwrap().username, "h");
        assert_eq!(from_config(file, "example.com"), None);
        assert_eq!(from_config(b"not json", "docker.io"), None);
    }
}
