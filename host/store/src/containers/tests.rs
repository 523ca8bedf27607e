use std::net::IpAddr;

use super::*;
use crate::{Lease, manifest::digest_of};

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    (dir, store)
}

fn row(byte: u8, name: &str) -> ContainerRow {
    ContainerRow {
        id: ContainerId::from_bytes([byte; 32]),
        name: name.to_owned(),
        image: Some(digest_of(b"image")),
        state: "created".into(),
        json: r#"{"a":1}"#.into(),
    }
}

#[test]
fn a_container_is_found_by_id_name_and_prefix() {
    let (_dir, store) = store();
    let row = row(0xab, "web");
    store.put_container(&row, Durability::Crash).unwrap();
    for text in [row.id.as_str(), row.id.short(), "web", "/web", "ab"] {
        assert_eq!(store.container(text).unwrap(), row, "{text}");
    }
    assert_eq!(
        store.container("nope").unwrap_err().to_string(),
        "No such container: nope"
    );
    assert_eq!(
        store
            .containers_of_image(&digest_of(b"image"))
            .unwrap()
            .len(),
        1
    );
    store.delete_container(&row.id, Durability::Crash).unwrap();
    assert!(store.containers().unwrap().is_empty());
}

#[test]
fn a_taken_name_is_refused_naming_its_holder() {
    let (_dir, store) = store();
    let (web, mut other) = (row(1, "web"), row(2, "web"));
    store.put_container(&web, Durability::PowerCut).unwrap();
    let text = store
        .put_container(&other, Durability::PowerCut)
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        format!(
            "Conflict. The container name \"/web\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
            web.id
        )
    );
    other.name = "db".into();
    store.put_container(&other, Durability::PowerCut).unwrap();
    assert!(matches!(
        store.rename_container(&other.id, "web"),
        Err(StoreError::NameInUse { .. })
    ));
    store.rename_container(&web.id, "www").unwrap();
    store.rename_container(&other.id, "web").unwrap();
    assert_eq!(store.container("web").unwrap().id, other.id);
}

#[test]
fn values_volumes_and_leases_survive_a_restart() {
    let (dir, store) = store();
    store
        .put_plugin_values(
            "overlay",
            &[("a", Some(b"1")), ("b", Some(b"2"))],
            Durability::Crash,
        )
        .unwrap();
    store
        .put_plugin_values("overlay", &[("a", None)], Durability::Crash)
        .unwrap();
    let address: IpAddr = "172.17.0.2".parse().unwrap();
    let lease = Lease {
        network: "bridge".into(),
        address,
        owner: "c1".into(),
    };
    store.lease(&lease, Durability::Crash).unwrap();
    store.lease(&lease, Durability::Crash).unwrap();
    let other = Lease {
        owner: "c2".into(),
        ..lease.clone()
    };
    assert!(matches!(
        store.lease(&other, Durability::Crash),
        Err(StoreError::AddressInUse { .. })
    ));
    store.ensure_volume("data", "local", "{}").unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("data")).unwrap();
    assert_eq!(store.plugin_keys("overlay").unwrap(), ["b"]);
    assert_eq!(
        store.plugin_value("overlay", "b").unwrap().as_deref(),
        Some(&b"2"[..])
    );
    assert_eq!(store.plugin_value("vfs", "b").unwrap(), None);
    assert_eq!(store.leases("bridge").unwrap(), [lease]);
    store.release("c1", Durability::Crash).unwrap();
    assert!(store.leases("bridge").unwrap().is_empty());
    assert!(store.volume_path("data").unwrap().is_dir());
    assert_eq!(store.volumes().unwrap().len(), 1);
    store.remove_volume("data").unwrap();
    assert!(!store.volume_path("data").unwrap().exists());
    for bad in ["..", "a/b", "", ".hidden", "-x"] {
        assert!(
            matches!(
                store.ensure_volume(bad, "local", "{}"),
                Err(StoreError::InvalidName { .. })
            ),
            "{bad}"
        );
    }
}
