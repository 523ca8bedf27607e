//! What a mount shows, and what is changed through it. Directories inside of
//! a snapshot's root are not modelled: files have paths.

use std::collections::BTreeMap;

use super::tree::{Node, Tree, VOLUME, below};
use super::{FakeStorageHost, StorageOrder, lock};
use crate::storage::Access;

const OPAQUE: &str = ".wh..wh..opq";

/// One change that a layer makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerChange {
    /// A file with these bytes.
    File(String, Vec<u8>),
    /// The name and what is below it are gone.
    Whiteout(String),
    /// Of this directory only what this layer says is there.
    Opaque(String),
}

impl FakeStorageHost {
    /// The mount among the orders of the last call.
    pub fn mount(&self) -> Option<StorageOrder> {
        mount_of(&self.orders())
    }

    /// The files that a mount shows, by path.
    pub fn files(&self, mount: &StorageOrder) -> BTreeMap<String, Vec<u8>> {
        let tree = lock(&self.tree);
        let mut shown = BTreeMap::new();
        for layer in layers(mount).iter().rev() {
            show(&tree, layer, &mut shown);
        }
        shown
    }

    /// Writes a file through a mount, as a container does.
    ///
    /// # Errors
    /// The mount is read-only.
    pub fn write(&self, mount: &StorageOrder, path: &str, bytes: &[u8]) -> Result<(), String> {
        let place = format!("{}/{path}", writable(mount)?);
        let mut tree = lock(&self.tree);
        if tree.is_sealed(&place) {
            return Err("the subvolume is read-only".into());
        }
        tree.nodes.insert(place, Node::File(bytes.to_owned()));
        Ok(())
    }

    /// Removes a file or a directory with all in it through a mount.
    ///
    /// # Errors
    /// The mount is read-only.
    pub fn delete(&self, mount: &StorageOrder, path: &str) -> Result<(), String> {
        let top = writable(mount)?;
        let place = format!("{top}/{path}");
        let mut tree = lock(&self.tree);
        tree.nodes.retain(|known, _| !below(known, &place));
        if matches!(mount, StorageOrder::MountOverlay { .. }) {
            tree.nodes.insert(place, Node::Whiteout);
        }
        Ok(())
    }

    /// Applies a layer to an extraction's mount as the host does: with
    /// overlay's marks for drivers with overlay layers, else by removing.
    ///
    /// # Errors
    /// The mount is read-only.
    pub fn extract(
        &self,
        mount: &StorageOrder,
        changes: &[LayerChange],
        overlay_layers: bool,
    ) -> Result<(), String> {
        let top = writable(mount)?;
        // Marks act on the layers below, whatever their place in the archive.
        for change in changes {
            match change {
                LayerChange::Whiteout(path) if overlay_layers => {
                    let mut tree = lock(&self.tree);
                    tree.nodes.insert(format!("{top}/{path}"), Node::Whiteout);
                }
                LayerChange::Opaque(path) if overlay_layers => {
                    let mark = format!("{top}/{path}/{OPAQUE}");
                    lock(&self.tree).nodes.insert(mark, Node::Opaque);
                }
                LayerChange::Whiteout(path) | LayerChange::Opaque(path) => {
                    self.delete(mount, path)?;
                }
                LayerChange::File(..) => {}
            }
        }
        for change in changes {
            if let LayerChange::File(path, bytes) = change {
                self.write(mount, path, bytes)?;
            }
        }
        Ok(())
    }
}

/// The mount among a call's orders.
pub(crate) fn mount_of(orders: &[StorageOrder]) -> Option<StorageOrder> {
    orders.iter().find(|order| is_mount(order)).cloned()
}

pub(super) fn is_mount(order: &StorageOrder) -> bool {
    matches!(
        order,
        StorageOrder::MountOverlay { .. }
            | StorageOrder::MountBind { .. }
            | StorageOrder::MountVolume { .. }
    )
}

/// Uppermost first.
fn layers(mount: &StorageOrder) -> Vec<String> {
    match mount {
        StorageOrder::MountOverlay { lower, upper, .. } => {
            let upper = upper.iter().map(|(upper, _)| upper);
            upper.chain(lower).cloned().collect()
        }
        StorageOrder::MountBind { source, .. } => vec![source.clone()],
        StorageOrder::MountVolume { source, .. } => vec![format!("{source}/{VOLUME}")],
        _ => Vec::new(),
    }
}

fn writable(mount: &StorageOrder) -> Result<String, String> {
    match mount {
        StorageOrder::MountOverlay {
            upper: Some((upper, _)),
            ..
        } => Ok(upper.clone()),
        StorageOrder::MountBind {
            source,
            access: Access::ReadWrite,
        } => Ok(source.clone()),
        StorageOrder::MountVolume {
            source,
            access: Access::ReadWrite,
            ..
        } => Ok(format!("{source}/{VOLUME}")),
        _ => Err("the mount is read-only".into()),
    }
}

/// Lays one layer over what is shown.
fn show(tree: &Tree, layer: &str, shown: &mut BTreeMap<String, Vec<u8>>) {
    let nodes = || {
        let below_layer = tree.nodes_below(layer);
        below_layer.filter_map(|(path, node)| Some((path[layer.len()..].strip_prefix('/')?, node)))
    };
    for (path, node) in nodes() {
        match node {
            Node::Whiteout => shown.retain(|known, _| !below(known, path)),
            Node::Opaque => {
                let dir = path.strip_suffix(OPAQUE).unwrap_or(path);
                shown.retain(|known, _| !known.starts_with(dir));
            }
            Node::File(_) => {}
        }
    }
    for (path, node) in nodes() {
        if let Node::File(bytes) = node {
            shown.insert(path.to_owned(), bytes.clone());
        }
    }
}
