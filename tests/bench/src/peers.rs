//! Others that do the same thing.

mod docker;
mod runc;

pub(crate) use docker::Docker;
pub(crate) use runc::Bundle;
