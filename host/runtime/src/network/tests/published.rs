//! Published ports: every way to them, and who has which.

use super::*;

#[test]
fn a_published_port_answers_on_every_way_to_it() {
    on_host(|context| {
        let lan = neighbour();
        let server = attach(&plan(2, &[any(8080)]), "server", context).unwrap();
        let client = attach(&plan(3, &[]), "client", context).unwrap();
        let (server, client) = (server.netns().unwrap(), client.netns().unwrap());
        serve(server);
        let host = here();
        let host = host.fd.as_fd();
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, PATIENCE),
            Some(NEIGHBOUR)
        );
        assert_eq!(ask(host, HOST_ON_LAN, 8080, PATIENCE), Some(HOST_ON_LAN));
        assert_eq!(ask(host, GATEWAY, 8080, PATIENCE), Some(GATEWAY));
        assert_eq!(
            ask(host, Ipv4Addr::LOCALHOST, 8080, PATIENCE),
            Some(GATEWAY)
        );
        // From a neighbour on the bridge, and from the container itself.
        assert_eq!(ask(client, HOST_ON_LAN, 8080, PATIENCE), Some(GATEWAY));
        assert_eq!(ask(client, GATEWAY, 8080, PATIENCE), Some(GATEWAY));
        assert_eq!(ask(server, HOST_ON_LAN, 8080, PATIENCE), Some(GATEWAY));
    });
}

#[test]
fn a_port_published_on_one_address_answers_there_only() {
    on_host(|context| {
        let lan = neighbour();
        let ports = [tcp(Ipv4Addr::LOCALHOST, 8080), tcp(HOST_ON_LAN, 9090)];
        let server = attach(&plan(2, &ports), "server", context).unwrap();
        serve(server.netns().unwrap());
        let (host, lan) = (here(), lan.fd.as_fd());
        let host = host.fd.as_fd();
        assert!(ask(host, Ipv4Addr::LOCALHOST, 8080, PATIENCE).is_some());
        assert_eq!(ask(lan, HOST_ON_LAN, 8080, DROPPED), None);
        assert_eq!(ask(lan, HOST_ON_LAN, 9090, PATIENCE), Some(NEIGHBOUR));
        assert_eq!(ask(host, GATEWAY, 9090, DROPPED), None);
    });
}

#[test]
fn datagrams_reach_a_published_port() {
    on_host(|context| {
        let mapping = PortMapping {
            protocol: Protocol::Udp,
            host_addr: Ipv4Addr::UNSPECIFIED.into(),
            host_port: 5353,
            container_port: 53,
            count: 1,
        };
        let server = attach(&plan(2, &[mapping]), "server", context).unwrap();
        let netns = server.netns().unwrap();
        let inside = in_namespace(netns, || UdpSocket::bind("0.0.0.0:53"))
            .unwrap()
            .unwrap();
        inside.set_read_timeout(Some(PATIENCE)).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(b"ping", "127.0.0.1:5353").unwrap();
        let mut buffer = [0; 8];
        let (_, from) = inside.recv_from(&mut buffer).unwrap();
        inside.send_to(b"pong", from).unwrap();
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"pong");
        assert_eq!(from, "127.0.0.1:5353".parse().unwrap());
    });
}

#[test]
fn a_port_is_given_to_one_endpoint_only() {
    on_host(|context| {
        let mut first = attach(&plan(2, &[any(8080)]), "first", context).unwrap();
        for mapping in [any(8080), tcp(Ipv4Addr::LOCALHOST, 8080)] {
            let error = attach(&plan(3, std::slice::from_ref(&mapping)), "second", context);
            let wanted = format!(
                "Bind for {}:8080 failed: port is already allocated",
                mapping.host_addr
            );
            assert_eq!(error.unwrap_err().to_string(), wanted);
        }
        drop(first);
        first = attach(
            &plan(2, &[tcp(Ipv4Addr::LOCALHOST, 8080)]),
            "first",
            context,
        )
        .unwrap();
        let error = attach(&plan(3, &[any(8080)]), "second", context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        // Nor to a process of the host, while the reservation is held.
        let connection = first.keep();
        assert!(TcpListener::bind("127.0.0.1:8080").is_err());
        drop(connection);
        assert!(TcpListener::bind("127.0.0.1:8080").is_ok());
    });
}

#[test]
fn free_ports_are_free_and_differ() {
    on_host(|context| {
        let addr = Ipv4Addr::UNSPECIFIED.into();
        let listening = TcpListener::bind("0.0.0.0:32768").unwrap();
        let published = attach(&plan(2, &[any(32769)]), "e1", context)
            .unwrap()
            .keep();
        drop(published);
        let one = free_port(Protocol::Tcp, addr, context).unwrap();
        let two = free_port(Protocol::Tcp, addr, context).unwrap();
        assert_eq!((one, two), (32770, 32771));
        drop(listening);
    });
}

#[test]
fn rules_come_back_after_the_ruleset_was_flushed() {
    on_host(|context| {
        let lan = neighbour();
        let plan = plan(2, &[any(8080)]);
        let connection = attach(&plan, "server", context).unwrap().keep();
        serve(connection.netns.as_ref().unwrap().as_fd());
        // Another process's doing.
        NetworkContext::open(TABLE).unwrap().delete_table().unwrap();
        assert_eq!(ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, DROPPED), None);
        for _ in 0..2 {
            restore(&plan, "server", context).unwrap();
        }
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, PATIENCE),
            Some(NEIGHBOUR)
        );
        // A daemon that starts anew finds what is there.
        let restarted = NetworkContext::open(TABLE).unwrap();
        assert_eq!(published(&restarted).unwrap()[0].endpoint, "server");
        assert_eq!(
            ask(lan.fd.as_fd(), HOST_ON_LAN, 8080, PATIENCE),
            Some(NEIGHBOUR)
        );
    });
}

#[test]
fn two_daemons_do_not_touch_each_other() {
    on_host(|context| {
        let second = NetworkContext::open("bulkhead-second").unwrap();
        let server = attach(&plan(2, &[any(8080)]), "server", context).unwrap();
        serve(server.netns().unwrap());
        drop(attach(&other_network(), "stranger", &second).unwrap());
        second.delete_table().unwrap();
        assert!(ask(here().fd.as_fd(), Ipv4Addr::LOCALHOST, 8080, PATIENCE).is_some());
        // The reservation keeps the other from taking the port.
        let error = attach(&plan(3, &[any(8080)]), "thief", &second).unwrap_err();
        assert!(
            matches!(error, NetworkError::PortUnavailable { .. }),
            "{error}"
        );
    });
}
