//! The files the engine writes for a container: `/etc/hosts`,
//! `/etc/hostname` and `/etc/resolv.conf`, with Docker's contents.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use bulkhead_model::process::InjectedFile;

use crate::spec::ContainerSpec;

/// Used when the host's own name servers cannot be reached from a container.
const PUBLIC_NAME_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// The three files. `addr` is the container's own address; `host_resolv` the
/// host's resolv.conf; `host_namespace` says that the container shares the
/// host's network and so reaches name servers on loopback.
pub fn injected(
    spec: &ContainerSpec,
    hostname: &str,
    addr: Option<IpAddr>,
    host_resolv: &str,
    host_namespace: bool,
) -> Vec<InjectedFile> {
    let file = |name: &'static str, content: String| InjectedFile {
        name,
        target: PathBuf::from("/etc").join(name),
        content: content.into_bytes(),
    };
    vec![
        file("hostname", format!("{hostname}\n")),
        file("hosts", hosts(spec, hostname, addr)),
        file(
            "resolv.conf",
            resolv_conf(spec, host_resolv, host_namespace),
        ),
    ]
}

fn hosts(spec: &ContainerSpec, hostname: &str, addr: Option<IpAddr>) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    for entry in &spec.extra_hosts {
        if let Some((name, addr)) = entry.split_once([':', '=']) {
            let _ = writeln!(text, "{addr}\t{name}");
        }
    }
    if let Some(addr) = addr {
        let _ = writeln!(text, "{addr}\t{hostname}");
    }
    text
}

fn resolv_conf(spec: &ContainerSpec, host: &str, host_namespace: bool) -> String {
    let words = |key: &'static str| {
        host.lines().filter_map(move |l| {
            l.trim()
                .strip_prefix(key)
                .filter(|r| r.starts_with([' ', '\t']))
                .map(str::trim)
        })
    };
    let mut servers = spec.dns.clone();
    if servers.is_empty() {
        servers = words("nameserver")
            .filter(|s| host_namespace || !is_loopback(s))
            .map(str::to_owned)
            .collect();
    }
    if servers.is_empty() {
        servers = PUBLIC_NAME_SERVERS.map(str::to_owned).to_vec();
    }
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    let or_host = |own: &[String], key| {
        if own.is_empty() {
            words(key).next().unwrap_or_default().to_owned()
        } else {
            own.join(" ")
        }
    };
    for (key, value) in [
        ("search", or_host(&spec.dns_search, "search")),
        ("options", or_host(&spec.dns_options, "options")),
    ] {
        if !value.is_empty() && value != "." {
            let _ = writeln!(text, "{key} {value}");
        }
    }
    text
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_on_the_hosts_loopback_are_left_out() {
        let spec = ContainerSpec::default();
        let host = "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.example b.example\noptions edns0\n";
        assert_eq!(
            resolv_conf(&spec, host, false),
            "nameserver 10.0.0.1\nsearch a.example b.example\noptions edns0\n"
        );
        assert_eq!(
            resolv_conf(&spec, "nameserver 127.0.0.1\n", false),
            "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
        );
        assert_eq!(
            resolv_conf(&spec, "nameserver 127.0.0.1\n", true),
            "nameserver 127.0.0.1\n"
        );
    }

    #[test]
    fn the_requests_servers_come_before_the_hosts() {
        let spec = ContainerSpec {
            dns: vec!["1.1.1.1".into()],
            dns_search: vec!["x.example".into()],
            ..Default::default()
        };
        assert_eq!(
            resolv_conf(&spec, "nameserver 10.0.0.1\n", false),
            "nameserver 1.1.1.1\nsearch x.example\n"
        );
    }

    #[test]
    fn hosts_names_the_container_and_what_the_user_added() {
        let spec = ContainerSpec {
            extra_hosts: vec!["db:10.1.1.1".into()],
            ..Default::default()
        };
        let text = hosts(&spec, "box", Some("172.17.0.2".parse().unwrap()));
        assert!(
            text.contains("10.1.1.1\tdb\n") && text.ends_with("172.17.0.2\tbox\n"),
            "{text}"
        );
    }
}
