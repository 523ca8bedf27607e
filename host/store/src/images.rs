//! The records of images and the names that point at them.

mod record;
mod removal;

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bulkhead_model::image::Image;
use bulkhead_model::{Digest, Reference};
use rusqlite::{Connection, OptionalExtension};

use crate::database::Durability;
use crate::error::StoreError;
use crate::layers::LaidOut;
use crate::store::Store;

pub(crate) use record::digest_of;
pub use removal::Orphan;

/// An image to record. Its blobs are published and its layers laid out.
#[derive(Clone, Debug)]
pub struct NewImage<'a> {
    /// The image.
    pub image: &'a Image,
    /// Names that shall point at it: tags, or repository@digest.
    pub references: &'a [Reference],
    /// Its layers where they are laid out.
    pub layers: &'a [LaidOut],
    /// The image it was made from on this machine.
    pub parent: Option<&'a Digest>,
}

/// An image with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// The image.
    pub image: Image,
    /// Its tags, sorted.
    pub tags: Vec<Reference>,
    /// The digests it was pulled by, each with its repository.
    pub digests: Vec<Reference>,
    /// When it was recorded, seconds since the epoch.
    pub stored_at: u64,
    /// When it was last named here, seconds since the epoch; 0 for never.
    pub tagged_at: u64,
    /// The image it was made from on this machine.
    pub parent: Option<Digest>,
}

/// What taking a name away did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untagged {
    /// The image the name pointed at.
    pub image: Digest,
    /// How many tags still point at it.
    pub tags_left: u64,
}

impl Store {
    /// Brings the image's files to the disk (syncfs), then records the image,
    /// its names, its blobs and its layers in one transaction that survives a
    /// power cut. Recording the same image again adds names.
    pub fn put_image(&self, new: &NewImage<'_>) -> Result<(), StoreError> {
        self.sync()?;
        let image = new.image;
        let mut blobs = vec![&image.id, &image.manifest];
        blobs.extend(image.layers.iter().map(|layer| &layer.digest));
        self.database
            .write("record an image", Durability::PowerCut, |db| {
                self.blobs().record(db, &blobs)?;
                self.insert_layers(db, new.layers)?;
                self.insert_image(db, image, new.parent)?;
                new.references
                    .iter()
                    .try_for_each(|name| self.insert_name(db, &image.id, name))
            })?;
        self.blobs().recorded(&blobs);
        Ok(())
    }

    /// Every image, newest record first.
    pub fn images(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let (rows, mut tags, mut digests) = self.database.read("list images", |db| {
            let sql = format!("{ROW} ORDER BY stored_at DESC, id");
            let rows: Vec<Row> = db
                .prepare_cached(&sql)?
                .query_map([], Row::read)?
                .collect::<Result<_, _>>()?;
            let tags = grouped(db, "SELECT image, name FROM tags ORDER BY name")?;
            let sql = "SELECT image, name || '@' || digest FROM repo_digests ORDER BY 2";
            Ok((rows, tags, grouped(db, sql)?))
        })?;
        let named = |row: Row| {
            let tags = tags.remove(&row.id).unwrap_or_default();
            let digests = digests.remove(&row.id).unwrap_or_default();
            row.named(tags, digests)
        };
        rows.into_iter().map(named).collect()
    }

    /// The images that were made from `image` on this machine.
    pub fn children(&self, image: &Digest) -> Result<Vec<Digest>, StoreError> {
        let ids = self.database.read("list an image's children", |db| {
            texts(
                db,
                "SELECT id FROM images WHERE parent = ?1 ORDER BY id",
                image.as_str(),
            )
        })?;
        ids.iter().map(|id| digest_of("image", id, id)).collect()
    }

    /// The image that `text` means: an id, a reference (`busybox`,
    /// `host/name:tag`, `name@sha256:…`), or a prefix of an id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or [`StoreError::Ambiguous`] for a prefix of
    /// several ids.
    pub fn image(&self, text: &str) -> Result<ImageRecord, StoreError> {
        let rows = self
            .database
            .read("look up an image", |db| find(db, text))?;
        let mut rows = rows.into_iter();
        match (rows.next(), rows.next()) {
            (Some(row), None) => self.with_names(row),
            (Some(_), Some(_)) => Err(StoreError::Ambiguous(text.to_owned())),
            _ => Err(no_such_image(text)),
        }
    }

