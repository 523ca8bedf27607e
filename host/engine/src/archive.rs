//! `HEAD` and `GET archive`: what a path in a container is, and its content
//! as an archive.

use std::io::Write;

use bulkhead_model::process::FilesScope;
use bulkhead_store::pack::{self, Style, Times};
use bulkhead_store::root::PathStat;

use crate::Engine;
use crate::error::EngineError;
use crate::view::named;

/// Who takes an archive.
pub trait Download: Send {
    /// Where the bytes go.
    type Out: Write;
    /// Called once, when it is certain that the path is there.
    fn begin(self, stat: PathStat) -> Self::Out;
}

impl<F: FnOnce(PathStat) -> W + Send, W: Write> Download for F {
    type Out = W;
    fn begin(self, stat: PathStat) -> W {
        self(stat)
    }
}

impl Engine {
    /// What a path in a container is.
    pub fn path_stat(&self, id: &str, path: &str) -> Result<PathStat, EngineError> {
        let entry = self.containers.find(id)?;
        let record = entry.record();
        if path.is_empty() {
            return Err(EngineError::EmptyPath);
        }
        let stat = self.view(&entry, FilesScope::Mounts, |view| {
            let found = view.root().find(path).map_err(named(id))?;
            found.path_stat(view.root()).map_err(named(id))
        })?;
        self.events
            .container(&record, "archive-path", [("path", path)]);
        Ok(stat)
    }

    /// Writes what a path in a container is, with everything below it.
    pub fn archive(
        &self,
        id: &str,
        path: &str,
        download: impl Download,
    ) -> Result<(), EngineError> {
        let entry = self.containers.find(id)?;
        let record = entry.record();
        if path.is_empty() {
            return Err(EngineError::EmptyPath);
        }
        self.view(&entry, FilesScope::Mounts, |view| {
            let found = view.root().find(path).map_err(named(id))?;
            let stat = found.path_stat(view.root()).map_err(named(id))?;
            let style = Style {
                ids: view.ids,
                times: Times::Nanoseconds,
            };
            self.events
                .container(&record, "archive-path", [("path", path)]);
            pack::resource(&found, style, download.begin(stat))?;
            Ok(())
        })
    }
}
