//! The networks' records.

use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

/// A network's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRow {
    /// 64 hex digits.
    pub id: String,
    /// Its unique name.
    pub name: String,
    /// The engine's record, as JSON.
    pub json: String,
}

impl Store {
    /// Writes a new network's record.
    pub fn put_network(&self, row: &NetworkRow) -> Result<(), StoreError> {
        let step = "record a network";
        self.database.write(step, Durability::PowerCut, |db| {
            db.execute(
                "INSERT INTO networks (id, name, record) VALUES (?1, ?2, ?3)",
                (&row.id, &row.name, &row.json),
            )
            .map(drop)
            .map_err(self.database.explain(step))
        })
    }

    /// Every network, by name.
    pub fn networks(&self) -> Result<Vec<NetworkRow>, StoreError> {
        self.database.read("list networks", |db| {
            db.prepare_cached("SELECT id, name, record FROM networks ORDER BY name")?
                .query_map([], |row| {
                    Ok(NetworkRow {
                        id: row.get(0)?,
                        name: row.get(1)?,
                        json: row.get(2)?,
                    })
                })?
                .collect()
        })
    }

    /// Forgets a network; a missing one is fine.
    pub fn delete_network(&self, id: &str) -> Result<(), StoreError> {
        let step = "remove a network";
        self.database.write(step, Durability::PowerCut, |db| {
            db.execute("DELETE FROM networks WHERE id = ?1", [id])
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }
}
