//! `import`: an archive of a filesystem becomes an image of one layer.

use std::io::Read;
use std::time::SystemTime;

use bulkhead_model::image::{Configuration, History, Image, ImageConfig};
use bulkhead_model::{Platform, Reference};
use bulkhead_store::manifest;

use crate::error::EngineError;
use crate::{Engine, ImageToRecord, instructions};

/// What is to be made of an archive.
#[derive(Clone, Debug, Default)]
pub struct ImportRequest {
    /// What the image is to be called.
    pub name: Option<Reference>,
    /// What it is.
    pub comment: String,
    /// Dockerfile instructions, applied in turn.
    pub changes: Vec<String>,
    /// For which machine; this one's when absent.
    pub platform: Option<Platform>,
}

impl Engine {
    /// Makes an image of an archive, compressed with gzip, zstd, bzip2, xz or
    /// not at all.
    pub fn import(
        &self,
        archive: impl Read + Send,
        request: &ImportRequest,
    ) -> Result<Image, EngineError> {
        let mut config = ImageConfig::default();
        instructions::apply(&mut config, &request.changes)?;
        let platform = request.platform.clone().unwrap_or_else(Platform::host);
        if platform.os != "linux" {
            return Err(EngineError::ForeignSystem(platform.to_string()));
        }
        let driver = self.storage_driver(None)?.clone();
        let new = self.write_layer(archive, &[], &driver)?;
        let created = Some(humantime::format_rfc3339_nanos(SystemTime::now()).to_string());
        let configuration = Configuration {
            config,
            platform: Some(platform),
            created: created.clone(),
            comment: request.comment.clone(),
            diff_ids: vec![new.layer.diff_id.clone()],
            history: vec![History {
                created,
                comment: request.comment.clone(),
                ..History::default()
            }],
            ..Configuration::default()
        };
        let image = self.record_image(&ImageToRecord {
            configuration: &manifest::to_config(&configuration),
            layers: std::slice::from_ref(&new.layer),
            new: std::slice::from_ref(&new),
            names: request.name.as_slice(),
            parent: None,
            driver: &driver,
        })?;
        let id = image.id.as_str();
        if let Some(name) = &request.name {
            self.events.image(&image, "tag", id, &name.familiar());
        }
        self.events.image(&image, "import", id, id);
        Ok(image)
    }
}