    /// Points a name at an image, away from what it pointed at before.
    pub fn tag_image(&self, image: &Digest, name: &Reference) -> Result<(), StoreError> {
        let step = "tag an image";
        self.database.write(step, Durability::PowerCut, |db| {
            let sql = "UPDATE images SET tagged_at = ?2 WHERE id = ?1";
            let found = db
                .execute(sql, (image.as_str(), now()))
                .map_err(self.database.explain(step))?;
            if found == 0 {
                return Err(no_such_image(image.as_str()));
            }
            self.insert_name(db, image, name)
        })
    }

    /// Takes names away, all or none; images stay, even without any.
    pub fn untag_images(&self, names: &[&Reference]) -> Result<(), StoreError> {
        let step = "untag an image";
        self.database.write(step, Durability::PowerCut, |db| {
            for name in names {
                remove_name(db, name)
                    .map_err(self.database.explain(step))?
                    .ok_or_else(|| no_such_image(&name.familiar()))?;
            }
            Ok(())
        })
    }

    /// Takes a name away; the image stays, even without any.
    pub fn untag_image(&self, name: &Reference) -> Result<Untagged, StoreError> {
        let step = "untag an image";
        let explain = self.database.explain(step);
        self.database.write(step, Durability::PowerCut, |db| {
            let image = remove_name(db, name).map_err(&explain)?;
            let image = image.ok_or_else(|| no_such_image(&name.familiar()))?;
            let tags_left: i64 = db
                .query_row(
                    "SELECT count(*) FROM tags WHERE image = ?1",
                    [&image],
                    |r| r.get(0),
                )
                .map_err(&explain)?;
            Ok(Untagged {
                image: digest_of("image", &image, &image)?,
                tags_left: tags_left.cast_unsigned(),
            })
        })
    }

    fn insert_image(
        &self,
        db: &Connection,
        image: &Image,
        parent: Option<&Digest>,
    ) -> Result<(), StoreError> {
        let explain = self.database.explain("record an image");
        let sql =
            "INSERT INTO images (id, manifest, stored_at, record, parent) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET manifest = ?2, record = ?4, parent = coalesce(?5, parent)";
        let row = (
            image.id.as_str(),
            image.manifest.as_str(),
            now(),
            record::to_json(image),
            parent.map(Digest::as_str),
        );
        db.execute(sql, row).map_err(&explain)?;
        db.execute(
            "DELETE FROM image_layers WHERE image = ?1",
            [image.id.as_str()],
        )
        .map_err(&explain)?;
        let sql =
            "INSERT INTO image_layers (image, position, digest, chain_id) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = db.prepare_cached(sql).map_err(&explain)?;
        for (position, layer) in (0i64..).zip(&image.layers) {
            let (digest, chain) = (layer.digest.as_str(), layer.chain_id.as_str());
            insert
                .execute((image.id.as_str(), position, digest, chain))
                .map_err(&explain)?;
        }
        Ok(())
    }

    fn insert_name(
        &self,
        db: &Connection,
        image: &Digest,
        name: &Reference,
    ) -> Result<(), StoreError> {
        let explain = self.database.explain("name an image");
        if let Some(digest) = &name.digest {
            let sql =
                "INSERT OR REPLACE INTO repo_digests (name, digest, image) VALUES (?1, ?2, ?3)";
            db.execute(sql, (repository(name), digest.as_str(), image.as_str()))
                .map_err(&explain)?;
        }
        if let Some(tag) = &name.tag {
            let sql = "INSERT OR REPLACE INTO tags (name, image) VALUES (?1, ?2)";
            let tagged = format!("{}:{tag}", repository(name));
            db.execute(sql, (tagged, image.as_str()))
                .map_err(&explain)?;
        }
        Ok(())
    }

    fn with_names(&self, row: Row) -> Result<ImageRecord, StoreError> {
        let (tags, digests) = self.database.read("list an image's names", |db| {
            let tags = texts(
                db,
                "SELECT name FROM tags WHERE image = ?1 ORDER BY name",
                &row.id,
            )?;
            let sql = "SELECT name || '@' || digest FROM repo_digests WHERE image = ?1 ORDER BY 1";
            Ok((tags, texts(db, sql, &row.id)?))
        })?;
        row.named(tags, digests)
    }
}

