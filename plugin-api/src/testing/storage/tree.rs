//! The driver's root in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::StorageOrder;
use super::subvolumes::Subvolume;
use crate::storage::Usage;

/// What is not a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(Vec<u8>),
    /// Overlay's mark: the name does not exist, whatever lower layers say.
    Whiteout,
    /// Overlay's mark, in the directory it is about: lower layers' entries do not show.
    Opaque,
}

/// Where the files of a directory's volume are; no call can name it.
pub(super) const VOLUME: &str = "@volume";

#[derive(Default)]
pub(super) struct Tree {
    pub(super) dirs: BTreeSet<String>,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) usage: BTreeMap<String, Usage>,
    pub(super) state: BTreeMap<String, Vec<u8>>,
    /// Bytes of the volume that a directory keeps; its files are below [`VOLUME`] in it.
    pub(super) volumes: BTreeMap<String, u64>,
    pub(super) pool: Vec<(String, String)>,
    pub(super) subvolumes: BTreeMap<String, Subvolume>,
    pub(super) options: Vec<(String, String)>,
    pub(super) facts: Vec<String>,
    pub(super) denied: Vec<String>,
    pub(super) orders: Vec<StorageOrder>,
}

/// Orders as they are carried out: removals last.
pub(super) fn in_turn(orders: &[StorageOrder]) -> impl Iterator<Item = &StorageOrder> {
    let is_removal = |order: &&StorageOrder| matches!(order, StorageOrder::RemoveTree { .. });
    let others = orders.iter().filter(move |order| !is_removal(order));
    others.chain(orders.iter().filter(is_removal))
}

pub(super) fn below(path: &str, dir: &str) -> bool {
    path == dir
        || path
            .strip_prefix(dir)
            .is_some_and(|rest| rest.starts_with('/'))
}

impl Tree {
    /// All or none, as the real host takes back what it did before a failure.
    pub(super) fn carry_out_all(&mut self, orders: &[StorageOrder]) -> Result<(), String> {
        let state = self.state.clone();
        let mut done: Vec<&StorageOrder> = Vec::new();
        for order in in_turn(orders) {
            if let Err(reason) = self.carry_out(order) {
                done.iter().rev().for_each(|order| self.take_back(order));
                self.state = state;
                return Err(reason);
            }
            done.push(order);
        }
        Ok(())
    }

    fn take_back(&mut self, order: &StorageOrder) {
        match order {
            StorageOrder::CreateDir { dir, .. } => {
                self.dirs.remove(dir);
            }
            StorageOrder::CloneTree { dest, .. } => {
                self.dirs.retain(|path| path == dest || !below(path, dest));
                self.nodes.retain(|path, _| !below(path, dest));
            }
            StorageOrder::Rename { source, dest } => self
                .rename(dest, source)
                .expect("what was moved can be moved back"),
            StorageOrder::CreateVolume { dir, .. }
            | StorageOrder::SnapshotVolume { dest: dir, .. } => {
                self.volumes.remove(dir);
                let files = format!("{dir}/{VOLUME}");
                self.nodes.retain(|path, _| !below(path, &files));
            }
            StorageOrder::CreateSubvolume { dir, .. }
            | StorageOrder::SnapshotSubvolume { dest: dir, .. } => self.forget_subvolume(dir),
            StorageOrder::SealSubvolume { dir } => {
                if let Some(subvolume) = self.subvolumes.get_mut(dir) {
                    subvolume.sealed = false;
                }
            }
            // Kept values come back together; removals and mounts are not undone.
            _ => {}
        }
    }

    /// What is at and below a path.
    pub(super) fn nodes_below(&self, dir: &str) -> impl Iterator<Item = (&String, &Node)> {
        let from = self.nodes.range(dir.to_owned()..);
        let near = from.take_while(move |(path, _)| path.starts_with(dir));
        near.filter(move |(path, _)| below(path, dir))
    }

    fn dirs_below(&self, dir: &str) -> impl Iterator<Item = &String> {
        let from = self.dirs.range(dir.to_owned()..);
        let near = from.take_while(move |path| path.starts_with(dir));
        near.filter(move |path| below(path, dir))
    }

