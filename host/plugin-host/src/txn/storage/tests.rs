use std::collections::BTreeSet;
use std::io;

use proptest::prelude::*;

use super::*;

mod subvolumes;

struct FakeRoot;

impl DriverRoot for FakeRoot {
    fn is_dir(&self, _: &DirPath) -> bool {
        true
    }
    fn entries(&self, _: &DirPath, _: Option<&DirName>, max: usize) -> io::Result<Vec<String>> {
        Ok(vec!["name".into(); max.min(3)])
    }
    fn read_small(&self, _: &DirPath, _: &DirName) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn usage(&self, _: &DirPath) -> io::Result<Usage> {
        Ok(Usage::default())
    }

    fn usage_over(&self, _: &DirPath, _: &DirPath) -> io::Result<Usage> {
        Ok(Usage::default())
    }
    fn state(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn facts(&self) -> Vec<String> {
        Vec::new()
    }
}

const STORAGE: [Grant; 17] = [
    Grant::CreateDir,
    Grant::CloneTree,
    Grant::Rename,
    Grant::RemoveTree,
    Grant::MountOverlay,
    Grant::MountBind,
    Grant::State,
    Grant::CreateVolume,
    Grant::SnapshotVolume,
    Grant::GrowVolume,
    Grant::MountVolume,
    Grant::CreateSubvolume,
    Grant::SnapshotSubvolume,
    Grant::SealSubvolume,
    Grant::LimitSubvolume,
    Grant::LimitDir,
    Grant::Pool,
];

fn all() -> Grants {
    Grants::new(STORAGE.map(|grant| (grant, "why".to_owned())))
}

fn key(text: &str) -> SnapshotKey {
    text.parse().unwrap()
}

fn txn(grants: &Grants, scope: Scope) -> StorageTxn<'_> {
    let own = key("own");
    let own = (!matches!(scope, Scope::Gc(_) | Scope::Probe)).then_some(&own);
    StorageTxn::new(grants, &FakeRoot, scope, own, &[key("p0"), key("p1")])
}

fn at(base: Base, below: &[&str]) -> Dir {
    let below = below.iter().map(|name| (*name).to_owned()).collect();
    Dir { base, below }
}

fn own(below: &[&str]) -> Dir {
    at(Base::Snapshot, below)
}

fn parent(below: &[&str]) -> Dir {
    at(Base::Parent(0), below)
}

fn named(key: &str) -> Dir {
    at(Base::Named(key.to_owned()), &[])
}

fn overlay(lower: Vec<Dir>, upper: Option<Dir>, work: Option<Dir>) -> Order {
    let options = vec!["no-index".into()];
    Order::MountOverlay {
        lower,
        upper,
        work,
        options,
    }
}

fn create_volume(dir: Dir) -> Order {
    Order::CreateVolume(dir, 1 << 30, "ext4".into())
}

fn mount_volume(dir: Dir, read_only: bool) -> Order {
    Order::MountVolume(dir, read_only, vec!["discard".into()])
}

fn pool(filesystem: &str, size: Option<u64>) -> Order {
    Order::Pool {
        filesystem: filesystem.to_owned(),
        size,
        options: Vec::new(),
    }
}

const RUN: Scope = Scope::Prepare(Purpose::Run);

#[test]
fn orders_become_steps_below_the_snapshots_key() {
    let grants = all();
    let mut txn = txn(&grants, RUN);
    txn.order(Order::CreateDir(own(&["fs"]), 0o170755)).unwrap();
    let mount = overlay(
        vec![parent(&["fs"])],
        Some(own(&["fs"])),
        Some(own(&["work"])),
    );
    txn.order(mount).unwrap();
    let plan = txn.into_plan();
    let [StorageStep::CreateDir { dir, mode }] = &plan.steps[..] else {
        panic!("{plan:?}");
    };
    assert_eq!((dir.to_string().as_str(), *mode), ("own/fs", 0o755));
    assert!(matches!(plan.mount, Some(RootMount::Overlay { .. })));
}

