//! Network driver `host`: the container shares the host's network namespace.

mod driver;

use driver::Host;

bulkhead_plugin_api::export_network!(Host);
