//! `PUT archive`: files into a directory of a container.

use std::io::Read;

use bulkhead_model::process::FilesScope;
use bulkhead_store::unpack::{self, Extraction, Owner};

use crate::Engine;
use crate::container::Container;
use crate::error::EngineError;
use crate::view::{View, named};

/// What a client sends.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// The directory inside.
    pub path: &'a str,
    /// A directory and anything else do not replace each other.
    pub no_overwrite_dir_non_dir: bool,
    /// The files belong to the user the container runs as, not to whom the
    /// archive says.
    pub to_container_user: bool,
}

impl Engine {
    /// Unpacks a client's archive into a container.
    pub fn extract_into(
        &self,
        id: &str,
        upload: &Upload<'_>,
        archive: impl Read + Send,
    ) -> Result<(), EngineError> {
        let entry = self.containers.find(id)?;
        let record = entry.record();
        if upload.path.is_empty() {
            return Err(EngineError::EmptyPath);
        }
        self.view(&entry, FilesScope::Mounts, |view| {
            let destination = view
                .root()
                .find_destination(upload.path)
                .map_err(named(id))?;
            let how = Extraction {
                destination,
                no_overwrite_dir_non_dir: upload.no_overwrite_dir_non_dir,
                with_top: false,
                owner: Owner {
                    all: self.owner_of_copies(&record, upload, view)?,
                    ids: view.ids,
                },
            };
            unpack::extract(archive, &how, &unpack::Limits::default())?;
            Ok(())
        })?;
        self.events
            .container(&record, "extract-to-dir", [("path", upload.path)]);
        Ok(())
    }

    fn owner_of_copies(
        &self,
        record: &Container,
        upload: &Upload<'_>,
        view: &View<'_>,
    ) -> Result<Option<(u32, u32)>, EngineError> {
        if !upload.to_container_user || record.user.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.runtime.find_user(view.fd, &record.user)?))
    }
}
