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
            parent: None,
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
    let chain = &new.layers[0].chain_id;
    let orphan = Orphan {
        driver: "overlay".into(),
        chain_id: chain.clone(),
    };
    let orphans = store.remove_images(&[&new], &|_, _| false).unwrap();
    assert_eq!(orphans, [vec![orphan]]);
    assert!(store.image("x:2").is_err());
    assert!(store.remove_images(&[&new], &|_, _| false).is_err());
    assert!(store.layer("overlay", chain).unwrap().is_none());
    assert!(store.image(old.id.as_str()).is_ok());
}

#[test]
fn a_removed_image_leaves_what_others_need_what_is_held_and_what_is_kept() {
    let (_dir, store) = store();
    let bytes = |what: &str| what.as_bytes().to_vec();
    let layers: Vec<Layer> = ["low", "high", "held"]
        .iter()
        .map(|name| Layer {
            digest: digest_of(&bytes(name)),
            chain_id: digest_of(&bytes(&format!("chain of {name}"))),
            ..image(name).layers.remove(0)
        })
        .collect();
    for blob in ["low", "high", "held"] {
        let blob = bytes(blob);
        store.blobs().put(&digest_of(&blob), &blob).unwrap();
    }
    let with = |seed: &str, layers: &[Layer]| Image {
        layers: layers.to_vec(),
        ..image(seed)
    };
    let (below, above) = (with("below", &layers[..1]), with("above", &layers));
    put(&store, &below, &["below"]);
    put(&store, &above, &["above"]);
    let laid_out = |layer: &Layer| LaidOut {
        driver: "overlay".into(),
        chain_id: layer.chain_id.clone(),
        bytes: 1,
        inodes: 1,
    };
    let all: Vec<LaidOut> = layers.iter().map(laid_out).collect();
    store.put_layers(&all).unwrap();
    let held = store.blobs().hold(&layers[2].digest);
    let kept = &layers[2].chain_id;
    let orphans = store
        .remove_images(&[&above], &|_, chain| chain == kept)
        .unwrap();
    let chains: Vec<_> = orphans[0].iter().map(|o| &o.chain_id).collect();
    assert_eq!(chains, [&layers[1].chain_id]);
    let here = |at: usize| store.blobs().has(&layers[at].digest).unwrap();
    assert_eq!([here(0), here(1), here(2)], [true, false, true]);
    drop(held);
    store.collect_blobs().unwrap();
    assert!(here(0) && !here(2));
}

#[test]
fn a_thousand_images_are_opened_and_listed_in_no_time() {
    let (dir, store) = store();
    for n in 0..1000 {
        let image = image(&n.to_string());
        let reference: Reference = format!("many:{n}").parse().unwrap();
        store
            .database
            .write("record an image", Durability::Crash, |db| {
                store.insert_image(db, &image, None)?;
                store.insert_name(db, &image.id, &reference)
            })
            .unwrap();
    }
    drop(store);
    let started = std::time::Instant::now();
    let store = Store::open(&dir.path().join("data")).unwrap();
    let opened = started.elapsed();
    assert_eq!(store.images().unwrap().len(), 1000);
    // The limit is generous: machines that run tests are slow. What is
    // measured is printed, and the benchmarks measure it for themselves.
    println!("opened in {opened:?}, listed after {:?}", started.elapsed());
    assert!(opened < std::time::Duration::from_secs(30), "{opened:?}");
}
