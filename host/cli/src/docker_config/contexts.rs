//! Contexts: named daemons. `contexts/meta/<sha256 of the name>/meta.json`
//! and `contexts/tls/<the same>/docker/{ca,cert,key}.pem`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{ConfigDir, ConfigFileError};

/// The context that stands for no context.
pub(crate) const DEFAULT: &str = "default";

/// The files of an endpoint's TLS.
const TLS_NAMES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// A context as it is stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Context {
    pub(crate) name: String,
    metadata: Metadata,
    endpoints: Endpoints,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Metadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Endpoints {
    docker: Endpoint,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "Host", skip_serializing_if = "String::is_empty")]
    host: String,
    #[serde(rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// A context cannot be used or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextError {
    #[error("context \"{name}\": context not found: open {path}: no such file or directory")]
    Missing { name: String, path: PathBuf },
    #[error("context \"{0}\" already exists")]
    Exists(String),
    #[error(
        "context name \"{0}\" is invalid: it has at least two letters, digits, or _ . + -, the first a letter or digit"
    )]
    Name(String),
    #[error("\"default\" is a reserved context name")]
    Reserved,
    #[error("context \"{0}\" is in use, set -f flag to force remove")]
    InUse(String),
    #[error("{path} describes no context: {reason}")]
    Syntax { path: PathBuf, reason: String },
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("the archive holds no context: {0}")]
    Archive(String),
    #[error("{0}")]
    Config(#[from] ConfigFileError),
}

/// Where a context's certificates are, each if it exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Context {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.endpoints.docker.host
    }

    pub(crate) fn description(&self) -> &str {
        &self.metadata.description
    }

    pub(crate) fn skips_verification(&self) -> bool {
        self.endpoints.docker.skip_tls_verify
    }

    pub(crate) fn describe(&mut self, text: &str) {
        self.metadata.description = text.to_owned();
    }

    pub(crate) fn set_endpoint(&mut self, host: &str, skip_tls_verify: bool) {
        self.endpoints.docker = Endpoint {
            host: host.to_owned(),
            skip_tls_verify,
        };
    }
}

/// Docker's `^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_part)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ContextError {
    let path = path.to_owned();
    move |source| ContextError::File { path, source }
}

impl ConfigDir {
    fn identity(name: &str) -> String {
        let digest = Sha256::digest(name.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The folder of a context's description.
    pub(crate) fn context_folder(&self, name: &str) -> PathBuf {
        self.path().join("contexts/meta").join(Self::identity(name))
    }

    /// The folder of a context's certificates.
    pub(crate) fn context_tls_folder(&self, name: &str) -> PathBuf {
        self.path().join("contexts/tls").join(Self::identity(name))
    }

    /// The name of the context that the settings chose.
    pub(crate) fn current_context(&self) -> Result<Option<String>, ConfigFileError> {
        let name = self
            .load()?
            .get("currentContext")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(name.filter(|name| !name.is_empty() && name != DEFAULT))
    }

    /// Chooses the context for commands to come.
    pub(crate) fn use_context(&self, name: &str) -> Result<(), ConfigFileError> {
        let mut settings = self.load()?;
        match name {
            DEFAULT => drop(settings.remove("currentContext")),
            name => drop(settings.insert("currentContext".into(), name.into())),
        }
        self.save(&settings)
    }

    pub(crate) fn context(&self, name: &str) -> Result<Context, ContextError> {
        let path = self.context_folder(name).join("meta.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let name = name.to_owned();
                return Err(ContextError::Missing { name, path });
            }
            Err(source) => return Err(ContextError::File { path, source }),
        };
        serde_json::from_slice(&text).map_err(|error| ContextError::Syntax {
            path,
            reason: error.to_string(),
        })
    }

    /// All of them, by name.
    pub(crate) fn contexts(&self) -> Result<Vec<Context>, ContextError> {
        let folder = self.path().join("contexts/meta");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(at(&folder)(source)),
        };
        let mut contexts = Vec::new();
        for entry in entries {
            let path = entry.map_err(at(&folder))?.path().join("meta.json");
            let Ok(text) = std::fs::read(&path) else {
                continue;
            };
            let context = serde_json::from_slice(&text).map_err(|error| ContextError::Syntax {
                path,
                reason: error.to_string(),
            })?;
            contexts.push(context);
        }
        contexts.sort_by(|a: &Context, b: &Context| a.name.cmp(&b.name));
        Ok(contexts)
    }

