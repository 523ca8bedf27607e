//! The daemon's own log: lines of text or JSON objects on standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes what is logged while the daemon runs.
pub type Level = reload::Handle<LevelFilter, Registry>;

/// Starts logging.
pub fn start(level: LevelFilter, json: bool) -> Level {
    let (filter, handle) = reload::Layer::new(level);
    let log = Registry::default().with(filter);
    if json {
        log.with(fmt::layer().json().with_writer(std::io::stderr))
            .init();
    } else {
        let colour = std::io::stderr().is_terminal();
        log.with(fmt::layer().with_ansi(colour).with_writer(std::io::stderr))
            .init();
    }
    handle
}
