//! Taking back what was done, last first.

use crate::error::RuntimeError;

type Step<'a> = Box<dyn FnOnce() -> Result<(), RuntimeError> + 'a>;

/// Undo steps, pushed before what they take back is done. Dropped without
/// [`Undo::disarm`], nothing happens: taking back is always explicit.
#[derive(Default)]
pub(crate) struct Undo<'a>(Vec<Step<'a>>);

impl<'a> Undo<'a> {
    /// Remembers how to take the next step back.
    pub(crate) fn push(&mut self, step: impl FnOnce() -> Result<(), RuntimeError> + 'a) {
        self.0.push(Box::new(step));
    }

    /// Everything went well.
    pub(crate) fn disarm(self) {}

    /// Takes everything back. What fails on the way is collected beside the
    /// first failure, not put over it.
    pub(crate) fn roll_back(mut self, first: RuntimeError) -> RuntimeError {
        let mut undo = Vec::new();
        while let Some(step) = self.0.pop() {
            if let Err(error) = step() {
                undo.push(chain(&error));
            }
        }
        if undo.is_empty() {
            first
        } else {
            RuntimeError::Undo {
                first: Box::new(first),
                undo,
            }
        }
    }
}

/// An error and its sources in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !out.ends_with(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = source.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn steps_are_taken_back_in_reverse_and_failures_are_kept() {
        let order = RefCell::new(Vec::new());
        let mut undo = Undo::default();
        undo.push(|| {
            order.borrow_mut().push(1);
            Ok(())
        });
        undo.push(|| Err(RuntimeError::NoCgroups));
        undo.push(|| {
            order.borrow_mut().push(3);
            Ok(())
        });
        let error = undo.roll_back(RuntimeError::NotRunning("x".into()));
        assert_eq!(*order.borrow(), [3, 1]);
        assert!(matches!(error, RuntimeError::Undo { undo, .. } if undo.len() == 1));
    }
}
