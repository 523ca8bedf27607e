//! What the disk and the kernel hold, and what the records name.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};

/// Everything on the disk has a record, or waits for the next attempt of a
/// pull: the blobs of `pulled`, whole or in part.
pub(crate) fn all_recorded(folder: &Path, driver: &str, pulled: &BTreeSet<String>) -> Result<()> {
    let data = folder.join("data");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(data.join("state.db"), flags)?;
    let ask = |sql: &str| -> Result<BTreeSet<String>> {
        let mut asked = db.prepare(sql)?;
        let rows = asked.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let needed = ask("SELECT id FROM images UNION SELECT manifest FROM images
         UNION SELECT digest FROM image_layers")?;
    for name in names(&data.join("blobs/sha256"))? {
        let digest = format!("sha256:{name}");
        let known = needed.contains(&digest) || pulled.contains(&digest);
        ensure!(known, "LEAK: no record names the blob {digest}");
    }
    for name in names(&data.join("staging"))? {
        let digest = name
            .strip_suffix(".partial")
            .map(|hex| format!("sha256:{hex}"));
        let waits = digest.is_some_and(|digest| pulled.contains(&digest));
        ensure!(waits, "LEAK: staging/{name}");
    }
    let layers = ask(&format!(
        "SELECT chain_id FROM layers WHERE driver = '{driver}'"
    ))?;
    let hex: BTreeSet<&str> = layers
        .iter()
        .map(|id| id.trim_start_matches("sha256:"))
        .collect();
    let containers = ask("SELECT id FROM containers")?;
    let snapshots = data.join("storage").join(driver).join("snapshots");
    // A driver's pool is mounted nowhere: what is in it is looked at by the check.
    for name in names(&snapshots).unwrap_or_default() {
        let of_layer = hex.iter().any(|id| name.contains(id));
        let of_container = containers.iter().any(|id| name.contains(id.as_str()));
        ensure!(of_layer || of_container, "LEAK: snapshot {name}");
    }
    let volumes = ask("SELECT name FROM volumes")?;
    ensure!(names(&data.join("volumes"))? == volumes, "LEAK: volumes");
    for volume in &volumes {
        let inside = names(&data.join("volumes").join(volume))?;
        ensure!(inside.len() == 1, "LEAK: volume {volume} has {inside:?}");
    }
    nothing_mounted(folder)
}

fn nothing_mounted(folder: &Path) -> Result<()> {
    let ours = folder.to_string_lossy();
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mounted: Vec<&str> = table.lines().filter(|line| line.contains(&*ours)).collect();
    ensure!(mounted.is_empty(), "LEAK: mounts {mounted:#?}");
    for device in names(Path::new("/sys/block"))? {
        let shows = Path::new("/sys/block")
            .join(&device)
            .join("loop/backing_file");
        let Ok(file) = std::fs::read_to_string(shows) else {
            continue;
        };
        let file = file.trim();
        let of_pool = file.ends_with("/pool.img") || file.contains("/.thin/");
        ensure!(
            !file.starts_with(&*ours) || of_pool,
            "LEAK: {device} shows {file}"
        );
    }
    Ok(())
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        Ok(entry?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}