    /// Writes a context's description.
    pub(crate) fn store_context(&self, context: &Context) -> Result<(), ContextError> {
        let folder = self.context_folder(&context.name);
        std::fs::create_dir_all(&folder).map_err(at(&folder))?;
        let path = folder.join("meta.json");
        let text = serde_json::to_vec(context).expect("a context always serializes");
        std::fs::write(&path, text).map_err(at(&path))
    }

    /// Writes a context's certificates, `ca.pem`, `cert.pem` and `key.pem`; those before are gone.
    pub(crate) fn store_tls(
        &self,
        name: &str,
        files: &[(&str, Vec<u8>)],
    ) -> Result<(), ContextError> {
        use std::io::Write;
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        let whole = self.context_tls_folder(name);
        remove_folder(&whole)?;
        if files.is_empty() {
            return Ok(());
        }
        let folder = whole.join("docker");
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(at(&folder))?;
        for (file, text) in files.iter().filter(|(file, _)| TLS_NAMES.contains(file)) {
            let path = folder.join(file);
            let mut options = std::fs::OpenOptions::new();
            let open = options.write(true).create_new(true).mode(0o600).open(&path);
            open.and_then(|mut file| file.write_all(text))
                .map_err(at(&path))?;
        }
        Ok(())
    }

    /// A context's certificates.
    pub(crate) fn context_tls(&self, name: &str) -> TlsFiles {
        let folder = self.context_tls_folder(name).join("docker");
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        TlsFiles {
            ca: file("ca.pem"),
            cert: file("cert.pem"),
            key: file("key.pem"),
        }
    }

    /// The certificates' names and texts, to be copied or exported.
    pub(crate) fn read_tls(
        &self,
        name: &str,
    ) -> Result<Vec<(&'static str, Vec<u8>)>, ContextError> {
        let folder = self.context_tls_folder(name).join("docker");
        let mut files = Vec::new();
        for name in TLS_NAMES {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(text) => files.push((name, text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ContextError::File { path, source }),
            }
        }
        Ok(files)
    }

    pub(crate) fn remove_context(&self, name: &str) -> Result<(), ContextError> {
        remove_folder(&self.context_folder(name))?;
        remove_folder(&self.context_tls_folder(name))
    }
}

fn remove_folder(path: &Path) -> Result<(), ContextError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_stored_is_read_and_what_we_dont_know_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let config = ConfigDir(dir.path().to_owned());
        // sha256 of "foo"
        let folder =
            "contexts/meta/2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let folder = dir.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let text = r#"{"Name":"foo","Metadata":{"Description":"hi","StackOrchestrator":"swarm"},"Endpoints":{"docker":{"Host":"tcp://1.2.3.4:2376","SkipTLSVerify":true},"kubernetes":{"a":1}}}"#;
        std::fs::write(folder.join("meta.json"), text).unwrap();
        let context = config.context("foo").unwrap();
        assert_eq!(context.host(), "tcp://1.2.3.4:2376");
        assert!(context.skips_verification());
        config.store_context(&context).unwrap();
        let stored = std::fs::read_to_string(folder.join("meta.json")).unwrap();
        assert_eq!(stored, text);
        assert_eq!(config.contexts().unwrap().len(), 1);
        config.remove_context("foo").unwrap();
        assert!(matches!(
            config.context("foo"),
            Err(ContextError::Missing { .. })
        ));
    }

    #[test]
    fn the_chosen_context_is_written_beside_other_settings() {
        let dir = tempfile::tempdir().unwrap();
        let config = ConfigDir(dir.path().to_owned());
        std::fs::write(
            dir.path().join("config.json"),
            r#"{"auths":{"a":{}},"psFormat":"x"}"#,
        )
        .unwrap();
        config.use_context("foo").unwrap();
        assert_eq!(config.current_context().unwrap().as_deref(), Some("foo"));
        config.use_context(DEFAULT).unwrap();
        assert_eq!(config.current_context().unwrap(), None);
        assert_eq!(config.load().unwrap()["psFormat"], "x");
    }

    #[test]
    fn names_are_dockers() {
        assert!(is_valid_name("a1") && is_valid_name("prod_eu-1.x+y"));
        for bad in ["", "a", "-a", "a b", "a/b", "../a"] {
            assert!(!is_valid_name(bad), "{bad}");
        }
    }
}
