//! Forgetting images, with what only they needed.

use bulkhead_model::Digest;
use bulkhead_model::image::Image;
use rusqlite::Connection;

use super::no_such_image;
use crate::blobs::Blobs;
use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

/// A chain that no record names any more; the driver has yet to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The driver's short name.
    pub driver: String,
    /// The chain.
    pub chain_id: Digest,
}

impl Store {
    /// Forgets images with their names, and every blob and chain that only
    /// they needed and nobody holds, in one transaction that survives a power
    /// cut; then removes the blobs. `keeps` says which chains of a driver stay
    /// although no image has them. Returns the chains that each image leaves
    /// behind, uppermost first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when one is gone already; then all stay.
    pub fn remove_images(
        &self,
        images: &[&Image],
        keeps: &dyn Fn(&str, &Digest) -> bool,
    ) -> Result<Vec<Vec<Orphan>>, StoreError> {
        let step = "remove images";
        self.blobs().release(|held| {
            self.database.write(step, Durability::PowerCut, |db| {
                let explain = self.database.explain(step);
                let mut left = Vec::new();
                let mut doomed = Vec::new();
                for image in images {
                    let gone = db
                        .prepare_cached("DELETE FROM images WHERE id = ?1")
                        .and_then(|mut s| s.execute([image.id.as_str()]))
                        .map_err(&explain)?;
                    if gone == 0 {
                        return Err(no_such_image(image.id.as_str()));
                    }
                    left.push(orphans(db, image, keeps).map_err(&explain)?);
                    for digest in blobs_of(image) {
                        if !held(digest) && !is_needed(db, digest).map_err(&explain)? {
                            Blobs::doom(db, digest).map_err(&explain)?;
                            doomed.push(digest.clone());
                        }
                    }
                }
                Ok((left, doomed))
            })
        })
    }
}

fn blobs_of(image: &Image) -> impl Iterator<Item = &Digest> {
    [&image.id, &image.manifest]
        .into_iter()
        .chain(image.layers.iter().map(|layer| &layer.digest))
}

/// Whether an image needs a blob.
pub(crate) fn is_needed(db: &Connection, digest: &Digest) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1 OR manifest = ?1)
             OR EXISTS (SELECT 1 FROM image_layers WHERE digest = ?1)",
    )?
    .query_row([digest.as_str()], |row| row.get(0))
}

/// Forgets the layers that no image has any more.
fn orphans(
    db: &Connection,
    image: &Image,
    keeps: &dyn Fn(&str, &Digest) -> bool,
) -> rusqlite::Result<Vec<Orphan>> {
    let mut orphans = Vec::new();
    for chain in image.layers.iter().rev().map(|layer| &layer.chain_id) {
        let drivers: Vec<String> = db
            .prepare_cached(
                "SELECT driver FROM layers WHERE chain_id = ?1
                 AND NOT EXISTS (SELECT 1 FROM image_layers WHERE chain_id = ?1)",
            )?
            .query_map([chain.as_str()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for driver in drivers {
            if keeps(&driver, chain) {
                continue;
            }
            db.prepare_cached("DELETE FROM layers WHERE driver = ?1 AND chain_id = ?2")?
                .execute((&driver, chain.as_str()))?;
            orphans.push(Orphan {
                driver,
                chain_id: chain.clone(),
            });
        }
    }
    Ok(orphans)
}
