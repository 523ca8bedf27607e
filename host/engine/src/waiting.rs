//! Whether anybody still waits for an operation.

use std::sync::Arc;

use crate::error::EngineError;

/// Asks whether somebody waits for an operation. Somebody does unless it is
/// said otherwise.
#[derive(Clone, Default)]
pub struct Waiting(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Waiting {
    /// `still` is called often, from several threads.
    pub fn new(still: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(still)))
    }

    pub(crate) fn check(&self) -> Result<(), EngineError> {
        match self.0.as_ref().is_none_or(|still| still()) {
            true => Ok(()),
            false => Err(EngineError::NobodyWaits),
        }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").finish_non_exhaustive()
    }
}
