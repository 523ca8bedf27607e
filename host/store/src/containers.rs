//! The records of containers. What a record says is the engine's business;
//! the store knows what it is found by.

use bulkhead_model::{ContainerId, Digest};
use rusqlite::{Connection, OptionalExtension};

use crate::database::Durability;
use crate::error::StoreError;
use crate::store::Store;

/// A container's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRow {
    /// Its id.
    pub id: ContainerId,
    /// Its name, unique, without a leading slash.
    pub name: String,
    /// The image it was made from.
    pub image: Option<Digest>,
    /// `created`, `running`, `exited`.
    pub state: String,
    /// The engine's record, as JSON.
    pub json: String,
}

const COLUMNS: &str = "SELECT id, name, image, state, record FROM containers";

impl Store {
    /// Records a container, new or changed.
    ///
    /// # Errors
    /// [`StoreError::NameInUse`] when another container has the name.
    pub fn put_container(
        &self,
        row: &ContainerRow,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let step = "record a container";
        self.database.write(step, durability, |db| {
            self.refuse_taken(db, &row.id, &row.name)?;
            let sql = "INSERT INTO containers (id, name, image, state, record) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET name = ?2, image = ?3, state = ?4, record = ?5";
            let image = row.image.as_ref().map(Digest::as_str);
            db.prepare_cached(sql)
                .and_then(|mut s| s.execute((row.id.as_str(), &row.name, image, &row.state, &row.json)))
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    /// Every container, by id.
    pub fn containers(&self) -> Result<Vec<ContainerRow>, StoreError> {
        let rows: Vec<Columns> = self.database.read("list containers", |db| {
            db.prepare_cached(&format!("{COLUMNS} ORDER BY id"))?
                .query_map([], columns)?
                .collect()
        })?;
        rows.into_iter().map(row_of).collect()
    }

    /// The container that `text` means: an id, a name (a leading slash is
    /// fine), or a prefix of an id, in this order.
    pub fn container(&self, text: &str) -> Result<ContainerRow, StoreError> {
        let rows = self
            .database
            .read("look up a container", |db| find(db, text))?;
        let mut rows = rows.into_iter();
        match (rows.next(), rows.next()) {
            (Some(row), None) => row_of(row),
            (Some(_), Some(_)) => Err(StoreError::Ambiguous(text.to_owned())),
            _ => Err(no_such_container(text)),
        }
    }

    /// The containers made from an image.
    pub fn containers_of_image(&self, image: &Digest) -> Result<Vec<ContainerRow>, StoreError> {
        let rows: Vec<Columns> = self.database.read("list an image's containers", |db| {
            db.prepare_cached(&format!("{COLUMNS} WHERE image = ?1 ORDER BY id"))?
                .query_map([image.as_str()], columns)?
                .collect()
        })?;
        rows.into_iter().map(row_of).collect()
    }

    /// Gives a container another name.
    pub fn rename_container(&self, id: &ContainerId, name: &str) -> Result<(), StoreError> {
        let step = "rename a container";
        self.database.write(step, Durability::PowerCut, |db| {
            self.refuse_taken(db, id, name)?;
            let changed = db
                .execute(
                    "UPDATE containers SET name = ?2 WHERE id = ?1",
                    (id.as_str(), name),
                )
                .map_err(self.database.explain(step))?;
            if changed == 0 {
                Err(no_such_container(id.as_str()))
            } else {
                Ok(())
            }
        })
    }

    /// Forgets a container; a missing one is fine. Its directory stays.
    pub fn delete_container(
        &self,
        id: &ContainerId,
        durability: Durability,
    ) -> Result<(), StoreError> {
        let step = "delete a container";
        self.database.write(step, durability, |db| {
            db.prepare_cached("DELETE FROM containers WHERE id = ?1")
                .and_then(|mut s| s.execute([id.as_str()]))
                .map(drop)
                .map_err(self.database.explain(step))
        })
    }

    fn refuse_taken(
        &self,
        db: &Connection,
        id: &ContainerId,
        name: &str,
    ) -> Result<(), StoreError> {
        let holder: Option<String> = db
            .prepare_cached("SELECT id FROM containers WHERE name = ?1 AND id <> ?2")
            .and_then(|mut s| {
                s.query_row((name, id.as_str()), |row| row.get(0))
                    .optional()
            })
            .map_err(self.database.explain("look up a container's name"))?;
        match holder {
            Some(holder) => Err(StoreError::NameInUse {
                name: name.to_owned(),
                holder: id_of(&holder)?,
            }),
            None => Ok(()),
        }
    }
}

type Columns = (String, String, Option<String>, String, String);

fn columns(row: &rusqlite::Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

fn row_of((id, name, image, state, json): Columns) -> Result<ContainerRow, StoreError> {
    let image = image
        .map(|i| crate::images::digest_of("container", &id, &i))
        .transpose()?;
    Ok(ContainerRow {
        id: id_of(&id)?,
        name,
        image,
        state,
        json,
    })
}

fn find(db: &Connection, text: &str) -> rusqlite::Result<Vec<Columns>> {
    let name = text.strip_prefix('/').unwrap_or(text);
    for column in ["id", "name"] {
        let sql = format!("{COLUMNS} WHERE {column} = ?1");
        if let Some(row) = db
            .prepare_cached(&sql)?
            .query_row([name], columns)
            .optional()?
        {
            return Ok(vec![row]);
        }
    }
    if text.is_empty()
        || !text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Ok(Vec::new());
    }
    // `g` sorts after every hex digit: a range on the primary key.
    db.prepare_cached(&format!("{COLUMNS} WHERE id >= ?1 AND id < ?2 LIMIT 2"))?
        .query_map((text, format!("{text}g")), columns)?
        .collect()
}

fn id_of(text: &str) -> Result<ContainerId, StoreError> {
    text.parse()
        .map_err(|e: bulkhead_model::id::InvalidId| StoreError::Record {
            what: "container",
            name: text.to_owned(),
            detail: e.to_string(),
        })
}

fn no_such_container(name: &str) -> StoreError {
    StoreError::NotFound {
        what: "container",
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
