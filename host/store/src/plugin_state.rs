//! What plugins keep between calls: bytes by key, each plugin its own.

use rusqlite::OptionalExtension;

use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

impl Store {
    /// A value, if there is one.
    pub fn plugin_value(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.read("read plugin state", |db| {
            db.prepare_cached("SELECT value FROM plugin_state WHERE plugin = ?1 AND key = ?2")?
                .query_row((plugin, key), |row| row.get(0))
                .optional()
        })
    }

    /// Keeps values, all or none; `None` forgets one.
    pub fn put_plugin_values(
        &self,
        plugin: &str,
        values: &[(&str, Option<&[u8]>)],
        durability: Durability,
    ) -> Result<(), StoreError> {
        let step = "write plugin state";
        self.database.write(step, durability, |db| {
            let put =
                "INSERT OR REPLACE INTO plugin_state (plugin, key, value) VALUES (?1, ?2, ?3)";
            let forget = "DELETE FROM plugin_state WHERE plugin = ?1 AND key = ?2";
            for (key, value) in values {
                match value {
                    Some(value) => db
                        .prepare_cached(put)
                        .and_then(|mut s| s.execute((plugin, key, value))),
                    None => db
                        .prepare_cached(forget)
                        .and_then(|mut s| s.execute((plugin, key))),
                }
                .map_err(self.database.explain(step))?;
            }
            Ok(())
        })
    }

    /// The keys a plugin keeps, sorted.
    pub fn plugin_keys(&self, plugin: &str) -> Result<Vec<String>, StoreError> {
        self.database.read("list plugin state", |db| {
            db.prepare_cached("SELECT key FROM plugin_state WHERE plugin = ?1 ORDER BY key")?
                .query_map([plugin], |row| row.get(0))?
                .collect()
        })
    }
}
