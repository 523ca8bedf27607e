use bulkhead_model::Platform;
use bulkhead_model::image::{Image, ImageConfig, Layer};

use super::*;
use crate::manifest::digest_of;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    (dir, store)
}

fn image(seed: &str) -> Image {
    let digest = |part: &str| digest_of(format!("{seed} {part}").as_bytes());
    Image {
        id: digest("config"),
        manifest: digest("manifest"),
        layers: vec![Layer {
            digest: digest("blob"),
            size: 5,
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into(),
            diff_id: digest("diff"),
            chain_id: digest("chain"),
        }],
        config: ImageConfig {
            env: vec!["A=b".into()],
            entrypoint: Some(vec!["/x".into()]),
            labels: [("k".into(), "v".into())].into(),
            ..ImageConfig::default()
        },
        platform: Platform {
            os: "linux".into(),
            architecture: "arm64".into(),
            variant: Some("v8".into()),
        },
        created: Some("2026-01-01T00:00:00Z".into()),
        size: 7,
    }
}

fn put(store: &Store, image: &Image, names: &[&str]) {
    let references: Vec<Reference> = names.iter().map(|n| n.parse().unwrap()).collect();
    let layer = LaidOut {
        driver: "overlay".into(),
        chain_id: image.layers[0].chain_id.clone(),
        bytes: 7,
        inodes: 1,
    };
    store
        .put_image(&NewImage {
            image,
            references: &references,
            layers: &[layer],
        })
        .unwrap();
}

#[test]
fn an_image_is_found_by_id_name_digest_and_prefix_after_a_restart() {
    let (dir, store) = store();
    let first = image("first");
    let by_digest = format!("busybox@{}", first.manifest);
    put(
        &store,
        &first,
        &["busybox", "127.0.0.1:5000/x:1", &by_digest],
    );
    drop(store);
    let store = Store::open(&dir.path().join("data")).unwrap();
    let hex = first.id.hex();
    for text in [
        first.id.as_str(),
        hex,
        &hex[..12],
        "busybox",
        "docker.io/library/busybox:latest",
        "127.0.0.1:5000/x:1",
        &by_digest,
    ] {
        assert_eq!(store.image(text).unwrap().image, first, "{text}");
    }
    let record = store.image(hex).unwrap();
    assert_eq!(record.tags.len(), 2);
    assert_eq!(
        record.digests[0].to_string(),
        format!("docker.io/library/{by_digest}")
    );
    let missing = store.image("nope:1").unwrap_err().to_string();
    assert_eq!(missing, "No such image: nope:1");
}

#[test]
fn a_prefix_of_two_ids_is_ambiguous_and_a_name_comes_before_a_prefix() {
    let (_dir, store) = store();
    // Sixteen images share some first digit.
    let images: Vec<Image> = (0..17).map(|i| image(&i.to_string())).collect();
    images.iter().for_each(|image| put(&store, image, &[]));
    let shared = "0123456789abcdef"
        .chars()
        .find(|c| images.iter().filter(|i| i.id.hex().starts_with(*c)).count() > 1);
    let prefix = shared.unwrap().to_string();
    assert!(matches!(
        store.image(&prefix),
        Err(StoreError::Ambiguous(_))
    ));
    let named = images
        .iter()
        .find(|i| !i.id.hex().starts_with(&prefix))
        .unwrap();
    store
        .tag_image(&named.id, &prefix.parse().unwrap())
        .unwrap();
    assert_eq!(store.image(&prefix).unwrap().image.id, named.id);
}

#[test]
fn a_name_moves_to_the_newest_image_and_deleting_takes_names_along() {
    let (_dir, store) = store();
    let (old, new) = (image("old"), image("new"));
    put(&store, &old, &["x:1"]);
    put(&store, &new, &["x:1", "x:2"]);
    assert_eq!(store.image("x:1").unwrap().image.id, new.id);
    assert!(store.image(old.id.as_str()).unwrap().tags.is_empty());
    let untagged = store.untag_image(&"x:1".parse().unwrap()).unwrap();
    assert_eq!(
        untagged,
        Untagged {
            image: new.id.clone(),
            tags_left: 1
        }
    );
    assert!(store.untag_image(&"x:1".parse().unwrap()).is_err());
    store.delete_image(&new.id).unwrap();
    assert!(store.image("x:2").is_err());
    assert!(store.delete_image(&new.id).is_err());
    let chain = &new.layers[0].chain_id;
    let unused = store
        .unreferenced_layers("overlay", &Default::default())
        .unwrap();
    assert_eq!(unused, std::slice::from_ref(chain));
    store.forget_layer("overlay", chain).unwrap();
    assert!(store.layer("overlay", chain).unwrap().is_none());
}
