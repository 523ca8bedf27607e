//! `commit`: what a container changed becomes a layer over its image's.
//!
//! A driver whose containers have an overlay's upper directory has the layer
//! in it already; elsewhere the container's tree is compared with its image's.
//! The archive is read by [`Engine::write_layer`] while it is written.

mod merge;

use std::io::{BufWriter, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::SystemTime;

use bulkhead_model::Reference;
use bulkhead_model::container::State;
use bulkhead_model::driver::StorageDriver;
use bulkhead_model::image::{Configuration, History, Image, ImageConfig, Layer};
use bulkhead_model::storage::{OverlayOption, Purpose, RootMount};
use bulkhead_store::changes::Change;
use bulkhead_store::pack::{self, PackError, Piece, Style, Times};
use bulkhead_store::stream::{self, StreamWriter};
use bulkhead_store::{manifest, upper};

use crate::changes::MADE_BY_THE_ENGINE;
use crate::container::Container;
use crate::containers::Entry;
use crate::error::EngineError;
use crate::layer::NewLayer;
use crate::{Engine, ImageToRecord, instructions};

/// Bytes of the archive that are handed on at a time.
const PIECE: usize = 256 * 1024;

/// What is to be made of a container.
#[derive(Clone, Debug, Default)]
pub struct CommitRequest {
    /// The container, by name or id.
    pub container: String,
    /// What the image is to be called.
    pub name: Option<Reference>,
    /// Who makes it.
    pub author: String,
    /// What it is.
    pub comment: String,
    /// Dockerfile instructions, applied in turn.
    pub changes: Vec<String>,
    /// The configuration that the client gave; over the container's.
    pub config: Option<ImageConfig>,
    /// The container's own configuration, its image's included.
    pub own: ImageConfig,
}

impl Engine {
    /// Makes an image of a container as it is now. Whoever wants its processes
    /// to hold still meanwhile pauses it.
    pub fn commit(&self, request: &CommitRequest) -> Result<Image, EngineError> {
        let entry = self.containers.find(&request.container)?;
        let record = entry.record();
        refuse_going(&record)?;
        let config = configured(request)?;
        let parent = self.image(&record.image_id)?;
        let driver = self.storage_driver(Some(&record.storage_driver))?.clone();
        let _held = self.lay_out(&parent, &driver)?;
        let new = self.write_changes(&entry, &parent.layers, &driver)?;
        let mut layers = parent.layers.clone();
        if !new.is_empty() {
            layers.push(new.layer.clone());
        }
        let configuration = self.configuration(request, config, &parent, &layers)?;
        let image = self.record_image(&ImageToRecord {
            configuration: &manifest::to_config(&configuration),
            layers: &layers,
            new: if new.is_empty() {
                &[]
            } else {
                std::slice::from_ref(&new)
            },
            names: request.name.as_slice(),
            parent: Some(&parent.id),
            driver: &driver,
        })?;
        self.tell_commit(request, &record, &image);
        Ok(image)
    }

    fn tell_commit(&self, request: &CommitRequest, record: &Container, image: &Image) {
        let id = image.id.as_str();
        let name = request.name.as_ref().map(Reference::familiar);
        if let Some(name) = &name {
            self.events.image(image, "tag", id, name);
        }
        let more = [
            ("comment", request.comment.as_str()),
            ("imageID", id),
            ("imageRef", name.as_deref().unwrap_or_default()),
        ];
        self.events.container(record, "commit", more);
    }

    fn configuration(
        &self,
        request: &CommitRequest,
        config: ImageConfig,
        parent: &Image,
        layers: &[Layer],
    ) -> Result<Configuration, EngineError> {
        let created = Some(humantime::format_rfc3339_nanos(SystemTime::now()).to_string());
        let mut history = self.image_configuration(parent)?.history;
        history.push(History {
            created: created.clone(),
            created_by: request.own.cmd.clone().unwrap_or_default().join(" "),
            author: request.author.clone(),
            comment: request.comment.clone(),
            empty_layer: layers.len() == parent.layers.len(),
        });
        Ok(Configuration {
            config,
            platform: Some(parent.platform.clone()),
            created,
            author: request.author.clone(),
            comment: request.comment.clone(),
            diff_ids: layers.iter().map(|layer| layer.diff_id.clone()).collect(),
            history,
            ..Configuration::default()
        })
    }

    /// The whole configuration of an image, which its record does not have.
    pub fn image_configuration(&self, image: &Image) -> Result<Configuration, EngineError> {
        let limit = manifest::MAX_DOCUMENT as u64;
        let bytes = self.store.blobs().read(&image.id, limit)?;
        Ok(manifest::configuration(&bytes)?)
    }

    /// Packs on this thread what another takes in.
    fn write_changes(
        &self,
        entry: &Entry,
        below: &[Layer],
        driver: &Arc<dyn StorageDriver>,
    ) -> Result<NewLayer<'_>, EngineError> {
        let (out, archive) = stream::pair();
        std::thread::scope(|scope| {
            let taking = scope.spawn(move || self.write_layer(archive, below, driver));
            let packed = self.pack_changes(entry, out);
            let taken = taking.join().unwrap_or(Err(EngineError::WorkerPanicked));
            match packed {
                // The taking side gave up, and says why.
                Err(EngineError::Pack(PackError::Write(_))) => taken,
                packed => packed.and(taken),
            }
        })
    }

    fn pack_changes(&self, entry: &Entry, out: StreamWriter) -> Result<(), EngineError> {
        let record = entry.record();
        match self.pieces_of_upper(entry, &record)? {
            Some((upper, pieces)) => {
                let _shared = entry.share_root();
                pack(upper.as_fd(), &pieces, &[], out)
            }
            None => self.compared(entry, move |view, changes| {
                let pieces: Vec<Piece> = changes.into_iter().map(Change::into_piece).collect();
                pack(view.fd, &pieces, view.ids, out)
            }),
        }
    }

    /// The container's upper directory and what is in it; `None` when its
    /// driver has none, or it does not say everything.
    fn pieces_of_upper(
        &self,
        entry: &Entry,
        record: &Container,
    ) -> Result<Option<(std::os::fd::OwnedFd, Vec<Piece>)>, EngineError> {
        let RootMount::Overlay {
            upper: Some((source, _)),
            options,
            ..
        } = self.snapshot_mount(record, Purpose::Run)?
        else {
            return Ok(None);
        };
        let elsewhere = |option: &OverlayOption| {
            use OverlayOption::{Metacopy, RedirectDir, UserXattr};
            matches!(option, Metacopy | RedirectDir | UserXattr)
        };
        if options.iter().any(elsewhere) {
            return Ok(None);
        }
        let _shared = entry.share_root();
        let open = |mount: &_| self.runtime.open_rootfs(&record.storage_driver, mount);
        let own = RootMount::Bind {
            source,
            read_only: true,
        };
        let directory = open(&own)?;
        let image = open(&self.snapshot_mount(record, Purpose::View)?)?;
        let pieces = upper::pieces(directory.as_fd(), image.as_fd(), &MADE_BY_THE_ENGINE)?;
        Ok(pieces.map(|pieces| (directory, pieces)))
    }
}

