//! Others that do the same thing.

mod docker;
mod runc;
mod streams;

pub(crate) use docker::Docker;
pub(crate) use runc::Bundle;
pub(crate) use streams::Streams;
