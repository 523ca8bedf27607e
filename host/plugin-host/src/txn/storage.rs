//! A storage driver's transaction: which directories it may read, which it
//! may change, and the plan that its orders add up to.
//!
//! A snapshot's directory is `<driver root>/<key>`. Below the call's own it
//! may write; its ancestors it may read; with `commit` its own may take the
//! committed name, and nothing else; with `gc` what nobody uses may go.

use bulkhead_model::SnapshotKey;
use bulkhead_model::driver::DriverRoot;
use bulkhead_model::storage::{
    DirName, DirPath, OverlayOption, Pool, Purpose, RootMount, StoragePlan, StorageStep, Usage,
};
use bulkhead_wire::storage::{Base, Dir, Order};

mod place;
mod subvolumes;
mod volume;

pub use place::Scope;

use super::MAX_STEPS;
use super::fault::{Refusal, Stopped};
use crate::grant::{Grant, Grants};
use place::{Owner, Place, component};

/// Components of a path: a snapshot's key and what is below.
const MAX_DEPTH: usize = 17;
/// Bytes of one kept value, and of all in one call.
const MAX_STATE_VALUE: usize = 64 << 10;
const MAX_STATE_CALL: usize = 1 << 20;
/// Lower layers of an overlay (kernel `fs/overlayfs/params.h`, OVL_MAX_STACK).
const MAX_LAYERS: usize = 500;
/// Names in one answer.
const MAX_NAMES: u32 = 1000;

/// The transaction of one call.
pub struct StorageTxn<'a> {
    grants: &'a Grants,
    root: &'a dyn DriverRoot,
    scope: Scope,
    own: Option<DirName>,
    parents: Vec<DirName>,
    plan: StoragePlan,
    pool: Option<Pool>,
    state_bytes: usize,
    denied: Option<Grant>,
    stopped: Option<Stopped>,
}

/// What a judged question or order comes to.
pub type Judged<T = ()> = Result<T, Refusal>;

fn dir_name(key: &SnapshotKey) -> Option<DirName> {
    DirName::new(key.as_str())
}

impl<'a> StorageTxn<'a> {
    /// An empty transaction about `own`, whose committed ancestors are
    /// `parents`, nearest first.
    pub fn new(
        grants: &'a Grants,
        root: &'a dyn DriverRoot,
        scope: Scope,
        own: Option<&SnapshotKey>,
        parents: &[SnapshotKey],
    ) -> Self {
        Self {
            grants,
            root,
            scope,
            own: own.and_then(dir_name),
            parents: parents.iter().filter_map(dir_name).collect(),
            plan: StoragePlan::default(),
            pool: None,
            state_bytes: 0,
            denied: None,
            stopped: None,
        }
    }

    /// The first grant that was missing.
    pub fn denied(&self) -> Option<Grant> {
        self.denied
    }

    /// The limit that ended the call.
    pub fn stopped(&self) -> Option<&Stopped> {
        self.stopped.as_ref()
    }

    /// What was ordered; only of use when the export returned ok.
    pub fn into_plan(self) -> StoragePlan {
        self.plan
    }

    /// The pool that `probe` ordered.
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// `dir.exists`
    pub fn exists(&self, dir: Dir) -> Judged<bool> {
        Ok(self.root.is_dir(&self.place(dir)?.path))
    }

    /// `dir.entries`
    pub fn entries(&self, dir: Dir, after: Option<String>, max: u32) -> Judged<Vec<String>> {
        let place = self.place(dir)?;
        self.names(&place.path, after, max)
    }

    /// `txn.snapshots`
    pub fn snapshots(&self, after: Option<String>, max: u32) -> Judged<Vec<String>> {
        self.names(&DirPath(Vec::new()), after, max)
    }

    fn names(&self, path: &DirPath, after: Option<String>, max: u32) -> Judged<Vec<String>> {
        let after = after.map(|name| component(&name)).transpose()?;
        let max = max.min(MAX_NAMES) as usize;
        self.root.entries(path, after.as_ref(), max).map_err(io)
    }

    /// `dir.read-small`
    pub fn read_small(&self, dir: Dir, name: &str) -> Judged<Vec<u8>> {
        let place = self.place(dir)?;
        self.root
            .read_small(&place.path, &component(name)?)
            .map_err(io)
    }

