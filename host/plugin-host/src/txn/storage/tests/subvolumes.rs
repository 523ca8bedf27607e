//! Subvolumes and pools.

use super::*;

#[test]
fn a_snapshot_is_taken_of_the_own_and_the_ancestors_subvolumes_only() {
    let grants = all();
    let snapshot = |source: Dir, dest: Dir| {
        let mut txn = txn(&grants, RUN);
        txn.order(Order::SnapshotSubvolume(source, dest, false))
    };
    snapshot(parent(&["fs"]), own(&["fs"])).unwrap();
    snapshot(own(&["a"]), own(&["b"])).unwrap();
    for (source, dest) in [
        (named("somebody-else"), own(&["fs"])),
        (own(&["fs"]), parent(&["planted"])),
        (parent(&["fs"]), parent(&["other"])),
        (parent(&["fs"]), named("somebody-else")),
        (parent(&[".."]), own(&["fs"])),
        (parent(&["fs"]), own(&["..", "p0"])),
        (at(Base::Parent(9), &["fs"]), own(&["fs"])),
        (own(&["fs"]), own(&["fs", "in"])),
        (own(&["fs", "in"]), own(&["fs"])),
    ] {
        let refused = snapshot(source.clone(), dest.clone());
        assert!(refused.is_err(), "{source:?} as {dest:?}");
    }
}

#[test]
fn an_ancestors_subvolume_is_neither_sealed_nor_limited_nor_made() {
    let grants = all();
    for order in [
        Order::SealSubvolume(parent(&["fs"])),
        Order::LimitSubvolume(parent(&["fs"]), 1 << 30),
        Order::LimitDir(parent(&["fs"]), 1 << 30),
        Order::LimitDir(named("somebody-else"), 1 << 30),
        Order::CreateSubvolume(parent(&["fs"]), 0o755),
        Order::CreateSubvolume(named("somebody-else"), 0o755),
    ] {
        let mut txn = txn(&grants, RUN);
        assert!(txn.order(order.clone()).is_err(), "{order:?}");
    }
}

#[test]
fn subvolumes_are_ordered_where_a_snapshot_is_made_and_nowhere_else() {
    let grants = all();
    let scopes = [
        Scope::Probe,
        Scope::Mounts(Purpose::Run),
        Scope::Remove,
        Scope::Usage,
        Scope::Gc(BTreeSet::new()),
    ];
    for scope in scopes {
        for order in [
            Order::CreateSubvolume(own(&["fs"]), 0o755),
            Order::SnapshotSubvolume(parent(&["fs"]), own(&["fs"]), true),
            Order::SealSubvolume(own(&["fs"])),
            Order::LimitSubvolume(own(&["fs"]), 1 << 30),
            Order::LimitDir(own(&[]), 1 << 30),
        ] {
            let refused = txn(&grants, scope.clone()).order(order.clone());
            assert!(refused.is_err(), "{order:?} in {scope:?}");
        }
    }
}

#[test]
fn absurd_sizes_are_refused() {
    let grants = all();
    for bytes in [0, 1, (1 << 20) - 1, (1 << 50) + 1, u64::MAX] {
        let limit = Order::LimitSubvolume(own(&["fs"]), bytes);
        assert!(txn(&grants, RUN).order(limit).is_err(), "{bytes}");
        let limit = Order::LimitDir(own(&[]), bytes);
        let absurd = !(1..=1 << 50).contains(&bytes);
        assert_eq!(txn(&grants, RUN).order(limit).is_err(), absurd, "{bytes}");
        let pool = pool("xfs", Some(bytes));
        assert!(txn(&grants, Scope::Probe).order(pool).is_err(), "{bytes}");
    }
}

#[test]
fn a_pool_is_ordered_in_probe_once_and_of_a_kind_that_is_known() {
    let none = Grants::default();
    let refused = txn(&none, Scope::Probe).order(pool("btrfs", None));
    assert_eq!(refused, Err(Refusal::NotGranted(Grant::Pool)));
    let grants = all();
    let mut probe = txn(&grants, Scope::Probe);
    for unknown in ["", "ext4", "BTRFS", "btrfs -o x", "/dev/sda"] {
        assert!(probe.order(pool(unknown, None)).is_err(), "{unknown}");
    }
    let options = vec![("mkfs".to_owned(), "-r /etc".to_owned())];
    let with_options = Order::Pool {
        filesystem: "btrfs".into(),
        size: None,
        options,
    };
    assert!(probe.order(with_options).is_err());
    assert_eq!(probe.pool(), None);
    probe.order(pool("btrfs", Some(1 << 30))).unwrap();
    assert!(probe.order(pool("btrfs", Some(1 << 31))).is_err());
    assert_eq!(probe.pool().unwrap().size, Some(1 << 30));
    let scopes = [
        RUN,
        Scope::Mounts(Purpose::View),
        Scope::Commit(key("name")),
        Scope::Remove,
        Scope::Usage,
        Scope::Gc(BTreeSet::new()),
    ];
    for scope in scopes {
        let refused = txn(&grants, scope.clone()).order(pool("btrfs", None));
        assert!(refused.is_err(), "{scope:?}");
    }
}