#[test]
fn each_order_needs_its_grant() {
    let none = Grants::default();
    let orders = [
        (Grant::CreateDir, Order::CreateDir(own(&["fs"]), 0)),
        (Grant::CloneTree, Order::CloneTree(parent(&[]), own(&[]))),
        (Grant::Rename, Order::Rename(own(&["a"]), own(&["b"]))),
        (Grant::RemoveTree, Order::RemoveTree(own(&["a"]))),
        (Grant::MountOverlay, overlay(vec![parent(&[])], None, None)),
        (Grant::MountBind, Order::MountBind(own(&[]), false)),
        (Grant::State, Order::StatePut("k".into(), None)),
        (Grant::CreateVolume, create_volume(own(&[]))),
        (
            Grant::SnapshotVolume,
            Order::SnapshotVolume(parent(&[]), own(&[])),
        ),
        (Grant::GrowVolume, Order::GrowVolume(own(&[]), 1 << 30)),
        (Grant::MountVolume, mount_volume(own(&[]), false)),
        (Grant::CreateSubvolume, Order::CreateSubvolume(own(&[]), 0)),
        (
            Grant::SnapshotSubvolume,
            Order::SnapshotSubvolume(parent(&[]), own(&[]), false),
        ),
        (Grant::SealSubvolume, Order::SealSubvolume(own(&[]))),
        (
            Grant::LimitSubvolume,
            Order::LimitSubvolume(own(&[]), 1 << 30),
        ),
        (Grant::LimitDir, Order::LimitDir(own(&[]), 1 << 30)),
    ];
    for (grant, order) in orders {
        let mut without = txn(&none, RUN);
        let refused = without.order(order.clone());
        assert_eq!(refused, Err(Refusal::NotGranted(grant)));
        assert_eq!(without.denied(), Some(grant));
        assert_eq!(without.into_plan(), StoragePlan::default());
        let only = Grants::new([(grant, "why".to_owned())]);
        assert_eq!(txn(&only, RUN).order(order), Ok(grant));
    }
}

#[test]
fn parents_are_never_written() {
    let grants = all();
    let orders = [
        Order::CreateDir(parent(&["planted"]), 0o755),
        Order::CloneTree(own(&[]), parent(&[])),
        Order::Rename(parent(&["a"]), own(&["a"])),
        Order::Rename(own(&["a"]), parent(&["a"])),
        Order::RemoveTree(parent(&[])),
        Order::MountBind(parent(&["fs"]), false),
        overlay(vec![parent(&[])], Some(parent(&["fs"])), Some(own(&["w"]))),
        overlay(vec![parent(&[])], Some(own(&["fs"])), Some(parent(&["w"]))),
        create_volume(parent(&[])),
        Order::SnapshotVolume(own(&[]), parent(&[])),
        Order::GrowVolume(parent(&[]), 1 << 30),
        mount_volume(parent(&[]), false),
    ];
    for order in orders {
        for scope in [
            RUN,
            Scope::Prepare(Purpose::Extract),
            Scope::Commit(key("name")),
        ] {
            let judged = txn(&grants, scope).order(order.clone());
            assert!(judged.is_err(), "{order:?}");
        }
    }
}

#[test]
fn a_view_is_read_only() {
    let grants = all();
    for scope in [Scope::Prepare(Purpose::View), Scope::Mounts(Purpose::View)] {
        let orders = [
            Order::MountBind(own(&[]), false),
            overlay(vec![parent(&[])], Some(own(&["u"])), Some(own(&["w"]))),
            mount_volume(own(&[]), false),
        ];
        for order in orders {
            assert!(txn(&grants, scope.clone()).order(order).is_err());
        }
        assert!(
            txn(&grants, scope)
                .order(Order::MountBind(parent(&[]), true))
                .is_ok()
        );
    }
}

#[test]
fn upper_and_work_are_two_directories_of_the_snapshot() {
    let grants = all();
    let tries = [
        (Some(own(&["u"])), None),
        (None, Some(own(&["w"]))),
        (Some(own(&["u"])), Some(own(&["u"]))),
        (Some(own(&["u"])), Some(own(&["u", "w"]))),
        (Some(own(&[])), Some(own(&["w"]))),
        (Some(named("other")), Some(own(&["w"]))),
    ];
    for (upper, work) in tries {
        let order = overlay(vec![parent(&[])], upper, work);
        assert!(txn(&grants, RUN).order(order.clone()).is_err(), "{order:?}");
    }
    let own_below_itself = overlay(vec![own(&["fs"])], Some(own(&["u"])), Some(own(&["w"])));
    assert!(txn(&grants, RUN).order(own_below_itself).is_err());
}

#[test]
fn only_commit_renames_and_only_to_its_name() {
    let grants = all();
    let to_name = Order::Rename(own(&[]), named("name"));
    let mut commit = txn(&grants, Scope::Commit(key("name")));
    assert_eq!(commit.order(to_name.clone()), Ok(Grant::Rename));
    assert!(txn(&grants, RUN).order(to_name).is_err());
    for dest in [named("other"), named("p0"), parent(&[]), own(&["x"])] {
        let mut commit = txn(&grants, Scope::Commit(key("name")));
        assert!(commit.order(Order::Rename(own(&[]), dest)).is_err());
    }
}

