//! The cases, by what they are about.

mod any_order;
mod collection;
mod faults;
mod layers;
mod retries;
mod snapshots;

use super::Case;

pub(super) fn all() -> Vec<Case> {
    let groups = [
        layers::CASES,
        snapshots::CASES,
        retries::CASES,
        collection::CASES,
        faults::CASES,
        any_order::CASES,
    ];
    groups.concat()
}
