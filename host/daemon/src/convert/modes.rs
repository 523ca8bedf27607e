//! Whose namespaces a container is in (`--pid`, `--ipc`, …), and what may not
//! be asked for together.

use bulkhead_api::container::{ContainerConfig, HostConfig};

use super::bad_request::BadRequest;

/// A namespace's mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Its own, `word` saying more.
    Own,
    /// The host's.
    Host,
    /// Another container's.
    Container(String),
}

impl Mode {
    pub fn is_host(&self) -> bool {
        *self == Self::Host
    }

    pub fn container(self) -> Option<String> {
        match self {
            Self::Container(name) => Some(name),
            _ => None,
        }
    }
}

/// Reads a mode; `own` are the words for a namespace of its own.
pub fn read(what: &'static str, mode: &str, own: &[&str]) -> Result<Mode, BadRequest> {
    let invalid = || BadRequest::Mode {
        what,
        mode: mode.to_owned(),
    };
    match mode.split_once(':') {
        None if mode == "host" => Ok(Mode::Host),
        None if own.contains(&mode) => Ok(Mode::Own),
        Some(("container", name)) if !name.is_empty() && matches!(what, "PID" | "IPC") => {
            Ok(Mode::Container(name.to_owned()))
        }
        _ => Err(invalid()),
    }
}

/// Docker's `runconfig` checks, in its order and words.
pub fn refuse_conflicts(config: &ContainerConfig, host: &HostConfig) -> Result<(), BadRequest> {
    let network = host.network_mode.as_str();
    let joined = network.starts_with("container:");
    if joined && network.len() == "container:".len() {
        return Err(BadRequest::NetworkMode);
    }
    let has_hostname = !config.hostname.is_empty();
    let exposed = !config.exposed_ports.is_empty();
    let published = !host.port_bindings.is_empty() || host.publish_all_ports;
    let conflicts = [
        (
            host.uts_mode == "host" && has_hostname,
            "hostname and the UTS mode",
        ),
        (joined && has_hostname, "hostname and the network mode"),
        (
            joined && !host.links.is_empty(),
            "container type network can't be used with links. This would result in undefined behavior",
        ),
        (joined && !host.dns.is_empty(), "dns and the network mode"),
        (
            joined && !host.extra_hosts.is_empty(),
            "custom host-to-IP mapping and the network mode",
        ),
        (
            joined && !config.mac_address.is_empty(),
            "mac-address and the network mode",
        ),
        (
            joined && published,
            "port publishing and the container type network mode",
        ),
        (
            joined && exposed,
            "port exposing and the container type network mode",
        ),
    ];
    match conflicts.into_iter().find(|(conflict, _)| *conflict) {
        Some((_, what)) => Err(BadRequest::Conflict(what)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_others_refused() {
        assert_eq!(read("PID", "host", &[""]), Ok(Mode::Host));
        assert_eq!(read("PID", "", &[""]), Ok(Mode::Own));
        assert_eq!(
            read("IPC", "container:a", &[""]),
            Ok(Mode::Container("a".into()))
        );
        for (what, mode) in [
            ("PID", "private"),
            ("UTS", "container:a"),
            ("IPC", "container:"),
        ] {
            let told = read(what, mode, &[""]).unwrap_err().to_string();
            assert_eq!(told, format!("invalid {what} mode: {mode}"));
        }
    }

    #[test]
    fn a_joined_network_publishes_nothing() {
        let mut host = HostConfig {
            network_mode: "container:a".into(),
            publish_all_ports: true,
            ..HostConfig::default()
        };
        let mut config = ContainerConfig::default();
        assert_eq!(
            refuse_conflicts(&config, &host).unwrap_err().to_string(),
            "conflicting options: port publishing and the container type network mode"
        );
        host.publish_all_ports = false;
        assert!(refuse_conflicts(&config, &host).is_ok());
        config.hostname = "x".into();
        assert!(refuse_conflicts(&config, &host).is_err());
    }
}