#[test]
fn removal_reaches_the_own_snapshot_or_what_nobody_uses() {
    let grants = all();
    let mut remove = txn(&grants, Scope::Remove);
    assert!(remove.order(Order::RemoveTree(own(&[]))).is_ok());
    assert!(remove.order(Order::RemoveTree(named("other"))).is_err());
    let live = BTreeSet::from(["live".to_owned()]);
    let mut gc = txn(&grants, Scope::Gc(live));
    assert!(gc.order(Order::RemoveTree(named("dead"))).is_ok());
    assert!(gc.order(Order::RemoveTree(named("live"))).is_err());
    assert!(gc.exists(named("live")).is_ok());
    // The snapshot that is being made cannot be taken away again.
    assert!(
        txn(&grants, RUN)
            .order(Order::RemoveTree(own(&[])))
            .is_err()
    );
}

#[test]
fn questions_change_nothing_and_mounts_is_a_question() {
    let grants = all();
    for scope in [
        Scope::Probe,
        Scope::Usage,
        Scope::Status,
        Scope::Mounts(Purpose::Run),
    ] {
        let mut txn = txn(&grants, scope);
        assert!(txn.order(Order::CreateDir(own(&["a"]), 0)).is_err());
        assert!(txn.order(Order::StatePut("k".into(), None)).is_err());
        assert!(txn.order(Order::RemoveTree(own(&[]))).is_err());
        assert!(txn.order(create_volume(own(&[]))).is_err());
        assert!(txn.into_plan().steps.is_empty());
    }
}

#[test]
fn steps_and_state_are_bounded() {
    let grants = all();
    let mut steps = txn(&grants, RUN);
    let create = || Order::CreateDir(own(&["a"]), 0o755);
    for _ in 0..MAX_STEPS {
        steps.order(create()).unwrap();
    }
    assert!(matches!(steps.order(create()), Err(Refusal::Stop(_))));
    assert_eq!(steps.stopped().unwrap().what, "plan steps");
    let mut state = txn(&grants, RUN);
    let put = |len| Order::StatePut("k".into(), Some(vec![0; len]));
    assert!(state.order(put(MAX_STATE_VALUE + 1)).is_err());
    let result = (0..32).try_for_each(|_| state.order(put(MAX_STATE_VALUE)).map(drop));
    assert!(matches!(result, Err(Refusal::Stop(_))));
}

#[test]
fn volumes_are_bounded_and_of_known_kinds() {
    let grants = all();
    for (size, filesystem) in [
        (0, "ext4"),
        ((16 << 20) - 1, "ext4"),
        (u64::MAX, "xfs"),
        (1 << 30, "ext4,user_xattr"),
        (1 << 30, "../ext4"),
        (1 << 30, ""),
    ] {
        let order = Order::CreateVolume(own(&[]), size, filesystem.into());
        assert!(txn(&grants, RUN).order(order).is_err(), "{filesystem}");
    }
    for option in ["", "suid", "discard,dev", "errors=panic"] {
        let order = Order::MountVolume(own(&[]), false, vec![option.into()]);
        assert!(txn(&grants, RUN).order(order).is_err(), "{option}");
    }
    assert!(txn(&grants, RUN).order(create_volume(own(&["v"]))).is_ok());
}

#[test]
fn no_volume_of_somebody_else_is_copied_or_shown() {
    let grants = all();
    for scope in [RUN, Scope::Prepare(Purpose::Extract)] {
        for order in [
            Order::SnapshotVolume(named("other"), own(&[])),
            Order::SnapshotVolume(own(&[]), own(&[])),
            mount_volume(named("other"), true),
            create_volume(named("p0")),
        ] {
            assert!(txn(&grants, scope.clone()).order(order).is_err());
        }
    }
    // Removal and garbage collection lay nothing out.
    let gc = Scope::Gc(BTreeSet::new());
    for scope in [Scope::Remove, gc] {
        let dir = || match scope {
            Scope::Remove => own(&[]),
            _ => named("dead"),
        };
        for order in [create_volume(dir()), Order::GrowVolume(dir(), 1 << 30)] {
            assert!(txn(&grants, scope.clone()).order(order).is_err());
        }
    }
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("..".to_owned()),
        Just("".to_owned()),
        Just("a/b".to_owned()),
        Just("\0".to_owned()),
        "[a-z.]{1,3}",
        ".{0,5}",
    ]
}

fn any_dir() -> impl Strategy<Value = Dir> {
    let key = prop_oneof![
        Just("own".to_owned()),
        Just("name".to_owned()),
        Just("live".to_owned()),
        Just("p0".to_owned()),
        any_name(),
    ];
    let base = prop_oneof![
        Just(Base::Snapshot),
        key.prop_map(Base::Named),
        (0u32..4).prop_map(Base::Parent),
    ];
    let below = proptest::collection::vec(any_name(), 0..3);
    (base, below).prop_map(|(base, below)| Dir { base, below })
}

