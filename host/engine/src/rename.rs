//! `rename`.

use bulkhead_model::container::Request;

use crate::error::EngineError;
use crate::{Engine, name};

impl Engine {
    /// Gives a container another name, without or with Docker's leading slash.
    pub async fn rename(&self, id: &str, new: &str) -> Result<(), EngineError> {
        if id.is_empty() || new.is_empty() {
            return Err(EngineError::EmptyName);
        }
        let new = new.strip_prefix('/').unwrap_or(new).to_owned();
        let refused = |source| EngineError::NewName(Box::new(source));
        self.change(id, Request::Rename, move |engine, entry| {
            let before = entry.record();
            if before.name == new {
                return Err(EngineError::SameName);
            }
            if !name::is_valid(&new) {
                return Err(refused(EngineError::InvalidName(new)));
            }
            engine.containers.rename(entry, &new).map_err(refused)?;
            let old = format!("/{}", before.name);
            let record = entry.record();
            (engine.events).container(&record, "rename", [("oldName", old.as_str())]);
            Ok(())
        })
        .await
        .map(drop)
    }
}
