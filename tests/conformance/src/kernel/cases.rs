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

use super::{Case, Leaves};

pub(super) fn all() -> Vec<(Leaves, Case)> {
    let groups = [
        (Leaves::Layers, chains::CASES),
        (Leaves::Garbage, files::CASES),
        (Leaves::Garbage, attributes::CASES),
        (Leaves::Garbage, changes::CASES),
        (Leaves::Garbage, snapshots::CASES),
        (Leaves::Garbage, together::CASES),
        (Leaves::Garbage, faults::CASES),
        (Leaves::Garbage, any_order::CASES),
        (Leaves::Damage, hostile_root::CASES),
        (Leaves::Damage, full_disk::CASES),
    ];
    let each =
        |(leaves, cases): (Leaves, &'static [Case])| cases.iter().map(move |case| (leaves, *case));
    groups.into_iter().flat_map(each).collect()
}