fn any_order() -> impl Strategy<Value = Order> {
    let lower = proptest::collection::vec(any_dir(), 0..3);
    let maybe = || proptest::option::of(any_dir());
    prop_oneof![
        (any_dir(), any::<u32>()).prop_map(|(dir, mode)| Order::CreateDir(dir, mode)),
        (any_dir(), any_dir()).prop_map(|(from, to)| Order::CloneTree(from, to)),
        (any_dir(), any_dir()).prop_map(|(from, to)| Order::Rename(from, to)),
        any_dir().prop_map(Order::RemoveTree),
        (lower, maybe(), maybe()).prop_map(|(lower, upper, work)| overlay(lower, upper, work)),
        (any_dir(), any::<bool>()).prop_map(|(dir, ro)| Order::MountBind(dir, ro)),
        (any_dir(), any_dir(), any::<bool>())
            .prop_map(|(from, to, ro)| Order::SnapshotSubvolume(from, to, ro)),
        any_dir().prop_map(|dir| Order::CreateSubvolume(dir, 0o755)),
        any_dir().prop_map(Order::SealSubvolume),
        (any_dir(), any::<u64>()).prop_map(|(dir, bytes)| Order::LimitSubvolume(dir, bytes)),
        (any_dir(), any::<u64>()).prop_map(|(dir, bytes)| Order::LimitDir(dir, bytes)),
        any_name().prop_map(|key| Order::StatePut(key, None)),
        any_dir().prop_map(create_volume),
        (any_dir(), any_dir()).prop_map(|(from, to)| Order::SnapshotVolume(from, to)),
        (any_dir(), any::<u64>()).prop_map(|(dir, size)| Order::GrowVolume(dir, size)),
        (any_dir(), any::<bool>()).prop_map(|(dir, ro)| mount_volume(dir, ro)),
    ]
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let purpose = prop_oneof![
        Just(Purpose::Run),
        Just(Purpose::View),
        Just(Purpose::Extract)
    ];
    prop_oneof![
        Just(Scope::Probe),
        purpose.clone().prop_map(Scope::Prepare),
        purpose.prop_map(Scope::Mounts),
        Just(Scope::Commit(key("name"))),
        Just(Scope::Remove),
        Just(Scope::Usage),
        Just(Scope::Gc(BTreeSet::from([
            "live".to_owned(),
            "p0".to_owned()
        ]))),
    ]
}

/// Paths that a plan writes to.
fn written(plan: &StoragePlan) -> Vec<&DirPath> {
    let mut paths = Vec::new();
    for step in &plan.steps {
        match step {
            StorageStep::CreateDir { dir, .. }
            | StorageStep::RemoveTree { dir }
            | StorageStep::CreateVolume { dir, .. }
            | StorageStep::GrowVolume { dir, .. }
            | StorageStep::CreateSubvolume { dir, .. }
            | StorageStep::SealSubvolume { dir }
            | StorageStep::LimitSubvolume { dir, .. }
            | StorageStep::LimitDir { dir, .. } => paths.push(dir),
            StorageStep::CloneTree { dest, .. }
            | StorageStep::SnapshotVolume { dest, .. }
            | StorageStep::SnapshotSubvolume { dest, .. } => {
                paths.push(dest);
            }
            StorageStep::Rename { from, to } => paths.extend([from, to]),
            StorageStep::PutState { .. } => {}
        }
    }
    match &plan.mount {
        Some(RootMount::Bind {
            source,
            read_only: false,
        })
        | Some(RootMount::Volume {
            source,
            read_only: false,
            ..
        }) => paths.push(source),
        Some(RootMount::Overlay {
            upper: Some((upper, work)),
            ..
        }) => paths.extend([upper, work]),
        _ => {}
    }
    paths
}

proptest! {
    #[test]
    fn no_sequence_of_orders_writes_outside(
        scope in any_scope(),
        orders in proptest::collection::vec(any_order(), 0..20),
    ) {
        let grants = all();
        let mut txn = txn(&grants, scope.clone());
        for order in orders {
            let _ = txn.order(order);
        }
        let plan = txn.into_plan();
        for path in written(&plan) {
            let first = path.0.first().map(DirName::as_str);
            let is_own = match &scope {
                Scope::Gc(live) => first.is_some_and(|first| !live.contains(first)),
                Scope::Commit(_) => matches!(first, Some("own" | "name")),
                _ => first == Some("own"),
            };
            prop_assert!(is_own, "{scope:?}: {path}");
            for name in &path.0 {
                prop_assert!(DirName::new(name.as_str()).is_some());
            }
        }
    }
}
