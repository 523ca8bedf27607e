//! Notices when somebody takes our rules out of the packet filter
//! (`nft flush ruleset`, a reload of firewalld), and puts them back.

use std::sync::Arc;
use std::time::Duration;

use bulkhead_engine::Engine;
use bulkhead_model::ContainerId;
use bulkhead_runtime::Runtime;
use bulkhead_sys::nft::Watch;

/// Who reloads a firewall makes many changes.
const UNTIL_QUIET: Duration = Duration::from_millis(250);

/// The containers that run.
pub fn running(engine: &Engine) -> Vec<ContainerId> {
    let records = engine.containers.all();
    let records = records.iter().map(|entry| entry.record());
    let running = records.filter(|record| record.state.is_running());
    running.map(|record| record.id.clone()).collect()
}

/// Watches on a thread of its own, as long as the engine lives.
pub fn watch(engine: &Arc<Engine>, runtime: &Arc<Runtime>) -> anyhow::Result<()> {
    let mut watch = Watch::open()?;
    let (engine, runtime) = (Arc::downgrade(engine), runtime.clone());
    let watching = move || {
        while let Some(engine) = engine.upgrade() {
            match runtime.mend_firewall(&running(&engine)) {
                Ok(true) => {
                    tracing::warn!("the packet filter had lost rules of ours; they are back")
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    error = bulkhead_model::error::message(&error),
                    "looking after the packet filter"
                ),
            }
            drop(engine);
            while matches!(watch.changed(), Ok(false)) {}
            std::thread::sleep(UNTIL_QUIET);
        }
    };
    std::thread::Builder::new()
        .name("firewall".to_owned())
        .spawn(watching)?;
    Ok(())
}
