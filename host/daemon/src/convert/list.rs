//! `GET /containers/json`.

use std::time::Duration;

use bulkhead_api::container::{ContainerSummary, SummaryHostConfig, SummaryNetworks, SummaryPort};
use bulkhead_api::status as words;
use bulkhead_engine::container::Container;
use bulkhead_model::container::State;

use super::inspect::{endpoints, mount_point};

/// One row.
pub fn summary(record: &Container, now: u64) -> ContainerSummary {
    let network = if record.spec.network.is_empty() {
        "bridge".to_owned()
    } else {
        record.spec.network.clone()
    };
    ContainerSummary {
        id: record.id.to_string(),
        names: vec![format!("/{}", record.name)],
        image: record.spec.image.clone(),
        image_id: record.image_id.clone(),
        command: command(&record.args),
        created: seconds(record.created_at),
        ports: record.published_ports().map(port).collect(),
        labels: record.spec.labels.clone(),
        state: record.state.status().to_owned(),
        status: status(record, now),
        host_config: SummaryHostConfig {
            network_mode: network,
        },
        network_settings: SummaryNetworks {
            networks: endpoints(record),
        },
        mounts: record.mounts.iter().map(mount_point).collect(),
        ..ContainerSummary::default()
    }
}

fn port(port: &bulkhead_engine::spec::PortSpec) -> SummaryPort {
    SummaryPort {
        ip: port.host_addr.map(|a| a.to_string()).unwrap_or_default(),
        private_port: port.container_port,
        public_port: port.host_port,
        protocol: port.protocol.clone(),
    }
}

/// While a container runs, its row shows what it only exposes, too.
pub fn add_exposed(row: &mut ContainerSummary, exposed: impl IntoIterator<Item = String>) {
    for port in exposed {
        let (number, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        let Ok(private_port) = number.parse() else {
            continue;
        };
        let listed = |p: &SummaryPort| p.private_port == private_port && p.protocol == protocol;
        if !row.ports.iter().any(listed) {
            row.ports.push(SummaryPort {
                private_port,
                protocol: protocol.to_owned(),
                ..SummaryPort::default()
            });
        }
    }
}

/// The words joined, quoted where a shell would need it.
fn command(args: &[String]) -> String {
    let quoted = |word: &String| {
        if word.contains([' ', '\t', '\n', '\'', '"']) || word.is_empty() {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word.clone()
        }
    };
    args.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn seconds(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX)
}

fn status(record: &Container, now: u64) -> String {
    let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
    match &record.state {
        State::Created | State::Exited { started_at: 0, .. } => words::CREATED.to_owned(),
        State::Running {
            started_at, paused, ..
        } => {
            let up = words::up(since(*started_at));
            if *paused {
                format!("{up} (Paused)")
            } else {
                up + record.health.as_ref().map_or("", super::health::in_list)
            }
        }
        State::Restarting { status, .. } => {
            let ended = words::exited(status.code, since(status.finished_at));
            ended.replacen("Exited", "Restarting", 1)
        }
        State::Removing { .. } => "Removal In Progress".to_owned(),
        State::Dead { .. } => "Dead".to_owned(),
        State::Exited { status, .. } => words::exited(status.code, since(status.finished_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_spaces_are_quoted() {
        assert_eq!(
            command(&["sh".into(), "-c".into(), "a b".into()]),
            "sh -c 'a b'"
        );
    }
}
