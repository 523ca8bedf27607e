//! One prune at a time of containers, images and networks, and one of
//! volumes, as in Docker.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::status::ApiError;

/// Who prunes.
#[derive(Debug, Default)]
pub struct Prunes {
    objects: Arc<Mutex<()>>,
    volumes: Arc<Mutex<()>>,
}

/// The right to prune, until dropped: by whoever does it, not by whoever
/// waits for it.
pub type Turn = OwnedMutexGuard<()>;

impl Prunes {
    /// Begins one of containers, images or networks.
    ///
    /// # Errors
    /// Another goes on.
    pub fn of_objects(&self) -> Result<Turn, ApiError> {
        begin(&self.objects)
    }

    /// Begins one of volumes.
    ///
    /// # Errors
    /// Another goes on.
    pub fn of_volumes(&self) -> Result<Turn, ApiError> {
        begin(&self.volumes)
    }
}

fn begin(whose: &Arc<Mutex<()>>) -> Result<Turn, ApiError> {
    let turn = whose.clone().try_lock_owned();
    turn.map_err(|_| ApiError::PruneRuns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_at_a_time() {
        let prunes = Prunes::default();
        let first = prunes.of_objects().unwrap();
        let refused = prunes.of_objects().unwrap_err();
        assert_eq!(refused.message(), "a prune operation is already running");
        assert_eq!(refused.status(), hyper::StatusCode::CONFLICT);
        assert!(prunes.of_volumes().is_ok());
        drop(first);
        assert!(prunes.of_objects().is_ok());
    }
}
