//! What layers became on their way to a registry, so that a second push need
//! not compress them to know that they are there.

use bulkhead_model::Digest;
use rusqlite::OptionalExtension;

use crate::compress::Compression;
use crate::database::Durability;
use crate::error::StoreError;
use crate::images::digest_of;
use crate::store::Store;

/// A compressed layer's digest and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressedLayer {
    /// Of the compressed bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

impl Store {
    /// What `layer` became, if it was ever compressed so.
    pub fn compressed_layer(
        &self,
        layer: &Digest,
        compression: Compression,
    ) -> Result<Option<CompressedLayer>, StoreError> {
        let row = self.database.read("look up a compressed layer", |db| {
            let sql =
                "SELECT digest, size FROM compressed_layers WHERE layer = ?1 AND compression = ?2";
            db.prepare_cached(sql)?
                .query_row((layer.as_str(), compression.as_str()), |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()
        })?;
        row.map(|(digest, size)| {
            Ok(CompressedLayer {
                digest: digest_of("compressed layer", layer.as_str(), &digest)?,
                size: size.cast_unsigned(),
            })
        })
        .transpose()
    }

    /// The layers that became `digest`.
    pub fn compressed_from(&self, digest: &Digest) -> Result<Vec<Digest>, StoreError> {
        let rows = self.database.read("look up a layer's tar", |db| {
            db.prepare_cached("SELECT layer FROM compressed_layers WHERE digest = ?1")?
                .query_map([digest.as_str()], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        let layer = |text: &String| digest_of("compressed layer", digest.as_str(), text);
        rows.iter().map(layer).collect()
    }

    /// Remembers what `layer` became; rows of layers that are gone go.
    pub fn remember_compressed(
        &self,
        layer: &Digest,
        compression: Compression,
        made: &CompressedLayer,
    ) -> Result<(), StoreError> {
        let step = "remember a compressed layer";
        self.database.write(step, Durability::Crash, |db| {
            let explain = self.database.explain(step);
            db.execute(
                "DELETE FROM compressed_layers WHERE layer NOT IN (SELECT digest FROM image_layers)",
                [],
            )
            .map_err(&explain)?;
            let row = (
                layer.as_str(),
                compression.as_str(),
                made.digest.as_str(),
                made.size.cast_signed(),
            );
            db.execute(
                "INSERT OR REPLACE INTO compressed_layers (layer, compression, digest, size)
                 VALUES (?1, ?2, ?3, ?4)",
                row,
            )
            .map(drop)
            .map_err(&explain)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::digest_of;

    #[test]
    fn what_a_layer_became_is_known_in_both_directions_and_after_a_restart() {
        let temp = tempfile::tempdir().unwrap();
        let (layer, other) = (digest_of(b"tar"), digest_of(b"other"));
        let made = CompressedLayer {
            digest: digest_of(b"gz"),
            size: 2,
        };
        let store = Store::open(temp.path()).unwrap();
        store
            .remember_compressed(&layer, Compression::Gzip, &made)
            .unwrap();
        drop(store);
        let store = Store::open(temp.path()).unwrap();
        let known = |layer, compression| store.compressed_layer(layer, compression).unwrap();
        assert_eq!(known(&layer, Compression::Gzip), Some(made.clone()));
        assert_eq!(known(&layer, Compression::Zstd), None);
        assert_eq!(known(&other, Compression::Gzip), None);
        assert_eq!(
            store.compressed_from(&made.digest).unwrap(),
            std::slice::from_ref(&layer)
        );
        // No image has the first layer: it goes with the next one.
        store
            .remember_compressed(&other, Compression::Gzip, &made)
            .unwrap();
        assert_eq!(known(&layer, Compression::Gzip), None);
    }
}