fn pack(
    root: std::os::fd::BorrowedFd<'_>,
    pieces: &[Piece],
    ids: &[bulkhead_model::process::IdMap],
    out: StreamWriter,
) -> Result<(), EngineError> {
    let style = Style {
        ids,
        times: Times::Seconds,
    };
    let mut out = BufWriter::with_capacity(PIECE, out);
    pack::layer(root, pieces, style, &mut out)?;
    out.flush().map_err(PackError::Write)?;
    let out = out
        .into_inner()
        .map_err(|e| PackError::Write(e.into_error()))?;
    out.finish();
    Ok(())
}

fn refuse_going(record: &Container) -> Result<(), EngineError> {
    let state = match record.state {
        State::Dead { .. } => "Dead",
        State::Removing { .. } => "being removed",
        _ => return Ok(()),
    };
    Err(EngineError::CommitGoing {
        id: record.id.to_string(),
        state,
    })
}

/// The new image's configuration: the client's, or else the container's, with
/// the changes, over the container's.
fn configured(request: &CommitRequest) -> Result<ImageConfig, EngineError> {
    let mut config = request.config.as_ref().unwrap_or(&request.own).clone();
    instructions::apply(&mut config, &request.changes)?;
    Ok(merge::over(config, &request.own))
}

/// The digest of a layer that holds nothing.
#[cfg(test)]
const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_without_pieces_is_dockers_empty_one() {
        let temp = tempfile::tempdir().unwrap();
        let root = std::fs::File::open(temp.path()).unwrap();
        let style = Style {
            ids: &[],
            times: Times::Seconds,
        };
        let mut out = Vec::new();
        pack::layer(root.as_fd(), &[], style, &mut out).unwrap();
        let digest = manifest::digest_of(&out);
        assert_eq!((out.len(), digest.as_str()), (1024, EMPTY));
    }
}
