//! Network driver `bridge`: a veth pair on the network's bridge, an address
//! of its pool, and the host's address for whatever leaves the host.

mod driver;

use driver::Bridge;

bulkhead_plugin_api::export_network!(Bridge);
