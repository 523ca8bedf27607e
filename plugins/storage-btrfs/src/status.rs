//! Rows for `info`.

use bulkhead_plugin_api::storage::Txn;

/// Where the subvolumes are, and what the filesystem has left.
pub(crate) fn rows<T: Txn>(txn: &T) -> Vec<(String, String)> {
    let place = match txn.has_fact("pool") {
        true => "in a file of the data root, storage/btrfs/pool.img",
        false => "the data root's",
    };
    let mut rows = vec![("Btrfs".to_owned(), place.to_owned())];
    let known = txn.pool_status();
    for (name, shown) in [
        ("data-used", "Data Space Used"),
        ("data-total", "Data Space Total"),
    ] {
        let found = known.iter().find(|(known, _)| known == name);
        if let Some(Ok(bytes)) = found.map(|(_, value)| value.parse::<f64>()) {
            rows.push((shown.to_owned(), human(bytes)));
        }
    }
    rows
}

/// `12.35GB`, as Docker counts in `info`.
fn human(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let larger = |unit: &usize| bytes >= 1000f64.powi(*unit as i32);
    let unit = (1..units.len()).take_while(larger).last().unwrap_or(0);
    let number = bytes / 1000f64.powi(unit as i32);
    // Four significant digits.
    let decimals = match number {
        n if n >= 1000.0 => 0,
        n if n >= 100.0 => 1,
        n if n >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{number:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{}", units[unit])
}
