//! The variables that tell of a linked container, with Docker's names.

use std::net::IpAddr;

/// Of whom is told, and to whom.
pub(super) struct Told<'a> {
    /// The name of the container that is told.
    pub(super) parent: &'a str,
    /// What it calls the other.
    pub(super) alias: &'a str,
    /// Where the other is.
    pub(super) address: IpAddr,
    /// The other's own variables.
    pub(super) env: &'a [String],
}

/// `ports` are those that the other exposes.
pub(super) fn of(told: &Told<'_>, mut ports: Vec<(u16, String)>) -> Vec<String> {
    ports.sort_by(|(a, p), (b, q)| (p != "tcp", p, a).cmp(&(q != "tcp", q, b)));
    ports.dedup();
    let alias = told.alias.to_uppercase().replace('-', "_");
    let at = |port: u16, protocol: &str| format!("{protocol}://{}:{port}", told.address);
    let mut env = vec![format!("{alias}_NAME=/{}/{}", told.parent, told.alias)];
    if let Some((port, protocol)) = ports.first() {
        env.push(format!("{alias}_PORT={}", at(*port, protocol)));
    }
    for range in ports.chunk_by(|(a, p), (b, q)| p == q && a.checked_add(1) == Some(*b)) {
        if let [(first, protocol), .., (last, _)] = range {
            let prefix = prefix(&alias, *first, protocol);
            env.extend([
                format!("{prefix}_START={}", at(*first, protocol)),
                format!("{prefix}_ADDR={}", told.address),
                format!("{prefix}_PROTO={protocol}"),
                format!("{prefix}_PORT_START={first}"),
                format!("{prefix}_END={}", at(*last, protocol)),
                format!("{prefix}_PORT_END={last}"),
            ]);
        }
    }
    for (port, protocol) in &ports {
        let prefix = prefix(&alias, *port, protocol);
        env.extend([
            format!("{prefix}={}", at(*port, protocol)),
            format!("{prefix}_ADDR={}", told.address),
            format!("{prefix}_PORT={port}"),
            format!("{prefix}_PROTO={protocol}"),
        ]);
    }
    let own = told.env.iter().filter_map(|entry| entry.split_once('='));
    let own = own.filter(|(name, _)| !matches!(*name, "HOME" | "PATH"));
    env.extend(own.map(|(name, value)| format!("{alias}_ENV_{name}={value}")));
    env
}

fn prefix(alias: &str, port: u16, protocol: &str) -> String {
    format!("{alias}_PORT_{port}_{}", protocol.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_one_by_one_and_as_ranges() {
        let env = ["PATH=/bin".to_owned(), "A=b=c".to_owned()];
        let told = Told {
            parent: "web",
            alias: "my-db",
            address: IpAddr::from([10, 0, 0, 2]),
            env: &env,
        };
        let ports = [(90, "udp"), (81, "tcp"), (80, "tcp"), (443, "tcp")];
        let ports = ports.map(|(port, protocol)| (port, protocol.to_owned()));
        let env = of(&told, ports.to_vec());
        assert_eq!(
            env[..2],
            ["MY_DB_NAME=/web/my-db", "MY_DB_PORT=tcp://10.0.0.2:80"]
        );
        for expected in [
            "MY_DB_PORT_80_TCP_START=tcp://10.0.0.2:80",
            "MY_DB_PORT_80_TCP_END=tcp://10.0.0.2:81",
            "MY_DB_PORT_80_TCP_PORT_END=81",
            "MY_DB_PORT_81_TCP_ADDR=10.0.0.2",
            "MY_DB_PORT_443_TCP_PROTO=tcp",
            "MY_DB_PORT_90_UDP=udp://10.0.0.2:90",
            "MY_DB_ENV_A=b=c",
        ] {
            assert!(env.contains(&expected.to_owned()), "{expected}: {env:?}");
        }
        assert!(
            !env.iter()
                .any(|e| e.contains("PATH") || e.contains("443_TCP_START"))
        );
    }
}
