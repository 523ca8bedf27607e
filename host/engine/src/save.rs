//! `save`: images into an archive.

use std::io::Write;

use bulkhead_model::{Digest, Platform, Reference};
use bulkhead_store::ImageRecord;
use bulkhead_store::image_archive::{self, ArchiveError, Exported};

use crate::Engine;
use crate::error::EngineError;

impl Engine {
    /// Writes the images that `names` mean; `begin` is called when it is
    /// certain what they are. A repository without a tag means all its tags.
    pub fn save<W: Write>(
        &self,
        names: &[String],
        platform: Option<&Platform>,
        begin: impl FnOnce() -> W + Send,
    ) -> Result<(), EngineError> {
        let mut images: Vec<Exported> = Vec::new();
        for name in names {
            for (record, called) in self.meant(name)? {
                let image = record.image;
                if let Some(wanted) =
                    platform.filter(|wanted| !crate::pull::same_machine(wanted, &image.platform))
                {
                    return Err(ArchiveError::OtherPlatform {
                        image: name.clone(),
                        actual: image.platform.to_string(),
                        wanted: wanted.to_string(),
                    }
                    .into());
                }
                add(&mut images, image, called);
            }
        }
        image_archive::write(self.store.blobs(), &images, begin())?;
        for exported in &images {
            let id = exported.image.id.as_str();
            self.events.image(&exported.image, "save", id, id);
        }
        Ok(())
    }

    /// The images of one name, each with what it shall be called.
    fn meant(&self, name: &str) -> Result<Vec<(ImageRecord, Option<Reference>)>, EngineError> {
        let reference = name.parse::<Reference>().ok();
        let repository = reference.as_ref().filter(|_| is_repository(name));
        if let Some(repository) = repository {
            let all = self.store.images()?;
            let mut tagged: Vec<_> = all
                .iter()
                .flat_map(|record| record.tags.iter().map(move |tag| (record, tag)))
                .filter(|(_, tag)| {
                    (&tag.domain, &tag.path) == (&repository.domain, &repository.path)
                })
                .map(|(record, tag)| (record.clone(), Some(tag.clone())))
                .collect();
            tagged.sort_by(|(_, a), (_, b)| a.cmp(b));
            if !tagged.is_empty() {
                return Ok(tagged);
            }
        }
        let record = self.image_record(name).map_err(|error| match error {
            // As the user wrote it: no tag was meant.
            EngineError::NoSuchImage(_) => EngineError::NoSuchImage(name.to_owned()),
            other => other,
        })?;
        // Found by its id, an image is called nothing.
        let called = reference.filter(|r| r.digest.is_none() && record.tags.contains(r));
        Ok(vec![(record, called)])
    }
}

/// Whether a text can be a repository without a tag or a digest.
fn is_repository(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    !last.contains(':') && !name.contains('@')
}

fn add(images: &mut Vec<Exported>, image: bulkhead_model::image::Image, name: Option<Reference>) {
    let id: &Digest = &image.id;
    let at = images.iter().position(|known| known.image.id == *id);
    let at = at.unwrap_or_else(|| {
        images.push(Exported {
            image,
            names: Vec::new(),
        });
        images.len() - 1
    });
    let names = &mut images[at].names;
    names.extend(name.filter(|name| !names.contains(name)));
}
