//! Which layer chains are laid out in which storage driver.

use bulkhead_model::Digest;
use rusqlite::{Connection, OptionalExtension};

use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

/// A layer chain that a storage driver holds as a committed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaidOut {
    /// The driver's short name.
    pub driver: String,
    /// The chain.
    pub chain_id: Digest,
    /// Bytes of the layer's files.
    pub bytes: u64,
    /// The layer's entries.
    pub inodes: u64,
}

impl Store {
    /// Records layers laid out for an image that is recorded already (a second
    /// driver, say). Syncs first.
    pub fn put_layers(&self, layers: &[LaidOut]) -> Result<(), StoreError> {
        self.sync()?;
        self.database
            .write("record layers", Durability::PowerCut, |db| {
                self.insert_layers(db, layers)
            })
    }

    pub(crate) fn insert_layers(
        &self,
        db: &Connection,
        layers: &[LaidOut],
    ) -> Result<(), StoreError> {
        let explain = self.database.explain("record layers");
        let sql = "INSERT OR REPLACE INTO layers (driver, chain_id, bytes, inodes) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = db.prepare_cached(sql).map_err(&explain)?;
        for layer in layers {
            let (bytes, inodes) = (layer.bytes.cast_signed(), layer.inodes.cast_signed());
            insert
                .execute((&layer.driver, layer.chain_id.as_str(), bytes, inodes))
                .map_err(&explain)?;
        }
        Ok(())
    }

    /// The layer of `chain_id` as `driver` holds it, if it does.
    pub fn layer(&self, driver: &str, chain_id: &Digest) -> Result<Option<LaidOut>, StoreError> {
        let sizes = self.database.read("look up a layer", |db| {
            db.prepare_cached(
                "SELECT bytes, inodes FROM layers WHERE driver = ?1 AND chain_id = ?2",
            )?
            .query_row((driver, chain_id.as_str()), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
        })?;
        Ok(sizes.map(|(bytes, inodes): (i64, i64)| LaidOut {
            driver: driver.to_owned(),
            chain_id: chain_id.clone(),
            bytes: bytes.cast_unsigned(),
            inodes: inodes.cast_unsigned(),
        }))
    }

    /// Forgets that a driver holds a chain, so that it is laid out anew.
    pub fn forget_layer(&self, driver: &str, chain_id: &Digest) -> Result<(), StoreError> {
        let step = "forget a layer";
        self.database.write(step, Durability::PowerCut, |db| {
            let sql = "DELETE FROM layers WHERE driver = ?1 AND chain_id = ?2";
            db.execute(sql, (driver, chain_id.as_str()))
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// Every chain a driver holds.
    pub fn layers(&self, driver: &str) -> Result<Vec<Digest>, StoreError> {
        let chains: Vec<String> = self.database.read("list layers", |db| {
            db.prepare_cached("SELECT chain_id FROM layers WHERE driver = ?1 ORDER BY chain_id")?
                .query_map([driver], |row| row.get(0))?
                .collect()
        })?;
        chains
            .into_iter()
            .map(|chain| crate::images::digest_of("layer", &chain, &chain))
            .collect()
    }
}