    pub(super) fn carry_out(&mut self, order: &StorageOrder) -> Result<(), String> {
        match order {
            StorageOrder::CreateDir { dir, .. } => self.create_dir(dir),
            StorageOrder::CloneTree { source, dest } => self.clone_tree(source, dest),
            StorageOrder::Rename { source, dest } => self.rename(source, dest),
            StorageOrder::RemoveTree { victim } => {
                self.dirs.retain(|path| !below(path, victim));
                self.nodes.retain(|path, _| !below(path, victim));
                self.volumes.retain(|path, _| !below(path, victim));
                self.subvolumes.retain(|path, _| !below(path, victim));
                Ok(())
            }
            StorageOrder::PutState { key, value } => {
                match value {
                    Some(value) => self.state.insert(key.clone(), value.clone()),
                    None => self.state.remove(key),
                };
                Ok(())
            }
            StorageOrder::MountOverlay { lower, upper, .. } => {
                let upper = upper.iter().flat_map(|(upper, work)| [upper, work]);
                match lower.iter().chain(upper).find(|dir| !self.is_dir(dir)) {
                    _ if lower.is_empty() => Err("overlay: no lower directory".into()),
                    Some(dir) => Err(format!("overlay: {dir} is not there")),
                    None => Ok(()),
                }
            }
            StorageOrder::MountBind { source, .. } => self.must_be(source, "bind"),
            StorageOrder::CreateVolume { dir, size, .. } => self.add_volume(dir, *size),
            StorageOrder::SnapshotVolume { source, dest } => self.snapshot_volume(source, dest),
            StorageOrder::GrowVolume { dir, size } => self.grow_volume(dir, *size),
            StorageOrder::MountVolume { source, .. } => self.volume(source).map(drop),
            StorageOrder::CreateSubvolume { dir, .. } => self.create_subvolume(dir),
            StorageOrder::SnapshotSubvolume {
                source,
                dest,
                access,
            } => self.snapshot_subvolume(source, dest, *access),
            StorageOrder::SealSubvolume { dir } => self.seal_subvolume(dir),
            StorageOrder::LimitSubvolume { dir, bytes } => self.limit_subvolume(dir, *bytes),
            StorageOrder::LimitDir { dir, .. } => self.limit_dir(dir),
            StorageOrder::Pool(pool) => {
                self.make_pool(pool);
                Ok(())
            }
        }
    }

    pub(super) fn is_dir(&self, path: &str) -> bool {
        self.dirs.contains(path)
    }

    /// What was said with `with_usage`, else what is there.
    pub(super) fn usage(&self, dir: &str) -> Usage {
        if let Some(usage) = self.usage.get(dir) {
            return *usage;
        }
        let own = |(path, node): &(&String, &Node)| !self.is_shared(path, node);
        let sizes = self
            .nodes_below(dir)
            .filter(own)
            .map(|(_, node)| match node {
                Node::File(bytes) => bytes.len() as u64,
                Node::Whiteout | Node::Opaque => 0,
            });
        let (count, bytes) = sizes.fold((0, 0), |(n, sum), size| (n + 1, sum + size));
        let dirs = self.dirs_below(dir).count();
        Usage {
            bytes,
            inodes: count + dirs as u64,
        }
    }

    /// What several volumes have is copied when it is written to, and belongs
    /// to none of them alone.
    fn is_shared(&self, path: &str, node: &Node) -> bool {
        let Some((dir, file)) = path.split_once(VOLUME) else {
            return false;
        };
        let mut others = (self.volumes.keys()).map(|dir| format!("{dir}/"));
        others.any(|other| {
            other != dir && self.nodes.get(&[&other, VOLUME, file].concat()) == Some(node)
        })
    }

    pub(super) fn usage_over(&self, dir: &str, base: &str) -> Usage {
        let in_base = |path: &str| base.to_owned() + &path[dir.len()..];
        let changed =
            |(path, node): &(&String, &Node)| self.nodes.get(&in_base(path)) != Some(node);
        let mut usage = Usage::default();
        for (_, node) in self.nodes_below(dir).filter(changed) {
            usage.inodes += 1;
            if let Node::File(bytes) = node {
                usage.bytes += bytes.len() as u64;
            }
        }
        let new = |path: &&String| !self.is_dir(&in_base(path));
        usage.inodes += self.dirs_below(dir).filter(new).count() as u64;
        usage
    }

