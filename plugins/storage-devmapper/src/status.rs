//! Rows for `info`, under Docker's names where it has one.

use bulkhead_plugin_api::storage::{Filesystem, Txn};

use crate::settings::Settings;
use crate::size::human;

/// What the host knows of the pool.
pub(crate) struct Pool(Vec<(String, String)>);

impl Pool {
    pub(crate) fn of<T: Txn>(txn: &T) -> Self {
        Self(txn.pool_status())
    }

    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

pub(crate) fn rows<T: Txn>(txn: &T, settings: &Settings) -> Vec<(String, String)> {
    let pool = Pool::of(txn);
    let thin = pool.text("backend") == Some("thin");
    let backend = match thin {
        true => "thin devices (dm-thin)",
        false if txn.has_fact("dm-thin") => "files that share extents, on loop devices",
        false => "files that share extents, on loop devices (this kernel has no dm-thin)",
    };
    let filesystem = match settings.filesystem {
        Filesystem::Ext4 => "ext4",
        Filesystem::Xfs => "xfs",
    };
    let mut rows = Rows(Vec::new());
    rows.put("Backend", Some(backend.to_owned()));
    rows.put("Pool Name", pool.text("name").map(str::to_owned));
    rows.size("Pool Blocksize", pool.bytes("block-size"));
    rows.size("Base Device Size", Some(settings.base_size));
    rows.put("Backing Filesystem", Some(filesystem.to_owned()));
    rows.put("Data file", pool.text("data-file").map(str::to_owned));
    rows.put(
        "Metadata file",
        pool.text("metadata-file").map(str::to_owned),
    );
    rows.space("Data Space", &pool, "data");
    rows.space("Metadata Space", &pool, "metadata");
    let total = pool.bytes("data-total");
    let least = total.map(|total| total / 100 * settings.min_free);
    rows.size("Thin Pool Minimum Free Space", least);
    rows.put("Deferred Removal Enabled", Some("true".to_owned()));
    rows.0
}

struct Rows(Vec<(String, String)>);

impl Rows {
    fn put(&mut self, name: &str, value: Option<String>) {
        self.0.extend(value.map(|value| (name.to_owned(), value)));
    }

    fn size(&mut self, name: &str, bytes: Option<u64>) {
        self.put(name, bytes.map(human));
    }

    fn space(&mut self, name: &str, pool: &Pool, of: &str) {
        let bytes = |what: &str| pool.bytes(&format!("{of}-{what}"));
        let Some((used, total)) = bytes("used").zip(bytes("total")) else {
            return;
        };
        self.size(&format!("{name} Used"), Some(used));
        self.size(&format!("{name} Total"), Some(total));
        self.size(
            &format!("{name} Available"),
            Some(total.saturating_sub(used)),
        );
    }
}
