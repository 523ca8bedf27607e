//! `GET /containers/json`.

use bulkhead_api::container::{ContainerSummary, SummaryHostConfig, SummaryNetworks, SummaryPort};
use bulkhead_engine::container::Container;
use bulkhead_model::container::State;

use super::inspect::{endpoint_settings, mount_point};

/// One row.
pub fn summary(record: &Container, now: u64) -> ContainerSummary {
    let network = if record.spec.network.is_empty() {
        "bridge".to_owned()
    } else {
        record.spec.network.clone()
    };
    let endpoint = record.endpoint.as_ref();
    let settings = endpoint
        .map(|e| endpoint_settings(e, record.id.as_str()))
        .unwrap_or_default();
    ContainerSummary {
        id: record.id.to_string(),
        names: vec![format!("/{}", record.name)],
        image: record.spec.image.clone(),
        image_id: record.image_id.clone(),
        command: command(&record.args),
        created: seconds(record.created_at),
        ports: endpoint
            .map(|e| e.ports.iter().map(port).collect())
            .unwrap_or_default(),
        labels: record.spec.labels.clone(),
        state: state_word(&record.state).to_owned(),
        status: status(&record.state, now),
        host_config: SummaryHostConfig {
            network_mode: network.clone(),
        },
        network_settings: SummaryNetworks {
            networks: [(network, settings)].into(),
        },
        mounts: record.mounts.iter().map(mount_point).collect(),
        ..ContainerSummary::default()
    }
}

/// The state as lists and filters have it: what never ran is `created`.
pub fn state_word(state: &State) -> &'static str {
    match state {
        State::Exited { started_at: 0, .. } => "created",
        state => state.status(),
    }
}

fn port(port: &bulkhead_engine::spec::PortSpec) -> SummaryPort {
    SummaryPort {
        ip: port.host_addr.to_string(),
        private_port: port.container_port,
        public_port: port.host_port,
        protocol: port.protocol.clone(),
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

fn status(state: &State, now: u64) -> String {
    let since = |then: u64| human_duration(now.saturating_sub(then) / 1_000_000_000);
    match state {
        State::Created | State::Exited { started_at: 0, .. } => "Created".to_owned(),
        State::Running { started_at, .. } => format!("Up {}", since(*started_at)),
        State::Exited { status, .. } => {
            format!("Exited ({}) {} ago", status.code, since(status.finished_at))
        }
    }
}

/// Docker's words for a length of time (`go-units`, HumanDuration).
fn human_duration(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        _ if minutes == 1 => "About a minute".to_owned(),
        _ if minutes < 60 => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_dockers() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human_duration(seconds), text);
        }
        let hour = 3600;
        let cases = [
            (hour, "About an hour"),
            (5 * hour, "5 hours"),
            (48 * hour, "2 days"),
            (24 * 14 * hour, "2 weeks"),
            (24 * 90 * hour, "3 months"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human_duration(seconds), text);
        }
    }

    #[test]
    fn words_with_spaces_are_quoted() {
        assert_eq!(
            command(&["sh".into(), "-c".into(), "a b".into()]),
            "sh -c 'a b'"
        );
    }
}