    /// `dir.usage`
    pub fn usage(&self, dir: Dir) -> Judged<Usage> {
        self.root.usage(&self.place(dir)?.path).map_err(io)
    }

    /// `dir.usage-over`
    pub fn usage_over(&self, dir: Dir, base: Dir) -> Judged<Usage> {
        let (dir, base) = (self.place(dir)?.path, self.place(base)?.path);
        self.root.usage_over(&dir, &base).map_err(io)
    }

    /// `txn.state-get`
    pub fn state(&mut self, key: &str) -> Judged<Option<Vec<u8>>> {
        self.granted(Grant::State)?;
        component(key)?;
        Ok(self.root.state(key))
    }

    /// Takes an order into the plan, or says why not. The grant that was used
    /// is returned for the audit.
    pub fn order(&mut self, order: Order) -> Judged<Grant> {
        let judged = self.judge(order);
        if let Err(Refusal::Stop(stopped)) = &judged {
            self.stopped.get_or_insert(stopped.clone());
        }
        judged
    }

    fn judge(&mut self, order: Order) -> Judged<Grant> {
        match order {
            Order::StatePut(key, value) => self.put_state(key, value),
            Order::CreateDir(dir, mode) => self.create_dir(dir, mode),
            Order::CloneTree(source, dest) => self.clone_tree(source, dest),
            Order::Rename(source, dest) => self.rename(source, dest),
            Order::RemoveTree(victim) => self.remove_tree(victim),
            Order::MountOverlay {
                lower,
                upper,
                work,
                options,
            } => self.mount_overlay(lower, (upper, work), &options),
            Order::MountBind(source, read_only) => self.mount_bind(source, read_only),
            Order::CreateVolume(dir, size, filesystem) => {
                self.create_volume(dir, size, &filesystem)
            }
            Order::SnapshotVolume(source, dest) => self.snapshot_volume(source, dest),
            Order::GrowVolume(dir, size) => self.grow_volume(dir, size),
            Order::MountVolume(source, read_only, options) => {
                self.mount_volume(source, read_only, &options)
            }
            Order::CreateSubvolume(dir, mode) => self.create_subvolume(dir, mode),
            Order::SnapshotSubvolume(source, dest, read_only) => {
                self.snapshot_subvolume(source, dest, read_only)
            }
            Order::SealSubvolume(dir) => self.seal_subvolume(dir),
            Order::LimitSubvolume(dir, bytes) => self.limit_subvolume(dir, bytes),
            Order::LimitDir(dir, bytes) => self.limit_dir(dir, bytes),
            Order::Pool {
                filesystem,
                size,
                options,
            } => self.order_pool(&filesystem, size, &options),
        }
    }

    fn put_state(&mut self, key: String, value: Option<Vec<u8>>) -> Judged<Grant> {
        self.may_change(Grant::State)?;
        component(&key)?;
        let len = value.as_ref().map_or(0, Vec::len);
        if len > MAX_STATE_VALUE {
            let text = format!("a value of {len} bytes; at most {MAX_STATE_VALUE} are kept");
            return Err(Refusal::Invalid(text));
        }
        self.state_bytes += len + key.len();
        if self.state_bytes > MAX_STATE_CALL {
            return Err(Refusal::Stop(Stopped {
                what: "bytes of state",
                limit: MAX_STATE_CALL as u64,
            }));
        }
        self.push(StorageStep::PutState { key, value })?;
        Ok(Grant::State)
    }

    fn create_dir(&mut self, dir: Dir, mode: u32) -> Judged<Grant> {
        self.may_make(Grant::CreateDir)?;
        let dir = self.own_place(dir)?.path;
        let mode = mode & 0o7777;
        self.push(StorageStep::CreateDir { dir, mode })?;
        Ok(Grant::CreateDir)
    }

    fn clone_tree(&mut self, source: Dir, dest: Dir) -> Judged<Grant> {
        self.may_make(Grant::CloneTree)?;
        let source = self.place(source)?;
        if !matches!(source.owner, Owner::Own | Owner::Parent) {
            return Err(not_yours(&source));
        }
        let dest = self.own_place(dest)?;
        if source.overlaps(&dest) {
            return Err(Refusal::invalid("a tree cannot be copied into itself"));
        }
        let (source, dest) = (source.path, dest.path);
        self.push(StorageStep::CloneTree { source, dest })?;
        Ok(Grant::CloneTree)
    }

