//! Asking a registry once more, when that may help.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bulkhead_model::PluginError;
use bulkhead_model::plugin::PluginFailure;

/// As often as Docker tries.
const ATTEMPTS: u32 = 5;
/// Before the second try; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(500);

/// A registry that answered once is given the time to answer again; one that
/// never did is told to the user at once. Overload (429, 503) was waited for
/// by the session already.
#[derive(Default)]
pub(super) struct Patience {
    reached: AtomicBool,
}

impl Patience {
    pub(super) fn with<T>(
        &self,
        mut ask: impl FnMut() -> Result<T, PluginError>,
    ) -> Result<T, PluginError> {
        let mut failed = 0;
        loop {
            let error = match ask() {
                Ok(answer) => {
                    self.reached.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            failed += 1;
            let retryable = matches!(
                error.cause,
                PluginFailure::Refused {
                    retryable: true,
                    ..
                }
            );
            if !retryable || failed >= ATTEMPTS || !self.reached.load(Ordering::Relaxed) {
                return Err(error);
            }
            tracing::debug!(%error, failed, "asking the registry once more");
            std::thread::sleep(PAUSE * (1 << (failed - 1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(retryable: bool) -> PluginError {
        PluginError {
            plugin: "p".into(),
            version: "1".into(),
            operation: "begin-upload",
            cause: PluginFailure::Refused {
                code: "unavailable".into(),
                message: "m".into(),
                retryable,
            },
        }
    }

    #[test]
    fn only_a_registry_that_answered_before_is_waited_for() {
        let patience = Patience::default();
        let mut asked = 0;
        let answer = patience.with(|| {
            asked += 1;
            Err::<(), _>(error(true))
        });
        assert!(answer.is_err() && asked == 1);
        patience.with(|| Ok(())).unwrap();
        let answer = patience.with(|| {
            asked += 1;
            if asked < 3 { Err(error(true)) } else { Ok(()) }
        });
        assert!(answer.is_ok() && asked == 3);
        let answer = patience.with(|| {
            asked += 1;
            Err::<(), _>(error(false))
        });
        assert!(answer.is_err() && asked == 4);
    }
}
