//! What the driver decides.

use bulkhead_plugin_api::network::{NetworkDriver, Txn};
use bulkhead_plugin_api::{Result, log};

/// The driver.
pub(crate) struct Nothing;

impl NetworkDriver for Nothing {
    fn attach<T: Txn>(txn: &T) -> Result<()> {
        if !txn.ports()?.is_empty() {
            // Docker's behaviour: the flag is ignored, with a warning.
            log::warn(
                "published ports are ignored: a container without a network cannot be reached",
            );
        }
        Ok(())
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
        let host = FakeNetworkHost::new("none").with_port(port);
        Nothing::attach(&host).unwrap();
        let expected: [NetworkOrder; 0] = [];
        assert_eq!(host.orders(), expected);
    }
}
