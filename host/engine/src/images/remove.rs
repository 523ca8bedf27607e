//! `rmi` and `image prune`, by Docker's rules:
//!
//! | What is named | What goes |
//! |---|---|
//! | one of several names | that name |
//! | the last name of a repository | it, and the digests of that repository |
//! | the last name at all | it and the image, unless others were made from it |
//! | an id | all names and the image, when they are of one repository or forced |
//!
//! With an image go the images it was made from that have no name, no other
//! children and no containers.

use std::collections::{BTreeMap, HashSet};

use bulkhead_model::image::Image;
use bulkhead_model::{Digest, Reference, SnapshotKey};
use bulkhead_store::{ImageRecord, Orphan};

use super::ImageDeleted;
use crate::Engine;
use crate::error::EngineError;

/// Why an image stays.
struct Conflict {
    /// Force does not help.
    hard: bool,
    /// A container is the reason.
    used: bool,
    detail: String,
}

/// Which conflicts count.
#[derive(Clone, Copy)]
struct Checked {
    names: bool,
    stopped: bool,
}

impl Engine {
    /// Takes a name away and, with the last one, the image with what only it
    /// used; `prune` takes nameless parents along.
    pub fn remove_image(
        &self,
        text: &str,
        force: bool,
        prune: bool,
    ) -> Result<Vec<ImageDeleted>, EngineError> {
        let record = self.image_record(text)?;
        let names = sorted_names(&record);
        let going = if is_id_prefix(&record.image.id, text) {
            self.names_of_id(&record, &names, force)?
        } else {
            self.names_of_name(&record, &names, text, force)?
        };
        let named = !is_id_prefix(&record.image.id, text);
        let left = names.iter().filter(|name| !going.contains(name)).count();
        if named && left > 0 {
            return self.untag(&record, &going);
        }
        let checked = Checked {
            names: !force && left > 0,
            stopped: !force,
        };
        match self.conflict(&record.image.id, left, checked, &[])? {
            Some(conflict) if named && (self.has_children(&record)? || conflict.used) => {
                self.untag(&record, &going)
            }
            Some(conflict) => Err(conflict.of(&record)),
            None => self.delete(record, prune),
        }
    }

    /// Removes the images that `chosen` chooses and no container uses, with
    /// what only they used. An image stays as long as one that was made from
    /// it does.
    pub fn prune_images(
        &self,
        chosen: impl Fn(&ImageRecord) -> bool,
    ) -> Result<Vec<ImageDeleted>, EngineError> {
        let users = self.image_users();
        let images = self.store.images()?;
        let parents: Vec<(Digest, Digest)> = images
            .iter()
            .filter_map(|one| Some((one.parent.clone()?, one.image.id.clone())))
            .collect();
        let mut left: Vec<ImageRecord> = images
            .into_iter()
            .filter(|one| !users.contains_key(one.image.id.as_str()) && chosen(one))
            .collect();
        let mut all: Vec<ImageRecord> = Vec::new();
        // Children before their parents, until what is left has other children.
        loop {
            let goes = |one: &ImageRecord, all: &[ImageRecord]| {
                let mut children = parents.iter().filter(|(parent, _)| *parent == one.image.id);
                children.all(|(_, child)| all.iter().any(|gone| gone.image.id == *child))
            };
            let (going, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|one| goes(one, &all));
            if going.is_empty() {
                break;
            }
            left = rest;
            for record in going {
                if all.iter().all(|gone| gone.image.id != record.image.id) {
                    all.push(record);
                    self.add_parents(&mut all)?;
                }
            }
        }
        self.remove_all(&all)
    }

