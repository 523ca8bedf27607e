//! One file per command.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod compare_cli;
pub(crate) mod conformance;
pub(crate) mod demo;
pub(crate) mod faults;
pub(crate) mod leaks;
pub(crate) mod plugins;
pub(crate) mod power_cut;
pub(crate) mod test;
pub(crate) mod tidy;
pub(crate) mod vm;
