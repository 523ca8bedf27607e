//! One file per command.

pub(crate) mod leaks;
pub(crate) mod plugins;
pub(crate) mod tidy;
pub(crate) mod vm;
