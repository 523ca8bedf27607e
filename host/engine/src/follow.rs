//! Who reads what shims tell: the engine knows no protocol.

use std::sync::Arc;

use bulkhead_model::ContainerId;
use bulkhead_model::process::Running;

use crate::Engine;
use crate::live::End;

/// Reads the control connections of shims.
pub trait Follow: Send + Sync {
    /// Waits for the end of a container's first process. `None` when its shim
    /// hung up without telling how.
    fn end_of(&self, id: &ContainerId, running: Running) -> End;
}

impl Engine {
    /// Says who reads control connections. Only the first word counts.
    pub fn follow_by(&self, follow: Arc<dyn Follow>) {
        let _ = self.follow.set(follow);
    }

    pub(crate) fn end_of(&self, id: &ContainerId, running: Running) -> End {
        match self.follow.get() {
            Some(follow) => follow.end_of(id, running),
            None => Box::pin(std::future::ready(None)),
        }
    }
}
