//! `export`: a container's root filesystem as an archive, without what is
//! mounted in it.

use std::io::Write;

use bulkhead_model::process::FilesScope;
use bulkhead_store::pack::{self, Style, Times};

use crate::Engine;
use crate::error::EngineError;
use crate::view::named;

impl Engine {
    /// Writes the archive; `begin` is called when there is something to write.
    pub fn export<W: Write>(
        &self,
        id: &str,
        begin: impl FnOnce() -> W + Send,
    ) -> Result<(), EngineError> {
        let entry = self.containers.find(id)?;
        let record = entry.record();
        self.view(&entry, FilesScope::RootAlone, |view| {
            let found = view.root().find("/").map_err(named(id))?;
            let style = Style {
                ids: view.ids,
                times: Times::Seconds,
            };
            pack::content(&found, style, begin())?;
            self.events.container(&record, "export", []);
            Ok(())
        })
    }
}