const ROW: &str = "SELECT id, stored_at, record, parent, tagged_at FROM images";

struct Row {
    id: String,
    stored_at: i64,
    record: String,
    parent: Option<String>,
    tagged_at: i64,
}

impl Row {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            stored_at: row.get(1)?,
            record: row.get(2)?,
            parent: row.get(3)?,
            tagged_at: row.get(4)?,
        })
    }

    fn named(self, tags: Vec<String>, digests: Vec<String>) -> Result<ImageRecord, StoreError> {
        let id = &self.id;
        let parent = self.parent.map(|parent| digest_of("image", id, &parent));
        Ok(ImageRecord {
            image: record::from_json(id, &self.record)?,
            tags: references(id, tags)?,
            digests: references(id, digests)?,
            stored_at: self.stored_at.cast_unsigned(),
            tagged_at: self.tagged_at.cast_unsigned(),
            parent: parent.transpose()?,
        })
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs().cast_signed())
}

/// Pairs of an image and one of its names, by image.
fn grouped(db: &Connection, sql: &str) -> rusqlite::Result<HashMap<String, Vec<String>>> {
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    let mut found = db.prepare_cached(sql)?;
    let mut rows = found.query([])?;
    while let Some(row) = rows.next()? {
        names.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(names)
}

/// A whole id first, then a name, then a prefix: an image called `abc` hides
/// the prefix `abc`, as with Docker.
fn find(db: &Connection, text: &str) -> rusqlite::Result<Vec<Row>> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if hex.len() == 64 {
        let rows = by_id_prefix(db, hex)?;
        if !rows.is_empty() {
            return Ok(rows);
        }
    }
    if let Ok(name) = text.parse::<Reference>()
        && let Some(id) = id_of_name(db, &name)?
    {
        return by_id_prefix(db, id.trim_start_matches("sha256:"));
    }
    by_id_prefix(db, hex)
}

fn by_id_prefix(db: &Connection, hex: &str) -> rusqlite::Result<Vec<Row>> {
    if hex.is_empty()
        || !hex
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    {
        return Ok(Vec::new());
    }
    // `g` sorts after every hex digit: a range on the primary key.
    db.prepare_cached(&format!("{ROW} WHERE id >= ?1 AND id < ?2 LIMIT 2"))?
        .query_map(
            (format!("sha256:{hex}"), format!("sha256:{hex}g")),
            Row::read,
        )?
        .collect()
}

fn id_of_name(db: &Connection, name: &Reference) -> rusqlite::Result<Option<String>> {
    if let Some(digest) = &name.digest {
        return db
            .prepare_cached("SELECT image FROM repo_digests WHERE name = ?1 AND digest = ?2")?
            .query_row((repository(name), digest.as_str()), |row| row.get(0))
            .optional();
    }
    db.prepare_cached("SELECT image FROM tags WHERE name = ?1")?
        .query_row([name.to_string()], |row| row.get(0))
        .optional()
}

fn remove_name(db: &Connection, name: &Reference) -> rusqlite::Result<Option<String>> {
    if let Some(digest) = &name.digest {
        let sql = "DELETE FROM repo_digests WHERE name = ?1 AND digest = ?2 RETURNING image";
        return db
            .query_row(sql, (repository(name), digest.as_str()), |row| row.get(0))
            .optional();
    }
    let sql = "DELETE FROM tags WHERE name = ?1 RETURNING image";
    db.query_row(sql, [name.to_string()], |row| row.get(0))
        .optional()
}

fn texts(db: &Connection, sql: &str, id: &str) -> rusqlite::Result<Vec<String>> {
    db.prepare_cached(sql)?
        .query_map([id], |row| row.get(0))?
        .collect()
}

fn references(image: &str, names: Vec<String>) -> Result<Vec<Reference>, StoreError> {
    let malformed = |name: &str| StoreError::Record {
        what: "image",
        name: image.to_owned(),
        detail: format!("its name {name:?} is not a reference"),
    };
    names
        .iter()
        .map(|name| name.parse().map_err(|_| malformed(name)))
        .collect()
}

fn repository(name: &Reference) -> String {
    format!("{}/{}", name.domain, name.path)
}

fn no_such_image(name: &str) -> StoreError {
    StoreError::NotFound {
        what: "image",
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