    /// By id all names go when they are of one repository, or when forced.
    fn names_of_id<'n>(
        &self,
        record: &ImageRecord,
        names: &'n [Reference],
        force: bool,
    ) -> Result<Vec<&'n Reference>, EngineError> {
        if is_single(names) {
            let checked = Checked {
                names: false,
                stopped: !force,
            };
            if let Some(conflict) = self.conflict(&record.image.id, 0, checked, &[])? {
                return Err(conflict.of(record));
            }
            return Ok(names.iter().collect());
        }
        Ok(if force {
            names.iter().collect()
        } else {
            Vec::new()
        })
    }

    fn names_of_name<'n>(
        &self,
        record: &ImageRecord,
        names: &'n [Reference],
        text: &str,
        force: bool,
    ) -> Result<Vec<&'n Reference>, EngineError> {
        if !force
            && is_single(names)
            && let Some(user) = self.image_users().get(record.image.id.as_str())
        {
            return Err(EngineError::ImageNamedByContainer {
                reference: text.to_owned(),
                container: user.any.clone(),
                image: record.image.id.short().to_owned(),
            });
        }
        let mut wanted: Reference = text.parse()?;
        // As a name, a digest counts and a tag beside it does not.
        wanted.tag = wanted.tag.filter(|_| wanted.digest.is_none());
        let mut going: Vec<_> = names.iter().filter(|name| **name == wanted).collect();
        let of_repository = |name: &&Reference| name.same_repository(&wanted);
        let mut others = names.iter().filter(|name| **name != wanted);
        // With the last tag of a repository go the digests it was pulled by.
        if wanted.digest.is_none()
            && !others.any(|name| name.digest.is_none() && of_repository(&name))
        {
            let digests = names.iter().filter(|name| name.digest.is_some());
            going.extend(digests.filter(of_repository));
        }
        Ok(going)
    }

    fn untag(
        &self,
        record: &ImageRecord,
        names: &[&Reference],
    ) -> Result<Vec<ImageDeleted>, EngineError> {
        self.store.untag_images(names)?;
        let untagged = |name: &&Reference| {
            self.image_event(record, "untag");
            ImageDeleted::Untagged(name.familiar())
        };
        Ok(names.iter().map(untagged).collect())
    }

    fn delete(&self, record: ImageRecord, prune: bool) -> Result<Vec<ImageDeleted>, EngineError> {
        let mut all = vec![record];
        if prune {
            self.add_parents(&mut all)?;
        }
        self.remove_all(&all)
    }

    /// Adds the parents of the last that have no name, no container and no
    /// children but those that go.
    fn add_parents(&self, all: &mut Vec<ImageRecord>) -> Result<(), EngineError> {
        while let Some(parent) = all.last().and_then(|last| last.parent.clone()) {
            let Ok(record) = self.store.image(parent.as_str()) else {
                break;
            };
            let names = record.tags.len() + record.digests.len();
            let going: Vec<Digest> = all.iter().map(|one| one.image.id.clone()).collect();
            let checked = Checked {
                names: true,
                stopped: true,
            };
            let stays = self.conflict(&parent, names, checked, &going)?.is_some();
            if stays || going.contains(&parent) {
                break;
            }
            all.push(record);
        }
        Ok(())
    }

    /// Removes images with all their names; the first error is returned, what
    /// could not be removed is swept at the next start.
    fn remove_all(&self, all: &[ImageRecord]) -> Result<Vec<ImageDeleted>, EngineError> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let images: Vec<&Image> = all.iter().map(|record| &record.image).collect();
        let left = self.forget_images(&images)?;
        let mut steps = Vec::new();
        for (record, orphans) in all.iter().zip(&left) {
            for name in sorted_names(record) {
                steps.push(ImageDeleted::Untagged(name.familiar()));
                self.image_event(record, "untag");
            }
            steps.push(ImageDeleted::Deleted(record.image.id.clone()));
            self.image_event(record, "delete");
            let mut told = HashSet::new();
            let chains = orphans.iter().map(|orphan| &orphan.chain_id);
            let chains = chains.filter(|chain| told.insert((*chain).clone()));
            steps.extend(chains.cloned().map(ImageDeleted::Deleted));
        }
        left.iter()
            .flatten()
            .try_for_each(|orphan| self.remove_orphan(orphan))?;
        Ok(steps)
    }

    /// The transaction, while no pull can begin to count on what goes.
    fn forget_images(&self, images: &[&Image]) -> Result<Vec<Vec<Orphan>>, EngineError> {
        let drivers: Vec<_> = (self.storage.keys())
            .map(|name| (name.as_str(), self.chains.of(name)))
            .collect();
        let frozen: BTreeMap<_, _> = (drivers.iter())
            .map(|(name, chains)| (*name, (chains.freeze(), self.chains_in_use(name))))
            .collect();
        let keeps = |driver: &str, chain: &Digest| {
            let known = frozen.get(driver);
            known.is_some_and(|(held, used)| held.keeps(chain) || used.contains(chain))
        };
        Ok(self.store.remove_images(images, &keeps)?)
    }

    /// Removes a snapshot, unless it was laid out again since.
    fn remove_orphan(&self, orphan: &Orphan) -> Result<(), EngineError> {
        let Some(driver) = self.storage.get(&orphan.driver) else {
            return Ok(());
        };
        let chains = self.chains.of(&orphan.driver);
        // Whoever lays it out now took away first what no record named.
        let Some(_claim) = chains.try_claim(&orphan.chain_id) else {
            return Ok(());
        };
        let again = chains.unrecorded(&orphan.chain_id).is_some()
            || (self.store.layer(&orphan.driver, &orphan.chain_id)?).is_some();
        if again {
            return Ok(());
        }
        let root = self.runtime.driver_root(&orphan.driver);
        let plan = driver.remove(&*root, &SnapshotKey::of_chain(&orphan.chain_id))?;
        Ok(self.runtime.apply_storage(&orphan.driver, &plan)?)
    }

    fn conflict(
        &self,
        id: &Digest,
        names: usize,
        checked: Checked,
        going: &[Digest],
    ) -> Result<Option<Conflict>, EngineError> {
        let children = self.store.children(id)?;
        if children.iter().any(|child| !going.contains(child)) {
            return Ok(Some(Conflict {
                hard: true,
                used: false,
                detail: "image has dependent child images".to_owned(),
            }));
        }
        let users = self.image_users();
        let user = users.get(id.as_str());
        if let Some(container) = user.and_then(|user| user.running.as_ref()) {
            return Ok(Some(Conflict {
                hard: true,
                used: true,
                detail: format!("image is being used by running container {container}"),
            }));
        }
        if checked.names && names > 0 {
            return Ok(Some(Conflict {
                hard: false,
                used: false,
                detail: "image is referenced in multiple repositories".to_owned(),
            }));
        }
        Ok(user.filter(|_| checked.stopped).map(|user| Conflict {
            hard: false,
            used: true,
            detail: format!("image is being used by stopped container {}", user.any),
        }))
    }

    fn has_children(&self, record: &ImageRecord) -> Result<bool, EngineError> {
        Ok(!self.store.children(&record.image.id)?.is_empty())
    }

    fn image_users(&self) -> BTreeMap<String, User> {
        let mut users: BTreeMap<String, User> = BTreeMap::new();
        for record in self.containers.all().iter().map(|entry| entry.record()) {
            let short = record.id.short().to_owned();
            let user = users.entry(record.image_id.clone()).or_insert(User {
                any: short.clone(),
                running: None,
            });
            if record.state.is_active() {
                user.running.get_or_insert(short);
            }
        }
        users
    }

    fn chains_in_use(&self, driver: &str) -> HashSet<Digest> {
        let all = self.containers.all();
        let records = all.iter().map(|entry| entry.record());
        let here = records.filter(|record| record.storage_driver == driver);
        here.flat_map(|record| record.parents.clone())
            .filter_map(|parent| format!("sha256:{parent}").parse().ok())
            .collect()
    }
}

