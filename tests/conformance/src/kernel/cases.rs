//! The cases, by what they are about.

mod any_order;
mod attributes;
mod chains;
mod changes;
mod faults;
mod files;
mod full_disk;
mod hostile_root;
mod snapshots;
mod together;

use super::Case;

pub(super) fn all() -> Vec<Case> {
    let groups = [
        chains::CASES,
        files::CASES,
        attributes::CASES,
        changes::CASES,
        snapshots::CASES,
        together::CASES,
        faults::CASES,
        hostile_root::CASES,
        full_disk::CASES,
        any_order::CASES,
    ];
    groups.concat()
}
