//! The effects a manifest can ask for. They carry the names of the contract's
//! functions, so that an error and the plugin's source speak of the same thing.

use std::collections::BTreeMap;

use bulkhead_wire::World;

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    /// Storage: make directories in the own snapshot.
    CreateDir,
    /// Storage: copy a tree into the own snapshot.
    CloneTree,
    /// Storage: rename the own snapshot to its committed name.
    Rename,
    /// Storage: remove the own snapshot, or one that nobody uses.
    RemoveTree,
    /// Storage: have the own snapshot and its ancestors joined by overlay.
    MountOverlay,
    /// Storage: have a directory mounted.
    MountBind,
    /// Storage: keep bytes between calls.
    State,
    /// Storage: make block devices with a filesystem in the own snapshot.
    CreateVolume,
    /// Storage: snapshot a block device of the own snapshot or an ancestor.
    SnapshotVolume,
    /// Storage: make a block device of the own snapshot larger.
    GrowVolume,
    /// Storage: have a block device's filesystem mounted.
    MountVolume,
    /// Storage: make subvolumes in the own snapshot.
    CreateSubvolume,
    /// Storage: make snapshots of the own subvolumes and of the ancestors'.
    SnapshotSubvolume,
    /// Storage: make an own subvolume read-only.
    SealSubvolume,
    /// Storage: limit an own subvolume's bytes.
    LimitSubvolume,
    /// Storage: limit an own directory's bytes.
    LimitDir,
    /// Storage: have the root in a filesystem of its own.
    Pool,
    /// Network: share the host's network namespace.
    UseHostNamespace,
    /// Network: make the network's bridge.
    Bridge,
    /// Network: make veth pairs.
    Veth,
    /// Network: keep pairs on the bridge from each other.
    Isolate,
    /// Network: make interfaces on the network's own, each with an address of
    /// its own.
    Macvlan,
    /// Network: make interfaces that share the network's own.
    Ipvlan,
    /// Network: set leased addresses.
    Address,
    /// Network: set routes inside.
    Route,
    /// Network: masquerade the network's subnet.
    Masquerade,
    /// Network: forward published ports.
    Publish,
    /// Network: lease addresses of the network's pool.
    LeaseAddress,
    /// Registry: have the user's login used.
    Authenticate,
    /// Registry: read small files of the source's directory.
    Directory,
    /// Volume: mount a filesystem the user described.
    MountFilesystem,
    /// Volume: show a directory of the host the user named.
    BindHost,
    /// Volume: hold its directory to a size.
    Limit,
    /// Registry: change what a registry holds.
    Push,
}

impl Grant {
    const ALL: &[(Grant, &str, World)] = &[
        (Grant::CreateDir, "create-dir", World::Storage),
        (Grant::CloneTree, "clone-tree", World::Storage),
        (Grant::Rename, "rename", World::Storage),
        (Grant::RemoveTree, "remove-tree", World::Storage),
        (Grant::MountOverlay, "mount-overlay", World::Storage),
        (Grant::MountBind, "mount-bind", World::Storage),
        (Grant::State, "state", World::Storage),
        (Grant::CreateVolume, "create-volume", World::Storage),
        (Grant::SnapshotVolume, "snapshot-volume", World::Storage),
        (Grant::GrowVolume, "grow-volume", World::Storage),
        (Grant::MountVolume, "mount-volume", World::Storage),
        (Grant::CreateSubvolume, "create-subvolume", World::Storage),
        (
            Grant::SnapshotSubvolume,
            "snapshot-subvolume",
            World::Storage,
        ),
        (Grant::SealSubvolume, "seal-subvolume", World::Storage),
        (Grant::LimitSubvolume, "limit-subvolume", World::Storage),
        (Grant::LimitDir, "limit-dir", World::Storage),
        (Grant::Pool, "pool", World::Storage),
        (
            Grant::UseHostNamespace,
            "use-host-namespace",
            World::Network,
        ),
        (Grant::Bridge, "bridge", World::Network),
        (Grant::Veth, "veth", World::Network),
        (Grant::Isolate, "isolate", World::Network),
        (Grant::Macvlan, "macvlan", World::Network),
        (Grant::Ipvlan, "ipvlan", World::Network),
        (Grant::Address, "address", World::Network),
        (Grant::Route, "route", World::Network),
        (Grant::Masquerade, "masquerade", World::Network),
        (Grant::Publish, "publish", World::Network),
        (Grant::LeaseAddress, "lease-address", World::Network),
        (Grant::Authenticate, "authenticate", World::Registry),
        (Grant::Directory, "directory", World::Registry),
        (Grant::MountFilesystem, "mount", World::Volume),
        (Grant::BindHost, "bind", World::Volume),
        (Grant::Limit, "limit", World::Volume),
        (Grant::Push, "push", World::Registry),
    ];

    /// The grant called `name` in `world`.
    pub fn parse(name: &str, world: World) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, n, w)| *n == name && *w == world);
        found.map(|(grant, _, _)| *grant)
    }

    /// Its name in manifests.
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(grant, _, _)| *grant == self);
        found.map_or("", |(_, name, _)| name)
    }

    /// The names a manifest of `world` may use.
    pub fn names(world: World) -> Vec<&'static str> {
        let of_world = Self::ALL.iter().filter(|(_, _, w)| *w == world);
        of_world.map(|(_, name, _)| *name).collect()
    }
}

/// The grants of one plugin, each with the author's reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(BTreeMap<Grant, String>);

impl Grants {
    /// From a manifest.
    pub fn new(grants: impl IntoIterator<Item = (Grant, String)>) -> Self {
        Self(grants.into_iter().collect())
    }

    /// Whether the manifest asks for it.
    pub fn has(&self, grant: Grant) -> bool {
        self.0.contains_key(&grant)
    }

    /// All, with their reasons.
    pub fn iter(&self) -> impl Iterator<Item = (Grant, &str)> {
        self.0.iter().map(|(grant, why)| (*grant, why.as_str()))
    }
}