    fn must_be(&self, dir: &str, doing: &str) -> Result<(), String> {
        match self.is_dir(dir) {
            true => Ok(()),
            false => Err(format!("{doing} {dir}: not there")),
        }
    }

    pub(super) fn create_dir(&mut self, dir: &str) -> Result<(), String> {
        let parent = dir.rsplit_once('/').map(|(parent, _)| parent);
        if parent.is_some_and(|parent| !self.is_dir(parent)) {
            return Err(format!("mkdir {dir}: no parent"));
        }
        if self.nodes.contains_key(dir) || !self.dirs.insert(dir.to_owned()) {
            return Err(format!("mkdir {dir}: exists"));
        }
        Ok(())
    }

    pub(super) fn clone_tree(&mut self, source: &str, dest: &str) -> Result<(), String> {
        self.must_be(source, "clone")?;
        self.must_be(dest, "clone to")?;
        let copy = |path: &String| dest.to_owned() + &path[source.len()..];
        let dirs: Vec<String> = self.dirs_below(source).map(copy).collect();
        let nodes = self.nodes_below(source);
        let nodes: Vec<_> = nodes.map(|(path, n)| (copy(path), n.clone())).collect();
        self.dirs.extend(dirs);
        self.nodes.extend(nodes);
        Ok(())
    }

    fn rename(&mut self, source: &str, dest: &str) -> Result<(), String> {
        self.must_be(source, "rename")?;
        if self.is_dir(dest) || self.nodes.contains_key(dest) {
            return Err(format!("rename to {dest}: exists"));
        }
        let moved = |path: &String| dest.to_owned() + &path[source.len()..];
        let dirs: Vec<String> = self.dirs_below(source).cloned().collect();
        for path in dirs {
            self.dirs.insert(moved(&path));
            self.dirs.remove(&path);
        }
        let nodes: Vec<String> = self.nodes_below(source).map(|(p, _)| p.clone()).collect();
        for path in nodes {
            if let Some(node) = self.nodes.remove(&path) {
                self.nodes.insert(moved(&path), node);
            }
        }
        rekey(&mut self.volumes, source, dest);
        rekey(&mut self.subvolumes, source, dest);
        Ok(())
    }

    fn volume(&self, dir: &str) -> Result<u64, String> {
        let found = self.volumes.get(dir).copied();
        found.ok_or_else(|| format!("{dir} keeps no volume"))
    }

    fn add_volume(&mut self, dir: &str, size: u64) -> Result<(), String> {
        self.must_be(dir, "a volume in")?;
        match self.volumes.contains_key(dir) {
            true => Err(format!("a volume in {dir}: it keeps one")),
            false => {
                self.volumes.insert(dir.to_owned(), size);
                Ok(())
            }
        }
    }

    fn snapshot_volume(&mut self, source: &str, dest: &str) -> Result<(), String> {
        self.add_volume(dest, self.volume(source)?)?;
        let files = format!("{source}/{VOLUME}");
        let nodes = self.nodes_below(&files);
        let copied =
            nodes.map(|(path, node)| (dest.to_owned() + &path[source.len()..], node.clone()));
        let copied: Vec<_> = copied.collect();
        self.nodes.extend(copied);
        Ok(())
    }

    fn grow_volume(&mut self, dir: &str, size: u64) -> Result<(), String> {
        if self.volume(dir)? > size {
            return Err(format!("grow {dir}: it is larger"));
        }
        self.volumes.insert(dir.to_owned(), size);
        Ok(())
    }
}

/// Moves what is known of paths at and below `source`.
fn rekey<T>(known: &mut BTreeMap<String, T>, source: &str, dest: &str) {
    let all = std::mem::take(known).into_iter();
    *known = all
        .map(|(path, value)| match below(&path, source) {
            true => (dest.to_owned() + &path[source.len()..], value),
            false => (path, value),
        })
        .collect();
}
