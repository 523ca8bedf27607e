//! What the driver decides.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Result, log};

/// The driver.
pub(crate) struct Host;

impl NetworkDriver for Host {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        if !txn.ports()?.is_empty() {
            // Docker's behaviour: the flag is ignored, with a warning.
            log::warn(
                "published ports are ignored: the container listens on the host's addresses itself",
            );
        }
        txn.use_host_namespace()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bulkhead_plugin_api::network::{PortMapping, Protocol};
    use bulkhead_plugin_api::testing::{FakeNetworkHost, NetworkOrder};

    use super::*;

    #[test]
    fn published_ports_are_ignored() {
        let any = Ipv4Addr::UNSPECIFIED.into();
        let port = PortMapping {
            protocol: Protocol::Tcp,
            host_address: any,
            host_port: 80,
            container_port: 80,
            count: 1,
        };
        let host = FakeNetworkHost::new("host").with_port(port);
        Host::attach(&host).unwrap();
        let expected: [NetworkOrder; 1] = [NetworkOrder::UseHostNamespace];
        assert_eq!(host.orders(), expected);
    }
}
