//! Registry credentials: in `config.json`, or with a credential helper that
//! the file names. Shared with docker.

mod program;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bulkhead_api::auth::AuthConfig;
use serde_json::{Map, Value, json};

use crate::docker_config::{ConfigDir, ConfigFileError};

pub(crate) use program::HelperError;

/// The file's entry for Docker Hub.
pub(crate) const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Credentials could not be kept or forgotten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("{0}")]
    File(#[from] ConfigFileError),
    #[error("{0}")]
    Helper(#[from] HelperError),
}

/// The credentials for a registry, empty if there are none. A file that
/// cannot be read is no reason to refuse an anonymous pull.
pub(crate) fn for_registry(config: &ConfigDir, domain: &str) -> AuthConfig {
    let settings = config.load().unwrap_or_default();
    let server = match domain {
        "docker.io" => DOCKER_HUB,
        domain => domain,
    };
    find(&settings, server).unwrap_or_default()
}

/// What the file or the helper knows of a server.
pub(crate) fn find(settings: &Map<String, Value>, server: &str) -> Option<AuthConfig> {
    if let Some(helper) = helper_name(settings, server) {
        return program::get(helper, server).ok().flatten();
    }
    let auths = settings.get("auths")?.as_object()?;
    let entry = spellings(server).find_map(|name| auths.get(&name))?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let decoded = String::from_utf8(STANDARD.decode(text("auth")).ok()?).ok()?;
    let (username, password) = decoded.split_once(':').unwrap_or_default();
    Some(AuthConfig {
        username: username.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
        server_address: server.to_owned(),
        identity_token: text("identitytoken").to_owned(),
        registry_token: text("registrytoken").to_owned(),
    })
}

/// The names under which a server's entry may stand.
fn spellings(server: &str) -> impl Iterator<Item = String> {
    let host = hostname(server).to_owned();
    let bare = [
        host.clone(),
        format!("https://{host}"),
        format!("http://{host}"),
    ];
    std::iter::once(server.to_owned()).chain(bare.into_iter().filter(move |_| server != DOCKER_HUB))
}

/// `https://host:5000/v2/` is `host:5000`.
pub(crate) fn hostname(server: &str) -> &str {
    let bare = server
        .strip_prefix("https://")
        .or_else(|| server.strip_prefix("http://"));
    bare.unwrap_or(server).split('/').next().unwrap_or(server)
}

/// The program that keeps a server's credentials, if one does.
pub(crate) fn helper_name<'a>(settings: &'a Map<String, Value>, server: &str) -> Option<&'a str> {
    let own = settings
        .get("credHelpers")
        .and_then(|helpers| helpers.get(hostname(server)));
    let name = own
        .or_else(|| settings.get("credsStore"))
        .and_then(Value::as_str);
    name.filter(|name| !name.is_empty())
}

/// Where credentials were put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In the file, for everyone to read who may read it.
    Plainly,
    WithHelper,
}

/// Keeps credentials for later.
pub(crate) fn store(config: &ConfigDir, auth: &AuthConfig) -> Result<Kept, CredentialError> {
    let mut settings = config.load()?;
    let server = auth.server_address.clone();
    let (entry, kept) = match helper_name(&settings, &server) {
        Some(helper) => {
            program::store(helper, auth)?;
            (json!({}), Kept::WithHelper)
        }
        None => {
            let password = match auth.identity_token.is_empty() {
                true => auth.password.as_str(),
                false => "",
            };
            let pair = STANDARD.encode(format!("{}:{password}", auth.username));
            let mut entry = json!({"auth": pair});
            if !auth.identity_token.is_empty() {
                entry["identitytoken"] = auth.identity_token.clone().into();
            }
            (entry, Kept::Plainly)
        }
    };
    auths(&mut settings).insert(server, entry);
    config.save(&settings)?;
    Ok(kept)
}

/// Forgets a server's credentials.
pub(crate) fn erase(config: &ConfigDir, server: &str) -> Result<(), CredentialError> {
    let mut settings = config.load()?;
    if let Some(helper) = helper_name(&settings, server) {
        program::erase(helper, server)?;
    }
    let known = auths(&mut settings);
    let before = known.len();
    for name in spellings(server) {
        known.remove(&name);
    }
    if known.len() < before {
        config.save(&settings)?;
    }
    Ok(())
}

fn auths(settings: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let auths = settings.entry("auths").or_insert_with(|| json!({}));
    if !auths.is_object() {
        *auths = json!({});
    }
    auths.as_object_mut().expect("it was made an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_given_to_their_own_registry_only() {
        let file = json!({"auths":{"127.0.0.1:5000":{"auth":"dTpwOnc="},"https://index.docker.io/v1/":{"auth":"aDpo"}}});
        let file = file.as_object().unwrap();
        let found = find(file, "127.0.0.1:5000").unwrap();
        assert_eq!(
            (found.username.as_str(), found.password.as_str()),
            ("u", "p:w")
        );
        assert_eq!(find(file, DOCKER_HUB).unwrap().username, "h");
        assert_eq!(find(file, "example.com"), None);
    }

    #[test]
    fn what_is_stored_is_found_until_it_is_erased() {
        let dir = tempfile::tempdir().unwrap();
        let config = ConfigDir::choose(Some(dir.path()));
        let auth = AuthConfig {
            username: "u".into(),
            password: "p".into(),
            server_address: "https://reg.example/v2/".into(),
            ..AuthConfig::default()
        };
        assert_eq!(store(&config, &auth).unwrap(), Kept::Plainly);
        let mode = std::fs::metadata(dir.path().join("config.json")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
        let settings = config.load().unwrap();
        assert_eq!(
            find(&settings, "https://reg.example/v2/").unwrap().password,
            "p"
        );
        erase(&config, "https://reg.example/v2/").unwrap();
        assert_eq!(
            find(&config.load().unwrap(), "https://reg.example/v2/"),
            None
        );
    }
}
