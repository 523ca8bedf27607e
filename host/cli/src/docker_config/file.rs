//! `config.json`

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::ConfigDir;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no JSON object: {reason}")]
    Syntax { path: PathBuf, reason: String },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

impl ConfigDir {
    fn file(&self) -> PathBuf {
        self.path().join("config.json")
    }

    /// The settings; none if there is no file.
    pub(crate) fn load(&self) -> Result<Map<String, Value>, ConfigFileError> {
        let path = self.file();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
            Err(source) => return Err(ConfigFileError::Read { path, source }),
        };
        serde_json::from_slice(&text).map_err(|error| ConfigFileError::Syntax {
            path,
            reason: error.to_string(),
        })
    }

    /// What an option is: as given, else as the file says under `key`, else
    /// empty.
    pub(crate) fn option(&self, key: &str, given: Option<&str>) -> Result<String, ConfigFileError> {
        if let Some(given) = given.filter(|given| !given.is_empty()) {
            return Ok(given.to_owned());
        }
        let settings = self.load()?;
        let text = settings.get(key).and_then(Value::as_str);
        Ok(text.unwrap_or_default().to_owned())
    }

    /// Writes the settings in one step, readable by their owner only.
    pub(crate) fn save(&self, settings: &Map<String, Value>) -> Result<(), ConfigFileError> {
        // A link is followed, as people keep the file elsewhere.
        let path = std::fs::canonicalize(self.file()).unwrap_or_else(|_| self.file());
        let write = || -> io::Result<()> {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(self.path())?;
            let mut text = Vec::new();
            let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
            let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
            serde::Serialize::serialize(settings, &mut serializer)?;
            let new = path.with_file_name(format!("config.json.{}", std::process::id()));
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            let written = file.write_all(&text).and_then(|()| file.sync_all());
            let renamed = written.and_then(|()| std::fs::rename(&new, &path));
            renamed.inspect_err(|_| {
                // The error that matters is the first one.
                let _ = std::fs::remove_file(&new);
            })
        };
        write().map_err(|source| ConfigFileError::Write {
            path: path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_is_given_counts_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = ConfigDir::choose(Some(folder.path()));
        let option = |given| config.option("psFormat", given).unwrap();
        assert_eq!(option(None), "");
        std::fs::write(config.file(), r#"{"psFormat": "{{.Names}}", "x": 1}"#).unwrap();
        assert_eq!(option(None), "{{.Names}}");
        assert_eq!(option(Some("")), "{{.Names}}");
        assert_eq!(option(Some("json")), "json");
        assert_eq!(config.option("x", None).unwrap(), "");
    }
}
