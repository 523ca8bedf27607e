//! One file per bench.

mod api;
mod archives;
mod attach;
mod density;
mod dns;
mod exec;
mod images;
mod list;
mod memory;
mod plugin_op;
mod pull;
mod push;
mod rootfs;
mod run;

use anyhow::Result;

use crate::Options;

type Bench = fn(&Options) -> Result<()>;

/// All of them, in the order in which they run.
pub(crate) const ALL: [(&str, Bench); 14] = [
    ("run", run::run),
    ("exec", exec::run),
    ("attach", attach::run),
    ("plugin-op", plugin_op::run),
    ("pull", pull::run),
    ("rootfs", rootfs::run),
    ("dns", dns::run),
    ("push", push::run),
    ("archives", archives::run),
    ("images", images::run),
    ("api", api::run),
    ("list", list::run),
    ("memory", memory::run),
    ("density", density::run),
];
