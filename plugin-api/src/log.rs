//! Lines for the host's log, marked with the plugin's name. The host keeps
//! 1,000 characters of a line and 100 lines of a call.
//!
//! Natively, in tests, they go to standard error.

#[cfg(target_arch = "wasm32")]
use crate::bindings::storage::bulkhead::plugin::log::{Level as WitLevel, emit};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the plugin's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is off, the call goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Writes one line.
#[cfg(target_arch = "wasm32")]
pub fn line(level: Level, message: &str) {
    let level = match level {
        Level::Trace => WitLevel::Trace,
        Level::Debug => WitLevel::Debug,
        Level::Info => WitLevel::Info,
        Level::Warn => WitLevel::Warn,
        Level::Error => WitLevel::Error,
    };
    emit(level, message);
}

/// Writes one line.
#[cfg(not(target_arch = "wasm32"))]
pub fn line(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// A line for the plugin's author.
pub fn debug(message: &str) {
    line(Level::Debug, message);
}

/// A line worth knowing.
pub fn info(message: &str) {
    line(Level::Info, message);
}

/// Something is off, the call goes on.
pub fn warn(message: &str) {
    line(Level::Warn, message);
}

/// Sends the words of a panic to the log before the component traps: a trap
/// itself only says `unreachable`. Called by the export glue.
pub(crate) fn report_panics() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| line(Level::Error, &panic.to_string())));
}
