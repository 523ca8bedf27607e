//! Who reads what shims tell and answers what containers ask: the engine
//! knows no protocol.

use std::sync::Arc;

use bulkhead_model::ContainerId;
use bulkhead_model::network::ResolverSockets;
use bulkhead_model::process::Running;

use crate::Engine;
use crate::live::End;

/// Reads the control connections of shims and serves containers' resolvers.
pub trait Follow: Send + Sync {
    /// Waits for the end of a container's first process. `None` when its shim
    /// hung up without telling how.
    fn end_of(&self, id: &ContainerId, running: Running) -> End;
    /// Answers a running container's questions for names, until its end.
    fn answer_names(&self, id: &ContainerId, sockets: ResolverSockets);
}

impl Engine {
    /// Says who reads control connections. Only the first word counts.
    pub fn follow_by(&self, follow: Arc<dyn Follow>) {
        let _ = self.follow.set(follow);
    }

    pub(crate) fn answer_names(&self, id: &ContainerId, sockets: ResolverSockets) {
        if let Some(follow) = self.follow.get() {
            follow.answer_names(id, sockets);
        }
    }

    pub(crate) fn end_of(&self, id: &ContainerId, running: Running) -> End {
        match self.follow.get() {
            Some(follow) => follow.end_of(id, running),
            None => Box::pin(std::future::ready(None)),
        }
    }
}
