use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{ContainerRow, Durability};

fn populated(root: &Path) {
    let store = Store::open(root).unwrap();
    for byte in 0..50 {
        let id = ContainerId::from_bytes([byte; 32]);
        let row = ContainerRow {
            name: format!("c{byte}"),
            id,
            image: None,
            state: "exited".into(),
            json: "x".repeat(500),
        };
        store.put_container(&row, Durability::Crash).unwrap();
        store.container_dir(&row.id).unwrap();
    }
}

#[test]
fn directories_have_their_modes_even_if_someone_changed_them() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let mode = |name: &str| {
        std::fs::metadata(root.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    drop(Store::open(&root).unwrap());
    std::fs::set_permissions(root.join("storage"), PermissionsExt::from_mode(0o777)).unwrap();
    let store = Store::open(&root).unwrap();
    store.driver_root("overlay").unwrap();
    let expected = [
        ("", 0o711),
        ("blobs", 0o700),
        ("blobs/sha256", 0o700),
        ("storage", 0o700),
        ("storage/overlay", 0o700),
        ("containers", 0o700),
        ("volumes", 0o711),
        ("staging", 0o700),
        ("state.db", 0o600),
        ("lock", 0o600),
    ];
    for (name, expected) in expected {
        assert_eq!(mode(name), expected, "{name}");
    }
}

#[test]
fn a_second_daemon_is_told_who_has_the_data_root() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let text = Store::open(dir.path()).unwrap_err().to_string();
    assert!(
        text.contains(&format!("pid {}", std::process::id())),
        "{text}"
    );
    drop(store);
    Store::open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_is_a_link_or_someone_elses_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/tmp", dir.path().join("storage")).unwrap();
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::Io { .. })
    ));
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("blobs")).unwrap();
    std::os::unix::fs::chown(dir.path().join("blobs"), Some(1234), None).unwrap();
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::ForeignOwner { owner: 1234, .. })
    ));
}

#[test]
fn a_damaged_or_missing_database_is_refused_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    populated(dir.path());
    let path = dir.path().join("state.db");
    // It has all that the file has, and would be believed.
    std::fs::remove_file(dir.path().join("state.db-wal")).unwrap();
    let sound = std::fs::read(&path).unwrap();
    assert!(sound.len() > 20_000, "closing checkpoints the log");
    for length in [600, 4096, 5000, sound.len() - 4096] {
        std::fs::write(&path, &sound[..length]).unwrap();
        let error = Store::open(dir.path()).expect_err("a truncated database");
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{length}: {error}"
        );
    }
    for (at, byte) in [(0, 0xff), (100, 0xff), (105, 0xff)] {
        let mut flipped = sound.clone();
        flipped[at] ^= byte;
        std::fs::write(&path, &flipped).unwrap();
        let error = Store::open(dir.path()).expect_err("a flipped byte");
        assert!(matches!(error, StoreError::Damaged { .. }), "{at}: {error}");
    }
    for stub in [&b""[..], b"x", &sound[..100]] {
        std::fs::write(&path, stub).unwrap();
        let error = Store::open(dir.path()).expect_err("a stub");
        let refused = matches!(
            error,
            StoreError::DatabaseMissing { .. } | StoreError::Damaged { .. }
        );
        assert!(refused, "{error}");
    }
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::DatabaseMissing { .. })
    ));
    std::fs::write(&path, &sound).unwrap();
    assert_eq!(
        Store::open(dir.path()).unwrap().containers().unwrap().len(),
        50
    );
}

/// Until the log is taken over, it holds everything.
#[test]
fn a_database_without_its_log_is_not_taken_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let blob = root.join("blobs/sha256/kept");
    let store = Store::open(&root).unwrap();
    std::fs::write(&blob, "an image's").unwrap();
    let log = root.join("state.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    let killed = dir.path().join("killed");
    for folder in ["containers", "volumes", "blobs/sha256"] {
        std::fs::create_dir_all(killed.join(folder)).unwrap();
    }
    std::fs::copy(root.join("state.db"), killed.join("state.db")).unwrap();
    std::fs::copy(&blob, killed.join("blobs/sha256/kept")).unwrap();
    let error = Store::open(&killed).expect_err("everything would be forgotten");
    assert!(
        matches!(error, StoreError::DatabaseMissing { .. }),
        "{error}"
    );
    store.checkpoint().unwrap();
    std::fs::copy(root.join("state.db"), killed.join("state.db")).unwrap();
    Store::open(&killed).unwrap();
}