    fn rename(&mut self, source: Dir, dest: Dir) -> Judged<Grant> {
        self.may_change(Grant::Rename)?;
        let source = self.own_place(source)?;
        let dest = self.place(dest)?;
        let allowed = match &self.scope {
            // The whole snapshot takes its committed name.
            Scope::Commit(_) if dest.owner == Owner::CommitName => {
                source.depth() == 1 && dest.depth() == 1
            }
            Scope::Commit(_) | Scope::Prepare(_) => {
                dest.owner == Owner::Own && source.depth() > 1 && dest.depth() > 1
            }
            _ => false,
        };
        if !allowed {
            return Err(Refusal::out_of_reach(format!(
                "rename {} to {}: only the own snapshot to its committed name, or what is in it",
                source.path, dest.path
            )));
        }
        if source.owner == dest.owner && source.overlaps(&dest) {
            return Err(Refusal::invalid("a directory cannot be moved into itself"));
        }
        let (from, to) = (source.path, dest.path);
        self.push(StorageStep::Rename { from, to })?;
        Ok(Grant::Rename)
    }

    fn remove_tree(&mut self, victim: Dir) -> Judged<Grant> {
        self.may_change(Grant::RemoveTree)?;
        let victim = self.place(victim)?;
        let allowed = match (&self.scope, victim.owner) {
            (Scope::Remove, Owner::Own) | (Scope::Gc(_), Owner::Garbage) => true,
            // Leftovers in it, never the snapshot that is being made.
            (Scope::Prepare(_) | Scope::Commit(_), Owner::Own) => victim.depth() > 1,
            _ => false,
        };
        if !allowed {
            return Err(not_yours(&victim));
        }
        self.push(StorageStep::RemoveTree { dir: victim.path })?;
        Ok(Grant::RemoveTree)
    }

    fn mount_overlay(
        &mut self,
        lower: Vec<Dir>,
        writable: (Option<Dir>, Option<Dir>),
        options: &[String],
    ) -> Judged<Grant> {
        let purpose = self.may_mount(Grant::MountOverlay)?;
        if lower.is_empty() || lower.len() > MAX_LAYERS {
            let text = format!("an overlay has 1 to {MAX_LAYERS} lower layers");
            return Err(Refusal::Invalid(text));
        }
        let upper = self.upper(writable, purpose)?;
        let mut layers = Vec::with_capacity(lower.len());
        for dir in lower {
            let place = self.place(dir)?;
            // The kernel leaves undefined what happens when an upper
            // directory changes beneath the overlay that has it as a lower one.
            let own_is_fine = upper.is_none();
            match place.owner {
                Owner::Parent => {}
                Owner::Own if own_is_fine => {}
                _ => return Err(not_yours(&place)),
            }
            layers.push(place.path);
        }
        let mut wanted = Vec::new();
        for word in options {
            wanted.push(overlay_option(word)?);
        }
        self.plan.mount = Some(RootMount::Overlay {
            lower: layers,
            upper,
            options: wanted,
        });
        Ok(Grant::MountOverlay)
    }

    fn upper(
        &self,
        writable: (Option<Dir>, Option<Dir>),
        purpose: Purpose,
    ) -> Judged<Option<(DirPath, DirPath)>> {
        let (upper, work) = match writable {
            (None, None) => return Ok(None),
            (Some(upper), Some(work)) => (self.own_place(upper)?, self.own_place(work)?),
            _ => {
                return Err(Refusal::invalid(
                    "upper and work come together or not at all",
                ));
            }
        };
        if purpose == Purpose::View {
            return Err(Refusal::invalid("a view is read-only"));
        }
        if upper.overlaps(&work) {
            return Err(Refusal::invalid(
                "upper and work must not contain each other",
            ));
        }
        Ok(Some((upper.path, work.path)))
    }

    fn mount_bind(&mut self, source: Dir, read_only: bool) -> Judged<Grant> {
        let purpose = self.may_mount(Grant::MountBind)?;
        let source = self.place(source)?;
        match (source.owner, read_only) {
            (Owner::Own, _) | (Owner::Parent, true) => {}
            _ => return Err(not_yours(&source)),
        }
        if purpose == Purpose::View && !read_only {
            return Err(Refusal::invalid("a view is read-only"));
        }
        let source = source.path;
        self.plan.mount = Some(RootMount::Bind { source, read_only });
        Ok(Grant::MountBind)
    }

