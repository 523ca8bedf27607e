//! `GET /system/firewall`.

use std::sync::Arc;

use bulkhead_api::firewall::{FirewallEntry, FirewallRule, FirewallShown};
use bulkhead_engine::Engine;
use bulkhead_runtime::network::{FirewallReport, Owner, ReportedEntry, Standing};
use hyper::{Response, StatusCode};

use crate::daemon::Daemon;
use crate::firewall;
use crate::reply::{self, Body};
use crate::status::ApiError;

/// The packet filter's table, with the reason of each of its parts.
pub async fn firewall(daemon: &Arc<Daemon>) -> Result<Response<Body>, ApiError> {
    let runtime = daemon.runtime.clone();
    let shown = daemon.blocking(move |engine| {
        let running = firewall::running(engine);
        let report = runtime.firewall(&running, &engine.networks.interfaces());
        let report = report.map_err(bulkhead_model::error::Failure::new)?;
        Ok(shown(engine, report))
    });
    Ok(reply::json(StatusCode::OK, &shown.await?))
}

fn shown(engine: &Engine, report: FirewallReport) -> FirewallShown {
    let rules = report.rules.into_iter().map(|rule| FirewallRule {
        chain: rule.chain,
        rule: rule.text,
        reason: rule.reason,
        state: state(rule.standing),
    });
    let entries = report.entries.into_iter();
    FirewallShown {
        table: report.table,
        forwarding: report.forwarding,
        warnings: report.warnings,
        rules: rules.collect(),
        entries: entries.map(|e| entry(engine, e)).collect(),
    }
}

fn entry(engine: &Engine, entry: ReportedEntry) -> FirewallEntry {
    let mut shown = FirewallEntry {
        set: entry.set.to_owned(),
        entry: entry.text,
        state: state(entry.standing),
        ..FirewallEntry::default()
    };
    match entry.owner {
        Owner::Container(id) => {
            let found = engine.containers.find(&id);
            shown.container = found.map_or(id, |entry| entry.record().name.clone());
        }
        Owner::Network(bridge) => {
            let all = engine.networks.all();
            let named = |n: &&Arc<bulkhead_engine::Network>| {
                let own = n.config.interface.as_ref();
                own.is_some_and(|own| own.as_str() == bridge)
            };
            let found = all.iter().find(named);
            shown.network = found.map_or(bridge.clone(), |n| n.record.name.clone());
        }
    }
    shown
}

fn state(standing: Standing) -> String {
    match standing {
        Standing::Present => "present",
        Standing::Missing => "missing",
        Standing::Stale => "stale",
    }
    .to_owned()
}