#[test]
fn flipped_bits_anywhere_are_refused_or_read_but_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    populated(dir.path());
    let path = dir.path().join("state.db");
    let sound = std::fs::read(&path).unwrap();
    for at in (0..sound.len()).step_by(977) {
        let mut flipped = sound.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        let _ = std::fs::remove_file(dir.path().join("state.db-wal"));
        if let Ok(store) = Store::open(dir.path()) {
            let _ = store.containers().map(|c| c.len());
        }
    }
}

/// Each name is in the table and in an index: either may be the wrong one.
#[test]
fn a_wrong_bit_in_what_is_looked_up_is_noticed_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    populated(dir.path());
    let path = dir.path().join("state.db");
    let sound = std::fs::read(&path).unwrap();
    std::fs::remove_file(dir.path().join("state.db-wal")).unwrap();
    let places: Vec<usize> = (0..sound.len() - 3)
        .filter(|at| sound[*at..].starts_with(b"c37"))
        .collect();
    assert!(places.len() >= 2, "{places:?}");
    for at in places {
        let mut flipped = sound.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        let error = Store::open(dir.path()).expect_err("a flipped bit");
        assert!(matches!(error, StoreError::Damaged { .. }), "{at}: {error}");
    }
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    assert!(matches!(
        Store::open(dir.path()),
        Err(StoreError::TooNew { found: 99, .. })
    ));
}

#[test]
fn networks_and_places_of_schema_5_keep_their_addresses() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    let network = r#"{"name":"n","gateway":"10.1.0.1/16","ip_range":null,"chosen_subnet":true}"#;
    let none = r#"{"name":"host","gateway":null}"#;
    let container =
        r#"{"networks":[{"name":"n","address":"10.1.0.7"},{"name":"m","address":null}]}"#;
    let insert = "INSERT INTO networks VALUES ('1', 'n', ?1), ('2', 'host', ?2)";
    raw.execute(insert, (network, none)).unwrap();
    let insert = "INSERT INTO containers VALUES ('c', 'c', NULL, 'exited', ?1)";
    raw.execute(insert, [container]).unwrap();
    raw.pragma_update(None, "user_version", 5).unwrap();
    drop(raw);
    drop(Store::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    let record = |of: &str| -> String {
        let query = format!("SELECT record FROM {of}");
        raw.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(
        record("networks WHERE id = '1'"),
        r#"{"name":"n","pools":[{"gateway":"10.1.0.1/16","range":null,"auxiliary":{},"chosen":true}]}"#
    );
    assert_eq!(record("networks WHERE id = '2'"), none);
    assert_eq!(
        record("containers"),
        r#"{"networks":[{"name":"n","addresses":["10.1.0.7"]},{"name":"m","addresses":[]}]}"#
    );
}

/// The child writes until it is killed; what it said it had committed is there.
#[test]
fn after_a_kill_everything_acknowledged_is_there_and_the_lock_is_free() {
    const ROOT: &str = "STORE_KILL_TEST_ROOT";
    if let Some(root) = std::env::var_os(ROOT) {
        return write_until_killed(Path::new(&root));
    }
    for pause in [30, 80, 150] {
        let dir = tempfile::tempdir().unwrap();
        let name =
            "store::tests::after_a_kill_everything_acknowledged_is_there_and_the_lock_is_free";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ROOT, dir.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let acknowledged = dir.path().join("acknowledged");
        while !acknowledged.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child ended early");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = std::fs::read_to_string(&acknowledged).unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let found = store.containers().unwrap().len();
        assert!(
            found >= said.lines().count(),
            "{found} of {}",
            said.lines().count()
        );
        let partials = std::fs::read_dir(store.path().join("staging"))
            .unwrap()
            .count();
        assert_eq!(partials, 1, "the blob under way can be resumed");
    }
}

fn write_until_killed(root: &Path) {
    use std::io::Write;
    let store = Store::open(&root.join("data")).unwrap();
    let mut acknowledged = std::fs::File::create(root.join("acknowledged.new")).unwrap();
    let blob = bulkhead_model::registry::BlobDescriptor {
        digest: crate::manifest::digest_of(b"never finished"),
        size: u64::MAX,
        media_type: String::new(),
    };
    let mut writer = store.blobs().writer(&blob, &mut |_| Ok(())).unwrap();
    for n in 0_u32.. {
        writer.write(&[7; 1000]).unwrap();
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        let id = ContainerId::from_bytes(bytes);
        let row = ContainerRow {
            name: format!("c{n}"),
            id,
            image: None,
            state: "created".into(),
            json: String::new(),
        };
        store.put_container(&row, Durability::Crash).unwrap();
        writeln!(acknowledged, "{n}").unwrap();
        if n == 3 {
            std::fs::rename(root.join("acknowledged.new"), root.join("acknowledged")).unwrap();
        }
    }
}