    fn granted(&mut self, grant: Grant) -> Judged {
        if self.grants.has(grant) {
            return Ok(());
        }
        self.denied.get_or_insert(grant);
        Err(Refusal::NotGranted(grant))
    }

    fn may_change(&mut self, grant: Grant) -> Judged {
        self.granted(grant)?;
        if self.scope.changes() {
            return Ok(());
        }
        Err(self.not_now(grant.as_str()))
    }

    /// For what makes or changes something in the own snapshot.
    fn may_make(&mut self, grant: Grant) -> Judged {
        self.may_change(grant)?;
        if matches!(self.scope, Scope::Remove | Scope::Gc(_)) {
            return Err(self.not_now(grant.as_str()));
        }
        Ok(())
    }

    fn may_mount(&mut self, grant: Grant) -> Judged<Purpose> {
        self.granted(grant)?;
        let purpose = self.scope.purpose();
        let purpose = purpose.ok_or_else(|| self.not_now(grant.as_str()))?;
        if self.plan.mount.is_some() {
            return Err(Refusal::invalid("the mount was ordered before"));
        }
        Ok(purpose)
    }

    fn not_now(&self, what: &str) -> Refusal {
        Refusal::Invalid(format!("{what} cannot be ordered in this operation"))
    }

    fn push(&mut self, step: StorageStep) -> Judged {
        if self.plan.steps.len() >= MAX_STEPS {
            return Err(Refusal::Stop(Stopped {
                what: "plan steps",
                limit: MAX_STEPS as u64,
            }));
        }
        self.plan.steps.push(step);
        Ok(())
    }

    fn own_place(&self, dir: Dir) -> Judged<Place> {
        let place = self.place(dir)?;
        if place.owner == Owner::Own {
            Ok(place)
        } else {
            Err(not_yours(&place))
        }
    }

    /// The one way from a handle to a path.
    fn place(&self, dir: Dir) -> Judged<Place> {
        let (owner, base) = match dir.base {
            Base::Snapshot => {
                let own = self.own.clone();
                let own = own.ok_or_else(|| Refusal::invalid("this call is about no snapshot"))?;
                (Owner::Own, own)
            }
            Base::Parent(index) => {
                let parent = self.parents.get(index as usize).cloned();
                let parent = parent.ok_or_else(|| Refusal::invalid("no such parent"))?;
                (Owner::Parent, parent)
            }
            Base::Named(key) => self.named(&key)?,
        };
        if dir.below.len() + 1 > MAX_DEPTH {
            return Err(Refusal::invalid("too many levels of directories"));
        }
        let mut path = vec![base];
        for name in &dir.below {
            path.push(component(name)?);
        }
        let path = DirPath(path);
        Ok(Place { owner, path })
    }

    fn named(&self, key: &str) -> Judged<(Owner, DirName)> {
        let name = component(key)?;
        if self.own.as_ref() == Some(&name) {
            return Ok((Owner::Own, name));
        }
        match &self.scope {
            Scope::Commit(committed) if committed.as_str() == key => Ok((Owner::CommitName, name)),
            Scope::Gc(live) if live.contains(key) => Ok((Owner::Live, name)),
            Scope::Gc(_) => Ok((Owner::Garbage, name)),
            _ => Err(Refusal::out_of_reach(format!(
                "snapshot {key} is not part of this operation"
            ))),
        }
    }
}

fn not_yours(place: &Place) -> Refusal {
    Refusal::out_of_reach(format!("{} is not this operation's to change", place.path))
}

fn overlay_option(word: &str) -> Judged<OverlayOption> {
    Ok(match word {
        "metacopy" => OverlayOption::Metacopy,
        "redirect-dir" => OverlayOption::RedirectDir,
        "volatile" => OverlayOption::Volatile,
        "userxattr" => OverlayOption::UserXattr,
        "no-index" => OverlayOption::NoIndex,
        other => {
            let shown: String = other.chars().take(40).collect();
            return Err(Refusal::Invalid(format!(
                "unknown overlay option {shown:?}"
            )));
        }
    })
}

fn io(error: std::io::Error) -> Refusal {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => "not-found",
        std::io::ErrorKind::PermissionDenied => "denied",
        std::io::ErrorKind::FileTooLarge => "exhausted",
        _ => "internal",
    };
    let message = error.to_string();
    Refusal::Failed { code, message }
}

#[cfg(test)]
mod tests;