/// Containers that were made from an image, by short id.
struct User {
    any: String,
    running: Option<String>,
}

impl Conflict {
    fn of(self, record: &ImageRecord) -> EngineError {
        EngineError::ImageInUse {
            image: record.image.id.short().to_owned(),
            reason: if self.hard {
                "cannot be forced"
            } else {
                "must be forced"
            },
            detail: self.detail,
        }
    }
}

/// In the order in which Docker lists and removes them.
fn sorted_names(record: &ImageRecord) -> Vec<Reference> {
    let mut names: Vec<_> = record.digests.iter().chain(&record.tags).cloned().collect();
    names.sort_by_cached_key(ToString::to_string);
    names
}

fn is_id_prefix(id: &Digest, text: &str) -> bool {
    id.as_str().starts_with(text) || id.hex().starts_with(text)
}

/// At most one tag, and all digests of its repository.
fn is_single(names: &[Reference]) -> bool {
    if names.len() <= 1 {
        return true;
    }
    let (digests, tags): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.digest.is_some());
    let Some(one) = tags.first().or(digests.first()) else {
        return true;
    };
    tags.len() <= 1
        && !digests.is_empty()
        && digests.iter().all(|digest| digest.same_repository(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_single_when_they_are_of_one_repository_with_one_tag() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        let single = |names: &[&str]| {
            let names: Vec<Reference> = names
                .iter()
                .map(|name| name.replace('@', &digest).parse().unwrap())
                .collect();
            is_single(&names)
        };
        assert!(single(&[]) && single(&["a:1"]) && single(&["a@"]) && single(&["a@", "a:1"]));
        assert!(!single(&["a:1", "a:2"]) && !single(&["a@", "b:1"]) && !single(&["a@", "b@"]));
    }
}
