use std::io::Write;

use super::*;
use crate::manifest::digest_of;
use crate::store::Store;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    (dir, store)
}

fn descriptor(bytes: &[u8]) -> BlobDescriptor {
    BlobDescriptor {
        digest: digest_of(bytes),
        size: bytes.len() as u64,
        media_type: String::new(),
    }
}

fn start<'s>(store: &'s Store, descriptor: &BlobDescriptor) -> BlobWriter<'s> {
    store.blobs().writer(descriptor, &mut |_| Ok(())).unwrap()
}

#[test]
fn a_blob_is_visible_only_once_it_is_whole_and_verified() {
    let (_dir, store) = store();
    let blob = descriptor(b"hello");
    let mut writer = start(&store, &blob);
    writer.write(b"hel").unwrap();
    assert!(!store.blobs().has(&blob.digest).unwrap());
    writer.write(b"lo").unwrap();
    writer.commit().unwrap();
    assert_eq!(store.blobs().read(&blob.digest, 100).unwrap(), b"hello");
    assert!(matches!(
        store.blobs().read(&blob.digest, 4),
        Err(StoreError::TooLong { .. })
    ));
    store.blobs().delete(&blob.digest).unwrap();
    assert!(matches!(
        store.blobs().open_blob(&blob.digest),
        Err(StoreError::NoSuchBlob(_))
    ));
}

#[test]
fn wrong_bytes_are_refused_naming_both_digests_and_forgotten() {
    let (_dir, store) = store();
    let blob = descriptor(b"hello");
    let mut writer = start(&store, &blob);
    writer.write(b"jello").unwrap();
    let text = writer.commit().unwrap_err().to_string();
    assert!(
        text.contains(blob.digest.as_str()) && text.contains(digest_of(b"jello").as_str()),
        "{text}"
    );
    assert_eq!(start(&store, &blob).offset(), 0);
}

#[test]
fn too_many_bytes_are_refused_at_once_and_too_few_at_the_end() {
    let (_dir, store) = store();
    let blob = descriptor(b"hello");
    let mut writer = start(&store, &blob);
    assert!(matches!(
        writer.write(b"hello, world"),
        Err(StoreError::TooLong { .. })
    ));
    drop(writer);
    let mut writer = start(&store, &blob);
    writer.write(b"hel").unwrap();
    assert!(matches!(
        writer.commit(),
        Err(StoreError::Truncated {
            expected: 5,
            actual: 3,
            ..
        })
    ));
}

#[test]
fn a_broken_off_transfer_is_taken_up_where_it_ended_also_by_another_process() {
    let (dir, store) = store();
    let blob = descriptor(b"hello, world");
    start(&store, &blob).write(b"hello").unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("data")).unwrap();
    let mut replayed = Vec::new();
    let mut writer = store
        .blobs()
        .writer(&blob, &mut |bytes| {
            replayed.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
    assert_eq!((writer.offset(), replayed.as_slice()), (5, &b"hello"[..]));
    writer.write(b", world").unwrap();
    assert!(writer.is_full());
    writer.commit().unwrap();
    assert!(store.blobs().has(&blob.digest).unwrap());
}

#[test]
fn two_writers_of_one_digest_do_not_disturb_each_other() {
    let (_dir, store) = store();
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let blob = descriptor(&bytes);
    std::thread::scope(|scope| {
        for piece in [1_000, 7_777, 65_536, 300_000] {
            let (store, blob, bytes) = (&store, &blob, &bytes);
            scope.spawn(move || {
                let mut writer = start(store, blob);
                let held = writer.offset() as usize;
                bytes[held..]
                    .chunks(piece)
                    .for_each(|chunk| writer.write(chunk).unwrap());
                writer.commit().unwrap();
            });
        }
    });
    assert_eq!(store.blobs().read(&blob.digest, 1 << 30).unwrap(), bytes);
    assert_eq!(
        std::fs::read_dir(store.path().join("staging"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_file_that_a_power_cut_left_short_or_wrong_is_not_believed() {
    let (dir, store) = store();
    let blob = descriptor(b"hello");
    store.blobs().put(&blob.digest, b"hello").unwrap();
    let path = store.blobs().path(&blob.digest);
    drop(store);
    std::fs::File::create(&path)
        .unwrap()
        .write_all(b"hel")
        .unwrap();
    let store = Store::open(&dir.path().join("data")).unwrap();
    assert!(!store.blobs().has(&blob.digest).unwrap());
    assert!(!path.exists());
}

/// Blobs `old`, `live` and `held`, recorded as an image's would be.
fn three_recorded(store: &Store) -> [Digest; 3] {
    let blobs = [&b"old"[..], b"live", b"held"].map(|bytes| (descriptor(bytes).digest, bytes));
    for (digest, bytes) in &blobs {
        store.blobs().put(digest, bytes).unwrap();
    }
    let digests = blobs.map(|(digest, _)| digest);
    let record = |db: &rusqlite::Connection| store.blobs().record(db, &digests.each_ref());
    let durability = crate::Durability::Crash;
    store
        .blobs()
        .database
        .write("record blobs", durability, record)
        .unwrap();
    digests
}

#[test]
fn collecting_spares_live_blobs_and_those_of_an_operation_under_way() {
    let (_dir, store) = store();
    let [old, live, held] = three_recorded(&store);
    let holding = store.blobs().hold(&held);
    let only_live = || Ok(HashSet::from([live.clone()]));
    let collected = store.blobs().collect(only_live).unwrap();
    assert_eq!(collected, Collected { blobs: 1, bytes: 3 });
    assert!(!store.blobs().has(&old).unwrap());
    assert!(store.blobs().has(&live).unwrap() && store.blobs().has(&held).unwrap());
    drop(holding);
    let collected = store.blobs().collect(only_live).unwrap();
    assert_eq!(collected, Collected { blobs: 1, bytes: 4 });
}

#[test]
fn what_a_broken_off_pull_brought_stays_until_it_is_discarded() {
    let (_dir, store) = store();
    let blob = descriptor(b"brought").digest;
    store.blobs().put(&blob, b"brought").unwrap();
    store.blobs().collect(|| Ok(HashSet::new())).unwrap();
    assert!(store.blobs().has(&blob).unwrap());
    let holding = store.blobs().hold(&blob);
    store.blobs().discard(std::slice::from_ref(&blob)).unwrap();
    assert!(store.blobs().has(&blob).unwrap(), "another pull needs it");
    drop(holding);
    store.blobs().discard(std::slice::from_ref(&blob)).unwrap();
    assert!(!store.blobs().has(&blob).unwrap());
    assert_eq!(
        store.blobs().collect(|| Ok(HashSet::new())).unwrap().blobs,
        0
    );
}

#[test]
fn the_staging_directory_is_swept_of_what_cannot_be_resumed() {
    let (dir, store) = store();
    let blob = descriptor(b"hello");
    let mut first = start(&store, &blob);
    first.write(b"he").unwrap();
    let mut second = start(&store, &blob);
    second.write(b"h").unwrap();
    drop((first, second));
    std::fs::create_dir_all(store.path().join("staging/extraction/x")).unwrap();
    drop(store);
    let store = Store::open(&dir.path().join("data")).unwrap();
    let left: Vec<_> = std::fs::read_dir(store.path().join("staging"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, [format!("{}.partial", blob.digest.hex()).as_str()]);
}
