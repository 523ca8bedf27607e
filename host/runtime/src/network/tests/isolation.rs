//! What must not be reachable, and hosts that cannot or do not let it be.

use bulkhead_sys::seccomp::{Action, Architecture, Comparison, Condition, Filter, Rule, Rules};

use super::*;

#[test]
fn what_is_not_published_is_not_reachable_from_outside_nor_from_other_networks() {
    on_host(|context| {
        let lan = neighbour();
        let server = attach(&plan(2, &[any(8080)]), "server", context).unwrap();
        serve(server.netns().unwrap());
        assert_eq!(ask(lan.fd.as_fd(), container(2), 80, DROPPED), None);
        let other = other_network();
        let stranger = attach(&other, "stranger", context).unwrap();
        let stranger = stranger.netns().unwrap();
        assert_eq!(ask(stranger, container(2), 80, DROPPED), None);
        // By the published port it may.
        assert!(ask(stranger, HOST_ON_LAN, 8080, PATIENCE).is_some());
    });
}

/// CVE-2020-8558: `route_localnet` lets a container that addresses packets to
/// 127.0.0.1 to the host reach services that trust the loopback.
#[test]
fn a_container_cannot_reach_the_hosts_loopback() {
    on_host(|context| {
        serve_on_loopback();
        let mut attached = attach(&plan(2, &[]), "e1", context).unwrap();
        let netns = attached.netns().unwrap();
        in_namespace(netns, send_loopback_to_the_gateway).unwrap();
        let loopback = Ipv4Addr::LOCALHOST;
        assert_eq!(ask(netns, loopback, 80, DROPPED), None);
        // The guard it is that keeps it out.
        context.delete_table().unwrap();
        assert_eq!(ask(netns, loopback, 80, PATIENCE), Some(container(2)));
        attached = attach(&plan(3, &[]), "e2", context).unwrap();
        drop(attached);
    });
}

fn serve_on_loopback() {
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let peer = client.peer_addr().unwrap().ip();
            let _ = client.write_all(peer.to_string().as_bytes());
        }
    });
}

/// What a root process with CAP_NET_ADMIN inside could do.
fn send_loopback_to_the_gateway() {
    let mut route = RouteSocket::open().unwrap();
    // Without its address, 127.0.0.1 is nothing special to this namespace.
    let flush = ["address", "flush", "dev", "lo"];
    let status = std::process::Command::new("ip").args(flush).status();
    assert!(status.expect("iproute2 is installed").success());
    std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
    let dest = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0));
    let via = Some(IpAddr::V4(GATEWAY));
    route
        .add_route(&Route {
            dest,
            prefix: 8,
            via,
            link: 0,
        })
        .unwrap();
}

#[test]
fn a_foreign_chain_that_drops_is_reported() {
    on_host(|context| {
        in_foreign_table_drop_forwarded();
        let connection = attach(&plan(2, &[]), "e1", context).unwrap().keep();
        let [warning] = connection.warnings.as_slice() else {
            panic!("one warning: {:?}", connection.warnings);
        };
        assert!(
            warning.contains("chain FORWARD of table filter drops"),
            "{warning}"
        );
    });
}

/// `nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'`
fn in_foreign_table_drop_forwarded() {
    let spec = "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }";
    let status = std::process::Command::new("nft")
        .arg(spec)
        .status()
        .expect("nftables is installed");
    assert!(status.success());
}

#[test]
fn a_kernel_without_nfnetlink_is_named_and_still_runs_containers_without_a_bridge() {
    on_host(|context| {
        without_netfilter();
        let bridged = plan(2, &[any(8080)]);
        let error = attach(&bridged, "e1", context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.ends_with("needs nfnetlink)"), "{source}");
        detach(&bridged, "e1", context).unwrap();
        assert!(attach(&NetworkPlan::default(), "e2", context).is_ok());
    });
}

/// From now on this thread's kernel knows no NETLINK_NETFILTER.
fn without_netfilter() {
    let equals = |argument, value| Condition {
        argument,
        comparison: Comparison::Equal,
        value,
        low_half: true,
    };
    const AF_NETLINK: u64 = 16;
    const NETLINK_NETFILTER: u64 = 12;
    let refuse = Rule {
        when: vec![equals(0, AF_NETLINK), equals(2, NETLINK_NETFILTER)],
        action: Action::Errno(nix::libc::EPROTONOSUPPORT),
    };
    let rules = Rules {
        architecture: Architecture::NATIVE,
        calls: [(nix::libc::SYS_socket as u32, vec![refuse])].into(),
        otherwise: Action::Allow,
    };
    bulkhead_sys::process::set_no_new_privs().unwrap();
    Filter::assemble(&[rules]).load().unwrap();
}
